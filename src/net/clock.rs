//! The clock of a server's timeouts. It is the system's, and a test can set it forward.
//!
//! Without the feature `testing`, [`clock/real.rs`](self) stands in for this file: a type without a size.
//! With it, only the clock of a server that the kit in `testing/` has made can be set. All others
//! cost one relaxed load, and only where a thread reads the clock or begins a wait.
//!
//! A test sets the clock forward in steps. The watchdog checks its clients after each step, on its own
//! thread. The other threads that wait for a time are registered here, and look at the clock every
//! [`LOOK`]. So the test can wait after each step until no registered wait is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answer::Answer;
use super::client_id::ClientId;
use super::sync::atomic::Ordering::Relaxed;
use super::sync::atomic::{AtomicBool, AtomicU64};
use super::sync::{Instant, Mutex, MutexGuard, PoisonError};

/// The clock of one server.
#[derive(Debug)]
pub(crate) struct Clock {
    can_be_set: AtomicBool,
    /// How far it is ahead of the system's, in nanoseconds.
    ahead: AtomicU64,
    /// The ends of the waits of clients' threads; `None` for a wait without an end.
    waits: Mutex<BTreeMap<ClientId, Option<Instant>>>,
}

/// The steps by which a test has set the clock forward, and that the watchdog has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<(Duration, Answer<()>)>);

/// How often a thread that waits looks at a clock that can be set.
const LOOK: Duration = Duration::from_millis(1);

impl Clock {
    pub(crate) const fn new() -> Clock {
        Clock {
            can_be_set: AtomicBool::new(false),
            ahead: AtomicU64::new(0),
            waits: Mutex::new(BTreeMap::new()),
        }
    }

    /// Returns the present moment.
    pub(crate) fn now(&self) -> Instant {
        Instant::now() + Duration::from_nanos(self.ahead.load(Relaxed))
    }

    /// Lets a client's thread wait for `time`. `wait` waits for the time that it is given, and returns
    /// whether the wait is over before its time. Returns the last result of `wait`.
    pub(crate) fn wait(
        &self,
        id: ClientId,
        time: Duration,
        mut wait: impl FnMut(Duration) -> bool,
    ) -> bool {
        if !self.can_be_set.load(Relaxed) {
            return wait(time);
        }
        let end = self.now().checked_add(time);
        self.waits().insert(id, end);
        let left = || end.map_or(LOOK, |end| end.saturating_duration_since(self.now()));
        let is_over_early = loop {
            let left = left();
            if wait(left.min(LOOK)) {
                break true;
            }
            if left.is_zero() {
                break false;
            }
        };
        self.waits().remove(&id);
        is_over_early
    }

    /// Returns the longest time for which a thread may wait that does not use [`wait`](Clock::wait).
    pub(crate) fn slice(&self, time: Duration) -> Duration {
        match self.can_be_set.load(Relaxed) {
            true => time.min(LOOK),
            false => time,
        }
    }

    /// Lets a test set the clock, from the start of its server on.
    pub(crate) fn allow_setting(&self) {
        self.can_be_set.store(true, Relaxed);
    }

    /// Sets the clock forward.
    pub(crate) fn set_forward(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let ahead = self.ahead.load(Relaxed).saturating_add(by);
        self.ahead.store(ahead, Relaxed);
    }

    /// Returns whether this client's thread waits for a time.
    pub(crate) fn is_waiting(&self, id: ClientId) -> bool {
        self.waits().contains_key(&id)
    }

    /// Returns whether the time of a wait is over, and its thread has not noticed it yet.
    pub(crate) fn has_due_waits(&self) -> bool {
        let now = self.now();
        self.waits().values().flatten().any(|end| *end <= now)
    }

    fn waits(&self) -> MutexGuard<'_, BTreeMap<ClientId, Option<Instant>>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steps {
    /// Adds a step; `done` is sent to once the watchdog has checked its clients after it.
    pub(crate) fn add(&mut self, by: Duration, done: Answer<()>) {
        self.0.push((by, done));
    }

    /// Adds the steps of another list.
    pub(crate) fn append(&mut self, mut others: Steps) {
        self.0.append(&mut others.0);
    }

    /// Returns the length of all steps; `None` if there are no steps.
    pub(crate) fn time(&self) -> Option<Duration> {
        let time = self.0.iter().map(|(by, _)| *by);
        time.reduce(Duration::saturating_add)
    }

    /// Reports that the watchdog has checked its clients.
    pub(crate) fn done(&mut self) {
        for (_, done) in self.0.drain(..) {
            done.send(());
        }
    }
}
