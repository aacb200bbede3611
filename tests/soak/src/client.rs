//! One client, and its present activity.

use std::time::Duration;

use stentor::Version;

use crate::by_hand::ByHand;
use crate::ledger::Ears;
use crate::manner::Manner;
use crate::own::Own;

/// How a client behaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Class {
    /// Sends, reads, takes pauses that the server can bear, answers pings, and closes with a close
    /// frame.
    Healthy,
    /// The same, and it is Stentor's own client.
    Own,
    /// Ends with a reset.
    Reset,
    /// Closes TCP in the middle of a message.
    Torn,
    /// Shuts its side, and waits.
    HalfClose,
    /// Breaks the protocol.
    Garbage,
    /// Stops reading for good.
    Sleeper,
    /// Reads, and sends nothing any more, no pong either.
    Mute,
    /// Sends a request that no server can accept.
    BadRequest,
    /// Stops in the middle of its request; some of them go away.
    HalfRequest,
    /// Asks for a page.
    Page,
}

impl Class {
    /// All classes that are not healthy.
    pub(crate) const ILL: [Class; 9] = [
        Class::Reset,
        Class::Torn,
        Class::HalfClose,
        Class::Garbage,
        Class::Sleeper,
        Class::Mute,
        Class::BadRequest,
        Class::HalfRequest,
        Class::Page,
    ];

    /// Whether every message that it sends, and every message for it, counts.
    pub(crate) fn is_healthy(self) -> bool {
        self <= Class::Own
    }

    /// Whether it goes through a handshake.
    pub(crate) fn opens(self) -> bool {
        self < Class::BadRequest
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// The response to its request has not come.
    Asking,
    Talking,
    /// It has sent its last message, which has not come back.
    LastWord,
    /// It has sent its close frame; the second once the server has sent one, too.
    Goodbye,
    Parted,
    /// It has misbehaved; whatever comes, the connection must end.
    Doomed,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Stream,
    Reset,
}

pub(crate) struct Client {
    pub(crate) life: u32,
    pub(crate) class: Class,
    pub(crate) version: Version,
    pub(crate) manner: Manner,
    pub(crate) body: Body,
    pub(crate) phase: Phase,
    pub(crate) ears: Ears,
    /// The time of its next action by class; and the time by which it should be over.
    pub(crate) due: Duration,
    pub(crate) deadline: Duration,
    /// The time of its next pause in reading, and of the end of that pause.
    pub(crate) nap: Option<Duration>,
    pub(crate) wakes: Option<Duration>,
    /// Until then a reset is not counted as an error.
    pub(crate) excused: Duration,
}

/// The implementation that runs the connection.
pub(crate) enum Body {
    ByHand(Box<ByHand>),
    Own(Own),
}

impl Client {
    pub(crate) fn new(
        life: u32,
        class: Class,
        version: Version,
        manner: Manner,
        body: Body,
        ears: Ears,
    ) -> Client {
        Client {
            life,
            class,
            version,
            manner,
            body,
            phase: Phase::Asking,
            ears,
            due: Duration::MAX,
            deadline: Duration::MAX,
            nap: None,
            wakes: None,
            excused: Duration::ZERO,
        }
    }

    pub(crate) fn say(&mut self, payload: &[u8], binary: bool) -> Result<(), String> {
        match &mut self.body {
            Body::ByHand(hand) => hand.say(payload, binary),
            Body::Own(own) => own.say(payload, binary)?,
        }
        Ok(())
    }

    pub(crate) fn start_close(&mut self) {
        match &mut self.body {
            Body::ByHand(hand) => hand.start_close(),
            Body::Own(own) => own.start_close(),
        }
    }
}
