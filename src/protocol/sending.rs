//! Sends messages and pings, compressed if that was agreed on.

use super::connection::Connection;
use super::deflate::{Deflater, Negotiated};
use super::error::SendError;
use super::framing::Encoder;
use super::message::Message;
use super::state::State;

impl Connection {
    /// Sends a message. Before draft-76's handshake is complete, the message waits for that.
    ///
    /// # Errors
    /// [`SendError`] for a message that the version cannot carry, and if the connection cannot send
    /// any more; nothing is sent then.
    pub fn send(&mut self, message: &Message) -> Result<(), SendError> {
        let payload = self.deflate(message);
        let (encoder, out) = self.sender()?;
        match payload {
            Some(payload) => encoder.encode_deflated(message, &payload, out),
            None => encoder.encode(message, out)?,
        }
        Ok(())
    }

    /// Sends a ping with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// The same as [`send`](Connection::send); draft-75 and draft-76 have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let (encoder, out) = self.sender()?;
        encoder.encode_ping(payload, out)
    }

    /// Compresses messages from now on with these negotiated parameters, if there are any.
    pub(super) fn deflate_by(&mut self, negotiated: Option<Negotiated>) {
        self.encoder = self.encoder.map(|encoder| encoder.deflating(negotiated));
    }

    pub(super) fn negotiated(&self) -> Option<Negotiated> {
        self.encoder.and_then(Encoder::negotiated)
    }

    /// Returns the message compressed, if compression was agreed on and makes it shorter.
    fn deflate(&mut self, message: &Message) -> Option<Vec<u8>> {
        let negotiated = self
            .negotiated()
            .filter(|negotiated| negotiated.is_worth(message.len()))?;
        if !negotiated.keeps_context() {
            return Deflater::new(&negotiated).compress_alone(message);
        }
        let deflater = self
            .deflater
            .get_or_insert_with(|| Box::new(Deflater::new(&negotiated)));
        let payload = deflater.compress(message.as_bytes());
        if payload.is_none() {
            self.deflater = None;
        }
        payload
    }

    fn sender(&mut self) -> Result<(Encoder, &mut Vec<u8>), SendError> {
        match (self.state, self.encoder) {
            (State::Ready, Some(encoder)) => Ok((encoder, &mut self.output)),
            (State::Handshaking, Some(encoder)) => Ok((encoder, &mut self.early)),
            (state, _) => Err(SendError::Now(state)),
        }
    }
}
