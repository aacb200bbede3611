//! Where a client's own thread waits although it could read.

use std::time::Duration;

use super::sync::{Condvar, Mutex, PoisonError};

/// A wait that whoever has news for the thread can end.
#[derive(Debug, Default)]
pub(crate) struct Parker {
    lock: Mutex<()>,
    woken: Condvar,
}

impl Parker {
    /// Waits for so long at most, and less where there is news: where `has_notices` turns true and
    /// then [`wake`](Parker::wake) is called, it is never missed.
    pub(crate) fn wait(&self, time: Duration, has_notices: impl Fn() -> bool) {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !has_notices() {
            // The guard is given up with whatever the wait came back with.
            let _ = self.woken.wait_timeout(guard, time);
        }
    }

    pub(crate) fn wake(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.woken.notify_all();
    }
}
