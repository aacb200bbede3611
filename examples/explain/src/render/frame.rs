//! Frames: the bits of one byte share a row, or have a row each with their weights.

use crate::note::{Note, Part, Value, Verdict};

use super::layout::Row;
use super::parts::{self, name};
use super::{Group, Level, count};

/// The kind of a frame, its place in its message, and the length of its payload.
pub(super) fn summary(group: &Group<'_>) -> String {
    let mut words = Vec::new();
    match group.notes[0].part {
        Part::HixieFrame => words.push(hixie(group)),
        _ => hybi(group, &mut words),
    }
    if group.style.level == Level::Quiet {
        let shown = [
            Part::CloseCode,
            Part::CloseReason,
            Part::Payload,
            Part::Text,
        ];
        let notes = group.notes.iter().filter(|note| {
            let is_parted = group.notes.iter().any(|n| n.parent == Some(note.id))
                && matches!(note.value, Value::None);
            shown.contains(&note.part) && !is_parted
        });
        for note in notes {
            let value = parts::value(group, note);
            if !matches!(value.as_str(), "" | "(empty)" | "\"\"") {
                words.push(value);
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words.join(", ")
}

/// The rows of a frame.
pub(super) fn rows<'a>(group: &'a Group<'_>) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let mut notes = &group.notes[1..];
    while let Some(first) = notes.first() {
        let is_same = |note: &&Note| note.bits != 0xff && note.bytes == first.bytes;
        let together = match first.bits {
            0xff => 1,
            _ => notes.iter().take_while(is_same).count(),
        };
        let (these, rest) = notes.split_at(together.max(1));
        match first.bits {
            0xff => rows.push(parts::row(group, first)),
            _ if group.style.level == Level::Verbose => bits(group, these, &mut rows),
            _ => rows.push(byte(group, these)),
        }
        notes = rest;
    }
    rows.extend(parts::own(group));
    rows
}

/// The bits of one byte in one row.
fn byte<'a>(group: &Group<'_>, notes: &'a [Note]) -> Row<'a> {
    let mut words = Vec::new();
    let mut rsv = String::new();
    for note in notes {
        match note.part {
            Part::Rsv1 => rsv = format!("RSV {}", number(group, note)),
            Part::Rsv2 | Part::Rsv3 => rsv.push_str(&number(group, note).to_string()),
            _ => {
                if !rsv.is_empty() {
                    words.push(std::mem::take(&mut rsv));
                }
                words.push(short(group, note));
            }
        }
    }
    words.push(rsv);
    words.retain(|word| !word.is_empty());
    Row {
        at: Some(notes[0].bytes.start),
        left: vec![super::hex(group.raw(&notes[0]))],
        right: words.join(", "),
        wide: false,
        steps: notes.iter().flat_map(|note| &note.steps).collect(),
        verdicts: notes.iter().flat_map(|note| &note.verdicts).collect(),
    }
}

/// The bits of one byte, a row for each part; reserved bits that are all zero share one.
fn bits<'a>(group: &Group<'_>, notes: &'a [Note], rows: &mut Vec<Row<'a>>) {
    let first = rows.len();
    let mut at = 0;
    while at < notes.len() {
        let is_quiet = |note: &&Note| {
            matches!(note.part, Part::Rsv1 | Part::Rsv2 | Part::Rsv3)
                && number(group, note) == 0
                && !matches!(note.verdicts[..], [.., Verdict::Broken(..)])
        };
        let reserved = notes[at..].iter().take_while(is_quiet).count();
        let these = &notes[at..at + reserved.max(1)];
        at += these.len();
        let note = &these[0];
        let mask = these.iter().fold(0, |mask, note| mask | note.bits);
        let right = match reserved {
            3 => "RSV 000: no extension".to_owned(),
            _ => long(group, note),
        };
        let raw = group.raw(note).first().copied().unwrap_or_default();
        let is_first = rows.len() == first;
        let hex = if is_first {
            super::hex(&[raw])
        } else {
            "  ".to_owned()
        };
        rows.push(Row {
            at: is_first.then_some(note.bytes.start),
            left: vec![format!("{hex}   {}", pattern(raw, mask))],
            right,
            wide: false,
            steps: these.iter().flat_map(|note| &note.steps).collect(),
            verdicts: these.iter().flat_map(|note| &note.verdicts).collect(),
        });
    }
}

/// A part of a byte in few words.
fn short(group: &Group<'_>, note: &Note) -> String {
    let number = number(group, note);
    match (&note.value, note.part) {
        (Value::Name(value), part) if part != Part::FrameType => {
            format!("{} {number} ({value})", name(part))
        }
        (Value::Name(value), part) => format!("{} ({value})", name(part)),
        (_, Part::Length7) => match number {
            126 => "length 126: the next 2 bytes hold it".to_owned(),
            127 => "length 127: the next 8 bytes hold it".to_owned(),
            number => format!("length {number}"),
        },
        (_, part) => format!("{} {number}", name(part)),
    }
}

/// A part of a byte, with its meaning and the weights of its bits.
fn long(group: &Group<'_>, note: &Note) -> String {
    let number = number(group, note);
    let short = short(group, note);
    match (note.part, number) {
        (Part::Fin, 0) => "FIN 0: more fragments follow".to_owned(),
        (Part::Fin, _) => "FIN 1: the message ends here".to_owned(),
        (Part::MaskBit, 0) => "MASK 0: no key, no mask".to_owned(),
        (Part::MaskBit, _) => "MASK 1: a key follows".to_owned(),
        (Part::Length7, 126) => format!("length 126{}: 2 bytes follow", weights(number)),
        (Part::Length7, 127) => format!("length 127{}: 8 bytes follow", weights(number)),
        (Part::Opcode | Part::Length7 | Part::LengthDigit, number) => {
            format!("{short}{}", weights(number))
        }
        _ => short,
    }
}

/// " = 4 + 1" for 5; nothing for a number of one bit.
fn weights(number: u8) -> String {
    let bits = (0..8).rev().map(|bit| 1_u8 << bit);
    let set: Vec<String> = bits
        .filter(|weight| number & weight != 0)
        .map(|weight| weight.to_string())
        .collect();
    match set.len() {
        0 | 1 => String::new(),
        _ => format!(" = {}", set.join("+")),
    }
}

/// The bits of a part as a number.
fn number(group: &Group<'_>, note: &Note) -> u8 {
    let raw = group.raw(note).first().copied().unwrap_or_default();
    (raw & note.bits) >> note.bits.trailing_zeros().min(7)
}

/// The bits of a byte, those of other parts as dots: `·000 ····`.
fn pattern(byte: u8, mask: u8) -> String {
    let mut pattern = String::new();
    for bit in (0..8).rev() {
        pattern.push(match (mask >> bit & 1, byte >> bit & 1) {
            (0, _) => '·',
            (_, 0) => '0',
            _ => '1',
        });
        if bit == 4 {
            pattern.push(' ');
        }
    }
    pattern
}

fn hybi(group: &Group<'_>, words: &mut Vec<String>) {
    let bit = |part| group.find(part).map(|note| number(group, note));
    let opcode = group.find(Part::Opcode);
    let kind = opcode.map(|note| match &note.value {
        Value::Name(name) => (*name).to_owned(),
        _ => format!("opcode {}", number(group, note)),
    });
    words.extend(kind);
    let is_control = bit(Part::Opcode).is_some_and(|opcode| opcode >= 8);
    words.push(match (bit(Part::Fin), bit(Part::Opcode)) {
        (Some(_), Some(8..)) | (None, _) | (_, None) => String::new(),
        (Some(1), Some(0)) => "last fragment".to_owned(),
        (Some(1), _) => "whole".to_owned(),
        (Some(_), Some(0)) => "fragment".to_owned(),
        (Some(_), _) => "first fragment".to_owned(),
    });
    // A bit that may be that of an unknown extension says nothing about compression.
    let is_right = |verdict: &Verdict| matches!(verdict, Verdict::Holds(_));
    let rsv1 = group.find(Part::Rsv1);
    let is_kept = rsv1.is_some_and(|note| note.verdicts.iter().all(is_right));
    if bit(Part::Rsv1) == Some(1) && is_kept && !is_control {
        words.push("compressed".to_owned());
    }
    words.push(match bit(Part::MaskBit) {
        Some(1) => "masked".to_owned(),
        Some(_) => "not masked".to_owned(),
        None => String::new(),
    });
    let length = [Part::Length64, Part::Length16, Part::Length7]
        .into_iter()
        .find_map(|part| group.find(part));
    words.extend(length.map(|note| match note.value {
        Value::Number(length) => count(length, "byte"),
        _ => count(u64::from(number(group, note)), "byte"),
    }));
}

fn hixie(group: &Group<'_>) -> String {
    let length = |part| {
        group
            .find(part)
            .map(|note| note.bytes.end - note.bytes.start)
    };
    match group.notes[0].value {
        Value::Name("close") => "close: FF 00".to_owned(),
        Value::Name("empty") => "empty: FF 00".to_owned(),
        Value::Name("skipped") => {
            let kind = group.find(Part::FrameType);
            let kind = kind.and_then(|note| group.raw(note).first());
            match (kind, group.find(Part::LengthDigit)) {
                // The next byte decides between a close frame and a skipped one.
                (Some(0xff), None) => "type FF, without its length".to_owned(),
                _ => {
                    let skipped = length(Part::Skipped).unwrap_or(0);
                    format!("skipped, {}", count(skipped, "byte"))
                }
            }
        }
        _ => format!("text, {}", count(length(Part::Text).unwrap_or(0), "byte")),
    }
}
