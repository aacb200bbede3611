//! The text of other code, such as an error of the program, made safe for a line of a log.

use std::fmt::{self, Write};

use super::text::{SHOWN, for_each_character, write_cut};

/// Whole sentences, escaped as a [value](super::text::Escaped), but quotes and backslashes are kept: values in
/// them may have been escaped already.
pub(crate) struct Words<'a>(pub(crate) &'a str);

impl fmt::Display for Words<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_cut(f, |show| for_each_character(self.0, "\"'\\", show))
    }
}

/// Writes formatted text, escaped, up to [`SHOWN`] bytes of it: for text that is long, or costly, or
/// comes from other code. The rest is not even kept.
pub(crate) fn shown(words: &dyn fmt::Display) -> String {
    let mut start = Start(String::new());
    // Writing fails on purpose once there is enough text.
    let _ = write!(start, "{words}");
    Words(&start.0).to_string()
}

/// Keeps the beginning of the written text, one byte more than can be shown.
struct Start(String);

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() > SHOWN {
                return Err(fmt::Error);
            }
            self.0.push(character);
        }
        Ok(())
    }
}
