//! Bounds the memory that all clients together hold for incoming messages.
//!
//! The message size limit bounds the memory of one client; this bounds the sum, for when many clients
//! begin a message and do not finish it. A client's own thread counts its bytes before it waits, and
//! only from 8 KiB on: the hot path compares two numbers. A thread that makes the sum too large closes
//! the clients that hold most, as [`TotalQueued`](super::send_queue::total::TotalQueued) does for
//! outgoing bytes.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::link::Link;
use super::sync::atomic::AtomicUsize;
use super::sync::atomic::Ordering::Relaxed;
use super::sync::{Mutex, PoisonError};

/// Less than this is not counted for one client.
const STEP: usize = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Incoming {
    most: usize,
    /// Threads wait for each other.
    is_strict: bool,
    /// The sum of the bytes counted for each client.
    held: AtomicUsize,
    /// Locked by the thread that closes clients.
    eviction: Mutex<()>,
}

impl Incoming {
    pub(crate) fn new(most: usize, is_strict: bool) -> Incoming {
        Incoming {
            most,
            is_strict,
            held: AtomicUsize::new(0),
            eviction: Mutex::new(()),
        }
    }

    /// Returns a sum without a limit.
    pub(crate) fn unlimited() -> Incoming {
        Incoming::new(usize::MAX, false)
    }

    /// Returns how many bytes all clients hold now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Returns whether clients hold more than half of the limit.
    pub(crate) fn is_crowded(&self) -> bool {
        self.held() > self.most / 2
    }

    /// Returns how many of the bytes that a client holds are counted.
    pub(crate) fn counted(held: usize) -> usize {
        if held < STEP { 0 } else { held }
    }

    /// Sets a client's count to `bytes`. Any thread may do so: each call replaces the last value.
    pub(crate) fn count(&self, link: &Link, bytes: usize) {
        let before = link.held.swap(bytes, Relaxed);
        match bytes.checked_sub(before) {
            Some(more) => self.held.fetch_add(more, Relaxed),
            None => self.held.fetch_sub(before - bytes, Relaxed),
        };
    }

    /// Waits before the client's thread reads more, if all clients together hold too much: for others to
    /// be closed, but not for long, since their handlers may be busy. If there is no room then, this client
    /// is closed too: the process has no memory for what it would read.
    #[inline(never)]
    pub(crate) fn wait_for_room(&self, link: &Link) {
        const SLICE: Duration = Duration::from_millis(5);
        const SLICES: usize = 400;
        let has_to_wait = || self.has_to_wait(link);
        for _ in 0..SLICES {
            if !has_to_wait() {
                return;
            }
            link.parker.wait(SLICE, || link.is_ending());
        }
        if has_to_wait() {
            link.fail_for_memory();
        }
    }

    /// Returns whether the client's thread has to wait before it reads more.
    pub(crate) fn has_to_wait(&self, link: &Link) -> bool {
        self.is_strict && self.held() > self.most && !link.is_ending()
    }

    /// If the sum is above the limit, closes those of `clients` that hold most, the oldest of equals
    /// first, until an eighth of the limit is free. Their bytes are not counted from now on: their threads
    /// are woken and release them.
    pub(crate) fn relieve(&self, clients: impl FnOnce() -> Vec<Arc<Link>>) {
        if self.held() <= self.most {
            return;
        }
        let _turn = self.eviction.lock().unwrap_or_else(PoisonError::into_inner);
        if self.held() <= self.most {
            return;
        }
        let (mut leave, mut weighed) = (0, Vec::new());
        for link in clients() {
            match link.held.load(Relaxed) {
                0 => {}
                held if link.failed_for_memory.load(Relaxed) => leave += held,
                held => weighed.push((held, link)),
            }
        }
        if self.held().saturating_sub(leave) <= self.most {
            return;
        }
        weighed.sort_unstable_by_key(|(held, link)| (Reverse(*held), link.id));
        for (held, link) in weighed {
            if self.held().saturating_sub(leave) <= self.most - self.most / 8 {
                return;
            }
            match self.is_strict {
                true => leave += held,
                false => self.count(&link, 0),
            }
            link.fail_for_memory();
        }
    }
}
