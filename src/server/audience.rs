//! Audiences: the receivers of broadcasts.

use std::fmt;
use std::sync::Arc;

use crate::net::client_id::ClientId;
#[cfg(feature = "history")]
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::protocol::Message;

#[cfg(feature = "history")]
use super::history::{
    position::Position,
    publication::{Publication, PublishError},
};
use super::hub::Command;
use super::hub::batch::Target;
#[cfg(feature = "history")]
use super::hub::history::Ask;
use super::shared::Shared;

/// The receivers of a broadcast: the members of a room, or all clients. [`except`](Audience::except) leaves
/// single clients out.
///
/// One thread of the server, the hub, executes all commands one after the other: broadcasts, joins, leaves.
/// A broadcast reaches the clients that are in the audience when the hub executes it, and whose connection
/// is open then ([`Ready`](crate::protocol::State::Ready)). So all members receive broadcasts in the same
/// order. A member whose version cannot carry the message (binary, in draft-75 and draft-76) is skipped,
/// and counted as [`skipped`](crate::server::Counters::skipped).
///
/// A broadcast passes through the hub, and a handler's [`send`](crate::Client::send) does not. So a `send` after a
/// broadcast may arrive before it, at the sender too. Messages whose order matters all go one of the two ways.
///
/// A broadcast never waits for a client's socket. If a member's send queue is full, the server's
/// [`SlowClient`](crate::SlowClient) policy decides.
///
/// ```
/// use stentor::{Client, HandlerResult};
///
/// fn handler(client: &mut Client) -> HandlerResult {
///     client.join("news");
///     let others = client.room("news").except(client.id());
///     others.broadcast("a new reader is here");
///     println!("{} others have received that", others.members().len());
///     while client.recv()?.is_some() {}
///     Ok(())
/// }
/// ```
#[derive(Clone)]
#[doc(alias = "broadcast")]
#[must_use = "an audience receives nothing until `broadcast` is called"]
pub struct Audience {
    pub(crate) shared: Arc<Shared>,
    pub(crate) target: Target,
}

impl Audience {
    #[inline]
    pub(crate) fn new(shared: &Arc<Shared>, room: Option<&str>) -> Audience {
        let target = Target {
            room: room.map(Arc::from),
            except: Vec::new(),
        };
        Audience {
            shared: Arc::clone(shared),
            target,
        }
    }

    /// Returns this audience without one client, such as the sender of the message. Several calls leave
    /// several clients out.
    #[inline]
    pub fn except(mut self, id: ClientId) -> Audience {
        self.target.except.push(id);
        self
    }

    /// Sends a message to all members of the audience. All members receive the messages in the same order.
    /// After [`shutdown`](crate::ServerHandle::shutdown), this method does nothing.
    ///
    /// If about a thousand commands or 4 MiB of messages already wait for the hub, this method waits until
    /// the hub has executed some of them. No client can delay the hub.
    ///
    /// In a room that is in a [`Journal`](crate::server::Journal), the message is stored first. This method then
    /// waits for a place among the messages on their way to the journal, up to the
    /// [timeout](crate::server::JournalLimits::timeout). A message that is not stored counts as
    /// [`not_published`](crate::server::Counters::not_published).
    #[inline]
    pub fn broadcast(&self, message: impl Into<Message>) {
        let message = message.into();
        #[cfg(feature = "history")]
        if self.shared.desk.is_some() && !self.has_place(&message) {
            return;
        }
        self.shared
            .command(Command::Broadcast(self.target.clone(), message));
    }

    /// Sends a message to all members of a room with a history, like [`broadcast`](Audience::broadcast), and
    /// returns its position. The message is in the members' send queues then. A [`Publication`] can contain its
    /// position, so that each member learns it.
    ///
    /// This method waits for the hub's answer, and `broadcast` does not. In a room with a history, a broadcast
    /// is kept as well. If its room has a name of more than 256 bytes, it counts as
    /// [`not_published`](crate::server::Counters::not_published).
    ///
    /// In a room that is in a [`Journal`](crate::server::Journal), the message is stored before any member
    /// receives it. This method then waits at most two times the
    /// [timeout](crate::server::JournalLimits::timeout): for a place among the messages on their way to the
    /// journal, and for the answer.
    ///
    /// ```
    /// use stentor::server::{Publication, PublishError};
    /// use stentor::Client;
    ///
    /// fn say(client: &Client, text: &str) -> Result<(), PublishError> {
    ///     let said = Publication::around("#", format!(": {text}"));
    ///     let position = client.room("lobby").publish(said)?;
    ///     println!("message {position} is sent");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`PublishError`] if the server keeps no history, the audience is not a room, the room's name is too long,
    /// or the server shuts down; or if the journal does not store the message. No member receives the message then,
    /// except perhaps after [`PublishError::Pending`].
    #[cfg(feature = "history")]
    #[inline]
    pub fn publish(&self, message: impl Into<Publication>) -> Result<Position, PublishError> {
        let room = self.target.room.as_ref();
        self.shared
            .may_publish(room.ok_or(PublishError::NoHistory)?)?;
        if self.shared.is_stopping() {
            return Err(PublishError::Closed);
        }
        let (shared, message) = (&self.shared, message.into());
        let weight = self.target.weight(message.len());
        shared.reserve(self.target.room.as_ref(), weight)?;
        let room = self.target.room.as_deref().unwrap_or_default();
        shared.stored(room, |answer| {
            Ask::Publish(self.target.clone(), message, answer)
        })
    }

    /// Takes a place among the messages on their way to the journal; without one, the message is refused.
    #[cfg(feature = "history")]
    #[inline]
    fn has_place(&self, message: &Message) -> bool {
        if self.shared.is_stopping() {
            return false;
        }
        let weight = self.target.weight(message.len());
        let reserved = self.shared.reserve(self.target.room.as_ref(), weight);
        if reserved.is_err() {
            self.shared.totals.not_published.fetch_add(1, Relaxed);
        }
        reserved.is_ok()
    }

    /// Returns the numbers of the members, in the order in which they connected. For a room, the result
    /// includes the effect of each join and leave that was sent before this call. For all clients, the
    /// members are the clients that are open now.
    #[inline]
    pub fn members(&self) -> Vec<ClientId> {
        let mut ids = match &self.target.room {
            None => self
                .shared
                .registry
                .open()
                .iter()
                .map(|link| link.id)
                .collect(),
            Some(room) => self.shared.members(room),
        };
        ids.retain(|id| !self.target.except.contains(id));
        ids
    }
}

impl fmt::Debug for Audience {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}
