//! The payload of a frame, as its bytes arrive.

use super::header::Header;
use super::message::Message;
use crate::explainer::close;
use crate::explainer::deflate::Context;
use crate::explainer::sink::NoteDraft;
use crate::explainer::utf8::FIRST;
use crate::explainer::xor::{xor, xor_steps};
use crate::note::{Part, Side, Value};
use crate::rules::frames as rules;

use stentor::Version;

/// The most bytes that are kept of a control frame: that of a close frame is read as a whole.
const CONTROL: usize = 125;

/// The payload of one frame.
#[derive(Debug)]
pub(super) struct Payload {
    start: u64,
    length: u64,
    read: u64,
    key: Option<[u8; 4]>,
    /// The first bytes, unmasked: all of a control frame.
    first: Vec<u8>,
}

/// The notes about a payload, and those that belong to the frame beside it.
pub(super) struct PayloadNotes {
    pub(super) payload: NoteDraft,
    pub(super) blocks: Vec<NoteDraft>,
    pub(super) beside: Vec<NoteDraft>,
}

impl Payload {
    pub(super) fn new(header: &Header) -> Payload {
        Payload {
            start: header.end(),
            length: header.length().unwrap_or_default(),
            read: 0,
            key: header.key(),
            first: Vec::new(),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.read == self.length
    }

    /// Takes as many bytes as belong to the payload, and returns the others. `message` is that of a data
    /// frame.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8], message: Option<&mut Message>) -> &'a [u8] {
        let left = usize::try_from(self.length - self.read).unwrap_or(usize::MAX);
        let (here, behind) = bytes.split_at(left.min(bytes.len()));
        let plain: Vec<u8> = (self.read..)
            .zip(here)
            .map(|(at, byte)| xor(at, *byte, self.key))
            .collect();
        self.read += here.len() as u64;
        let room = CONTROL.saturating_sub(self.first.len());
        self.first.extend(plain.iter().take(room));
        if let Some(message) = message {
            message.push(&plain);
        }
        behind
    }

    /// Returns the place of the byte after the last one that has arrived.
    pub(super) fn end(&self) -> u64 {
        self.start + self.read
    }

    /// Returns a sentence about the bytes that have not arrived.
    pub(super) fn missing(&self, header: &Header) -> String {
        let (read, length) = (self.read, self.length);
        let hint = header.other_order(|swapped| swapped == read);
        format!("The stream ended after {read} of {length} bytes of the payload.{hint}")
    }

    /// Returns the notes about a close frame, which is complete.
    pub(super) fn close(&self, version: Version, from: Side) -> Vec<NoteDraft> {
        match self.length <= CONTROL as u64 {
            true => close::notes((version, from), self.start, &self.first, self.key),
            false => vec![self.bytes(from)],
        }
    }

    /// Returns the note about a payload that is no part of a message, or not complete.
    pub(super) fn bytes(&self, from: Side) -> NoteDraft {
        let shown = self.first[..self.shown()].to_vec();
        self.note(from).value(Value::Bytes(shown))
    }

    /// Returns the notes about the payload of a data frame. `last` if the message ends with it.
    pub(super) fn data(
        &self,
        from: Side,
        message: &mut Message,
        last: bool,
        context: Option<&mut Context>,
    ) -> PayloadNotes {
        let mut note = self.note(from);
        let mut notes = (Vec::new(), None);
        if let (true, Some(packed)) = (last, message.finish(last)) {
            notes = packed.notes(from, self.start..self.end());
            if let Some(context) = context {
                context.keep(packed);
            }
        }
        let part = message.part(last);
        if let Some(packed) = &message.packed {
            note = packed.judge(note);
        }
        note = match part.text {
            _ if message.is_opaque() => {
                note.value(Value::Bytes(self.first[..self.shown()].to_vec()))
            }
            None => note.value(Value::Bytes(part.first)),
            Some(text) => {
                let note = note.steps(text.steps);
                match text.invalid {
                    Some(invalid) if part.is_first_error => note
                        .value(Value::Bytes(part.first))
                        .broken(&rules::TEXT_UTF8, invalid.sentence()),
                    Some(_) => note.value(Value::Bytes(part.first)),
                    None if last && !message.is_broken() => {
                        note.value(Value::Text(text.text)).holds(&rules::TEXT_UTF8)
                    }
                    None => note.value(Value::Text(text.text)),
                }
            }
        };
        PayloadNotes {
            payload: note,
            blocks: notes.0,
            beside: notes.1.into_iter().collect(),
        }
    }

    fn note(&self, from: Side) -> NoteDraft {
        let span = self.start..self.end();
        NoteDraft::new(Part::Payload, from, span).steps(xor_steps(0, &self.first, self.key))
    }

    fn shown(&self) -> usize {
        self.first.len().min(FIRST)
    }
}
