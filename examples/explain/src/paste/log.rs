//! Lines of the library's log at the level trace: `client 1: < frame 818537fa213d`.

use crate::Side;

use super::{hex_word, shorten};

/// The header of one frame.
type Header = (Side, Vec<u8>);

/// Reads the headers of frames, if the text has such lines.
pub(super) fn read(text: &str) -> Option<Result<Vec<Header>, String>> {
    let headers: Vec<_> = text.lines().filter_map(header).collect();
    match headers.is_empty() {
        true => None,
        false => Some(headers.into_iter().collect()),
    }
}

fn header(line: &str) -> Option<Result<Header, String>> {
    let (before, after, is_received) = match line.split_once("< frame ") {
        Some((before, after)) => (before, after, true),
        None => {
            let (before, after) = line.split_once("> frame ")?;
            (before, after, false)
        }
    };
    // A server names its clients, a client its connection.
    let is_server = before.contains("client ");
    let from = match is_server == is_received {
        true => Side::Client,
        false => Side::Server,
    };
    let digits = after.split([':', ' ']).next().unwrap_or_default();
    Some(match hex_word(digits) {
        Ok(bytes) if bytes.is_empty() => Err(format!("\"{}\" has no header", shorten(line))),
        other => other.map(|bytes| (from, bytes)),
    })
}
