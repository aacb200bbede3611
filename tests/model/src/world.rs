//! The kernel of the model: every wire and every pipe, in one place, so that a thread can wait for
//! several at once. One system call is one step.

use shuttle::sync::{Condvar, Mutex};

use super::clock::Instant;
use crate::net::socket::Wire;

pub(crate) struct World {
    kernel: Mutex<Kernel>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) wires: Vec<Wire>,
    /// Whether each pipe contains anything.
    pub(crate) pipes: Vec<bool>,
}

shuttle::lazy_static! {
    /// A new kernel in each execution.
    static ref WORLD: World = World {
        kernel: Mutex::default(),
        changed: Condvar::new(),
    };
}

/// A system call that does not block.
pub(crate) fn call<T>(change: impl FnOnce(&mut Kernel) -> T) -> T {
    let mut kernel = WORLD.kernel.lock().unwrap();
    let result = change(&mut kernel);
    WORLD.changed.notify_all();
    result
}

/// A system call that blocks until it has a result, or until `end`.
pub(crate) fn block<T>(
    end: Option<Instant>,
    mut attempt: impl FnMut(&mut Kernel) -> Option<T>,
) -> Option<T> {
    let mut kernel = WORLD.kernel.lock().unwrap();
    loop {
        if let Some(result) = attempt(&mut kernel) {
            WORLD.changed.notify_all();
            return Some(result);
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        kernel = WORLD.changed.wait(kernel).unwrap();
    }
}
