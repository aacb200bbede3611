//! Lengths and numbers that are absurd do not make memory, or notes, grow.

use std::time::{Duration, Instant};

use stentor::Version;
use stentor_explain::reference::agreement::Setting;
use stentor_explain::{Part, Side, Step, Value};

use crate::support::vectors::frame;
use crate::support::{broken, choices};

#[test]
fn bytes_after_a_length_of_exabytes_are_one_note() {
    let setting = Setting::new(Version::Rfc6455, Side::Server);
    let header = [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let mut explainer = setting.explainer();
    explainer.feed(Side::Server, &header);
    for _ in 0..1000 {
        explainer.feed(Side::Server, &[0x81; 1000]);
    }
    explainer.end(Side::Server);
    let notes: Vec<_> = explainer
        .notes()
        .filter(|note| note.part != Part::Cut)
        .collect();
    let unread: Vec<_> = notes
        .iter()
        .filter(|note| note.part == Part::Unread)
        .collect();
    assert_eq!(unread.len(), 1);
    assert_eq!(unread[0].bytes, 10..1_000_010);
    assert!(notes.len() < 20, "{}", notes.len());
}

/// RFC 6455 §10.4 lets each receiver choose: a limit of this program is no rule that a sender breaks.
#[test]
fn the_limits_of_the_program_are_no_broken_rules() {
    let long = [0x82, 0x7f, 0x40, 0, 0, 0, 0, 0, 0, 0, 1];
    let empty = [&[0x02, 0x00][..], &[0x00, 0x00].repeat(131_072)].concat();
    let text = [&[0x00][..], &vec![b'a'; 17 * 1024 * 1024]].concat();
    for (version, bytes, rule) in [
        (Version::Rfc6455, &long[..], "message.size"),
        (Version::Rfc6455, &empty, "message.fragments"),
        (Version::Draft76, &text, "message.size"),
    ] {
        let notes = Setting::new(version, Side::Server).explain([bytes]);
        assert_eq!(broken(&notes), [], "{rule}");
        let choices = choices(&notes);
        let is_told = choices.iter().any(|(id, how)| {
            *id == rule && how.contains("limit") && how.contains("The rest is not read.")
        });
        assert!(is_told, "{choices:?}");
        assert!(rule != "message.size" || notes.iter().any(|note| note.part == Part::Unread));
    }
}

#[test]
fn steps_and_text_of_a_large_payload_are_bounded() {
    let setting = Setting::new(Version::Rfc6455, Side::Client);
    let payload = "é".repeat(1024 * 1024).into_bytes();
    let bytes = frame(0x81, &payload, Some([1, 2, 3, 4]));
    let notes = setting.explain(bytes.chunks(100_000));
    let note = notes
        .iter()
        .find(|note| note.part == Part::Payload)
        .unwrap();
    assert!(note.steps.len() <= 64 + 32 + 1, "{}", note.steps.len());
    for step in &note.steps {
        if let Step::Utf8Run { bytes, .. } = step {
            assert!(bytes.len() <= 16 * 1024 + 4, "{}", bytes.len());
        }
    }
    assert!(matches!(&note.value, Value::Text(text) if text.len() <= 16 * 1024 + 4));
}

#[test]
fn many_blocks_of_compressed_data_are_few_notes() {
    let setting = Setting {
        takeover: Some(false),
        ..Setting::new(Version::Rfc6455, Side::Client)
    };
    // Empty blocks that are stored: each has five bytes.
    let payload = [&[0x00, 0x00, 0x00, 0xff, 0xff].repeat(20_000)[..], &[0x00]].concat();
    let notes = setting.explain([&frame(0xc2, &payload, Some([1, 2, 3, 4]))[..]]);
    let blocks = notes.iter().filter(|note| note.part == Part::DeflateBlock);
    assert_eq!(blocks.count(), 64);
    assert!(notes.iter().all(|note| !note.is_broken()));
}

#[test]
fn message_that_grows_when_it_is_decompressed_stops_at_the_limit() {
    let setting = Setting {
        takeover: Some(true),
        ..Setting::new(Version::Rfc6455, Side::Client)
    };
    let started = Instant::now();
    // Fixed codes: a zero byte, then matches of 258 bytes at distance 1, in 13 bits each.
    let mut bits = vec![0, 1, 0];
    bits.extend([0, 0, 1, 1, 0, 0, 0, 0]);
    for _ in 0..70_000 {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1]);
        bits.extend([0; 5]);
    }
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
    let payload: Vec<u8> = bits.chunks(8).map(byte).collect();
    let notes = setting.explain([&frame(0xc2, &payload, Some([1, 2, 3, 4]))[..]]);
    let note = notes
        .iter()
        .find(|note| note.part == Part::Payload)
        .unwrap();
    assert!(!note.is_broken(), "{note:?}");
    assert!(
        choices(&notes)
            .iter()
            .any(|(rule, _)| *rule == "message.size")
    );
    let plain = note.steps.iter().find_map(|step| match step {
        Step::Inflate { plain, .. } => Some(*plain),
        _ => None,
    });
    assert_eq!(plain, Some(16 * 1024 * 1024));
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn bytes_one_by_one_take_time_in_proportion() {
    let setting = Setting::new(Version::Draft76, Side::Client);
    let bytes = [&[0x00][..], &[b'x'; 300_000], &[0xff]].concat();
    let started = Instant::now();
    let notes = setting.explain(bytes.chunks(1));
    assert_eq!(notes.len(), 5);
    assert!(started.elapsed() < Duration::from_secs(30));
}
