//! The history of rooms: its options, and the values of its API.
//!
//! The hub keeps the entries of all rooms (`server/hub/rings.rs`) and answers requests for them
//! (`server/hub/history.rs`). The code here runs on the threads that request something.

pub(crate) mod follow;
pub(crate) mod page;
pub(crate) mod position;
pub(crate) mod publication;
pub(crate) mod resume;

use std::time::Duration;

/// The history of rooms: each message to a room gets a [`Position`](super::Position), and the newest messages
/// of each room are kept in memory, for clients that come back. Pass it to
/// [`ServerBuilder::history`](crate::ServerBuilder::history); without that, a server keeps nothing.
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
#[derive(Debug, Clone)]
#[doc(alias = "resume")]
#[doc(alias = "replay")]
#[must_use = "pass it to `ServerBuilder::history`"]
pub struct History {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
    pub(crate) total: usize,
}

impl History {
    /// Creates the options with their defaults: 256 messages, 256 KiB and 10 minutes for each room, and 64 MiB
    /// for all rooms together.
    pub fn new() -> History {
        History {
            entries: 256,
            bytes: 256 * 1024,
            age: Duration::from_secs(600),
            total: 64 * 1024 * 1024,
        }
    }

    /// Limits the messages that a room keeps. Default: 256.
    pub fn max_entries(self, entries: usize) -> Self {
        History { entries, ..self }
    }

    /// Limits the memory that a room's messages take, in bytes: their payloads, and about 100 bytes
    /// for each message. Default: 256 KiB. A message that is larger than the limit is
    /// sent to the members, but not kept, nor are the messages before it.
    pub fn max_bytes(self, bytes: usize) -> Self {
        History { bytes, ..self }
    }

    /// Limits the time for which a room keeps a message. Default: 10 minutes. An older message is never
    /// replayed; its memory is free at the latest when twice this time has passed.
    pub fn max_age(self, age: Duration) -> Self {
        History { age, ..self }
    }

    /// Limits the memory of all rooms together, in bytes, including their names and about 300 bytes for each
    /// room. Default: 64 MiB; at least 64 KiB. Beyond it, the server forgets rooms that were not used
    /// recently, with their messages; a room keeps at most half of it. If the process has memory limits, the limit is at most an eighth of the memory
    /// that [`max_clients`](crate::ServerBuilder::max_clients) reserves.
    pub fn total_limit(self, bytes: usize) -> Self {
        History {
            total: bytes,
            ..self
        }
    }
}

impl Default for History {
    fn default() -> Self {
        History::new()
    }
}
