//! Frames of versions 7, 8 and 13 (RFC 6455 §5).

mod header;
mod message;
mod payload;

use stentor::Version;

use header::{Header, Known, name};
use message::Message;
use payload::Payload;

use super::agreed::Agreed;
use super::deflate::Context;
use super::frames::FrameReader;
use super::sink::{NoteDraft, Sink};
use crate::note::{Part, Side, Value, Verdict};
use crate::rules::frames as rules;

/// The largest message that is read.
pub(crate) const LARGEST: u64 = 16 * 1024 * 1024;

/// The same for compressed data, which may be a little longer than the message.
const LARGEST_PACKED: u64 = 2 * LARGEST + 1024;

/// The most fragments of a message.
pub(crate) const FRAGMENTS: usize = 131_072;

/// Reads the frames of one side.
pub(super) struct Hybi {
    version: Version,
    from: Side,
    agreed: Agreed,
    stage: Stage,
    message: Option<Message>,
    context: Option<Context>,
    last_key: Option<[u8; 4]>,
}

enum Stage {
    /// In a header, or before one if it has no bytes.
    Header(Header),
    Payload(Box<Frame>),
    /// Nothing after this place can be read.
    Unread(u64),
}

/// A frame with a complete header, or one that cannot be read.
struct Frame {
    header: Header,
    parts: Vec<NoteDraft>,
    verdicts: Vec<Verdict>,
    payload: Payload,
    /// The payload belongs to an extension that this program does not know.
    foreign: bool,
}

impl Hybi {
    pub(super) fn new(version: Version, from: Side, agreed: &Agreed) -> Hybi {
        // Only version 13 has the extension (RFC 7692).
        let compression = agreed.compression.filter(|_| version == Version::Rfc6455);
        Hybi {
            version,
            from,
            agreed: agreed.clone(),
            stage: Stage::Header(Header::new(0)),
            message: None,
            context: compression.map(|compression| Context::new(&compression, from)),
            last_key: None,
        }
    }

    fn known(&self) -> Known {
        Known {
            version: self.version,
            from: self.from,
            compression: self.context.is_some(),
            unknown: self.agreed.unknown.clone(),
            message: self.message.as_ref().map(Message::begun),
            last_key: self.last_key,
            closed: self.agreed.has_sent_close(self.from),
        }
    }

    /// Begins the payload of a frame.
    fn begin(&mut self, header: Header, known: &Known, sink: &mut Sink) {
        let frame = Frame::new(header, known);
        self.last_key = frame.header.key();
        if matches!(frame.header.opcode(), 1 | 2) {
            if self
                .message
                .take()
                .is_some_and(|message| message.packed.is_some())
                && let Some(context) = &mut self.context
            {
                context.lose();
            }
            self.message = Some(Message::new(&frame.header, known, self.context.as_ref()));
        }
        if let Some(message) = &mut self.message
            && !frame.header.is_control()
        {
            message.frame(frame.header.length().unwrap_or_default());
            if frame.foreign {
                message.leave_undecoded();
                if let Some(context) = &mut self.context {
                    context.lose();
                }
            }
        }
        let is_complete = frame.payload.is_complete();
        self.stage = Stage::Payload(Box::new(frame));
        if is_complete {
            self.complete(sink);
        }
    }

    /// Writes the notes about a frame that is complete.
    fn complete(&mut self, sink: &mut Sink) {
        let Stage::Payload(frame) =
            std::mem::replace(&mut self.stage, Stage::Header(Header::new(0)))
        else {
            return;
        };
        let last = frame.header.fin() && !frame.header.is_control();
        self.emit(*frame, last, sink);
        if last {
            self.message = None;
        }
    }

    fn emit(&mut self, frame: Frame, last: bool, sink: &mut Sink) {
        let (from, end) = (self.from, frame.payload.end());
        let is_complete = frame.payload.is_complete();
        let message = self.message.as_mut().filter(|_| !frame.header.is_control());
        let payload = match (frame.header.opcode(), message) {
            (8, _) if is_complete => {
                self.agreed.record_close(from);
                let notes = match frame.foreign {
                    true => vec![frame.payload.bytes(from)],
                    false => frame.payload.close(self.version, from),
                };
                return frame.emit(from, notes, end, sink);
            }
            (_, Some(message)) => {
                let notes = frame
                    .payload
                    .data(from, message, last, self.context.as_mut());
                return frame.emit_data(from, notes, end, sink);
            }
            _ => frame.payload.bytes(from),
        };
        frame.emit(from, vec![payload], end, sink);
    }
}

