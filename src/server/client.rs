//! A client, as its handler sees it.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::protocol::{CloseCode, CloseFrame, Closed, Event, Message, Request, State, Version};
use crate::shell::caught::caught;
use crate::shell::conversation::Received;
use crate::shell::error::Error;
use crate::shell::link::ClientId;
use crate::shell::peer::Peer;

use super::crew::Crew;
use super::farewell::Ended;
use super::handle::{Audience, ClientHandle, ServerHandle};
use super::membership::JoinError;
use super::session::Session;

/// What a handler returns. An error, like a panic, closes its one client with 1011 and is logged.
/// A stack overflow is no panic: it aborts the process, see
/// [`stack_size`](super::ServerBuilder::stack_size).
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A client, as its handler sees it. Leaving the handler closes it with 1000.
pub struct Client {
    /// On the heap, where it is small: a stack grows by pages, and an idle client keeps them.
    talk: Box<Session>,
    /// Without a server's loop, the clients keep the hub and the warden alive.
    _crew: Option<Arc<Crew>>,
}

impl Client {
    /// The client's number.
    pub fn id(&self) -> ClientId {
        self.talk.link.id
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.talk.version()
    }

    /// Who is at the other end of the connection; behind a proxy, the proxy.
    pub fn peer(&self) -> Peer {
        self.talk.link.peer
    }

    /// The client's address: the one that `X-Forwarded-For` names where the server trusts that,
    /// or else the connection's, which over a Unix socket has none.
    pub fn addr(&self) -> Option<IpAddr> {
        self.talk.address()
    }

    /// The request that opened the conversation: path, query, header fields, cookies, origin.
    pub fn request(&self) -> &Request {
        static NONE: OnceLock<Request> = OnceLock::new();
        let none = || NONE.get_or_init(Request::none);
        self.talk.connection.request().unwrap_or_else(none)
    }

    /// The subprotocol that was agreed on, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.talk.connection.subprotocol()
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.talk.connection.state()
    }

    /// How the conversation ended, once it has.
    pub fn closed(&self) -> Option<&Closed> {
        self.talk.closed.as_ref()
    }

    /// The next message; `Ok(None)` when the conversation is over in good order: the peer said
    /// goodbye, or hung up where its version (or its browser, in draft-76) knows nothing better,
    /// or we did. Before it waits, it sends what there is to send.
    ///
    /// # Errors
    /// [`Error::Violation`] when the peer broke the protocol; [`Error::Lost`] when it is gone
    /// without a goodbye. Both are final, and the same for each further call.
    #[inline]
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        match self.talk.short_message() {
            Some(message) => Ok(Some(message)),
            None => self.talk.next_message(),
        }
    }

    /// As [`recv`](Client::recv), for at most as long as `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Client::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.talk.next_message_within(timeout)
    }

    /// As [`recv`](Client::recv), for a handler that wants to see pings and pongs as well. Pings
    /// have been answered already.
    ///
    /// # Errors
    /// As [`recv`](Client::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        self.talk.next_event()
    }

    /// Sends a message to this client. While messages that came together are being worked off,
    /// replies wait for each other and leave in one piece; [`flush`](Client::flush) hurries them.
    /// Where the client does not read what is sent to it, this waits, up to the write deadline.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the version cannot carry the message; [`Error::Closed`] once
    /// the conversation is over; [`Error::Lost`] when the write deadline passes.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.talk.send(message.into())
    }

    /// Sends a ping with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// As [`send`](Client::send); draft-75 and draft-76 have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        let encoder = self.talk.encoder();
        self.talk
            .reply(|out| encoder.encode_ping(payload, out).map(|()| 0))
    }

    /// Sends the replies that wait, as far as the socket takes them.
    pub fn flush(&mut self) {
        self.talk.flush();
    }

    /// Says goodbye with a code and a reason, in the version's own way. What follows is for
    /// [`recv`](Client::recv) to find out, or for the end of the handler, which waits for it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a code that may not be sent, or a reason above 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let reason = reason.to_owned();
        self.talk.close(CloseFrame { code, reason })
    }

    /// The server that it is a client of: to look at everybody, or to shut it down.
    pub fn server(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.talk.shared),
        }
    }

    /// A handle that can be cloned and used from any thread.
    pub fn handle(&self) -> ClientHandle {
        ClientHandle::new(Arc::clone(&self.talk.link), &self.talk.shared)
    }

    /// Enters a room. Broadcasts to it that are posted from now on reach this client. Entering a
    /// room twice is the same as entering it once.
    ///
    /// Where a limit does not allow it, the client stays outside, a line of the log says why, and
    /// [`Counters::not_joined`](crate::Counters::not_joined) counts it:
    /// [`try_join`](Client::try_join) returns the reason, for handlers that enter rooms whose names,
    /// or whose number, a peer chooses.
    pub fn join(&self, room: &str) {
        self.talk.join_or_log(room);
    }

    /// Enters a room as [`join`](Client::join) does, and returns the reason where a limit does not
    /// allow it. [`Counters::not_joined`](crate::Counters::not_joined) counts that, too; nothing is
    /// logged.
    ///
    /// # Errors
    /// [`JoinError`] where the client is in as many rooms as
    /// [`max_rooms_per_client`](crate::ServerBuilder::max_rooms_per_client) allows, all clients
    /// together in as many as [`max_memberships`](crate::ServerBuilder::max_memberships) does, or
    /// the room's name is longer than 256 bytes. The client is outside then, and nothing else has
    /// changed.
    pub fn try_join(&self, room: &str) -> Result<(), JoinError> {
        self.talk.join(room)
    }

    /// Leaves a room. The end of the conversation leaves all.
    pub fn leave(&self, room: &str) {
        self.talk.leave(room);
    }

    /// The members of a room, as an audience; this client need not be one of them.
    pub fn room(&self, name: &str) -> Audience {
        Audience::new(&self.talk.shared, Some(name))
    }

    /// Every client, as an audience.
    pub fn everyone(&self) -> Audience {
        Audience::new(&self.talk.shared, None)
    }

    /// Sends a message to every client, this one too.
    pub fn broadcast(&self, message: impl Into<Message>) {
        self.everyone().broadcast(message);
    }

    /// Goes through the handshake.
    pub(crate) fn open(talk: Box<Session>, crew: &Arc<Crew>) -> Result<Client, Error> {
        let mut client = Client {
            talk,
            _crew: Some(Arc::clone(crew)),
        };
        client.talk.open()?;
        Ok(client)
    }

    /// The whole life: the handshake, the handler, whatever it does, and the end.
    pub(crate) fn serve(talk: Box<Session>, handler: &(impl Fn(&mut Client) -> Outcome + Sync)) {
        let mut client = Client { talk, _crew: None };
        let outcome = caught(|| match client.talk.open() {
            Ok(()) => handler(&mut client),
            // Refused, answered with a page, or gone: nobody to hand over.
            Err(_) => Ok(()),
        });
        let ended = Ended::of(outcome, &client.talk);
        client.talk.finish(ended);
    }
}

/// For streams that are served without a server's loop: the end of the value is the end of the
/// conversation.
impl Drop for Client {
    fn drop(&mut self) {
        self.talk.finish(match std::thread::panicking() {
            true => Ended::Badly("its thread panicked".to_owned()),
            false => Ended::Well,
        });
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id())
            .field("version", &self.talk.connection.version())
            .field("peer", &self.peer())
            .field("state", &self.state())
            .finish()
    }
}
