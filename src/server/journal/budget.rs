//! The budget of messages on their way to the journal: a thread that publishes waits here, not the hub.

use std::time::Duration;

use crate::net::sync::{Condvar, Instant, Mutex, MutexGuard, PoisonError};
use crate::server::history::publication::PublishError;

#[derive(Debug, Default)]
pub(crate) struct Budget {
    spent: Mutex<Spent>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Spent {
    bytes: usize,
    messages: usize,
    closed: bool,
}

/// The bytes that may be on their way, beside one more message.
const BYTES: usize = 4 * 1024 * 1024;

/// The messages that may be on their way.
const MESSAGES: usize = 1024;

impl Budget {
    /// Takes one message of so many bytes; waits for a place, at most for `timeout`.
    ///
    /// # Errors
    /// [`PublishError::Unavailable`] after that time, and [`PublishError::Closed`] once the hub has ended.
    pub(crate) fn take(&self, bytes: usize, timeout: Duration) -> Result<(), PublishError> {
        let since = Instant::now();
        let mut spent = self.lock();
        while spent.bytes >= BYTES || spent.messages >= MESSAGES {
            let left = timeout.saturating_sub(since.elapsed());
            if spent.closed {
                return Err(PublishError::Closed);
            }
            if left.is_zero() {
                return Err(PublishError::Unavailable);
            }
            let woken = self.freed.wait_timeout(spent, left);
            spent = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        spent.bytes = spent.bytes.saturating_add(bytes);
        spent.messages += 1;
        Ok(())
    }

    pub(crate) fn give_back(&self, bytes: usize, messages: usize) {
        let mut spent = self.lock();
        spent.bytes = spent.bytes.saturating_sub(bytes);
        spent.messages = spent.messages.saturating_sub(messages);
        drop(spent);
        self.freed.notify_all();
    }

    /// Ends all waiting.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.freed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
