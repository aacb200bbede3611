//! The memory of a connection: what it holds for what comes in, and what a shell may fill or send without
//! a copy.

use super::body::Body;
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

    /// The buffer behind [`receive_data`](Connection::receive_data), with room for about `most`
    /// bytes: a shell that reads into it directly saves a copy. Bytes may only be appended.
    pub(crate) fn input_buffer(&mut self, most: usize) -> &mut Vec<u8> {
        let Connection { input, phase, .. } = self;
        match phase {
            Phase::Frames(decoder) if input.is_empty() => match decoder.direct(most) {
                Some(buffer) => buffer,
                None => input.buffer(most),
            },
            _ => input.buffer(most),
        }
    }

    /// Takes bytes as a shell does that reads into [`input_buffer`](Connection::input_buffer): what
    /// is cut and copied differently must not be read differently, and the fuzzer compares the two.
    #[cfg(fuzzing)]
    pub fn read_data(&mut self, most: usize, data: &[u8]) {
        self.input_buffer(most).extend_from_slice(data);
    }

    /// Leaves the body of an HTTP answer out of the output, for a shell that sends it behind that
    /// without a copy.
    pub(crate) fn leave_out_body(&mut self) {
        self.body = Body::default();
    }
}
