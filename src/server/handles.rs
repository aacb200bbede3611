//! Handles: a server and its clients, used from any thread.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::net::client_id::ClientId;
use crate::net::deflate::deflate;
use crate::net::link::Link;
use crate::net::log::shown::Shown;
use crate::net::log::traced::Written;
use crate::net::log::{CONNECTION, trace};
use crate::net::peer::Peer;
use crate::net::send_queue::Push;
use crate::net::send_queue::frames::Frames;
use crate::net::send_queue::shared::SharedFrames;
use crate::net::watcher::Watcher;
use crate::protocol::{CloseCode, CloseFrame, Encoder, Message, Version};

pub(super) use super::audience::Audience;
use super::counters::Counters;
use super::health::Health;
#[cfg(feature = "history")]
use super::history::{
    follow::Follow,
    member::Roll,
    older,
    page::{self, HistoryError, Page},
    position::Position,
    publication::PublishError,
    resume::Since,
};
#[cfg(feature = "history")]
use super::hub::Command;
#[cfg(feature = "history")]
use super::hub::history::Ask;
use super::membership::{self, JoinError};
#[cfg(feature = "prometheus")]
use super::metrics::ServerMetrics;
use super::shared::Shared;

/// A handle of a running server: it sends broadcasts, reads the counters, finds clients, and shuts the server
/// down. Any thread can use it. A clone is cheap.
///
/// ```no_run
/// use std::thread;
/// use std::time::Duration;
///
/// let server = stentor::Server::bind("127.0.0.1:8000")?;
/// let handle = server.handle();
/// thread::spawn(move || {
///     handle.broadcast("the server stops in one minute");
///     thread::sleep(Duration::from_secs(60));
///     println!("{} clients are still connected", handle.count());
///     handle.shutdown(Duration::from_secs(5));
/// });
/// server.run(|client| {
///     while client.recv()?.is_some() {}
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ServerHandle {
    pub(crate) shared: Arc<Shared>,
}

/// A handle of one client: it sends messages, enters rooms, and closes the connection. Any thread can use
/// it at any time, also while the client's own handler waits in [`recv`](crate::Client::recv). A clone is
/// cheap. A handle does not keep the connection open.
///
/// ```
/// use stentor::{ClientHandle, Error, SlowClient};
///
/// /// Sends a price to the clients that have asked for it, and forgets the clients that have left.
/// fn publish(price: &str, clients: &mut Vec<ClientHandle>) {
///     clients.retain(|client| match client.send(price) {
///         // The client is too slow for this price, and may get the next one.
///         Ok(()) | Err(Error::Dropped) => true,
///         Err(_) => false,
///     });
/// }
///
/// let server = stentor::Server::builder().slow_client(SlowClient::DropNewest);
/// ```
#[derive(Clone)]
#[must_use]
#[doc(alias = "push")]
pub struct ClientHandle {
    pub(crate) link: Arc<Link>,
    pub(crate) shared: Arc<Shared>,
}

impl ServerHandle {
    /// Sends a message to every client.
    #[inline]
    pub fn broadcast(&self, message: impl Into<Message>) {
        self.everyone().broadcast(message);
    }

    /// Returns all clients, as an audience for broadcasts.
    #[inline]
    pub fn everyone(&self) -> Audience {
        Audience::new(&self.shared, None)
    }

    /// Returns the members of a room, as an audience for broadcasts. A room exists as long as it has members.
    #[inline]
    pub fn room(&self, name: &str) -> Audience {
        Audience::new(&self.shared, Some(name))
    }

    /// Returns the names of all rooms that have members, in alphabetical order (by bytes). The list includes
    /// the effect of each join and leave that was sent before this call.
    ///
    /// If there are more than about a thousand rooms, the hub returns the list in pieces, so that no client
    /// waits long for the hub. Between two pieces, a room can get its first member or lose its last
    /// one. The list may or may not contain such a room.
    #[inline]
    pub fn rooms(&self) -> Vec<String> {
        self.shared.rooms()
    }

