//! The idle threads of a server. Each waits a while for the next client: to start a thread costs more than
//! everything else about a connection.

use std::time::Duration;

use crate::net::answer::{Answer, Unanswered, answer};
use crate::net::sync::{Mutex, MutexGuard, PoisonError};

/// How many threads without a client are kept.
const KEPT: usize = 64;

/// The threads that wait for a client `C`.
pub(crate) struct IdleThreads<C>(Mutex<Inside<C>>);

struct Inside<C> {
    /// One for each thread that waits. The last one is served first: its memory is still in the caches, and it may
    /// not sleep yet.
    waiting: Vec<Answer<C>>,
    /// No clients come any more.
    is_closed: bool,
}

impl<C> IdleThreads<C> {
    pub(super) fn new() -> IdleThreads<C> {
        IdleThreads(Mutex::new(Inside {
            waiting: Vec::new(),
            is_closed: false,
        }))
    }

    /// Gives a client to a thread that waits.
    ///
    /// # Errors
    /// The client, if no thread waits.
    pub(super) fn serve(&self, client: C) -> Result<(), C> {
        let thread = self.lock().waiting.pop();
        match thread {
            Some(thread) => {
                thread.send(client);
                Ok(())
            }
            None => Err(client),
        }
    }

    /// Waits for a client, no longer than `limit`. Returns `None` without a wait if enough threads wait.
    pub(super) fn next(&self, limit: Duration) -> Option<C> {
        let mut inside = self.lock();
        if inside.waiting.len() >= KEPT || inside.is_closed {
            return None;
        }
        let (thread, client) = answer();
        inside.waiting.push(thread);
        drop(inside);
        match client.recv_timeout(limit) {
            Ok(client) => Some(client),
            Err(Unanswered::Dropped) => None,
            Err(Unanswered::Timeout) => {
                let mut inside = self.lock();
                let place = inside
                    .waiting
                    .iter()
                    .position(|thread| client.is_from(thread));
                match place {
                    Some(place) => drop(inside.waiting.remove(place)),
                    // A client comes, or the end: the other side has been taken already.
                    None => drop(inside),
                }
                client.recv_timeout(Duration::MAX).ok()
            }
        }
    }

    /// Ends the threads that wait, and lets no more wait.
    pub(super) fn close(&self) {
        let mut inside = self.lock();
        inside.is_closed = true;
        inside.waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inside<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
