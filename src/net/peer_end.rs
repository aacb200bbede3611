//! Detects the end of a throttled client's connection although nothing is read from it.
//!
//! The kernel reports a reset at once, and the end of the stream once it has arrived. It cannot arrive
//! behind more bytes than the kernel's buffer holds. But a peer that is gone answers any bytes
//! with a reset, so a throttled client is pinged from time to time.

use std::time::Duration;

use super::connection::Conversation;
use super::keepalive;
use super::link::Stage;
use super::log::{CONNECTION, debug};
use super::socket::PeerEnd;
use super::sync::Instant;
use crate::error::DisconnectReason;

/// The checks for the end of a throttled client's connection, and their results.
#[derive(Debug, Default)]
pub(super) struct EndWatch {
    /// When the next check is due.
    next: Option<Instant>,
    /// The last check has sent a ping.
    has_asked: bool,
    /// How many pongs may arrive that answer such pings.
    pub(super) pongs_due: u32,
    /// When the end of its stream was detected.
    ended: Option<Instant>,
}

/// The time between two checks, and from a ping to the next check: an end is detected within 5 s.
const LOOK: Duration = Duration::from_secs(4);
const ANSWER: Duration = Duration::from_millis(500);

impl EndWatch {
    /// Returns how long the client's thread may wait before the next check.
    pub(super) fn wait(&self, now: Instant, close: Duration) -> Duration {
        let next = self.next.map(|next| next.saturating_duration_since(now));
        let left = self.ended.map(|ended| close.saturating_sub(now - ended));
        next.into_iter().chain(left).min().unwrap_or(LOOK)
    }

    fn is_due(&mut self, now: Instant) -> bool {
        now >= *self.next.get_or_insert_with(|| now + LOOK)
    }

    /// Schedules the next check after one; returns whether to ping the peer now.
    fn asks(&mut self, now: Instant) -> bool {
        self.has_asked = !self.has_asked && self.ended.is_none();
        let wait = if self.has_asked { ANSWER } else { LOOK };
        self.next = Some(now + wait);
        self.has_asked
    }

    /// Whether the stream ended so long ago that its unread rest is dropped.
    fn is_over(&self, now: Instant, close: Duration) -> bool {
        self.ended.is_some_and(|ended| now - ended >= close)
    }
}

impl Conversation {
    /// Checks, if that is due `now`, whether a throttled client has left, and disconnects it once
    /// nothing more is to be read from it.
    pub(super) fn has_left(&mut self, now: Instant) -> bool {
        let close = self.link.timeouts.close;
        let Some(rate_limiter) = &mut self.rate_limiter else {
            return false;
        };
        let watch = &mut rate_limiter.watch;
        if watch.is_due(now) {
            match self.socket.peer_end() {
                PeerEnd::Reset => return self.drop_unread("the peer has reset the connection"),
                PeerEnd::OfStream => drop(watch.ended.get_or_insert(now)),
                PeerEnd::None => {}
            }
            if watch.asks(now)
                && self.link.timeouts.ping.is_some()
                && keepalive::ping(&self.link, &self.watchdog).is_some()
            {
                watch.pongs_due = watch.pongs_due.saturating_add(1);
            }
        }
        watch.is_over(now, close) && self.drop_unread("the peer's stream has ended")
    }

    fn drop_unread(&mut self, why: &str) -> bool {
        debug!(target: CONNECTION, "{}: {why}: unread bytes are dropped", self.link);
        self.link.enter(Stage::Closed);
        self.link.send_queue.cut(DisconnectReason::EndOfStream);
        self.connection.abandon();
        true
    }
}
