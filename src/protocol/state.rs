//! The six states of a connection, and the whole table of how it moves between them.
//!
//! Three rules keep this file honest:
//!
//! 1. Everything that decides a change of state is in [`State::after`]; nothing else assigns one.
//! 2. This file does not know which version the connection speaks, nor what a byte looks like.
//! 3. A cell marked `-` cannot be reached by anything a peer sends: meeting one is a bug of the
//!    engine.
//!
//! One table serves both roles: to a server, the head is the request; to a client, the answer.
//!
//! ```text
//!              HeadAccepted  HandshakeDone  Refused   CloseStarted  StreamEnded  Failed
//! Opening      Handshaking   -              Rejected  -             Error        Error
//! Handshaking  -             Ready          -         -             Error        Error
//! Ready        -             -              -         Closing       Error        Error
//! Closing      -             -              -         Closing       Closing      Error
//! Error        -             -              -         -             -            -
//! Rejected     -             -              -         -             -            -
//! ```
//!
//! How it reads:
//!
//! - A refusal can only come out of `Opening`: `HeadAccepted` means that the 101 is on its way, or
//!   has come, and from then on the only answer is to hang up. Draft-76 lingers in `Handshaking` until
//!   its last eight bytes have come, or its sixteen where a client waits; the other versions pass
//!   through it in one step.
//! - `Closing` is entered by whichever half of the closing handshake comes first. The other half,
//!   and the end of the stream after it, leave it where it is: that the close is complete, who
//!   began it and whether it was clean is data ([`Closed`](super::Closed)), not more states.
//! - In draft-75 hanging up *is* the close, so there the end of the stream counts as
//!   `CloseStarted` first.
//! - What is wrong with a request is a refusal, so to a server nothing can fail in `Opening` but the
//!   stream. An answer, which nobody answers, is a `Refused` if it says so, and `Failed` if it breaks
//!   a rule.
//! - `Error` and `Rejected` are final: what comes after them is not looked at.
//!
//! In the words of RFC 6455: `Opening` and `Handshaking` are CONNECTING, `Ready` is OPEN,
//! `Closing` is CLOSING and then CLOSED, the other two are ways of being CLOSED.

use std::fmt;

/// Where a connection stands. The numbers are stable: they may be logged, stored and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// The head is being read: a server's request, a client's answer.
    Opening = 0,
    /// The head is valid and accepted, the handshake is not finished.
    Handshaking = 1,
    /// Messages flow.
    Ready = 2,
    /// A close was sent or received; no more data is processed.
    Closing = 3,
    /// Broken by the peer's violation or by I/O.
    Error = 4,
    /// Answered with plain HTTP, before `Ready`: a refusal, or a page. To a client: by the server.
    Rejected = 5,
}

/// What makes a connection change its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The request was found valid and was accepted; to a client, the answer says so.
    HeadAccepted,
    /// The answer, with draft-76's proof where there is one, is complete.
    HandshakeDone,
    /// The request was answered with plain HTTP.
    Refused,
    /// A close was sent or received.
    CloseStarted,
    /// The peer will send nothing more.
    StreamEnded,
    /// The peer broke a rule or a limit, which a request cannot, or we gave the connection up.
    Failed,
}

/// One change of state, as it is logged and shown to the user's hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state that was left.
    pub from: State,
    /// What happened.
    pub trigger: Trigger,
    /// The state that was entered.
    pub to: State,
}

impl State {
    /// All states, in the order of their numbers.
    pub const ALL: [State; 6] = {
        use State::*;
        [Opening, Handshaking, Ready, Closing, Error, Rejected]
    };

    /// The table: the state after `trigger`, or `None` for a cell that cannot be reached.
    #[rustfmt::skip]
    pub const fn after(self, trigger: Trigger) -> Option<State> {
        use State::*;
        use Trigger::*;
        match (self, trigger) {
            (Opening,     HeadAccepted)  => Some(Handshaking),
            (Opening,     Refused)       => Some(Rejected),
            (Opening,     StreamEnded)   => Some(Error),
            (Opening,     Failed)        => Some(Error),

            (Handshaking, HandshakeDone) => Some(Ready),
            (Handshaking, StreamEnded)   => Some(Error),
            (Handshaking, Failed)        => Some(Error),

            (Ready,       CloseStarted)  => Some(Closing),
            (Ready,       StreamEnded)   => Some(Error),
            (Ready,       Failed)        => Some(Error),

            (Closing,     CloseStarted)  => Some(Closing),
            (Closing,     StreamEnded)   => Some(Closing),
            (Closing,     Failed)        => Some(Error),

            _ => None,
        }
    }

    /// The state's number, 0 to 5.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether no message can be received or sent any more.
    pub const fn is_over(self) -> bool {
        matches!(self, State::Closing | State::Error | State::Rejected)
    }
}

impl Trigger {
    /// All triggers, in the order of the table's columns.
    pub const ALL: [Trigger; 6] = {
        use Trigger::*;
        [
            HeadAccepted,
            HandshakeDone,
            Refused,
            CloseStarted,
            StreamEnded,
            Failed,
        ]
    };
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Opening => "Opening",
            State::Handshaking => "Handshaking",
            State::Ready => "Ready",
            State::Closing => "Closing",
            State::Error => "Error",
            State::Rejected => "Rejected",
        })
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ({:?})", self.from, self.to, self.trigger)
    }
}
