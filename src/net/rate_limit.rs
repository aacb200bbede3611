//! The rate limit of one client, in messages and bytes, and the policy above it.

use std::time::Duration;

use crate::protocol::Event;

use super::clock::Clock;
use super::deadline::Deadline;
use super::link::Link;
use super::peer_end::EndWatch;
use super::socket::Socket;
use super::sync::Instant;
use super::token_bucket::TokenBucket;

/// The number of messages and bytes per second that each client may send. A limit that is not set does not
/// apply.
///
/// A silent client saves up what it may send, for the time [`burst`](RateLimit::burst). It may send that much
/// at once, and can then continue at its rate. This is the same in every version.
///
/// - Messages: pings and pongs count as messages. Fragments, and the frames that draft-75 and draft-76 skip,
///   do not: they count only as bytes. So set both limits.
/// - Bytes: the bytes on the wire count as they are read, from the end of the handshake on; with TLS, after
///   decryption. If decompression yields more bytes, perhaps a thousand times as many, these count as soon as
///   they are decompressed.
///
/// ```
/// use stentor::{RateLimit, Server};
/// let server = Server::builder().rate_limit(RateLimit::per_second().messages(50).bytes(256 * 1024));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "pass it to `ServerBuilder::rate_limit`"]
#[doc(alias = "rate limit")]
#[doc(alias = "throttle")]
#[doc(alias = "token bucket")]
pub struct RateLimit {
    messages: Option<u32>,
    bytes: Option<u32>,
    burst: Duration,
}

/// The policy for a client that exceeds its [`RateLimit`](crate::RateLimit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnRateLimit {
    /// Throttles the client: the server reads nothing from it until the rate limit allows more. TCP then
    /// slows the client down (backpressure), and no message is lost. The client still receives broadcasts,
    /// its silence does not count for the keepalive, and a close frame or a graceful shutdown does not wait
    /// for it. Each time counts as [`throttled`](crate::server::Counters::throttled).
    ///
    /// The server detects the end of a throttled client's connection within 5 s. After a reset, it drops the
    /// unread bytes at once. After an orderly end of the stream, it reads the earlier bytes at the client's
    /// rate, for no longer than the [close timeout](crate::ServerBuilder::close_timeout), 5 s by default.
    /// Then it drops the rest, and `recv` fails with
    /// [`DisconnectReason::EndOfStream`](crate::DisconnectReason::EndOfStream).
    ///
    /// If more unread bytes come before the end than the system's buffer holds, the server detects the end
    /// only when it sends something to the client. So the server pings a throttled client every 4 s, unless
    /// its version has no ping or the keepalive is off. The pongs do not count towards the client's rate. On
    /// systems that do not report an orderly end (macOS, NetBSD, OpenBSD), the next read detects it.
    #[default]
    Delay,
    /// Closes the connection with 1008, in the way of the client's version: draft-76 has only its `FF 00`,
    /// and for draft-75 the TCP connection is closed. The handler's `recv` returns `Ok(None)`. Each such
    /// client counts as [`rate_limit_exceeded`](crate::server::Counters::rate_limit_exceeded).
    Close,
}

impl RateLimit {
    /// Returns a rate limit that limits nothing yet, with a burst of 5 s.
    #[inline]
    pub fn per_second() -> RateLimit {
        RateLimit {
            messages: None,
            bytes: None,
            burst: Duration::from_secs(5),
        }
    }

    /// Sets the limit of messages, pings and pongs per second. 0 counts as 1.
    #[inline]
    pub fn messages(mut self, messages: u32) -> RateLimit {
        self.messages = Some(messages);
        self
    }

    /// Sets the limit of bytes per second. 0 counts as 1.
    #[inline]
    pub fn bytes(mut self, bytes: u32) -> RateLimit {
        self.bytes = Some(bytes);
        self
    }

    /// Sets how long a silent client saves up. At once, it may send as much as its rate allows in this time,
    /// and one message in any case. Default: 5 s.
    #[inline]
    pub fn burst(mut self, burst: Duration) -> RateLimit {
        self.burst = burst;
        self
    }

