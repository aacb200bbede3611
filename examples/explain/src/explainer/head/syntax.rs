//! The rules for the form of a header block, the same for requests and responses.

use std::ops::Range;

use crate::note::Part;
use crate::rules::handshake::{
    BLANK_LINE, BODY, HEADER_LINE, HEADER_VALUE, LINE_END, ONCE, REQUEST_LINE, STATUS_LINE,
};

use super::block::{Block, Header, Line};
use super::marks::{Marks, Place};
use super::text::{count, first_word, is_secret, is_token, is_token_byte, quoted};
use super::write::FirstLine;

/// Judges the form of all header lines, and that the block has an end.
pub(super) fn judge_lines(block: &Block, marks: &mut Marks) {
    judge_returns(block, Place::FirstLine, &block.first, marks);
    for (place, header) in block.headers.iter().enumerate() {
        judge_returns(block, Place::Header(place), &header.line, marks);
        judge_header(block, place, header, marks);
    }
    match block.blank {
        Some(_) => marks.holds(Place::Blank, &BLANK_LINE),
        None => {
            let lines = count(block.headers.len(), "header line");
            let by = format!("the stream ended after {lines}, before an empty line");
            marks.broken(Place::Block, &BLANK_LINE, by);
        }
    }
}

/// Judges that a header occurs at most once. Returns its place and its value, if it occurs exactly once.
pub(super) fn once<'a>(
    block: &'a Block,
    name: &'a str,
    marks: &mut Marks,
) -> Option<(usize, &'a [u8])> {
    let mut all = block.all(name);
    let first = all.next()?;
    let Some((second, _)) = all.next() else {
        return Some(first);
    };
    let number = 2 + all.count();
    let by = format!("{name} occurs {number} times, and must occur once");
    marks.broken(Place::Header(second), &ONCE, by);
    None
}

/// Judges that a request has no body. `allowed` is a length, beside 0, that is no body.
pub(super) fn judge_no_body(block: &Block, allowed: Option<&[u8]>, marks: &mut Marks) {
    if let Some((place, value)) = block.first_of("Transfer-Encoding") {
        let by = format!("Transfer-Encoding is {}: a body follows", quoted(value));
        marks.broken(Place::Value(place), &BODY, by);
    }
    let Some((place, value)) = once(block, "Content-Length", marks) else {
        return;
    };
    let place = Place::Value(place);
    if value == b"0" {
        marks.holds(place, &BODY);
    } else if Some(value) == allowed {
        let how = "the length counts the eight bytes of key3, as one client library does: accepted";
        marks.choice(place, &BODY, how);
    } else {
        let by = format!("Content-Length is {}, and must be 0", quoted(value));
        marks.broken(place, &BODY, by);
    }
}

/// Judges that no line has a CR but the one at its end.
fn judge_returns(block: &Block, place: Place, line: &Line, marks: &mut Marks) {
    let text = block.part(&line.text);
    if let Some(at) = text.iter().position(|&byte| byte == b'\r') {
        let by = format!("the line has a CR without LF at place {at}");
        marks.broken(place, &LINE_END, by);
    }
}

fn judge_header(block: &Block, place: usize, header: &Header, marks: &mut Marks) {
    let line = Place::Header(place);
    let Some(parts) = &header.parts else {
        let text = block.part(&header.line.text);
        let by = match text.first() {
            // It may belong to a secret in the line before.
            Some(b' ' | b'\t') => "the line begins with a blank, not with a name".to_owned(),
            _ if text.contains(&b':') => {
                format!(
                    "the name {} has no colon behind it",
                    quoted(first_word(text))
                )
            }
            _ => format!("the line {} has no colon", quoted(first_word(text))),
        };
        return marks.broken(line, &HEADER_LINE, by);
    };
    let name = block.part(&parts.name);
    if !is_token(name) {
        let wrong = name.iter().find(|&&byte| !is_token_byte(byte));
        let by = match wrong {
            None => "the line begins with the colon: the name is missing".to_owned(),
            Some(wrong) => format!(
                "the name {} has the byte {wrong:02x}, which no name may have",
                quoted(name)
            ),
        };
        marks.broken(line, &HEADER_LINE, by);
    }
    let value = block.part(&parts.value);
    // A CR is an error of the line.
    let is_wrong = |byte: &u8| (*byte < 0x20 && !b"\t\r".contains(byte)) || *byte == 0x7f;
    if let Some(at) = value.iter().position(is_wrong) {
        let shown = match is_secret(name) {
            true => "the value".to_owned(),
            false => format!("the value {}", quoted(value)),
        };
        let by = format!(
            "{shown} has the control character {:02x} at place {at}",
            value[at]
        );
        marks.broken(Place::Value(place), &HEADER_VALUE, by);
    }
}

