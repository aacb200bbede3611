//! The place of a connection in the peer's stream.

use super::closing::Ending;
use super::connection::Connection;
use super::framing::Decoder;
use super::handshake::{ClientHandshake, Proof};

/// The part of the stream that the next bytes belong to. Finer than [`State`], which is enough for
/// callers.
#[derive(Debug)]
pub(super) enum Phase {
    /// The request's header block, searched up to here.
    Head(usize),
    /// Nothing, until the caller has answered the request.
    Announced(Option<Proof>),
    /// Draft-76's eight bytes.
    Key3([u32; 2]),
    /// As a client: the response, and the function that reads it. Only a program that begins handshakes compiles
    /// that function, since only [`Connection::client`] names it.
    Response(Box<ClientHandshake>, fn(&mut Connection) -> Option<()>),
    /// Frames.
    Frames(Decoder),
    /// Nothing: further bytes are ignored.
    Over(Ending),
}

impl Phase {
    /// Returns the memory that is held for messages.
    pub(super) fn held(&self) -> usize {
        match self {
            Phase::Frames(decoder) => decoder.held(),
            _ => 0,
        }
    }
}
