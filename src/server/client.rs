//! A client, as its handler sees it.

mod pollable;

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::Error;
use crate::net::catch_panic::catch_panic;
use crate::net::client_id::ClientId;
use crate::net::connection::Conversation;
use crate::net::link::Stage;
use crate::net::message_reader::MessageReader;
use crate::net::message_writer::MessageWriter;
use crate::net::peer::Peer;
use crate::net::received::Received;
use crate::protocol::{CloseCode, CloseFrame, Closed, Event, Message, State, Values, Version};

use super::handles::{Audience, ClientHandle, ServerHandle};
use super::handshake::Handshake;
#[cfg(feature = "history")]
use super::history::{
    enter::{EnterError, Entered, enter},
    member::Member,
    resume::{ResumeError, Resumed, Since, resume},
};
use super::membership::{self, JoinError};
use super::request::Request;
use super::shared::{ServerThreads, Shared};
use super::teardown::{HandlerEnd, report_close};

/// The result of a handler.
///
/// - `Ok`: the server closes the connection with 1000, if it is still open.
/// - An error, or a panic: the server closes only this client's connection, with 1011. It logs the failure
///   and counts it as [`failed_handlers`](crate::server::Counters::failed_handlers).
/// - [`CloseWith`](crate::server::CloseWith): the server closes the connection with the code that it names.
///   This is not a failure. Use it for input that is the client's mistake: `serde_json::from_str(text)?`
///   alone would close with 1011, and count as a failed handler.
///
/// The end of a connection is not a failure. If the client disappears, `client.recv()?` ends the handler with
/// [`Error::Disconnected`]. The server counts no failure then, and logs this error only at the level debug.
/// The same holds for [`Error::Protocol`] and [`Error::Closed`], also if another error wraps them.
///
/// A stack overflow is not a panic: it aborts the whole process, see
/// [`stack_size`](crate::ServerBuilder::stack_size).
pub type HandlerResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A handler of any type: so the library is compiled once, and not again with each program.
pub(crate) type Handler<'a> = dyn Fn(&mut Client) -> HandlerResult + Sync + 'a;

/// A client, as its handler sees it. When the handler returns `Ok`, the server closes the connection
/// with 1000.
///
/// ```
/// use stentor::{Client, HandlerResult, Server};
///
/// /// Sends each message of a client to all other clients in the lobby.
/// fn chat(client: &mut Client) -> HandlerResult {
///     client.join("lobby");
///     client.send("welcome")?;
///     while let Some(message) = client.recv()? {
///         client.room("lobby").except(client.id()).broadcast(message);
///     }
///     Ok(())
/// }
///
/// fn serve() -> std::io::Result<()> {
///     Server::bind("127.0.0.1:8000")?.run(chat)
/// }
/// ```
#[doc(alias = "connection")]
pub struct Client {
    /// On the heap, where it takes little: a stack grows by pages, and an idle client keeps them.
    conversation: Box<Conversation>,
    shared: Arc<Shared>,
    values: Values,
    /// A copy of the connection's own, for a handler that has asked for it.
    request: OnceLock<Box<Request>>,
    /// Without [`Server::run`](crate::Server::run), the clients keep the hub and the watchdog alive.
    _threads: Option<Arc<ServerThreads>>,
}

impl Client {
    /// Returns the client's number. No other client of this server has the same number.
    pub fn id(&self) -> ClientId {
        self.conversation.link.id
    }

    /// Returns the version that the client speaks.
    pub fn version(&self) -> Version {
        self.conversation.version()
    }

    /// Returns the other end of the connection. If the client connects through a proxy, this is the proxy;
    /// [`addr`](Client::addr) can return the client's own address. If a trusted proxy has named the client
    /// with the PROXY protocol, this is the client: see [`TrustedProxies`](crate::server::TrustedProxies).
    pub fn peer(&self) -> Peer {
        self.conversation.link.peer()
    }

