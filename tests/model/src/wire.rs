//! The frames that a peer receives, and the rules for any sequence of them.

use crate::protocol::{CloseCode, CloseFrame, Encoder, Message, Version};

/// One frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Text(String),
    /// A fragment: whether it is the first and the last.
    Fragment(bool, bool),
    Ping,
    Close(u16),
}

/// Returns message `number` of a sender; its length changes with the number.
pub(super) fn text(sender: char, number: usize) -> String {
    format!("{sender}{number}{}", "~".repeat(number * 3 % 7))
}

pub(super) fn frame(sender: char, number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let message = Message::from(text(sender, number));
    Encoder::server(Version::Rfc6455)
        .encode(&message, &mut bytes)
        .unwrap();
    bytes
}

pub(super) fn ping() -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::server(Version::Rfc6455)
        .encode_ping(b"", &mut bytes)
        .unwrap();
    bytes
}

pub(super) fn close(code: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let frame = CloseFrame::of(CloseCode::from(code));
    Encoder::server(Version::Rfc6455)
        .encode_close(Some(&frame), &mut bytes)
        .unwrap();
    bytes
}

/// Returns a fragment of one byte: the first one, a middle one or the last one of its message.
pub(super) fn fragment(is_first: bool, is_last: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::server(Version::Rfc6455)
        .encode_fragment(true, (is_first, is_last), b"~", &mut bytes)
        .unwrap();
    bytes
}

/// Checks that no message stands between the fragments of another; returns how many messages in fragments
/// are complete.
pub(super) fn assert_unmixed(frames: &[Frame]) -> usize {
    let (mut is_open, mut complete) = (false, 0);
    for frame in frames {
        match frame {
            Frame::Text(_) => assert!(!is_open, "a message within another: {frames:?}"),
            Frame::Fragment(is_first, is_last) => {
                assert_eq!(*is_first, !is_open, "{frames:?}");
                is_open = !is_last;
                complete += usize::from(*is_last);
            }
            Frame::Ping | Frame::Close(_) => {}
        }
    }
    complete
}

/// Returns the frames of a stream, which must be complete, except the last if the stream was cut
/// off.
pub(super) fn frames(mut bytes: &[u8], is_cut: bool) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let whole = match bytes {
            [_, len, rest @ ..] if rest.len() >= usize::from(*len) => usize::from(*len) + 2,
            _ if is_cut => break,
            torn => panic!(
                "a torn frame: {:?} behind {frames:?}",
                torn.escape_ascii().to_string()
            ),
        };
        let (frame, rest) = bytes.split_at(whole);
        let payload = &frame[2..];
        frames.push(match frame[0] {
            0x81 => Frame::Text(String::from_utf8(payload.to_vec()).expect("UTF-8")),
            0x01 => Frame::Fragment(true, false),
            0x00 => Frame::Fragment(false, false),
            0x80 => Frame::Fragment(false, true),
            0x88 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
            0x89 => Frame::Ping,
            other => panic!("no frame begins with {other:#x}: behind {frames:?}"),
        });
        bytes = rest;
    }
    frames
}

/// Checks that the messages of one sender are complete, each once, and in the order of sending;
/// returns their number.
pub(super) fn assert_in_order(frames: &[Frame], sender: char) -> usize {
    let numbers = numbers(frames, sender);
    let expected: Vec<usize> = (0..numbers.len()).collect();
    assert_eq!(numbers, expected, "of {sender} in {frames:?}");
    numbers.len()
}

/// The numbers of one sender's messages.
pub(super) fn numbers(frames: &[Frame], sender: char) -> Vec<usize> {
    let mut numbers = Vec::new();
    for frame in frames {
        if let Frame::Text(words) = frame
            && let Some(rest) = words.strip_prefix(sender)
        {
            let number = rest.trim_end_matches('~').parse().expect("a number");
            assert_eq!(*words, text(sender, number), "a torn message in {frames:?}");
            numbers.push(number);
        }
    }
    numbers
}

/// Checks that there is at most one close frame, and nothing behind it; returns its code.
pub(super) fn assert_ends(frames: &[Frame]) -> Option<u16> {
    let at = frames
        .iter()
        .position(|frame| matches!(frame, Frame::Close(_)))?;
    assert_eq!(at, frames.len() - 1, "after the close frame: {frames:?}");
    match frames[at] {
        Frame::Close(code) => Some(code),
        _ => None,
    }
}
