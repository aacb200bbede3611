//! Lesson 4: the three forms of a length.

use stentor::Version;

use crate::diagnoses::{cuts, lengths as d};
use crate::diagnosis::Diagnosis;
use crate::exchange::{Delivery, Exchange};
use crate::lesson::{Case, Check, Lesson, Role};
use crate::talk::Talk;
use crate::wire::{Frame, LengthForm, opcode};

pub(crate) static LESSON: Lesson = Lesson {
    number: 4,
    title: "Lengths",
    role: Role::Server,
    versions: &[Version::Rfc6455, Version::Hybi08, Version::Hybi07],
    cases: &[
        Case {
            id: "4.1",
            title: "125 bytes: the largest length of 7 bits",
            run: |talk| ascii(talk, 125, &d::BREAKS),
        },
        Case {
            id: "4.2",
            title: "126 bytes: the smallest length of 16 bits",
            run: |talk| ascii(talk, 126, &d::SEVEN_BITS),
        },
        Case {
            id: "4.3",
            title: "300 bytes: the byte order of the length",
            run: |talk| ascii(talk, 300, &d::BREAKS),
        },
        Case {
            id: "4.4",
            title: "100 characters that are 200 bytes",
            run: characters,
        },
        Case {
            id: "4.5",
            title: "32767 bytes, then 32768",
            run: signed,
        },
        Case {
            id: "4.6",
            title: "65535 bytes: the largest length of 16 bits",
            run: |talk| ascii(talk, 65535, &d::BREAKS),
        },
        Case {
            id: "4.7",
            title: "65536 bytes: the smallest length of 64 bits",
            run: |talk| ascii(talk, 65536, &d::FOUR_BYTES),
        },
        Case {
            id: "4.8",
            title: "200000 bytes",
            run: |talk| ascii(talk, 200_000, &cuts::ENDS_EARLY),
        },
    ],
};

/// A text message of this many letters. The diagnosis is that for a server that sends nothing back.
fn ascii(talk: &mut Talk, len: usize, otherwise: &'static Diagnosis) -> Check {
    talk.open()?;
    let text = talk.random.word(len);
    Exchange::echo(Frame::text(&text))
        .probed()
        .if_silent(otherwise)
        .if_ended(otherwise)
        .play(talk, Delivery::Together)
}

fn characters(talk: &mut Talk) -> Check {
    talk.open()?;
    Exchange::echo(Frame::text(&"äöüß".repeat(25)))
        .probed()
        .if_silent(&d::CHARACTERS)
        .if_ended(&d::CHARACTERS)
        .play(talk, Delivery::Together)
}

fn signed(talk: &mut Talk) -> Check {
    ascii(talk, 32767, &d::BREAKS)?;
    talk.open()?;
    let payload: Vec<u8> = talk.random.word(32768).into_bytes();
    let message = Frame::new(opcode::TEXT, payload);
    let long = message.clone().with_form(LengthForm::Bits64);
    Exchange::echo(message)
        .predict(
            &d::SIGNED,
            "From 32768 bytes on you write the length with 64 bits.",
            &[long],
        )
        .probed()
        .otherwise(&d::SIGNED)
        .play(talk, Delivery::Together)
}
