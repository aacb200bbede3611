//! A message in the log.

use std::fmt;

use crate::protocol::Message;
use crate::protocol::http::text::Escaped;

/// A message in a log: its kind, and not all of a long one; hostile bytes are escaped.
pub(crate) struct Shown<'a>(pub(crate) &'a Message);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_bytes();
        let kind = if self.0.is_binary() { "binary" } else { "text" };
        let payload = Escaped::Bytes(bytes);
        write!(f, "{kind} of {} bytes: {payload}", bytes.len())
    }
}
