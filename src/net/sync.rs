//! The synchronization types and the clock, from the standard library and crossbeam. They are named
//! here once so that a model checker can replace them: the crate in `tests/model` compiles this source
//! with its own modules in place of this one, `socket` and `waker`.
//!
//! `Arc` and `OnceLock` are not among them: here they never make one thread wait for another.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use std::thread;
pub(crate) use std::time::Instant;

#[cfg(feature = "server")]
pub(crate) use crossbeam_channel as channel;
