//! A client, as its handler sees it.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::Error;
use crate::net::catch_panic::catch_panic;
use crate::net::client_id::ClientId;
use crate::net::connection::{Conversation, Received};
use crate::net::link::Stage;
use crate::net::peer::Peer;
use crate::protocol::{
    CloseCode, CloseFrame, Closed, Event, Message, Request, State, Values, Version,
};

use super::handles::{Audience, ClientHandle, ServerHandle};
use super::handshake::Handshake;
use super::membership::{self, JoinError};
use super::shared::{ServerThreads, Shared};
use super::teardown::{HandlerEnd, report_close};

/// The result of a handler. An error, like a panic, closes only this client's connection, with 1011,
/// and is logged; [`CloseWith`](crate::server::CloseWith) closes it with another code. A stack overflow is not a panic: it aborts the process, see
/// [`stack_size`](crate::ServerBuilder::stack_size).
pub type HandlerResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A client, as its handler sees it. When the handler returns, the connection is closed with 1000.
pub struct Client {
    /// On the heap, where it takes little: a stack grows by pages, and an idle client keeps them.
    conversation: Box<Conversation>,
    shared: Arc<Shared>,
    values: Values,
    /// Without [`Server::run`](crate::Server::run), the clients keep the hub and the watchdog alive.
    _threads: Option<Arc<ServerThreads>>,
}

impl Client {
    /// Returns the client's number.
    pub fn id(&self) -> ClientId {
        self.conversation.link.id
    }

    /// Returns the version that the client speaks.
    pub fn version(&self) -> Version {
        self.conversation.version()
    }

    /// Returns the other end of the connection; behind a proxy, the proxy.
    pub fn peer(&self) -> Peer {
        self.conversation.link.peer
    }

    /// Returns the client's address: the one in `X-Forwarded-For` if the server trusts that header,
    /// or else the connection's, which does not exist over a Unix socket.
    pub fn addr(&self) -> Option<IpAddr> {
        self.shared.address_of(&self.conversation)
    }

    /// Returns the request that opened the connection: path, query, headers, cookies, origin.
    pub fn request(&self) -> &Request {
        static NONE: OnceLock<Request> = OnceLock::new();
        let none = || NONE.get_or_init(Request::none);
        self.conversation.connection.request().unwrap_or_else(none)
    }

