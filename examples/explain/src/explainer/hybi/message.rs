//! A message, over all its frames.

use super::header::{Begun, Header, Known};
use super::{LARGEST, LARGEST_PACKED};
use crate::explainer::deflate::{Context, Packed};
use crate::explainer::utf8::{FIRST, Reading, TextPart, TextReader};

/// The message that is being read.
#[derive(Debug)]
pub(super) struct Message {
    begun: Begun,
    text: Option<TextReader>,
    pub(super) packed: Option<Packed>,
    /// RSV1 is set, but no compression was negotiated; or the bits are those of another extension.
    undecoded: bool,
    /// The first bytes of the present frame, decompressed.
    first: Vec<u8>,
    /// The text was found not to be UTF-8 in an earlier frame.
    failed_before: bool,
}

/// The part of the message in one frame.
pub(super) struct MessagePart {
    /// The first bytes.
    pub(super) first: Vec<u8>,
    /// The text of a text message.
    pub(super) text: Option<TextPart>,
    /// The text of the message was valid before this frame.
    pub(super) is_first_error: bool,
}

impl Message {
    /// Begins a message with the header of its first frame.
    pub(super) fn new(header: &Header, known: &Known, context: Option<&Context>) -> Message {
        let compressed = header.compressed(known);
        let limit = usize::try_from(LARGEST).unwrap_or(usize::MAX);
        Message {
            begun: Begun {
                compressed,
                size: 0,
                fragments: 0,
            },
            text: (header.opcode() == 1).then(|| TextReader::new(Reading::Strict)),
            packed: context
                .filter(|_| compressed)
                .map(|context| context.begin(limit)),
            undecoded: header.rsv1() && !compressed,
            first: Vec::new(),
            failed_before: false,
        }
    }

    /// Begins the next frame.
    pub(super) fn frame(&mut self, length: u64) {
        self.begun.size = self
            .begun
            .size
            .saturating_add(length)
            .min(LARGEST_PACKED + 1);
        self.begun.fragments += 1;
    }

    /// The payload belongs to an extension that this program does not know.
    pub(super) fn leave_undecoded(&mut self) {
        self.packed = None;
        self.undecoded = true;
    }

    pub(super) fn begun(&self) -> Begun {
        self.begun
    }

    /// Takes unmasked bytes of the payload.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (text, first) = (&mut self.text, &mut self.first);
        match &mut self.packed {
            Some(packed) => packed.push(bytes, |plain| take(text, first, plain)),
            None if self.undecoded => {}
            None => take(text, first, bytes),
        }
    }

    /// Ends the compressed data of the message, if `last`. Returns it.
    pub(super) fn finish(&mut self, last: bool) -> Option<&Packed> {
        let (text, first) = (&mut self.text, &mut self.first);
        let packed = self.packed.as_mut()?;
        if last {
            packed.finish(|plain| take(text, first, plain));
        }
        Some(packed)
    }

    /// Ends the part of the message in one frame.
    pub(super) fn part(&mut self, last: bool) -> MessagePart {
        let failed = self.is_broken();
        let text = self.text.as_mut();
        // Text that was not decompressed to its end may well end within a character.
        let text = text.map(|text| text.part(last && !failed));
        let is_first_error = !self.failed_before;
        self.failed_before |= text.as_ref().is_some_and(|text| text.invalid.is_some());
        MessagePart {
            first: std::mem::take(&mut self.first),
            text,
            is_first_error,
        }
    }

    /// Whether the message cannot be decompressed.
    pub(super) fn is_broken(&self) -> bool {
        self.packed.as_ref().is_some_and(Packed::failed)
    }

    /// Whether the payload cannot be read, although its bytes have arrived.
    pub(super) fn is_opaque(&self) -> bool {
        self.undecoded || self.packed.as_ref().is_some_and(Packed::is_lost)
    }
}

/// Reads bytes of the message.
fn take(text: &mut Option<TextReader>, first: &mut Vec<u8>, bytes: &[u8]) {
    let room = FIRST.saturating_sub(first.len());
    first.extend(bytes.iter().take(room));
    if let Some(text) = text {
        text.push(bytes);
    }
}
