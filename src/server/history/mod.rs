//! The history of rooms: its options, and the values of its API.
//!
//! The hub keeps the entries of all rooms (`server/hub/rings.rs`) and answers requests for them
//! (`server/hub/history.rs`). The code here runs on the threads that request something.

pub(crate) mod enter;
pub(crate) mod follow;
pub(crate) mod journal;
pub(crate) mod member;
pub(crate) mod older;
pub(crate) mod page;
pub(crate) mod position;
pub(crate) mod publication;
pub(crate) mod resume;

use std::fmt;
use std::time::Duration;

use crate::net::sync::{Mutex, PoisonError};

use journal::{Journal, JournalLimits, Opaque};

/// The history of rooms: each message to a room gets a [`Position`](super::Position), and the newest messages
/// of each room are kept in memory, for clients that come back. Pass it to
/// [`ServerBuilder::history`](crate::ServerBuilder::history); without that, a server keeps nothing. With a
/// [`journal`](History::journal), messages are stored as well, and survive a restart.
///
/// A room keeps a message until one of its bounds is exceeded; then it drops its oldest messages first. One
/// more bound holds for all rooms together. A room in which nobody is, and which was not used for
/// [`max_age`](History::max_age), is forgotten: it costs no memory any more.
///
/// ```
/// use std::time::Duration;
/// use stentor::{Client, HandlerResult, Server};
/// use stentor::server::{History, Publication, Since};
///
/// /// A chat whose clients miss nothing when they reconnect: the query has the position of the last message
/// /// that the page has received, as in `/?since=1795944294201974-17`.
/// fn chat(client: &mut Client) -> HandlerResult {
///     let since = client.request().query().and_then(|query| query.strip_prefix("since="));
///     let since = match since {
///         Some(position) => Since::Position(position.parse()?),
///         None => Since::Last(50),
///     };
///     client.resume("lobby", since)?;
///     while let Some(message) = client.recv()? {
///         // Each member learns the message's position from the message itself.
///         let said = Publication::around("", format!(" {message}"));
///         client.room("lobby").publish(said)?;
///     }
///     Ok(())
/// }
///
/// let history = History::new().max_entries(1000).max_age(Duration::from_secs(3600));
/// let server = Server::builder().history(history);
/// ```
#[doc(alias = "resume")]
#[doc(alias = "replay")]
#[must_use = "pass it to `ServerBuilder::history`"]
pub struct History {
    pub(crate) bounds: Bounds,
    pub(crate) limits: JournalLimits,
    /// The rooms whose name begins with it are not in the journal, and not shared.
    pub(crate) local: Option<Box<str>>,
    /// The server takes it when it starts. In a mutex since options are shared by threads, and a journal is not.
    journal: Mutex<Option<Box<dyn Journal>>>,
    /// The rooms are shared with other servers.
    #[cfg(feature = "redis")]
    pub(crate) redis: Option<crate::server::Redis>,
}

/// The bounds of the memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
    pub(crate) total: usize,
    pub(crate) grace: Duration,
    pub(crate) announced: usize,
    pub(crate) member_bytes: usize,
}

impl History {
    /// Creates the options with their defaults: 256 messages, 256 KiB and 10 minutes for each room, 64 MiB
    /// for all rooms together, and no journal.
    pub fn new() -> History {
        History {
            bounds: Bounds {
                entries: 256,
                bytes: 256 * 1024,
                age: Duration::from_secs(600),
                total: 64 * 1024 * 1024,
                grace: Duration::from_secs(5),
                announced: 200,
                member_bytes: 16 * 1024 * 1024,
            },
            limits: JournalLimits::new(),
            local: None,
            journal: Mutex::new(None),
            #[cfg(feature = "redis")]
            redis: None,
        }
    }

    /// Limits the messages that a room keeps in memory. Default: 256.
    pub fn max_entries(self, entries: usize) -> Self {
        self.bounded(|bounds| bounds.entries = entries)
    }

