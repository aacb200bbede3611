//! Runs the user's code so that its panic ends only the work it belongs to, not the library's thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns the result of `run`, or `None` if it panics, even if dropping the panic's payload panics
/// again. The caller checks state that `run` left half-changed.
pub(crate) fn catch_panic<T>(run: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            drop_payload(payload);
            None
        }
    }
}

#[cold]
#[inline(never)]
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Dropping this payload may panic as well, and so on for ever.
        std::mem::forget(another);
    }
}
