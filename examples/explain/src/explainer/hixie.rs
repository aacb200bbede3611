//! Frames of draft-75 and draft-76 (draft-76 §5.3).

use stentor::Version;

use super::agreed::Agreed;
use super::frames::FrameReader;
use super::hybi::LARGEST;
use super::sink::{NoteDraft, Sink};
use super::utf8::{Reading, TextReader};
use crate::note::{Part, Side, Value, Verdict};
use crate::rules::frames as rules;
use crate::step::Step;

/// The most digits of a length that are read.
const DIGITS: usize = 10;

/// The byte that ends a frame without a length.
const END: u8 = 0xff;

/// Reads the frames of one side.
pub(super) struct Hixie {
    version: Version,
    from: Side,
    agreed: Agreed,
    stage: Stage,
}

enum Stage {
    Between,
    Frame(Box<Frame>),
    /// The conversation has ended at this place: `FF 00`.
    Closed(u64),
    /// Nothing after this place can be read.
    Unread(u64),
}

/// A frame as far as it has arrived.
struct Frame {
    version: Version,
    from: Side,
    start: u64,
    kind: u8,
    digits: Vec<u8>,
    /// The value of the digits; they are complete.
    length: u64,
    counted: bool,
    /// The bytes of the content so far.
    size: u64,
    text: TextReader,
    /// The byte `FF` has come.
    ended: bool,
}

/// The meaning of a frame.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Text,
    Skipped,
    /// Draft-76: the closing handshake.
    Close,
    /// Draft-75: `FF 00`.
    Empty,
    /// `FF`, without its length.
    Open,
}

/// The reason why a frame ends.
enum Stop {
    Complete,
    Broken(Verdict),
}

impl Hixie {
    pub(super) fn new(version: Version, from: Side, agreed: &Agreed) -> Hixie {
        Hixie {
            version,
            from,
            agreed: agreed.clone(),
            stage: Stage::Between,
        }
    }
}

impl Frame {
    fn new((version, from): (Version, Side), start: u64, kind: u8) -> Frame {
        Frame {
            version,
            from,
            start,
            kind,
            digits: Vec::new(),
            length: 0,
            counted: false,
            size: 0,
            text: TextReader::new(Reading::Replacing),
            ended: false,
        }
    }

    fn has_length(&self) -> bool {
        self.kind >= 0x80
    }

    fn meaning(&self) -> Meaning {
        match (self.kind, self.counted, self.length) {
            (0, ..) => Meaning::Text,
            (END, false, _) => Meaning::Open,
            (END, true, 0) if self.version == Version::Draft76 => Meaning::Close,
            (END, true, 0) => Meaning::Empty,
            _ => Meaning::Skipped,
        }
    }

    /// Returns the place of the byte after the last one that has arrived.
    fn end(&self) -> u64 {
        self.content() + self.size + u64::from(self.ended)
    }

    /// Returns the place of the content.
    fn content(&self) -> u64 {
        self.start + 1 + self.digits.len() as u64
    }