    /// Limits the memory that a room's messages take, in bytes: their payloads, and about 100 bytes
    /// for each message. Default: 256 KiB. A message that is larger than the limit is
    /// sent to the members, but not kept, nor are the messages before it.
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.bounded(|bounds| bounds.bytes = bytes)
    }

    /// Limits the time for which a room keeps a message in memory. Default: 10 minutes. An older message is never
    /// replayed, unless a journal has it; its memory is free at the latest when twice this time has passed.
    pub fn max_age(self, age: Duration) -> Self {
        self.bounded(|bounds| bounds.age = age)
    }

    /// Limits the memory of all rooms together, in bytes, including their names and about 300 bytes for each
    /// room. Default: 64 MiB; at least 64 KiB. Beyond it, the server forgets rooms that were not used
    /// recently, with their messages; a room keeps at most half of it. If the process has memory limits, the limit is at most an eighth of the memory
    /// that [`max_clients`](crate::ServerBuilder::max_clients) reserves.
    pub fn total_limit(self, bytes: usize) -> Self {
        self.bounded(|bounds| bounds.total = bytes)
    }

    /// Stores the messages of all rooms in a journal before any member receives them: so messages and positions
    /// survive a restart, and clients resume across it. Default: none. A second call replaces the journal of
    /// the first.
    ///
    /// Messages that are no longer in memory are read from the journal. The server starts one more thread
    /// for it. [`Journal`] says what it must do, and `docs/rooms.md` what the server
    /// promises.
    #[doc(alias = "persistence")]
    pub fn journal(self, journal: impl Journal + 'static) -> Self {
        History {
            journal: Mutex::new(Some(Box::new(journal))),
            ..self
        }
    }

    /// Shares the rooms with other servers through a Redis or Valkey: see [`Redis`](crate::server::Redis). Default: no
    /// room is shared. A room has the bounds [`max_entries`](History::max_entries), [`max_bytes`](History::max_bytes)
    /// and [`max_age`](History::max_age) in Redis too: give all servers the same ones. Rooms with the
    /// [`local_prefix`](History::local_prefix) are not shared. The server starts one more thread for it.
    ///
    /// A server cannot have a [`journal`](History::journal) as well: [`build`](crate::ServerBuilder::build) returns an
    /// error then.
    #[cfg(feature = "redis")]
    #[doc(alias = "valkey")]
    #[doc(alias = "cluster")]
    pub fn redis(self, redis: crate::server::Redis) -> Self {
        History {
            redis: Some(redis),
            ..self
        }
    }

    /// Sets the time for which a [`Member`](super::Member) stays after its last connection has ended. Default: 5
    /// seconds. A member that comes back in that time, as after a reload of the page, causes neither a leave nor a
    /// join. With zero, each end of a connection is a leave.
    pub fn grace_period(self, grace: Duration) -> Self {
        self.bounded(|bounds| bounds.grace = grace)
    }

    /// Limits the announced members of a room. Default: 200. Members that enter when the room has so many are only
    /// counted: there are no entries about them, and they are not in the list.
    pub fn max_announced(self, announced: usize) -> Self {
        self.bounded(|bounds| bounds.announced = announced)
    }

    /// Limits the memory of the members of all rooms together, in bytes: their metadata, their stored leaves, and
    /// about 600 bytes for each member. Default: 16 MiB. Beyond it, the server ends the oldest grace periods early.
    /// If that is not enough, [`Client::enter`](crate::Client::enter) returns an error. If the process has memory
    /// limits, the limit is at most a 32nd of the memory that
    /// [`max_clients`](crate::ServerBuilder::max_clients) reserves.
    pub fn max_member_bytes(self, member_bytes: usize) -> Self {
        self.bounded(|bounds| bounds.member_bytes = member_bytes)
    }

    /// Sets the limits of the journal: see [`JournalLimits`].
    pub fn journal_limits(self, limits: JournalLimits) -> Self {
        History { limits, ..self }
    }

    /// Keeps the rooms whose name begins with `prefix` in memory only: their messages are never in the journal,
    /// and do not wait for it; they are not shared with other servers. Default: all rooms are in the journal, or shared. A second call replaces the prefix.
    pub fn local_prefix(self, prefix: impl Into<String>) -> Self {
        let local = Some(prefix.into().into_boxed_str());
        History { local, ..self }
    }

    /// Takes the journal out of the options.
    pub(crate) fn take_journal(&mut self) -> Option<Box<dyn Journal>> {
        let journal = self.journal.get_mut();
        journal.unwrap_or_else(PoisonError::into_inner).take()
    }

    fn bounded(mut self, set: impl FnOnce(&mut Bounds)) -> Self {
        set(&mut self.bounds);
        self
    }
}

impl Default for History {
    fn default() -> Self {
        History::new()
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let journal = self.journal.lock();
        let journal = journal.unwrap_or_else(PoisonError::into_inner);
        let journal = journal.as_ref().map(|_| Opaque);
        let mut debug = f.debug_struct("History");
        #[cfg(feature = "redis")]
        debug.field("redis", &self.redis);
        debug
            .field("bounds", &self.bounds)
            .field("limits", &self.limits)
            .field("local", &self.local)
            .field("journal", &journal)
            .finish()
    }
}
