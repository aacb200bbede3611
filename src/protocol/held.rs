//! The memory that a connection holds for what has come in.

use super::connection::{Connection, Phase};

impl Connection {
    /// Returns the bytes of memory that are held now for what has come in: the receive buffer, the part
    /// of an unfinished message, and what inflates it. Messages that were taken are not among them, nor
    /// is the request.
    ///
    /// One connection's is bounded by [`Limits::message`](super::Limits::message) and a constant; a shell
    /// that serves many bounds the sum.
    pub fn held_bytes(&self) -> usize {
        let decoder = match &self.phase {
            Phase::Frames(decoder) => decoder.held(),
            _ => 0,
        };
        self.input.capacity() + decoder
    }

    /// How long the unfinished message is by now, inflated where it is compressed.
    pub(crate) fn unfinished(&self) -> usize {
        match &self.phase {
            Phase::Frames(decoder) => decoder.unfinished(),
            _ => 0,
        }
    }
}
