//! Close codes, and the account of how a conversation ended.

use std::fmt;

use super::error::Violation;
use super::escape::Escaped;

/// The code of a close frame (RFC 6455 §7.4; draft-07 §7.4 for its beginnings).
///
/// Draft-75 and draft-76 have no codes: there they are what Stentor reports, never what it sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// 1003: a kind of data that cannot be accepted.
    pub const UNSUPPORTED_DATA: CloseCode = CloseCode(1003);
    /// 1004: too large, in versions 7 and 8; reserved since.
    pub const TOO_LARGE_BEFORE_13: CloseCode = CloseCode(1004);
    /// 1005: the close frame had no code. Reported, never sent.
    pub const NO_CODE: CloseCode = CloseCode(1005);
    /// 1006: the connection was lost without a close. Reported, never sent.
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// 1007: text that is not UTF-8 (from draft-10 on).
    pub const INVALID_TEXT: CloseCode = CloseCode(1007);
    /// 1008: the application's policy was violated.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// 1009: a message too large to process (since draft-13).
    pub const TOO_LARGE: CloseCode = CloseCode(1009);
    /// 1011: the server met a condition it did not expect.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// 1013: try again later (IANA's registry).
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    /// The code as a number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The code of any number; whether it may be sent is checked when it is.
    pub const fn new(code: u16) -> Self {
        CloseCode(code)
    }

    /// Whether a close frame may hold this code: 1000–1003, 1007–1014 and 3000–4999
    /// (RFC 6455 §7.4, with what IANA registered later).
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Debug for CloseCode {
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

/// What a close frame says: a code and a reason of up to 123 bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code.
    pub code: CloseCode,
    /// The reason, meant for a log and not for a person. May be empty.
    pub reason: String,
}

impl CloseFrame {
    /// What stands for a goodbye without a code.
    pub(crate) const WITHOUT_CODE: CloseFrame = CloseFrame::of(CloseCode::NO_CODE);

    /// A code without a reason.
    pub const fn of(code: CloseCode) -> CloseFrame {
        CloseFrame {
            code,
            reason: String::new(),
        }
    }

    /// A reason that fits into a close frame: as much of these words as there is room for.
    pub(crate) fn cut(mut reason: String) -> String {
        reason.truncate(reason.floor_char_boundary(CloseFrame::MAX_REASON));
        reason
    }

    /// The most bytes a reason can have: a control frame holds 125, the code takes two
    /// (RFC 6455 §5.5).
    pub const MAX_REASON: usize = 123;
}

/// Which side began the close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// The peer sent its close first; in draft-75, it hung up.
    Peer,
    /// This side sent its close first.
    Us,
    /// Nobody: the connection was lost.
    Nobody,
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The code that was received or, where none came, the one that was sent; 1005 for a goodbye
    /// without a code, as in draft-75 and draft-76, and 1006 for none at all (RFC 6455 §7.1.5).
    pub code: CloseCode,
    /// The reason that came with the code.
    pub reason: String,
    /// Who began.
    pub initiator: Initiator,
    /// Whether both halves of the version's own goodbye were seen (RFC 6455 §7.1.4).
    pub clean: bool,
    /// The rule that the peer broke, if that is why.
    pub violation: Option<Violation>,
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
        match &self.violation {
            Some(violation) => write!(f, ": {violation}"),
            None => Ok(()),
        }
    }
}
