//! The two connections: the bytes to send, and the replies that are expected.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::net::sync::Instant;
use crate::server::redis::scan::Bounds;
use crate::server::redis::scripts::Script;
use crate::server::redis::wire::Decoder;

use super::Line;
use super::reads::Asked;

/// A reply that is expected.
#[derive(Debug)]
pub(super) enum Expected {
    Auth,
    Select,
    /// The name of the connection, which may be refused.
    Name,
    /// A part of the facts; the last one ends the check.
    Info,
    Load(Script),
    /// The batch of a room.
    Append(Arc<str>),
    Read(Asked),
    /// The request with this number.
    Forget(u64),
    Probe,
}

#[derive(Debug)]
pub(super) struct Half {
    pub(super) decoder: Decoder,
    pub(super) out: Vec<u8>,
    expected: VecDeque<(Expected, Instant)>,
}

#[derive(Debug, Default)]
pub(super) struct Lines {
    commands: Half,
    notifications: Half,
}

/// The most bytes of a message in a shared room.
pub(super) const LARGEST: usize = 16 * 1024 * 1024;

/// The limits of a reply: a page with the largest message, or the notification of a whole batch.
const BOUNDS: Bounds = Bounds {
    line: 64 * 1024,
    bulk: LARGEST + 64 * 1024,
    items: 16 * 1024,
    reply: LARGEST + 2 * 1024 * 1024,
};

impl Default for Half {
    fn default() -> Half {
        Half {
            decoder: Decoder::new(BOUNDS),
            out: Vec::new(),
            expected: VecDeque::new(),
        }
    }
}

impl Half {
    /// Expects one more reply.
    pub(super) fn await_reply(&mut self, expected: Expected, now: Instant) {
        self.expected.push_back((expected, now));
    }

    /// Returns what the next reply answers.
    pub(super) fn answered(&mut self) -> Option<Expected> {
        self.expected.pop_front().map(|(expected, _)| expected)
    }

    fn first(&self) -> Option<Instant> {
        self.expected.front().map(|(_, since)| *since)
    }
}

impl Lines {
    pub(super) fn of(&mut self, line: Line) -> &mut Half {
        match line {
            Line::Commands => &mut self.commands,
            Line::Notifications => &mut self.notifications,
        }
    }

    /// Returns when the oldest reply is due.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        let first = [self.commands.first(), self.notifications.first()];
        first
            .into_iter()
            .flatten()
            .min()
            .map(|since| since + timeout)
    }

    /// Returns the fault, if a reply is late.
    pub(super) fn lateness(&self, now: Instant, timeout: Duration) -> Option<&'static str> {
        let is_late = self
            .deadline(timeout)
            .is_some_and(|deadline| deadline <= now);
        is_late.then_some(match self.commands.decoder.waiting() {
            0 => "Redis has not answered in time",
            _ => "Redis has stopped in the middle of an answer",
        })
    }
}
