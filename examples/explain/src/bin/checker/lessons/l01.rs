//! Lesson 1: a server of draft-75.

use stentor::Version;

use crate::diagnoses::{draft75 as d, hixie as frames};
use crate::hixie;
use crate::hixie_head::{self, DRAFT75};
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{Missing, Talk};
use crate::wire;

pub(crate) static LESSON: Lesson = Lesson {
    number: 1,
    title: "Draft-75: the whole protocol between 00 and FF",
    role: Role::Server,
    versions: &[Version::Draft75],
    cases: &[
        Case {
            id: "1.1",
            title: "the status line is that of draft-75",
            run: status_line,
        },
        Case {
            id: "1.2",
            title: "Upgrade and Connection follow, in this order",
            run: preamble,
        },
        Case {
            id: "1.3",
            title: "WebSocket-Origin and WebSocket-Location fit the request",
            run: headers,
        },
        Case {
            id: "1.4",
            title: "a message comes back between 00 and FF",
            run: hello,
        },
        Case {
            id: "1.5",
            title: "empty messages and letters outside ASCII come back",
            run: texts,
        },
        Case {
            id: "1.6",
            title: "cut and glued frames are put in order",
            run: cut_and_glued,
        },
        Case {
            id: "1.7",
            title: "a frame with a length is skipped",
            run: with_length,
        },
        Case {
            id: "1.8",
            title: "FF 00 is skipped: it is neither text nor a close",
            run: marker,
        },
        Case {
            id: "1.9",
            title: "the end of the client's stream closes the connection",
            run: end,
        },
    ],
};

/// The status line of draft-75, the only one with this space.
const STATUS: &str = "HTTP/1.1 101 Web Socket Protocol Handshake";

/// The lines that a client compares byte for byte.
const PREAMBLE: [&str; 3] = [STATUS, "Upgrade: WebSocket", "Connection: Upgrade"];

fn status_line(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    talk.send_request(request)?;
    let head = hixie_head::read(talk, &d::REFUSED)?;
    let line = head.status_line();
    let diagnosis = match head.status() {
        _ if line == STATUS => return Ok(()),
        Some(101) if line.contains("101 WebSocket Protocol Handshake") => &d::STATUS_SPACE,
        Some(101) => &d::STATUS_LINE,
        _ => &d::REFUSED,
    };
    let same = line
        .chars()
        .zip(STATUS.chars())
        .take_while(|(one, other)| one == other)
        .count();
    let mut failure = Failure::diagnosed(diagnosis, "");
    for line in talk.request.iter().flat_map(|request| request.lines()) {
        failure = failure.sent(Shown::line(line));
    }
    failure
        .received(Shown::line(line))
        .caret(same, 1, "")
        .expected(STATUS)
        .fail()
}

fn preamble(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    talk.send_request(request)?;
    let head = hixie_head::read(talk, &d::REFUSED)?;
    DRAFT75.upgrade(&head)?;
    // The status line has a case of its own.
    if head.lines.iter().skip(1).take(2).eq(&PREAMBLE[1..]) {
        return Ok(());
    }
    let mut failure = Failure::diagnosed(&d::HEADER_ORDER, "");
    for line in head.lines.iter().take(4) {
        failure = failure.received(Shown::line(line));
    }
    failure.expected(PREAMBLE.join("\n")).fail()
}

fn headers(talk: &mut Talk) -> Check {
    let request = hixie_head::telling_request(talk);
    talk.send_request(request)?;
    let head = hixie_head::read(talk, &d::REFUSED)?;
    DRAFT75.headers(&head)
}

fn hello(talk: &mut Talk) -> Check {
    talk.open()?;
    let (early, missing) = talk.rest_until_silence();
    if !early.is_empty() {
        return Failure::diagnosed(&d::PROOF, "")
            .received(Shown::bytes(early, missing.words()))
            .expected("nothing, until the client sends a message")
            .fail();
    }
    hixie::echo(talk, "Hello")
}

fn texts(talk: &mut Talk) -> Check {
    talk.open()?;
    hixie_texts(talk)
}

/// Empty messages, letters outside ASCII, and a long message. Both drafts run it.
pub(super) fn hixie_texts(talk: &mut Talk) -> Check {
    let empty = hixie::frame("");
    talk.send(&empty);
    hixie::expect(talk, &empty, &empty, |got, _| match got {
        [] => Some(&frames::DROPPED_EMPTY),
        _ => hixie::diagnose("", got),
    })?;
    hixie::echo(talk, "W\u{f6}rld \u{4e2d} \u{1f600}")?;
    hixie::echo(talk, &"0123456789".repeat(50))
}

fn cut_and_glued(talk: &mut Talk) -> Check {
    talk.open()?;
    hixie_cut_and_glued(talk)
}

/// A frame in several reads, and several frames in one. Both drafts run it.
pub(super) fn hixie_cut_and_glued(talk: &mut Talk) -> Check {
    let sent = hixie::frame("one \u{e4} message");
    // The third cut is inside a character.
    talk.send_in_pieces(&sent, &[1, 3, 6, sent.len() - 1]);
    // A whole frame passed in the lesson's earlier cases: only the cuts are new.
    hixie::expect(talk, &sent, &sent, |_, _| Some(&frames::ONE_READ))?;
    let glued = ["first", "second", "third"].map(hixie::frame).concat();
    talk.send(&glued);
    hixie::expect(talk, &glued, &glued, |got, _| match got.len() {
        0..=8 => Some(&frames::GLUED),
        _ => Some(&frames::JOINED),
    })
}

fn with_length(talk: &mut Talk) -> Check {
    talk.open()?;
    let long = [vec![0x80, 0x81, 0x00], vec![b'z'; 128]].concat();
    let skipped = [vec![0x80, 0x05, 0x00, b'A', 0xff, b'B', b'C'], long].concat();
    let right = hixie::frame("seen");
    let sent = [skipped, right.clone()].concat();
    talk.send(&sent);
    hixie::expect(talk, &sent, &right, |_, _| Some(&frames::LENGTH_READ))
}

fn marker(talk: &mut Talk) -> Check {
    talk.open()?;
    marker_is_skipped(talk)
}

/// FF 00 and a text on an open connection.
pub(super) fn marker_is_skipped(talk: &mut Talk) -> Check {
    let right = hixie::frame("on");
    let sent = [vec![0xff, 0x00], right.clone()].concat();
    talk.send(&sent);
    hixie::expect(talk, &sent, &right, |got, missing| match got.first() {
        Some(0xff | 0x88) => Some(&d::MARKER_CLOSE),
        None if missing != Missing::Silence => Some(&d::MARKER_CLOSE),
        // The text was lost as well, for a reason that silence does not show.
        None => None,
        Some(_) => Some(&d::MARKER_TEXT),
    })
}

fn end(talk: &mut Talk) -> Check {
    talk.open()?;
    hixie::echo(talk, "last")?;
    talk.shut_down_writing();
    let (bytes, missing) = talk.closed();
    let diagnosis = match missing {
        _ if !bytes.is_empty() => &d::CLOSE_BYTES,
        Missing::Silence => &d::STAYS_OPEN,
        Missing::Ended(_) => return Ok(()),
    };
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::line("(the end of the client's stream)"))
        .received(Shown::bytes(
            bytes.clone(),
            format!("{} {}", wire::printable(&bytes, 20), missing.words()),
        ))
        .expected("no bytes, and the end of the server's stream")
        .fail()
}
