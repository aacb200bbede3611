//! Writes the notes of a header block: its leaves cover each byte once.

use std::ops::Range;

use crate::note::{Part, Side, Value};
use crate::rules::handshake::LINE_END;

use super::super::sink::{NoteDraft, Sink};
use super::block::{Block, Line, Parts};
use super::marks::{Mark, Marks, Place};
use super::text::{first_word, is_secret, quoted, secret_without_colon, text};

/// Writes a block with its marks.
pub(super) struct Writer<'a> {
    pub(super) block: &'a Block,
    pub(super) from: Side,
    /// Whether secrets are shown.
    pub(super) secrets: bool,
    pub(super) sink: &'a mut Sink,
}

/// The parts of a first line, in order; the bytes between two of them separate them.
pub(super) type FirstLine = Vec<(Part, Place, Range<usize>)>;

impl Writer<'_> {
    /// Writes all notes; `whole` is the request or the response, with this value.
    pub(super) fn write(mut self, whole: Part, value: Value, first: &FirstLine, mut marks: Marks) {
        let draft = self.draft(whole, &(0..self.block.bytes.len()));
        let draft = with(draft.value(value), marks.take(Place::Block));
        let parent = self.sink.note(draft);
        self.leaf(parent, Part::LineEnd, &self.block.before.clone());
        self.first_line(parent, whole, first, &mut marks);
        let mut after_secret = false;
        for place in 0..self.block.headers.len() {
            after_secret = self.is_secret(&self.block.headers[place].line.text, after_secret);
            self.header(parent, place, after_secret, &mut marks);
        }
        if let Some(blank) = self.block.blank.clone() {
            let draft = self.draft(Part::BlankLine, &blank).within(parent);
            let draft = self.line_end(with(draft, marks.take(Place::Blank)), &blank);
            self.sink.note(draft);
        }
        let rest = self.block.rest.clone();
        match self.is_secret(&rest, after_secret) {
            true => self.hidden(parent, Part::Unread, &rest),
            false => self.leaf(parent, Part::Unread, &rest),
        }
    }

    /// Whether a line has a secret: by its name, or because it continues such a line.
    fn is_secret(&self, text: &Range<usize>, after_secret: bool) -> bool {
        let line = self.block.part(text);
        match line.first() {
            Some(b' ' | b'\t') => after_secret,
            _ => is_secret(first_word(line)),
        }
    }

    fn first_line(&mut self, parent: u32, whole: Part, parts: &FirstLine, marks: &mut Marks) {
        let Line { text, end } = self.block.first.clone();
        if text.start == end.end {
            return;
        }
        let part = match whole {
            Part::Response => Part::StatusLine,
            _ => Part::RequestLine,
        };
        let draft = self.draft(part, &(text.start..end.end)).within(parent);
        let line = self.sink.note(with(draft, marks.take(Place::FirstLine)));
        let mut at = text.start;
        for (part, place, range) in parts {
            self.leaf(line, Part::Separator, &(at..range.start));
            at = range.end;
            if range.is_empty() {
                continue;
            }
            let mark = marks.take(*place);
            let shown = Value::Text(text_of(self.block, range));
            let draft = self.draft(*part, range).within(line).value(shown);
            self.sink.note(with(draft, mark));
        }
        self.leaf(line, Part::Separator, &(at..text.end));
        self.end_of_line(line, &end);
    }

    fn header(&mut self, parent: u32, place: usize, is_secret: bool, marks: &mut Marks) {
        let header = &self.block.headers[place];
        let Line { text, end } = header.line.clone();
        let mut mark = marks.take(Place::Header(place));
        let mut of_value = marks.take(Place::Value(place));
        let is_empty = header
            .parts
            .as_ref()
            .is_none_or(|parts| parts.value.is_empty());
        if is_empty {
            mark.verdicts.append(&mut of_value.verdicts);
            mark.steps.append(&mut of_value.steps);
        }
        let draft = self
            .draft(Part::Header, &(text.start..end.end))
            .within(parent);
        let line = self.sink.note(with(draft, mark));
        match &header.parts {
            None if is_secret => {
                let name = secret_without_colon(self.block.part(&text)).unwrap_or(0);
                let name = text.start + name;
                self.leaf(line, Part::Unread, &(text.start..name));
                self.hidden(line, Part::Unread, &(name..text.end));
            }
            None => self.leaf(line, Part::Unread, &text),
            Some(parts) => self.header_parts(line, parts, of_value),
        }
        self.end_of_line(line, &end);
    }

    fn header_parts(&mut self, line: u32, parts: &Parts, mut mark: Mark) {
        let name = self.draft(Part::HeaderName, &parts.name).within(line);
        if !parts.name.is_empty() {
            let shown = Value::Text(text_of(self.block, &parts.name));
            self.sink.note(name.value(shown));
        }
        self.leaf(line, Part::Separator, &parts.separator);
        if !parts.value.is_empty() {
            let hidden = !self.secrets && is_secret(self.block.part(&parts.name));
            let shown = match hidden {
                true => Value::Hidden(parts.value.len()),
                false => Value::Text(text_of(self.block, &parts.value)),
            };
            let pieces = std::mem::take(&mut mark.pieces);
            let draft = self.draft(Part::HeaderValue, &parts.value).within(line);
            let value = self.sink.note(with(draft.value(shown), mark));
            for (part, range) in pieces {
                self.leaf(value, part, &range);
            }
        }
        self.leaf(line, Part::Separator, &parts.trailing);
    }

    fn end_of_line(&mut self, parent: u32, end: &Range<usize>) {
        let draft = self.draft(Part::LineEnd, end).within(parent);
        let draft = self.line_end(draft, end);
        self.sink.note(draft);
    }

    fn line_end(&self, draft: NoteDraft, end: &Range<usize>) -> NoteDraft {
        match self.block.part(end) {
            b"\r\n" => draft,
            other => {
                let by = format!(
                    "The line ends with {} alone, not with CR LF.",
                    quoted(other)
                );
                draft.broken(&LINE_END, by)
            }
        }
    }

    fn leaf(&mut self, parent: u32, part: Part, range: &Range<usize>) {
        if !range.is_empty() {
            let draft = self.draft(part, range).within(parent);
            self.sink.note(draft);
        }
    }

    /// The same for a secret.
    fn hidden(&mut self, parent: u32, part: Part, range: &Range<usize>) {
        if self.secrets {
            return self.leaf(parent, part, range);
        }
        if !range.is_empty() {
            let draft = self.draft(part, range).within(parent);
            self.sink.note(draft.value(Value::Hidden(range.len())));
        }
    }

    fn draft(&self, part: Part, range: &Range<usize>) -> NoteDraft {
        let at = |place: usize| self.block.at + place as u64;
        NoteDraft::new(part, self.from, at(range.start)..at(range.end))
    }
}

fn with(draft: NoteDraft, mark: Mark) -> NoteDraft {
    let draft = draft.steps(mark.steps).verdicts(mark.verdicts);
    match mark.value {
        Some(value) => draft.value(value),
        None => draft,
    }
}

fn text_of(block: &Block, range: &Range<usize>) -> String {
    text(block.part(range))
}
