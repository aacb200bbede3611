//! The explainer's notes about frames: they cover each byte, do not depend on the reads, and agree with
//! the library's engine.

mod bounds;
mod conversations;
mod examples;
mod properties;
mod rules;
mod vectors;

use stentor::Version;
use stentor_explain::reference::agreement::Setting;
use stentor_explain::{Note, Part, Side, Step};

use crate::support;

const SIDES: [Side; 2] = [Side::Client, Side::Server];

/// Returns all ways to read the frames of one side in a version.
fn settings(version: Version, from: Side) -> Vec<Setting> {
    let plain = Setting::new(version, from);
    let mut all = vec![plain];
    match version {
        Version::Draft75 | Version::Draft76 => {
            for (unknown, text) in [(true, false), (false, true), (true, true)] {
                all.push(Setting {
                    fail_on_unknown_frames: unknown,
                    fail_on_invalid_text: text,
                    ..plain
                });
            }
        }
        Version::Rfc6455 => all.extend([false, true].map(|takeover| Setting {
            takeover: Some(takeover),
            ..plain
        })),
        _ => {}
    }
    all
}

/// Asserts that the notes cover the stream, and agree with the engine.
fn assert_explained(setting: &Setting, bytes: &[u8], context: &str) {
    let notes = setting.explain([bytes]);
    support::tiles::assert_tiled(&notes, setting.from, bytes.len(), context);
    support::evaluate::assert_evaluated(&notes, context);
    assert_steps_begin_on_the_wire(&notes, bytes);
    let run = setting.run([bytes]).expect("a connection that ends");
    if let Err(difference) = setting.compare(&notes, &run) {
        panic!("{context}, {setting:?}: {difference}\n{run:?}\n{notes:#?}");
    }
}

/// Asserts that the steps of each note begin with its bytes, and with the masking key of its frame.
fn assert_steps_begin_on_the_wire(notes: &[Note], bytes: &[u8]) {
    let on_the_wire = |note: &Note| {
        let [start, end] = [note.bytes.start, note.bytes.end].map(|place| place as usize);
        &bytes[start..end]
    };
    let mut frame_key = Vec::new();
    for note in notes {
        let wire = on_the_wire(note);
        if note.part == Part::MaskingKey {
            frame_key = wire.to_vec();
        }
        let mut masked = Vec::new();
        for step in &note.steps {
            match step {
                Step::Xor {
                    at,
                    masked: byte,
                    key,
                    ..
                } => {
                    masked.push(*byte);
                    assert_eq!(*key, frame_key[*at as usize % 4], "{note:?}");
                }
                Step::BigEndian { bytes, .. } => assert_eq!(bytes, wire),
                Step::Base128 { digits, .. } => assert_eq!(*digits, wire[1..=digits.len()]),
                Step::CloseCode { high, low, .. } if masked.is_empty() => {
                    assert_eq!([*high, *low], wire);
                }
                _ => {}
            }
        }
        assert!(wire.starts_with(&masked), "{note:?}");
    }
}
