//! Assembles a message from the pieces in which it arrives.

use super::pieces::unfinished_character;
use crate::protocol::error::ProtocolError;
use crate::protocol::utf8::whole_characters;

/// The bytes of a message that have arrived so far: checked, and joined from its fragments.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    bytes: Vec<u8>,
    /// How many of them are decoded bytes of the message; the rest has just arrived and is raw.
    used: usize,
    /// How many of them are known to be UTF-8, up to the end of a character.
    valid: usize,
    /// How much memory the next message gets in advance: the length of the previous one, bounded.
    earned: usize,
}

/// The most memory that is reserved before a message arrives, however long the previous one was.
const EARNED_AT_MOST: usize = 1024 * 1024;

/// The memory that a message may take beyond twice its length.
const SPARE: usize = 2048;

impl Assembler {
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Returns the memory that the message takes.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Returns how many bytes have arrived and were not taken.
    pub(crate) fn received(&self) -> usize {
        self.bytes.len()
    }

    /// Notes that `len` bytes will follow. A first message gets memory as it arrives, and is copied
    /// when the buffer grows; a later message gets at once as much as the previous one needed.
    pub(crate) fn announce(&mut self, len: usize) {
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(len.min(self.earned));
        }
    }

    /// Adds raw bytes.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Returns the buffer, with room for `room` bytes, or half as many, and most likely no more.
    /// When bytes arrive one by one the buffer must not grow by one each time: each growth could
    /// copy all earlier bytes.
    #[cfg(any(feature = "server", feature = "client", feature = "deflate", test))]
    pub(crate) fn buffer(&mut self, room: usize) -> &mut Vec<u8> {
        if self.bytes.capacity() - self.bytes.len() < room.div_ceil(2) {
            self.bytes.reserve_exact(room);
        }
        &mut self.bytes
    }

    /// Returns the bytes that are still raw.
    pub(crate) fn raw(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..]
    }

    /// Removes and returns the raw bytes after the first `keep`.
    pub(crate) fn split_raw(&mut self, keep: usize) -> Vec<u8> {
        self.bytes.split_off(self.used + keep)
    }

    /// Marks the raw bytes as decoded. With `check`, fails as soon as no following bytes could make
    /// the message valid UTF-8.
    pub(crate) fn accept(&mut self, check: bool) -> Result<(), ProtocolError> {
        self.used = self.bytes.len();
        if check {
            let whole = whole_characters(&self.bytes[self.valid..]);
            self.valid += whole.unwrap_or_else(|valid| valid);
            whole.map_err(|_| ProtocolError::InvalidUtf8)?;
        }
        Ok(())
    }

    /// Returns whether [`take_piece`](Assembler::take_piece) would return bytes.
    pub(crate) fn has_piece(&self, check: bool) -> bool {
        self.complete(check) > 0
    }

    /// Returns the decoded bytes of the message so far, and forgets them. With `check`, those of a
    /// character that is not complete stay.
    pub(crate) fn take_piece(&mut self, check: bool) -> Vec<u8> {
        self.take_front(self.complete(check))
    }

    /// As [`take_piece`](Assembler::take_piece), for text in which invalid UTF-8 is replaced. Returns how
    /// many bytes were taken, and the text.
    pub(crate) fn take_replaced(&mut self) -> (usize, String) {
        let unfinished = unfinished_character(&self.bytes[..self.used]);
        let bytes = self.take_front(self.used - unfinished);
        let taken = bytes.len();
        let replaced = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let text = String::from_utf8(bytes).unwrap_or_else(|error| replaced(error.into_bytes()));
        (taken, text)
    }

    fn complete(&self, check: bool) -> usize {
        if check { self.valid } else { self.used }
    }

    fn take_front(&mut self, end: usize) -> Vec<u8> {
        if end == 0 {
            return Vec::new();
        }
        let rest = self.bytes.split_off(end);
        self.used -= end;
        self.valid = 0;
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Returns all bytes and starts a new message. The message may be kept for long, so it gets no more
    /// memory than twice its length and a little.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.used = 0;
        self.valid = 0;
        self.earned = self.bytes.len().min(EARNED_AT_MOST);
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() > 2 * bytes.len() + SPARE {
            bytes.shrink_to_fit();
        }
        bytes
    }

    /// Returns all bytes as text, like [`take`](Assembler::take); the bytes are the error if they are not
    /// UTF-8.
    pub(crate) fn take_text(&mut self) -> Result<String, Vec<u8>> {
        String::from_utf8(self.take()).map_err(|error| error.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Assembler;

    #[test]
    fn single_bytes_do_not_copy_the_message_each_time() {
        const LEN: usize = 1024 * 1024;
        let mut assembler = Assembler::default();
        let (mut capacity, mut grown) = (0, 0);
        for left in (1..=LEN).rev() {
            let room = left.min(assembler.len().max(1024));
            assembler.buffer(room).push(b'x');
            assert!(assembler.accept(true).is_ok());
            grown += usize::from(assembler.bytes.capacity() != capacity);
            capacity = assembler.bytes.capacity();
        }
        assert!(grown < 50, "it has grown {grown} times");
        assert!(capacity <= LEN, "{capacity} bytes of memory for {LEN}");
    }
}