    /// Returns the subprotocol that was agreed on, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.conversation.connection.subprotocol()
    }

    /// Returns the value of this type that [`on_request`](crate::ServerBuilder::on_request) has attached
    /// with [`Accept::with`](crate::Accept::with); `None` if it has attached none. It is in an
    /// `Arc`, so that a handler can use it while it receives and sends. The client drops it after
    /// [`on_close`](crate::ServerBuilder::on_close) was called.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.values.get()
    }

    /// Returns the state of the connection.
    pub fn state(&self) -> State {
        self.conversation.connection.state()
    }

    /// Returns how the connection ended, once it has.
    pub fn closed(&self) -> Option<&Closed> {
        self.conversation.closed.as_ref()
    }

    /// Waits for the next message; returns `Ok(None)` when the connection was closed in the regular
    /// way: by a close frame of either side, or, if the peer's version (or its browser, in draft-76)
    /// has no better way, by closing the TCP connection. Before it waits, it sends the replies that
    /// wait.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the peer broke the protocol; [`Error::Disconnected`] when it
    /// disconnected without a close frame. Both are final, and the same for each further call.
    #[inline]
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.conversation.recv()
    }

    /// Waits for the next message like [`recv`](Client::recv), but no longer than `timeout`.
    ///
    /// # Errors
    /// The same as [`recv`](Client::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.conversation.recv_timeout(timeout)
    }

    /// Waits for the next event: like [`recv`](Client::recv), and returns pings and pongs as well. Pings
    /// have been answered already.
    ///
    /// # Errors
    /// The same as [`recv`](Client::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        self.conversation.recv_event()
    }

    /// Sends a message to this client. Replies to messages that arrived together wait for each other
    /// and leave in one piece; [`flush`](Client::flush) sends them at once. If the client does not read
    /// and its send queue is full, this waits, up to the write timeout: this is backpressure.
    ///
    /// # Errors
    /// [`Error::Send`] if the version cannot carry the message; [`Error::Closed`] once the connection
    /// is closed; [`Error::Disconnected`] when the write timeout has passed.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.conversation.send(message.into())
    }

    /// Sends a ping with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// The same as [`send`](Client::send); draft-75 and draft-76 have no ping.
    #[doc(alias = "keepalive")]
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.conversation.ping(payload)
    }

    /// Sends the replies that wait, as far as the socket accepts them.
    pub fn flush(&mut self) {
        self.conversation.flush();
    }

    /// Starts the closing handshake with a code and a reason, in the version's own way.
    /// [`recv`](Client::recv) then waits for the peer's answer, and so does the end of the handler.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason above 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let reason = reason.to_owned();
        self.conversation.start_close(CloseFrame { code, reason })
    }

    /// Returns a handle of the server, for broadcasts, lists of clients, and a graceful shutdown.
    pub fn server(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Returns a handle that can be cloned and used from any thread.
    pub fn handle(&self) -> ClientHandle {
        ClientHandle::new(Arc::clone(&self.conversation.link), &self.shared)
    }

    /// Enters a room. Broadcasts to the room that are sent from now on reach this client. Entering a
    /// room twice is the same as entering it once.
    ///
    /// If a limit does not allow this, the client does not enter, the reason is logged, and
    /// [`Counters::not_joined`](crate::server::Counters::not_joined) counts it. Use
    /// [`try_join`](Client::try_join), which returns the reason, if a peer chooses the names or the
    /// number of the rooms.
    pub fn join(&self, room: &str) {
        membership::join(&self.conversation.link, room, &self.shared);
    }

    /// Enters a room like [`join`](Client::join), and returns an error if a limit does not allow it.
    /// [`Counters::not_joined`](crate::server::Counters::not_joined) counts that too; nothing is logged.
    ///
    /// # Errors
    /// [`JoinError`] if the client is in as many rooms as
    /// [`max_rooms_per_client`](crate::ServerBuilder::max_rooms_per_client) allows, all clients
    /// together are in as many as [`max_memberships`](crate::ServerBuilder::max_memberships) does, or
    /// the room's name is longer than 256 bytes. The client has not entered then, and nothing else
    /// has changed.
    pub fn try_join(&self, room: &str) -> Result<(), JoinError> {
        membership::try_join(&self.conversation.link, room, &self.shared)
    }

    /// Leaves a room. The end of the connection leaves all rooms.
    pub fn leave(&self, room: &str) {
        membership::leave(&self.conversation.link, room, &self.shared);
    }

    /// Returns the members of a room, as an audience; this client need not be one of them.
    pub fn room(&self, name: &str) -> Audience {
        Audience::new(&self.shared, Some(name))
    }

    /// Returns all clients, as an audience.
    pub fn everyone(&self) -> Audience {
        Audience::new(&self.shared, None)
    }

    /// Sends a message to every client, this one too.
    pub fn broadcast(&self, message: impl Into<Message>) {
        self.everyone().broadcast(message);
    }

    /// Performs the handshake.
    pub(crate) fn open(
        conversation: Box<Conversation>,
        threads: &Arc<ServerThreads>,
    ) -> Result<Client, Error> {
        let mut client = Client::new(conversation, &threads.shared);
        client._threads = Some(Arc::clone(threads));
        client.shake_hands().map_err(|error| *error)?;
        Ok(client)
    }

    /// Serves a client from the handshake to the end, even if the handler panics.
    pub(crate) fn serve(
        conversation: Box<Conversation>,
        shared: &Arc<Shared>,
        handler: &(impl Fn(&mut Client) -> HandlerResult + Sync),
    ) {
        let mut client = Client::new(conversation, shared);
        let result = catch_panic(|| match client.shake_hands() {
            Ok(()) => handler(&mut client),
            // Rejected, answered with a page, or disconnected: there is no client for the handler.
            Err(_) => Ok(()),
        });
        client.handler_ended(result);
    }

    fn new(conversation: Box<Conversation>, shared: &Arc<Shared>) -> Client {
        Client {
            conversation,
            shared: Arc::clone(shared),
            values: Values::default(),
            _threads: None,
        }
    }

    fn shake_hands(&mut self) -> Result<(), Box<Error>> {
        let handshake = Handshake {
            conversation: &mut self.conversation,
            shared: &self.shared,
            values: &mut self.values,
        };
        handshake.perform()
    }

    /// Closes the connection after its handler. In a frame of its own: an idle client keeps the pages of
    /// stack that its thread has touched, and this frame is not below its handler.
    #[inline(never)]
    fn handler_ended(&mut self, result: Option<HandlerResult>) {
        let end = HandlerEnd::of(result, &self.conversation);
        self.close_tcp(end);
    }

    #[inline(never)]
    fn dropped(&mut self) {
        self.close_tcp(match std::thread::panicking() {
            true => HandlerEnd::Failed("its thread panicked".to_owned()),
            false => HandlerEnd::Returned,
        });
    }

    /// Returns whether the connection is closed.
    fn is_finished(&self) -> bool {
        self.conversation.link.stage() == Stage::Gone
    }

    /// Closes the connection, however its handler ended: starts the closing handshake, if nobody did before,
    /// completes it, closes the TCP connection, and reports that. Does nothing the second time.
    #[inline(never)]
    fn close_tcp(&mut self, end: HandlerEnd) {
        if self.is_finished() {
            return;
        }
        let (conversation, shared) = (&mut *self.conversation, &*self.shared);
        let (id, was_opened) = (conversation.link.id, conversation.is_opened());
        end.report(id, shared);
        conversation.start_close_unless_closing(end.into_close_frame());
        if was_opened {
            membership::leave_all(&conversation.link, shared);
        }
        conversation.complete_close();
        if was_opened {
            report_close(conversation, shared);
        }
        shared.registry.remove(&conversation.link);
        // Dropping a value runs the user's code.
        let values = std::mem::take(&mut self.values);
        catch_panic(|| drop(values));
    }
}

/// For streams that are served without [`Server::run`](crate::Server::run): dropping the value closes
/// the connection.
impl Drop for Client {
    fn drop(&mut self) {
        if !self.is_finished() {
            self.dropped();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id())
            .field("version", &self.conversation.connection.version())
            .field("peer", &self.peer())
            .field("state", &self.state())
            .finish()
    }
}
