//! The notes about the frames that a learner meets first.

use stentor::Version;
use stentor_explain::reference::agreement::{Setting, broken};
use stentor_explain::{Note, Part, Side, Step, Value, Verdict};

use crate::support::vectors::frame;

const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

fn explain(version: Version, from: Side, bytes: &[u8]) -> Vec<Note> {
    Setting::new(version, from).explain([bytes])
}

fn the(notes: &[Note], part: Part) -> &Note {
    let mut found = notes.iter().filter(|note| note.part == part);
    let note = found
        .next()
        .unwrap_or_else(|| panic!("no {part}: {notes:#?}"));
    assert!(found.next().is_none(), "two notes about {part}");
    note
}

/// Returns the sentences about a broken rule.
fn sentences(notes: &[Note], id: &str) -> Vec<String> {
    let verdicts = notes.iter().flat_map(|note| &note.verdicts);
    let broken = verdicts.filter_map(|verdict| match verdict {
        Verdict::Broken(rule, by) if rule.id == id => Some(by.clone()),
        _ => None,
    });
    broken.collect()
}

#[test]
fn frame_of_the_rfc_is_taken_apart() {
    let bytes = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    let notes = explain(Version::Rfc6455, Side::Client, &bytes);
    let parts: Vec<_> = notes
        .iter()
        .map(|note| (note.part, note.bytes.clone(), note.bits))
        .collect();
    assert_eq!(
        parts,
        [
            (Part::Frame, 0..11, 0xff),
            (Part::Fin, 0..1, 0x80),
            (Part::Rsv1, 0..1, 0x40),
            (Part::Rsv2, 0..1, 0x20),
            (Part::Rsv3, 0..1, 0x10),
            (Part::Opcode, 0..1, 0x0f),
            (Part::MaskBit, 1..2, 0x80),
            (Part::Length7, 1..2, 0x7f),
            (Part::MaskingKey, 2..6, 0xff),
            (Part::Payload, 6..11, 0xff),
            (Part::End, 11..11, 0xff),
        ]
    );
    assert_eq!(notes[0].value, Value::Name("text"));
    let payload = the(&notes, Part::Payload);
    assert_eq!(payload.value, Value::Text("Hello".to_owned()));
    let (masked, key, plain) = (0x7f, 0x37, b'H');
    assert_eq!(
        payload.steps[0],
        Step::Xor {
            at: 0,
            masked,
            key,
            plain
        }
    );
    let (masked, key, plain) = (0x58, 0x37, b'o');
    assert_eq!(
        payload.steps[4],
        Step::Xor {
            at: 4,
            masked,
            key,
            plain
        }
    );
    assert_eq!(payload.steps.len(), 10);
    assert_eq!(broken(&notes).count(), 0);
}

#[test]
fn text_without_a_frame_is_named() {
    let notes = explain(Version::Rfc6455, Side::Server, b"hello");
    for id in ["rsv.unused", "control.whole"] {
        assert!(!sentences(&notes, id).is_empty(), "{id}");
    }
    assert!(sentences(&notes, "rsv.unused")[0].contains("`he`"));
    assert_eq!(the(&notes, Part::Unread).bytes, 2..5);

    let notes = explain(Version::Draft75, Side::Server, b"hello");
    assert!(sentences(&notes, "hixie.type")[0].contains("\"h\""));
    assert!(sentences(&notes, "stream.complete")[0].contains("no FF"));
}

#[test]
fn character_that_a_frame_cuts_is_read_in_the_next() {
    let bytes = [
        frame(0x01, &[b'a', 0xe2, 0x82], KEY),
        frame(0x80, &[0xac], KEY),
    ]
    .concat();
    let notes = explain(Version::Rfc6455, Side::Client, &bytes);
    assert_eq!(broken(&notes).count(), 0);
    let values: Vec<_> = notes
        .iter()
        .filter(|note| note.part == Part::Payload)
        .collect();
    assert_eq!(values[0].value, Value::Text("a".to_owned()));
    assert_eq!(values[1].value, Value::Text("€".to_owned()));
    let character = Step::Utf8 {
        bytes: vec![0xe2, 0x82, 0xac],
        character: Some('€'),
    };
    assert!(values[1].steps.contains(&character));
}

#[test]
fn fragment_that_is_cut_within_a_character_at_the_end_is_invalid() {
    let bytes = [frame(0x01, b"a", KEY), frame(0x80, &[0xe2, 0x82], KEY)].concat();
    let notes = explain(Version::Rfc6455, Side::Client, &bytes);
    assert_eq!(
        sentences(&notes, "text.utf8"),
        ["The bytes e2 82, at byte 1 of the text, are no character."]
    );
}

