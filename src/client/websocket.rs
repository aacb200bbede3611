//! A connection, as the thread sees it that has opened it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{
    Answer, CloseCode, CloseFrame, Closed, Event, HandshakeError, Message, State, Version,
};
use crate::shell::conversation::{Conversation, Patience, Received, Step};
use crate::shell::error::{Error, Loss};
use crate::shell::link::Stage;
use crate::shell::log::debug;
use crate::shell::peer::Peer;
use crate::shell::sync::atomic::Ordering::Relaxed;
use crate::shell::tls::TlsSession;

use super::sender::Sender;
use super::transport::Bridge;

/// A connection that this process has opened: [`connect`](super::connect) or
/// [`Connector`](super::Connector) make one.
///
/// It belongs to one thread, which reads; other threads send through a [`Sender`]. While nobody
/// calls [`recv`](WebSocket::recv) or its like, nothing is read: pings lie unanswered, and the peer
/// may think that nobody is here.
///
/// Dropping it says goodbye with 1000 (1011 in a panic), unless somebody has, and waits for the peer's
/// half and for its hanging up, each for as long as the close deadline allows. What was sent before
/// leaves before that, as long as something is taken within the write deadline. Who cannot wait
/// [aborts](WebSocket::abort) it.
pub struct WebSocket {
    talk: Conversation,
    answer: Answer,
    local: Option<SocketAddr>,
    /// Where there is a transport behind the socket.
    pub(super) bridge: Option<Bridge>,
}

/// What went over a connection so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages that came in.
    pub messages_in: u64,
    /// Messages that were taken for sending; the last of them may not have arrived.
    pub messages_out: u64,
    /// Bytes that came in, handshake and frames.
    pub bytes_in: u64,
    /// Bytes that the system has taken, handshake and frames.
    pub bytes_out: u64,
}

impl WebSocket {
    /// Goes through the handshake.
    pub(super) fn open(
        mut talk: Conversation,
        target: &str,
        local: Option<SocketAddr>,
    ) -> Result<WebSocket, Error> {
        let answer = match shake_hands(&mut talk) {
            Ok(answer) => answer,
            Err(error) => {
                // Where it did not come so far as to ask, that is why.
                let failure = talk.socket.tls().and_then(TlsSession::failure);
                let error = failure.map_or(error, Error::from);
                debug!("{}: {error}", talk.link);
                talk.let_go();
                return Err(error);
            }
        };
        talk.introduce(target.into());
        talk.link.enter(Stage::Open);
        Ok(WebSocket {
            talk,
            answer,
            local,
            bridge: None,
        })
    }

    /// The version that is spoken.
    pub fn version(&self) -> Version {
        self.talk.version()
    }

