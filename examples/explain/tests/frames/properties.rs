//! Properties of any stream of frames, valid or not.

use proptest::collection::vec;
use proptest::prelude::*;
use stentor::{Message, Version};
use stentor_explain::reference::agreement::Setting;
use stentor_explain::{Part, Side, Value};

use super::{assert_explained, settings};
use crate::support::vectors::frame;
use crate::support::{broken, cases};

/// One of the ways to read frames.
fn setting() -> impl Strategy<Value = Setting> {
    let version = prop::sample::select(Version::ALL.to_vec());
    let side = prop_oneof![Just(Side::Client), Just(Side::Server)];
    let all = (version, side).prop_map(|(version, from)| settings(version, from));
    all.prop_flat_map(prop::sample::select)
}

/// Frames of both framings, mostly valid, and other bytes.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0x41]),
        1 => Just(0x88_u8),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        vec(any::<u8>(), 0..10),
        "\\PC{0,40}".prop_map(String::into_bytes),
        prop::sample::select(vec![
            &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            b"\x03\xe8",
            b"\xf2\x00\x11\x00\x00"
        ])
        .prop_map(<[u8]>::to_vec),
        (120_usize..140, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    let key = prop_oneof![Just(None), any::<[u8; 4]>().prop_map(Some)];
    let hybi = (first, payload, key).prop_map(|(first, payload, key)| frame(first, &payload, key));
    let hixie = "\\PC{0,20}".prop_map(|text| [&[0x00], text.as_bytes(), &[0xff]].concat());
    let piece = prop_oneof![
        6 => hybi,
        3 => hixie,
        1 => vec(any::<u8>(), 0..20),
        1 => Just(vec![0xff, 0x00]),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// The same with masks on all frames, or on none: so that most streams go on.
fn talk(key: Option<[u8; 4]>) -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![
        0x81_u8, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0x41,
    ]);
    let payload = prop_oneof![
        "\\PC{0,40}".prop_map(String::into_bytes),
        Just(b"\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec()),
        Just(b"\x00".to_vec()),
    ];
    vec((first, payload), 0..8).prop_map(move |frames| {
        frames
            .iter()
            .flat_map(|(first, payload)| frame(*first, payload, key))
            .collect()
    })
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(1_usize..30, 1..10)
}

/// Cuts a stream into pieces of these sizes, again and again.
fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*size));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// Messages, some of them long, that are worth compressing.
fn messages(setting: Setting) -> impl Strategy<Value = Vec<Message>> {
    let text = ("\\PC{0,20}", 0_usize..200).prop_map(|(text, times)| text.repeat(times));
    let bytes =
        (vec(any::<u8>(), 0..300), 0_usize..5).prop_map(|(bytes, times)| bytes.repeat(times));
    let binary = bytes.prop_map(move |bytes| match setting.version.has_binary() {
        true => Message::from(bytes),
        false => Message::from("text alone"),
    });
    vec(prop_oneof![text.prop_map(Message::from), binary], 1..6)
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn messages_that_the_library_sends_are_explained(
        (setting, messages) in setting().prop_flat_map(|setting| (Just(setting), messages(setting))),
    ) {
        let (mut sender, _) = setting.connections().unwrap();
        for message in &messages {
            sender.send(message).unwrap();
        }
        let bytes = sender.data_to_send();
        assert_explained(&setting, &bytes, "messages of the library");
        let notes = setting.explain([&bytes[..]]);
        prop_assert_eq!(broken(&notes), []);
        let texts = messages.iter().filter_map(|message| match message {
            Message::Text(text) => Some(text.to_string()),
            _ => None,
        });
        let found = notes.iter().filter_map(|note| match (&note.value, note.part) {
            (Value::Text(text), Part::Payload | Part::Text) => Some(text.clone()),
            _ => None,
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), texts.collect::<Vec<_>>());
    }

    #[test]
    fn leaves_cover_any_stream_and_the_engine_agrees(setting in setting(), bytes in stream()) {
        assert_explained(&setting, &bytes, "any stream");
    }

    #[test]
    fn leaves_cover_a_talk_and_the_engine_agrees(
        (setting, bytes) in setting().prop_flat_map(|setting| {
            let key = (setting.from == Side::Client).then_some([1, 2, 3, 4]);
            (Just(setting), talk(key))
        }),
    ) {
        assert_explained(&setting, &bytes, "a talk");
    }

    #[test]
    fn reads_change_nothing(setting in setting(), bytes in stream(), cuts in cuts()) {
        let whole = setting.explain([&bytes[..]]);
        prop_assert_eq!(whole, setting.explain(cut(&bytes, &cuts)));
    }

    #[test]
    fn each_read_is_a_note_at_its_end(bytes in stream(), cuts in cuts()) {
        let mut explainer = Setting::new(Version::Rfc6455, Side::Client).explainer();
        let mut ends = Vec::new();
        let mut at = 0;
        for piece in cut(&bytes, &cuts) {
            explainer.feed(Side::Client, piece);
            at += piece.len() as u64;
            ends.push(at);
        }
        let cuts = explainer.notes().filter(|note| note.part == Part::Cut);
        prop_assert_eq!(cuts.map(|note| note.bytes.end).collect::<Vec<_>>(), ends);
    }
}
