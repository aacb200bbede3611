//! The counters of a server, readable at any time.

use std::collections::BTreeMap;

use crate::protocol::{CloseCode, Version};

use crate::error::DisconnectReason;
use crate::net::link::Link;
use crate::net::sync::atomic::AtomicU64;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::{Mutex, MutexGuard, PoisonError};
use crate::net::watcher::Incident;

/// The counters of a server at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections now, including those in their handshake.
    pub connections: usize,
    /// Clients that are open now, by version. Versions without any are left out.
    pub open: BTreeMap<Version, usize>,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Completed handshakes, by version.
    pub opened: BTreeMap<Version, u64>,
    /// Rejected requests, by the name of the rejection.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Requests that received an ordinary HTTP response, of any status.
    pub answered: u64,
    /// Received messages.
    pub messages_in: u64,
    /// Messages accepted for sending: a broadcast counts once for each client that it goes to.
    pub messages_out: u64,
    /// Received bytes, of handshakes and frames.
    pub bytes_in: u64,
    /// Sent bytes, of handshakes and frames.
    pub bytes_out: u64,
    /// Messages dropped because a client's send queue was full.
    pub dropped: u64,
    /// Broadcast messages not sent to a client because its version cannot carry them.
    pub skipped: u64,
    /// Clients disconnected because their send queue, or all send queues together, were full.
    pub evicted: u64,
    /// Bytes of memory in all send queues together now, waiting for sockets that accept no more.
    pub waiting: usize,
    /// Bytes of memory that all clients together hold now for incoming messages: unfinished messages,
    /// receive buffers, decompressors. Less than 8 KiB for one client is not counted.
    pub incoming: usize,
    /// Clients closed because all clients together held too much memory for incoming messages.
    pub incoming_exceeded: u64,
    /// How often a client was throttled because it exceeded its rate limit.
    pub throttled: u64,
    /// Clients closed because they exceeded their rate limit.
    pub rate_limit_exceeded: u64,
    /// How often a client could not join a room, because of its limit of rooms or the length of the
    /// room's name.
    pub not_joined: u64,
    /// Clients that this side disconnected, by reason. Never [`DisconnectReason::EndOfStream`]: these
    /// clients left by themselves, and count as 1006 in `closes`.
    pub disconnected: BTreeMap<DisconnectReason, u64>,
    /// Ended connections, by close code: 1005 for a close without a code, 1006 for none at all.
    pub closes: BTreeMap<u16, u64>,
    /// Handlers that panicked, or returned an error of their own instead of one that only reports the
    /// end of the connection, or [requests](super::CloseWith) a close.
    pub failed_handlers: u64,
}

/// The running totals. The numbers of a client that is still connected are in its `Link`.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) accepted: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) failed_handlers: AtomicU64,
    pub(crate) not_joined: AtomicU64,
    throttled: AtomicU64,
    rate_limit_exceeded: AtomicU64,
    incoming_exceeded: AtomicU64,
    /// The counters that change at most once per connection.
    rare: Mutex<Counters>,
}

impl Totals {
    pub(crate) fn opened(&self, version: Version) {
        *self.rare().opened.entry(version).or_default() += 1;
    }

    pub(crate) fn rejected(&self, name: &'static str) {
        *self.rare().rejected.entry(name).or_default() += 1;
    }

    pub(crate) fn count(&self, incident: Incident) {
        match incident {
            Incident::Disconnected(reason) => self.disconnected(reason),
            Incident::IncomingExceeded => add_one(&self.incoming_exceeded),
            Incident::Throttled => add_one(&self.throttled),
            Incident::RateLimitExceeded => add_one(&self.rate_limit_exceeded),
        }
    }

    fn disconnected(&self, reason: DisconnectReason) {
        let mut rare = self.rare();
        *rare.disconnected.entry(reason).or_default() += 1;
        if matches!(
            reason,
            DisconnectReason::Evicted | DisconnectReason::TotalSendQueue
        ) {
            rare.evicted += 1;
        }
    }

    pub(crate) fn closed(&self, code: CloseCode) {
        *self.rare().closes.entry(code.get()).or_default() += 1;
    }

    /// Adds the numbers of a client that leaves.
    pub(crate) fn absorb(&self, link: &Link) {
        add(&mut self.rare(), link);
    }

    /// Returns all counters, including the numbers of the connected clients.
    pub(crate) fn snapshot<'a>(&self, links: impl Iterator<Item = &'a Link>) -> Counters {
        let mut counters = self.rare().clone();
        counters.accepted = self.accepted.load(Relaxed);
        counters.answered = self.answered.load(Relaxed);
        counters.skipped = self.skipped.load(Relaxed);
        counters.failed_handlers = self.failed_handlers.load(Relaxed);
        counters.throttled = self.throttled.load(Relaxed);
        counters.rate_limit_exceeded = self.rate_limit_exceeded.load(Relaxed);
        counters.not_joined = self.not_joined.load(Relaxed);
        counters.incoming_exceeded = self.incoming_exceeded.load(Relaxed);
        for link in links {
            counters.connections += 1;
            if let (true, Some(version)) = (link.is_open(), link.version()) {
                *counters.open.entry(version).or_default() += 1;
            }
            add(&mut counters, link);
        }
        counters
    }

    fn rare(&self) -> MutexGuard<'_, Counters> {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counters: &mut Counters, link: &Link) {
    let out = link.send_queue.tally();
    counters.messages_in += link.messages_in.load(Relaxed);
    counters.bytes_in += link.bytes_in.load(Relaxed);
    counters.messages_out += out.messages;
    counters.bytes_out += out.bytes;
    counters.dropped += out.dropped;
}

fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
