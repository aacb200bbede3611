//! The total send queue limit: the memory that waits for all clients together, in bytes.
//!
//! Each send queue has a limit of its own; this is the limit of them all, for the day when many are
//! nearly full. Only bytes that a socket did not take are counted, and frames that wait in many
//! queues are counted once. The thread that exceeds the limit evicts clients, by way of
//! [`Watcher::relieve`](crate::net::watcher::Watcher::relieve).

use std::sync::Arc;

use crate::net::sync::atomic::AtomicUsize;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(feature = "server")]
use super::shared::Payloads;

#[derive(Debug)]
pub(crate) struct TotalQueued {
    pub(super) most: usize,
    pub(super) waiting: AtomicUsize,
    #[cfg(feature = "server")]
    pub(super) payloads: Mutex<Payloads>,
    /// Locked by the thread that evicts.
    eviction: Mutex<()>,
}

impl TotalQueued {
    pub(crate) fn new(most: usize) -> Arc<TotalQueued> {
        Arc::new(TotalQueued {
            most,
            waiting: AtomicUsize::new(0),
            #[cfg(feature = "server")]
            payloads: Mutex::default(),
            eviction: Mutex::new(()),
        })
    }

    /// Returns the bytes that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Counts that a client's queue, which took `before` bytes, takes `after`.
    pub(crate) fn adjust(&self, before: usize, after: usize) {
        match after.checked_sub(before) {
            Some(more) => self.waiting.fetch_add(more, Relaxed),
            None => self.waiting.fetch_sub(before - after, Relaxed),
        };
    }

    /// If too much waits, waits for its turn to evict; `None` if not, or no longer.
    pub(crate) fn exceeded(&self) -> Option<MutexGuard<'_, ()>> {
        if self.waiting() <= self.most {
            return None;
        }
        let turn = self.eviction.lock().unwrap_or_else(PoisonError::into_inner);
        (self.waiting() > self.most).then_some(turn)
    }

    /// Returns whether an eighth of the limit is free: then the next eviction is many messages away.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting() <= self.most - self.most / 8
    }
}

/// The total alone, as the watcher of queues that nobody drains.
#[cfg(test)]
impl crate::net::watcher::Watcher for TotalQueued {
    fn stalled(&self, _: crate::net::client_id::ClientId) {}

    fn adjust(&self, before: usize, after: usize) {
        TotalQueued::adjust(self, before, after);
    }

    fn relieve(&self) {}

    fn count(&self, _: crate::net::watcher::Incident) {}
}
