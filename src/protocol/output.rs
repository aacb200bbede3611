//! The output of a connection: bytes for the peer, with the encoder and the compressor of its frames.

use super::close::CloseFrame;
use super::deflate::{Deflater, Negotiated};
use super::error::SendError;
use super::framing::Encoder;
use super::handshake::response::{Date, Response};
use super::http::body::Body;
use super::message::Message;
use super::role::Role;
use super::state::State;
use super::version::Version;

/// The bytes that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Encodes this side's frames, once the version is known. It holds the role.
    pub(super) encoder: Option<Encoder>,
    /// Compresses messages, if its context outlives them.
    deflater: Option<Box<Deflater>>,
    bytes: Vec<u8>,
    /// The body of an HTTP response, after the bytes.
    body: Body,
    /// Frames that were sent before the handshake was complete; they leave after its last byte.
    early: Vec<u8>,
}

impl Output {
    /// Returns all bytes.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.bytes
            .extend_from_slice(std::mem::take(&mut self.body).as_bytes());
        std::mem::take(&mut self.bytes)
    }

    #[cfg(any(feature = "server", feature = "client"))]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn role(&self) -> Role {
        self.encoder.map_or(Role::Server, Encoder::role)
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.encoder.map(Encoder::version)
    }

    /// Appends bytes of the handshake.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends an HTTP response; for `head_only`, without its body.
    pub(super) fn respond(&mut self, response: Response, head_only: bool, date: Option<Date>) {
        self.bytes.extend(response.encode_head(date));
        if !head_only {
            self.body = response.into_body();
        }
    }

    /// Drops the body of the HTTP response.
    #[cfg(feature = "server")]
    pub(super) fn leave_out_body(&mut self) {
        self.body = Body::default();
    }

    /// Lets the frames leave that have waited for the end of the handshake.
    pub(super) fn open(&mut self) {
        self.bytes.append(&mut self.early);
    }

    /// Appends a message.
    pub(super) fn message(&mut self, message: &Message, state: State) -> Result<(), SendError> {
        let payload = self.compressed(message);
        let (encoder, out) = self.frames(state)?;
        match payload {
            Some(payload) => encoder.encode_deflated(message, &payload, out),
            None => encoder.encode(message, out)?,
        }
        Ok(())
    }

    /// Appends a ping.
    pub(super) fn ping(&mut self, payload: &[u8], state: State) -> Result<(), SendError> {
        let (encoder, out) = self.frames(state)?;
        encoder.encode_ping(payload, out)
    }

    /// Appends the pong to a ping, which has 125 bytes at most, so that a pong can carry them.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        if let Some(encoder) = self.encoder {
            let _ = encoder.encode_pong(payload, &mut self.bytes);
        }
    }

    /// Appends this side's half of the closing handshake.
    pub(super) fn close(&mut self, frame: Option<&CloseFrame>) -> Result<(), SendError> {
        match self.encoder {
            Some(encoder) => encoder.encode_close(frame, &mut self.bytes),
            None => Ok(()),
        }
    }

    /// Compresses messages from now on with these negotiated parameters, if there are any.
    pub(super) fn deflate_by(&mut self, negotiated: Option<Negotiated>) {
        self.encoder = self.encoder.map(|encoder| encoder.deflating(negotiated));
    }

    pub(super) fn negotiated(&self) -> Option<Negotiated> {
        self.encoder.and_then(Encoder::negotiated)
    }

    /// Returns the message compressed, if compression was agreed on and makes it shorter.
    fn compressed(&mut self, message: &Message) -> Option<Vec<u8>> {
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

    /// Returns the encoder, and the bytes to which a frame is appended in this state.
    fn frames(&mut self, state: State) -> Result<(Encoder, &mut Vec<u8>), SendError> {
        match (state, self.encoder) {
            (State::Ready, Some(encoder)) => Ok((encoder, &mut self.bytes)),
            (State::Handshaking, Some(encoder)) => Ok((encoder, &mut self.early)),
            (state, _) => Err(SendError::WrongState(state)),
        }
    }
}
