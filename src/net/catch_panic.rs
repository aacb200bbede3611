//! Runs the user's code so that its panic ends only the work it belongs to, not the library's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns the result of `run`, or `None` if it panics, even if dropping the panic's payload panics
/// again. The caller checks state that `run` left half-changed.
pub(crate) fn catch_panic<T>(run: impl FnOnce() -> T) -> Option<T> {
    let payload = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => return Some(value),
        Err(payload) => payload,
    };
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Dropping this payload may panic as well, and so on for ever.
        std::mem::forget(another);
    }
    None
}
