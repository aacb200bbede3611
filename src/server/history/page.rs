//! Pages of a room's history.

use std::fmt;

use crate::protocol::Message;
use crate::server::membership::LONGEST_NAME;

use super::position::Position;

/// The most entries in a page.
pub(crate) const MOST: usize = 1000;

/// One message of a room's history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The position of the message.
    pub position: Position,
    /// The message, as the members have received it.
    pub message: Message,
}

/// A page of a room's history, as [`ServerHandle::history`](crate::ServerHandle::history) returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Consecutive messages, the oldest first.
    pub entries: Vec<Entry>,
    /// Whether the room keeps older messages than these.
    pub more: bool,
}

/// The error of a request for a room's history. It changes nothing for the members of the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryError {
    /// The server keeps no history, since [`ServerBuilder::history`](crate::ServerBuilder::history) was not
    /// called.
    NoHistory,
    /// The room's name is longer than 256 bytes. The number is its length in bytes.
    LongName(usize),
    /// The page has more than 1,000 messages. The number is the one that was requested.
    LargePage(usize),
    /// The position is of another room or epoch, or from the future.
    UnknownPosition(Position),
    /// The server has ended.
    Closed,
    /// The room's older messages are in the journal, and could not be read, or not within the
    /// [timeout](crate::server::JournalLimits::timeout). The server has logged the reason.
    Journal,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HistoryError::NoHistory => f.write_str(
                "no history: the server keeps none unless ServerBuilder::history is called",
            ),
            HistoryError::LongName(len) => write!(
                f,
                "no history: the room's name has {len} bytes, and the limit is {LONGEST_NAME}"
            ),
            HistoryError::LargePage(most) => write!(
                f,
                "a page of {most} messages was requested, and the limit is {MOST}: request several pages"
            ),
            HistoryError::UnknownPosition(position) => write!(
                f,
                "the room has no position {position}: request the newest page, without a position"
            ),
            HistoryError::Closed => f.write_str("no history: the server has ended"),
            HistoryError::Journal => f.write_str(
                "no history: the journal could not be read: try again later; the log of the server has the reason",
            ),
        }
    }
}

impl std::error::Error for HistoryError {}
