//! The header block of a request or of a response, up to the blank line: bounded, never parsed twice,
//! and with strict line endings.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::redacted::{FirstLine, Shown};
use crate::protocol::limits::Limits;

/// The bytes of a header block, and the positions of its headers. A clone shares both.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Head {
    bytes: Arc<[u8]>,
    fields: Arc<[(Range<usize>, Range<usize>)]>,
}

/// A syntax error of a header block, before its meaning is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidHead {
    /// No blank line within the limit of bytes.
    TooLarge(usize),
    /// More headers than the limit.
    TooManyHeaders(usize),
    /// Not an HTTP header block; names the malformed part.
    Malformed(&'static str),
    /// A header that may occur only once occurs twice.
    Duplicate(&'static str),
}

/// The result of a search for the end of a header block.
pub(crate) enum Search {
    /// Not complete yet; the next search may start here.
    Incomplete(usize),
    /// A header block of this many bytes, the blank line included.
    Complete(usize),
}

/// Searches `input` for the end of a header block of at most `most` bytes, from `searched` on: earlier
/// searches have covered the bytes before.
///
/// # Errors
/// As soon as it is certain that the header block is longer than the limit.
pub(crate) fn search(input: &[u8], searched: usize, most: usize) -> Result<Search, InvalidHead> {
    let within = &input[..input.len().min(most)];
    match blank_line(&within[searched..]) {
        Some(at) => Ok(Search::Complete(searched + at + 4)),
        None if input.len() >= most => Err(InvalidHead::TooLarge(most)),
        // The last three bytes may be the beginning of the blank line.
        None => Ok(Search::Incomplete(input.len().saturating_sub(3))),
    }
}

/// Returns how many headers a header block has; `first_line` is the name of its first line in errors.
///
/// # Errors
/// If there are more headers than the limit, or if a line does not end in CR LF.
pub(crate) fn count_fields(
    head: &[u8],
    limits: &Limits,
    first_line: &'static str,
) -> Result<usize, InvalidHead> {
    // A parser that accepts a lone LF as a line end disagrees with a proxy that does not: the classic
    // case of request smuggling (RFC 9112 §2.2, §11.2).
    let lone = |(at, byte): (usize, &u8)| match byte {
        b'\n' => at == 0 || head[at - 1] != b'\r',
        b'\r' => head.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    if head.iter().enumerate().any(lone) {
        return Err(InvalidHead::Malformed("a line that does not end in CR LF"));
    }
    if head.starts_with(b"\r\n") {
        return Err(InvalidHead::Malformed(first_line));
    }
    let lines = head.split(|&byte| byte == b'\n').count();
    // The first line, the blank line, and the empty part after the last LF are no headers.
    let count = lines.saturating_sub(3);
    if count > limits.header_count {
        return Err(InvalidHead::TooManyHeaders(limits.header_count));
    }
    Ok(count)
}

/// Converts an error of the parser.
pub(crate) fn malformed(
    error: httparse::Error,
    limits: &Limits,
    first_line: &'static str,
) -> InvalidHead {
    match error {
        httparse::Error::TooManyHeaders => InvalidHead::TooManyHeaders(limits.header_count),
        httparse::Error::HeaderName => InvalidHead::Malformed("a header name"),
        httparse::Error::HeaderValue => InvalidHead::Malformed("a header value"),
        _ => InvalidHead::Malformed(first_line),
    }
}

/// Returns a hint whether bytes that are not HTTP are TLS, by the first byte: TLS records begin with
/// their type, an alert's or a handshake's (RFC 8446 §5.1).
pub(crate) fn tls_hint(first: u8) -> &'static str {
    match first {
        0x15 => ", as an alert of TLS does",
        0x16 => ", as a handshake of TLS does",
        _ => "",
    }
}

impl Head {
    /// Returns the bytes of memory that it takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.fields)
    }

    /// Creates a header block from parsed headers; `fields` are parts of `bytes`.
    pub(crate) fn new(bytes: &[u8], fields: &[httparse::Header<'_>]) -> Head {
        let place = |field: &httparse::Header<'_>| {
            let name = range_of(field.name.as_bytes(), bytes);
            (name, range_of(field.value, bytes))
        };
        Head {
            fields: fields.iter().map(place).collect(),
            bytes: bytes.into(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns all headers, with their names as written, in the order in which they were received.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.fields.iter().map(|(name, value)| {
            let name = std::str::from_utf8(&self.bytes[name.clone()]).unwrap_or("");
            (name, &self.bytes[value.clone()])
        })
    }

    /// Returns the values of all headers of that name, in any letter case, in the order in which they
    /// were received.
    pub(crate) fn header_values<'a, 'n>(&'a self, name: &'n str) -> Values<'a, 'n> {
        Values {
            bytes: &self.bytes,
            fields: self.fields.iter(),
            name,
        }
    }

    /// Returns the value of the first header of that name, if it is UTF-8.
    pub(crate) fn header_str(&self, name: &str) -> Option<&str> {
        let first = self.header_values(name).next()?;
        std::str::from_utf8(first).ok()
    }

    /// Returns the value of a header that may occur only once.
    pub(crate) fn once(&self, name: &'static str) -> Result<Option<&[u8]>, InvalidHead> {
        let mut all = self.header_values(name);
        let first = all.next();
        match all.next() {
            None => Ok(first),
            Some(_) => Err(InvalidHead::Duplicate(name)),
        }
    }

    /// Returns whether the comma-separated lists of a header contain `word`, in any letter case.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        for value in self.header_values(name) {
            let mut items = value.split(|&byte| byte == b',');
            if items.any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes())) {
                return true;
            }
        }
        false
    }
}

/// The values of the headers of one name. It is a type of its own, so that its search is compiled once, and not with
/// each adapter around it.
pub(crate) struct Values<'a, 'n> {
    bytes: &'a [u8],
    fields: std::slice::Iter<'a, (Range<usize>, Range<usize>)>,
    name: &'n str,
}

impl<'a> Iterator for Values<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        for (name, value) in self.fields.by_ref() {
            if self.bytes[name.clone()].eq_ignore_ascii_case(self.name.as_bytes()) {
                return Some(&self.bytes[value.clone()]);
            }
        }
        None
    }
}

/// Returns the position of a part within a slice.
pub(crate) fn range_of(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// Returns the start of the blank line that ends a header block.
pub(crate) fn blank_line(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\r', bytes).find(|at| bytes[*at..].starts_with(b"\r\n\r\n"))
}

impl fmt::Debug for Head {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.bytes.split(|&byte| byte == b'\r').next();
        f.debug_struct("Head")
            .field("line", &FirstLine(line.unwrap_or_default()).to_string())
            .field("fields", &Shown(self.headers()))
            .finish()
    }
}
