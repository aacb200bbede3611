//! How the end of a throttled client is noticed although nothing is read from it.
//!
//! The kernel tells of a reset at once, and of the end of the stream once that has come. Behind more
//! bytes than the kernel's buffer holds it cannot come: but a peer that is gone answers whatever it
//! is sent with a reset, so a throttled client is pinged now and then.

use std::time::Duration;

use super::connection::Conversation;
use super::keepalive;
use super::link::Stage;
use super::log::debug;
use super::socket::PeerEnd;
use super::sync::Instant;
use crate::error::DisconnectReason;

/// The known facts about the end of a throttled client.
#[derive(Debug, Default)]
pub(super) struct WatchdogThread {
    /// When to look for it next.
    next: Option<Instant>,
    /// The last look has sent a ping.
    has_asked: bool,
    /// How many pongs may come that answer such pings.
    pub(super) pongs_due: u32,
    /// Since when the end of its stream is known.
    ended: Option<Instant>,
}

/// How often to look, and how soon after a ping: an end shows within 5 s.
const LOOK: Duration = Duration::from_secs(4);
const ANSWER: Duration = Duration::from_millis(500);

impl WatchdogThread {
    /// How long the client's thread may wait before something is due here.
    pub(super) fn wait(&self, now: Instant, close: Duration) -> Duration {
        let next = self.next.map(|next| next.saturating_duration_since(now));
        let left = self.ended.map(|ended| close.saturating_sub(now - ended));
        next.into_iter().chain(left).min().unwrap_or(LOOK)
    }

    fn is_due(&mut self, now: Instant) -> bool {
        now >= *self.next.get_or_insert_with(|| now + LOOK)
    }

    /// After a look: whether to ask the peer whether it is still there.
    fn asks(&mut self, now: Instant) -> bool {
        self.has_asked = !self.has_asked && self.ended.is_none();
        let wait = if self.has_asked { ANSWER } else { LOOK };
        self.next = Some(now + wait);
        self.has_asked
    }

    /// The stream is known to have ended; whether that is so long ago that its rest is dropped.
    fn is_over(&self, now: Instant, close: Duration) -> bool {
        self.ended.is_some_and(|ended| now - ended >= close)
    }
}

impl Conversation {
    /// Looks, if that is due `now`, whether a throttled client has left, and disconnects it once
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
        debug!("{}: {why}: unread bytes are dropped", self.link);
        self.link.enter(Stage::Closed);
        self.link.send_queue.cut(DisconnectReason::EndOfStream);
        self.connection.abandon();
        true
    }
}
