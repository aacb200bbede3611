//! A header block, split into lines, and the lines into parts. Nothing is judged here.

use std::ops::Range;

use super::search::line_end;
use super::text::{secret_without_colon, trim};

/// A header block. All places are counted from its first byte.
#[derive(Debug)]
pub(crate) struct Block {
    /// The place of the first byte in its stream.
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
    /// An empty line before the first one.
    pub(crate) before: Range<usize>,
    /// The request line or the status line.
    pub(crate) first: Line,
    pub(crate) headers: Vec<Header>,
    /// The empty line at the end; `None` if the stream ended before it.
    pub(crate) blank: Option<Range<usize>>,
    /// A line without an end: the stream ended in it.
    pub(crate) rest: Range<usize>,
}

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) text: Range<usize>,
    /// Its CR LF, or LF alone.
    pub(crate) end: Range<usize>,
}

/// One header line.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) line: Line,
    /// `None` if the line has no name: no colon, a blank at its start, or the name of a secret without a
    /// colon behind it.
    pub(crate) parts: Option<Parts>,
}

/// The parts of a header line.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) name: Range<usize>,
    /// The colon, and the blanks after it.
    pub(crate) separator: Range<usize>,
    pub(crate) value: Range<usize>,
    /// The blanks after the value.
    pub(crate) trailing: Range<usize>,
}

impl Block {
    /// Splits a block, which may be incomplete if the stream has ended.
    pub(crate) fn split(at: u64, bytes: &[u8]) -> Block {
        let before = 0..leading_line(bytes);
        let mut lines = Lines {
            bytes,
            at: before.end,
        };
        let empty = Line {
            text: before.end..before.end,
            end: before.end..before.end,
        };
        let first = lines.next().unwrap_or(empty);
        let mut headers = Vec::new();
        let mut blank = None;
        for line in lines.by_ref() {
            if line.text.is_empty() {
                blank = Some(line.end);
                break;
            }
            let parts = parts(bytes, &line.text);
            headers.push(Header { line, parts });
        }
        Block {
            at,
            before,
            first,
            headers,
            blank,
            rest: lines.at..bytes.len(),
            bytes: bytes.to_vec(),
        }
    }

    pub(crate) fn part(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// Returns the places and the values of all headers of this name, in any letter case.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (usize, &'a [u8])> {
        let headers = self.headers.iter().enumerate();
        headers.filter_map(move |(place, header)| {
            let parts = header.parts.as_ref()?;
            let found = self.part(&parts.name);
            found
                .eq_ignore_ascii_case(name.as_bytes())
                .then(|| (place, self.part(&parts.value)))
        })
    }

    /// Returns the first header of this name.
    pub(crate) fn first_of<'a>(&'a self, name: &'a str) -> Option<(usize, &'a [u8])> {
        self.all(name).next()
    }

    /// Returns whether the comma lists of a header contain a word, in any letter case.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name)
            .flat_map(|(_, value)| value.split(|&byte| byte == b','))
            .any(|item| trim(item).eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Returns the name of a header line as it was written; empty if the line has none.
    pub(crate) fn name(&self, place: usize) -> &[u8] {
        match &self.headers[place].parts {
            Some(parts) => self.part(&parts.name),
            None => b"",
        }
    }
}

/// The lines that are complete.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let end = line_end(self.bytes, self.at)?;
        let line = &self.bytes[self.at..end];
        let mark = match line.ends_with(b"\r\n") {
            true => 2,
            false => 1,
        };
        let text = self.at..end - mark;
        self.at = end;
        Some(Line {
            end: text.end..end,
            text,
        })
    }
}

fn leading_line(bytes: &[u8]) -> usize {
    match bytes.starts_with(b"\r\n") {
        true => 2,
        false => 0,
    }
}

fn parts(bytes: &[u8], text: &Range<usize>) -> Option<Parts> {
    let line = &bytes[text.clone()];
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return None;
    }
    if secret_without_colon(line).is_some() {
        return None;
    }
    let colon = text.start + line.iter().position(|&byte| byte == b':')?;
    let is_blank = |place: &usize| matches!(bytes[*place], b' ' | b'\t');
    let start = (colon + 1..text.end)
        .find(|place| !is_blank(place))
        .unwrap_or(text.end);
    let end = (start..text.end)
        .rev()
        .find(|place| !is_blank(place))
        .map_or(start, |place| place + 1);
    Some(Parts {
        name: text.start..colon,
        separator: colon..start,
        value: start..end,
        trailing: end..text.end,
    })
}
