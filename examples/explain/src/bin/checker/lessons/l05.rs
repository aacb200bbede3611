//! Lesson 5: reads are not frames.

use stentor::Version;

use crate::diagnoses::cuts as d;
use crate::exchange::{Delivery, Exchange};
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{HeadReading, Talk};
use crate::wire::{self, Frame};

pub(crate) static LESSON: Lesson = Lesson {
    number: 5,
    title: "Cuts and glue: reads are not frames",
    role: Role::Server,
    versions: &[Version::Rfc6455, Version::Hybi08, Version::Hybi07],
    cases: &[
        Case {
            id: "5.1",
            title: "two frames in one read",
            run: glued,
        },
        Case {
            id: "5.2",
            title: "a payload in two reads",
            run: payload_cut,
        },
        Case {
            id: "5.3",
            title: "a header in two reads",
            run: header_cut,
        },
        Case {
            id: "5.4",
            title: "one frame and a half, then the rest",
            run: one_and_a_half,
        },
        Case {
            id: "5.5",
            title: "one byte in each read",
            run: bytewise,
        },
        Case {
            id: "5.6",
            title: "a character with two reads",
            run: character_cut,
        },
        Case {
            id: "5.7",
            title: "the request with two reads",
            run: request_cut,
        },
    ],
};

fn messages(talk: &mut Talk, names: &[&str]) -> Vec<Frame> {
    let mut message = |name: &&str| Frame::text(&format!("{name} {}", talk.random.word(5)));
    names.iter().map(&mut message).collect()
}

fn glued(talk: &mut Talk) -> Check {
    talk.open()?;
    let messages = messages(talk, &["first", "second"]);
    Exchange::new(messages.clone(), messages.clone())
        .predict(
            &d::GLUED_LOST,
            "The first message came back; the second one did not.",
            &messages[..1],
        )
        .if_ended(&d::GLUED_JOINED)
        .if_silent(&d::GLUED_LOST)
        .play(talk, Delivery::Together)
}

fn payload_cut(talk: &mut Talk) -> Check {
    talk.open()?;
    let message = messages(talk, &["cut inside the payload"]);
    // Five bytes of payload are in the first read: no multiple of four.
    Exchange::new(message.clone(), message)
        .otherwise(&d::ONE_READ)
        .play(talk, Delivery::Cut(&[2 + 4 + 5]))
}

fn header_cut(talk: &mut Talk) -> Check {
    // After the first byte, inside the key, and inside the extended length.
    for cut in [1, 4] {
        talk.open()?;
        let message = messages(talk, &["cut inside the header"]);
        Exchange::new(message.clone(), message)
            .otherwise(&d::HEADER_CUT)
            .play(talk, Delivery::Cut(&[cut]))?;
    }
    talk.open()?;
    let text = talk.random.word(200);
    Exchange::echo(Frame::text(&text))
        .otherwise(&d::HEADER_CUT)
        .play(talk, Delivery::Cut(&[3]))
}

fn one_and_a_half(talk: &mut Talk) -> Check {
    talk.open()?;
    let messages = messages(talk, &["first", "second", "third"]);
    let cut = messages[0].encode().len() + 4 + 2 + 4 + 3;
    Exchange::new(messages.clone(), messages.clone())
        .predict(
            &d::GLUED_LOST,
            "Only the first message came back.",
            &messages[..1],
        )
        .predict(
            &d::GLUED_LOST,
            "The last message did not come back.",
            &messages[..2],
        )
        .otherwise(&d::GLUED_LOST)
        .play(talk, Delivery::Cut(&[cut]))
}

fn bytewise(talk: &mut Talk) -> Check {
    talk.open()?;
    let message = messages(talk, &["byte by byte"]);
    Exchange::new(message.clone(), message)
        .otherwise(&d::ONE_READ)
        .play(talk, Delivery::ByteByByte)
}

fn character_cut(talk: &mut Talk) -> Check {
    talk.open()?;
    let text = "Grüße";
    // Header and key have 6 bytes; then G, r, and the first byte of ü.
    let (first, second) = text.as_bytes().split_at(3);
    let replaced = [first, second].map(String::from_utf8_lossy).concat();
    Exchange::echo(Frame::text(text))
        .predict(
            &d::UTF8_READS,
            "The halves of the character were replaced.",
            &[Frame::text(&replaced)],
        )
        .otherwise(&d::UTF8_READS)
        .rule("RFC 6455 §5.6")
        .play(talk, Delivery::Cut(&[6 + 3]))
}

fn request_cut(talk: &mut Talk) -> Check {
    // A server that rejects a whole request has another mistake.
    talk.open()?;
    let request = talk.new_request();
    talk.connect()?;
    let bytes = request.encode();
    let cut = bytes.len() / 3;
    talk.send_in_pieces(&bytes, &[cut]);
    let received = match talk.read_head() {
        HeadReading::Head(head) if head.status() == Some(101) => return Ok(()),
        HeadReading::Head(head) => Shown::line(head.status_line()),
        HeadReading::Incomplete(bytes, missing) => Shown::bytes(bytes, missing.words()),
    };
    let piece = |bytes: &[u8]| Shown::line(wire::printable(bytes, 160));
    Failure::diagnosed(&d::REQUEST_CUT, "")
        .sent(piece(&bytes[..cut]))
        .sent(Shown::line("(and a moment later)"))
        .sent(piece(&bytes[cut..]))
        .received(received)
        .expected("HTTP/1.1 101 Switching Protocols")
        .fail()
}
