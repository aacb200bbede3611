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
    /// Consecutive entries, the oldest first.
    pub(crate) entries: Vec<Entry>,
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

/// Appends the command that reads entries after a position: at most `entries`, and not more than `bytes`, but at
/// least one if there is one.
pub(crate) fn read(
    context: &Context,
    room: &str,
    after: Position,
    (entries, bytes): (u32, u32),
    into: &mut Vec<u8>,
) {
    let numbers = [entries, bytes].map(|number| number.to_string());
    let after = after.to_string();
    let arguments = [
        after.as_bytes(),
        numbers[0].as_bytes(),
        numbers[1].as_bytes(),
    ];
    call(Script::Read, &context.keys(room, []), &arguments, into);
}

/// Appends the command that returns the newest position of a room and its newest entries, within the same limits.
/// A room that Redis does not know gets a position.
pub(crate) fn attach(
    context: &Context,
    room: &str,
    (entries, bytes): (u32, u32),
    into: &mut Vec<u8>,
) {
    let numbers = [entries, bytes].map(|number| number.to_string());
    let arguments = [numbers[0].as_bytes(), numbers[1].as_bytes()];
    let keys = context.keys(room, []);
    context.call(Script::Attach, room, &keys, &arguments, into);
}

/// Reads the answer to [`read`] or [`attach`].
pub(crate) fn page(reply: Reply) -> Result<Page, NoAnswer> {
    let script = Script::Read;
    let read = |items: &[Reply]| {
        let [tip, before, entries @ ..] = items else {
            return None;
        };
        let tip = match tip.text()? {
            "" => None,
            _ => Some(Tip {
                at: tip.position()?,
                before: match before.text()? {
                    "" => None,
                    _ => Some(before.position()?),
                },
            }),
        };
        let entries = entry::page(entries)?;
        Some(Page { tip, entries })
    };
    read(&items(script, reply)?).ok_or(NoAnswer::Unexpected(script))
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
