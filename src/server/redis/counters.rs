//! The counters of shared rooms.

use crate::net::sync::atomic::AtomicU64;
use crate::net::sync::atomic::Ordering::Relaxed;

use super::session::Numbers;

/// The counters of the rooms that a server shares through [`Redis`](crate::server::Redis), since its start: a part of
/// [`Counters`](crate::server::Counters).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisCounters {
    /// Times that the connections to Redis were lost and are there again.
    pub reconnects: u64,
    /// Batches of messages that were sent to Redis, including those that were sent again.
    pub batches: u64,
    /// Batches that Redis has not executed because it had forgotten the scripts; they were sent again.
    pub retried: u64,
    /// Messages that were not stored: Redis has refused them, or could not be reached in time.
    pub refused: u64,
    /// Entries of rooms that were received: those of this server too.
    pub entries: u64,
    /// Places in the order of a room's messages where some are missing.
    pub gaps: u64,
}

#[derive(Debug, Default)]
pub(crate) struct RedisTotals {
    reconnects: AtomicU64,
    batches: AtomicU64,
    retried: AtomicU64,
    refused: AtomicU64,
    entries: AtomicU64,
    gaps: AtomicU64,
}

impl RedisTotals {
    /// Notes the numbers of the engine, which is the only one to write them.
    pub(crate) fn store(&self, numbers: Numbers) {
        self.reconnects.store(numbers.reconnects, Relaxed);
        self.batches.store(numbers.batches, Relaxed);
        self.retried.store(numbers.retried, Relaxed);
        self.refused.store(numbers.refused, Relaxed);
        self.entries.store(numbers.entries, Relaxed);
        self.gaps.store(numbers.gaps, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> RedisCounters {
        RedisCounters {
            reconnects: self.reconnects.load(Relaxed),
            batches: self.batches.load(Relaxed),
            retried: self.retried.load(Relaxed),
            refused: self.refused.load(Relaxed),
            entries: self.entries.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
        }
    }
}
