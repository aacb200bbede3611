//! Entries that only the journal has, read on the thread that wants them. The hub never waits for the journal.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::Error;
use crate::net::link::Link;
use crate::net::send_queue::frames::Frames;
use crate::net::send_queue::shared::SharedFrames;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::protocol::{Framing, Message};
use crate::server::history::journal::JournalEntry;
use crate::server::hub::rings::Found;
use crate::server::shared::Shared;

use super::page::{Entry, HistoryError, Page};
use super::position::Position;

/// The most bytes of a page, unless one message is larger.
const PAGE: usize = 1024 * 1024;

/// The reason why older entries did not reach a client.
pub(crate) enum NotSent {
    /// The journal could not be read.
    Journal,
    Connection(Error),
}

/// Sends a client the entries after a position, up to a number, and waits for room in its send queue as for
/// any reply. Returns the position of the last one: an earlier one, if the journal has dropped some meanwhile.
pub(crate) fn send(
    link: &Link,
    shared: &Shared,
    room: &Arc<str>,
    after: Position,
    until: u64,
) -> Result<Position, NotSent> {
    let mut at = after;
    while at.number < until {
        let entries = read(shared, room, at, until).map_err(|()| NotSent::Journal)?;
        let Some(last) = entries.last() else {
            break;
        };
        at = last.position;
        send_some(link, shared, &entries).map_err(NotSent::Connection)?;
    }
    Ok(at)
}

fn send_some(link: &Link, shared: &Shared, entries: &[JournalEntry]) -> Result<(), Error> {
    let framing = link
        .version()
        .map_or(Framing::Hybi, |version| version.framing());
    let copied = |message: &Message| Frames::copied(framing, message.len());
    let copied = entries.iter().map(|entry| copied(&entry.message)).sum();
    let mut frames = Frames::with_capacity(copied);
    let (mut messages, mut skipped) = (0, 0);
    for entry in entries {
        match frames.message(framing, &entry.message) {
            Ok(()) => messages += 1,
            Err(_) => skipped += 1,
        }
    }
    shared.totals.skipped.fetch_add(skipped, Relaxed);
    if messages > 0 {
        let frames = SharedFrames::new(frames, &shared.total_queued);
        let push = link.send_queue.reply_shared(frames, messages);
        link.settle(push)?;
        link.wait_for_room(link.send_queue.limit() / 2)?;
    }
    Ok(())
}

/// Reads entries after a position; none if the journal no longer has the first of them.
pub(crate) fn read(
    shared: &Shared,
    room: &Arc<str>,
    after: Position,
    until: u64,
) -> Result<Vec<JournalEntry>, ()> {
    match &shared.desk {
        Some(desk) => desk.read(room, after, until),
        None => Ok(Vec::new()),
    }
}

/// Completes a page with older entries.
pub(crate) fn complete(
    shared: &Shared,
    room: &Arc<str>,
    found: Found,
    most: usize,
) -> Result<Page, HistoryError> {
    let Some(older) = found.older else {
        return Ok(found.page);
    };
    let missing = u64::try_from(most - found.page.entries.len()).unwrap_or(u64::MAX);
    let kept = found.page.entries.iter().map(|entry| entry.message.len());
    let mut size: usize = kept.sum();
    let mut number = older.floor.max(older.until.saturating_sub(missing));
    let mut entries = VecDeque::new();
    while number < older.until {
        let epoch = older.epoch;
        let after = Position { epoch, number };
        let some = read(shared, room, after, older.until).map_err(|()| HistoryError::Journal)?;
        let Some(last) = some.last() else {
            // The journal has dropped the first of them meanwhile, and so all that are older.
            entries.clear();
            break;
        };
        number = last.position.number;
        for entry in some {
            size += entry.message.len();
            let (position, message) = (entry.position, entry.message);
            entries.push_back(Entry { position, message });
        }
        // The newest entries stay, since the page ends with them.
        while size > PAGE && entries.len() + found.page.entries.len() > 1 {
            match entries.pop_front() {
                Some(first) => size -= first.message.len(),
                None => break,
            }
        }
    }
    entries.extend(found.page.entries);
    let first = entries.front().map(|entry| entry.position.number - 1);
    Ok(Page {
        entries: entries.into(),
        more: first.is_some_and(|before| before > older.floor),
    })
}
