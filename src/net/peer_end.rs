//! Detects the end of a throttled client's connection although nothing is read from it.
//!
//! The kernel reports a reset at once, and the end of the stream once it has arrived. It cannot arrive
//! behind more bytes than the kernel's buffer holds. But a peer that is gone answers any bytes
//! with a reset, so a throttled client is pinged from time to time.

use std::time::Duration;

use super::keepalive;
use super::link::Link;
use super::socket::{PeerEnd, Socket};
use super::sync::Instant;

/// The checks for the end of a throttled client's connection, and their results.
#[derive(Debug, Default)]
pub(super) struct EndWatch {
    /// When the next check is due.
    next: Option<Instant>,
    /// The last check has sent a ping.
    has_pinged: bool,
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

    /// Checks, if that is due `now`, whether the client has left. Returns why nothing more is to be read
    /// from it, once that is so.
    pub(super) fn has_left(
        &mut self,
        now: Instant,
        link: &Link,
        socket: &Socket,
    ) -> Option<&'static str> {
        if self.is_due(now) {
            match socket.peer_end() {
                PeerEnd::Reset => return Some("the peer has reset the connection"),
                PeerEnd::OfStream => drop(self.ended.get_or_insert(now)),
                PeerEnd::None => {}
            }
            if self.pings_now(now)
                && link.timeouts.ping.is_some()
                && keepalive::ping(link).is_some()
            {
                self.pongs_due = self.pongs_due.saturating_add(1);
            }
        }
        let close = link.timeouts.close;
        let is_over = self.ended.is_some_and(|ended| now - ended >= close);
        is_over.then_some("the peer's stream has ended")
    }

    fn is_due(&mut self, now: Instant) -> bool {
        now >= *self.next.get_or_insert_with(|| now + LOOK)
    }

    /// Schedules the next check after one; returns whether to ping the peer now.
    fn pings_now(&mut self, now: Instant) -> bool {
        self.has_pinged = !self.has_pinged && self.ended.is_none();
        let wait = if self.has_pinged { ANSWER } else { LOOK };
        self.next = Some(now + wait);
        self.has_pinged
    }
}
