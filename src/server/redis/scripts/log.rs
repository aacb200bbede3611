//! Calls about a room's log.

use super::super::Position;
use super::super::entry::{self, Entry, Tip};
use super::super::header::Header;
use super::super::keys::Kind;
use super::super::wire::Reply;
use super::{Context, NoAnswer, Script, call, items};

/// An entry on its way to the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) header: &'a Header,
    pub(crate) payload: &'a [u8],
}

/// The answer to [`append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The newest entry of this server that an earlier call had stored, if Redis knows one.
    pub(crate) earlier: Option<Stored>,
    /// The entries that this call has stored.
    pub(crate) added: u64,
    /// The newest entry of this server.
    pub(crate) newest: Stored,
    /// The newest position of the room.
    pub(crate) tip: Position,
}

/// An entry of this server that is stored, as all those of this room are that have a lower counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) counter: u64,
    pub(crate) at: Position,
}

/// A part of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// `None` if Redis knows nothing of the room.
    pub(crate) tip: Option<Tip>,
    /// All servers forget the entries up to this position.
    pub(crate) forgotten: Option<Position>,
    /// Consecutive entries, the oldest first.
    pub(crate) entries: Vec<Entry>,
}

/// The limits of the pages of one reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLimits {
    /// The most entries of a room.
    pub(crate) entries: u32,
    /// The most bytes of a room, unless its first entry is larger.
    pub(crate) bytes: u32,
    /// The bytes of all rooms with which the reply ends, though rooms are left.
    pub(crate) total: u32,
}

/// Appends the command that stores a batch of one room: entries with consecutive counters, the first of which is
/// `first`. It can be repeated as it is: each entry is stored once.
pub(crate) fn append(
    context: &Context,
    room: &str,
    first: u64,
    batch: &[Outgoing<'_>],
    into: &mut Vec<u8>,
) {
    let keys = context.keys(room, [Kind::Writer(context.machine)]);
    let first = first.to_string();
    let headers = batch.iter().map(|entry| {
        let mut header = Vec::with_capacity(32);
        entry.header.encode(&mut header);
        header
    });
    let headers: Vec<Vec<u8>> = headers.collect();
    let entries = headers.iter().zip(batch);
    let entries = entries.flat_map(|(header, entry)| [&header[..], entry.payload]);
    let arguments: Vec<&[u8]> = [first.as_bytes()].into_iter().chain(entries).collect();
    context.call(Script::Append, room, &keys, &arguments, into);
}

/// Reads the answer to [`append`].
pub(crate) fn appended(reply: Reply) -> Result<Appended, NoAnswer> {
    let script = Script::Append;
    let read = |items: &[Reply]| {
        let [earlier, earlier_at, added, stored, tip] = items else {
            return None;
        };
        let earlier = match earlier.text()? {
            "" => None,
            counter => Some(Stored {
                counter: counter.parse().ok()?,
                at: earlier_at.position()?,
            }),
        };
        let (added, tip) = (added.count()?, tip.position()?);
        let at = if added > 0 { tip } else { earlier?.at };
        let newest = Stored {
            counter: stored.text()?.parse().ok()?,
            at,
        };
        Some(Appended {
            earlier,
            added,
            newest,
            tip,
        })
    };
    read(&items(script, reply)?).ok_or(NoAnswer::Unexpected(script))
}

/// Appends the command that reads entries of rooms after a position of each.
pub(crate) fn read(
    context: &Context,
    rooms: &[(&str, Position)],
    limits: &PageLimits,
    into: &mut Vec<u8>,
) {
    let keys = rooms.iter().flat_map(|(room, _)| context.keys(room, []));
    let keys: Vec<_> = keys.collect();
    let arguments = limits.arguments().into_iter();
    let arguments = arguments.chain(rooms.iter().map(|(_, after)| after.to_string()));
    let arguments: Vec<_> = arguments.collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_bytes).collect();
    call(Script::Read, &keys, &arguments, into);
}

