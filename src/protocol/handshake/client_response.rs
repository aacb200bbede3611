//! A server's response: the header block of every response, and the body of a rejection.

use std::fmt;
use std::ops::Range;

use crate::protocol::http::head;
use crate::protocol::http::head::{Head, InvalidHead};
use crate::protocol::http::text::escaped;
use crate::protocol::limits::Limits;

/// A server's response: status, headers and, unless it is a 101, the body.
#[doc(alias = "101")]
#[derive(Clone, PartialEq, Eq)]
pub struct HandshakeResponse {
    head: Head,
    status: u16,
    minor: u8,
    reason: Range<usize>,
    body: Vec<u8>,
}

impl HandshakeResponse {
    /// The most bytes of a body that are kept, 64 KiB; the rest is not read.
    pub const MAX_BODY: usize = 64 * 1024;

    /// Returns the status, such as 404.
    #[inline]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the words after the status; often empty, and never binding (RFC 9112 §4).
    #[inline]
    pub fn reason(&self) -> &str {
        std::str::from_utf8(&self.head.bytes()[self.reason.clone()]).unwrap_or("")
    }

    /// Returns the value of the first header of that name, in any letter case, if it is UTF-8.
    #[inline]
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.head.header_str(name)
    }

    /// Returns the values of all headers of that name, in the order in which they were received:
    /// `Set-Cookie`.
    #[inline]
    pub fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.head.header_values(name)
    }

    /// Returns all headers, with their names as written, in the order in which they were received.
    #[inline]
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers()
    }

    /// Returns the received part of the body, without its transfer coding, at most
    /// [`MAX_BODY`](HandshakeResponse::MAX_BODY) bytes.
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Parses a complete header block.
    #[inline]
    pub(crate) fn parse(head: &[u8], limits: &Limits) -> Result<HandshakeResponse, InvalidHead> {
        const FIRST_LINE: &str = "status line";
        let count = head::count_fields(head, limits, FIRST_LINE)?;
        let mut fields = vec![httparse::EMPTY_HEADER; count];
        let mut parsed = httparse::Response::new(&mut fields);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(InvalidHead::Malformed(FIRST_LINE)),
            Err(error) => return Err(head::malformed(error, limits, FIRST_LINE)),
        }
        let (Some(status @ 100..), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(InvalidHead::Malformed(FIRST_LINE));
        };
        // The parser replaces a phrase that is not text by one of its own.
        let reason = parsed.reason.filter(|reason| !reason.is_empty());
        Ok(HandshakeResponse {
            reason: reason.map_or(0..0, |reason| head::range_of(reason.as_bytes(), head)),
            status,
            minor,
            head: Head::new(head, parsed.headers),
            body: Vec::new(),
        })
    }

    #[inline]
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    #[inline]
    pub(crate) fn is_http_1_0(&self) -> bool {
        self.minor == 0
    }
}

impl fmt::Debug for HandshakeResponse {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeResponse")
            .field("head", &self.head)
            .field("body", &escaped(&self.body))
            .finish()
    }
}

/// Reads the body of a rejection (RFC 9112 §6.3).
#[derive(Debug)]
pub(crate) struct RejectionBody {
    pub(crate) response: HandshakeResponse,
    left: Left,
}

/// The remaining part of the body.
#[derive(Debug, Clone, Copy)]
enum Left {
    /// All bytes up to the end of the stream.
    Everything,
    /// This many bytes.
    Bytes(u64),
    /// A chunk's size, the chunk, and the chunks after it.
    Size,
    /// This many bytes of a chunk, and the chunks after it.
    Chunk(u64),
}

impl RejectionBody {
    #[inline]
    pub(crate) fn new(response: HandshakeResponse) -> RejectionBody {
        let left = match response.status {
            204 | 304 => Left::Bytes(0),
            _ if response.head.lists("Transfer-Encoding", "chunked") => Left::Size,
            _ => match length(&response.head) {
                Some(length) => Left::Bytes(length),
                None => Left::Everything,
            },
        };
        RejectionBody { response, left }
    }

    /// Reads the available part of the body. Returns how many bytes were used, and whether the body is
    /// complete: also if the limit is reached, or if the coding is invalid. The status of a rejection
    /// matters, not its body.
    #[inline]
    pub(crate) fn read(&mut self, input: &[u8]) -> (usize, bool) {
        const CHUNK_END: &[u8] = b"\r\n";
        /// With a chunk extension, which no server uses.
        const MAX_SIZE_LINE: usize = 1024;
        let mut used = 0;
        loop {
            let rest = &input[used..];
            match &mut self.left {
                Left::Bytes(0) => return (used, true),
                Left::Chunk(0) if rest.len() < CHUNK_END.len() => return (used, false),
                Left::Chunk(0) if rest.starts_with(CHUNK_END) => {
                    used += CHUNK_END.len();
                    self.left = Left::Size;
                }
                Left::Chunk(0) => return (used, true),
                Left::Size => match httparse::parse_chunk_size(rest) {
                    Ok(httparse::Status::Complete((_, 0))) | Err(_) => return (used, true),
                    Ok(httparse::Status::Complete((line, size))) => {
                        used += line;
                        self.left = Left::Chunk(size);
                    }
                    Ok(httparse::Status::Partial) => return (used, rest.len() > MAX_SIZE_LINE),
                },
                Left::Everything if rest.is_empty() => return (used, false),
                Left::Bytes(_) | Left::Chunk(_) if rest.is_empty() => return (used, false),
                Left::Everything => used += keep(&mut self.response.body, rest),
                Left::Bytes(left) | Left::Chunk(left) => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let kept = keep(&mut self.response.body, &rest[..rest.len().min(most)]);
                    *left -= kept as u64;
                    used += kept;
                }
            }
            if self.response.body.len() >= HandshakeResponse::MAX_BODY {
                return (used, true);
            }
        }
    }
}

/// Returns the length of a body, if there is one valid `Content-Length`.
#[inline]
fn length(head: &Head) -> Option<u64> {
    let length = std::str::from_utf8(head.once("Content-Length").ok()??).ok()?;
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    length.parse().ok().filter(|_| digits)
}

/// Appends as many bytes as there is room for, and returns how many.
#[inline]
fn keep(body: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let room = HandshakeResponse::MAX_BODY - body.len();
    let kept = &bytes[..bytes.len().min(room)];
    body.extend_from_slice(kept);
    kept.len()
}
