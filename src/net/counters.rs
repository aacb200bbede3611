//! What has happened on a server, in numbers that can be read at any time.

use std::collections::BTreeMap;

use crate::protocol::{CloseCode, Version};

use super::link::Link;
use super::sync::atomic::AtomicU64;
use super::sync::atomic::Ordering::Relaxed;
use super::sync::{Mutex, MutexGuard, PoisonError};
use crate::error::DisconnectReason;

/// A server's counters, as they stood at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections now, those in their handshake too.
    pub connections: usize,
    /// Clients that are open now, by version. Versions without any are left out.
    pub open: BTreeMap<Version, usize>,
    /// Connections that were accepted since the start.
    pub accepted: u64,
    /// Handshakes that were completed, by version.
    pub opened: BTreeMap<Version, u64>,
    /// Requests that were refused, by the refusal's name.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Requests that were answered with a page, whatever its status.
    pub answered: u64,
    /// Messages that came in.
    pub messages_in: u64,
    /// Messages that were taken for sending: each client that a broadcast goes to counts.
    pub messages_out: u64,
    /// Bytes that came in, handshakes and frames.
    pub bytes_in: u64,
    /// Bytes that went out, handshakes and frames.
    pub bytes_out: u64,
    /// Messages that were dropped because a client's queue was full.
    pub dropped: u64,
    /// Messages of a broadcast that a client's version cannot carry.
    pub skipped: u64,
    /// Clients that were disconnected because their queue was full, or all queues together.
    pub evicted: u64,
    /// Bytes of memory that wait now, in all queues together, for sockets that take no more.
    pub waiting: usize,
    /// Bytes of memory that all clients together hold now for what has come in: unfinished messages,
    /// receive buffers, decompressors. What is below 8 KiB for one client is not counted.
    pub incoming: usize,
    /// Clients that were ended because all of them together held too much for what has come in.
    pub incoming_exceeded: u64,
    /// How often a client was held back because it exceeded its rate.
    pub throttled: u64,
    /// Clients that were closed because they exceeded their rate.
    pub rate_limit_exceeded: u64,
    /// How often a client was not let into a room, since that was one too many or had too long a
    /// name.
    pub not_joined: u64,
    /// Clients that this side gave up, by why. Never [`DisconnectReason::EndOfStream`]: those went by
    /// themselves, and count as 1006 in `closes`.
    pub disconnected: BTreeMap<DisconnectReason, u64>,
    /// Conversations that ended, by close code: 1005 for a goodbye without one, 1006 for none.
    pub closes: BTreeMap<u16, u64>,
    /// Handlers that panicked, or returned an error of their own rather than one that says that
    /// the conversation is over.
    pub failed_handlers: u64,
}

/// The running numbers. What belongs to a client that is still there is with its link.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) accepted: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) failed_handlers: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) rate_limit_exceeded: AtomicU64,
    pub(crate) not_joined: AtomicU64,
    pub(crate) incoming_exceeded: AtomicU64,
    /// What happens once per connection at most.
    rare: Mutex<Counters>,
}

impl Totals {
    pub(crate) fn opened(&self, version: Version) {
        *self.rare().opened.entry(version).or_default() += 1;
    }

    pub(crate) fn rejected(&self, name: &'static str) {
        *self.rare().rejected.entry(name).or_default() += 1;
    }

    pub(crate) fn disconnected(&self, disconnect_reason: DisconnectReason) {
        let mut rare = self.rare();
        *rare.disconnected.entry(disconnect_reason).or_default() += 1;
        if matches!(
            disconnect_reason,
            DisconnectReason::Evicted | DisconnectReason::Crowded
        ) {
            rare.evicted += 1;
        }
    }

    pub(crate) fn closed(&self, code: CloseCode) {
        *self.rare().closes.entry(code.get()).or_default() += 1;
    }

    /// Takes over the numbers of a client that leaves.
    pub(crate) fn absorb(&self, link: &Link) {
        add(&mut self.rare(), link);
    }

    /// All of it, with the clients that are there.
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
