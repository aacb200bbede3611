//! What this side sends: messages and pings, compressed where that was agreed on.

use super::connection::Connection;
use super::deflate::{Deflater, Terms};
use super::error::Unsupported;
use super::framing::Encoder;
use super::message::Message;
use super::state::State;

impl Connection {
    /// Sends a message. Before draft-76's handshake is complete, the message waits for that.
    ///
    /// # Errors
    /// [`Unsupported`] for a message that the version cannot carry, and if the connection cannot send
    /// any more; nothing is sent then.
    pub fn send(&mut self, message: &Message) -> Result<(), Unsupported> {
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
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Unsupported> {
        let (encoder, out) = self.sender()?;
        encoder.encode_ping(payload, out)
    }

    /// Compresses messages from now on with these negotiated parameters, if there are any.
    pub(super) fn deflate_by(&mut self, terms: Option<Terms>) {
        self.encoder = self.encoder.map(|encoder| encoder.deflating(terms));
    }

    pub(super) fn terms(&self) -> Option<Terms> {
        self.encoder.and_then(Encoder::terms)
    }

    /// Returns the message compressed, if compression was agreed on and makes it shorter.
    fn deflate(&mut self, message: &Message) -> Option<Vec<u8>> {
        let terms = self.terms().filter(|terms| terms.is_worth(message.len()))?;
        if !terms.takes_over() {
            return Deflater::new(&terms).compress_alone(message);
        }
        let deflater = self
            .deflater
            .get_or_insert_with(|| Box::new(Deflater::new(&terms)));
        let payload = deflater.compress(message.as_bytes());
        if payload.is_none() {
            self.deflater = None;
        }
        payload
    }

    fn sender(&mut self) -> Result<(Encoder, &mut Vec<u8>), Unsupported> {
        match (self.state, self.encoder) {
            (State::Ready, Some(encoder)) => Ok((encoder, &mut self.output)),
            (State::Handshaking, Some(encoder)) => Ok((encoder, &mut self.early)),
            (state, _) => Err(Unsupported::Now(state)),
        }
    }
}
