//! One direction: the bytes that were not explained yet, and the part of the conversation that they are.

use std::fmt;

use crate::note::{Part, Side};

use super::body::Body;
use super::frames::FrameReader;
use super::head::Search;
use super::sink::{NoteDraft, Sink};

/// One direction.
pub(super) struct Stream {
    pub(super) from: Side,
    /// The place of the first byte of `held`.
    pub(super) at: u64,
    /// Bytes that were not explained yet.
    pub(super) held: Vec<u8>,
    pub(super) phase: Phase,
    /// Whether there are bytes that the reader of frames has not seen.
    pub(super) is_fresh: bool,
    /// Whether the stream has ended.
    pub(super) is_over: bool,
}

/// The part of the conversation that the next bytes belong to.
pub(super) enum Phase {
    /// A request or a response.
    Head(Search),
    /// Draft-76: the eight bytes after the request.
    Key3,
    /// Draft-76: the sixteen bytes after the response.
    Proof,
    /// Frames of the client, which depend on the response.
    Waiting,
    /// The body of a response.
    Body(Body),
    Frames(Box<dyn FrameReader>),
    /// Bytes that cannot be read, from this place on.
    Unread(u64),
    /// The note about the end was written.
    Ended,
}

impl Stream {
    pub(super) fn new(from: Side, phase: Phase) -> Stream {
        Stream {
            from,
            at: 0,
            held: Vec::new(),
            phase,
            is_fresh: false,
            is_over: false,
        }
    }

    /// The place after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.at + self.held.len() as u64
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        self.is_fresh = true;
    }

    /// Removes bytes that were explained.
    pub(super) fn skip(&mut self, used: usize) {
        self.held.drain(..used);
        self.at += used as u64;
    }

    /// Begins a note about the first bytes, which cannot be read.
    pub(super) fn unread(&self, len: usize) -> NoteDraft {
        NoteDraft::new(Part::Unread, self.from, self.at..self.at + len as u64)
    }

    /// Passes bytes to the reader of frames, if there are new ones.
    pub(super) fn read_frames(&mut self, sink: &mut Sink) {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        if let Phase::Frames(reader) = &mut self.phase
            && is_fresh
            && !self.held.is_empty()
        {
            reader.read(self.at, &self.held, sink);
            self.skip(self.held.len());
        }
    }

    /// Reads the body of a response. Returns whether it is complete.
    pub(super) fn read_body(&mut self, sink: &mut Sink) -> bool {
        let Phase::Body(body) = &mut self.phase else {
            return false;
        };
        let used = body.read(&self.held);
        let note = body.note().filter(|_| body.is_complete());
        let is_complete = body.is_complete();
        self.skip(used);
        if is_complete {
            note.map(|note| sink.note(note));
            self.phase = Phase::Unread(self.at);
        }
        is_complete
    }

    /// Writes the notes about the end, after frames, a body, or bytes that cannot be read.
    pub(super) fn finish(&mut self, sink: &mut Sink) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let held = std::mem::take(&mut self.held);
        let end = self.at + held.len() as u64;
        match phase {
            Phase::Frames(mut reader) => return reader.end(self.at, &held, sink),
            Phase::Body(body) => {
                body.note().map(|note| sink.note(note));
            }
            Phase::Unread(since) if since < end => {
                sink.note(NoteDraft::new(Part::Unread, self.from, since..end));
            }
            _ => {}
        }
        sink.note(NoteDraft::new(Part::End, self.from, end..end));
    }
}

/// Shows no bytes: there may be secrets among them.
impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("at", &self.at)
            .field("held", &self.held.len())
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Head(_) => "Head",
            Phase::Key3 => "Key3",
            Phase::Proof => "Proof",
            Phase::Waiting => "Waiting",
            Phase::Body(_) => "Body",
            Phase::Frames(_) => "Frames",
            Phase::Unread(_) => "Unread",
            Phase::Ended => "Ended",
        })
    }
}
