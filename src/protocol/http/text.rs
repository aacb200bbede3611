//! Small pieces of text: tokens, `host:port`, and the escaping and shortening of a peer's bytes for a
//! log line, an error or a response.

use std::fmt::{self, Write};

/// Returns whether `text` is a token (RFC 9110 §5.6.2), such as the name of a header.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// Returns whether a token may contain `char`.
pub(crate) fn is_token_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char)
}

/// Splits `host:port`; an IPv6 address keeps its colons inside brackets.
pub(crate) fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    }
}

/// The most bytes of an escaped value: a longer one is cut, and ends in `...`.
pub(crate) const SHOWN: usize = 256;

/// The mark at the end of a value that was cut.
const ELLIPSIS: &str = "...";

/// A peer's value, made safe for a line of text: a terminal or a log reader can take every byte only as
/// a part of the value, and it has no more than [`SHOWN`] bytes. It is cut between two characters or
/// escapes, never inside one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Escaped<'a> {
    /// Keeps printable ASCII; other bytes become `\n`, `\x1b` and similar escapes.
    Bytes(&'a [u8]),
    /// Keeps printable characters of every language; others become `\n`, `\u{1b}` and similar escapes.
    Text(&'a str),
}

/// Escapes bytes for an error that keeps them.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    Escaped::Bytes(bytes).to_string()
}

impl Escaped<'_> {
    /// Calls `show` with each character of the value, escaped, until it returns that this is enough.
    fn for_each(&self, mut show: impl FnMut(&dyn fmt::Display, usize) -> bool) {
        match self {
            Escaped::Bytes(bytes) => {
                for byte in *bytes {
                    let shown = Printable(std::slice::from_ref(byte));
                    if !show(&shown, shown.len()) {
                        return;
                    }
                }
            }
            Escaped::Text(text) => for_each_character(text, "", show),
        }
    }
}

/// Calls `show` with each character of a text, escaped, except for those in `plain`, which are ASCII; until
/// it returns that this is enough.
pub(super) fn for_each_character(
    text: &str,
    plain: &str,
    mut show: impl FnMut(&dyn fmt::Display, usize) -> bool,
) {
    for character in text.chars() {
        let shown = character.escape_debug();
        let len = shown.clone().map(char::len_utf8).sum();
        let goes_on = match plain.contains(character) {
            true => show(&character, 1),
            false => show(&shown, len),
        };
        if !goes_on {
            return;
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_cut(f, |show| self.for_each(show))
    }
}

/// Writes the parts that `for_each` shows, at most [`SHOWN`] bytes of them.
pub(super) fn write_cut(
    f: &mut fmt::Formatter<'_>,
    for_each: impl Fn(&mut dyn FnMut(&dyn fmt::Display, usize) -> bool),
) -> fmt::Result {
    let mut total = 0;
    for_each(&mut |_, len| {
        total += len;
        total <= SHOWN
    });
    let fits = total <= SHOWN;
    let mut left = match fits {
        true => SHOWN,
        false => SHOWN - ELLIPSIS.len(),
    };
    let mut written = Ok(());
    for_each(&mut |shown, len| {
        if len > left {
            return false;
        }
        left -= len;
        written = write!(f, "{shown}");
        written.is_ok()
    });
    written?;
    match fits {
        true => Ok(()),
        false => f.write_str(ELLIPSIS),
    }
}

/// Bytes as printable ASCII: all other bytes are escaped, and so are the backslash and the double quote,
/// since the escaped text often stands between two double quotes. A single quote stays as it is.
///
/// ```
/// use stentor::protocol::Printable;
///
/// // Draft-76's own example of a proof.
/// let proof = b"8jKS'y:G*Co,Wxa-";
/// assert_eq!(Printable(proof).to_string(), "8jKS'y:G*Co,Wxa-");
/// assert_eq!(Printable(b"\xff\0\r\n\"\\").to_string(), r#"\xff\x00\r\n\"\\"#);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a [u8]);

impl Printable<'_> {
    fn len(&self) -> usize {
        let len = |byte: &u8| match byte {
            b'\'' => 1,
            byte => byte.escape_ascii().len(),
        };
        self.0.iter().map(len).sum()
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'\'' => f.write_char('\'')?,
                byte => byte.escape_ascii().fmt(f)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::shown;
    use super::{Escaped, SHOWN, escaped};

    #[test]
    fn a_short_value_is_whole() {
        for len in [0, 1, SHOWN - 1, SHOWN] {
            let value = "x".repeat(len);
            assert_eq!(escaped(value.as_bytes()), value);
            assert_eq!(Escaped::Text(&value).to_string(), value);
            assert_eq!(shown(&value), value);
        }
        assert_eq!(escaped(b"a\r\n\x1b\xff"), r"a\r\n\x1b\xff");
        assert_eq!(Escaped::Text("ä\r\u{202e}日").to_string(), r"ä\r\u{202e}日");
    }

    #[test]
    fn a_long_value_is_cut_to_its_limit_after_it_was_escaped() {
        for value in ["x", "\r", "\u{1b}", "\u{202e}", "日", "\u{10ffff}", "é"] {
            let value = value.repeat(100_000);
            let of_bytes = escaped(value.as_bytes());
            let of_text = Escaped::Text(&value).to_string();
            for (cut, unit) in [(&of_bytes, 4), (&of_text, 10), (&shown(&value), 10)] {
                assert!(cut.ends_with("..."), "{cut}");
                assert!(cut.len() <= SHOWN, "{} bytes", cut.len());
                assert!(cut.len() > SHOWN - unit, "{} bytes", cut.len());
            }
        }
    }

    #[test]
    fn what_was_escaped_already_is_not_escaped_again() {
        let once = Escaped::Text("\r\"\\").to_string();
        assert_eq!(once, r#"\r\"\\"#);
        assert_eq!(shown(&once), once);
        assert_eq!(
            shown(&"a line\nand \"another\""),
            r#"a line\nand "another""#
        );
    }

    #[test]
    fn no_escape_is_cut_in_two() {
        for lead in 0..12 {
            let value = "x".repeat(lead) + &"\u{1b}".repeat(100);
            let cut = Escaped::Text(&value).to_string();
            let escapes = cut[lead..].trim_end_matches("...");
            assert_eq!(escapes.replace(r"\u{1b}", ""), "", "{cut}");
            let cut = escaped(value.as_bytes());
            let escapes = cut[lead..].trim_end_matches("...");
            assert_eq!(escapes.replace(r"\x1b", ""), "", "{cut}");
        }
    }
}
