//! Until when a call may wait.

use std::time::Duration;

use super::clock::Clock;
use super::sync::Instant;

/// The end of a wait, if it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The end of a wait that lasts until something happens.
    pub(crate) const NEVER: Deadline = Deadline(None);

    /// Returns the end of a wait of at most `timeout`; one that is too long for the clock has no end.
    pub(crate) fn after(timeout: Duration) -> Deadline {
        Deadline(Instant::now().checked_add(timeout))
    }

    /// As [`after`](Deadline::after), by the clock of a connection's owner.
    pub(crate) fn by(clock: &Clock, timeout: Duration) -> Deadline {
        Deadline(clock.now().checked_add(timeout))
    }

    /// Returns the rest of the wait; `None` if it has no end.
    #[cfg(feature = "client")]
    pub(crate) fn left(&self) -> Option<Duration> {
        Some(self.0?.saturating_duration_since(Instant::now()))
    }

    /// As [`left`](Deadline::left), for a deadline [by](Deadline::by) this clock.
    pub(crate) fn left_by(&self, clock: &Clock) -> Option<Duration> {
        Some(self.0?.saturating_duration_since(clock.now()))
    }
}
