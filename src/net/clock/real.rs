//! The clock of a server's timeouts, if the library was built without `testing`: the system's.

use std::time::Duration;

use crate::net::client_id::ClientId;
use crate::net::sync::Instant;

/// The system's clock.
#[derive(Debug)]
pub(crate) struct Clock;

/// No test sets this clock.
#[derive(Debug, Default)]
pub(crate) struct Steps(());

impl Clock {
    pub(crate) const fn new() -> Clock {
        Clock
    }

    #[inline(always)]
    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    #[inline(always)]
    pub(crate) fn wait(
        &self,
        _: ClientId,
        time: Duration,
        wait: impl FnOnce(Duration) -> bool,
    ) -> bool {
        wait(time)
    }

    #[cfg(feature = "server")]
    #[inline(always)]
    pub(crate) fn slice(&self, time: Duration) -> Duration {
        time
    }
}

impl Steps {
    pub(crate) fn append(&mut self, _: Steps) {}

    pub(crate) fn time(&self) -> Option<Duration> {
        None
    }

    pub(crate) fn done(&mut self) {}
}
