//! Why a handshake failed, on the client's side.

use std::fmt;

use crate::protocol::http::head::{InvalidHead, tls_hint};
use crate::protocol::http::text::Escaped;
use crate::protocol::limits::Limits;

use super::client_response::HandshakeResponse;

/// Why the handshake failed. `Display` names the rule, the found value and the expected one, with the
/// peer's bytes escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// A status other than 101: the server has rejected the request, redirects the client (the
    /// `Location` is in the headers), or does not speak the protocol.
    Status(HandshakeResponse),
    /// No blank line within the limit of bytes.
    HeadersTooLarge(usize),
    /// More headers than the limit.
    TooManyHeaders(usize),
    /// More interim responses (1xx) than this, and no final one.
    TooManyInterim(usize),
    /// Not an HTTP response; names the malformed part.
    MalformedHeaders(&'static str),
    /// Not HTTP at all: the first bytes of the response, up to the first that is not in `HTTP/`.
    NotHttp(Vec<u8>),
    /// The first three lines are not those of draft-75, to the byte (draft-75 §4.1).
    Preamble(String),
    /// HTTP older than 1.1, which has no 101, in versions 7, 8 and RFC 6455.
    HttpVersion,
    /// A header that this version requires is missing.
    Missing(&'static str),
    /// A header that may occur only once occurs twice.
    Duplicate(&'static str),
    /// A header has not the required value.
    Mismatch {
        /// The name of the header.
        header: &'static str,
        /// Its value.
        found: String,
        /// The required value.
        expected: String,
    },
    /// A subprotocol that was not offered. The offered ones are not named here: some programs send a
    /// token in one.
    SubprotocolNotOffered {
        /// The name of the header.
        header: &'static str,
        /// Its value.
        found: String,
        /// How many were offered.
        offered: usize,
    },
    /// An extension that was not offered.
    NotOffered {
        /// The name of the header.
        header: &'static str,
        /// Its value.
        found: String,
        /// The offer, as it was sent; empty if there was none.
        offered: String,
    },
    /// Draft-76: the sixteen bytes do not match the challenge.
    Proof {
        /// The received bytes.
        found: [u8; 16],
        /// The expected bytes.
        expected: [u8; 16],
    },
    /// The server closed the TCP connection before its response was complete.
    StreamEnded,
}

impl HandshakeError {
    /// Returns each variant once, in the order of their definition. Their values are examples.
    #[inline]
    pub fn all() -> Vec<HandshakeError> {
        let limits = Limits::default();
        let response = HandshakeResponse::parse(b"HTTP/1.1 404 Not Found\r\n\r\n", &limits);
        let status = response.map(HandshakeError::Status);
        let others = [
            HandshakeError::HeadersTooLarge(limits.header_bytes),
            HandshakeError::TooManyHeaders(limits.header_count),
            HandshakeError::TooManyInterim(10),
            HandshakeError::MalformedHeaders("status line"),
            HandshakeError::NotHttp(vec![0x15]),
            HandshakeError::Preamble("HTTP/1.1 101 Switching Protocols".to_owned()),
            HandshakeError::HttpVersion,
            HandshakeError::Missing("Upgrade"),
            HandshakeError::Duplicate("Upgrade"),
            HandshakeError::Mismatch {
                header: "Upgrade",
                found: "h2c".to_owned(),
                expected: "websocket".to_owned(),
            },
            HandshakeError::SubprotocolNotOffered {
                header: "Sec-WebSocket-Protocol",
                found: "chat".to_owned(),
                offered: 0,
            },
            HandshakeError::NotOffered {
                header: "Sec-WebSocket-Extensions",
                found: "permessage-deflate".to_owned(),
                offered: String::new(),
            },
            HandshakeError::Proof {
                found: [0; 16],
                expected: *b"8jKS'y:G*Co,Wxa-",
            },
            HandshakeError::StreamEnded,
        ];
        status.into_iter().chain(others).collect()
    }

    /// Returns the server's response if it has a status other than 101, and so is meant to be read.
    #[inline]
    pub fn response(&self) -> Option<&HandshakeResponse> {
        match self {
            HandshakeError::Status(answer) => Some(answer),
            _ => None,
        }
    }
}

impl From<InvalidHead> for HandshakeError {
    #[inline]
    fn from(bad: InvalidHead) -> Self {
        match bad {
            InvalidHead::TooLarge(limit) => HandshakeError::HeadersTooLarge(limit),
            InvalidHead::TooManyHeaders(limit) => HandshakeError::TooManyHeaders(limit),
            InvalidHead::Malformed(part) => HandshakeError::MalformedHeaders(part),
            InvalidHead::Duplicate(header) => HandshakeError::Duplicate(header),
        }
    }
}

impl fmt::Display for HandshakeError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Status(response) => write_status(response, f),
            HandshakeError::HeadersTooLarge(limit) => {
                write!(f, "response header block longer than {limit} bytes")
            }
            HandshakeError::TooManyHeaders(limit) => {
                write!(f, "response with more than {limit} headers")
            }
            HandshakeError::TooManyInterim(limit) => {
                write!(f, "more than {limit} interim responses (1xx)")
            }
            HandshakeError::MalformedHeaders(part) => {
                write!(f, "malformed response header block: {part}")
            }
            HandshakeError::NotHttp(found) => write!(
                f,
                "not HTTP: the response begins with \"{}\"{}",
                Escaped::Bytes(found),
                found.first().copied().map_or("", tls_hint)
            ),
            HandshakeError::Preamble(found) => write!(
                f,
                "the response begins with \"{found}\" and not with the three lines of draft-75"
            ),
            HandshakeError::HttpVersion => f.write_str("101 in HTTP older than 1.1"),
            HandshakeError::Missing(header) => write!(f, "response without {header}"),
            HandshakeError::Duplicate(header) => write!(f, "response with more than one {header}"),
            HandshakeError::Mismatch {
                header,
                found,
                expected,
            } => write!(f, "{header} is \"{found}\" instead of \"{expected}\""),
            HandshakeError::SubprotocolNotOffered {
                header,
                found,
                offered,
            } => write!(
                f,
                "{header} is \"{found}\", which is none of the {offered} that were offered"
            ),
            HandshakeError::NotOffered {
                header,
                found,
                offered,
            } if offered.is_empty() => {
                write!(f, "{header} is \"{found}\", and none was offered")
            }
            HandshakeError::NotOffered {
                header,
                found,
                offered,
            } => write!(f, "{header} is \"{found}\", and \"{offered}\" was offered"),
            HandshakeError::Proof { found, expected } => write!(
                f,
                "the proof is \"{}\" instead of \"{}\"",
                Escaped::Bytes(found),
                Escaped::Bytes(expected)
            ),
            HandshakeError::StreamEnded => {
                f.write_str("the server closed the connection in the handshake")
            }
        }
    }
}

impl std::error::Error for HandshakeError {}

/// Writes status, reason, and the first line of a plain text body.
#[inline]
fn write_status(response: &HandshakeResponse, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let reason = response.reason();
    let blank = if reason.is_empty() { "" } else { " " };
    write!(
        f,
        "the server responded with {}{blank}{}",
        response.status(),
        Escaped::Text(reason)
    )?;
    match first_line(response) {
        Some(words) => write!(f, ": {}", Escaped::Text(&words)),
        None => Ok(()),
    }
}

/// Returns the first line of a plain text body, shortened for a log.
#[inline]
fn first_line(response: &HandshakeResponse) -> Option<String> {
    const SHOWN: usize = 160;
    let is_plain = response
        .header_str("Content-Type")?
        .starts_with("text/plain");
    let body = std::str::from_utf8(response.body()).ok()?;
    let line: String = body.lines().next()?.trim().chars().take(SHOWN).collect();
    (is_plain && !line.is_empty()).then_some(line)
}
