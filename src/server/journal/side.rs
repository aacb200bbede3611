//! The side of an engine, whichever it is: its orders, its reports to the hub, and the log of its faults.

use std::sync::Arc;
use std::time::Duration;

use crate::net::sync::Instant;
use crate::net::sync::channel::{Receiver, Sender};
use crate::server::hub::Command;
use crate::server::hub::history::Ask;

use super::{Desk, Order, Report};

pub(crate) struct EngineSide {
    pub(crate) desk: Arc<Desk>,
    pub(crate) orders: Receiver<Order>,
    hub: Sender<Command>,
    /// When a fault was logged last.
    logged: Option<Instant>,
}

/// The least time between two faults in the log.
const QUIET: Duration = Duration::from_secs(10);

impl EngineSide {
    pub(crate) fn new(desk: Arc<Desk>, orders: Receiver<Order>, hub: Sender<Command>) -> Self {
        EngineSide {
            desk,
            orders,
            hub,
            logged: None,
        }
    }

    /// Sends a report to the hub, and waits for a place in its queue.
    pub(crate) fn report(&self, report: Report) {
        let _ = self
            .hub
            .send(Command::History(Box::new(Ask::Report(report))));
    }

    /// Returns whether this fault is to be logged: none was for a while.
    pub(crate) fn logs_fault(&mut self) -> bool {
        let logs = self.logged.is_none_or(|at| at.elapsed() >= QUIET);
        if logs {
            self.logged = Some(Instant::now());
        }
        logs
    }

    /// Returns whether a success is to be logged: it is the first one for a while after a fault.
    pub(crate) fn logs_success(&mut self) -> bool {
        self.logged.take_if(|at| at.elapsed() >= QUIET).is_some()
    }
}

impl Drop for EngineSide {
    /// Drops the requests that wait: a thread that waits for an answer is woken.
    fn drop(&mut self) {
        self.desk.budget.close();
        self.orders.try_iter().for_each(drop);
    }
}
