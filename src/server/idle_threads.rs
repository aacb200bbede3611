//! The idle threads of a server. Each waits a while for the next client: to start a thread costs more than
//! everything else about a connection.

use std::time::Duration;

use crate::net::sync::{Condvar, Instant, Mutex, MutexGuard, PoisonError};

/// How many threads without a client are kept.
const KEPT: usize = 64;

/// The threads that wait for a client `C`.
pub(crate) struct IdleThreads<C> {
    inside: Mutex<Inside<C>>,
    changed: Condvar,
}

struct Inside<C> {
    /// The threads that wait, including the ones that have not yet taken their client from `next`.
    waiting: usize,
    /// Clients for threads that wait: never more than there are.
    next: Vec<C>,
    /// No clients come any more.
    is_closed: bool,
}

impl<C> IdleThreads<C> {
    pub(super) fn new() -> IdleThreads<C> {
        let inside = Inside {
            waiting: 0,
            next: Vec::new(),
            is_closed: false,
        };
        IdleThreads {
            inside: Mutex::new(inside),
            changed: Condvar::new(),
        }
    }

    /// Gives a client to a thread that waits.
    ///
    /// # Errors
    /// The client, if no thread waits.
    pub(super) fn serve(&self, client: C) -> Result<(), C> {
        let mut inside = self.lock();
        if inside.next.len() >= inside.waiting {
            return Err(client);
        }
        inside.next.push(client);
        drop(inside);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for a client, no longer than `limit`. Returns `None` without a wait if enough threads wait.
    pub(super) fn next(&self, limit: Duration) -> Option<C> {
        let since = Instant::now();
        let mut inside = self.lock();
        if inside.waiting >= KEPT || inside.is_closed {
            return None;
        }
        inside.waiting += 1;
        loop {
            let left = limit.saturating_sub(since.elapsed());
            let next = inside.next.pop();
            if next.is_some() || inside.is_closed || left.is_zero() {
                inside.waiting -= 1;
                return next;
            }
            let waited = self.changed.wait_timeout(inside, left);
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the threads that wait, and lets no more wait.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inside<C>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