    /// Returns messages that a room has kept: the newest before the position `before`, or the newest at all. A
    /// page has at most `most` messages, and at most 1 MiB of them, unless one is larger.
    ///
    /// ```
    /// use stentor::server::{HistoryError, Position};
    /// use stentor::{Client, Error};
    ///
    /// /// Sends an older page to a client that scrolls up. `send` waits while the client is slow.
    /// fn scroll(client: &mut Client, before: Position) -> Result<(), Error> {
    ///     match client.server().history("lobby", Some(before), 50) {
    ///         Ok(page) => page.entries.into_iter().try_for_each(|entry| client.send(entry.message)),
    ///         Err(error) => client.send(format!("no older messages: {error}")),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`HistoryError`] for more than 1,000 messages, a position that the room does not have, a name above 256
    /// bytes, or a server without a [`History`](crate::server::History).
    #[cfg(feature = "history")]
    #[inline]
    pub fn history(
        &self,
        room: &str,
        before: Option<Position>,
        most: usize,
    ) -> Result<Page, HistoryError> {
        self.shared.has_history(room)?;
        if most > page::MOST {
            return Err(HistoryError::LargePage(most));
        }
        let room: Arc<str> = room.into();
        if !self.shared.attach(&room, before) {
            return Err(HistoryError::Journal);
        }
        let command = |answer| {
            let page = Ask::Page(Arc::clone(&room), before, most, answer);
            Command::History(Box::new(page))
        };
        let found = self.shared.ask_hub(command, Duration::MAX);
        let found = found.ok_or(HistoryError::Closed)?;
        let found = found.map_err(HistoryError::UnknownPosition)?;
        older::complete(&self.shared, &room, found, most)
    }

    /// Forgets the messages of a room up to and including a position, in memory and in the journal: pages and
    /// resumes no longer return them, and a client that resumes before that position gets a
    /// [`Gap`](crate::server::Gap). Members keep what they have received. A position of another epoch changes
    /// nothing.
    ///
    /// The messages of a room that is shared through Redis are removed there, and all servers forget them. Messages of
    /// earlier epochs are removed too. A position of an epoch that the room has not reached changes nothing.
    ///
    /// # Errors
    /// [`PublishError`] for a server without a history, a name above 256 bytes, a server that has ended, or a
    /// journal, or a Redis, that does not answer, or fails. The messages are still there then, except perhaps after
    /// [`PublishError::Pending`].
    #[cfg(feature = "history")]
    #[inline]
    pub fn forget(&self, room: &str, up_to: Position) -> Result<(), PublishError> {
        self.shared.may_publish(room)?;
        let room: Arc<str> = room.into();
        self.shared.reserve(Some(&room), room.len())?;
        self.shared.stored(&room, |answer| {
            Ask::Forget(Arc::clone(&room), up_to, answer)
        })
    }

    /// Returns the messages of a room as an iterator, for a thread of the program: see [`Follow`]. The first is
    /// the one after `since`; with `Since::Last(0)`, it is the first that is published from now on.
    ///
    /// # Errors
    /// [`HistoryError`] for a name above 256 bytes, or a server without a
    /// [`History`](crate::server::History).
    #[cfg(feature = "history")]
    #[doc(alias = "subscribe")]
    #[inline]
    pub fn follow(&self, room: &str, since: impl Into<Since>) -> Result<Follow, HistoryError> {
        self.shared.has_history(room)?;
        Follow::new(&self.shared, room.into(), since.into())
    }

