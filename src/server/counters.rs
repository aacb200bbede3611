//! The counters of a server, readable at any time.

use std::collections::BTreeMap;

use crate::protocol::{CloseCode, Version};

use crate::error::DisconnectReason;
use crate::net::link::Link;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::atomic::{AtomicU64, AtomicUsize};
use crate::net::sync::{Mutex, MutexGuard, PoisonError};
use crate::net::watcher::Incident;

/// The counters of a server at one moment, as [`ServerHandle::counters`](crate::ServerHandle::counters)
/// returns them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "metrics")]
pub struct Counters {
    /// The number of connections now, including those in their handshake.
    pub connections: usize,
    /// The number of open clients now, by version. Versions without clients are left out.
    pub open: BTreeMap<Version, usize>,
    /// Connections that were accepted since the start.
    pub accepted: u64,
    /// Handshakes that were completed, by version.
    pub opened: BTreeMap<Version, u64>,
    /// Requests that were rejected, by the name of the rejection.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Requests that received an ordinary HTTP response, of any status, from the `on_request` hook.
    pub answered: u64,
    /// Messages that were received.
    pub messages_in: u64,
    /// Messages that were accepted for sending. A broadcast counts once for each client that it goes to.
    pub messages_out: u64,
    /// Bytes that were received, of handshakes and frames.
    pub bytes_in: u64,
    /// Bytes that were sent, of handshakes and frames.
    pub bytes_out: u64,
    /// Messages that were dropped because a client's send queue was full: see
    /// [`SlowClient`](crate::SlowClient).
    pub dropped: u64,
    /// Broadcast messages that were not sent to a client because its version cannot carry them.
    pub skipped: u64,
    /// Clients that were disconnected because their own send queue, or all send queues together, were full.
    pub evicted: u64,
    /// The bytes of memory in all send queues together now. They wait for sockets that accept no more.
    pub waiting: usize,
    /// The bytes of memory that all clients together hold now for incoming messages: unfinished messages,
    /// receive buffers, decompressors. A client that holds less than 8 KiB is not counted.
    pub incoming: usize,
    /// Clients that were closed because all clients together held too much memory for incoming messages.
    pub incoming_exceeded: u64,
    /// The number of times that a client was throttled because it exceeded its rate limit.
    pub throttled: u64,
    /// Clients that were closed because they exceeded their rate limit.
    pub rate_limit_exceeded: u64,
    /// The number of times that a client could not join a room, because of the limits of rooms or the length
    /// of the room's name: see [`JoinError`](crate::server::JoinError).
    pub not_joined: u64,
    /// Broadcasts to a room that its history has refused: because the room's name is too long (a room with such
    /// a name has no members), or because the [`Journal`](crate::server::Journal) has not stored them.
    pub not_published: u64,
    /// Calls of the [`Journal`](crate::server::Journal) that have failed or panicked. The server logs the error.
    pub journal_errors: u64,
    /// The counters of the rooms that are shared through [`Redis`](crate::server::Redis).
    #[cfg(feature = "redis")]
    pub redis: super::redis::counters::RedisCounters,
    /// The bytes of memory that the history of all rooms takes now.
    pub history: usize,
    /// The number of members that are present now, or in their grace period: a member of several rooms
    /// counts once for each. See [`Client::enter`](crate::Client::enter).
    pub members: usize,
    /// Clients that the server disconnected, by reason. [`DisconnectReason::EndOfStream`] is never among the
    /// reasons: such a client disconnected by itself, and counts as 1006 in `closes`.
    pub disconnected: BTreeMap<DisconnectReason, u64>,
    /// Connections that have ended, by close code. A close without a code counts as 1005, an end without a
    /// close as 1006.
    pub closes: BTreeMap<u16, u64>,
    /// Handlers that failed: they panicked, or returned an error that neither only reports the end of the
    /// connection nor [requests](super::CloseWith) a close.
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
    pub(crate) not_published: AtomicU64,
    pub(crate) journal_errors: AtomicU64,
    #[cfg(feature = "redis")]
    pub(crate) redis: super::redis::counters::RedisTotals,
    pub(crate) history: AtomicUsize,
    pub(crate) members: AtomicUsize,
    throttled: AtomicU64,
    rate_limit_exceeded: AtomicU64,
    incoming_exceeded: AtomicU64,
    /// The counters that change at most once per connection.
    rare: Mutex<Rare>,
}

#[derive(Debug, Default)]
struct Rare {
    /// The numbers of clients that have left, and the clients that were evicted.
    sums: Sums,
    opened: Tally<Version>,
    rejected: Tally<&'static str>,
    disconnected: Tally<DisconnectReason>,
    closes: Tally<u16>,
}

/// The numbers of several clients together.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    dropped: u64,
    evicted: u64,
}

/// Counts by a key, in the order of the keys: less code in every program than a tree.
#[derive(Debug)]
struct Tally<K>(Vec<(K, u64)>);

impl<K: Ord + Copy> Tally<K> {
    fn add_one(&mut self, key: K) {
        match self.0.binary_search_by(|(own, _)| own.cmp(&key)) {
            Ok(place) => self.0[place].1 += 1,
            Err(place) => self.0.insert(place, (key, 1)),
        }
    }

