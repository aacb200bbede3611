//! A part of a message that is received in pieces.

/// A part of a message that is received in pieces, in the order of its bytes: see
/// [`Connection::receive_in_pieces`](super::Connection::receive_in_pieces).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// Whether the message is text. It is the same in all pieces of one message.
    pub is_text: bool,
    /// The bytes; none in a piece that only announces the message, or its end. Those of a text are UTF-8,
    /// and end with a whole character.
    pub bytes: Vec<u8>,
    /// The number of bytes of the message that have arrived, from its start to the end of this piece.
    pub total: usize,
    /// Whether the message ends with this piece.
    pub is_last: bool,
}
