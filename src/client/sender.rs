//! A connection, as other threads see it.

use std::fmt;
use std::sync::Arc;

use crate::protocol::{CloseCode, CloseFrame, Message, Version};
use crate::shell::error::{Error, Loss};
use crate::shell::link::Link;
use crate::shell::log::trace;
use crate::shell::shown::Shown;
use crate::shell::traced::Written;
use crate::shell::warden::Warden;

use super::transport::Bridge;

/// Sends, closes and aborts, from any thread, while another waits in [`WebSocket::recv`](super::WebSocket::recv).
/// Cheap to clone; keeping one keeps no connection open.
#[derive(Clone)]
pub struct Sender {
    pub(super) link: Arc<Link>,
    pub(super) warden: Arc<Warden>,
    pub(super) bridge: Option<Bridge>,
}

/// A message of this many bytes is not copied.
const LARGE: usize = 16 * 1024;

impl Sender {
    /// Sends a message at once. Where the peer does not read what is sent to it, this waits until
    /// no more waits than the [`outbox`](super::Connector::outbox) holds, for as long as something
    /// is taken within the write deadline. Messages of several threads never mix.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the version cannot carry the message; [`Error::Closed`] once
    /// the conversation is over; [`Error::Lost`] when the write deadline passes.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let Some(encoder) = self.link.encoder() else {
            return Err(Error::Closed);
        };
        let message = message.into();
        trace!("{}: > {}", self.link, Shown(&message));
        let outbox = &self.link.outbox;
        let mut written = Written::for_log();
        let deflated = self.link.reply_deflated(true, &message, &mut written);
        let push = match deflated {
            Some(push) => push,
            None if message.len() < LARGE => outbox.reply(true, |out| {
                let encode = |out: &mut Vec<u8>| encoder.encode(&message, out).map(|()| 1);
                written.by(out, encode)
            })?,
            None => self.link.reply_owned(encoder, message, &mut written)?,
        };
        written.log(&self.link);
        self.link.settle(push, &self.warden)
    }

    /// Says goodbye with a code and a reason, in the version's own way: draft-76 has only its
    /// `FF 00`, draft-75 hangs up. Returns at once; whoever waits in `recv` gets `Ok(None)` once
    /// the peer has answered, or when the close deadline has passed. A second goodbye is not sent.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a code that may not be sent, or a reason above 123 bytes.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let reason = reason.to_owned();
        let push = self.link.close(CloseFrame { code, reason })?;
        self.warden.mind(push, &self.link);
        Ok(())
    }

    /// Ends the connection at once, without a goodbye: what waits to be sent is given up, and the peer
    /// sees a reset, or the end of the stream. Whoever waits to send, or in `recv`, gets
    /// [`Error::Lost`] with [`Loss::Aborted`], unless the conversation was over before. The socket itself
    /// is let go of when the [`WebSocket`](super::WebSocket) is dropped, which does not wait any more,
    /// even where it has begun to.
    pub fn abort(&self) {
        self.warden.lose(&self.link, Loss::Aborted);
        if let Some(bridge) = &self.bridge {
            bridge.give_up();
        }
    }

    /// Whether messages can still be sent.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// The version that is spoken.
    pub fn version(&self) -> Version {
        // A sender is only given out once the handshake is done.
        self.link.version().unwrap_or(Version::Rfc6455)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("version", &self.version())
            .field("peer", &self.link.peer)
            .field("open", &self.is_open())
            .finish()
    }
}