    /// Returns the members that have entered a room with [`Client::enter`](crate::Client::enter), and the position at
    /// which the list is true. It includes the effect of each enter and leave that was sent before this call.
    ///
    /// A room without members gets no history by this call. If it has none, the position is of an epoch that no room
    /// ever has: a resume from there begins with [`Gap::Reset`](crate::server::Gap::Reset).
    ///
    /// # Errors
    /// [`HistoryError`] for a name above 256 bytes, or a server without a
    /// [`History`](crate::server::History).
    #[cfg(feature = "history")]
    #[doc(alias = "presence")]
    #[inline]
    pub fn present(&self, room: &str) -> Result<Roll, HistoryError> {
        self.shared.has_history(room)?;
        let command = |answer| Command::History(Box::new(Ask::Call(room.into(), answer)));
        let called = self.shared.ask_hub(command, self.shared.patience(room));
        let (listed, at) = called.ok_or_else(|| match self.shared.may_answer_later(room) {
            true => HistoryError::Journal,
            false => HistoryError::Closed,
        })?;
        Ok(Roll {
            members: listed.sorted(),
            unannounced: listed.unannounced,
            at,
        })
    }

    /// Returns the names of all rooms that have members, each with the number of its members, in alphabetical
    /// order (by bytes). The list includes the effect of each join and leave that was sent before this call.
    ///
    /// All counts are of one moment. The hub executes no other command until it has made the list: for about
    /// 2 ms with 10,000 rooms, and 15 ms with 100,000. Broadcasts wait that long.
    /// [`rooms`](ServerHandle::rooms) returns the names alone, in pieces.
    #[inline]
    pub fn room_counts(&self) -> Vec<(String, usize)> {
        self.shared.room_counts()
    }

    /// Returns the number of open clients. A client is open from the end of its handshake to the start of its
    /// close, or to its disconnect.
    #[inline]
    pub fn count(&self) -> usize {
        self.shared.registry.count_open()
    }

    /// Returns handles of all open clients, in the order in which they connected.
    #[inline]
    pub fn clients(&self) -> Vec<ClientHandle> {
        let open = self.shared.registry.open().into_iter();
        open.map(|link| ClientHandle::new(link, &self.shared))
            .collect()
    }

    /// Returns a handle of the client with this number, or `None` if that client is not open.
    #[inline]
    pub fn client(&self, id: ClientId) -> Option<ClientHandle> {
        let link = self.shared.registry.get(id).filter(|link| link.is_open())?;
        Some(ClientHandle::new(link, &self.shared))
    }

    /// Returns the server's counters at this moment.
    #[must_use]
    #[doc(alias = "metrics")]
    #[inline]
    pub fn counters(&self) -> Counters {
        let mut counters = self.shared.registry.counters();
        counters.waiting = self.shared.total_queued.waiting();
        counters.incoming = self.shared.watchdog.incoming.held();
        counters
    }

    /// Returns the health of the server, for a page that a load balancer requests. This method waits for the
    /// hub, at most one second.
    #[must_use]
    #[doc(alias = "readiness")]
    #[inline]
    pub fn health(&self) -> Health {
        self.shared.health().0
    }

    /// Returns the server's counters for Prometheus, as a collector for a registry of the program.
    #[cfg(feature = "prometheus")]
    #[doc(alias = "collector")]
    #[inline]
    pub fn metrics(&self) -> ServerMetrics {
        ServerMetrics::new(self.clone())
    }

    /// Closes the connections of all open clients with a code and a reason, each in the way of its version.
    /// The server continues to accept new clients.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason longer than 123 bytes, even if no client
    /// is connected.
    #[inline]
    pub fn disconnect_all(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        // So that a mistake is reported even if no client is connected.
        let _ = sendable(code, reason)?;
        for client in self.clients() {
            client.close(code, reason)?;
        }
        Ok(())
    }

