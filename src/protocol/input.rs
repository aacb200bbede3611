//! The bytes that have come and were not used yet.

use super::connection::{Connection, Phase};

/// A buffer that is filled at its end and used up from its front, in place.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
}

impl Input {
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    #[inline]
    pub(crate) fn consume(&mut self, used: usize) {
        self.start += used;
        if self.is_empty() {
            self.discard();
        }
    }

    pub(crate) fn discard(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// The buffer, to append to, with room for at least `room` bytes, and no longer with much
    /// more than that where a larger one is not needed now. What is left in it is moved to its
    /// front: the start of a header or of a control frame, so 130 bytes at most once the
    /// handshake is done.
    pub(crate) fn buffer(&mut self, room: usize) -> &mut Vec<u8> {
        self.bytes.drain(..self.start);
        self.start = 0;
        if self.bytes.is_empty() && self.bytes.capacity() > room {
            self.bytes.shrink_to(room);
        }
        self.bytes.reserve(room);
        &mut self.bytes
    }

    pub(crate) fn append(&mut self, bytes: &mut Vec<u8>) {
        self.bytes.append(bytes);
    }
}

/// For a shell that fills the buffer itself.
impl Connection {
    /// Whether bytes have come that no event was made of yet.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// How many bytes have come of a message, or of a frame, that has not ended; 0 where none has
    /// begun. Of a header or a control frame, however much there is of it counts as 1.
    pub(crate) fn unfinished(&self) -> usize {
        match &self.phase {
            Phase::Frames(decoder) => decoder.unfinished().max(usize::from(self.has_input())),
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
}