    fn push<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], Option<Stop>) {
        match (self.has_length(), self.counted) {
            (false, _) => self.push_content(bytes),
            (true, false) => self.push_digit(bytes),
            (true, true) => self.push_counted(bytes),
        }
    }

    /// Reads up to the byte `FF`.
    fn push_content<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], Option<Stop>) {
        let room = usize::try_from(LARGEST - self.size).unwrap_or(usize::MAX);
        let end = bytes.iter().position(|byte| *byte == END);
        let here = end.unwrap_or(bytes.len()).min(room);
        let (content, rest) = bytes.split_at(here);
        if self.meaning() == Meaning::Text {
            self.text.push(content);
        }
        self.size += content.len() as u64;
        match rest {
            [END, rest @ ..] => {
                self.ended = true;
                (rest, Some(Stop::Complete))
            }
            [] => (rest, None),
            _ => {
                let how = format!(
                    "The frame has more than {LARGEST} bytes: that is the limit of this program, not a rule. \
                     The rest is not read."
                );
                let rule = match self.meaning() {
                    Meaning::Text => &rules::MESSAGE_SIZE,
                    _ => &rules::HIXIE_SKIPPED,
                };
                (rest, Some(Stop::Broken(Verdict::Choice(rule, how))))
            }
        }
    }

    /// Reads a digit of the length.
    fn push_digit<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], Option<Stop>) {
        let [digit, rest @ ..] = bytes else {
            return (bytes, None);
        };
        self.digits.push(*digit);
        self.length = self.length * 128 + u64::from(digit & 0x7f);
        let (length, digits) = (self.length, self.digits.len());
        let by = match () {
            () if length > LARGEST => {
                format!("The length is at least {length}: more than {LARGEST}, the limit here.")
            }
            () if digits > DIGITS => format!("The length has more than {DIGITS} digits."),
            () => {
                self.counted = digit & 0x80 == 0;
                let complete = self.counted && length == 0;
                return (rest, complete.then_some(Stop::Complete));
            }
        };
        (
            rest,
            Some(Stop::Broken(Verdict::Broken(&rules::HIXIE_SKIPPED, by))),
        )
    }

    /// Skips bytes by their number.
    fn push_counted<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], Option<Stop>) {
        let left = usize::try_from(self.length - self.size).unwrap_or(usize::MAX);
        let (here, rest) = bytes.split_at(left.min(bytes.len()));
        self.size += here.len() as u64;
        (rest, (self.size == self.length).then_some(Stop::Complete))
    }

    /// Writes the notes about the frame.
    fn emit(mut self, stop: Stop, sink: &mut Sink) {
        let meaning = self.meaning();
        let name = match meaning {
            Meaning::Text => "text",
            Meaning::Close => "close",
            Meaning::Empty => "empty",
            Meaning::Skipped | Meaning::Open => "skipped",
        };
        let mut frame = self
            .note(Part::HixieFrame, self.start, self.end())
            .value(Value::Name(name));
        if self.digits.last().is_some_and(|digit| digit & 0x80 == 0) {
            frame = frame.step(Step::Base128 {
                digits: self.digits.clone(),
                value: self.length,
            });
        }
        if let Stop::Broken(verdict) = stop {
            frame = frame.verdict(verdict);
        }
        let id = sink.note(frame);
        if meaning == Meaning::Close {
            let marker = self.note(Part::CloseMarker, self.start, self.end());
            sink.note(marker.holds(&rules::HIXIE_CLOSE).within(id));
            return;
        }
        for part in self.parts(meaning) {
            sink.note(part.within(id));
        }
    }

    fn parts(&mut self, meaning: Meaning) -> Vec<NoteDraft> {
        let content = self.content();
        let mut parts = vec![self.judge_type(meaning)];
        for (at, digit) in (self.start + 1..).zip(&self.digits) {
            let note = self.note(Part::LengthDigit, at, at + 1);
            parts.push(note.value(Value::Number(u64::from(digit & 0x7f))));
        }
        let end = content + self.size;
        match meaning {
            Meaning::Text => {
                let part = self.text.part(self.ended);
                let note = self.note(Part::Text, content, end);
                let note = note.value(Value::Text(part.text)).steps(part.steps);
                parts.push(match part.invalid {
                    Some(invalid) => {
                        let by = format!("{} They are replaced by U+FFFD.", invalid.sentence());
                        note.broken(&rules::TEXT_UTF8, by)
                    }
                    None if self.ended => note.holds(&rules::TEXT_UTF8),
                    None => note,
                });
            }
            _ if self.size > 0 => parts.push(self.note(Part::Skipped, content, end)),
            _ => {}
        }
        if self.ended {
            parts.push(self.note(Part::TextEnd, end, end + 1));
        }
        parts
    }

    fn judge_type(&self, meaning: Meaning) -> NoteDraft {
        let note = self.note(Part::FrameType, self.start, self.start + 1);
        let note = note.value(Value::Number(self.kind.into()));
        let kind = self.kind;
        match meaning {
            Meaning::Text | Meaning::Close => note.holds(&rules::HIXIE_TYPE),
            Meaning::Open => note,
            Meaning::Empty => note.choice(
                &rules::HIXIE_CLOSE,
                "FF 00 is an empty frame in draft-75. It is skipped.",
            ),
            Meaning::Skipped => {
                let until = match self.has_length() {
                    true => "It has a length, and is skipped.",
                    false => "All bytes up to the next FF are skipped.",
                };
                let character = match kind {
                    b' '..=b'~' => format!(" (the character \"{}\")", char::from(kind)),
                    _ => String::new(),
                };
                let by = format!("The type is {kind:02x}{character}. {until}");
                note.broken(&rules::HIXIE_TYPE, by)
            }
        }
    }

    fn note(&self, part: Part, start: u64, end: u64) -> NoteDraft {
        NoteDraft::new(part, self.from, start..end)
    }
}