    /// Shuts the server down gracefully, in this order:
    ///
    /// 1. From now on the server accepts no clients. A client that is still in its handshake receives 503,
    ///    and new broadcasts are ignored.
    /// 2. All earlier broadcasts enter the send queues of their receivers. After them, each client is sent a
    ///    close with 1001, in the way of its version.
    /// 3. When the time `timeout` has passed since this call, the server aborts the connections that are still open.
    /// 4. When the last handler has returned, [`Server::run`](crate::Server::run) returns.
    ///
    /// This method returns after step 2, when the closes are in the send queues. No client can delay that.
    /// After a second call, its timeout counts instead of the first one. The server of an
    /// [`Acceptor`](crate::server::Acceptor) aborts no connection.
    #[doc(alias = "graceful shutdown")]
    #[doc(alias = "stop")]
    #[inline]
    pub fn shutdown(&self, timeout: Duration) {
        self.shared.shutdown(timeout);
    }

    /// Shuts the server down like [`shutdown`](ServerHandle::shutdown), but with a code and a reason of the
    /// caller's choice instead of 1001: such as
    /// [`SERVICE_RESTART`](crate::CloseCode::SERVICE_RESTART), after which a page may reconnect.
    /// Requests that arrive meanwhile are still rejected with 503. After a second call, the new code is for
    /// clients whose close has not begun.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::{CloseCode, Server};
    ///
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let handle = server.handle();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let reason = "back in a minute";
    ///         handle.shutdown_with(CloseCode::SERVICE_RESTART, reason, Duration::from_secs(5))
    ///     });
    ///     server.run(|client| {
    ///         while let Some(message) = client.recv()? {
    ///             client.send(message)?;
    ///         }
    ///         Ok(())
    ///     })
    /// })
    /// # ; Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason above 123 bytes. The server then runs on.
    #[inline]
    pub fn shutdown_with(
        &self,
        code: CloseCode,
        reason: &str,
        timeout: Duration,
    ) -> Result<(), Error> {
        let frame = sendable(code, reason)?;
        self.shared.shutdown_with(frame, timeout);
        Ok(())
    }
}

impl ClientHandle {
    #[inline]
    pub(crate) fn new(link: Arc<Link>, shared: &Arc<Shared>) -> ClientHandle {
        ClientHandle {
            link,
            shared: Arc::clone(shared),
        }
    }

    /// Returns the client's number. No other client of this server has the same number.
    #[inline]
    pub fn id(&self) -> ClientId {
        self.link.id
    }

    /// Returns the version that the client speaks.
    #[inline]
    pub fn version(&self) -> Version {
        // A handle is only created once the handshake is done.
        self.link.version().unwrap_or(Version::Rfc6455)
    }

    /// Returns the other end of the connection. If the client connects through a proxy, this is the proxy,
    /// unless the proxy has named the client with the PROXY protocol: see
    /// [`TrustedProxies`](crate::server::TrustedProxies).
    #[inline]
    pub fn peer(&self) -> Peer {
        self.link.peer()
    }

    /// Returns the resource that the client requested: the path, and the query if there is one.
    #[inline]
    pub fn target(&self) -> &str {
        self.link.target()
    }

