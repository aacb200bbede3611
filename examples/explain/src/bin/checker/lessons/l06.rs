//! Lesson 6: fragments and control frames.

use stentor::Version;

use crate::diagnoses::messages as d;
use crate::exchange::{Delivery, Exchange};
use crate::lesson::{Case, Check, Lesson, Role};
use crate::talk::Talk;
use crate::wire::{Frame, opcode};

pub(crate) static LESSON: Lesson = Lesson {
    number: 6,
    title: "Fragments and control frames",
    role: Role::Server,
    versions: &[Version::Rfc6455, Version::Hybi08, Version::Hybi07],
    cases: &[
        Case {
            id: "6.1",
            title: "a ping is answered by a pong with the same payload",
            run: ping,
        },
        Case {
            id: "6.2",
            title: "pings of 0 and of 125 bytes",
            run: ping_sizes,
        },
        Case {
            id: "6.3",
            title: "a pong that was not asked for is ignored",
            run: pong,
        },
        Case {
            id: "6.4",
            title: "a text message in two fragments",
            run: two_fragments,
        },
        Case {
            id: "6.5",
            title: "a binary message in three fragments stays binary",
            run: binary_fragments,
        },
        Case {
            id: "6.6",
            title: "a ping between two fragments",
            run: ping_between,
        },
        Case {
            id: "6.7",
            title: "a character that is cut between two fragments",
            run: character_cut,
        },
        Case {
            id: "6.8",
            title: "empty fragments",
            run: empty_fragments,
        },
        Case {
            id: "6.9",
            title: "two messages in fragments, one after the other",
            run: two_messages,
        },
    ],
};

fn fragment(first: u8, payload: impl Into<Vec<u8>>) -> Frame {
    Frame::new(first, payload).unfinished()
}

fn last(payload: impl Into<Vec<u8>>) -> Frame {
    Frame::new(opcode::CONTINUATION, payload)
}

fn ping(talk: &mut Talk) -> Check {
    talk.open()?;
    let payload = format!("ping {}", talk.random.word(4)).into_bytes();
    ping_with(payload).play(talk, Delivery::Together)
}

fn ping_with(payload: Vec<u8>) -> Exchange {
    let with = |opcode, payload: &[u8]| Frame::new(opcode, payload);
    let pong = with(opcode::PONG, &payload);
    let upper = payload.to_ascii_uppercase();
    Exchange::new(vec![with(opcode::PING, &payload)], vec![pong])
        .predict(&d::PONG_EMPTY, "", &[with(opcode::PONG, b"")])
        .predict(&d::PING_FOR_PING, "", &[with(opcode::PING, &payload)])
        .predict(&d::PING_AS_MESSAGE, "", &[with(opcode::TEXT, &payload)])
        .predict(&d::PING_AS_MESSAGE, "", &[with(opcode::BINARY, &payload)])
        .predict(&d::PONG_PAYLOAD, "", &[with(opcode::PONG, &upper)])
        .if_silent(&d::NO_PONG)
        .if_ended(&d::NO_PONG)
        .otherwise(&d::PONG_PAYLOAD)
        .rule("RFC 6455 §5.5.3")
}

fn ping_sizes(talk: &mut Talk) -> Check {
    talk.open()?;
    ping_with(Vec::new()).play(talk, Delivery::Together)?;
    let mut payload = talk.random.bytes::<125>();
    // Bytes that are no UTF-8 in any place.
    payload[0] = 0xff;
    ping_with(payload.to_vec()).play(talk, Delivery::Together)
}

fn pong(talk: &mut Talk) -> Check {
    talk.open()?;
    let text = Frame::text(&format!("after a pong {}", talk.random.word(4)));
    let pong = Frame::new(opcode::PONG, "unasked");
    let echoed = Frame::text("unasked");
    Exchange::new(vec![pong.clone(), text.clone()], vec![text.clone()])
        .predict(&d::PING_AS_MESSAGE, "", &[echoed, text.clone()])
        .predict(&d::PONG_ANSWERED, "", &[pong.clone(), text])
        .never(pong)
        .otherwise(&d::PONG_NOT_IGNORED)
        .play(talk, Delivery::Together)
}

