//! The journal: a store of the program for the messages of rooms, which outlives the process.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::protocol::Message;

use super::position::Position;

/// A store for the messages of rooms, such as a database or a file: pass it to
/// [`History::journal`](super::History::journal). Then positions and messages survive a restart of the
/// server, and clients resume across it.
///
/// While the server is built, [`rooms`](Journal::rooms) is called, and [`remove`](Journal::remove) if there are more
/// rooms than the limits allow. After that, all methods run on one thread of the server, `stentor journal`, one after
/// the other. They may block: members of the rooms in the journal then wait for their messages, and nothing
/// else waits. A message is sent to members only after [`append`](Journal::append) has stored it. An error,
/// or a panic, of `append` refuses the messages of that call, is logged and counted as
/// [`Counters::journal_errors`](crate::server::Counters::journal_errors), and the next call is a new attempt.
///
/// The server limits what the journal keeps, as [`JournalLimits`] says: it calls [`forget`](Journal::forget)
/// and [`remove`](Journal::remove) for that.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::io;
/// use std::sync::Arc;
/// use stentor::server::{History, Journal, JournalEntry, JournalRoom, Position};
///
/// /// It keeps everything in memory: so it is good for tests only.
/// #[derive(Default)]
/// struct Memory(BTreeMap<Arc<str>, (JournalRoom, Vec<JournalEntry>)>);
///
/// impl Journal for Memory {
///     fn rooms(&mut self) -> io::Result<Vec<JournalRoom>> {
///         Ok(self.0.values().map(|(room, _)| room.clone()).collect())
///     }
///
///     fn append(&mut self, entries: &[JournalEntry]) -> io::Result<()> {
///         for entry in entries {
///             let (name, at) = (Arc::clone(&entry.room), entry.position);
///             let (room, kept) = self.0.entry(name).or_insert_with_key(|name| {
///                 (JournalRoom::new(Arc::clone(name), at, at.number(), 0, entry.time), Vec::new())
///             });
///             kept.retain(|known| known.position.number() < at.number());
///             kept.push(entry.clone());
///             (room.newest, room.written) = (at, entry.time);
///             room.bytes = kept.iter().map(|kept| kept.message.len() as u64).sum();
///         }
///         Ok(())
///     }
///
///     fn read(&mut self, room: &str, after: u64, most: usize) -> io::Result<Vec<JournalEntry>> {
///         let kept = self.0.get(room).map_or(&[][..], |(_, kept)| kept);
///         let later = kept.iter().filter(|entry| entry.position.number() > after);
///         Ok(later.take(most).cloned().collect())
///     }
///
///     fn forget(&mut self, room: &str, up_to: Position) -> io::Result<u64> {
///         let Some((room, kept)) = self.0.get_mut(room) else {
///             return Ok(0);
///         };
///         kept.retain(|entry| entry.position.number() > up_to.number());
///         let bytes = kept.iter().map(|kept| kept.message.len() as u64).sum();
///         room.oldest = kept.first().map_or(room.newest.number() + 1, |entry| entry.position.number());
///         Ok(std::mem::replace(&mut room.bytes, bytes) - bytes)
///     }
///
///     fn remove(&mut self, room: &str) -> io::Result<()> {
///         self.0.remove(room);
///         Ok(())
///     }
/// }
///
/// let history = History::new().journal(Memory::default());
/// ```
#[doc(alias = "persistence")]
#[doc(alias = "database")]
pub trait Journal: Send {
    /// Returns all rooms of the journal. The server calls it once, when it is built, on the thread that builds
    /// it.
    ///
    /// # Errors
    /// If the journal cannot be read. The server is not built then.
    fn rooms(&mut self) -> io::Result<Vec<JournalRoom>>;

    /// Stores entries of one or several rooms: all of them or none, in one commit. When it returns, they are
    /// durable. The entries of a room have consecutive numbers, in order, and follow its newest one. A room
    /// without entries may begin with any epoch, and with number 1. An entry whose number exists already
    /// replaces it: an earlier call has stored it, and has failed afterwards.
    ///
    /// # Errors
    /// If the entries are not stored. They are refused then, and their positions are given to other messages.
    fn append(&mut self, entries: &[JournalEntry]) -> io::Result<()>;

    /// Returns consecutive entries after this number, the oldest first: at most `most`, and at least one if the
    /// room has one. A room that the journal does not know has none.
    ///
    /// # Errors
    /// If the entries cannot be read.
    fn read(&mut self, room: &str, after: u64, most: usize) -> io::Result<Vec<JournalEntry>>;

