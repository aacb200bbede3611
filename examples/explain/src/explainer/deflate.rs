//! Compressed messages: permessage-deflate (RFC 7692).

use std::ops::Range;

use super::agreed::Compression;
use super::sink::NoteDraft;
use crate::note::{Part, Side, Value};
use crate::reference::deflate::{BLOCKS, Block, Fault, Inflater, Kind, TAIL};
use crate::rules::frames as rules;
use crate::step::Step;

/// The most bytes that are decompressed at once.
const STEP: usize = 256;

/// The bytes of earlier messages to which the next message may refer.
#[derive(Debug)]
pub(super) struct Context {
    window: Vec<u8>,
    /// The size of the agreed window.
    size: usize,
    /// How many bytes are kept after a message.
    keep: usize,
    /// A message was not decompressed: the window is not known any more.
    lost: bool,
}

/// A compressed message.
#[derive(Debug)]
pub(super) struct Packed {
    inflater: Inflater,
    packed: u64,
    plain: u64,
    limit: usize,
    /// The size of the agreed window.
    size: usize,
    fault: Option<Fault>,
    /// The message refers to bytes that are not known.
    lost: bool,
    tail: Option<bool>,
}

impl Context {
    pub(super) fn new(compression: &Compression, from: Side) -> Context {
        let size = 1 << compression.window_bits(from).clamp(8, 15);
        Context {
            window: Vec::new(),
            size,
            keep: if compression.takeover(from) { size } else { 0 },
            lost: false,
        }
    }

    /// Begins a message of at most `limit` bytes.
    pub(super) fn begin(&self, limit: usize) -> Packed {
        Packed {
            inflater: Inflater::new(&self.window, limit),
            packed: 0,
            plain: 0,
            limit,
            size: self.size,
            fault: None,
            lost: self.lost,
            tail: None,
        }
    }

    /// Keeps the end of a message.
    pub(super) fn keep(&mut self, message: &Packed) {
        if self.keep == 0 {
            return;
        }
        self.lost |= message.lost || message.fault.is_some();
        let window = message.inflater.window();
        self.window = window[window.len().saturating_sub(self.keep)..].to_vec();
    }

    /// A message was dropped before its end.
    pub(super) fn lose(&mut self) {
        self.lost = self.keep > 0;
    }
}

impl Packed {
    /// Decompresses further bytes, as far as they go.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        self.packed += bytes.len() as u64;
        for piece in bytes.chunks(STEP) {
            if self.failed() {
                return;
            }
            self.fault = self.inflater.push(piece).err();
            self.output(&mut each);
        }
    }

    /// Ends the message.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        if self.failed() {
            return;
        }
        match self.inflater.finish() {
            Ok(tail) => self.tail = Some(tail),
            Err(fault) => self.fault = Some(fault),
        }
        self.output(&mut each);
    }

    /// Whether the bytes of the message are not known.
    pub(super) fn failed(&self) -> bool {
        self.lost || self.fault.is_some()
    }

    /// Whether the message refers to bytes that are not known.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Adds the verdict, and the lengths of a whole message, to the note of a payload.
    pub(super) fn judge(&self, note: NoteDraft) -> NoteDraft {
        let note = match self.fault {
            _ if self.lost => return note,
            Some(Fault::TooLarge) => note.choice(
                &rules::MESSAGE_SIZE,
                format!(
                    "The message has more than {} bytes: that is the limit of this program, not a rule. The \
                     rest is not read.",
                    self.limit
                ),
            ),
            Some(Fault::Broken) => note.broken(&rules::DEFLATE_DATA, self.sentence()),
            None if self.tail.is_some() => note.holds(&rules::DEFLATE_DATA),
            None => return note,
        };
        let (farthest, size) = (self.inflater.farthest(), self.size);
        let note = match farthest > size {
            true => note.broken(
                &rules::DEFLATE_WINDOW,
                format!(
                    "A match is {farthest} bytes back, and the agreed window has {size} bytes."
                ),
            ),
            false => note,
        };
        note.step(Step::Inflate {
            packed: self.packed,
            plain: self.plain,
            from_before: self.inflater.from_before(),
        })
    }

    /// Returns the notes about the blocks of a message that has ended, for the payload of its last frame:
    /// a block that began in an earlier frame begins with it. And the tail, if it was needed.
    pub(super) fn notes(
        &self,
        from: Side,
        payload: Range<u64>,
    ) -> (Vec<NoteDraft>, Option<NoteDraft>) {
        if self.lost {
            return (Vec::new(), None);
        }
        let before = self.packed - (payload.end - payload.start);
        let place = |bit: u64| payload.start + (bit / 8).clamp(before, self.packed) - before;
        let blocks: Vec<Block> = self.inflater.blocks().collect();
        let ends = blocks.iter().skip(1).map(|next| place(next.start));
        let mut start = payload.start;
        let mut notes = Vec::new();
        for (block, end) in blocks.iter().zip(ends.chain([payload.end])) {
            let note = NoteDraft::new(Part::DeflateBlock, from, start..end);
            notes.push(note.value(Value::Text(self.describe(block))));
            start = end;
        }
        let tail = NoteDraft::new(Part::DeflateTail, from, payload.end..payload.end);
        let tail = tail.value(Value::Bytes(TAIL.to_vec()));
        (notes, (self.tail == Some(true)).then_some(tail))
    }

    fn output(&mut self, each: &mut impl FnMut(&[u8])) {
        let plain = self.inflater.take();
        self.plain += plain.len() as u64;
        each(&plain);
    }

    fn sentence(&self) -> String {
        let (bit, packed) = (self.inflater.bits_read(), self.packed * 8);
        match bit < packed {
            true => format!("The data cannot be decompressed at bit {bit} of {packed}."),
            false => {
                format!("The data is not complete: it ends after {packed} bits, within a block.")
            }
        }
    }

    fn describe(&self, block: &Block) -> String {
        let kind = match block.kind {
            Kind::Stored => "00, not compressed",
            Kind::Fixed => "01, fixed codes",
            Kind::Dynamic => "10, codes of its own",
        };
        let last = u8::from(block.last);
        let (start, end) = (block.start, block.end.min(self.packed * 8));
        let (plain, before) = (block.plain, block.from_before);
        let mut text = format!(
            "bits {start} to {end}: BFINAL {last}, BTYPE {kind}; {plain} bytes, {before} of them from earlier messages"
        );
        let is_last_shown = self.inflater.blocks().last() == Some(*block);
        let more = self.inflater.count().saturating_sub(BLOCKS as u64);
        if is_last_shown && more > 0 {
            text.push_str(&format!("; {more} more blocks follow"));
        }
        text
    }
}