    #[inline]
    fn bucket(&self, tokens: u32) -> TokenBucket {
        TokenBucket::new(
            u64::from(tokens),
            Duration::from_secs(1),
            self.saved_up(tokens),
        )
    }

    #[inline]
    fn saved_up(&self, tokens: u32) -> u64 {
        let nanos = self.burst.as_nanos().saturating_mul(u128::from(tokens));
        u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

/// The tokens that one client has left. The clock is read with each read of bytes, and when no token
/// is left.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    messages: Option<TokenBucket>,
    bytes: Option<TokenBucket>,
    /// The most bytes that one read should bring.
    most: usize,
    /// How many of the client's messages have been paid for.
    paid: u64,
    /// How many bytes have been paid for, and how many bytes its messages have had.
    paid_bytes: u64,
    delivered: u64,
    filled: Instant,
    /// The client has exceeded its rate limit before.
    was_exceeded: bool,
    watch: EndWatch,
    pub(crate) policy: OnRateLimit,
}

/// How the wait of a throttled client ended.
pub(super) enum Throttled {
    /// The client may continue, or the connection is ending.
    Over,
    /// The deadline has passed.
    Late,
    /// The peer has left, for this reason: nothing more is to be read from it.
    PeerLeft(&'static str),
}

impl RateLimiter {
    pub(crate) fn new(rate: &RateLimit, policy: OnRateLimit) -> RateLimiter {
        // A read of more bytes than were saved up would be a long debt.
        let most = rate.bytes.map_or(u64::MAX, |bytes| rate.saved_up(bytes));
        RateLimiter {
            messages: rate.messages.map(|messages| rate.bucket(messages)),
            bytes: rate.bytes.map(|bytes| rate.bucket(bytes)),
            most: usize::try_from(most).unwrap_or(usize::MAX).max(1024),
            paid: 0,
            paid_bytes: 0,
            delivered: 0,
            filled: Instant::now(),
            was_exceeded: false,
            watch: EndWatch::default(),
            policy,
        }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Counts the bytes of one read.
    pub(crate) fn received(&mut self, bytes: usize, clock: &Clock) {
        self.refill(clock.now());
        self.pay_bytes(bytes as u64);
    }

    /// Counts a message, a ping or a pong.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Message(message) => self.delivered(message.len()),
            Event::Piece(piece) if piece.is_last => self.delivered(piece.total),
            Event::Ping(_) => self.control(),
            Event::Pong(_) => self.pong(),
            _ => {}
        }
    }

    /// Counts a message of so many bytes: after decompression they may be more than on the wire.
    fn delivered(&mut self, bytes: usize) {
        self.delivered = self.delivered.saturating_add(bytes as u64);
        self.pay_bytes(self.delivered.saturating_sub(self.paid_bytes));
    }

    /// Counts the bytes of an unfinished message, which may be more than have arrived on the wire: they
    /// are charged at once, and not again when the message is finished.
    fn unfinished(&mut self, bytes: usize) {
        let due = self.delivered.saturating_add(bytes as u64);
        self.pay_bytes(due.saturating_sub(self.paid_bytes));
    }

    fn pay_bytes(&mut self, bytes: u64) {
        self.paid_bytes = self.paid_bytes.saturating_add(bytes);
        if let Some(bucket) = &mut self.bytes {
            bucket.take(bytes);
        }
    }

    /// Counts a pong. Pongs that answer our pings to a throttled client are free.
    fn pong(&mut self) {
        match self.watch.pongs_due {
            0 => self.control(),
            due => self.watch.pongs_due = due - 1,
        }
    }

    /// Counts a ping or a pong.
    fn control(&mut self) {
        if let Some(bucket) = &mut self.messages {
            bucket.take(1);
        }
    }

    /// Charges for the messages that are new since the last call, of so many in all, and for the bytes of
    /// an unfinished message.
    pub(crate) fn charge(&mut self, messages: u64, unfinished: usize) {
        self.pay(messages);
        self.unfinished(unfinished);
    }

    /// Returns whether the client has to wait, or is to be closed.
    pub(crate) fn is_exceeded(&mut self, has_input: bool, clock: &Clock) -> bool {
        if self.wait(has_input).is_zero() {
            return false;
        }
        self.refill(clock.now());
        !self.wait(has_input).is_zero()
    }