    /// Removes the entries of a room up to and including this position; the room stays, with its newest
    /// position, even if no entry is left. Returns the bytes of the payloads that were removed.
    ///
    /// # Errors
    /// If nothing was removed.
    fn forget(&mut self, room: &str, up_to: Position) -> io::Result<u64>;

    /// Removes a room with its entries and its newest position. No error if there is no such room.
    ///
    /// # Errors
    /// If the room was not removed.
    fn remove(&mut self, room: &str) -> io::Result<()>;
}

/// An entry of a [`Journal`]: one message of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalEntry {
    /// The name of the room, at most 256 bytes of any characters.
    pub room: Arc<str>,
    /// The position of the message in its room.
    pub position: Position,
    /// When the message was given to the journal, by the clock of this machine.
    pub time: SystemTime,
    /// The message, as the members receive it: text or binary.
    pub message: Message,
}

/// A room of a [`Journal`], as [`Journal::rooms`] returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalRoom {
    /// The name of the room.
    pub room: Arc<str>,
    /// The position of the newest entry, whether it is still kept or not.
    pub newest: Position,
    /// The number of the oldest entry that is kept; the number of `newest` plus 1 if none is.
    pub oldest: u64,
    /// The bytes of the payloads of all entries that are kept.
    pub bytes: u64,
    /// The time of the newest entry. If the limit of rooms is exceeded, the room with the earliest time is
    /// removed first.
    pub written: SystemTime,
}

/// The limits of a [`Journal`], for [`History::journal_limits`](super::History::journal_limits). The limits of
/// a [`History`](super::History) itself are those of its memory.
///
/// An entry counts as its payload and 64 bytes. A room beyond its limits loses the eighth of its entries that is
/// oldest. Beyond the limits of all rooms, the rooms whose newest entry is oldest are removed.
///
/// ```
/// use stentor::server::JournalLimits;
///
/// let limits = JournalLimits::new().max_entries(100_000).max_bytes(64 * 1024 * 1024);
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "pass it to `History::journal_limits`"]
pub struct JournalLimits {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) total: u64,
    pub(crate) rooms: usize,
    pub(crate) timeout: Duration,
}

impl JournalEntry {
    /// Creates an entry, for an implementation of [`Journal::read`].
    pub fn new(room: Arc<str>, position: Position, time: SystemTime, message: Message) -> Self {
        JournalEntry {
            room,
            position,
            time,
            message,
        }
    }
}

impl JournalRoom {
    /// Creates the description of a room, for an implementation of [`Journal::rooms`]: see the fields.
    pub fn new(
        room: Arc<str>,
        newest: Position,
        oldest: u64,
        bytes: u64,
        written: SystemTime,
    ) -> Self {
        JournalRoom {
            room,
            newest,
            oldest,
            bytes,
            written,
        }
    }
}

impl JournalLimits {
    /// Creates the limits with their defaults: 10,000 entries and 16 MiB for each room, 1 GiB and 10,000 rooms
    /// for all rooms together, and a timeout of 5 seconds.
    pub fn new() -> JournalLimits {
        JournalLimits {
            entries: 10_000,
            bytes: 16 * 1024 * 1024,
            total: 1024 * 1024 * 1024,
            rooms: 10_000,
            timeout: Duration::from_secs(5),
        }
    }

    /// Limits the entries of a room. Default: 10,000.
    pub fn max_entries(self, entries: usize) -> Self {
        JournalLimits {
            entries: entries as u64,
            ..self
        }
    }

    /// Limits the bytes of a room's entries. Default: 16 MiB. A larger message is sent, but not kept, nor are the
    /// messages before it.
    pub fn max_bytes(self, bytes: usize) -> Self {
        JournalLimits {
            bytes: bytes as u64,
            ..self
        }
    }

    /// Limits the bytes of the entries of all rooms together. Default: 1 GiB.
    pub fn total_limit(self, bytes: usize) -> Self {
        JournalLimits {
            total: bytes as u64,
            ..self
        }
    }

    /// Limits the number of rooms. Default: 10,000. Each takes some 300 bytes of memory and twice its name.
    pub fn max_rooms(self, rooms: usize) -> Self {
        JournalLimits { rooms, ..self }
    }

    /// Limits how long a thread waits for the journal: for a place among the messages on their way to it, then
    /// again for the answer, and for older messages. Default: 5 seconds. A journal that needs longer for one
    /// call is reported as [degraded](crate::server::Health::degraded), and a server that is dropped does not
    /// wait longer for it.
    pub fn timeout(self, timeout: Duration) -> Self {
        JournalLimits { timeout, ..self }
    }
}

impl Default for JournalLimits {
    fn default() -> Self {
        JournalLimits::new()
    }
}

/// Debug output of a journal, which itself may have none.
pub(crate) struct Opaque;

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}
