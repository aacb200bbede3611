//! Decompresses deflate streams into messages: none larger than the limit, and none cut short.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::Negotiated;
use super::settings::Window;
use crate::protocol::error::ProtocolError;
use crate::protocol::framing::Assembler;

/// The bytes that the sender has left out (RFC 7692 §7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An empty final block.
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// The most streams in a message, plus one for each KiB of the size limit. A stream of only the two
/// bytes that end it makes zlib start again, with a copy of all bytes that the next one may refer to.
const STREAMS: usize = 1024;

/// The most bytes that are decompressed before they are checked.
const STEP: usize = 8 * 1024;

/// Decompresses one message after the other.
///
/// zlib's own state exists only while a message is being read. The context for the next message, the
/// end of the received bytes, is kept apart from it, in no more memory than it has bytes.
pub(crate) struct Inflater {
    /// A compressed message is being read.
    reading: bool,
    /// The compressed bytes of the message so far.
    read: usize,
    stream: Option<Decompress>,
    /// The stream is at the end of a final block, which need not be the end of the message.
    ended: bool,
    /// How many final blocks were followed by further bytes of the message.
    streams: usize,
    /// zlib may have more output for the compressed bytes that it has taken.
    underway: bool,
    /// How many bytes of the message were delivered before its end.
    delivered: usize,
    /// The end of the messages before, and of the bytes of this one that were delivered.
    history: Vec<u8>,
    /// How many bytes of the history are kept after a message.
    keep: usize,
}

/// The result of one step.
#[derive(PartialEq, Eq)]
enum Step {
    /// There is more to decompress.
    Underway,
    /// The piece is used up, and all of it is decompressed.
    Done,
    /// A final block has ended.
    Ended,
}

impl Inflater {
    pub(crate) fn new(negotiated: &Negotiated) -> Inflater {
        Inflater {
            reading: false,
            read: 0,
            stream: None,
            ended: false,
            streams: 0,
            underway: false,
            delivered: 0,
            history: Vec::new(),
            keep: match negotiated.receive.takeover {
                true => negotiated.receive.size(),
                false => 0,
            },
        }
    }

    /// Begins a compressed message.
    pub(crate) fn begin(&mut self) {
        self.reading = true;
    }

