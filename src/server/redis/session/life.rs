//! The life of the data in Redis can change while the connections stay: a primary takes another replication id when its
//! first replica comes. A server that does not know would begin an epoch with each of its messages, and so would the
//! others. So the facts are read again when another server has begun an epoch.

use crate::net::sync::Instant;
use crate::server::redis::Position;
use crate::server::redis::facts::{self, ServerFacts};

use super::lines::Expected;
use super::{Line, Session};

/// When the facts are read again.
#[derive(Debug, Default)]
pub(super) struct Rereads {
    is_due: bool,
    /// The replies that are still to come.
    expected: usize,
    /// When they were read again last.
    last: Option<Instant>,
}

impl Session {
    /// Notes an entry of another server behind the position that was seen.
    pub(super) fn suspect_life(&mut self, seen: Option<Position>, at: Position) {
        self.rereads.is_due |= seen.is_some_and(|seen| seen.epoch != at.epoch);
    }

    /// Reads the facts again, if that is due: not at each epoch, since each of many rooms begins one after a restart.
    pub(super) fn reread_life(&mut self, now: Instant) {
        let pause = self.config.times.notice;
        let is_early = |last: Instant| now.saturating_duration_since(last) < pause;
        if !self.rereads.is_due || self.rereads.last.is_some_and(is_early) {
            return;
        }
        self.info.clear();
        let half = self.lines.of(Line::Commands);
        let expected = facts::info(&mut half.out);
        for _ in 0..expected {
            half.await_reply(Expected::Info, now);
        }
        self.rereads = Rereads {
            is_due: false,
            expected,
            last: Some(now),
        };
    }

    /// Notes a reply with facts; the last one ends the reading, unless it belongs to the start.
    pub(super) fn has_facts(&mut self, now: Instant) {
        match self.rereads.expected {
            0 => {}
            1 => {
                self.rereads.expected = 0;
                match ServerFacts::read(&self.info).and_then(|facts| facts.check().map(|_| facts)) {
                    Ok(facts) => self.life = facts.life,
                    Err(unusable) => self.broken(&unusable.to_string(), now),
                }
            }
            _ => self.rereads.expected -= 1,
        }
    }
}
