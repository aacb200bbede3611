//! A client connection, for the thread that has opened it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{DisconnectReason, Error};
use crate::net::connection::{Conversation, Received, Step};
use crate::net::link::Stage;
use crate::net::log::{CLIENT, CONNECTION, debug};
use crate::net::peer::Peer;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::tls::TlsSession;
use crate::protocol::{
    CloseCode, CloseFrame, Closed, Event, HandshakeError, HandshakeResponse, Message, State,
    Version, WeakValues,
};

use super::sender::Sender;
use super::transport::Bridge;

/// A connection that this process has opened, with [`connect`](crate::connect) or
/// [`Connector`](crate::Connector).
///
/// It belongs to one thread, which reads; other threads send through a [`Sender`]. While no thread
/// calls [`recv`](WebSocket::recv) or a similar method, nothing is read: pings are not answered, and
/// the peer may take the connection for dead.
///
/// Dropping it closes the connection with 1000 (1011 in a panic), unless a close was sent already, and
/// waits for the peer's close frame and for the end of the TCP connection, each up to the close timeout.
/// Queued messages are sent before that, as long as the peer reads some bytes within the write timeout.
/// [`abort`](WebSocket::abort) does not wait.
///
/// ```no_run
/// use stentor::CloseCode;
///
/// let mut socket = stentor::connect("ws://127.0.0.1:8000/chat")?;
/// socket.send("hello")?;
/// if let Some(message) = socket.recv()? {
///     println!("{}", message.as_text().unwrap_or("not text"));
/// }
/// socket.close(CloseCode::NORMAL, "done")?;
/// // Waits for the server's close frame, and ignores messages that arrive before it.
/// assert_eq!(socket.recv()?, None);
/// # Ok::<(), stentor::Error>(())
/// ```
#[must_use = "dropping a connection closes it"]
pub struct WebSocket {
    talk: Conversation,
    answer: HandshakeResponse,
    local: Option<SocketAddr>,
    /// The bridge to a transport, if there is one behind the socket.
    pub(super) bridge: Option<Bridge>,
}

/// The number of messages and bytes of a connection so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct ConnectionStats {
    /// Received messages.
    pub messages_in: u64,
    /// Messages that were accepted for sending; the last of them may not have arrived.
    pub messages_out: u64,
    /// Received bytes, handshake and frames.
    pub bytes_in: u64,
    /// Bytes that were passed to the system, handshake and frames.
    pub bytes_out: u64,
}

impl WebSocket {
    /// Performs the handshake.
    pub(super) fn open(
        mut talk: Conversation,
        target: &str,
        local: Option<SocketAddr>,
    ) -> Result<WebSocket, Error> {
        let answer = match shake_hands(&mut talk) {
            Ok(answer) => answer,
            Err(error) => {
                // If TLS failed before the request was sent, that is the error.
                let failure = talk.socket.tls().and_then(TlsSession::failure);
                let error = failure.map_or(error, Error::from);
                debug!(target: CLIENT, "{}: {error}", talk.link);
                talk.release_socket();
                return Err(error);
            }
        };
        talk.publish(target.into(), WeakValues::default());
        talk.link.enter(Stage::Open);
        Ok(WebSocket {
            talk,
            answer,
            local,
            bridge: None,
        })
    }

    /// Returns the version of the connection.
    pub fn version(&self) -> Version {
        self.talk.version()
    }

