//! Formats a message for the log.

use std::fmt;

use crate::protocol::Message;
use crate::protocol::http::text::Escaped;

/// A message in the log: its kind, its length, and its payload, escaped and cut if it is long.
pub(crate) struct Shown<'a>(pub(crate) &'a Message);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_bytes();
        let kind = if self.0.is_binary() { "binary" } else { "text" };
        let payload = Escaped::Bytes(bytes);
        write!(f, "{kind} of {} bytes: {payload}", bytes.len())
    }
}