#[test]
fn wrong_close_codes_are_explained() {
    let code = |payload: &[u8]| {
        let notes = explain(Version::Rfc6455, Side::Client, &frame(0x88, payload, KEY));
        sentences(&notes, "close.code").concat()
    };
    assert!(code(b"1000").contains("digits"));
    assert!(code(&[0xe8, 0x03]).contains("1000"));
    assert!(code(&[0x03, 0xed]).contains("1005"));
    assert_eq!(code(&[0x03, 0xe8]), "");
    let old = explain(
        Version::Hybi08,
        Side::Client,
        &frame(0x88, &[0x03, 0xec], KEY),
    );
    assert_eq!(broken(&old).count(), 0, "1004 has a meaning in version 8");
}

#[test]
fn close_frame_has_its_code_and_its_reason() {
    let notes = explain(
        Version::Rfc6455,
        Side::Client,
        &frame(0x88, b"\x0f\xa0done", KEY),
    );
    let code = the(&notes, Part::CloseCode);
    assert_eq!(
        (&code.value, code.bytes.clone()),
        (&Value::Number(4000), 6..8)
    );
    assert!(code.steps.contains(&Step::CloseCode {
        high: 0x0f,
        low: 0xa0,
        code: 4000
    }));
    let reason = the(&notes, Part::CloseReason);
    assert_eq!(
        (&reason.value, reason.bytes.clone()),
        (&Value::Text("done".to_owned()), 8..12)
    );
    // The key goes on: it does not begin again with the reason.
    assert_eq!(
        reason.steps[0],
        Step::Xor {
            at: 2,
            masked: b'd' ^ 0x21,
            key: 0x21,
            plain: b'd'
        }
    );
}

#[test]
fn length_that_is_not_minimal_is_allowed_before_version_13() {
    let bytes = [0x82, 0xfe, 0, 1, 0x37, 0xfa, 0x21, 0x3d, 0];
    let notes = explain(Version::Rfc6455, Side::Client, &bytes);
    assert_eq!(sentences(&notes, "length.minimal").len(), 1);
    for version in [Version::Hybi07, Version::Hybi08] {
        let notes = explain(version, Side::Client, &bytes);
        assert_eq!(broken(&notes).count(), 0, "{version}");
        let length = the(&notes, Part::Length16);
        let is_choice = |verdict: &Verdict| matches!(verdict, Verdict::Choice(rule, _) if rule.id == "length.minimal");
        assert!(length.verdicts.iter().any(is_choice), "{version}");
    }
}

#[test]
fn second_message_copies_bytes_out_of_the_first() {
    let setting = Setting {
        takeover: Some(true),
        ..Setting::new(Version::Rfc6455, Side::Server)
    };
    let first = frame(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], None);
    let second = frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00], None);
    let notes = setting.explain([&first[..], &second[..]]);
    let payloads: Vec<_> = notes
        .iter()
        .filter(|note| note.part == Part::Payload)
        .collect();
    assert_eq!(payloads[0].value, Value::Text("Hello".to_owned()));
    assert_eq!(payloads[1].value, Value::Text("Hello".to_owned()));
    let inflate = |packed, from_before| Step::Inflate {
        packed,
        plain: 5,
        from_before,
    };
    assert!(payloads[0].steps.contains(&inflate(7, 0)));
    assert!(
        payloads[1].steps.contains(&inflate(5, 4)),
        "{:?}",
        payloads[1]
    );
    let tails = notes.iter().filter(|note| note.part == Part::DeflateTail);
    assert!(tails.clone().all(|note| note.bytes.is_empty() && note.value == Value::Bytes(vec![0, 0, 0xff, 0xff])));
    assert_eq!(tails.count(), 2);
    let blocks: Vec<_> = notes
        .iter()
        .filter(|note| note.part == Part::DeflateBlock)
        .collect();
    let Value::Text(text) = &blocks[0].value else {
        panic!("{:?}", blocks[0]);
    };
    assert!(
        text.contains("BTYPE 01") && text.contains("5 bytes"),
        "{text}"
    );
}

#[test]
fn blocks_cover_a_payload_although_they_end_within_bytes() {
    let setting = Setting {
        takeover: Some(true),
        ..Setting::new(Version::Rfc6455, Side::Server)
    };
    // The example of RFC 7692 §7.2.3.5: "Hello" in two blocks.
    let payload = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    let notes = setting.explain([&frame(0xc1, &payload, None)[..]]);
    let blocks: Vec<_> = notes
        .iter()
        .filter(|note| note.part == Part::DeflateBlock)
        .map(|note| note.bytes.clone())
        .collect();
    // The blocks begin at the bits 0, 26, 64 and 98 of the payload.
    assert_eq!(blocks, [2..5, 5..10, 10..14, 14..15]);
}