    /// Returns whether this is the client's first excess: it is logged once.
    pub(crate) fn is_first_excess(&mut self) -> bool {
        !std::mem::replace(&mut self.was_exceeded, true)
    }

    /// Waits until the client may continue, unless the connection ends before, or the peer has left.
    pub(super) fn wait_for_tokens(
        &mut self,
        link: &Link,
        socket: &Socket,
        has_input: bool,
        deadline: &Deadline,
    ) -> Throttled {
        let clock = link.send_queue.watcher().clock();
        loop {
            let now = self.filled;
            let wait = self.wait(has_input);
            if wait.is_zero() || link.is_ending() {
                return Throttled::Over;
            }
            if let Some(why) = self.watch.has_left(now, link, socket) {
                return Throttled::PeerLeft(why);
            }
            let left = deadline.left_by(clock).unwrap_or(wait);
            if left.is_zero() {
                return Throttled::Late;
            }
            let check = self.watch.wait(now, link.timeouts.close);
            clock.wait(link.id, wait.min(left).min(check), |time| {
                link.parker.wait(time, || link.is_ending());
                link.is_ending()
            });
            self.refill(clock.now());
        }
    }

    /// Charges for the messages that are new since the last call, of so many in all.
    fn pay(&mut self, messages: u64) {
        if let Some(bucket) = &mut self.messages {
            bucket.take(messages - self.paid);
            self.paid = messages;
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = now;
        for bucket in [&mut self.messages, &mut self.bytes].into_iter().flatten() {
            bucket.refill(passed);
        }
    }

    /// Returns how long to wait: for bytes always, for messages only if there is input for one.
    fn wait(&self, has_input: bool) -> Duration {
        let messages = self.messages.iter().filter(|_| has_input);
        let waits = messages.chain(&self.bytes).map(TokenBucket::wait);
        waits.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, OnRateLimit, RateLimit, RateLimiter};
    use std::time::Duration;

    #[test]
    fn no_rate_overflows_or_blocks_every_message() {
        for number in [0, 1, u32::MAX] {
            for burst in [Duration::ZERO, Duration::from_secs(5), Duration::MAX] {
                let rate = RateLimit::per_second().messages(number).bytes(number);
                let mut rate_limiter = RateLimiter::new(&rate.burst(burst), OnRateLimit::Delay);
                assert_eq!(rate_limiter.wait(true), Duration::ZERO);
                rate_limiter.received(usize::MAX, &Clock::new());
                rate_limiter.delivered(usize::MAX);
                rate_limiter.control();
                rate_limiter.pay(u64::MAX);
                rate_limiter.wait(true);
                assert!(rate_limiter.most() >= 1024);
            }
        }
    }

    #[test]
    fn limit_that_is_not_set_does_not_apply() {
        let mut rate_limiter = RateLimiter::new(&RateLimit::per_second(), OnRateLimit::Delay);
        rate_limiter.received(usize::MAX, &Clock::new());
        rate_limiter.pay(u64::MAX);
        assert_eq!(rate_limiter.wait(true), Duration::ZERO);
        let mut rate_limiter =
            RateLimiter::new(&RateLimit::per_second().bytes(1000), OnRateLimit::Delay);
        rate_limiter.pay(u64::MAX);
        assert_eq!(rate_limiter.wait(true), Duration::ZERO);
        rate_limiter.received(5000, &Clock::new());
        assert!(rate_limiter.wait(true) > Duration::ZERO);
    }

    #[test]
    fn bytes_paid_for_on_the_wire_are_not_paid_for_again() {
        let rate = RateLimit::per_second()
            .bytes(1000)
            .burst(Duration::from_secs(1));
        let mut rate_limiter = RateLimiter::new(&rate, OnRateLimit::Delay);
        rate_limiter.received(500, &Clock::new());
        rate_limiter.delivered(300);
        rate_limiter.delivered(200);
        assert_eq!(rate_limiter.wait(true), Duration::ZERO);
        // More bytes after decompression than on the wire.
        rate_limiter.delivered(2499);
        assert!(rate_limiter.wait(true) >= Duration::from_millis(1900));
    }
}
