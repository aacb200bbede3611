//! Lesson 3: the first frame.

use stentor::Version;

use crate::diagnoses::frames as d;
use crate::exchange::{Delivery, Exchange};
use crate::lesson::{Case, Check, Lesson, Role};
use crate::talk::Talk;
use crate::wire::{Frame, opcode};

pub(crate) static LESSON: Lesson = Lesson {
    number: 3,
    title: "The first frame",
    role: Role::Server,
    versions: &[Version::Rfc6455, Version::Hybi08, Version::Hybi07],
    cases: &[
        Case {
            id: "3.1",
            title: "a text message comes back",
            run: hello,
        },
        Case {
            id: "3.2",
            title: "the payload is unmasked with all four bytes of the key",
            run: longer,
        },
        Case {
            id: "3.3",
            title: "each frame has its own key",
            run: three,
        },
        Case {
            id: "3.4",
            title: "an empty message comes back",
            run: empty,
        },
        Case {
            id: "3.5",
            title: "text outside ASCII comes back",
            run: unicode,
        },
        Case {
            id: "3.6",
            title: "a binary message comes back as binary",
            run: binary,
        },
        Case {
            id: "3.7",
            title: "a key of four zero bytes is a key",
            run: zero_key,
        },
    ],
};

fn hello(talk: &mut Talk) -> Check {
    talk.open()?;
    Exchange::echo(Frame::text("Hello"))
        .then_quiet()
        .play(talk, Delivery::Together)
}

fn longer(talk: &mut Talk) -> Check {
    talk.open()?;
    let text = format!("The key has four bytes: {}", talk.random.word(6));
    Exchange::echo(Frame::text(&text)).play(talk, Delivery::Together)
}

fn three(talk: &mut Talk) -> Check {
    talk.open()?;
    let mut first_key = None;
    for place in ["first", "second", "third"] {
        let text = format!("{place} {}", talk.random.word(4));
        let message = Frame::text(&text).masked(talk.random.mask());
        let mut plain = message.clone();
        plain.mask = None;
        let mut garbled = plain.clone();
        let keys = [message.mask, first_key];
        for key in keys.into_iter().flatten() {
            crate::wire::xor(&mut garbled.payload, key, 0);
        }
        first_key = first_key.or(message.mask);
        let words = "The message was unmasked with the key of the first frame.";
        Exchange::new(vec![message], vec![plain])
            .predict(&d::KEY_CACHED, words, &[garbled])
            .play(talk, Delivery::Together)?;
    }
    Ok(())
}

fn empty(talk: &mut Talk) -> Check {
    talk.open()?;
    Exchange::echo(Frame::text(""))
        .if_silent(&d::EMPTY)
        .if_ended(&d::EMPTY)
        .play(talk, Delivery::Together)
}

fn unicode(talk: &mut Talk) -> Check {
    talk.open()?;
    let text = "Grüße, 世界, κόσμε, 👋";
    Exchange::echo(Frame::text(text))
        .rule("RFC 6455 §5.6")
        .play(talk, Delivery::Together)
}

fn binary(talk: &mut Talk) -> Check {
    talk.open()?;
    let mut payload = vec![0x00, 0xff, 0x80, 0x0d, 0x0a, 0x7f];
    payload.extend(talk.random.bytes::<14>());
    Exchange::echo(Frame::new(opcode::BINARY, payload))
        .if_silent(&d::BINARY_LOST)
        .if_ended(&d::BINARY_LOST)
        .rule("RFC 6455 §5.6")
        .play(talk, Delivery::Together)
}

fn zero_key(talk: &mut Talk) -> Check {
    talk.open()?;
    let message = Frame::text("Hello").masked([0; 4]);
    Exchange::new(vec![message], vec![Frame::text("Hello")])
        .rule("RFC 6455 §5.3")
        .play(talk, Delivery::Together)
}
