//! Lesson 11, the close of a client.

use std::time::Duration;

use crate::client;
use crate::diagnoses::client_close as d;
use crate::diagnosis::Diagnosis;
use crate::lesson::{Check, Failure, Shown};
use crate::talk::{End, Missing, Talk};
use crate::wire::{Frame, Parsed, opcode, parse};

pub(super) fn close(talk: &mut Talk) -> Check {
    closes_with(talk, &Frame::close(1000, "bye"), Some(1000))?;
    closes_with(talk, &Frame::close(4001, ""), Some(4001))?;
    closes_with(talk, &Frame::new(opcode::CLOSE, []), None)?;
    late_message(talk)
}

/// Sends this close frame; expects one with the same code, and that the client waits for the end of TCP.
fn closes_with(talk: &mut Talk, close: &Frame, code: Option<u16>) -> Check {
    client::open(talk)?;
    talk.send(&close.encode());
    let sent = std::slice::from_ref(close);
    let mut got = talk.read_bytes(6);
    if got.is_empty() {
        let (_, missing) = talk.rest_until_silence();
        let diagnosis = match missing {
            Missing::Silence => &d::SILENT,
            Missing::Ended(End::Reset) => &d::RESET,
            Missing::Ended(_) => &d::ABRUPT,
        };
        return failure(diagnosis, sent, &got, missing).fail();
    }
    let (rest, missing) = talk.rest_until_silence();
    got.extend(rest);
    check_frame(&got, sent, code)?;
    let missing = match missing {
        // The client has time to close first, if it wants to.
        Missing::Silence => talk.wait_for_end(Duration::from_millis(250)),
        ended => ended,
    };
    match missing {
        Missing::Silence => {}
        Missing::Ended(End::Reset) => return failure(&d::RESET, sent, &got, missing).fail(),
        Missing::Ended(_) => return failure(&d::TCP_FIRST, sent, &got, missing).fail(),
    }
    talk.shut_down_writing();
    let (bytes, missing) = talk.closed();
    match missing {
        _ if !bytes.is_empty() => failure(&d::TWICE, sent, &bytes, missing).fail(),
        Missing::Silence => failure(&d::OPEN, sent, &got, missing).fail(),
        Missing::Ended(_) => Ok(()),
    }
}

/// Checks that the bytes are one right close frame, with this code if there is one.
pub(super) fn check_frame(got: &[u8], sent: &[Frame], code: Option<u16>) -> Check {
    let missing = Missing::Silence;
    let (frame, len) = match parse(got) {
        Parsed::Frame(frame, len) => (frame, len),
        _ => return failure(&d::LONG, sent, got, missing).fail(),
    };
    if let Some(diagnosis) = frame_mistake(&frame, code) {
        return failure(diagnosis, sent, got, missing).fail();
    }
    if got.len() > len {
        return failure(&d::TWICE, sent, got, missing).fail();
    }
    Ok(())
}

fn frame_mistake(frame: &Frame, code: Option<u16>) -> Option<&'static Diagnosis> {
    if frame.opcode != opcode::CLOSE {
        return Some(&d::ECHOED);
    }
    if frame.mask.is_none() {
        return Some(&d::UNMASKED);
    }
    let found = match frame.payload[..] {
        [] => return code.map(|_| &d::CODE),
        [_] => return Some(&d::SHORT),
        [high, low, ..] => u16::from_be_bytes([high, low]),
    };
    let digits = frame.payload.len() >= 4 && frame.payload[..4].iter().all(u8::is_ascii_digit);
    let is_valid = |code: u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    match found {
        _ if frame.payload.len() > 125 => Some(&d::LONG),
        _ if digits && code != Some(found) => Some(&d::TEXT),
        1005 | 1006 | 1015 => Some(&d::RESERVED),
        _ if code.is_some_and(|code| code.swap_bytes() == found && code != found) => {
            Some(&d::LITTLE)
        }
        _ if !is_valid(found) && is_valid(found.swap_bytes()) => Some(&d::LITTLE),
        _ if std::str::from_utf8(&frame.payload[2..]).is_err() => Some(&d::REASON),
        _ if code.is_some_and(|code| code != found) || !is_valid(found) => Some(&d::CODE),
        _ => None,
    }
}

fn late_message(talk: &mut Talk) -> Check {
    client::open(talk)?;
    let sent = [Frame::close(1000, ""), Frame::text("late")];
    talk.send(&sent.iter().flat_map(Frame::encode).collect::<Vec<u8>>());
    let mut got = talk.read_bytes(8);
    got.extend(talk.rest_until_silence().0);
    let late = match parse(&got) {
        Parsed::Frame(_, len) => parse(&got[len..]),
        other => other,
    };
    match late {
        Parsed::Frame(frame, _) if frame.payload == b"late" => {
            failure(&d::LATE, &sent, &got, Missing::Silence).fail()
        }
        _ => check_frame(&got, &sent, Some(1000)),
    }
}

fn failure(diagnosis: &'static Diagnosis, sent: &[Frame], got: &[u8], missing: Missing) -> Failure {
    let mut failure = Failure::diagnosed(diagnosis, "");
    for frame in sent {
        failure = failure.sent(Shown::bytes(frame.encode(), frame.words()));
    }
    let words = match parse(got) {
        Parsed::Frame(frame, _) => format!("read as: {}; {}", frame.words(), missing.words()),
        _ => missing.words().to_owned(),
    };
    failure
        .received(Shown::bytes(got, words))
        .expected("one close frame with the same code, masked; then the server closes TCP")
}
