//! A client connection, for the thread that has opened it.

use std::fmt;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{DisconnectReason, Error};
use crate::net::connection::{Conversation, Step};
use crate::net::link::{Identity, Stage};
use crate::net::log::{CLIENT, CONNECTION, debug};
use crate::net::message_reader::MessageReader;
use crate::net::message_writer::MessageWriter;
use crate::net::peer::Peer;
use crate::net::received::Received;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::tls::TlsSession;
use crate::net::transport::Bridge;
use crate::protocol::{
    CloseCode, CloseFrame, Closed, Event, HandshakeError, HandshakeResponse, Message, State,
    Version,
};

use super::sender::Sender;

/// A connection that this process has opened, with [`connect`](crate::connect) or
/// [`Connector`](crate::Connector).
///
/// One thread owns the connection and reads from it. Other threads send through a [`Sender`]. While no thread
/// calls [`recv`](WebSocket::recv) or a similar method, nothing is read and no ping is answered. The peer may
/// then assume that the connection is lost.
///
/// Dropping the value closes the connection, unless it is closed already:
///
/// 1. The queued messages are sent, as long as the peer accepts some bytes within each write timeout.
/// 2. A close frame is sent, with 1000, or with 1011 in a panic, unless one was sent before.
/// 3. The drop waits for the peer's close frame, and then for the end of the TCP connection, each for no
///    longer than the close timeout.
///
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
    /// Messages that were received.
    pub messages_in: u64,
    /// Messages that were accepted for sending; the last of them may not have arrived.
    pub messages_out: u64,
    /// Bytes that were received, of the handshake and of frames.
    pub bytes_in: u64,
    /// Bytes that were passed to the system, of the handshake and of frames.
    pub bytes_out: u64,
}

impl WebSocket {
    /// Performs the handshake.
    pub(super) fn open(
        mut talk: Conversation,
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
        talk.publish(Identity::new(talk.encoder()));
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

    /// Returns the subprotocol that the server has chosen, if there is one.
    pub fn subprotocol(&self) -> Option<&str> {
        self.talk.connection.subprotocol()
    }

    /// Returns the server's handshake response, with its headers, such as `Set-Cookie`.
    #[doc(alias = "header")]
    pub fn response(&self) -> &HandshakeResponse {
        &self.answer
    }

    /// Returns the other end of the connection. If there is a proxy, this is the proxy.
    pub fn peer(&self) -> Peer {
        self.talk.link.peer()
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

    /// Returns how the connection was closed, or `None` while it is open.
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

    /// Waits for the next message, and returns it. Before this method waits, it sends the messages that
    /// [`send`](WebSocket::send) holds back.
    ///
    /// The result `Ok(None)` means that the connection was closed in the regular way:
    ///
    /// - The peer sent a close frame. In draft-75, which has none, the peer closed the TCP connection.
    /// - This side has started the closing handshake. The peer may have answered, or the close timeout has
    ///   passed.
    ///
    /// # Errors
    /// - [`Error::Protocol`] if the peer broke a rule of the protocol.
    /// - [`Error::Disconnected`] if the connection ended without a close frame: the peer closed or lost the
    ///   TCP connection, or this side disconnected, for example after a timeout.
    ///
    /// The end of the connection is final: each further call returns the same `Ok(None)` or the same error.
    #[inline]
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.talk.recv()
    }

    /// Waits for the next message like [`recv`](WebSocket::recv), but no longer than `timeout`. If no message
    /// arrives in that time, the result is [`Received::Nothing`]; nothing is lost, and the connection stays
    /// open.
    ///
    /// # Errors
    /// The same as [`recv`](WebSocket::recv).
    #[doc(alias = "timeout")]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.talk.recv_timeout(timeout)
    }

    /// Returns the next message if it has arrived, and never blocks. The result is [`Received::Nothing`] if
    /// there is no whole message now. This method decodes the bytes that have arrived, and answers
    /// pings.
    ///
    /// With this method and `AsFd` (on Windows `AsSocket`), one thread reads several connections in a loop around `poll`:
    ///
    /// - Call `try_recv` until it returns `Nothing` before you poll. A message may have been read with the
    ///   one before it, and `poll` does not show bytes that are in memory, or in the TLS session.
    /// - Poll with a timeout of at most half a second, and then call `try_recv` for every connection, readable
    ///   or not. The keepalive counts the time only while the program looks for input. The call also sees a close
    ///   that another thread has started.
    /// - While the peer does not read the bytes in a full send queue, the result is `Nothing` although the
    ///   socket is readable. Leave such a connection out of the next poll, or the thread is busy until that
    ///   ends.
    /// - [`send`](WebSocket::send), and dropping the connection, can wait for a slow peer.
    ///
    /// # Errors
    /// The same as [`recv`](WebSocket::recv).
    #[doc(alias = "nonblocking")]
    #[doc(alias = "poll")]
    pub fn try_recv(&mut self) -> Result<Received, Error> {
        self.talk.try_recv()
    }

