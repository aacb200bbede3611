//! The entries of a room's log, as they come from notifications and from pages.

use super::Position;
use super::header::{Header, ReadHeader};
use super::wire::Reply;

/// An entry of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: Position,
    /// For the first entry of an epoch: the newest position of the epoch before, if Redis has one.
    pub(crate) before: Option<Position>,
    /// The time of Redis, in milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Known(Header, Vec<u8>),
    /// The notification lacks the payload, which is large: read the log.
    Absent,
    /// The entry is of a newer version: it has a position, and is skipped.
    Skip,
}

/// The newest position of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) at: Position,
    /// The newest position of the epoch before, if Redis has one.
    pub(crate) before: Option<Position>,
}

/// Reads a notification: the entries of one batch, in order. `None` if it is not one.
pub(crate) fn notification(bytes: &[u8]) -> Option<Vec<Entry>> {
    let _ = (bytes, ReadHeader::Skip);
    None
}

/// Reads the entries of a page: five items each.
pub(crate) fn page(items: &[Reply]) -> Option<Vec<Entry>> {
    let _ = items;
    None
}
