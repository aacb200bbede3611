//! The total send queue limit: the memory that waits for all clients together, in bytes.
//!
//! Each send queue has a limit of its own; this is the limit of them all, for the day when many are
//! nearly full. Only bytes that a socket did not take are counted, and frames that wait in many
//! queues are counted once. The thread that exceeds the limit evicts clients, by way of
//! [`Watcher::relieve`](crate::net::watcher::Watcher::relieve).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::atomic::{AtomicBool, AtomicUsize};
use crate::net::sync::{Mutex, MutexGuard, PoisonError};
use crate::protocol::Body;

#[derive(Debug)]
pub(crate) struct TotalQueued {
    most: usize,
    waiting: AtomicUsize,
    /// The bodies of HTTP responses that are being sent now, by their place in memory.
    pages: Mutex<HashMap<Place, Weak<SharedFrames>>>,
    /// Locked by the thread that evicts.
    eviction: Mutex<()>,
}

/// A place in memory: the address and the length of the bytes.
type Place = (usize, usize);

#[derive(Debug)]
enum Bytes {
    Own(Vec<u8>),
    Page(Body),
}

/// Whole frames for many clients, or the body of a response, counted once even if they wait in many
/// queues.
#[derive(Debug)]
pub(crate) struct SharedFrames {
    bytes: Bytes,
    counted: AtomicBool,
    total_queued: Arc<TotalQueued>,
}

impl TotalQueued {
    pub(crate) fn new(most: usize) -> Arc<TotalQueued> {
        Arc::new(TotalQueued {
            most,
            waiting: AtomicUsize::new(0),
            pages: Mutex::default(),
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

    /// Returns the body of a response, for one more client. It is counted from now on, once for all
    /// clients that are sent the same one; `None` if it would exceed the limit.
    pub(crate) fn page(self: &Arc<TotalQueued>, body: &Body) -> Option<Arc<SharedFrames>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frames) = pages.get(&place(body.as_bytes())).and_then(Weak::upgrade) {
            return Some(frames);
        }
        let more = |waiting: usize| {
            let after = waiting.saturating_add(body.memory());
            (after <= self.most).then_some(after)
        };
        self.waiting.fetch_update(Relaxed, Relaxed, more).ok()?;
        let frames = Arc::new(SharedFrames {
            bytes: Bytes::Page(body.clone()),
            counted: AtomicBool::new(true),
            total_queued: Arc::clone(self),
        });
        pages.insert(place(&frames), Arc::downgrade(&frames));
        Some(frames)
    }

    /// Removes a page that its last client has released. Another may have requested it meanwhile.
    fn forget(&self, page: &[u8]) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(entry) = pages.entry(place(page))
            && entry.get().strong_count() == 0
        {
            entry.remove();
        }
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

impl SharedFrames {
    pub(crate) fn new(bytes: Vec<u8>, total_queued: &Arc<TotalQueued>) -> Arc<SharedFrames> {
        Arc::new(SharedFrames {
            bytes: Bytes::Own(bytes),
            counted: AtomicBool::new(false),
            total_queued: Arc::clone(total_queued),
        })
    }

    /// Counts them as waiting, from now on until the last queue has released them.
    pub(crate) fn wait(&self) {
        if !self.counted.load(Relaxed) && !self.counted.swap(true, Relaxed) {
            self.total_queued.adjust(0, self.memory());
        }
    }

    fn memory(&self) -> usize {
        match &self.bytes {
            Bytes::Own(bytes) => bytes.capacity(),
            Bytes::Page(body) => body.memory(),
        }
    }
}

fn place(bytes: &[u8]) -> Place {
    (bytes.as_ptr().addr(), bytes.len())
}

impl Deref for SharedFrames {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Own(bytes) => bytes,
            Bytes::Page(body) => body.as_bytes(),
        }
    }
}

impl Drop for SharedFrames {
    fn drop(&mut self) {
        if *self.counted.get_mut() {
            self.total_queued.adjust(self.memory(), 0);
        }
        if let Bytes::Page(body) = &self.bytes {
            self.total_queued.forget(body.as_bytes());
        }
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

#[cfg(test)]
mod tests {
    use super::{SharedFrames, TotalQueued};
    use std::sync::Arc;

    #[test]
    fn frames_count_once_and_only_while_they_wait() {
        let total_queued = TotalQueued::new(1000);
        let frames = SharedFrames::new(vec![0; 100], &total_queued);
        assert_eq!(total_queued.waiting(), 0);
        let queues = [Arc::clone(&frames), Arc::clone(&frames)];
        queues.iter().for_each(|frames| frames.wait());
        assert_eq!(total_queued.waiting(), 100);
        drop(frames);
        assert_eq!(total_queued.waiting(), 100);
        drop(queues);
        assert_eq!(total_queued.waiting(), 0);
    }

    #[test]
    fn frames_that_never_waited_are_not_subtracted() {
        let total_queued = TotalQueued::new(1000);
        total_queued.adjust(0, 10);
        drop(SharedFrames::new(vec![0; 100], &total_queued));
        assert_eq!(total_queued.waiting(), 10);
        total_queued.adjust(10, 3);
        assert_eq!(total_queued.waiting(), 3);
    }
}
