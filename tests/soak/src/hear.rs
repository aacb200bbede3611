//! A parser for the server's output; written separately, so that no test trusts the code that it
//! tests.

use stentor::Version;
use stentor::protocol::framing::Framing;
use stentor::protocol::version::Closing;

use crate::manner::Deflate;
use crate::wire::PROOF;

/// The items that a client receives.
#[derive(Debug)]
pub(crate) enum Heard<'a> {
    Message(&'a [u8], bool),
    /// The same, compressed.
    Deflated(&'a [u8], bool),
    Ping(&'a [u8]),
    /// A close frame's code, or 0 for a frame without one and for draft-76's `FF 00`.
    Goodbye(u16),
}

/// The number of bytes of an item, and the item; `None` while it is incomplete.
type Piece<T> = Result<Option<(usize, T)>, String>;

/// Reads the server's 101, checks the proofs, and its response to the offered extension.
pub(crate) fn answer(version: Version, deflate: Deflate, bytes: &[u8]) -> Piece<()> {
    let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let accepted = match version.framing() {
        Framing::Hixie => true,
        Framing::Hybi => head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    };
    if !head.starts_with("HTTP/1.1 101 ") || !accepted {
        return Err(format!("instead of a 101: {head}"));
    }
    let taken_up = match deflate {
        Deflate::No => None,
        Deflate::Alone => {
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        }
        Deflate::Takeover => Some("permessage-deflate"),
    };
    let mut lines = head.lines();
    let extensions = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    if extensions != taken_up {
        return Err(format!("{extensions:?} instead of {taken_up:?}"));
    }
    let end = end + 4;
    if version.closing() != Closing::Marker {
        return Ok(Some((end, ())));
    }
    match bytes.get(end..end + PROOF.len()) {
        None => Ok(None),
        Some(proof) if proof == PROOF => Ok(Some((end + PROOF.len(), ()))),
        Some(other) => Err(format!("a wrong proof: {}", other.escape_ascii())),
    }
}

/// Reads the next frame.
pub(crate) fn next(version: Version, bytes: &[u8]) -> Piece<Heard<'_>> {
    match version.framing() {
        Framing::Hixie => next_hixie(bytes),
        Framing::Hybi => next_hybi(bytes),
    }
}

fn next_hixie(bytes: &[u8]) -> Piece<Heard<'_>> {
    match bytes {
        [] | [0xff] => Ok(None),
        [0xff, 0x00, ..] => Ok(Some((2, Heard::Goodbye(0)))),
        [0x00, rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == 0xff);
            Ok(end.map(|end| (end + 2, Heard::Message(&rest[..end], false))))
        }
        [other, ..] => Err(format!("no frame begins with {other:#04x}")),
    }
}

fn next_hybi(bytes: &[u8]) -> Piece<Heard<'_>> {
    let (start, len) = match *bytes {
        [_, 126, a, b, ..] => (4, u64::from(u16::from_be_bytes([a, b]))),
        [_, 127, a, b, c, d, e, f, g, h, ..] => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        [] | [_] | [_, 126 | 127, ..] => return Ok(None),
        [_, len, ..] => (2, u64::from(len)),
    };
    if len > 1024 * 1024 {
        return Err(format!("a frame of {len} bytes"));
    }
    let end = start + len as usize;
    let Some(payload) = bytes.get(start..end) else {
        return Ok(None);
    };
    let received = match (bytes[0], payload) {
        (0x81, text) => Heard::Message(text, false),
        (0x82, binary) => Heard::Message(binary, true),
        (0xc1, text) => Heard::Deflated(text, false),
        (0xc2, binary) => Heard::Deflated(binary, true),
        (0x88, []) => Heard::Goodbye(0),
        (0x88, [high, low, ..]) => Heard::Goodbye(u16::from_be_bytes([*high, *low])),
        (0x89, ping) => Heard::Ping(ping),
        (other, _) => return Err(format!("no frame begins with {other:#04x}")),
    };
    Ok(Some((end, received)))
}
