//! Lesson 10: a server of version 7 or 8.

use stentor::Version;

use super::l02;
use crate::diagnoses::draft8 as d;
use crate::exchange::{Delivery, Exchange};
use crate::handshake::Head;
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{HeadReading, Missing, Talk};
use crate::wire::{Frame, Parsed, opcode, parse};

pub(crate) static LESSON: Lesson = Lesson {
    number: 10,
    title: "Versions 7 and 8",
    role: Role::Server,
    versions: &[Version::Hybi07, Version::Hybi08],
    cases: &[
        Case {
            id: "10.1",
            title: "a request with Sec-WebSocket-Origin is accepted",
            run: accepted,
        },
        Case {
            id: "10.2",
            title: "Sec-WebSocket-Accept fits the key",
            run: accept_value,
        },
        Case {
            id: "10.3",
            title: "deflate-stream is declined",
            run: deflate_stream,
        },
        Case {
            id: "10.4",
            title: "messages come back in all three forms of the length",
            run: messages,
        },
        Case {
            id: "10.5",
            title: "fragments are joined, and a ping gets its pong",
            run: fragments,
        },
        Case {
            id: "10.6",
            title: "a close frame gets a close frame, and TCP closes",
            run: close,
        },
    ],
};

/// Reads the response to the request that was sent; it must be a 101.
fn response(talk: &mut Talk) -> Check<Head> {
    let (received, words) = match talk.read_head() {
        HeadReading::Head(head) if head.status() == Some(101) => {
            talk.head = Some(head.clone());
            return Ok(head);
        }
        HeadReading::Head(head) => (head.raw, "the response"),
        HeadReading::Incomplete(bytes, missing) => (bytes, missing.words()),
    };
    let mut failure = Failure::diagnosed(&d::REFUSED, "");
    for line in talk.request.iter().flat_map(|request| request.lines()) {
        failure = failure.sent(Shown::line(line));
    }
    failure
        .received(Shown::bytes(received, words))
        .expected("HTTP/1.1 101 Switching Protocols")
        .fail()
}

fn accepted(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    talk.send_request(request)?;
    response(talk)?;
    let mut request = talk.new_request();
    // Only browsers send an origin.
    request.remove("Sec-WebSocket-Origin");
    talk.send_request(request)?;
    response(talk).map(|_| ())
}

fn accept_value(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    talk.send_request(request)?;
    let head = response(talk)?;
    if head.values("Sec-WebSocket-Accept").next().is_some() {
        return l02::check_accept(talk, &head, &[]);
    }
    let mut failure = Failure::diagnosed(&d::ACCEPT, "");
    for line in &head.lines {
        failure = failure.received(Shown::line(line));
    }
    failure.expected("Sec-WebSocket-Accept").fail()
}

fn deflate_stream(talk: &mut Talk) -> Check {
    let mut request = talk.new_request();
    let offer = "deflate-stream, x-webkit-deflate-frame";
    request.set("Sec-WebSocket-Extensions", offer);
    talk.send_request(request)?;
    let head = response(talk)?;
    match head.header_lines("Sec-WebSocket-Extensions").next() {
        None => Ok(()),
        Some(line) => Failure::diagnosed(&d::DEFLATE_STREAM, "")
            .sent(Shown::line(format!("Sec-WebSocket-Extensions: {offer}")))
            .received(Shown::line(line))
            .expected("no such line: the extension is declined")
            .fail(),
    }
}

fn messages(talk: &mut Talk) -> Check {
    talk.open()?;
    for len in [5, 300, 65536] {
        let text: String = "Hello, ".chars().cycle().take(len).collect();
        Exchange::echo(Frame::text(&text)).play(talk, Delivery::Together)?;
    }
    Exchange::echo(Frame::new(opcode::BINARY, [0x00, 0xff, 0x80])).play(talk, Delivery::Together)
}

fn fragments(talk: &mut Talk) -> Check {
    talk.open()?;
    let pieces = vec![
        Frame::text("Hel").unfinished(),
        Frame::new(opcode::PING, *b"ping"),
        Frame::new(opcode::CONTINUATION, *b"lo"),
    ];
    let expected = vec![Frame::new(opcode::PONG, *b"ping"), Frame::text("Hello")];
    Exchange::new(pieces, expected).play(talk, Delivery::Together)
}

fn close(talk: &mut Talk) -> Check {
    talk.open()?;
    let sent = talk.send_frame(Frame::close(1000, ""));
    let (got, missing) = talk.closed();
    let right = match parse(&got) {
        Parsed::Frame(frame, len) => {
            let same = frame.payload.starts_with(&sent.payload);
            frame.opcode == opcode::CLOSE && frame.mask.is_none() && same && len == got.len()
        }
        _ => false,
    };
    if right && missing != Missing::Silence {
        return Ok(());
    }
    Failure::diagnosed(&d::CLOSE_CODE, "")
        .sent(Shown::bytes(sent.encode(), sent.words()))
        .received(Shown::bytes(got, missing.words()))
        .expected("88 02 03 e8, and the end of the TCP stream")
        .fail()
}