    /// Returns the client's IP address.
    ///
    /// If the server trusts the header `X-Forwarded-For` of this connection and the header names an address,
    /// this is the last address in the header. Otherwise it is the address of the [`peer`](Client::peer). A
    /// connection over a Unix socket has no address of its own, so the result can be `None`. See
    /// [`trust_forwarded_headers`](crate::ServerBuilder::trust_forwarded_headers) and
    /// [`trust_local_proxy`](crate::ServerBuilder::trust_local_proxy).
    pub fn addr(&self) -> Option<IpAddr> {
        self.shared.address_of(&self.conversation)
    }

    /// Returns the request that opened the connection: path, query, headers, cookies, origin.
    #[doc(alias = "header")]
    #[doc(alias = "upgrade")]
    pub fn request(&self) -> &Request {
        self.request
            .get_or_init(|| Box::new(Request::of(&self.conversation, &self.shared)))
    }

    /// Returns the subprotocol that the client and the server agreed on, if there is one.
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

    /// Returns how the connection was closed, or `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.conversation.closed.as_ref()
    }

    /// Waits for the client's next message, and returns it. Before this method waits, it sends the replies
    /// that [`send`](Client::send) holds back.
    ///
    /// The result `Ok(None)` means that the connection was closed in the regular way:
    ///
    /// - The client sent a close frame.
    /// - The server sent one: the handler, a [`ClientHandle`], a shutdown or a limit has started the closing
    ///   handshake. The client may have answered it, or the [close
    ///   timeout](crate::ServerBuilder::close_timeout) has passed.
    /// - The client speaks draft-75 or draft-76 and closed the TCP connection. Draft-75 has no close frame,
    ///   and browsers with draft-76 send none when the user leaves the page.
    ///
    /// # Errors
    /// - [`Error::Protocol`] if the client broke a rule of the protocol.
    /// - [`Error::Disconnected`] if the connection ended in another way. The client lost the TCP
    ///   connection, or closed it (from version 7 on), or the server disconnected the client: for example
    ///   after a timeout, or because the client's send queue was full. The
    ///   [`DisconnectReason`](crate::DisconnectReason) names the cause.
    ///
    /// The end of the connection is final: each further call returns the same `Ok(None)` or the same error.
    #[inline]
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.conversation.recv()
    }

    /// Waits for the next message like [`recv`](Client::recv), but no longer than `timeout`. If no message
    /// arrives in that time, the result is [`Received::Nothing`]; nothing is lost, and the connection stays
    /// open.
    ///
    /// # Errors
    /// The same as [`recv`](Client::recv).
    #[doc(alias = "timeout")]
    #[inline]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.conversation.recv_timeout(timeout)
    }

    /// Returns the next message if it has arrived, and never blocks. The result is [`Received::Nothing`] if
    /// there is no whole message now. This method decodes the bytes that have arrived, answers pings, and
    /// sends the held replies, as far as the socket accepts them; the server sends the rest later.
    ///
    /// With this method and `AsFd` (on Windows `AsSocket`), one thread serves several clients of an
    /// [`Acceptor`](crate::server::Acceptor) in a loop around `poll`:
    ///
    /// - Call `try_recv` until it returns `Nothing` before you poll. A message may have been read with the
    ///   one before it, and `poll` does not show bytes that are in memory, or in the TLS session.
    /// - Poll with a timeout of at most half a second, and then call `try_recv` for every client, readable or
    ///   not. The keepalive and the idle timeout count the time only while the program looks for input. The call
    ///   also sees a close that another thread has started.
    /// - The result can be `Nothing` although the socket is readable: while the [rate
    ///   limit](crate::ServerBuilder::rate_limit) delays the client, while the client does not read the bytes
    ///   in a full send queue, or while the process has no memory for more input. Leave such a client out of
    ///   the next poll, or its thread is busy until that ends.
    /// - [`send`](Client::send) can wait for a slow client. [`ClientHandle::send`] never waits.
    /// - Dropping the client can wait too: drop it on another thread.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use stentor::{Client, Error, Received};
    ///
    /// /// Answers all messages that have arrived; returns whether the client is still connected.
    /// fn serve(client: &mut Client) -> Result<bool, Error> {
    ///     loop {
    ///         match client.try_recv()? {
    ///             Received::Message(message) => client.handle().send(message)?,
    ///             Received::Nothing => return Ok(true),
    ///             Received::Closed => return Ok(false),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The same as [`recv`](Client::recv).
    #[doc(alias = "nonblocking")]
    #[doc(alias = "poll")]
    #[inline]
    pub fn try_recv(&mut self) -> Result<Received, Error> {
        self.conversation.try_recv()
    }

    /// Waits for the next message, ping or pong, like [`recv`](Client::recv). The server has already answered
    /// a ping that this method returns. The result is one of [`Event::Message`], [`Event::Ping`] and
    /// [`Event::Pong`].
    ///
    /// # Errors
    /// The same as [`recv`](Client::recv).
    #[inline]
    pub fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        self.conversation.recv_event()
    }

    /// Waits for the start of the next message, and returns a reader that receives it in pieces, as it
    /// comes: [`MessageReader`] says how. The message may have `limit` bytes, after decompression; the limit
    /// of [`recv`](Client::recv) does not apply. A larger message fails the connection with 1009 (1004 in
    /// versions 7 and 8). A short message is received in the same way.
    ///
    /// A message whose start has arrived in an earlier call, such as a
    /// [`recv_timeout`](Client::recv_timeout) that has returned without it, was already subject to
    /// [`max_message_size`](crate::ServerBuilder::max_message_size).
    ///
    /// # Errors
    /// The same as [`recv`](Client::recv); so is the result `Ok(None)`.
    #[doc(alias = "stream")]
    #[inline]
    pub fn recv_reader(&mut self, limit: usize) -> Result<Option<MessageReader<'_>>, Error> {
        self.conversation.recv_reader(limit)
    }

    /// Sends a message to this client.
    ///
    /// If more input of the client has already arrived, `send` holds the reply back, to send several replies
    /// with one system call. The held replies leave when [`recv`](Client::recv) waits again, or when they
    /// reach 16 KiB. While the handler is busy, the server sends them within about a second.
    /// [`flush`](Client::flush) sends them at once.
    ///
    /// If the client reads too slowly, its send queue becomes full. `send` then waits until the queue is no
    /// longer above its [limit](crate::ServerBuilder::send_queue_limit) (backpressure). If the client accepts
    /// no byte for the [write timeout](crate::ServerBuilder::write_timeout), the server disconnects the
    /// client. This timeout starts again whenever the client accepts a byte.
    ///
    /// # Errors
    /// - [`Error::Send`] if the client's version cannot carry the message: binary, in draft-75 and draft-76.
    /// - [`Error::Closed`] if the connection is closed, or its closing handshake has begun.
    /// - [`Error::Disconnected`] if the server has disconnected the client, for example after the write
    ///   timeout.
    #[doc(alias = "backpressure")]
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.conversation.send(message.into())
    }

    /// Returns a writer that sends one binary message in pieces, while it is produced:
    /// [`MessageWriter`] says how. Nothing is sent before the writer has bytes. Version 7 and later have
    /// fragments; draft-75 and draft-76 do not.
    ///
    /// # Errors
    /// - [`Error::Send`] if the client's version has no fragments. The connection stays open.
    /// - [`Error::Closed`] if the connection is closed, or its closing handshake has begun.
    /// - [`Error::Disconnected`] if this side has disconnected.
    #[doc(alias = "stream")]
    #[doc(alias = "fragment")]
    #[inline]
    pub fn binary_writer(&mut self) -> Result<MessageWriter<'_>, Error> {
        self.conversation.message_writer(false)
    }

    /// Returns a writer that sends one text message in pieces, like
    /// [`binary_writer`](Client::binary_writer). The text must be UTF-8.
    ///
    /// # Errors
    /// The same as [`binary_writer`](Client::binary_writer).
    #[inline]
    pub fn text_writer(&mut self) -> Result<MessageWriter<'_>, Error> {
        self.conversation.message_writer(true)
    }

    /// Sends a ping with a payload of up to 125 bytes. [`recv_event`](Client::recv_event) returns the pong.
    /// The server also pings silent clients by itself: see
    /// [`ping_interval`](crate::ServerBuilder::ping_interval).
    ///
    /// # Errors
    /// The same as [`send`](Client::send). Also [`Error::Send`] for a longer payload, and in draft-75 and
    /// draft-76, which have no ping.
    #[doc(alias = "keepalive")]
    #[inline]
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.conversation.ping(payload)
    }

    /// Sends the replies that [`send`](Client::send) holds back, without waiting. Bytes that the socket does
    /// not accept now stay in the send queue; the server sends them as soon as the socket accepts more.
    pub fn flush(&mut self) {
        self.conversation.flush();
    }

    /// Starts the closing handshake with a code and a reason, in the way of the client's version. A version
    /// from 7 on has a close frame with both. Draft-76 has only its `FF 00`, without a code. Draft-75 has no
    /// close frame: the server shuts down its side of the TCP connection, after all queued bytes.
    ///
    /// This method does not wait. [`recv`](Client::recv) then waits for the client's close frame, and so does
    /// the server after the handler has returned: for no longer than the [close
    /// timeout](crate::ServerBuilder::close_timeout). Messages that arrive after this call are ignored, and
    /// [`send`](Client::send) returns [`Error::Closed`]. Only the first close counts: a second call sends
    /// nothing, and returns `Ok`.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason longer than 123 bytes, in every version.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.conversation.start_close(CloseFrame::new(code, reason))
    }

    /// Returns a handle of the server, for broadcasts, lists of clients, and a graceful shutdown.
    #[doc(alias = "graceful shutdown")]
    pub fn server(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Returns a handle of this client. The handle can be cloned, and any thread can use it.
    pub fn handle(&self) -> ClientHandle {
        ClientHandle::new(Arc::clone(&self.conversation.link), &self.shared)
    }

    /// Enters a room: this client receives all broadcasts to the room that are sent from now on. A client
    /// that enters a room twice is in the room once.
    ///
    /// If a limit does not allow the client to enter, the client stays outside. The server logs the reason,
    /// and counts it as [`not_joined`](crate::server::Counters::not_joined). If a peer chooses the names or
    /// the number of the rooms, use [`try_join`](Client::try_join), which returns the reason.
    #[doc(alias = "subscribe")]
    pub fn join(&self, room: &str) {
        membership::join(&self.conversation.link, room, &self.shared);
    }

    /// Enters a room like [`join`](Client::join), and returns an error if a limit does not allow this. The
    /// error is counted as [`not_joined`](crate::server::Counters::not_joined), but not logged.
    ///
    /// # Errors
    /// - [`JoinError::TooManyRooms`]: this client is in as many rooms as
    ///   [`max_rooms_per_client`](crate::ServerBuilder::max_rooms_per_client) allows.
    /// - [`JoinError::TooManyMemberships`]: all clients together have as many memberships as
    ///   [`max_memberships`](crate::ServerBuilder::max_memberships) allows.
    /// - [`JoinError::LongName`]: the name of the room is longer than 256 bytes.
    ///
    /// After an error the client is not in the room, and nothing else has changed.
    pub fn try_join(&self, room: &str) -> Result<(), JoinError> {
        membership::try_join(&self.conversation.link, room, &self.shared)
    }

    /// Enters a room like [`try_join`](Client::try_join), and first receives the messages that the room has kept
    /// after a position, or the newest ones: `resume("lobby", Since::Last(50))`. The server must keep a
    /// [`History`](crate::server::History).
    ///
    /// The client receives each message after `since` once, in the order of the room: first the kept ones, then
    /// the live ones. If the room has dropped some of them, [`Resumed::gap`] says so, and how many, if that
    /// can be known. Messages from which this connection was
    /// [excepted](Audience::except) are left out.
    ///
    /// Messages that do not fit into the client's send queue are sent before the client enters the room: this
    /// method then waits for room as [`send`](Client::send) does. So a long replay never overruns the queue,
    /// and no live message overtakes it. The messages of a replay are not compressed.
    ///
    /// # Errors
    /// [`ResumeError`]. The client is not in the room then.
    #[cfg(feature = "history")]
    #[doc(alias = "replay")]
    pub fn resume(&mut self, room: &str, since: impl Into<Since>) -> Result<Resumed, ResumeError> {
        resume(
            &mut self.conversation,
            &self.shared,
            room,
            since.into(),
            None,
        )
    }

    /// Resumes like [`resume`](Client::resume), and sends one message before the first replayed one: the result
    /// of `report`, which learns what the client has missed. `None` sends nothing. If the room drops further
    /// messages while the client reads the replay, `report` is called again in their place, before the next
    /// message; [`resume`](Client::resume) returns [`ResumeError::Lagging`] then.
    ///
    /// ```
    /// use stentor::server::{Gap, Since};
    /// use stentor::{Client, HandlerResult, Message};
    ///
    /// fn handler(client: &mut Client) -> HandlerResult {
    ///     client.resume_with("lobby", Since::Last(50), |resumed| {
    ///         let missed = resumed.gap.and_then(Gap::missed).unwrap_or(0);
    ///         Some(Message::from(format!("welcome at {}, {missed} missed", resumed.at)))
    ///     })?;
    ///     while client.recv()?.is_some() {}
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ResumeError`]. The client is not in the room then; it may have received messages.
    #[cfg(feature = "history")]
    pub fn resume_with(
        &mut self,
        room: &str,
        since: impl Into<Since>,
        mut report: impl FnMut(&Resumed) -> Option<Message>,
    ) -> Result<Resumed, ResumeError> {
        let (conversation, shared) = (&mut *self.conversation, &*self.shared);
        let mut report = |resumed: &Resumed, _| report(resumed);
        resume(conversation, shared, room, since.into(), Some(&mut report))
    }

    /// Enters a room as a [`Member`], which the other clients see, and resumes like
    /// [`resume_with`](Client::resume_with). The member's entry is published first. `report` also learns the
    /// members at the position `resumed.at`; the entries that follow change that list.
    ///
    /// ```
    /// use stentor::server::{EnterError, Entered, Member, MemberKey, Publication, Since};
    /// use stentor::{Client, Message};
    ///
    /// fn enter(client: &mut Client, key: MemberKey, name: &str) -> Result<Entered, EnterError> {
    ///     let entry = |verb| Publication::around(format!("{name} has {verb} at "), "");
    ///     let member = Member::new(key).meta(name).joined(entry("joined")).left(entry("left"));
    ///     let welcome = |entered: &Entered| format!("{} are here", entered.members.len());
    ///     client.enter("lobby", Since::Last(50), member, |at| Some(Message::from(welcome(at))))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`EnterError`], also after the end of the connection: it is then neither in the room nor one of the member's.
    #[cfg(feature = "history")]
    #[doc(alias = "presence")]
    pub fn enter(
        &mut self,
        room: &str,
        since: impl Into<Since>,
        member: Member,
        mut report: impl FnMut(&Entered) -> Option<Message>,
    ) -> Result<Entered, EnterError> {
        let (conversation, shared) = (&mut *self.conversation, &*self.shared);
        let place = (room, since.into());
        enter(conversation, shared, place, member, &mut report)
    }

    /// Leaves a room: broadcasts to the room that are sent from now on do not reach this client. If the
    /// client is not in the room, nothing happens. When the connection ends, the client leaves all its rooms.
    #[doc(alias = "unsubscribe")]
    pub fn leave(&self, room: &str) {
        membership::leave(&self.conversation.link, room, &self.shared);
    }

    /// Returns the members of a room, as an audience for broadcasts. This client need not be a member. If it
    /// is, the broadcast reaches this client too; [`except`](Audience::except) leaves it out.
    pub fn room(&self, name: &str) -> Audience {
        Audience::new(&self.shared, Some(name))
    }

    /// Returns all clients of the server, as an audience. This client is one of them.
    pub fn everyone(&self) -> Audience {
        Audience::new(&self.shared, None)
    }

    /// Sends a message to every client, including this one.
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
    pub(crate) fn serve(conversation: Box<Conversation>, shared: &Arc<Shared>, handler: &Handler) {
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
            request: OnceLock::new(),
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
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id())
            .field("version", &self.conversation.connection.version())
            .field("peer", &self.peer())
            .field("state", &self.state())
            .finish()
    }
}
