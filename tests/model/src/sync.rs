//! Replaces `src/net/sync.rs`: at every lock, atomic, channel and thread the model checker may
//! switch to another thread, and time advances when a test says so.

pub(crate) mod channel;

pub(crate) mod clock;

pub(crate) mod world;

pub(crate) use clock::{Condvar, Instant};
pub(crate) use shuttle::sync::{Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use shuttle::thread;
