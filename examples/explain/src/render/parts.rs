//! The parts of a head or a frame as rows, in general.

use crate::note::{Note, Part, Value};

use super::layout::Row;
use super::visible::{escape, quote_bytes};
use super::{Group, Level, count, hex};

/// The bytes of one line.
const LINE: usize = 8;

/// Rows for all notes, one for each note that has bytes, verdicts or steps of its own.
pub(super) fn rows<'a>(group: &'a Group<'_>) -> Vec<Row<'a>> {
    let root = &group.notes[0];
    let mut rows: Vec<Row<'a>> = match group.notes {
        [root] if root.part != Part::End => vec![row(group, root)],
        [_, notes @ ..] => notes.iter().map(|note| row(group, note)).collect(),
        [] => Vec::new(),
    };
    if group.notes.len() > 1 || root.part == Part::End {
        rows.extend(own(group));
    }
    rows
}

/// A row for the verdicts and the steps of the head or the frame itself, if there are any to show.
pub(super) fn own<'a>(group: &'a Group<'_>) -> Option<Row<'a>> {
    let root = &group.notes[0];
    let is_shown = match group.style.level {
        Level::Verbose => !root.verdicts.is_empty() || !root.steps.is_empty(),
        _ => group.style.why && !root.verdicts.is_empty() || root.is_broken(),
    };
    is_shown.then(|| Row {
        right: match root.part {
            Part::End => "no more bytes".to_owned(),
            Part::Frame | Part::HixieFrame => "the frame as a whole".to_owned(),
            part => format!("the {} as a whole", part.name()),
        },
        steps: root.steps.iter().collect(),
        verdicts: root.verdicts.iter().collect(),
        ..Row::default()
    })
}

/// A row for one note: its bytes, its name and its value.
pub(super) fn row<'a>(group: &'a Group<'_>, note: &'a Note) -> Row<'a> {
    let is_leaf = !group.notes.iter().any(|n| n.parent == Some(note.id));
    let is_hidden = matches!(note.value, Value::Hidden(_));
    let left = if is_leaf && !is_hidden {
        lines(group, note)
    } else {
        Vec::new()
    };
    let mut right = name(note.part);
    let value = match &note.value {
        // The bytes stand beside it already.
        Value::Bytes(bytes) if is_leaf && bytes == group.raw(note) && !is_visible(bytes) => {
            String::new()
        }
        _ if note.part == Part::MaskingKey => String::new(),
        // Words about the block, not its data.
        Value::Text(words) if note.part == Part::DeflateBlock => escape(words.as_bytes()),
        _ => value(group, note),
    };
    // Words about bytes that are too few.
    if let (Part::Unread, Value::Text(words)) = (note.part, &note.value) {
        right = escape(words.as_bytes());
    } else if !value.is_empty() {
        right = format!("{right} {value}");
    }
    Row {
        at: Some(note.bytes.start),
        left,
        right,
        wide: false,
        steps: note.steps.iter().collect(),
        verdicts: note.verdicts.iter().collect(),
    }
}

/// The name of a part in words.
pub(super) fn name(part: Part) -> String {
    match part {
        Part::Fin => "FIN".to_owned(),
        Part::Rsv1 => "RSV1".to_owned(),
        Part::Rsv2 => "RSV2".to_owned(),
        Part::Rsv3 => "RSV3".to_owned(),
        Part::MaskBit => "MASK".to_owned(),
        Part::Length7 | Part::Length16 | Part::Length64 => "length".to_owned(),
        Part::Unread => "bytes that are not explained".to_owned(),
        part => part.name().replace('-', " "),
    }
}

/// The bytes of a note in hex, eight a line; after a few lines, how many are left out.
fn lines(group: &Group<'_>, note: &Note) -> Vec<String> {
    let most = match group.style.level {
        Level::Verbose => 64,
        _ => 2 * LINE,
    };
    let length = note.bytes.end - note.bytes.start;
    let raw = group.raw(note);
    let shown = &raw[..raw.len().min(most)];
    let mut lines: Vec<String> = shown.chunks(LINE).map(hex).collect();
    let rest = length - shown.len() as u64;
    if rest > 0 {
        lines.push(format!("… {} more", count(rest, "byte")));
    }
    lines
}

/// The value in words. Bytes are text where they are all visible.
pub(super) fn value(group: &Group<'_>, note: &Note) -> String {
    match &note.value {
        Value::Bytes(bytes) if bytes.is_empty() => "(empty)".to_owned(),
        Value::Bytes(bytes) => {
            let words = if is_visible(bytes) {
                quote_bytes(bytes)
            } else {
                hex(bytes)
            };
            let length = note.bytes.end - note.bytes.start;
            let more = if length > 64 && bytes.len() == 64 {
                " …"
            } else {
                ""
            };
            format!("{words}{more}")
        }
        _ => group.value(note),
    }
}

fn is_visible(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}