    /// Waits for the next message, ping or pong, like [`recv`](WebSocket::recv). This side has already
    /// answered a ping that this method returns. The result is one of [`Event::Message`], [`Event::Ping`] and
    /// [`Event::Pong`].
    ///
    /// # Errors
    /// The same as [`recv`](WebSocket::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        self.talk.recv_event()
    }

    /// Waits for the start of the next message, and returns a reader that receives it in pieces, as it
    /// comes: [`MessageReader`] says how. The message may have `limit` bytes, after decompression; the limit
    /// of [`recv`](WebSocket::recv) does not apply. A larger message fails the connection with 1009 (1004 in
    /// versions 7 and 8). A short message is received in the same way.
    ///
    /// A message whose start has arrived in an earlier call, such as a
    /// [`recv_timeout`](WebSocket::recv_timeout) that has returned without it, was already subject to
    /// [`max_message_size`](crate::Connector::max_message_size).
    ///
    /// # Errors
    /// The same as [`recv`](WebSocket::recv); so is the result `Ok(None)`.
    #[doc(alias = "stream")]
    pub fn recv_reader(&mut self, limit: usize) -> Result<Option<MessageReader<'_>>, Error> {
        self.talk.recv_reader(limit)
    }

    /// Sends a message. It leaves at once, as far as the socket accepts it; the rest waits in the send queue, and
    /// leaves as soon as the socket accepts more.
    ///
    /// If the peer reads too slowly, the [send queue](crate::Connector::send_queue_limit) becomes full, and
    /// `send` waits (backpressure). If the peer accepts no byte for the [write
    /// timeout](crate::Connector::write_timeout), this side disconnects. This happens if both sides only send
    /// and neither reads. So a program that sends much should send from another thread, with a [`Sender`].
    ///
    /// # Errors
    /// - [`Error::Send`] if the version cannot carry the message: binary, in draft-75 and draft-76.
    /// - [`Error::Closed`] if the connection is closed, or its closing handshake has begun.
    /// - [`Error::Disconnected`] if this side has disconnected, for example after the write timeout.
    #[doc(alias = "backpressure")]
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.talk.send(message.into())
    }

    /// Returns a writer that sends one binary message in pieces, while it is produced:
    /// [`MessageWriter`] says how. Nothing is sent before the writer has bytes. Version 7 and later have
    /// fragments; draft-75 and draft-76 do not.
    ///
    /// # Errors
    /// - [`Error::Send`] if the peer's version has no fragments. The connection stays open.
    /// - [`Error::Closed`] if the connection is closed, or its closing handshake has begun.
    /// - [`Error::Disconnected`] if this side has disconnected.
    #[doc(alias = "stream")]
    #[doc(alias = "fragment")]
    pub fn binary_writer(&mut self) -> Result<MessageWriter<'_>, Error> {
        self.talk.message_writer(false)
    }

    /// Returns a writer that sends one text message in pieces, like
    /// [`binary_writer`](WebSocket::binary_writer). The text must be UTF-8.
    ///
    /// # Errors
    /// The same as [`binary_writer`](WebSocket::binary_writer).
    pub fn text_writer(&mut self) -> Result<MessageWriter<'_>, Error> {
        self.talk.message_writer(true)
    }

    /// Sends a ping with a payload of up to 125 bytes. [`recv_event`](WebSocket::recv_event) returns the
    /// pong.
    ///
    /// # Errors
    /// The same as [`send`](WebSocket::send). Also [`Error::Send`] for a longer payload, and in draft-75 and
    /// draft-76, which have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.talk.ping(payload)
    }

    /// Tries to send the bytes that wait in the send queue, without waiting. Bytes that the socket does not accept
    /// now leave as soon as the socket accepts more, also without this call.
    pub fn flush(&mut self) {
        self.talk.flush();
    }

    /// Starts the closing handshake with a code and a reason, in the way of the version. A version from 7 on
    /// has a close frame with both. Draft-76 has only its `FF 00`, without a code. In draft-75, which has no
    /// close frame, this side shuts down its side of the TCP connection, after all queued bytes.
    ///
    /// This method does not wait. [`recv`](WebSocket::recv), or dropping the connection, then waits for the
    /// peer's close. Messages that arrive after this call are ignored, and [`send`](WebSocket::send) returns
    /// [`Error::Closed`]. Only the first close counts: a second call sends nothing, and returns `Ok`.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason longer than 123 bytes, in every version.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.talk.start_close(CloseFrame::new(code, reason))
    }

    /// Returns a [`Sender`], with which other threads send, close and abort. It can be cloned.
    pub fn sender(&self) -> Sender {
        Sender {
            link: Arc::clone(&self.talk.link),
            bridge: self.bridge.clone(),
        }
    }

    /// Aborts the connection at once, without a closing handshake and without waiting. Queued bytes are
    /// dropped, and the peer receives a reset or the end of the stream. From now on, every [`Sender`] gets
    /// [`Error::Disconnected`] with [`DisconnectReason::Aborted`]. For other threads there is
    /// [`Sender::abort`].
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

/// For `poll`, and for nothing else: a program that reads, writes or configures the socket breaks the
/// connection. With a [`Transport`](super::Transport), this is the socket of the bridge to it. See
/// [`try_recv`](WebSocket::try_recv).
#[cfg(unix)]
impl AsFd for WebSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.talk.socket.as_fd()
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

/// For `poll`, and for nothing else: a program that reads, writes or configures the socket breaks the
/// connection. With a [`Transport`](super::Transport), this is the socket of the bridge to it. See
/// [`try_recv`](WebSocket::try_recv).
#[cfg(windows)]
impl AsSocket for WebSocket {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.talk.socket.as_socket()
    }
}
