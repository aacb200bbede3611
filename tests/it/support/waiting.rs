//! Waits for events of other threads, for a limited time.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// The most time for any event that is not itself about time. No test waits that long, unless it
/// fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `look` returns a value; panics after a timeout.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "still waiting for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the observed value equals the expected one; prints both if it never does.
pub(crate) fn becomes<T: PartialEq + Debug>(expected: &T, mut look: impl FnMut() -> T) {
    let since = Instant::now();
    loop {
        // Read once per turn: the compared value is also the printed one.
        let seen = look();
        if seen == *expected {
            return;
        }
        if since.elapsed() >= PATIENCE {
            assert_eq!(seen, *expected);
        }
        thread::sleep(Duration::from_millis(1));
    }
}
