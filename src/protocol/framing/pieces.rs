//! The message that is received in pieces: its limit, and how much of it was delivered.

use super::Decoded;
use crate::protocol::error::ProtocolError;
use crate::protocol::limits::Limits;
use crate::protocol::message::Message;
use crate::protocol::piece::Piece;

/// The most bytes that are decompressed before they are delivered.
pub(super) const MOST: usize = if cfg!(fuzzing) { 256 } else { 32 * 1024 };

/// The state of the present message, or of the next one if none has begun.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// The most bytes of the message.
    limit: usize,
    /// How many of its bytes were delivered, as received.
    delivered: usize,
    /// Its first piece was delivered.
    is_announced: bool,
    /// A control frame, or an error, that follows the last piece.
    behind: Option<Box<Result<Option<Decoded>, ProtocolError>>>,
}

impl Pieces {
    pub(crate) fn new(limit: usize) -> Pieces {
        Pieces {
            limit,
            delivered: 0,
            is_announced: false,
            behind: None,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn delivered(&self) -> usize {
        self.delivered
    }

    /// Returns how many fragments the message may have: one more for each KiB than a whole message.
    pub(super) fn fragments(&self, limits: &Limits) -> usize {
        limits.fragments.saturating_add(self.limit / 1024)
    }

    /// Makes a piece of `bytes`, of which `received` bytes have arrived, and returns it before `behind`: that
    /// follows with the next call.
    ///
    /// # Errors
    /// The error behind the piece, and if the message is too large: a part of it may have arrived before the
    /// limit was known.
    pub(super) fn next(
        &mut self,
        (is_text, received): (bool, usize),
        bytes: Vec<u8>,
        behind: Result<Option<Decoded>, ProtocolError>,
    ) -> Result<Option<Decoded>, ProtocolError> {
        if bytes.is_empty() && self.is_announced {
            return behind;
        }
        self.is_announced = true;
        let piece = self.piece((is_text, received), bytes, false)?;
        if behind != Ok(None) {
            self.behind = Some(Box::new(behind));
        }
        Ok(Some(piece))
    }

    /// Takes the control frame, or the error, that follows the last piece.
    #[inline]
    pub(super) fn take_behind(&mut self) -> Option<Result<Option<Decoded>, ProtocolError>> {
        self.behind.take().map(|behind| *behind)
    }

    fn piece(
        &mut self,
        (is_text, received): (bool, usize),
        bytes: Vec<u8>,
        is_last: bool,
    ) -> Result<Decoded, ProtocolError> {
        self.delivered = self.delivered.saturating_add(received);
        if self.delivered > self.limit {
            return Err(ProtocolError::MessageTooLarge(self.limit));
        }
        Ok(Decoded::Piece(Piece {
            is_text,
            bytes,
            total: self.delivered,
            is_last,
        }))
    }
}

/// Makes the last piece of the rest of the message, of which `received` bytes have arrived, unless they are
/// as many as it has.
///
/// # Errors
/// If the message is too large.
pub(super) fn last(
    pieces: Option<Box<Pieces>>,
    rest: Message,
    received: Option<usize>,
) -> Result<Option<Decoded>, ProtocolError> {
    let Some(mut pieces) = pieces else {
        return Ok(Some(Decoded::Message(rest)));
    };
    let kind = (rest.is_text(), received.unwrap_or(rest.len()));
    pieces.piece(kind, rest.into_data(), true).map(Some)
}

/// Returns how many of the last bytes are the start of a character that may be continued.
pub(super) fn unfinished_character(bytes: &[u8]) -> usize {
    let starts = |count: &usize| {
        let tail = bytes.len().checked_sub(*count).map(|at| &bytes[at..]);
        let judged = tail.map(std::str::from_utf8);
        matches!(judged, Some(Err(error)) if error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..4).find(starts).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::unfinished_character;

    #[test]
    fn a_character_is_unfinished_only_at_the_end() {
        let cases: [(&[u8], usize); 9] = [
            (b"", 0),
            (b"abc", 0),
            (b"ab\xc3", 1),
            (b"ab\xc3\xa4", 0),
            (b"\xe2\x82", 2),
            (b"\xf0\x9f\x98", 3),
            (b"x\xf0\x9f\x98\x80", 0),
            (b"\xff", 0),
            (b"\xc3x", 0),
        ];
        for (bytes, expected) in cases {
            assert_eq!(unfinished_character(bytes), expected, "{bytes:x?}");
        }
    }
}
