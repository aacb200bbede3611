//! The limit of the bytes of messages that wait for the hub.
//!
//! The hub's channel limits the number of commands; this limits their size. A thread that sends more
//! waits until the hub, which nothing can block, has processed enough.

use crate::net::sync::atomic::Ordering::SeqCst;
use crate::net::sync::atomic::{AtomicBool, AtomicUsize};
use crate::net::sync::{Condvar, Mutex, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct Admission {
    spent: AtomicUsize,
    waiting: AtomicUsize,
    closed: AtomicBool,
    lock: Mutex<()>,
    given_back: Condvar,
}

/// The bytes that may wait, beside one more message: so a large message has the same chance to be
/// admitted as the small ones around it.
const MOST: usize = 4 * 1024 * 1024;

impl Admission {
    /// Takes `bytes` from the budget; waits while all of it is spent.
    pub(crate) fn take(&self, bytes: usize) {
        if self.try_take(bytes) {
            return;
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_add(1, SeqCst);
        // A thread that gives bytes back after this check sees this one waiting, and cannot notify
        // before it waits.
        while !self.try_take(bytes) && !self.closed.load(SeqCst) {
            let woken = self.given_back.wait(guard);
            guard = woken.unwrap_or_else(PoisonError::into_inner);
        }
        self.waiting.fetch_sub(1, SeqCst);
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.spent.fetch_sub(bytes, SeqCst);
        self.notify();
    }

    /// Ends all waiting: the hub processes nothing any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.notify();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    fn try_take(&self, bytes: usize) -> bool {
        let more = |spent: usize| (spent < MOST).then(|| spent.saturating_add(bytes));
        self.spent.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    fn notify(&self) {
        if self.waiting.load(SeqCst) > 0 {
            let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.given_back.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, MOST};
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_thread_beyond_the_limit_waits_until_bytes_are_given_back() {
        let admission = Admission::default();
        admission.take(MOST - 1);
        admission.take(MOST);
        std::thread::scope(|scope| {
            let (taken, told) = mpsc::channel();
            let admission = &admission;
            scope.spawn(move || {
                admission.take(1);
                taken.send(()).unwrap_or_default();
            });
            assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
            admission.give_back(MOST);
            assert!(told.recv_timeout(Duration::from_secs(10)).is_ok());
        });
    }

    #[test]
    fn no_thread_waits_for_a_hub_that_has_ended() {
        let admission = Admission::default();
        admission.take(MOST);
        std::thread::scope(|scope| {
            scope.spawn(|| admission.take(MOST));
            admission.close();
        });
    }
}
