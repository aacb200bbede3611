//! Calls about a room's log.

use super::super::Position;
use super::super::entry::{Entry, Tip};
use super::super::header::Header;
use super::super::wire::Reply;
use super::{Context, NoAnswer, Script};

/// An entry on its way to the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) header: &'a Header,
    pub(crate) payload: &'a [u8],
}

/// The answer to [`append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The counter of this server's newest entry in the room: earlier ones are stored too.
    pub(crate) stored: u64,
    /// The position of that entry.
    pub(crate) at: Position,
    /// The entries of the batch that this call has stored. Those before them were stored by an earlier one.
    pub(crate) added: u64,
}

/// A part of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// `None` if Redis knows nothing of the room.
    pub(crate) tip: Option<Tip>,
    /// Consecutive entries, the oldest first.
    pub(crate) entries: Vec<Entry>,
}

/// Appends the command that stores a batch of one room: entries with consecutive counters, the first of which is
/// `first`. It can be repeated: each entry is stored once.
pub(crate) fn append(
    context: &Context,
    room: &str,
    first: u64,
    batch: &[Outgoing<'_>],
    into: &mut Vec<u8>,
) {
    let _ = (context, room, first, batch, into);
}

/// Reads the answer to [`append`].
pub(crate) fn appended(reply: Reply) -> Result<Appended, NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(Script::Append))
}

/// Appends the command that reads entries after a position: at most `entries`, and not more than `bytes`, but at
/// least one if there is one.
pub(crate) fn read(
    context: &Context,
    room: &str,
    after: Position,
    (entries, bytes): (u32, u32),
    into: &mut Vec<u8>,
) {
    let _ = (context, room, after, entries, bytes, into);
}

/// Appends the command that returns the newest position of a room and its newest entries, within the same limits.
/// A room that Redis does not know gets a position.
pub(crate) fn attach(
    context: &Context,
    room: &str,
    (entries, bytes): (u32, u32),
    into: &mut Vec<u8>,
) {
    let _ = (context, room, entries, bytes, into);
}

/// Reads the answer to [`read`] or [`attach`].
pub(crate) fn page(reply: Reply) -> Result<Page, NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(Script::Read))
}

impl Appended {
    /// Returns the position of an entry of the batch, by its counter.
    pub(crate) fn position(&self, counter: u64) -> Position {
        let back = self.stored.saturating_sub(counter);
        Position::new(self.at.epoch(), self.at.number().saturating_sub(back))
    }
}
