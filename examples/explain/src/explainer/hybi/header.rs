//! The header of a frame: its bits, its length, its masking key (RFC 6455 §5.2).

use std::ops::Range;
use std::sync::Arc;

use stentor::Version;

use super::{FRAGMENTS, LARGEST, LARGEST_PACKED};
use crate::explainer::sink::NoteDraft;
use crate::note::{Part, Side, Value, Verdict};
use crate::rule::Rule;
use crate::rules::frames as rules;
use crate::step::Step;

/// The bytes of a header that have arrived.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// The place of the first byte.
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
}

/// The state of the stream before a frame.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) version: Version,
    pub(super) from: Side,
    /// Whether permessage-deflate was negotiated.
    pub(super) compression: bool,
    /// The negotiated extensions that this program does not know.
    pub(super) unknown: Option<Arc<str>>,
    /// The unfinished message.
    pub(super) message: Option<Begun>,
    /// The masking key of the previous frame.
    pub(super) last_key: Option<[u8; 4]>,
    /// A close frame came before.
    pub(super) closed: bool,
}

/// The fragments of a message so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) compressed: bool,
    /// The sum of the lengths.
    pub(super) size: u64,
    pub(super) fragments: usize,
}

impl Header {
    pub(super) fn new(start: u64) -> Header {
        Header {
            start,
            bytes: Vec::new(),
        }
    }

    /// Returns the length of the header up to the end of its next part; `None` if it is complete.
    pub(super) fn next_part(&self) -> Option<usize> {
        let length = match self.bytes.get(1) {
            None => return Some(2),
            Some(second) => match second & 0x7f {
                126 => 4,
                127 => 10,
                _ => 2,
            },
        };
        let whole = if self.masked() { length + 4 } else { length };
        [length, whole]
            .into_iter()
            .find(|part| *part > self.bytes.len())
    }

    pub(super) fn fin(&self) -> bool {
        self.first() & 0x80 != 0
    }

    pub(super) fn rsv1(&self) -> bool {
        self.first() & 0x40 != 0
    }

    pub(super) fn opcode(&self) -> u8 {
        self.first() & 0x0f
    }

    pub(super) fn is_control(&self) -> bool {
        self.opcode() >= 8
    }

    /// The length of the payload, as far as it has arrived.
    pub(super) fn length(&self) -> Option<u64> {
        let short = self.bytes.get(1)? & 0x7f;
        match self.extended() {
            None => Some(short.into()),
            Some(range) => self.bytes.get(range).map(big_endian),
        }
    }

    /// The masking key, if it has arrived.
    pub(super) fn key(&self) -> Option<[u8; 4]> {
        let key = self.bytes.get(self.key_at()..)?.first_chunk()?;
        self.masked().then_some(*key)
    }

    /// Whether a compressed message begins.
    pub(super) fn compressed(&self, known: &Known) -> bool {
        let is_first = matches!(self.opcode(), 1 | 2);
        known.compression && self.rsv1() && is_first && !self.is_foreign(known)
    }

    /// Whether a reserved bit may be that of an extension which this program does not know: the payload
    /// then means something else.
    pub(super) fn is_foreign(&self, known: &Known) -> bool {
        let rsv1 = self.rsv1() && !known.compression;
        known.unknown.is_some() && (rsv1 || self.first() & 0x30 != 0)
    }

    /// Whether the header breaks a rule so that the bytes after it mean nothing.
    pub(super) fn stops(&self, known: &Known) -> bool {
        if self.bytes.len() < 2 {
            return false;
        }
        let foreign = self.is_foreign(known);
        let bits = self.first() & 0x30 != 0 && !foreign;
        let reserved = bits || name(self.opcode()) == "reserved";
        let rsv1 =
            self.rsv1() && !foreign && (self.is_control() || !self.fin() && !known.compression);
        reserved
            || rsv1
            || self
                .length()
                .is_some_and(|length| self.too_large(length, known))
    }