    #[inline]
    fn to_map(&self) -> BTreeMap<K, u64> {
        self.0.iter().copied().collect()
    }
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Tally(Vec::new())
    }
}

impl Totals {
    pub(crate) fn opened(&self, version: Version) {
        self.rare().opened.add_one(version);
    }

    pub(crate) fn rejected(&self, name: &'static str) {
        self.rare().rejected.add_one(name);
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
        rare.disconnected.add_one(reason);
        if matches!(
            reason,
            DisconnectReason::Evicted | DisconnectReason::TotalSendQueue
        ) {
            rare.sums.evicted += 1;
        }
    }

    pub(crate) fn closed(&self, code: CloseCode) {
        self.rare().closes.add_one(code.get());
    }

    /// Adds the numbers of a client that leaves.
    pub(crate) fn absorb(&self, link: &Link) {
        add(&mut self.rare().sums, link);
    }

    /// Returns all counters, including the numbers of the connected clients. Clients open and close
    /// meanwhile: none is counted as closed or as open before it is counted as opened.
    #[inline]
    pub(crate) fn snapshot<'a>(&self, links: impl Iterator<Item = &'a Link>) -> Counters {
        let mut counters = Counters::default();
        let mut sums = self.rare().copied_into(&mut counters);
        counters.accepted = self.accepted.load(Relaxed);
        counters.answered = self.answered.load(Relaxed);
        counters.skipped = self.skipped.load(Relaxed);
        counters.failed_handlers = self.failed_handlers.load(Relaxed);
        counters.throttled = self.throttled.load(Relaxed);
        counters.rate_limit_exceeded = self.rate_limit_exceeded.load(Relaxed);
        counters.not_joined = self.not_joined.load(Relaxed);
        counters.not_published = self.not_published.load(Relaxed);
        counters.journal_errors = self.journal_errors.load(Relaxed);
        #[cfg(feature = "redis")]
        {
            counters.redis = self.redis.snapshot();
        }
        counters.history = self.history.load(Relaxed);
        counters.members = self.members.load(Relaxed);
        counters.incoming_exceeded = self.incoming_exceeded.load(Relaxed);
        for link in links {
            counters.connections += 1;
            if let (true, Some(version)) = (link.is_open(), link.version()) {
                *counters.open.entry(version).or_default() += 1;
            }
            add(&mut sums, link);
        }
        counters.opened = self.rare().opened.to_map();
        sums.write_to(&mut counters);
        counters
    }

    fn rare(&self) -> MutexGuard<'_, Rare> {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rare {
    /// Copies the counts by a key except `opened`; returns the sums.
    #[inline]
    fn copied_into(&self, counters: &mut Counters) -> Sums {
        counters.rejected = self.rejected.to_map();
        counters.disconnected = self.disconnected.to_map();
        counters.closes = self.closes.to_map();
        self.sums
    }
}

impl Sums {
    #[inline]
    fn write_to(&self, counters: &mut Counters) {
        counters.messages_in = self.messages_in;
        counters.messages_out = self.messages_out;
        counters.bytes_in = self.bytes_in;
        counters.bytes_out = self.bytes_out;
        counters.dropped = self.dropped;
        counters.evicted = self.evicted;
    }
}

fn add(sums: &mut Sums, link: &Link) {
    let out = link.send_queue.tally();
    sums.messages_in += link.messages_in.load(Relaxed);
    sums.bytes_in += link.bytes_in.load(Relaxed);
    sums.messages_out += out.messages;
    sums.bytes_out += out.bytes;
    sums.dropped += out.dropped;
}

fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::Totals;
    use crate::net::client_id::ClientId;
    use crate::net::link::{Identity, Link, Stage};
    use crate::net::peer::Peer;
    use crate::net::send_queue::SendQueue;
    use crate::net::send_queue::total::TotalQueued;
    use crate::net::socket::Socket;
    use crate::net::system::local_pair;
    use crate::protocol::{CloseCode, Encoder, Role, Version};
    use std::sync::Arc;

    #[test]
    fn no_client_is_open_or_closed_before_it_is_opened() -> std::io::Result<()> {
        let (id, watcher) = (ClientId(1), TotalQueued::new(0));
        let socket = Arc::new(Socket::new(local_pair()?.0));
        let send_queue = SendQueue::new(id, socket, 0, watcher);
        let link = Link::new(id, Role::Server, Peer::Local, send_queue, Arc::default());
        let encoder = Encoder::server(Version::Rfc6455);
        link.identity.get_or_init(|| Identity::new(encoder));
        let totals = Totals::default();
        // Both clients open, and one closes, after the counters were first read.
        let counters = totals.snapshot([&link].into_iter().inspect(|link| {
            totals.opened(Version::Rfc6455);
            link.enter(Stage::Open);
            totals.opened(Version::Rfc6455);
            totals.closed(CloseCode::NORMAL);
        }));
        let (opened, open) = (counters.opened.values().sum(), counters.open.values().sum());
        let closed: u64 = counters.closes.values().sum();
        assert_eq!((opened, open, closed), (2u64, 1usize, 0));
        Ok(())
    }
}