fn two_fragments(talk: &mut Talk) -> Check {
    talk.open()?;
    let first = format!("first {} ", talk.random.word(4));
    let second = format!("second {}", talk.random.word(4));
    let whole = format!("{first}{second}");
    let sent = vec![fragment(opcode::TEXT, &*first), last(&*second)];
    Exchange::new(sent, vec![Frame::text(&whole)])
        .predict(
            &d::OPCODE_LOST,
            "The reply has opcode 0, that of the last frame.",
            &[last(&*whole)],
        )
        .predict(
            &d::OPCODE_LOST,
            "The reply is binary.",
            &[Frame::new(opcode::BINARY, &*whole)],
        )
        .predict(
            &d::CONTINUATION,
            "Each fragment came back as a message of its own.",
            &[Frame::text(&first), Frame::text(&second)],
        )
        .predict(
            &d::CONTINUATION,
            "Each fragment came back as a whole frame with its own opcode.",
            &[Frame::text(&first), last(&*second)],
        )
        .predict(
            &d::CONTINUATION,
            "Only the last fragment came back.",
            &[Frame::text(&second)],
        )
        .predict(
            &d::CONTINUATION,
            "Only the last fragment came back.",
            &[last(&*second)],
        )
        .predict(
            &d::CONTINUATION,
            "Only the first fragment came back.",
            &[Frame::text(&first)],
        )
        .predict(
            &d::CONTINUATION,
            "Only the first fragment came back.",
            &[fragment(opcode::TEXT, &*first)],
        )
        .otherwise(&d::CONTINUATION)
        .rule("RFC 6455 §5.4")
        .play(talk, Delivery::Together)
}

fn binary_fragments(talk: &mut Talk) -> Check {
    talk.open()?;
    let pieces: Vec<_> = (0..3).map(|_| talk.random.bytes::<7>().to_vec()).collect();
    let whole = pieces.concat();
    let sent = vec![
        fragment(opcode::BINARY, &*pieces[0]),
        fragment(opcode::CONTINUATION, &*pieces[1]),
        last(&*pieces[2]),
    ];
    Exchange::new(sent, vec![Frame::new(opcode::BINARY, &*whole)])
        .predict(
            &d::OPCODE_LOST,
            "The reply is text.",
            &[Frame::new(opcode::TEXT, &*whole)],
        )
        .predict(&d::OPCODE_LOST, "The reply has opcode 0.", &[last(&*whole)])
        .predict(
            &d::CONTINUATION,
            "Only two of the three fragments came back.",
            &[Frame::new(
                opcode::BINARY,
                [&pieces[0][..], &pieces[1]].concat(),
            )],
        )
        .predict(
            &d::CONTINUATION,
            "Only two of the three fragments came back.",
            &[Frame::new(
                opcode::BINARY,
                [&pieces[0][..], &pieces[2]].concat(),
            )],
        )
        .otherwise(&d::OPCODE_LOST)
        .rule("RFC 6455 §5.4")
        .play(talk, Delivery::Together)
}

