//! The text of a failed case: at most 80 columns, legible without colour.

use std::fmt::Write as _;

use super::WIDTH;
use crate::lesson::{Caret, Failure, Found, Shown};
use crate::wire;

/// The column in which the values begin.
const INDENT: usize = 15;
/// Bytes in one row of hex.
const ROW: usize = 16;
/// Rows of hex that are shown of one part: more where a mistake is marked.
const MAX_ROWS: usize = 2;
const MAX_MARKED_ROWS: usize = 4;
/// Characters that are shown of one line.
const MAX_LINE: usize = 400;

/// All lines about a failure.
pub(crate) fn text(failure: &Failure) -> String {
    let mut text = String::new();
    for (place, shown) in failure.sent.iter().enumerate() {
        let label = if place == 0 { "sent" } else { "" };
        entry(&mut text, label, &shown_lines(shown, None));
    }
    for (place, shown) in failure.received.iter().enumerate() {
        let label = if place == 0 { "received" } else { "" };
        let caret = failure.caret.as_ref().filter(|caret| caret.line == place);
        entry(&mut text, label, &shown_lines(shown, caret));
    }
    if !failure.expected.is_empty() {
        words(&mut text, "expected", &failure.expected);
    }
    match &failure.found {
        Found::Unnamed(says) => {
            words(&mut text, "diagnosis", says);
            words(&mut text, "rule", failure.rule);
        }
        Found::Diagnosis(diagnosis, detail) => {
            words(&mut text, "diagnosis", diagnosis.id);
            words(&mut text, "", &format!("{} {detail}", diagnosis.says));
            words(&mut text, "hint", diagnosis.hint);
            words(&mut text, "rule", failure.rule);
            words(
                &mut text,
                "more",
                &format!("checker --explain {}", diagnosis.id),
            );
        }
    }
    text
}

/// Breaks text into lines of at most `width` characters. Line breaks of the text stay.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.trim().split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            for piece in pieces(word, width) {
                let blank = usize::from(!line.is_empty());
                if line.chars().count() + blank + piece.chars().count() > width {
                    lines.push(std::mem::take(&mut line));
                } else if blank == 1 {
                    line.push(' ');
                }
                line.push_str(&piece);
            }
        }
        lines.push(line);
    }
    lines
}

/// A word that is longer than a line, in pieces.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    characters
        .chunks(width)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn words(text: &mut String, label: &str, value: &str) {
    entry(text, label, &wrap(value, WIDTH - INDENT));
}

fn entry(text: &mut String, label: &str, lines: &[String]) {
    for (place, line) in lines.iter().enumerate() {
        let label = if place == 0 { label } else { "" };
        let line = format!("  {label:<13}{line}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn shown_lines(shown: &Shown, caret: Option<&Caret>) -> Vec<String> {
    match shown {
        Shown::Line(line) => line_rows(line, caret),
        Shown::Bytes(bytes, words) => byte_rows(bytes, words, caret),
    }
}

/// A line of text in rows, with the caret under the row in which its part ends.
fn line_rows(line: &str, mut caret: Option<&Caret>) -> Vec<String> {
    let width = WIDTH - INDENT;
    if line.starts_with('(') {
        // A remark of the checker, not a line of the conversation.
        return wrap(line, width);
    }
    let characters: Vec<char> = line.chars().take(MAX_LINE).collect();
    let mut rows = Vec::new();
    let mut at = 0;
    loop {
        let row: String = characters.iter().skip(at).take(width).collect();
        let shown = row.chars().count();
        rows.push(row);
        let last = at + width >= characters.len();
        // A value that goes on in the next row is shown whole first: the caret marks its last part.
        if let Some(caret) = caret.take_if(|caret| last || caret.column + caret.len <= at + width) {
            let column = caret.column.saturating_sub(at);
            let end = (caret.column + caret.len).saturating_sub(at);
            let len = end.min(shown).saturating_sub(column);
            rows.extend(caret_rows(column, len, &caret.words));
        }
        at += width;
        if last {
            return rows;
        }
    }
}

/// Bytes in rows of hex, with the caret under the row in which it begins, and their meaning at the end.
fn byte_rows(bytes: &[u8], words: &str, caret: Option<&Caret>) -> Vec<String> {
    let width = WIDTH - INDENT;
    let marked = caret.map_or(0, |caret| caret.column / ROW);
    let max = match caret {
        Some(_) => MAX_MARKED_ROWS,
        None => MAX_ROWS,
    };
    // A mistake far behind the start: the rows around it are shown.
    let first = if marked < max { 0 } else { marked - 1 };
    let total = bytes.len().div_ceil(ROW);
    let last = (first + max).min(total);
    let mut rows = Vec::new();
    if first > 0 {
        rows.push(format!("(after {})", wire::count(first * ROW, "byte")));
    }
    for row in first..last {
        let shown = &bytes[row * ROW..bytes.len().min((row + 1) * ROW)];
        rows.push(wire::hex(shown));
        if let Some(caret) = caret.filter(|_| row == marked) {
            let column = caret.column % ROW;
            let len = caret.len.clamp(1, ROW - column) * 3 - 1;
            rows.extend(caret_rows(column * 3, len, &caret.words));
        }
    }
    if last < total {
        rows.push(format!(
            "(and {})",
            wire::count(bytes.len() - last * ROW, "more byte")
        ));
    }
    match rows.as_mut_slice() {
        [only] if only.len() + words.len() + 3 <= width => {
            *only = format!("{only}   {words}");
        }
        _ if words.is_empty() => {}
        _ => rows.extend(wrap(&format!("({words})"), width)),
    }
    if bytes.is_empty() {
        let words = words.trim_start_matches("then nothing more came, and ");
        let words = words.trim_start_matches("then ");
        rows = wrap(&format!("nothing: {words}"), width);
    }
    rows
}

/// `^^^^ words`, or the words on lines of their own where they do not fit.
fn caret_rows(column: usize, len: usize, words: &str) -> Vec<String> {
    let width = WIDTH - INDENT;
    let marks = format!("{}{}", " ".repeat(column), "^".repeat(len.max(1)));
    let together = format!("{marks} {words}");
    if together.chars().count() <= width {
        return vec![together.trim_end().to_owned()];
    }
    let mut rows = vec![marks];
    rows.extend(wrap(words, width));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_two_rows_is_shown_whole_before_its_caret() {
        let caret = Caret {
            line: 0,
            column: 6,
            len: 70,
            words: "too long".to_owned(),
        };
        let line = format!("Name: {}", "v".repeat(70));
        let rows = line_rows(&line, Some(&caret));
        let marks = format!("{} too long", "^".repeat(11));
        assert_eq!(rows, [&line[..65], &line[65..], &marks]);
    }

    #[test]
    fn caret_is_under_the_row_of_its_part() {
        let caret = Caret {
            line: 0,
            column: 2,
            len: 3,
            words: "here".to_owned(),
        };
        let line = "x".repeat(70);
        let rows = line_rows(&line, Some(&caret));
        assert_eq!(rows, [&line[..65], "  ^^^ here", &line[65..]]);
    }
}