    /// Returns whether a compressed message is being read.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading
    }

    /// Returns the memory that decompression takes now.
    pub(crate) fn held(&self) -> usize {
        /// The memory that zlib takes while a message is being read.
        const STREAM: usize = 46 * 1024;
        let stream = if self.stream.is_some() { STREAM } else { 0 };
        stream + self.history.capacity()
    }

    /// Returns how many more compressed bytes a message with a limit of `limit` bytes may have.
    /// Compression that saves nothing makes a message a little longer; but empty blocks could go on
    /// for ever.
    pub(crate) fn room(&self, limit: usize) -> usize {
        const BLOCKS: usize = 1024;
        let most = limit.saturating_mul(2).saturating_add(BLOCKS);
        most.saturating_sub(self.read)
    }

    /// Decompresses the next piece and appends it to the message, until the message has `most` bytes that
    /// were not delivered. Returns whether there is more to decompress. With `check`, fails as soon as no
    /// following bytes could make the message valid UTF-8.
    ///
    /// # Errors
    /// If the piece cannot be decompressed, makes the message larger than `limit`, or contains too
    /// many streams for that limit: no memory is reserved beyond the limit.
    pub(crate) fn inflate(
        &mut self,
        piece: &mut &[u8],
        message: &mut Assembler,
        check: bool,
        (limit, most): (usize, usize),
    ) -> Result<bool, ProtocolError> {
        let before = piece.len();
        // The bytes after a final block are a new stream (RFC 7692 §7.2.3.4).
        while (self.underway || !piece.is_empty()) && message.len() < most {
            self.underway = self.step(piece, message.buffer(0), limit)? == Step::Underway;
            message.accept(check)?;
        }
        self.read += before - piece.len();
        Ok(self.underway || !piece.is_empty())
    }

    /// Notes bytes of the message that are delivered before its end: the following ones may refer to them.
    pub(crate) fn delivered(&mut self, bytes: &[u8]) {
        if self.reading && !bytes.is_empty() {
            self.delivered += bytes.len();
            remember_last(&mut self.history, bytes, Window::LARGEST);
        }
    }

    /// Ends the message: appends the bytes that its sender has left out. The stream must be complete
    /// then, which zlib does not report. But a final block can begin only between two blocks, and its
    /// end is the end of the stream.
    ///
    /// # Errors
    /// The same as [`inflate`](Inflater::inflate), and if the stream is cut short.
    pub(crate) fn finish(
        &mut self,
        message: &mut Assembler,
        limit: usize,
    ) -> Result<(), ProtocolError> {
        let message = message.buffer(0);
        // After a final block the sender has to write `00`, so that the tail fits. Without it, the end
        // of the message is clear nevertheless.
        if !self.ended {
            for (mut end, expected) in [(&TAIL[..], Step::Done), (&END, Step::Ended)] {
                if self.step(&mut end, message, limit)? != expected || !end.is_empty() {
                    return Err(ProtocolError::InvalidCompression);
                }
            }
        }
        self.reading = false;
        self.read = 0;
        self.stream = None;
        self.ended = false;
        self.streams = 0;
        self.delivered = 0;
        remember_last(&mut self.history, message, self.keep);
        Ok(())
    }

    fn step(
        &mut self,
        piece: &mut &[u8],
        message: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Step, ProtocolError> {
        let stream = match &mut self.stream {
            Some(stream) if self.ended => {
                self.streams += 1;
                if self.streams > STREAMS + limit / 1024 {
                    return Err(ProtocolError::MessageTooLarge(limit));
                }
                stream.reset(false);
                remember(stream, &self.history)?;
                remember(stream, last(message, Window::LARGEST))?;
                stream
            }
            Some(stream) => stream,
            none => {
                let stream = none.insert(Decompress::new(false));
                remember(stream, &self.history)?;
                stream
            }
        };
        let mut inflated = [0; STEP];
        let (read, written) = (stream.total_in(), stream.total_out());
        let status = stream.decompress(piece, &mut inflated, FlushDecompress::Sync);
        let read = count(stream.total_in() - read)?;
        let written = count(stream.total_out() - written)?;
        *piece = &piece[read..];
        let room = limit.saturating_sub(self.delivered + message.len());
        if written > room {
            return Err(ProtocolError::MessageTooLarge(limit));
        }
        append(message, &inflated[..written], room);
        let status = status.map_err(|_| ProtocolError::InvalidCompression)?;
        self.ended = status == Status::StreamEnd;
        match status {
            Status::StreamEnd => Ok(Step::Ended),
            _ if written == STEP => Ok(Step::Underway),
            _ if piece.is_empty() => Ok(Step::Done),
            // zlib takes all input while there is room for the output.
            _ => Err(ProtocolError::InvalidCompression),
        }
    }
}

/// Lets the following bytes refer to `known`.
fn remember(stream: &mut Decompress, known: &[u8]) -> Result<(), ProtocolError> {
    match stream.set_dictionary(known) {
        Ok(_) => Ok(()),
        Err(_) => Err(ProtocolError::InvalidCompression),
    }
}

/// Appends a piece for which there is room. The memory grows as a vector's does, but not beyond the room.
fn append(message: &mut Vec<u8>, piece: &[u8], room: usize) {
    if piece.len() > message.capacity() - message.len() {
        message.reserve_exact(piece.len().max(message.len()).min(room));
    }
    message.extend_from_slice(piece);
}

/// Appends the end of `bytes`, and drops older bytes, so that no more than `most` stay.
fn remember_last(history: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let new = last(bytes, most);
    let surplus = (history.len() + new.len()).saturating_sub(most);
    history.drain(..surplus.min(history.len()));
    history.extend_from_slice(new);
}

fn last(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(most)..]
}

/// Converts a number of bytes that one step has read or written, which always fits into memory.
fn count(bytes: u64) -> Result<usize, ProtocolError> {
    usize::try_from(bytes).map_err(|_| ProtocolError::InvalidCompression)
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("history", &self.history.len())
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}
