//! The receive buffer: received bytes that were not decoded yet.

/// A buffer that is filled at its end and used up from its front, in place.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl ReceiveBuffer {
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

    /// Returns the memory that the buffer takes.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn discard(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Returns the buffer, to append to, with room for at least `room` bytes, and without the memory
    /// beyond that if it is not needed now. The remaining bytes are moved to its front: the start of a
    /// frame header or of a control frame, so 130 bytes at most once the handshake is done.
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
