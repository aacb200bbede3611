//! Finds the end of a header block.

use crate::note::Side;

/// The most bytes of a header block that are read. HTTP has no limit; servers have one of 8 to 64 KiB.
pub(crate) const MOST: usize = 64 * 1024;

/// A search that goes on with each read, so that no byte is looked at twice.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// The start of the line that is not complete.
    line: usize,
    /// The bytes before this place were searched.
    searched: usize,
    /// Whether a line with text was found.
    begun: bool,
}

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The blank line has not arrived.
    Incomplete,
    /// The block has this many bytes, with its blank line.
    Complete(usize),
    /// No blank line in the first [`MOST`] bytes.
    TooLong,
    /// This is not HTTP: so many bytes are enough to be certain.
    NotHttp(usize),
}

/// The first bytes of each response (RFC 9112 §4).
const RESPONSE: &[u8] = b"HTTP/";

impl Search {
    /// Searches the bytes of a stream from the start of the block on; the next search must be given the
    /// same bytes, with further ones after them.
    pub(crate) fn find(&mut self, from: Side, bytes: &[u8]) -> Found {
        if let Some(decided) = not_http(from, bytes) {
            return Found::NotHttp(decided);
        }
        let most = &bytes[..bytes.len().min(MOST)];
        while let Some(end) = line_end(most, self.searched) {
            let line = &most[self.line..end];
            self.searched = end;
            self.line = end;
            match (matches!(line, b"\n" | b"\r\n"), self.begun) {
                (true, true) => return Found::Complete(end),
                // A server ignores an empty line before a request (RFC 9112 §2.2).
                (true, false) => {}
                (false, _) => self.begun = true,
            }
        }
        self.searched = most.len();
        match bytes.len() >= MOST {
            true => Found::TooLong,
            false => Found::Incomplete,
        }
    }
}

/// Returns the place after the next LF, from `start` on.
pub(super) fn line_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    let place = rest.iter().position(|&byte| byte == b'\n')?;
    Some(start + place + 1)
}

/// Returns how many bytes show that this is not HTTP, if they do: a request begins with a visible
/// character, perhaps after one empty line; a response begins with `HTTP/`.
fn not_http(from: Side, bytes: &[u8]) -> Option<usize> {
    match from {
        Side::Server => {
            let mut pairs = bytes.iter().zip(RESPONSE);
            let wrong = pairs.position(|(found, expected)| found != expected)?;
            Some(wrong + 1)
        }
        Side::Client => {
            let skipped = match bytes {
                [b'\r'] => return None,
                [b'\r', b'\n', ..] => 2,
                _ => 0,
            };
            let first = bytes.get(skipped)?;
            (!first.is_ascii_graphic()).then_some(skipped + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, MOST, Search};
    use crate::note::Side;

    fn find(from: Side, bytes: &[u8]) -> Found {
        let whole = Search::default().find(from, bytes);
        let mut search = Search::default();
        let bytewise = (1..=bytes.len())
            .map(|len| search.find(from, &bytes[..len]))
            .find(|found| *found != Found::Incomplete)
            .unwrap_or(Found::Incomplete);
        assert_eq!(whole, bytewise, "{}", bytes.escape_ascii());
        whole
    }

    #[test]
    fn a_block_ends_with_its_first_empty_line() {
        for (bytes, found) in [
            (&b"GET / HTTP/1.1\r\nA: b\r\n\r\nmore\r\n\r\n"[..], 24),
            (b"\r\nGET / HTTP/1.1\r\n\r\n", 20),
            (b"GET /\n\n", 7),
            (b"GET /\r\n\nmore", 8),
            (b"GET /\n\r\n", 8),
        ] {
            assert_eq!(find(Side::Client, bytes), Found::Complete(found));
        }
        for bytes in [&b"GET / HTTP/1.1\r\nA: b\r\n\r"[..], b"", b"\r", b"\r\n"] {
            assert_eq!(find(Side::Client, bytes), Found::Incomplete);
        }
    }

    #[test]
    fn the_first_bytes_that_are_not_http_end_the_search() {
        for (from, bytes, found) in [
            (Side::Client, &b"\x16\x03\x01"[..], 1),
            (Side::Client, b"\r\r", 1),
            (Side::Client, b"\r\n\r\n", 3),
            (Side::Client, b"\n", 1),
            (Side::Server, b"HTTQ", 4),
            (Side::Server, b"\x81\x05hello", 1),
            (Side::Server, b"\r\nHTTP/1.1 101 x\r\n\r\n", 1),
        ] {
            assert_eq!(find(from, bytes), Found::NotHttp(found));
        }
    }

    #[test]
    fn a_block_without_an_end_is_given_up_at_the_limit() {
        let endless = [&b"GET / HTTP/1.1\r\n"[..], &vec![b'x'; MOST]].concat();
        let mut search = Search::default();
        assert_eq!(
            search.find(Side::Client, &endless[..MOST - 1]),
            Found::Incomplete
        );
        assert_eq!(search.find(Side::Client, &endless[..MOST]), Found::TooLong);
        assert_eq!(
            Search::default().find(Side::Client, &endless),
            Found::TooLong
        );
    }
}
