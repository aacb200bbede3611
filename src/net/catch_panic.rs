//! The user's code, run so that its panic costs what it was about, and no thread of the library's.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `run` returns, or `None` where it panics; even where dropping what it panicked with is a panic
/// again. What it leaves half-way is for the caller to look at.
pub(crate) fn catch_panic<T>(run: impl FnOnce() -> T) -> Option<T> {
    let payload = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => return Some(value),
        Err(payload) => payload,
    };
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // It may go on like this for ever.
        std::mem::forget(another);
    }
    None
}
