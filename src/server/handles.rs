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
use crate::net::log::{CONNECTION, trace};
use crate::net::peer::Peer;
use crate::net::send_queue::Push;
use crate::net::send_queue::total::SharedFrames;
use crate::net::watcher::Watcher;
use crate::protocol::{CloseCode, CloseFrame, Encoder, Message, Version};

use super::counters::Counters;
use super::hub::Command;
use super::hub::batch::Target;
use super::membership::{self, JoinError};
use super::shared::Shared;

/// A handle of a running server: broadcasts, counts and lists clients, shuts down. Cheap to clone.
#[derive(Clone)]
#[must_use]
pub struct ServerHandle {
    pub(crate) shared: Arc<Shared>,
}

/// A handle of a client, for any thread: sends, closes, identifies, enters rooms. Cheap to clone; keeping one does
/// not keep the connection open.
#[derive(Clone)]
#[must_use]
pub struct ClientHandle {
    pub(crate) link: Arc<Link>,
    pub(crate) shared: Arc<Shared>,
}

/// The receivers of a broadcast: the members of a room, or all clients; without some of them, if needed.
///
/// A broadcast is queued for the hub and reaches every member that is `Ready` at that point of the
/// hub's order. Members whose version cannot carry it (binary, in draft-75 and draft-76) are
/// skipped and counted.
#[derive(Clone)]
#[doc(alias = "broadcast")]
#[must_use = "an audience receives nothing until `broadcast` is called"]
pub struct Audience {
    pub(crate) shared: Arc<Shared>,
    pub(crate) target: Target,
}

impl ServerHandle {
    /// Sends a message to every client.
    pub fn broadcast(&self, message: impl Into<Message>) {
        self.everyone().broadcast(message);
    }

    /// Returns all clients, as an audience.
    pub fn everyone(&self) -> Audience {
        Audience::new(&self.shared, None)
    }

    /// Returns the members of a room, as an audience. A room exists as long as it has members.
    pub fn room(&self, name: &str) -> Audience {
        Audience::new(&self.shared, Some(name))
    }

    /// Returns the names of all rooms with members, in alphabetical order: after all commands that the
    /// hub received before. A list of more than a thousand comes from the hub in pieces, so that no
    /// client waits for it: a room that begins or ends meanwhile may be in it or not.
    pub fn rooms(&self) -> Vec<String> {
        self.shared.rooms()
    }

    /// Returns how many clients are open.
    pub fn count(&self) -> usize {
        self.shared.registry.count_open()
    }

    /// Returns the clients that are open, in the order of arrival.
    pub fn clients(&self) -> Vec<ClientHandle> {
        let open = self.shared.registry.open().into_iter();
        open.map(|link| ClientHandle::new(link, &self.shared))
            .collect()
    }

    /// Returns a client by its number, while it is open.
    pub fn client(&self, id: ClientId) -> Option<ClientHandle> {
        let link = self.shared.registry.get(id).filter(|link| link.is_open())?;
        Some(ClientHandle::new(link, &self.shared))
    }