impl FrameReader for Hixie {
    fn step<'a>(&mut self, at: u64, bytes: &'a [u8], sink: &mut Sink) -> &'a [u8] {
        let frame = match (&mut self.stage, bytes) {
            (Stage::Closed(_) | Stage::Unread(_), _) | (_, []) => return &[],
            (Stage::Between, [kind, rest @ ..]) => {
                let frame = Frame::new((self.version, self.from), at, *kind);
                self.stage = Stage::Frame(Box::new(frame));
                return rest;
            }
            (Stage::Frame(frame), _) => frame,
        };
        let (rest, stop) = frame.push(bytes);
        let Some(stop) = stop else {
            return rest;
        };
        let end = frame.end();
        let next = match (&stop, frame.meaning()) {
            (Stop::Broken(..), _) => Stage::Unread(end),
            (Stop::Complete, Meaning::Close) => {
                self.agreed.record_close(self.from);
                Stage::Closed(end)
            }
            (Stop::Complete, _) => Stage::Between,
        };
        if let Stage::Frame(frame) = std::mem::replace(&mut self.stage, next) {
            frame.emit(stop, sink);
        }
        rest
    }

    fn end(&mut self, at: u64, rest: &[u8], sink: &mut Sink) {
        self.read(at, rest, sink);
        let end = at + rest.len() as u64;
        let mut last = NoteDraft::new(Part::End, self.from, end..end);
        match std::mem::replace(&mut self.stage, Stage::Unread(end)) {
            Stage::Between if self.version == Version::Draft75 => {
                last = last.holds(&rules::HIXIE_CLOSE);
            }
            Stage::Between => {
                last = last.choice(
                    &rules::STREAM_CLOSE,
                    "The stream ended without FF 00: the receiver reports 1006.",
                );
            }
            Stage::Closed(start) if start < end => {
                let unread = NoteDraft::new(Part::Unread, self.from, start..end);
                sink.note(unread.broken(
                    &rules::HIXIE_CLOSE_LAST,
                    "Bytes follow after FF 00. A receiver ignores them.",
                ));
            }
            Stage::Closed(_) => last = last.holds(&rules::STREAM_CLOSE),
            Stage::Unread(start) if start < end => {
                sink.note(NoteDraft::new(Part::Unread, self.from, start..end));
            }
            Stage::Unread(_) => {}
            Stage::Frame(frame) => {
                let by = match frame.has_length() {
                    true => "The stream ended within a frame.",
                    false => "The stream ended within a frame: no FF came.",
                };
                let verdict = Verdict::Broken(&rules::STREAM_COMPLETE, by.to_owned());
                frame.emit(Stop::Broken(verdict), sink);
            }
        }
        sink.note(last);
    }
}