/// Appends the command that returns the newest position of rooms and their newest entries. A room that Redis does not
/// know gets a position.
pub(crate) fn attach(context: &Context, rooms: &[&str], limits: &PageLimits, into: &mut Vec<u8>) {
    let keys = rooms.iter().flat_map(|room| context.keys(room, []));
    let keys: Vec<_> = keys.collect();
    let arguments = limits.arguments();
    let arguments = arguments.each_ref().map(String::as_bytes);
    // Nothing is published to a channel.
    let room = rooms.first().copied().unwrap_or_default();
    context.call(Script::Attach, room, &keys, &arguments, into);
}

/// Reads the answer to [`read`] or [`attach`]: a page of each room, up to one with which the pages are large.
pub(crate) fn pages(reply: Reply) -> Result<Vec<Page>, NoAnswer> {
    let script = Script::Read;
    let pages = items(script, reply)?;
    let pages: Option<Vec<Page>> = pages.iter().map(page).collect();
    let pages = pages.filter(|pages| !pages.is_empty());
    pages.ok_or(NoAnswer::Unexpected(script))
}

fn page(reply: &Reply) -> Option<Page> {
    let Reply::Array(items) = reply else {
        return None;
    };
    let [tip, before, forgotten, entries @ ..] = &items[..] else {
        return None;
    };
    let before = position(before)?;
    Some(Page {
        tip: position(tip)?.map(|at| Tip { at, before }),
        forgotten: position(forgotten)?,
        entries: entry::page(entries)?,
    })
}

/// Appends the command that removes the entries of a room up to a position. It can be repeated.
pub(crate) fn forget(context: &Context, room: &str, up_to: Position, into: &mut Vec<u8>) {
    let arguments = [
        context.keys.channel(room),
        up_to.epoch().to_string(),
        up_to.number().to_string(),
    ];
    let arguments = arguments.each_ref().map(String::as_bytes);
    call(Script::Forget, &context.keys(room, []), &arguments, into);
}

/// Reads the answer to [`forget`]: the position up to which all servers forget the entries, unless the room has not
/// reached the epoch of the position.
pub(crate) fn forgotten(reply: Reply) -> Result<Option<Position>, NoAnswer> {
    match position(&reply) {
        Some(position) => Ok(position),
        None => Err(NoAnswer::of(Script::Forget, reply)),
    }
}

/// Reads a position, or an empty text for none. Returns `None` for another reply.
fn position(reply: &Reply) -> Option<Option<Position>> {
    match reply.text()? {
        "" => Some(None),
        _ => reply.position().map(Some),
    }
}

impl PageLimits {
    fn arguments(&self) -> [String; 3] {
        [self.entries, self.bytes, self.total].map(|number| number.to_string())
    }
}

impl Appended {
    /// Returns the position of an entry of the batch, by its counter. It is right if the batch is new, or the same
    /// that an earlier call has stored.
    pub(crate) fn position(&self, counter: u64) -> Position {
        let earlier = self.earlier.filter(|earlier| counter <= earlier.counter);
        let stored = earlier.unwrap_or(self.newest);
        let back = stored.counter.saturating_sub(counter);
        let number = stored.at.number().saturating_sub(back);
        Position::new(stored.at.epoch(), number)
    }
}

#[cfg(test)]
mod tests {
    use super::{Appended, Position, Stored};

    #[test]
    fn the_entries_of_a_batch_have_consecutive_positions() {
        let stored = |counter, epoch, number| Stored {
            counter,
            at: Position::new(epoch, number),
        };
        let appended = Appended {
            earlier: Some(stored(5, 1, 20)),
            added: 2,
            newest: stored(7, 2, 2),
            tip: Position::new(2, 2),
        };
        let positions = [3, 4, 5, 6, 7].map(|counter| appended.position(counter).to_string());
        assert_eq!(positions, ["1-18", "1-19", "1-20", "2-1", "2-2"]);
    }
}
