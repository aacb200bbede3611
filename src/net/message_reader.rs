//! Receives one message in pieces.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::error::Error;
use crate::protocol::http::text::Escaped;
use crate::protocol::{Event, Piece};

use super::connection::{Conversation, Step};
use super::log::{CONNECTION, trace};

/// Receives one message in pieces, as it comes: the message need not fit into memory. See
/// [`Client::recv_reader`](crate::Client::recv_reader) and
/// [`WebSocket::recv_reader`](crate::WebSocket::recv_reader).
///
/// A read waits until the next bytes of the message arrive, and returns 0 at its end. The bytes of a text are
/// valid UTF-8 as a whole; a read can end within a character. The reader holds at most about 128 KiB of the
/// message at a time, also of a compressed one, in all versions. While a thread waits in a read, pings are
/// answered. If it does not read, TCP slows down the peer (backpressure).
///
/// The timeouts and the rate limit of the connection hold for the message as for any other, the
/// [minimum message rate](crate::ServerBuilder::min_message_rate) too. They count only while a thread
/// waits for bytes.
///
/// **A reader that is dropped.** Before the end of its message, the rest of the message is discarded as it
/// comes, by the next call that receives. The limit holds for that rest too.
///
/// **Errors.** The errors of [`Read`] hold an [`Error`], which `?` unwraps in a function that returns an
/// [`Error`]:
///
/// - [`Error::Protocol`] if the peer broke a rule of the protocol. The usual case is a message that is
///   larger than the limit; the connection fails with 1009, or the code of its version.
/// - [`Error::Closed`] if the connection was closed before the message was complete.
/// - [`Error::Disconnected`] if the connection ended in another way.
///
/// ```no_run
/// use std::{fs::File, io};
/// use stentor::{Client, HandlerResult};
///
/// fn receive_upload(client: &mut Client) -> HandlerResult {
///     const MIB: usize = 1024 * 1024;
///     if let Some(mut reader) = client.recv_reader(500 * MIB)? {
///         io::copy(&mut reader, &mut File::create("upload")?)?;
///     }
///     Ok(())
/// }
/// ```
#[must_use = "dropping a reader discards the rest of its message"]
pub struct MessageReader<'a> {
    conversation: &'a mut Conversation,
    piece: Piece,
    /// How many bytes of the piece were read.
    start: usize,
}

impl MessageReader<'_> {
    /// Returns whether the message is text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.piece.is_text
    }

    /// Returns whether the message is binary.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        !self.is_text()
    }
}

impl BufRead for MessageReader<'_> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.start >= self.piece.bytes.len() && !self.piece.is_last {
            // Drops the old piece first.
            self.piece.bytes = Vec::new();
            self.start = 0;
            self.piece = self.conversation.next_piece()?.ok_or(Error::Closed)?;
        }
        Ok(&self.piece.bytes[self.start..])
    }

    #[inline]
    fn consume(&mut self, amount: usize) {
        self.start = self
            .start
            .saturating_add(amount)
            .min(self.piece.bytes.len());
    }
}

impl Read for MessageReader<'_> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl Conversation {
    /// Waits for the start of the next message, and returns a reader for it; `None` when there will be no
    /// more messages.
    #[inline]
    pub(crate) fn recv_reader(&mut self, limit: usize) -> Result<Option<MessageReader<'_>>, Error> {
        // The rest of a message whose reader was dropped is discarded.
        while self.connection.is_in_pieces() {
            if self.next_piece()?.is_none() {
                return Ok(None);
            }
        }
        self.connection.receive_in_pieces(limit);
        let first = self.next_piece()?;
        Ok(first.map(|piece| MessageReader {
            conversation: self,
            piece,
            start: 0,
        }))
    }

    /// Counts a message with its last piece, and logs each piece.
    pub(super) fn observe_piece(&self, piece: &Piece) {
        if piece.is_last {
            self.link.received_message();
        }
        let kind = if piece.is_text { "text" } else { "binary" };
        let end = if piece.is_last { ", the last" } else { "" };
        trace!(
            target: CONNECTION,
            "{}: < {kind} piece up to byte {}{end}: {}",
            self.link,
            piece.total,
            Escaped::Bytes(&piece.bytes)
        );
    }

    /// Waits for the next piece of a message; `None` when there will be no more.
    #[inline]
    fn next_piece(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            match self.step() {
                Step::Event(Event::Piece(piece)) => return Ok(Some(piece)),
                Step::Event(_) | Step::Late => {}
                Step::Over => return self.verdict().map(|()| None),
            }
        }
    }
}

impl fmt::Debug for MessageReader<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader")
            .field("is_text", &self.is_text())
            .field("total", &self.piece.total)
            .field("is_last", &self.piece.is_last)
            .finish_non_exhaustive()
    }
}
