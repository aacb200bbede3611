//! Time stands still unless a test advances it: then a thread that nobody has woken is detected,
//! because no timeout wakes it.

use std::ops::{Add, AddAssign, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use shuttle::sync::{LockResult, Mutex, MutexGuard};
use shuttle::sync::{PoisonError, WaitTimeoutResult};

use super::world;

/// A moment, in nanoseconds since the execution began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

struct Clock {
    now: AtomicU64,
    waits: Mutex<Vec<Arc<shuttle::sync::Condvar>>>,
}

shuttle::lazy_static! {
    static ref CLOCK: Clock = Clock {
        now: AtomicU64::new(0),
        waits: Mutex::default(),
    };
}

impl Instant {
    pub(crate) fn now() -> Instant {
        Instant(Duration::from_nanos(CLOCK.now.load(SeqCst)))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Instant::now() - self
    }

    pub(crate) fn checked_add(self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    pub(crate) fn saturating_duration_since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Advances the time, and makes all waiting threads check the clock.
pub(crate) fn pass(duration: Duration) {
    let nanos = u64::try_from(duration.as_nanos()).unwrap();
    world::call(|_| CLOCK.now.fetch_add(nanos, SeqCst));
    let waits = CLOCK.waits.lock().unwrap().clone();
    for wait in waits {
        wait.notify_all();
    }
}

/// A condition variable whose timeouts use this clock. A timeout that expires while no thread
/// checks is noticed when time advances again.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    inner: Arc<shuttle::sync::Condvar>,
}

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.inner.wait(guard)
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        {
            let mut waits = CLOCK.waits.lock().unwrap_or_else(PoisonError::into_inner);
            if !waits.iter().any(|wait| Arc::ptr_eq(wait, &self.inner)) {
                waits.push(Arc::clone(&self.inner));
            }
        }
        // Its callers check the clock themselves: they need to know only that time has passed.
        self.inner.wait_timeout(guard, Duration::MAX)
    }

    pub(crate) fn notify_one(&self) {
        self.inner.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.inner.notify_all();
    }
}
