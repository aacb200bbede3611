//! What threads meet by, and the clock: the standard library's and crossbeam's, named here once.
//!
//! `Arc` and `OnceLock` never make one thread wait for another here, and are not among them.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use std::thread;
pub(crate) use std::time::Instant;

pub(crate) use crossbeam_channel as channel;