    /// Returns the value of this type that [`on_request`](crate::ServerBuilder::on_request) has attached
    /// with [`Accept::with`](crate::Accept::with), or `None` if it has attached none. Also returns `None`
    /// after the client has gone, because a handle does not keep the values.
    #[must_use]
    #[inline]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.link.identity.get()?.values.get()
    }

    /// Returns whether the connection is open: messages can be sent, since no close has begun.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Sends a message to the client. This method never waits for the client's socket: bytes that the socket
    /// does not accept now wait in the client's send queue. If the message does not fit into the queue, the
    /// server's [`SlowClient`](crate::SlowClient) policy decides.
    ///
    /// # Errors
    /// - [`Error::Send`] if the client's version cannot carry the message: binary, in draft-75 and draft-76.
    /// - [`Error::Closed`] if the connection is closed, or its closing handshake has begun.
    /// - [`Error::Disconnected`] if the queue is full and the policy is [`Close`](crate::SlowClient::Close):
    ///   this call has disconnected the client.
    /// - [`Error::Dropped`] if the queue is full and this message was not sent. With the policy
    ///   [`DropNewest`](crate::SlowClient::DropNewest) this is always so. With
    ///   [`DropOldest`](crate::SlowClient::DropOldest) it is so only if the message does not fit even after
    ///   older messages were dropped.
    #[doc(alias = "slow consumer")]
    #[doc(alias = "backpressure")]
    #[inline]
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let Some(encoder) = self.link.encoder() else {
            return Err(Error::Closed);
        };
        let message = message.into();
        trace!(target: CONNECTION, "client {}: > {}", self.link.id, Shown(&message));
        let mut frames = Frames::default();
        match encoder
            .negotiated()
            .and_then(|negotiated| deflate(&negotiated, &message))
        {
            Some(payload) => encoder.encode_deflated(&message, &payload, frames.bytes()),
            None => frames.encode(encoder, message)?,
        }
        let mut written = Written::for_log();
        written.note(frames.bytes());
        // The frames are dropped before others are evicted: then eviction frees the memory.
        let frames = SharedFrames::new(frames, &self.shared.total_queued);
        let push = self.link.push(&frames, 1);
        drop(frames);
        if matches!(push, Push::Sent | Push::Queued) {
            written.log(&self.link);
        }
        match push {
            Push::Sent => Ok(()),
            Push::Queued => {
                self.shared.watchdog.relieve();
                Ok(())
            }
            Push::Full => Err(match self.link.send_queue.disconnect_reason() {
                Some(reason) => Error::Disconnected(reason),
                None => Error::Dropped,
            }),
            Push::Closed => Err(Error::Closed),
        }
    }

    /// Enters the client into a room, like [`Client::join`](crate::Client::join): broadcasts to the room that
    /// are sent from now on reach it. If a limit does not allow this, the reason is logged and counted; once
    /// the connection is closed, this does nothing.
    #[inline]
    pub fn join(&self, room: &str) {
        membership::join(&self.link, room, &self.shared);
    }

    /// Enters the client into a room like [`join`](ClientHandle::join), and returns an error if that is not
    /// possible; nothing is logged. The limits and the counter are those of
    /// [`Client::try_join`](crate::Client::try_join), for all threads together.
    ///
    /// # Errors
    /// [`JoinError`] if a limit does not allow it, and [`JoinError::Closed`] once the client has left. It has
    /// not entered then, and nothing else has changed.
    #[inline]
    pub fn try_join(&self, room: &str) -> Result<(), JoinError> {
        membership::try_join(&self.link, room, &self.shared)
    }

    /// Takes the client out of a room, whichever thread entered it. Does nothing if it is not in the room.
    #[inline]
    pub fn leave(&self, room: &str) {
        membership::leave(&self.link, room, &self.shared);
    }

    /// Starts the closing handshake with a code and a reason, in the way of the client's version. Draft-76
    /// has only its `FF 00`, without a code. For draft-75, which has no close frame, the server shuts down
    /// its side of the TCP connection.
    ///
    /// This method returns at once. The client's handler receives `Ok(None)` from
    /// [`recv`](crate::Client::recv) when the client has answered, or when the [close
    /// timeout](crate::ServerBuilder::close_timeout) has passed. Only the first close counts: a second call
    /// sends nothing, and returns `Ok`.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason longer than 123 bytes, in every version.
    #[inline]
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.link.start_close(CloseFrame::new(code, reason))?;
        Ok(())
    }
}

/// Returns a close frame that every version accepts.
#[inline]
fn sendable(code: CloseCode, reason: &str) -> Result<CloseFrame, Error> {
    let frame = CloseFrame::new(code, reason);
    Encoder::server(Version::Rfc6455).encode_close(Some(&frame), &mut Vec::new())?;
    Ok(frame)
}

impl fmt::Debug for ServerHandle {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("clients", &self.count())
            .finish()
    }
}

impl fmt::Debug for ClientHandle {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandle")
            .field("id", &self.id())
            .field("version", &self.version())
            .field("peer", &self.peer())
            .finish()
    }
}
