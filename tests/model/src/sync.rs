//! In the place of `src/shell/sync.rs`: every lock, atomic, channel and thread is a point at which
//! the model checker may let another thread run, and time passes when a test says so.

pub(crate) mod channel;

pub(crate) mod clock;

pub(crate) mod world;

pub(crate) use clock::{Condvar, Instant};
pub(crate) use shuttle::sync::{Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use shuttle::thread;
