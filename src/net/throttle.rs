//! The rate limit of one connection, applied between the steps of its loop.

use crate::error::DisconnectReason;
use crate::protocol::{CloseCode, CloseFrame, Event, State};

use super::connection::{Conversation, Step};
use super::deadline::Deadline;
use super::link::Stage;
use super::log::quota::Kind;
use super::log::{CONNECTION, debug, log_limited};
use super::rate_limit::{OnRateLimit, RateLimiter, Throttled};
use super::watcher::Incident;

impl Conversation {
    /// Returns whether the client has a rate limit.
    #[inline(always)]
    pub(super) fn is_limited(&self) -> bool {
        self.rate_limiter.is_some()
    }

    /// Returns the most bytes that one read should bring.
    #[inline]
    pub(super) fn most_at_once(&self) -> usize {
        let rate_limiter = self.rate_limiter.as_deref();
        rate_limiter.map_or(usize::MAX, RateLimiter::most)
    }

    /// Counts the bytes of one read towards the rate limit.
    #[inline]
    pub(super) fn charge_bytes(&mut self, read: usize) {
        if let (Some(rate_limiter), State::Ready) =
            (&mut self.rate_limiter, self.connection.state())
        {
            rate_limiter.received(read, &self.watchdog.clock);
        }
    }

    /// Counts an event towards the rate limit.
    #[inline]
    pub(super) fn charge_event(&mut self, event: &Event) {
        if let Some(rate_limiter) = &mut self.rate_limiter {
            rate_limiter.observe(event);
        }
    }

    /// If the client has exceeded its rate limit, waits until it may continue, or closes the connection.
    #[inline(always)]
    pub(super) fn throttle(&mut self, deadline: &Deadline) -> Option<Step> {
        match self.is_limited() {
            true => self.throttle_limited(deadline),
            false => None,
        }
    }

    /// Applies only while the connection is open: the closing handshake has its own timeouts.
    #[inline(never)]
    fn throttle_limited(&mut self, deadline: &Deadline) -> Option<Step> {
        let (link, connection) = (&self.link, &self.connection);
        let rate_limiter = self.rate_limiter.as_mut()?;
        rate_limiter.charge(link.messages(), connection.unfinished());
        let has_input = connection.has_input();
        if connection.state() != State::Ready
            || !rate_limiter.is_exceeded(has_input, &self.watchdog.clock)
            || link.send_queue.disconnect_reason().is_some()
        {
            return None;
        }
        let closes = rate_limiter.policy == OnRateLimit::Close;
        if rate_limiter.is_first_excess() {
            let (id, peer) = (link.id, link.peer());
            let consequence = if closes { "closed" } else { "throttled" };
            log_limited!(
                self.watchdog,
                Kind::RateLimitExceeded,
                "client {id} {peer}: rate limit exceeded, the client is {consequence}"
            );
        }
        if closes {
            link.count(Incident::RateLimitExceeded);
            // Always a valid frame.
            let frame = CloseFrame::new(CloseCode::POLICY, "rate limit exceeded");
            let _ = self.start_close(frame);
            return None;
        }
        link.count(Incident::Throttled);
        // Replies to earlier messages need not wait for the throttled ones.
        self.flush();
        self.count_held();
        let rate_limiter = self.rate_limiter.as_mut()?;
        let throttled = rate_limiter.wait_for_tokens(&self.link, &self.socket, has_input, deadline);
        self.notice_close();
        match throttled {
            Throttled::Over => None,
            Throttled::Late => Some(Step::Late),
            Throttled::PeerLeft(why) => {
                debug!(target: CONNECTION, "{}: {why}: unread bytes are dropped", self.link);
                self.link.enter(Stage::Closed);
                let send_queue = &self.link.send_queue;
                send_queue.disconnect(DisconnectReason::EndOfStream);
                self.connection.abandon();
                None
            }
        }
    }
}