fn ping_between(talk: &mut Talk) -> Check {
    talk.open()?;
    let first = format!("first {} ", talk.random.word(4));
    let second = format!("second {}", talk.random.word(4));
    let between = format!("between {} ", talk.random.word(4));
    let pong = Frame::new(opcode::PONG, &*between);
    let text = |parts: &[&str]| Frame::text(&parts.concat());
    let sent = vec![
        fragment(opcode::TEXT, &*first),
        Frame::new(opcode::PING, &*between),
        last(&*second),
    ];
    let mut exchange = Exchange::new(sent, vec![pong.clone(), text(&[&first, &second])]);
    for (diagnosis, words, reply) in [
        (&d::PING_JOINED, "", text(&[&first, &between, &second])),
        (
            &d::PING_JOINED,
            "The ping was taken for the end of the message.",
            text(&[&first, &between]),
        ),
        (
            &d::PING_JOINED,
            "The ping replaced the start of the message.",
            text(&[&between, &second]),
        ),
        (
            &d::PING_ENDS,
            "The start of the message is lost.",
            text(&[&second]),
        ),
        (
            &d::PING_ENDS,
            "The end of the message is lost.",
            text(&[&first]),
        ),
    ] {
        let replies = [pong.clone(), reply];
        exchange = exchange
            .predict(diagnosis, words, &replies[1..])
            .predict(diagnosis, words, &replies);
    }
    let wrong_kind = |opcode| Frame::new(opcode, format!("{first}{second}"));
    for opcode in [
        opcode::PING,
        opcode::PONG,
        opcode::CONTINUATION,
        opcode::BINARY,
    ] {
        let words = "The ping has changed the opcode of the message.";
        exchange = exchange.predict(&d::PING_ENDS, words, &[pong.clone(), wrong_kind(opcode)]);
    }
    exchange
        .otherwise(&d::PING_ENDS)
        .rule("RFC 6455 §5.4")
        .play(talk, Delivery::Together)
}

fn character_cut(talk: &mut Talk) -> Check {
    talk.open()?;
    let whole = "Grüße";
    // ü is c3 bc; the first fragment ends with c3.
    let (first, second) = whole.as_bytes().split_at(3);
    let sent = vec![fragment(opcode::TEXT, first), last(second)];
    let replaced = [first, second].map(String::from_utf8_lossy).concat();
    Exchange::new(sent, vec![Frame::text(whole)])
        .predict(
            &d::UTF8_PIECEWISE,
            "The halves of the character were replaced by U+FFFD.",
            &[Frame::text(&replaced)],
        )
        .predict(
            &d::UTF8_PIECEWISE,
            "The halves of the character were replaced by question marks.",
            &[Frame::text(&replaced.replace('\u{fffd}', "?"))],
        )
        .predict(
            &d::UTF8_PIECEWISE,
            "The halves of the character were dropped.",
            &[Frame::text(&replaced.replace('\u{fffd}', ""))],
        )
        .otherwise(&d::UTF8_PIECEWISE)
        .rule("RFC 6455 §5.6")
        .play(talk, Delivery::Together)
}

fn empty_fragments(talk: &mut Talk) -> Check {
    talk.open()?;
    let text = format!("in the middle {}", talk.random.word(4));
    let sent = vec![
        fragment(opcode::TEXT, ""),
        fragment(opcode::CONTINUATION, &*text),
        last(""),
    ];
    Exchange::new(sent, vec![Frame::text(&text)])
        .predict(
            &d::CONTINUATION,
            "The last fragment, which is empty, came back alone.",
            &[Frame::text("")],
        )
        .otherwise(&d::CONTINUATION)
        .rule("RFC 6455 §5.4")
        .play(talk, Delivery::Together)
}

fn two_messages(talk: &mut Talk) -> Check {
    talk.open()?;
    let word = |talk: &mut Talk, name: &str| format!("{name} {} ", talk.random.word(4));
    let (one, two) = (word(talk, "one"), word(talk, "two"));
    let (three, four) = (word(talk, "three"), word(talk, "four"));
    let first = Frame::text(&format!("{one}{two}"));
    Exchange::new(
        vec![fragment(opcode::TEXT, &*one), last(&*two)],
        vec![first.clone()],
    )
    .otherwise(&d::CONTINUATION)
    .play(talk, Delivery::Together)?;
    let joined = Frame::text(&format!("{one}{two}{three}{four}"));
    Exchange::new(
        vec![fragment(opcode::TEXT, &*three), last(&*four)],
        vec![Frame::text(&format!("{three}{four}"))],
    )
    .predict(
        &d::FRAGMENTS_STAY,
        "The reply contains both messages.",
        &[joined],
    )
    .predict(
        &d::FRAGMENTS_STAY,
        "The first message came again.",
        &[first],
    )
    .otherwise(&d::FRAGMENTS_STAY)
    .play(talk, Delivery::Together)
}
