//! The value of the `Date` header: `protocol` itself has no clock.

use std::time::SystemTime;

use httpdate::HttpDate;

/// Returns the system's time, in the form of RFC 9110 §5.6.7.
#[cfg(feature = "server")]
pub(crate) fn now() -> String {
    HttpDate::from(SystemTime::now()).to_string()
}