impl Frame {
    fn new(header: Header, known: &Known) -> Frame {
        let (parts, verdicts) = header.notes(known);
        Frame {
            payload: Payload::new(&header),
            foreign: header.is_foreign(known),
            header,
            parts,
            verdicts,
        }
    }

    fn emit(self, from: Side, payload: Vec<NoteDraft>, end: u64, sink: &mut Sink) {
        let id = self.emit_header(from, end, sink);
        for note in payload {
            sink.note(note.within(id));
        }
    }

    fn emit_data(self, from: Side, notes: payload::PayloadNotes, end: u64, sink: &mut Sink) {
        let id = self.emit_header(from, end, sink);
        let payload = sink.note(notes.payload.within(id));
        for block in notes.blocks {
            sink.note(block.within(payload));
        }
        for note in notes.beside {
            sink.note(note.within(id));
        }
    }

    fn emit_header(self, from: Side, end: u64, sink: &mut Sink) -> u32 {
        let opcode = Value::Name(name(self.header.opcode()));
        let frame = NoteDraft::new(Part::Frame, from, self.header.start..end);
        let id = sink.note(frame.value(opcode).verdicts(self.verdicts));
        for part in self.parts {
            sink.note(part.within(id));
        }
        id
    }
}

impl FrameReader for Hybi {
    fn step<'a>(&mut self, at: u64, bytes: &'a [u8], sink: &mut Sink) -> &'a [u8] {
        let known = self.known();
        match &mut self.stage {
            Stage::Unread(_) => &[],
            Stage::Payload(frame) => {
                let is_control = frame.header.is_control();
                let message = self.message.as_mut().filter(|_| !is_control);
                let rest = frame.payload.push(bytes, message);
                if frame.payload.is_complete() {
                    self.complete(sink);
                }
                rest
            }
            Stage::Header(header) => {
                if header.bytes.is_empty() {
                    header.start = at;
                }
                let missing = header.next_part().unwrap_or_default() - header.bytes.len();
                let (here, rest) = bytes.split_at(missing.min(bytes.len()));
                header.bytes.extend_from_slice(here);
                if here.len() < missing {
                    return rest;
                }
                if header.stops(&known) {
                    let end = header.end();
                    let frame = Frame::new(header.clone(), &known);
                    self.stage = Stage::Unread(end);
                    frame.emit(self.from, Vec::new(), end, sink);
                } else if header.next_part().is_none() {
                    let header = header.clone();
                    self.begin(header, &known, sink);
                }
                rest
            }
        }
    }

    fn end(&mut self, at: u64, rest: &[u8], sink: &mut Sink) {
        self.read(at, rest, sink);
        let (from, end) = (self.from, at + rest.len() as u64);
        let mut last = NoteDraft::new(Part::End, from, end..end);
        let known = self.known();
        match std::mem::replace(&mut self.stage, Stage::Unread(end)) {
            Stage::Unread(start) if start < end => {
                sink.note(NoteDraft::new(Part::Unread, from, start..end));
            }
            Stage::Unread(_) => {}
            Stage::Header(header) if header.bytes.is_empty() => {
                last = match (&self.message, known.closed) {
                    (Some(_), _) => last.broken(
                        &rules::STREAM_COMPLETE,
                        "The stream ended within a message: no frame with FIN 1 came.",
                    ),
                    (None, true) => last.holds(&rules::STREAM_CLOSE),
                    (None, false) => last.choice(
                        &rules::STREAM_CLOSE,
                        "The stream ended without a close frame: the receiver reports 1006.",
                    ),
                };
            }
            Stage::Header(header) => {
                let read = header.bytes.len();
                let mut frame = Frame::new(header, &known);
                let noun = if read == 1 { "byte" } else { "bytes" };
                let by = format!("The stream ended in the header, after {read} {noun} of it.");
                frame
                    .verdicts
                    .push(Verdict::Broken(&rules::STREAM_COMPLETE, by));
                frame.emit(from, Vec::new(), end, sink);
            }
            Stage::Payload(mut frame) => {
                let by = frame.payload.missing(&frame.header);
                frame
                    .verdicts
                    .push(Verdict::Broken(&rules::STREAM_COMPLETE, by));
                self.emit(*frame, false, sink);
            }
        }
        sink.note(last);
    }
}
