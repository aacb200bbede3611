//! What threads meet by, and the clock: the standard library's and crossbeam's, named here once so
//! that a model checker can take their place: the crate in `tests/model` compiles this source with
//! its own modules instead of this one, of `socket` and of `sleep`.
//!
//! `Arc` and `OnceLock` never make one thread wait for another here, and are not among them.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use std::thread;
pub(crate) use std::time::Instant;

pub(crate) use crossbeam_channel as channel;
