//! Notes as text, for a terminal of 80 columns: legible without colour.

mod bytes;
mod frame;
mod head;
mod layout;
mod parts;
mod steps;
mod verdicts;
mod visible;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io::{self, Write};
use std::time::Duration;

use crate::note::{Note, Part, Side, Value, Verdict};
use crate::step::Step;

use bytes::Bytes;
use layout::{Ink, Page};
pub use visible::{escape, quote};

/// How many details are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One line for each head and each frame.
    Quiet,
    /// Bytes and parts.
    Usual,
    /// With the arithmetic, the rules that are kept, and the ends of reads.
    Verbose,
}

/// The form of the text.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// How many details are shown.
    pub level: Level,
    /// Shows the reason of each rule where it first occurs.
    pub why: bool,
    /// Shows only heads and frames that break a rule, and of those only the parts that do.
    pub only_broken: bool,
    /// The columns of the terminal; at least 60 are used.
    pub width: usize,
    /// Shows the time of each head and each frame, see [`Renderer::clock`].
    pub times: bool,
    /// Uses colours.
    pub color: bool,
}

/// Writes the notes of one conversation as text. Its memory is bounded: it keeps the beginning of each
/// head or frame that is not complete, and the newest read.
#[derive(Debug)]
pub struct Renderer {
    style: Style,
    name: String,
    now: Duration,
    bytes: [Bytes; 2],
    cuts: [VecDeque<u64>; 2],
    frames: [u64; 2],
    explained: BTreeSet<&'static str>,
    broken: usize,
}

/// One head or one frame: a note, and the notes within it.
struct Group<'a> {
    notes: &'a [Note],
    style: Style,
    bytes: &'a Bytes,
    cuts: Vec<u64>,
    number: u64,
}

/// The ends of reads that are kept for a head or a frame that is not complete.
const CUTS: usize = 64;

/// 80 columns, the usual details, no colour.
impl Default for Style {
    fn default() -> Style {
        Style {
            level: Level::Usual,
            why: false,
            only_broken: false,
            width: 80,
            times: false,
            color: false,
        }
    }
}

