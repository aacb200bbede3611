//! The rate limit of one connection, applied between the steps of its loop.

use crate::error::DisconnectReason;
use crate::protocol::{CloseCode, CloseFrame, State};

use super::connection::{Conversation, Step};
use super::deadline::Deadline;
use super::link::Stage;
use super::log::quota::Kind;
use super::log::{CONNECTION, debug, log_limited};
use super::rate_limit::{OnRateLimit, Throttled};
use super::watcher::Incident;

impl Conversation {
    /// If the client has exceeded its rate limit, waits until it may continue, or closes the connection.
    /// Applies only while the connection is open: the closing handshake has its own timeouts.
    #[inline(never)]
    pub(super) fn throttle(&mut self, deadline: &Deadline) -> Option<Step> {
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
