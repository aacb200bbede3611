//! The handle with which other threads use a connection.

use std::fmt;
use std::sync::Arc;

use crate::error::{DisconnectReason, Error};
use crate::net::link::Link;
use crate::net::log::shown::Shown;
use crate::net::log::traced::Written;
use crate::net::log::{CONNECTION, trace};
use crate::net::send_queue::{NOT_COPIED_FROM, Push};
use crate::net::transport::Bridge;
use crate::protocol::{CloseCode, CloseFrame, Message, SendError, Version};

/// A handle of a client connection: it sends messages, and closes or aborts the connection. Any thread can
/// use it, while another thread waits in [`WebSocket::recv`](crate::WebSocket::recv). A clone is cheap. A
/// sender does not keep the connection open.
///
/// ```no_run
/// # use std::{thread, time::Duration};
/// let mut socket = stentor::connect("ws://127.0.0.1:8000/prices")?;
/// let sender = socket.sender();
/// thread::spawn(move || {
///     while sender.send("refresh").is_ok() {
///         thread::sleep(Duration::from_secs(10));
///     }
/// });
/// while let Some(message) = socket.recv()? {
///     println!("{message:?}");
/// }
/// # Ok::<(), stentor::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Sender {
    pub(crate) link: Arc<Link>,
    pub(super) bridge: Option<Bridge>,
}

/// The result of putting a message into the send queue.
pub(super) enum Pushed {
    /// The queue has taken it. Only a large message may still find a queue that is just closed: it is lost.
    Taken(Push),
    /// The connection is closed: nothing was sent.
    Refused(Message),
}

impl Sender {
    /// Sends a message at once. Messages of several threads never mix.
    ///
    /// If the peer reads too slowly, the [send queue](crate::Connector::send_queue_limit) becomes full, and
    /// this method waits until the queue is no longer above its limit (backpressure). If the peer accepts no
    /// byte for the [write timeout](crate::Connector::write_timeout), this side disconnects. The timeout
    /// starts again with each byte that the peer accepts.
    ///
    /// # Errors
    /// - [`Error::Send`] if the version cannot carry the message: binary, in draft-75 and draft-76.
    /// - [`Error::Closed`] if the connection is closed, or its closing handshake has begun.
    /// - [`Error::Disconnected`] if this side has disconnected, for example after the write timeout.
    #[doc(alias = "backpressure")]
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        match self.push(message.into())? {
            Pushed::Taken(push) => self.link.settle(push),
            Pushed::Refused(_) => self.link.settle(Push::Closed),
        }
    }

    /// Starts the closing handshake with a code and a reason, in the way of the version. Draft-76 has only
    /// its `FF 00`, without a code. In draft-75, this side shuts down its side of the TCP connection.
    ///
    /// This method returns at once. A thread that waits in `recv` gets `Ok(None)` when the peer has answered,
    /// or when the close timeout has passed. Only the first close counts: a second call sends nothing, and
    /// returns `Ok`.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason longer than 123 bytes, in every version.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.link.start_close(CloseFrame::new(code, reason))?;
        Ok(())
    }

    /// Aborts the connection at once, without a closing handshake. Queued bytes are dropped, and the peer
    /// receives a reset or the end of the stream. Threads that wait in `send` or `recv` get
    /// [`Error::Disconnected`] with [`DisconnectReason::Aborted`], unless the connection was closed before.
    ///
    /// The [`WebSocket`](crate::WebSocket) still owns the socket, and releases it when it is dropped. After
    /// an abort, that drop does not wait for the peer. If the drop is already waiting, it stops waiting.
    pub fn abort(&self) {
        self.link.disconnect(DisconnectReason::Aborted);
        if let Some(bridge) = &self.bridge {
            bridge.abandon();
        }
    }

    /// Puts a message into the send queue, and does not wait for room there.
    ///
    /// # Errors
    /// If the version cannot carry the message.
    pub(super) fn push(&self, message: Message) -> Result<Pushed, SendError> {
        let Some(encoder) = self.link.encoder() else {
            return Ok(Pushed::Refused(message));
        };
        trace!(target: CONNECTION, "{}: > {}", self.link, Shown(&message));
        let send_queue = &self.link.send_queue;
        let mut written = Written::for_log();
        let deflated = self.link.reply_deflated(true, &message, &mut written);
        let push = match deflated {
            Some(push) => push,
            None if message.len() < NOT_COPIED_FROM => send_queue.reply(true, |out| {
                let encode = |out: &mut Vec<u8>| encoder.encode(&message, out).map(|()| 1);
                written.by(out, encode)
            })?,
            None if send_queue.is_closed() => Push::Closed,
            None => {
                let push = self.link.reply_owned(encoder, message, &mut written)?;
                written.log(&self.link);
                return Ok(Pushed::Taken(push));
            }
        };
        written.log(&self.link);
        Ok(match push {
            Push::Closed => Pushed::Refused(message),
            push => Pushed::Taken(push),
        })
    }

    /// Returns whether the send queue takes messages. Sending may have noticed the end of a connection that
    /// the reading thread has not noticed yet.
    pub(super) fn takes_messages(&self) -> bool {
        self.is_open() && !self.link.send_queue.is_closed()
    }

    /// Returns whether the connection is open: messages can be sent, since no close has begun.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Returns the version of the connection.
    pub fn version(&self) -> Version {
        // A sender exists only after the handshake.
        self.link.version().unwrap_or(Version::Rfc6455)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("version", &self.version())
            .field("peer", &self.link.peer())
            .field("open", &self.is_open())
            .finish()
    }
}