    /// Returns the server's counters at this moment.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.shared.registry.counters();
        counters.waiting = self.shared.total_queued.waiting();
        counters.incoming = self.shared.watchdog.incoming.held();
        counters
    }

    /// Closes the connections of all open clients with a code and a reason, each version in its own way.
    /// The server still accepts new clients.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason above 123 bytes.
    pub fn disconnect_all(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        // So that a mistake is reported even if no client is connected.
        let _ = sendable(code, reason)?;
        for client in self.clients() {
            client.close(code, reason)?;
        }
        Ok(())
    }

    /// Shuts the server down gracefully: it accepts no more clients, and sends each client a close with
    /// 1001, in its version's own way, after all earlier broadcasts. Connections that are still open
    /// after the timeout, `deadline`, are aborted. After a second call, the new timeout counts. Returns
    /// when the closes are queued, which no client can delay;
    /// [`Server::run`](crate::Server::run) returns when the last handler has.
    #[doc(alias = "graceful shutdown")]
    #[doc(alias = "stop")]
    pub fn shutdown(&self, deadline: Duration) {
        self.shared.shutdown(deadline);
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
    pub(crate) fn new(link: Arc<Link>, shared: &Arc<Shared>) -> ClientHandle {
        ClientHandle {
            link,
            shared: Arc::clone(shared),
        }
    }

    /// Returns the client's number.
    pub fn id(&self) -> ClientId {
        self.link.id
    }

    /// Returns the version that the client speaks.
    pub fn version(&self) -> Version {
        // A handle is only created once the handshake is done.
        self.link.version().unwrap_or(Version::Rfc6455)
    }

    /// Returns the other end of the connection; behind a proxy, the proxy.
    pub fn peer(&self) -> Peer {
        self.link.peer
    }

    /// Returns the resource that the client requested: path, and query if there is one.
    pub fn target(&self) -> &str {
        self.link.target()
    }

    /// Returns the value of this type that [`on_request`](crate::ServerBuilder::on_request) has attached
    /// with [`Accept::with`](crate::Accept::with); `None` if it has attached none, and once the client is
    /// gone: a handle does not keep the values.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.link.identity.get()?.values.get()
    }

    /// Returns whether messages can still be sent.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Sends a message, without ever waiting for the client's socket.
    ///
    /// # Errors
    /// [`Error::Send`] if the client's version cannot carry it; [`Error::Closed`] once
    /// the connection is closed; if the client's send queue is full, [`Error::Dropped`] or
    /// [`Error::Disconnected`], by the server's [`SlowClient`](crate::SlowClient) policy.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let Some(encoder) = self.link.encoder() else {
            return Err(Error::Closed);
        };
        let message = message.into();
        trace!(target: CONNECTION, "client {}: > {}", self.link.id, Shown(&message));
        let mut bytes = Vec::new();
        match encoder
            .negotiated()
            .and_then(|negotiated| deflate(&negotiated, &message))
        {
            Some(payload) => encoder.encode_deflated(&message, &payload, &mut bytes),
            None => encoder.encode(&message, &mut bytes)?,
        }
        // The frames are dropped before others are evicted: then eviction frees the memory.
        let frames = SharedFrames::new(bytes, &self.shared.total_queued);
        let push = self.link.push(&frames, 1);
        drop(frames);
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
    pub fn try_join(&self, room: &str) -> Result<(), JoinError> {
        membership::try_join(&self.link, room, &self.shared)
    }

    /// Takes the client out of a room, whichever thread entered it. Does nothing if it is not in the room.
    pub fn leave(&self, room: &str) {
        membership::leave(&self.link, room, &self.shared);
    }

    /// Starts the closing handshake with a code and a reason, in the version's own way: draft-76 has only
    /// its `FF 00`, in draft-75 the TCP connection is closed. Returns at once; the client's handler
    /// receives `Ok(None)` once the peer has answered, or when the close timeout has passed. A second
    /// close frame is not sent.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason above 123 bytes.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.link.start_close(frame(code, reason))?;
        Ok(())
    }
}

impl Audience {
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

    /// Returns this audience without one client, such as the sender. Can be called more than once.
    pub fn except(mut self, id: ClientId) -> Audience {
        self.target.except.push(id);
        self
    }

    /// Sends a message to all members. All members of an audience receive its messages in the same
    /// order. Once the server stops, this does nothing.
    pub fn broadcast(&self, message: impl Into<Message>) {
        self.shared
            .command(Command::Broadcast(self.target.clone(), message.into()));
    }

    /// Returns the members, in the order of their arrival at the server. For a room, these are the members
    /// after all commands that the hub received before; for all clients, those that are open now.
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

/// Returns a close frame that every version accepts.
fn sendable(code: CloseCode, reason: &str) -> Result<CloseFrame, Error> {
    let frame = frame(code, reason);
    Encoder::server(Version::Rfc6455).encode_close(Some(&frame), &mut Vec::new())?;
    Ok(frame)
}

fn frame(code: CloseCode, reason: &str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.to_owned(),
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("clients", &self.count())
            .finish()
    }
}

impl fmt::Debug for ClientHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandle")
            .field("id", &self.id())
            .field("version", &self.version())
            .field("peer", &self.peer())
            .finish()
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}