#[test]
fn server_that_compresses_without_an_agreement_is_read_on() {
    let bytes = [
        frame(0xc1, &[0xf2, 0x48], None),
        frame(0x81, b"plain", None),
    ]
    .concat();
    let notes = explain(Version::Rfc6455, Side::Server, &bytes);
    assert_eq!(sentences(&notes, "rsv.unused").len(), 1);
    let frames: Vec<_> = notes
        .iter()
        .filter(|note| note.part == Part::Frame)
        .collect();
    assert_eq!(frames.len(), 2);
    assert_eq!(
        notes
            .iter()
            .filter(|note| note.value == Value::Text("plain".to_owned()))
            .count(),
        1
    );
}

#[test]
fn frames_after_the_close_frame_are_judged() {
    let bytes = [
        frame(0x88, b"", KEY),
        frame(0x81, b"late", KEY),
        frame(0x8a, b"", KEY),
    ]
    .concat();
    let notes = explain(Version::Rfc6455, Side::Client, &bytes);
    assert_eq!(sentences(&notes, "close.last").len(), 1);
    let notes = explain(
        Version::Draft76,
        Side::Client,
        &[0xff, 0x00, 0x00, b'x', 0xff],
    );
    assert_eq!(sentences(&notes, "hixie.close-last").len(), 1);
    assert_eq!(the(&notes, Part::CloseMarker).bytes, 0..2);
    assert_eq!(the(&notes, Part::Unread).bytes, 2..5);
}

#[test]
fn hixie_lengths_are_shown_digit_by_digit() {
    let bytes = [&[0x80, 0x81, 0x02][..], &[b'x'; 130], &[0x00, b'a', 0xff]].concat();
    let notes = explain(Version::Draft76, Side::Client, &bytes);
    let frame = notes
        .iter()
        .find(|note| note.part == Part::HixieFrame)
        .unwrap();
    assert_eq!(
        frame.steps,
        [Step::Base128 {
            digits: vec![0x81, 0x02],
            value: 130
        }]
    );
    assert_eq!(the(&notes, Part::Skipped).bytes, 3..133);
    assert_eq!(
        notes
            .iter()
            .filter(|note| note.part == Part::LengthDigit)
            .count(),
        2
    );
    assert_eq!(the(&notes, Part::Text).value, Value::Text("a".to_owned()));
}

#[test]
fn stream_that_ends_within_a_payload_tells_what_is_missing() {
    let bytes = frame(0x81, "Wörld".as_bytes(), None);
    let notes = explain(Version::Rfc6455, Side::Server, &bytes[..5]);
    assert_eq!(
        sentences(&notes, "stream.complete"),
        ["The stream ended after 3 of 6 bytes of the payload."]
    );
    let notes = explain(Version::Rfc6455, Side::Server, &[0x82, 126, 1]);
    assert_eq!(the(&notes, Part::Unread).bytes, 2..3);
}

#[test]
fn length_in_the_other_byte_order_is_named() {
    // 300 bytes, as 16 bits and as 64 bits.
    let short = [&[0x82, 126, 0x2c, 0x01][..], &[0; 300]].concat();
    let long = [&[0x82, 127, 0x2c, 0x01, 0, 0, 0, 0, 0, 0][..], &[0; 300]].concat();
    for (bytes, rule) in [(short, "stream.complete"), (long, "message.size")] {
        let notes = explain(Version::Rfc6455, Side::Server, &bytes);
        let verdicts = notes.iter().flat_map(|note| &note.verdicts);
        let found = verdicts.filter_map(|verdict| match verdict {
            Verdict::Broken(own, by) | Verdict::Choice(own, by) if own.id == rule => Some(by),
            _ => None,
        });
        let found: Vec<&String> = found.collect();
        let hint = "With its bytes in the other order, the length is 300.";
        assert!(found.len() == 1 && found[0].ends_with(hint), "{found:?}");
    }
}

#[test]
fn hint_about_text_without_a_frame_is_there_once() {
    for text in ["{\"a\":1}", "HTTP/1.1 200", "hello", "<html>"] {
        let notes = explain(Version::Rfc6455, Side::Server, text.as_bytes());
        let verdicts = notes.iter().flat_map(|note| &note.verdicts);
        let hints = verdicts.filter(|verdict| match verdict {
            Verdict::Broken(_, by) => by.contains("text without a frame"),
            _ => false,
        });
        assert_eq!(hints.count(), 1, "{text}");
    }
}

#[test]
fn data_that_cannot_be_decompressed_is_not_called_valid_text() {
    let setting = Setting {
        takeover: Some(true),
        ..Setting::new(Version::Rfc6455, Side::Server)
    };
    let notes = setting.explain([&frame(0xc1, &[0xf2, 0x48, 0xff, 0xff], None)[..]]);
    let payload = the(&notes, Part::Payload);
    assert_eq!(sentences(&notes, "deflate.data").len(), 1);
    assert!(
        !payload
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Holds(_)))
    );
}
