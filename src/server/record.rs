//! The ends of clients and the failures of handlers, for the kit in `testing/`.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::net::client_id::ClientId;

use super::teardown::CloseReport;

/// What one server of a test has recorded.
#[derive(Debug, Default)]
pub(crate) struct Record {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    reports: VecDeque<CloseReport>,
    failures: Vec<(ClientId, String)>,
}

impl Record {
    pub(super) fn closed(&self, report: CloseReport) {
        self.lock().reports.push_back(report);
        self.changed.notify_all();
    }

    pub(super) fn failed(&self, id: ClientId, error: &str) {
        self.lock().failures.push((id, error.to_owned()));
    }

    /// Takes the oldest report, waiting for it for at most `time`.
    pub(crate) fn next_report(&self, time: Duration) -> Option<CloseReport> {
        let is_empty = |inside: &mut Inside| inside.reports.is_empty();
        let waited = self.changed.wait_timeout_while(self.lock(), time, is_empty);
        let mut inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        inside.reports.pop_front()
    }

    /// Takes all reports.
    pub(crate) fn reports(&self) -> Vec<CloseReport> {
        self.lock().reports.drain(..).collect()
    }

    /// Takes the failures: the client and the error of each.
    pub(crate) fn failures(&self) -> Vec<(ClientId, String)> {
        std::mem::take(&mut self.lock().failures)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
