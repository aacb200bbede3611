//! Requests and responses: their lines as text.

use stentor::Version;

use crate::note::{Note, Part, Value};

use super::layout::Row;
use super::visible::escape;
use super::{Group, Level, count, parts};

/// The method, the target, and the version that the request names.
pub(super) fn request(group: &Group<'_>) -> String {
    let summary = summary(group, Part::Method, Part::Target);
    match &group.notes[0].value {
        Value::Name(name) if *name == Version::Draft75.name() => {
            format!("{summary} (no Sec-WebSocket-Version)")
        }
        _ => summary,
    }
}

/// The status and its reason, and the version.
pub(super) fn response(group: &Group<'_>) -> String {
    summary(group, Part::Status, Part::Reason)
}

fn summary(group: &Group<'_>, first: Part, second: Part) -> String {
    let line = format!("{} {}", text(group, first), text(group, second));
    let words = match &group.notes[0].value {
        Value::Name(name) => format!(", {name}"),
        Value::Text(text) => format!(", {}", escape(text.as_bytes())),
        _ => String::new(),
    };
    format!("{}{words}", line.trim())
}

/// A row for each line; draft-76's bytes after the blank line are rows in hex.
pub(super) fn rows<'a>(group: &'a Group<'_>) -> Vec<Row<'a>> {
    let root = &group.notes[0];
    let mut rows = Vec::new();
    let tops = group.notes.iter().enumerate();
    for (at, note) in tops.filter(|(_, note)| note.parent == Some(root.id)) {
        match note.part {
            Part::RequestLine | Part::StatusLine | Part::Header | Part::BlankLine => {
                rows.push(line(group, note, &group.notes[at..]));
            }
            Part::LineEnd if note.verdicts.is_empty() => {}
            _ => rows.extend(
                group.notes[at..]
                    .iter()
                    .filter(|inner| inner.id == note.id || inner.parent == Some(note.id))
                    .map(|inner| parts::row(group, inner)),
            ),
        }
    }
    rows.extend(parts::own(group));
    rows
}

/// One line, with the verdicts and the steps of all that is within it.
fn line<'a>(group: &Group<'_>, line: &'a Note, notes: &'a [Note]) -> Row<'a> {
    let within: Vec<&Note> = notes
        .iter()
        .take_while(|note| note.bytes.start < line.bytes.end || note.bytes == line.bytes)
        .filter(|note| line.bytes.start <= note.bytes.start && note.bytes.end <= line.bytes.end)
        .collect();
    let right = match line.part {
        Part::BlankLine => "(blank line)".to_owned(),
        _ => words(group, line, &within),
    };
    Row {
        at: Some(line.bytes.start),
        left: Vec::new(),
        right,
        wide: true,
        steps: within.iter().flat_map(|note| &note.steps).collect(),
        verdicts: within.iter().flat_map(|note| &note.verdicts).collect(),
    }
}

/// The text of a line without its end, and without a value that is hidden.
fn words(group: &Group<'_>, line: &Note, within: &[&Note]) -> String {
    let hidden = within
        .iter()
        .find(|note| matches!(note.value, Value::Hidden(_)));
    let raw = group.raw(line);
    let Some(hidden) = hidden else {
        let end = raw.trim_ascii_end().len();
        let line_end = &raw[end..];
        let mut text = escape(&raw[..end]);
        if group.style.level == Level::Verbose {
            text.push_str(&escape(line_end));
        }
        return text;
    };
    let before = usize::try_from(hidden.bytes.start - line.bytes.start).unwrap_or(0);
    let length = hidden.bytes.end - hidden.bytes.start;
    let name = escape(raw.get(..before).unwrap_or_default());
    format!(
        "{name}({} hidden: --secrets shows them)",
        count(length, "byte")
    )
}

/// The value of a part as text, or its bytes.
fn text(group: &Group<'_>, part: Part) -> String {
    let Some(note) = group.find(part) else {
        return String::new();
    };
    match &note.value {
        Value::Text(text) => escape(text.as_bytes()),
        Value::Name(name) => (*name).to_owned(),
        Value::Number(number) => number.to_string(),
        _ => escape(group.raw(note)),
    }
}
