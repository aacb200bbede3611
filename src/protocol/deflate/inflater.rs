//! Deflate streams into messages: none larger than the limit, and none that is cut short.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::Terms;
use super::settings::Window;
use crate::protocol::error::Violation;
use crate::protocol::framing::Partial;

/// What the sender has left out (RFC 7692 §7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// A final block of nothing.
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// A message may be made of so many streams, and of one more for each KiB that it may have. The two
/// bytes that end one and nothing else make zlib begin anew, with a copy of all that the next may refer
/// to.
const STREAMS: usize = 1024;

/// The most that is inflated before it is looked at.
const STEP: usize = 8 * 1024;

/// Inflates one message after the other.
///
/// zlib's own state is there only while a message is being read. What the next one may refer to is
/// kept apart from it, in no more bytes than there are: the end of what was received.
pub(crate) struct Inflater {
    /// A compressed message is being read.
    reading: bool,
    /// How long it is as it came.
    read: usize,
    stream: Option<Decompress>,
    /// The stream is at the end of a final block. That need not be the message's end.
    ended: bool,
    /// How many final blocks were followed by more of the message.
    streams: usize,
    history: Vec<u8>,
    /// How much of the history outlives a message.
    keep: usize,
}

/// How far a step has come.
#[derive(PartialEq, Eq)]
enum Step {
    /// There is more to inflate.
    Underway,
    /// The piece is used up, and all of it is inflated.
    Done,
    /// A final block has ended.
    Ended,
}

impl Inflater {
    pub(crate) fn new(terms: &Terms) -> Inflater {
        Inflater {
            reading: false,
            read: 0,
            stream: None,
            ended: false,
            streams: 0,
            history: Vec::new(),
            keep: match terms.receive.takeover {
                true => terms.receive.size(),
                false => 0,
            },
        }
    }

    /// A compressed message begins.
    pub(crate) fn begin(&mut self) {
        self.reading = true;
    }

    /// Whether a compressed message is being read.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading
    }

    /// The memory that it takes now.
    pub(crate) fn held(&self) -> usize {
        /// What zlib takes while a message is being read.
        const STREAM: usize = 46 * 1024;
        let stream = if self.stream.is_some() { STREAM } else { 0 };
        stream + self.history.capacity()
    }

    /// How many compressed bytes may still come of a message that may have `limit` bytes. What gains
    /// nothing is longer than it was, by little; but blocks of nothing could go on for ever.
    pub(crate) fn room(&self, limit: usize) -> usize {
        const BLOCKS: usize = 1024;
        let most = limit.saturating_mul(2).saturating_add(BLOCKS);
        most.saturating_sub(self.read)
    }

    /// Inflates the next piece of a message behind what has come of it already. With `check`, fails
    /// as soon as nothing that follows could make the message UTF-8.
    ///
    /// # Errors
    /// What cannot be inflated, and what makes the message larger than `limit`, or is too many
    /// streams for one of that size: no memory is reserved for what is beyond it.
    pub(crate) fn inflate(
        &mut self,
        mut piece: &[u8],
        message: &mut Partial,
        check: bool,
        limit: usize,
    ) -> Result<(), Violation> {
        self.read += piece.len();
        while !piece.is_empty() {
            // What follows a final block is a stream of its own (RFC 7692 §7.2.3.4).
            while self.step(&mut piece, message.buffer(0), limit)? == Step::Underway {
                message.accept(check)?;
            }
            message.accept(check)?;
        }
        Ok(())
    }

    /// The message is over: puts back what its sender has left out. Nothing may be missing then, which
    /// zlib does not tell. But only between two blocks can a final one begin, and end the stream.
    ///
    /// # Errors
    /// As [`inflate`](Inflater::inflate), and where the stream is cut short.
    pub(crate) fn finish(&mut self, message: &mut Partial, limit: usize) -> Result<(), Violation> {
        let message = message.buffer(0);
        // Behind a final block the sender has to put `00`, for the tail to fit. Where it has not, it
        // is clear all the same where the message ends.
        if !self.ended {
            for (mut end, expected) in [(&TAIL[..], Step::Done), (&END, Step::Ended)] {
                if self.step(&mut end, message, limit)? != expected || !end.is_empty() {
                    return Err(Violation::BadCompression);
                }
            }
        }
        self.reading = false;
        self.read = 0;
        self.stream = None;
        self.ended = false;
        self.streams = 0;
        let new = last(message, self.keep);
        let surplus = (self.history.len() + new.len()).saturating_sub(self.keep);
        self.history.drain(..surplus);
        self.history.extend_from_slice(new);
        Ok(())
    }

    fn step(
        &mut self,
        piece: &mut &[u8],
        message: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Step, Violation> {
        let stream = match &mut self.stream {
            Some(stream) if self.ended => {
                self.streams += 1;
                if self.streams > STREAMS + limit / 1024 {
                    return Err(Violation::MessageTooLarge(limit));
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
        append(message, &inflated[..written], limit)?;
        let status = status.map_err(|_| Violation::BadCompression)?;
        self.ended = status == Status::StreamEnd;
        match status {
            Status::StreamEnd => Ok(Step::Ended),
            _ if written == STEP => Ok(Step::Underway),
            _ if piece.is_empty() => Ok(Step::Done),
            // zlib takes everything while there is room for what becomes of it.
            _ => Err(Violation::BadCompression),
        }
    }
}

/// Lets what follows refer to `known`.
fn remember(stream: &mut Decompress, known: &[u8]) -> Result<(), Violation> {
    match stream.set_dictionary(known) {
        Ok(_) => Ok(()),
        Err(_) => Err(Violation::BadCompression),
    }
}

/// Grows as a vector does, but not beyond the limit.
fn append(message: &mut Vec<u8>, piece: &[u8], limit: usize) -> Result<(), Violation> {
    let room = limit.saturating_sub(message.len());
    if piece.len() > room {
        return Err(Violation::MessageTooLarge(limit));
    }
    if piece.len() > message.capacity() - message.len() {
        message.reserve_exact(piece.len().max(message.len()).min(room));
    }
    message.extend_from_slice(piece);
    Ok(())
}

fn last(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(most)..]
}

/// What one step has used or made is never more than memory holds.
fn count(bytes: u64) -> Result<usize, Violation> {
    usize::try_from(bytes).map_err(|_| Violation::BadCompression)
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("history", &self.history.len())
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}
