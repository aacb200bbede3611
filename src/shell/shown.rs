//! Other people's words in our log: not many of them, and nothing that a terminal would obey.

use std::fmt;

use crate::protocol::{Escaped, Message};

/// A message in a log: its kind, and not all of a long one; hostile bytes are escaped.
pub(crate) struct Shown<'a>(pub(crate) &'a Message);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        let bytes = self.0.as_bytes();
        let kind = if self.0.is_binary() { "binary" } else { "text" };
        let shown = &bytes[..bytes.len().min(SHOWN)];
        write!(f, "{kind} of {} bytes: {}", bytes.len(), Escaped(shown))
    }
}

/// Words in a log that may hold a peer's: not many, and without control characters.
pub(crate) fn shown(words: &str) -> String {
    words
        .chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect()
}