    /// The parts of the header, and the verdicts about the frame as a whole.
    pub(super) fn notes(&self, known: &Known) -> (Vec<NoteDraft>, Vec<Verdict>) {
        let mut notes = Vec::new();
        self.first_byte(known, &mut notes);
        if self.bytes.len() >= 2 {
            self.second_byte(known, &mut notes);
            self.extended_length(known, &mut notes);
            self.masking_key(known, &mut notes);
        }
        (notes, self.verdicts(known))
    }

    /// The place of the payload.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn first(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    fn masked(&self) -> bool {
        self.bytes.get(1).is_some_and(|second| second & 0x80 != 0)
    }

    /// The place of the 16 or 64 bits of the length.
    fn extended(&self) -> Option<Range<usize>> {
        match self.bytes.get(1)? & 0x7f {
            126 => Some(2..4),
            127 => Some(2..10),
            _ => None,
        }
    }

    fn key_at(&self) -> usize {
        self.extended().map_or(2, |range| range.end)
    }

    /// Whether a receiver refuses a frame of this length, without its payload.
    fn too_large(&self, length: u64, known: &Known) -> bool {
        length >> 63 != 0 || self.size_error(length, known).is_some() || self.is_one_too_many(known)
    }

    fn size_error(&self, length: u64, known: &Known) -> Option<String> {
        let begun = known.message.filter(|_| self.opcode() == 0);
        let compressed = begun.map_or(self.compressed(known), |begun| begun.compressed);
        let limit = if compressed { LARGEST_PACKED } else { LARGEST };
        let size = begun.map_or(0, |begun| begun.size).saturating_add(length);
        (size > limit).then(|| {
            let hint = self.other_order(|swapped| swapped <= LARGEST);
            format!(
                "The message has {size} bytes, and this program reads at most {limit}: that is its own \
                 limit, not a rule. The rest is not read.{hint}"
            )
        })
    }

    /// Returns a hint, if the bytes of a longer form are a length that fits in the other order.
    pub(super) fn other_order(&self, fits: impl Fn(u64) -> bool) -> String {
        let bytes = self.extended().and_then(|range| self.bytes.get(range));
        let swapped = bytes.map(little_endian).filter(|swapped| fits(*swapped));
        swapped.map_or_else(String::new, |swapped| {
            format!(" With its bytes in the other order, the length is {swapped}.")
        })
    }

    fn is_one_too_many(&self, known: &Known) -> bool {
        let begun = known.message.filter(|_| self.opcode() == 0);
        begun.is_some_and(|begun| begun.fragments >= FRAGMENTS)
    }

    fn note(&self, known: &Known, part: Part, bytes: Range<usize>) -> NoteDraft {
        let end = bytes.end.min(self.bytes.len());
        let span = self.start + bytes.start as u64..self.start + end as u64;
        NoteDraft::new(part, known.from, span)
    }

    /// The first bytes of a part whose other bytes have not arrived.
    fn incomplete(&self, known: &Known, name: &str, bytes: Range<usize>) -> NoteDraft {
        let words = format!(
            "{name}, {} of {} bytes",
            self.bytes.len() - bytes.start,
            bytes.len()
        );
        let note = self.note(known, Part::Unread, bytes);
        note.value(Value::Text(words))
    }

    fn first_byte(&self, known: &Known, notes: &mut Vec<NoteDraft>) {
        let note = |part, bits: u8| {
            let set = self.first() & bits != 0;
            self.note(known, part, 0..1)
                .bits(bits)
                .value(Value::Flag(set))
        };
        let mut fin = note(Part::Fin, 0x80);
        if self.is_control() && name(self.opcode()) != "reserved" {
            let by = || format!("The {} frame has FIN 0.", name(self.opcode()));
            fin = fin.judge(
                &rules::CONTROL_WHOLE,
                self.fin().then_some(()).ok_or_else(by),
            );
        }
        notes.push(fin);
        notes.push(self.judge_rsv1(known, note(Part::Rsv1, 0x40)));
        for (part, bits, bit) in [(Part::Rsv2, 0x20, "RSV2"), (Part::Rsv3, 0x10, "RSV3")] {
            let clear = self.first() & bits == 0;
            if let (false, Some(names)) = (clear, &known.unknown) {
                notes.push(note(part, bits).choice(&rules::RESERVED_BITS, may_use(bit, names)));
                continue;
            }
            let by = || {
                let hint = self.hint(bits);
                format!("{bit} is 1, and no extension that uses it was negotiated.{hint}")
            };
            notes.push(
                note(part, bits).judge(&rules::RESERVED_BITS, clear.then_some(()).ok_or_else(by)),
            );
        }
        let opcode = self.note(known, Part::Opcode, 0..1).bits(0x0f);
        notes.push(self.judge_opcode(known, opcode.value(Value::Name(name(self.opcode())))));
    }

    fn judge_rsv1(&self, known: &Known, note: NoteDraft) -> NoteDraft {
        if !self.rsv1() {
            return note.holds(&rules::RESERVED_BITS);
        }
        if self.compressed(known) {
            return note.holds(&rules::DEFLATE_RSV1);
        }
        if let (true, Some(names)) = (self.is_foreign(known), &known.unknown) {
            return note.choice(&rules::RESERVED_BITS, may_use("RSV1", names));
        }
        if !known.compression {
            let hint = self.hint(0x40);
            let by = format!("RSV1 is 1, and no extension that uses it was negotiated.{hint}");
            return note.broken(&rules::RESERVED_BITS, by);
        }
        let by = format!("RSV1 is 1 on a {} frame.", name(self.opcode()));
        note.broken(&rules::RESERVED_BITS, by.clone() + &self.hint(0x40))
            .broken(&rules::DEFLATE_RSV1, by)
    }

    fn judge_opcode(&self, known: &Known, note: NoteDraft) -> NoteDraft {
        let opcode = self.opcode();
        if name(opcode) == "reserved" {
            let hint = self.hint(0x0f);
            let by = format!("The opcode is {opcode:#x}, which is reserved.{hint}");
            return note.broken(&rules::OPCODE, by);
        }
        let note = note.holds(&rules::OPCODE);
        match (opcode, known.message) {
            (0, Some(_)) => note.holds(&rules::CONTINUATION),
            (0, None) => note.broken(&rules::CONTINUATION, "No message has begun."),
            (1 | 2, None) => note.holds(&rules::NESTED),
            (1 | 2, Some(_)) => note.broken(
                &rules::NESTED,
                format!(
                    "A {} message begins inside an unfinished one.",
                    name(opcode)
                ),
            ),
            _ => note,
        }
    }

    fn second_byte(&self, known: &Known, notes: &mut Vec<NoteDraft>) {
        let masked = self.masked();
        let (rule, right, by): (&'static Rule, _, _) = match known.from {
            Side::Client => (
                &rules::MASK_CLIENT,
                masked,
                "MASK is 0 in a frame of the client.",
            ),
            Side::Server => (
                &rules::MASK_SERVER,
                !masked,
                "MASK is 1 in a frame of the server.",
            ),
        };
        let mask = self.note(known, Part::MaskBit, 1..2).bits(0x80);
        let result = right.then_some(()).ok_or_else(|| by.to_owned());
        notes.push(mask.value(Value::Flag(masked)).judge(rule, result));

        let short = self.bytes[1] & 0x7f;
        let mut length = self.note(known, Part::Length7, 1..2).bits(0x7f);
        length = length.value(Value::Number(short.into()));
        if self.is_control() && name(self.opcode()) != "reserved" {
            let by = || format!("The {} frame has more than 125 bytes.", name(self.opcode()));
            length = length.judge(
                &rules::CONTROL_LENGTH,
                (short <= 125).then_some(()).ok_or_else(by),
            );
        }
        notes.push(match short {
            126 | 127 => length,
            _ => self.judge_size(known, length.holds(&rules::LENGTH_MINIMAL)),
        });
    }

    fn extended_length(&self, known: &Known, notes: &mut Vec<NoteDraft>) {
        let Some(range) = self.extended() else {
            return;
        };
        let part = if range.end == 4 {
            Part::Length16
        } else {
            Part::Length64
        };
        let (Some(bytes), Some(length)) = (self.bytes.get(range.clone()), self.length()) else {
            if self.bytes.len() > 2 {
                notes.push(self.incomplete(known, "length", range));
            }
            return;
        };
        let mut note = self.note(known, part, range).value(Value::Number(length));
        note = note.step(Step::BigEndian {
            bytes: bytes.to_vec(),
            value: length,
        });
        if part == Part::Length64 {
            let by = || format!("The length {length:#x} has its first bit set.");
            let clear = length >> 63 == 0;
            note = note.judge(&rules::LENGTH_TOP_BIT, clear.then_some(()).ok_or_else(by));
        }
        note = match (is_shortest(part, length), known.version) {
            (true, _) => note.holds(&rules::LENGTH_MINIMAL),
            (false, Version::Rfc6455) => note.broken(
                &rules::LENGTH_MINIMAL,
                format!("The length {length} has a shorter form."),
            ),
            (false, version) => note.choice(
                &rules::LENGTH_MINIMAL,
                format!("The length {length} has a shorter form. {version} allows it: the rule came with draft 14."),
            ),
        };
        notes.push(self.judge_size(known, note));
    }

    fn judge_size(&self, known: &Known, note: NoteDraft) -> NoteDraft {
        match self
            .length()
            .and_then(|length| self.size_error(length, known))
        {
            Some(how) if !self.is_control() => note.choice(&rules::MESSAGE_SIZE, how),
            _ => note,
        }
    }

    fn masking_key(&self, known: &Known, notes: &mut Vec<NoteDraft>) {
        let at = self.key_at();
        if self.bytes.len() <= at {
            return;
        }
        let Some(key) = self.key() else {
            notes.push(self.incomplete(known, "masking key", at..at + 4));
            return;
        };
        let note = self.note(known, Part::MaskingKey, at..at + 4);
        let note = note.value(Value::Bytes(key.to_vec()));
        notes.push(match known.last_key {
            _ if key == [0; 4] => note.choice(
                &rules::MASK_KEY,
                "The key is zero, and changes nothing. A receiver accepts it.",
            ),
            Some(last) if last == key => note.choice(
                &rules::MASK_KEY,
                "The key is that of the previous frame. A receiver accepts it.",
            ),
            _ => note,
        });
    }

    fn verdicts(&self, known: &Known) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if self.is_one_too_many(known) {
            let how = format!(
                "The message has more than {FRAGMENTS} fragments: that is the limit of this program, not a \
                 rule. The rest is not read."
            );
            verdicts.push(Verdict::Choice(&rules::MESSAGE_FRAGMENTS, how));
        }
        if known.closed {
            let by = format!(
                "A {} frame after the close frame: a receiver ignores it.",
                name(self.opcode())
            );
            verdicts.push(match self.is_control() {
                true => Verdict::Choice(&rules::CLOSE_LAST, by),
                false => Verdict::Broken(&rules::CLOSE_LAST, by),
            });
        }
        verdicts
    }

    /// Returns a hint, if both bytes are characters: at the first of the wrong bits, once in a frame.
    fn hint(&self, bits: u8) -> String {
        let wrong_before = self.first() & 0x70 & !(bits | (bits - 1));
        match &self.bytes[..] {
            [first @ b' '..=b'~', second @ b' '..=b'~', ..] if wrong_before == 0 => {
                let (first, second) = (char::from(*first), char::from(*second));
                format!(" In ASCII, the bytes are `{first}{second}`: perhaps text without a frame.")
            }
            _ => String::new(),
        }
    }
}

/// Returns the name of an opcode.
pub(super) fn name(opcode: u8) -> &'static str {
    match opcode {
        0 => "continuation",
        1 => "text",
        2 => "binary",
        8 => "close",
        9 => "ping",
        10 => "pong",
        _ => "reserved",
    }
}

/// A sentence about a bit that may belong to an extension.
fn may_use(bit: &str, names: &str) -> String {
    format!(
        "{bit} is 1. The negotiated extension {names} may use it: this program does not know it, and does \
         not decode the payload."
    )
}

fn is_shortest(part: Part, length: u64) -> bool {
    match part {
        Part::Length16 => length > 125,
        _ => length > 0xffff,
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
