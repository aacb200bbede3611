//! The six states of a connection, and the whole table of its transitions between them.
//!
//! Three rules keep this file honest:
//!
//! 1. [`State::after`] alone decides every change of state; nothing else assigns one.
//! 2. This file knows neither the version that the connection speaks nor its bytes.
//! 3. A cell marked `-` cannot be reached by anything a peer sends: meeting one is a bug of the
//!    engine.
//!
//! One table serves both roles: a server reads the head of the request, a client that of the response.
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
//! - A rejection can only come out of `Opening`: `HeadAccepted` means that the 101 is on its way, or
//!   has come, and from then on the only way out is to close the TCP connection. Draft-76 stays in
//!   `Handshaking` until its last eight bytes have come, or its sixteen for a client; the other
//!   versions pass through it in one step.
//! - `Closing` is entered by whichever half of the closing handshake comes first. The other half,
//!   and the end of the stream after it, do not change the state: that the close is complete, which
//!   side began it and whether it was clean is data ([`Closed`](super::Closed)), not more states.
//! - In draft-75 closing the TCP connection *is* the close, so there the end of the stream counts as
//!   `CloseStarted` first.
//! - An invalid request is rejected, so for a server only the stream can fail in `Opening`. A response,
//!   which cannot be rejected, is `Refused` if the server rejects the handshake, and `Failed` if it
//!   breaks a rule.
//! - `Error` and `Rejected` are final: input after them is ignored.
//!
//! In the words of RFC 6455: `Opening` and `Handshaking` are CONNECTING, `Ready` is OPEN,
//! `Closing` is CLOSING and then CLOSED, the other two are ways of being CLOSED.

use std::fmt;

/// The state of a connection. The numbers are stable: they may be logged, stored and compared.
///
/// Complete: the table of transitions has no further states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// The header block is being read: a server reads the request, a client the response.
    Opening = 0,
    /// The header block is valid and accepted, the handshake is not finished.
    Handshaking = 1,
    /// Messages flow.
    Ready = 2,
    /// A close was sent or received; no more data is processed.
    Closing = 3,
    /// Failed because of the peer's protocol error or of I/O.
    Error = 4,
    /// Answered with plain HTTP, before `Ready`: a rejection, or a page. On a client: by the server.
    Rejected = 5,
}

/// A cause of a change of state.
///
/// Complete: the table of transitions has no further columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The request was valid and was accepted; on a client, the response is a valid 101.
    HeadAccepted,
    /// The response, with draft-76's proof if there is one, is complete.
    HandshakeDone,
    /// The request was answered with plain HTTP.
    Refused,
    /// A close was sent or received.
    CloseStarted,
    /// The peer will send nothing more.
    StreamEnded,
    /// The peer broke a rule or a limit (a request that does is `Refused`), or this side failed the
    /// connection.
    Failed,
}

/// One change of state, as it is logged and passed to the user's hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state that was left.
    pub from: State,
    /// The cause.
    pub trigger: Trigger,
    /// The state that was entered.
    pub to: State,
}

/// The state of one connection, and its changes that were not taken yet.
#[derive(Debug)]
pub(super) struct StateMachine {
    state: State,
    transitions: Vec<Transition>,
}

impl State {
    /// All states, in the order of their numbers.
    pub const ALL: [State; 6] = {
        use State::*;
        [Opening, Handshaking, Ready, Closing, Error, Rejected]
    };

    /// Looks up the table: returns the state after `trigger`, or `None` for a cell that cannot be
    /// reached.
    #[rustfmt::skip]
    #[must_use]
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

    /// Returns the state's number, 0 to 5.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns whether no message can be received or sent any more.
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

impl Default for StateMachine {
    fn default() -> Self {
        StateMachine {
            state: State::Opening,
            transitions: Vec::new(),
        }
    }
}

impl StateMachine {
    #[inline]
    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn change(&mut self, trigger: Trigger) {
        let from = self.state;
        match from.after(trigger) {
            Some(to) if to != from => {
                self.state = to;
                self.transitions.push(Transition { from, trigger, to });
            }
            Some(_) => {}
            None => debug_assert!(false, "the table has no {trigger:?} in {from}"),
        }
    }

    #[cfg(any(feature = "server", feature = "client"))]
    pub(super) fn has_transitions(&self) -> bool {
        !self.transitions.is_empty()
    }

    pub(super) fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }
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
