//! Close codes, and the report of how a connection ended.

use std::fmt;

use super::error::ProtocolError;
use super::http::text::Escaped;

/// The code of a close frame (RFC 6455 §7.4; draft-07 §7.4 for its beginnings).
///
/// The constants are the codes of [IANA's registry], by number; more codes may be registered later.
///
/// Draft-75 and draft-76 have no codes: there Stentor reports codes, but never sends them.
///
/// ```
/// use stentor::CloseCode;
///
/// assert_eq!(CloseCode::GOING_AWAY.get(), 1001);
/// assert_eq!(CloseCode::from(1000), CloseCode::NORMAL);
/// // An application's own codes are 4000 to 4999.
/// assert!(CloseCode::new(4000).may_be_sent());
/// assert!(!CloseCode::ABNORMAL.may_be_sent());
/// ```
///
/// [IANA's registry]: https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
#[doc(alias = "close code")]
#[doc(alias = "status code")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: a normal close, the purpose is fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1002: the peer made a protocol error.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// 1003: a kind of data that cannot be accepted.
    pub const UNSUPPORTED_DATA: CloseCode = CloseCode(1003);
    /// 1004: too large, in versions 7 and 8; reserved since.
    pub const TOO_LARGE_BEFORE_13: CloseCode = CloseCode(1004);
    /// 1005: the close frame had no code. Reported, never sent.
    pub const NO_CODE: CloseCode = CloseCode(1005);
    /// 1006: the connection ended without a closing handshake. Reported, never sent.
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// 1007: text that is not UTF-8 (from draft-10 on).
    #[doc(alias = "invalid frame payload data")]
    #[doc(alias = "1007")]
    pub const INVALID_TEXT: CloseCode = CloseCode(1007);
    /// 1008: the application's policy was violated.
    #[doc(alias = "policy violation")]
    #[doc(alias = "1008")]
    pub const POLICY: CloseCode = CloseCode(1008);
    /// 1009: a message too large to process (since draft-13).
    #[doc(alias = "message too big")]
    #[doc(alias = "1009")]
    pub const TOO_LARGE: CloseCode = CloseCode(1009);
    /// 1010: the server has not agreed on an extension that the client needs; only clients send it.
    pub const MANDATORY_EXTENSION: CloseCode = CloseCode(1010);
    /// 1011: the server met a condition it did not expect.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// 1012: the service restarts, the client may reconnect (IANA's registry).
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    /// 1013: try again later (IANA's registry).
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);
    /// 1014: a gateway received an invalid response from the server behind it, like HTTP's 502 (IANA's
    /// registry).
    pub const BAD_GATEWAY: CloseCode = CloseCode(1014);
    /// 1015: the TLS handshake failed. Reserved for reports, never sent.
    pub const TLS_HANDSHAKE: CloseCode = CloseCode(1015);
    /// 3000: the client must log in first, like HTTP's 401 (IANA's registry).
    pub const UNAUTHORIZED: CloseCode = CloseCode(3000);
    /// 3003: the client may not do this, like HTTP's 403 (IANA's registry).
    pub const FORBIDDEN: CloseCode = CloseCode(3003);
    /// 3008: the client took too long, like HTTP's 408 (IANA's registry).
    pub const TIMEOUT: CloseCode = CloseCode(3008);

    /// Returns the code as a number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Creates a code from any number; sending it checks whether it may be sent.
    pub const fn new(code: u16) -> Self {
        CloseCode(code)
    }

    /// Returns whether a close frame may hold this code: 1000–1003, 1007–1014 and 3000–4999
    /// (RFC 6455 §7.4, with the codes that IANA registered later).
    #[must_use]
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Debug for CloseCode {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        CloseCode(code)
    }
}

/// The content of a close frame: a code and a reason of up to 123 bytes of UTF-8.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code.
    pub code: CloseCode,
    /// The reason, meant for a log, not for users. May be empty.
    pub reason: String,
}

impl CloseFrame {
    /// Represents a close without a code.
    pub(crate) const WITHOUT_CODE: CloseFrame = CloseFrame::of(CloseCode::NO_CODE);

    /// Creates a close frame with a code and no reason.
    pub const fn of(code: CloseCode) -> CloseFrame {
        CloseFrame {
            code,
            reason: String::new(),
        }
    }

    /// Creates a close frame with a code and a reason; sending it checks both.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn new(code: CloseCode, reason: &str) -> CloseFrame {
        CloseFrame {
            code,
            reason: reason.to_owned(),
        }
    }

    /// Creates the close frame of a server that shuts down, unless its application chooses another.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn going_away() -> CloseFrame {
        CloseFrame::new(CloseCode::GOING_AWAY, "the server is going down")
    }

    /// Shortens a reason so that it fits into a close frame.
    pub(crate) fn cut(mut reason: String) -> String {
        let most = reason.len().min(CloseFrame::MAX_REASON);
        let is_border = |at: &usize| reason.is_char_boundary(*at);
        reason.truncate((0..=most).rfind(is_border).unwrap_or(0));
        reason
    }

    /// The most bytes of a reason: a control frame holds 125, the code takes two
    /// (RFC 6455 §5.5).
    pub const MAX_REASON: usize = 123;
}

/// Which side began the close.
///
/// Complete: a connection has two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// The peer sent its close first; in draft-75, it closed the TCP connection.
    Peer,
    /// This side sent its close first.
    Us,
    /// Neither side: the connection ended without a close.
    Nobody,
}

/// How a connection ended.
#[must_use]
#[doc(alias = "CloseEvent")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The received code or, if none was received, the sent one; 1005 for a close without a code, as
    /// in draft-75 and draft-76, and 1006 for no close at all (RFC 6455 §7.1.5).
    pub code: CloseCode,
    /// The reason that came with the code.
    pub reason: String,
    /// The side that began the close.
    pub initiator: Initiator,
    /// Whether both halves of the version's closing handshake were seen (RFC 6455 §7.1.4).
    pub clean: bool,
    /// The peer's protocol error, if it caused the close.
    pub protocol_error: Option<ProtocolError>,
}

impl Closed {
    /// Creates the report of an end without a protocol error.
    pub(super) fn of(frame: CloseFrame, initiator: Initiator, clean: bool) -> Closed {
        Closed {
            code: frame.code,
            reason: frame.reason,
            initiator,
            clean,
            protocol_error: None,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.initiator {
            Initiator::Peer => "by the peer",
            Initiator::Us => "by us",
            Initiator::Nobody => "by nobody",
        };
        let how = if self.clean { "clean" } else { "not clean" };
        write!(f, "{} {by}, {how}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, ", \"{}\"", Escaped::Text(&self.reason))?;
        }
        match &self.protocol_error {
            Some(protocol_error) => write!(f, ": {protocol_error}"),
            None => Ok(()),
        }
    }
}
