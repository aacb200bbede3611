//! Sends one message in pieces, as fragments.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use crate::error::Error;
use crate::protocol::utf8::whole_characters;
use crate::protocol::{CloseCode, CloseFrame, SendError};

use super::connection::Conversation;
use super::log::traced::Written;

/// Sends one message in pieces, while it is produced: the message need not be in memory as a whole. See
/// [`Client::text_writer`](crate::Client::text_writer) and
/// [`WebSocket::text_writer`](crate::WebSocket::text_writer).
///
/// A writer collects 16 KiB, and sends them as one fragment (RFC 6455 §5.4). [`flush`](Write::flush) sends
/// a smaller fragment. [`finish`](MessageWriter::finish) sends the last fragment. A message that ends before
/// its first fragment was sent is sent whole. The fragments are never compressed, also if compression was
/// negotiated (RFC 7692 §6 allows this).
///
/// **Other messages.** From the first fragment to the last, the connection can carry no other message. The
/// messages that other threads send meanwhile, such as broadcasts, wait in the send queue and leave behind
/// the last fragment. They count towards the limit of the queue, and a full queue has its usual
/// consequences. Pings, pongs and a close frame pass between the fragments. A [`Sender`](crate::Sender) that
/// finds the queue full waits for the last fragment: the thread that has the writer must not wait in this way,
/// or the connection ends with the write timeout.
///
/// **Backpressure.** A write waits while the send queue is above its limit, as a send does. If the peer
/// accepts no byte within the write timeout, the connection is disconnected.
///
/// **A writer that is not used.** From the first fragment on, the write timeout runs for the writer too: if it
/// gets no bytes for that time, while no bytes wait for the peer, the connection is disconnected with
/// [`DisconnectReason::WriteTimeout`](crate::DisconnectReason::WriteTimeout). Otherwise a handler that waits
/// for something else would hold back the messages of all others.
///
/// **A writer that is dropped.** Without `finish`, the message has no end, and no other message can follow
/// it. So the drop closes the connection with 1011.
///
/// **Errors.** The errors of [`Write`] hold an [`Error`], which `?` unwraps in a function that returns an
/// [`Error`]. After such an error the message cannot be completed. The exception is text that is
/// not UTF-8, an error of the kind [`InvalidData`](ErrorKind::InvalidData): no byte of that write was
/// accepted, and the message can go on. A character may be split between two writes.
///
/// ```no_run
/// use std::{fs::File, io};
/// use stentor::{Client, HandlerResult};
///
/// fn send_picture(client: &mut Client) -> HandlerResult {
///     let mut picture = File::open("picture.png")?;
///     let mut writer = client.binary_writer()?;
///     io::copy(&mut picture, &mut writer)?;
///     writer.finish()?;
///     Ok(())
/// }
/// ```
#[must_use = "dropping a writer before `finish` closes the connection"]
pub struct MessageWriter<'a> {
    conversation: &'a mut Conversation,
    is_text: bool,
    /// The bytes of the next fragment.
    buffer: Vec<u8>,
    /// How many of them are known to be UTF-8, up to the end of a character.
    valid: usize,
    /// The first fragment was sent.
    has_begun: bool,
    has_finished: bool,
}

/// The most bytes of a fragment.
const FRAGMENT: usize = 16 * 1024;

impl MessageWriter<'_> {
    /// Sends the rest of the message, and ends the message. Waits while the send queue is above its limit.
    ///
    /// # Errors
    /// - [`Error::Send`] if a text ends within a character. The connection is closed with 1011.
    /// - [`Error::Closed`] if the connection is closed, or its closing handshake has begun.
    /// - [`Error::Disconnected`] if this side has disconnected, for example after the write timeout.
    #[inline]
    pub fn finish(mut self) -> Result<(), Error> {
        self.check_open()?;
        if self.complete() < self.buffer.len() {
            return Err(SendError::InvalidUtf8.into());
        }
        self.has_finished = true;
        self.send(true)
    }

    /// Returns how many bytes of the buffer can be sent: a fragment of a text ends with a whole character.
    #[inline]
    fn complete(&self) -> usize {
        match self.is_text {
            true => self.valid,
            false => self.buffer.len(),
        }
    }

    #[inline]
    fn check_open(&self) -> Result<(), Error> {
        self.conversation.check_open()
    }

    /// Marks the characters of the buffer that are whole; returns whether a valid text can begin with it.
    #[inline]
    fn check_text(&mut self) -> bool {
        let whole = whole_characters(&self.buffer[self.valid..]);
        self.valid += whole.unwrap_or(0);
        whole.is_ok()
    }

    #[inline]
    fn send(&mut self, is_last: bool) -> Result<(), Error> {
        let end = self.complete();
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let (place, payload) = ((is_first, is_last), &self.buffer[..end]);
        let (encoder, mut frame) = (self.conversation.encoder(), Vec::new());
        encoder.encode_fragment(self.is_text, place, payload, &mut frame)?;
        self.buffer.drain(..end);
        self.valid = 0;
        let link = &self.conversation.link;
        let mut written = Written::for_log();
        written.note(&frame);
        let push = link.send_queue.fragment(frame, is_last);
        written.log(link);
        link.settle_fragment(push)?;
        self.conversation.flush_relay();
        Ok(())
    }
}

impl Write for MessageWriter<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_open()?;
        // The buffer is full only if sending has failed before.
        let before = self.buffer.len();
        let taken = bytes.len().min(FRAGMENT.saturating_sub(before));
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.is_text && !self.check_text() {
            self.buffer.truncate(before);
            let error = Error::Send(SendError::InvalidUtf8);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        self.conversation.link.send_queue.note_write();
        if self.buffer.len() >= FRAGMENT {
            self.send(false)?;
        }
        Ok(taken)
    }

    /// Sends the bytes so far as a fragment, if there are any. The start of a character stays.
    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        self.check_open()?;
        if self.complete() > 0 {
            self.send(false)?;
        }
        Ok(())
    }
}

impl Conversation {
    /// Returns a writer for the next message of this side.
    #[inline]
    pub(crate) fn message_writer(&mut self, is_text: bool) -> Result<MessageWriter<'_>, Error> {
        self.check_open()?;
        self.encoder().check_fragments()?;
        if self.link.send_queue.is_in_pieces() {
            // The last writer was neither finished nor dropped.
            self.fail_unfinished();
            return Err(Error::Closed);
        }
        Ok(MessageWriter {
            conversation: self,
            is_text,
            buffer: Vec::new(),
            valid: 0,
            has_begun: false,
            has_finished: false,
        })
    }

    /// Closes the connection, since a message of this side has no end.
    #[inline(never)]
    fn fail_unfinished(&mut self) {
        let reason = "a message was not finished";
        let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, reason);
        self.start_close_unless_closing(frame);
    }

    /// Checks that messages can be sent.
    fn check_open(&self) -> Result<(), Error> {
        self.check_ready()?;
        match self.link.is_open() {
            true => Ok(()),
            false => self.link.settle(super::send_queue::Push::Closed),
        }
    }
}

impl Drop for MessageWriter<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_finished {
            self.conversation.fail_unfinished();
        }
    }
}

impl fmt::Debug for MessageWriter<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter")
            .field("is_text", &self.is_text)
            .field("has_begun", &self.has_begun)
            .finish_non_exhaustive()
    }
}
