//! One client, and what it is up to.

use std::time::Duration;

use stentor::Version;

use crate::by_hand::ByHand;
use crate::ledger::Ears;
use crate::manner::Manner;
use crate::own::Own;

/// How a client behaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Class {
    /// Talks, listens, takes naps that the server can bear, answers pings, and says goodbye.
    Healthy,
    /// The same, and it is Stentor's own client.
    Own,
    /// Ends with a reset.
    Reset,
    /// Hangs up in the middle of a message.
    Torn,
    /// Shuts its side, and waits.
    HalfClose,
    /// Breaks the protocol.
    Garbage,
    /// Stops reading for good.
    Sleeper,
    /// Reads, and says nothing any more, no pong either.
    Mute,
    /// Asks for what no server can give.
    BadRequest,
    /// Stops in the middle of its request; some of them go away.
    HalfRequest,
    /// Asks for a page.
    Page,
}

impl Class {
    /// All that is not healthy.
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

    /// Whether every message that it says, and that is for it, counts.
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
    /// The answer to its request has not come.
    Asking,
    Talking,
    /// It has said its last word, which has not come back.
    LastWord,
    /// It has said goodbye; the second once the server has, too.
    Goodbye,
    Parted,
    /// It has misbehaved; whatever comes, the end must.
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
    /// When it does what its class does; and when it should have been over.
    pub(crate) due: Duration,
    pub(crate) deadline: Duration,
    /// When it falls asleep next, and when it wakes up.
    pub(crate) nap: Option<Duration>,
    pub(crate) wakes: Option<Duration>,
    /// Until then a reset is nobody's fault.
    pub(crate) excused: Duration,
}

/// Who speaks for it.
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

    pub(crate) fn say_goodbye(&mut self) {
        match &mut self.body {
            Body::ByHand(hand) => hand.say_goodbye(),
            Body::Own(own) => own.say_goodbye(),
        }
    }
}