    /// Returns the subprotocol that the server has chosen, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.talk.connection.subprotocol()
    }

    /// Returns the server's handshake response: its headers, `Set-Cookie` among them.
    pub fn response(&self) -> &HandshakeResponse {
        &self.answer
    }

    /// Returns the other end of the connection, or the proxy if there is one.
    pub fn peer(&self) -> Peer {
        self.talk.link.peer
    }

    /// Returns the local address, unless the connection runs over a Unix socket or a
    /// [`Transport`](super::Transport).
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Returns the state of the connection.
    pub fn state(&self) -> State {
        self.talk.connection.state()
    }

    /// Returns how the connection ended, once it has.
    pub fn closed(&self) -> Option<&Closed> {
        self.talk.closed.as_ref()
    }

    /// Returns the number of messages and bytes so far.
    pub fn stats(&self) -> ConnectionStats {
        let link = &self.talk.link;
        let out = link.send_queue.tally();
        ConnectionStats {
            messages_in: link.messages_in.load(Relaxed),
            messages_out: out.messages,
            bytes_in: link.bytes_in.load(Relaxed),
            bytes_out: out.bytes,
        }
    }

    /// Returns the next message; `Ok(None)` after a normal close: the peer or this side sent a close
    /// frame, or closed the TCP connection in draft-75. Before it waits, it sends the queued messages.
    ///
    /// # Errors
    /// [`Error::Protocol`] after a protocol error of the peer; [`Error::Disconnected`] if the connection ended
    /// without a closing handshake. Both are final, and the same for each further call.
    #[inline]
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.talk.recv()
    }

    /// Like [`recv`](WebSocket::recv), but waits at most for `timeout`.
    ///
    /// # Errors
    /// The same as [`recv`](WebSocket::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.talk.recv_timeout(timeout)
    }

    /// Like [`recv`](WebSocket::recv), but returns pings and pongs as well. Pings have been answered
    /// already.
    ///
    /// # Errors
    /// The same as [`recv`](WebSocket::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        self.talk.recv_event()
    }

    /// Sends a message. While this side processes messages that arrived together, its replies wait and
    /// leave in one piece, before the next wait at the latest; [`flush`](WebSocket::flush) sends them
    /// at once. If the peer does not read, this waits (backpressure), up to the write timeout: two
    /// sides that only send, and both wait, end that way, so a program that sends much should send
    /// from another thread, with a [`Sender`].
    ///
    /// # Errors
    /// [`Error::Send`] if the version cannot carry the message; [`Error::Closed`] once the
    /// connection is closed; [`Error::Disconnected`] when the write timeout passes.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.talk.send(message.into())
    }

    /// Sends a ping with a payload of up to 125 bytes. [`recv_event`](WebSocket::recv_event) returns
    /// the pong.
    ///
    /// # Errors
    /// The same as [`send`](WebSocket::send); draft-75 and draft-76 have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.talk.ping(payload)
    }

    /// Sends the queued bytes, as far as the socket accepts them.
    pub fn flush(&mut self) {
        self.talk.flush();
    }

    /// Starts the closing handshake with a code and a reason, in the version's own way: draft-76 has
    /// only its `FF 00`, draft-75 closes the TCP connection. [`recv`](WebSocket::recv), or dropping the
    /// connection, waits for the peer's close. Messages that arrive from now on are ignored.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason above 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let reason = reason.to_owned();
        self.talk.start_close(CloseFrame { code, reason })
    }

    /// Returns a [`Sender`], which sends, closes and aborts from other threads. It can be cloned.
    pub fn sender(&self) -> Sender {
        Sender {
            link: Arc::clone(&self.talk.link),
            bridge: self.bridge.clone(),
        }
    }

    /// Aborts the connection at once, without a closing handshake and without waiting: queued bytes are
    /// dropped, and the peer receives a reset, or the end of the stream. Every [`Sender`] gets
    /// [`Error::Disconnected`] from now on, with [`DisconnectReason::Aborted`]; [`Sender::abort`] is for other threads.
    pub fn abort(self) {
        // Dropping an aborted connection does not wait.
        self.sender().abort();
    }
}

/// Waits for the response that accepts the request.
fn shake_hands(talk: &mut Conversation) -> Result<HandshakeResponse, Error> {
    loop {
        match talk.step() {
            Step::Event(Event::Open) => {
                // The response is stored before the event.
                return talk.connection.response().cloned().ok_or(Error::Closed);
            }
            Step::Event(Event::Declined(error)) => {
                return Err(match (*error, talk.link.send_queue.disconnect_reason()) {
                    // This side has ended the stream, unless sending has noticed the end first.
                    (HandshakeError::StreamEnded, Some(disconnect_reason))
                        if disconnect_reason != DisconnectReason::EndOfStream =>
                    {
                        Error::Disconnected(disconnect_reason)
                    }
                    (error, _) => Error::Handshake(Box::new(error)),
                });
            }
            Step::Event(_) | Step::Late => {}
            Step::Over => return Err(Error::Disconnected(talk.link.end_reason())),
        }
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        if let Some(disconnect_reason) = self.talk.link.send_queue.disconnect_reason() {
            debug!(target: CONNECTION, "{}: {disconnect_reason}", self.talk.link);
            // Nobody waits for the bytes that may still arrive.
            return self.talk.release_socket();
        }
        let code = match std::thread::panicking() {
            true => CloseCode::INTERNAL_ERROR,
            false => CloseCode::NORMAL,
        };
        self.talk.start_close_unless_closing(CloseFrame::of(code));
        self.talk.complete_close();
        if let Some(closed) = &self.talk.closed {
            debug!(target: CONNECTION, "{}: {closed}", self.talk.link);
        }
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("version", &self.version())
            .field("peer", &self.peer())
            .field("state", &self.state())
            .finish()
    }
}
