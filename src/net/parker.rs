//! Blocks a client's own thread although it could read, while the rate limiter throttles the client.

use std::time::Duration;

use super::sync::{Condvar, Mutex, PoisonError};

/// A wait that another thread can end.
#[derive(Debug, Default)]
pub(crate) struct Parker {
    lock: Mutex<()>,
    woken: Condvar,
}

impl Parker {
    /// Waits for at most `time`, or until a notice: if `has_notices` becomes true and
    /// [`wake`](Parker::wake) is called after that, the notice is never missed.
    pub(crate) fn wait(&self, time: Duration, has_notices: impl Fn() -> bool) {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !has_notices() {
            // The result of the wait holds the guard: both are dropped here.
            let _ = self.woken.wait_timeout(guard, time);
        }
    }

    /// Ends the wait.
    pub(crate) fn wake(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.woken.notify_all();
    }
}
