//! What stands before the blank line, of a request or of an answer: bounded, never parsed twice,
//! and strict about what separates lines.

use std::fmt;
use std::ops::Range;

use super::limits::Limits;
use super::redacted::{FirstLine, Shown};

/// A head's bytes, and where its fields are in them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Head {
    bytes: Box<[u8]>,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

/// What is wrong with a head, before anybody has asked what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHead {
    /// No blank line within the limit of bytes.
    TooLarge(usize),
    /// More fields than the limit.
    TooManyFields(usize),
    /// Not an HTTP head; says which part.
    Malformed(&'static str),
    /// A field that may stand only once stands twice.
    Duplicate(&'static str),
}

/// What a search for the end of a head found.
pub(crate) enum Search {
    /// Not there yet; the next search may start here.
    Incomplete(usize),
    /// A head of this many bytes, the blank line included.
    Complete(usize),
}

/// Looks for the end of a head of at most `most` bytes in `input`, from `searched` on: what earlier
/// searches have ruled out.
///
/// # Errors
/// As soon as it is certain that the head is longer than the limit.
pub(crate) fn search(input: &[u8], searched: usize, most: usize) -> Result<Search, BadHead> {
    let within = &input[..input.len().min(most)];
    match blank_line(&within[searched..]) {
        Some(at) => Ok(Search::Complete(searched + at + 4)),
        None if input.len() >= most => Err(BadHead::TooLarge(most)),
        // The last three bytes may be the beginning of the blank line.
        None => Ok(Search::Incomplete(input.len().saturating_sub(3))),
    }
}

/// How many fields a head has; `first_line` is what its first line is called.
///
/// # Errors
/// Where there are more than the limit, or where lines end in another way than CR LF.
pub(crate) fn count_fields(
    head: &[u8],
    limits: &Limits,
    first_line: &'static str,
) -> Result<usize, BadHead> {
    // A parser that takes a lone LF for a line's end disagrees with a proxy that does not: the
    // classic of request smuggling (RFC 9112 §2.2, §11.2).
    let lone = |(at, byte): (usize, &u8)| match byte {
        b'\n' => at == 0 || head[at - 1] != b'\r',
        b'\r' => head.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    if head.iter().enumerate().any(lone) {
        return Err(BadHead::Malformed("a line that does not end in CR LF"));
    }
    if head.starts_with(b"\r\n") {
        return Err(BadHead::Malformed(first_line));
    }
    let lines = head.split(|&byte| byte == b'\n').count();
    // The first line, the blank line, and what follows the last LF are no fields.
    let count = lines.saturating_sub(3);
    if count > limits.head_fields {
        return Err(BadHead::TooManyFields(limits.head_fields));
    }
    Ok(count)
}

/// What the parser found wrong.
pub(crate) fn malformed(
    error: httparse::Error,
    limits: &Limits,
    first_line: &'static str,
) -> BadHead {
    match error {
        httparse::Error::TooManyHeaders => BadHead::TooManyFields(limits.head_fields),
        httparse::Error::HeaderName => BadHead::Malformed("a field name"),
        httparse::Error::HeaderValue => BadHead::Malformed("a field value"),
        _ => BadHead::Malformed(first_line),
    }
}

impl Head {
    /// Of what was parsed; `fields` are parts of `bytes`.
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

    /// All fields, names as they were written, in the order in which they came.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.fields.iter().map(|(name, value)| {
            let name = std::str::from_utf8(&self.bytes[name.clone()]).unwrap_or("");
            (name, &self.bytes[value.clone()])
        })
    }

    /// The values of all fields of that name, in whatever letter case, in the order in which they
    /// came.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The value of the first field of that name, if it is UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let first = self.all(name).next()?;
        std::str::from_utf8(first).ok()
    }

    /// The only value of a field that may stand once.
    pub(crate) fn once(&self, name: &'static str) -> Result<Option<&[u8]>, BadHead> {
        let mut all = self.all(name);
        let first = all.next();
        match all.next() {
            None => Ok(first),
            Some(_) => Err(BadHead::Duplicate(name)),
        }
    }

    /// Whether the comma-separated lists of a field hold `word`, in any letter case.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// Where a part of a slice is in it.
pub(crate) fn range_of(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// Where the blank line begins that ends a head.
fn blank_line(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\r', bytes).find(|at| bytes[*at..].starts_with(b"\r\n\r\n"))
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.bytes.split(|&byte| byte == b'\r').next();
        f.debug_struct("Head")
            .field("line", &FirstLine(line.unwrap_or_default()).to_string())
            .field("fields", &Shown(self.fields()))
            .finish()
    }
}