/// Splits a request line into method, target and version, and judges their form.
pub(super) fn request_line(block: &Block, marks: &mut Marks) -> FirstLine {
    let text = block.first.text.clone();
    let line = block.part(&text);
    let first_space = line.iter().position(|&byte| byte == b' ');
    let last_space = line.iter().rposition(|&byte| byte == b' ');
    let parts = match (first_space, last_space) {
        (Some(first), Some(last)) if first < last => vec![
            (Part::Method, Place::Method, 0..first),
            (Part::Target, Place::Target, first + 1..last),
            (Part::HttpVersion, Place::HttpVersion, last + 1..line.len()),
        ],
        (Some(only), _) => vec![
            (Part::Method, Place::Method, 0..only),
            (Part::Target, Place::Target, only + 1..line.len()),
        ],
        (None, _) => vec![(Part::Method, Place::Method, 0..line.len())],
    };
    match request_line_error(line, &parts) {
        None => marks.holds(Place::FirstLine, &REQUEST_LINE),
        Some(by) => marks.broken(Place::FirstLine, &REQUEST_LINE, by),
    }
    moved(parts, text.start)
}

fn request_line_error(line: &[u8], parts: &[(Part, Place, Range<usize>)]) -> Option<String> {
    let [(.., method), (.., target), (.., version)] = parts else {
        return Some(format!(
            "the line {} has no three parts with spaces between them",
            quoted(line)
        ));
    };
    let (method, target, version) = (
        &line[method.clone()],
        &line[target.clone()],
        &line[version.clone()],
    );
    if !is_token(method) {
        return Some(format!("{} is no method", quoted(method)));
    }
    if target.is_empty() || target.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
        return Some(format!(
            "the target {} is empty, or has a space or a control character",
            quoted(target)
        ));
    }
    if std::str::from_utf8(target).is_err() {
        return Some(format!("the target {} is no text", quoted(target)));
    }
    version_error(version)
}

/// Splits a status line into version, status and reason, and judges their form.
pub(super) fn status_line(block: &Block, marks: &mut Marks) -> FirstLine {
    let text = block.first.text.clone();
    let line = block.part(&text);
    let space = |from: usize| {
        let place = line[from..].iter().position(|&byte| byte == b' ');
        place.map(|place| from + place)
    };
    let version = space(0).unwrap_or(line.len());
    let status = (version + 1).min(line.len());
    let status = status..space(status).unwrap_or(line.len());
    let reason = (status.end + 1).min(line.len())..line.len();
    let error = version_error(&line[..version])
        .or_else(|| status_error(&line[status.clone()]))
        .or_else(|| reason_error(&line[reason.clone()]));
    match error {
        None if status.end == line.len() => {
            let how = "the space after the status is missing: accepted";
            marks.choice(Place::FirstLine, &STATUS_LINE, how);
        }
        None => marks.holds(Place::FirstLine, &STATUS_LINE),
        Some(by) => marks.broken(Place::FirstLine, &STATUS_LINE, by),
    }
    let parts = vec![
        (Part::HttpVersion, Place::HttpVersion, 0..version),
        (Part::Status, Place::Status, status),
        (Part::Reason, Place::Reason, reason),
    ];
    moved(parts, text.start)
}

fn version_error(version: &[u8]) -> Option<String> {
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => None,
        _ => Some(format!(
            "the version is {}, and must be HTTP/1.1",
            quoted(version)
        )),
    }
}

fn status_error(status: &[u8]) -> Option<String> {
    match status {
        [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => None,
        _ => Some(format!(
            "the status is {}, and must be three digits",
            quoted(status)
        )),
    }
}

fn reason_error(reason: &[u8]) -> Option<String> {
    let is_wrong = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    let wrong = reason.iter().find(|byte| is_wrong(byte))?;
    Some(format!(
        "the reason {} has the control character {wrong:02x}",
        quoted(reason)
    ))
}

fn moved(parts: FirstLine, by: usize) -> FirstLine {
    let moved = parts
        .into_iter()
        .map(|(part, place, range)| (part, place, range.start + by..range.end + by));
    moved.collect()
}