/// Writes the arithmetic of a note, a line for each step: a label, and the calculation.
pub fn arithmetic(steps: &[Step]) -> String {
    let mut page = Page::new(Style {
        width: 100,
        ..Style::default()
    });
    steps::write(&steps.iter().collect::<Vec<_>>(), &mut page);
    let lines = page.text().lines();
    let lines = lines.map(|line| line.get(layout::BYTES..).unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

impl Renderer {
    /// Begins a conversation.
    pub fn new(style: Style) -> Renderer {
        Renderer {
            style: Style {
                width: style.width.max(60),
                ..style
            },
            name: String::new(),
            now: Duration::ZERO,
            bytes: [Bytes::default(), Bytes::default()],
            cuts: [VecDeque::new(), VecDeque::new()],
            frames: [0, 0],
            explained: BTreeSet::new(),
            broken: 0,
        }
    }

    /// Sets the name of the conversation, which begins each of its heads and frames.
    pub fn name(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// Sets the time that heads and frames have from now on, counted from the beginning.
    pub fn clock(&mut self, now: Duration) {
        self.now = now;
    }

    /// Takes the bytes that this side has sent, as the explainer takes them. The notes about them are to
    /// be written before further bytes are taken.
    pub fn bytes(&mut self, from: Side, bytes: &[u8]) {
        self.bytes[from as usize].add(bytes);
    }

    /// Writes notes; those of one head or one frame belong into one call.
    ///
    /// # Errors
    ///
    /// That of `out`.
    pub fn write(
        &mut self,
        notes: impl Iterator<Item = Note>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut group = Vec::new();
        let mut ids = HashSet::new();
        for note in notes {
            if note.part == Part::Cut {
                self.cut(note.from, note.bytes.start);
                continue;
            }
            if !note.parent.is_some_and(|parent| ids.contains(&parent)) {
                self.group(&group, out)?;
                group.clear();
                ids.clear();
            }
            ids.insert(note.id);
            group.push(note);
        }
        self.group(&group, out)
    }

    /// Writes a line about the conversation that is no note, such as bytes that a capture lacks.
    ///
    /// # Errors
    ///
    /// That of `out`.
    pub fn remark(&mut self, from: Side, words: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut page = Page::new(self.style);
        page.labelled(0, &format!("{} ", self.title(from)), words, Ink::Bold);
        out.write_all(page.text().as_bytes())
    }

    /// How many rules were broken until now, counted each time.
    pub fn broken(&self) -> usize {
        self.broken
    }

    fn cut(&mut self, from: Side, at: u64) {
        let cuts = &mut self.cuts[from as usize];
        if cuts.len() == CUTS {
            cuts.pop_front();
        }
        cuts.push_back(at);
    }

    fn group(&mut self, notes: &[Note], out: &mut dyn Write) -> io::Result<()> {
        let Some(root) = notes.first() else {
            return Ok(());
        };
        let side = root.from as usize;
        if is_frame(root.part) {
            self.frames[side] += 1;
        }
        let broken: usize = notes.iter().map(breaks).sum();
        self.broken += broken;
        if broken > 0 || !self.style.only_broken {
            let inside = |at: &&u64| root.bytes.start < **at && **at < root.bytes.end;
            let group = Group {
                notes,
                style: self.style,
                bytes: &self.bytes[side],
                cuts: self.cuts[side].iter().filter(inside).copied().collect(),
                number: self.frames[side],
            };
            let mut page = Page::new(self.style);
            group.write(&self.title(root.from), &mut self.explained, &mut page);
            out.write_all(page.text().as_bytes())?;
        }
        self.cuts[side].retain(|at| *at > root.bytes.end);
        self.bytes[side].forget(root.bytes.end);
        Ok(())
    }

    /// The beginning of a title: the side, the name and the time.
    fn title(&self, from: Side) -> String {
        let arrow = match from {
            Side::Client => "C>",
            Side::Server => "<S",
        };
        let mut title = arrow.to_owned();
        if !self.name.is_empty() {
            title = format!("{title} {}", self.name);
        }
        if self.style.times {
            title = format!("{title} {:.3}", self.now.as_secs_f64());
        }
        title
    }
}

impl Group<'_> {
    fn write(&self, title: &str, explained: &mut BTreeSet<&'static str>, page: &mut Page) {
        let root = &self.notes[0];
        let length = root.bytes.end - root.bytes.start;
        let size = match (root.part, length) {
            (Part::End, _) => String::new(),
            (_, length) => count(length, "byte"),
        };
        let (name, words) = self.summary();
        if self.style.level == Level::Quiet {
            page.title(title, &name, &words, "");
            let verdicts = self.notes.iter().flat_map(|note| &note.verdicts);
            verdicts::write(verdicts, self.style, explained, page);
            return;
        }
        page.title(title, &name, &words, &size);
        let rows = match root.part {
            Part::Request | Part::Response => head::rows(self),
            part if is_frame(part) => frame::rows(self),
            _ => parts::rows(self),
        };
        let mut cuts = self.cuts.iter().peekable();
        for row in rows {
            while self.style.level == Level::Verbose
                && !self.style.only_broken
                && let Some(at) = cuts.next_if(|at| row.at.is_some_and(|row| **at <= row))
            {
                page.plain(
                    &format!("   {at:04x}  - - - a read ended here - - -"),
                    Ink::Dim,
                );
            }
            let is_broken = row
                .verdicts
                .iter()
                .any(|v| matches!(v, Verdict::Broken(..)));
            if is_broken || !self.style.only_broken {
                row.write(self.style, explained, page);
            }
        }
    }

    /// The name of the head or the frame, and a summary of it.
    fn summary(&self) -> (String, String) {
        let root = &self.notes[0];
        match root.part {
            Part::Request => ("request".to_owned(), head::request(self)),
            Part::Response => ("response".to_owned(), head::response(self)),
            part if is_frame(part) => (format!("frame {}", self.number), frame::summary(self)),
            Part::End => ("end".to_owned(), "the stream ends here".to_owned()),
            part => (part.name().to_owned(), self.value(root)),
        }
    }

    /// The value of a note in words; empty if its bytes are its value.
    fn value(&self, note: &Note) -> String {
        match &note.value {
            Value::None => String::new(),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => u8::from(*flag).to_string(),
            Value::Bytes(bytes) => hex(bytes),
            Value::Text(text) => quote(text),
            Value::Name(name) => (*name).to_owned(),
            Value::Hidden(length) => format!("(hidden: {})", count(*length as u64, "byte")),
        }
    }

    /// The first note of this part.
    fn find(&self, part: Part) -> Option<&Note> {
        self.notes.iter().find(|note| note.part == part)
    }

    /// The raw bytes of a note, as far as they are kept.
    fn raw(&self, note: &Note) -> &[u8] {
        self.bytes.get(note.bytes.clone())
    }
}

fn is_frame(part: Part) -> bool {
    matches!(part, Part::Frame | Part::HixieFrame)
}

fn breaks(note: &Note) -> usize {
    let verdicts = note.verdicts.iter();
    verdicts
        .filter(|verdict| matches!(verdict, Verdict::Broken(..)))
        .count()
}

/// "1 byte", "5 bytes".
fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Bytes in hex, with spaces between them.
fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that panics is a test that fails"
)]
mod tests;