    /// The subprotocol that the server has chosen, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.talk.connection.subprotocol()
    }

    /// The server's answer to the handshake: its fields, `Set-Cookie` among them.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Who is at the other end of the connection; a proxy, where there is one.
    pub fn peer(&self) -> Peer {
        self.talk.link.peer
    }

    /// The own address, unless the connection is one of a Unix socket, or not the system's at all.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.talk.connection.state()
    }

    /// How the conversation ended, once it has.
    pub fn closed(&self) -> Option<&Closed> {
        self.talk.closed.as_ref()
    }

    /// What went over the connection so far.
    pub fn traffic(&self) -> Traffic {
        let link = &self.talk.link;
        let out = link.outbox.tally();
        Traffic {
            messages_in: link.messages_in.load(Relaxed),
            messages_out: out.messages,
            bytes_in: link.bytes_in.load(Relaxed),
            bytes_out: out.bytes,
        }
    }

    /// The next message; `Ok(None)` when the conversation is over in good order: the peer said
    /// goodbye, or hung up in draft-75, or we did. Before it waits, it sends what there is to send.
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

    /// As [`recv`](WebSocket::recv), for at most as long as `timeout`.
    ///
    /// # Errors
    /// As [`recv`](WebSocket::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.talk.next_message_within(timeout)
    }

    /// As [`recv`](WebSocket::recv), for those who want to see pings and pongs as well. Pings have
    /// been answered already.
    ///
    /// # Errors
    /// As [`recv`](WebSocket::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        self.talk.next_event()
    }

    /// Sends a message. While messages that came together are being worked off, what is sent waits
    /// and leaves in one piece, before the next wait at the latest; [`flush`](WebSocket::flush)
    /// hurries it. Where the peer does not read what is sent to it, this waits, up to the write
    /// deadline: two sides that only send, and both wait, end that way, so who sends much should
    /// have another thread for it, and a [`Sender`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the version cannot carry the message; [`Error::Closed`] once
    /// the conversation is over; [`Error::Lost`] when the write deadline passes.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.talk.send(message.into())
    }

    /// Sends a ping with a payload of up to 125 bytes. [`recv_event`](WebSocket::recv_event) shows
    /// the pong.
    ///
    /// # Errors
    /// As [`send`](WebSocket::send); draft-75 and draft-76 have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        let encoder = self.talk.encoder();
        self.talk
            .reply(|out| encoder.encode_ping(payload, out).map(|()| 0))
    }

    /// Sends what waits, as far as the socket takes it.
    pub fn flush(&mut self) {
        self.talk.flush();
    }

    /// Says goodbye with a code and a reason, in the version's own way: draft-76 has only its
    /// `FF 00`, draft-75 hangs up. What follows is for [`recv`](WebSocket::recv) to find out, or
    /// for dropping, which waits for it. What the peer says from now on is not heard any more.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a code that may not be sent, or a reason above 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let reason = reason.to_owned();
        self.talk.close(CloseFrame { code, reason })
    }

    /// For other threads: sends, closes and aborts. It can be cloned.
    pub fn sender(&self) -> Sender {
        Sender {
            link: Arc::clone(&self.talk.link),
            warden: Arc::clone(&self.talk.warden),
            bridge: self.bridge.clone(),
        }
    }

    /// Ends the connection at once, without a goodbye and without waiting for anybody: what waits to be
    /// sent is given up, and the peer sees a reset, or the end of the stream. Every [`Sender`] gets
    /// [`Error::Lost`] from now on, with [`Loss::Aborted`]; [`Sender::abort`] is for other threads.
    pub fn abort(self) {
        // Dropping a connection that is lost has nothing to wait for.
        self.sender().abort();
    }
}

/// The answer that the request was accepted with.
fn shake_hands(talk: &mut Conversation) -> Result<Answer, Error> {
    loop {
        match talk.step(&mut Patience::endless()) {
            Step::Event(Event::Open) => {
                // Which is there from now on.
                return talk.connection.answer().cloned().ok_or(Error::Closed);
            }
            Step::Event(Event::Declined(error)) => {
                return Err(match (*error, talk.link.outbox.loss()) {
                    // The end of the stream was of our own making, unless sending found it first.
                    (HandshakeError::StreamEnded, Some(loss)) if loss != Loss::EndOfStream => {
                        Error::Lost(loss)
                    }
                    (error, _) => Error::Handshake(Box::new(error)),
                });
            }
            Step::Event(_) | Step::Late => {}
            Step::Over => {
                let loss = talk.link.outbox.loss().unwrap_or(Loss::EndOfStream);
                return Err(Error::Lost(loss));
            }
        }
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        if let Some(loss) = self.talk.link.outbox.loss() {
            debug!("{}: {loss}", self.talk.link);
            // What may still come is for nobody.
            return self.talk.let_go();
        }
        self.talk.say_goodbye(match std::thread::panicking() {
            true => CloseCode::INTERNAL_ERROR,
            false => CloseCode::NORMAL,
        });
        self.talk.hang_up();
        if let Some(closed) = &self.talk.closed {
            debug!("{}: {closed}", self.talk.link);
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
