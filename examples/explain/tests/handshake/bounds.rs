//! The explainer is bounded: in notes, in memory, and in time.

use std::time::Instant;

use stentor::Version;
use stentor_explain::{Explainer, Part, Side};

use super::vectors;
use crate::support::conversation::Conversation;
use crate::support::heads::Head;

/// Returns a header block of many short lines.
fn crowded() -> Vec<u8> {
    let mut request = String::from("GET / HTTP/1.1\r\n");
    while request.len() < 60_000 {
        request += "a:b\r\n";
    }
    (request + "\r\n").into_bytes()
}

/// Returns how many notes there are about parts: reads and ends have notes of their own.
fn parts(conversation: &Conversation) -> u64 {
    let notes = conversation.notes();
    let parts = notes
        .iter()
        .filter(|note| !matches!(note.part, Part::Cut | Part::End));
    parts.count() as u64
}

fn bytes(conversation: &Conversation) -> u64 {
    conversation.len(Side::Client) + conversation.len(Side::Server)
}

#[test]
fn a_head_has_at_most_one_note_a_byte() {
    for (id, conversation) in vectors() {
        assert!(parts(&conversation) <= bytes(&conversation), "{id}");
    }
    let crowded = Conversation::default().client(crowded()).ended();
    assert!(parts(&crowded) <= bytes(&crowded));
    // Lines of one byte, which no peer sends, have three notes for two bytes.
    let shortest = Conversation::default().client("a\nb\nc\nd\n\n").ended();
    assert!(parts(&shortest) <= 2 * bytes(&shortest));
}

#[test]
fn the_time_for_a_head_grows_with_its_length_alone() {
    let whole = Conversation::default().client(crowded()).ended();
    for conversation in [whole.bytewise(), whole] {
        let start = Instant::now();
        conversation.notes();
        // A quadratic search takes minutes.
        assert!(start.elapsed().as_secs() < 10);
    }
}

#[test]
fn a_list_of_many_items_has_few_verdicts_and_takes_little_time() {
    let start = Instant::now();
    for item in ["a", "permessage-deflate", "a;b"] {
        let many = vec![item; 60_000 / (item.len() + 1)].join(",");
        let names = ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"];
        for name in names {
            let request = Head::request(Version::Rfc6455).set(name, &many);
            let response = Head::response(Version::Rfc6455).set(name, &many);
            let conversation = Conversation::default()
                .client(request.bytes())
                .server(response.bytes());
            for note in conversation.notes() {
                assert!(note.verdicts.len() < 10, "{}", note.part);
            }
        }
    }
    // If each item is compared with each other one, it takes minutes.
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
fn a_head_without_an_end_is_not_kept() {
    let endless = [b"GET / HTTP/1.1\r\n".to_vec(), vec![b'x'; 70_000]].concat();
    let conversation = Conversation::default().client(endless).ended();
    let notes = conversation.notes();
    let choices = crate::support::choices(&notes);
    assert_eq!(choices[0].0, "handshake.head-size");
    assert!(notes.len() < 10);
    crate::support::tiles::assert_both_tiled(&conversation, &notes, "endless");
}

#[test]
fn values_and_sentences_of_a_hostile_peer_are_bounded() {
    let long = "1 x".repeat(15_000);
    for version in Version::ALL {
        for header in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key", "Host", "Upgrade"] {
            let request = Head::request(version).set(header, &long).bytes();
            let len = request.len();
            let notes = Conversation::default().client(request).ended().notes();
            for (_, by) in crate::support::broken(&notes) {
                assert!(by.len() < 400, "{} bytes", by.len());
            }
            let steps = notes.iter().flat_map(|note| &note.steps);
            let steps = format!("{:?}", steps.collect::<Vec<_>>());
            assert!(steps.len() < 40 * len, "{} bytes", steps.len());
        }
    }
}

#[test]
fn a_stream_that_cannot_be_read_is_counted_and_not_kept() {
    let mut explainer = Explainer::new();
    for _ in 0..200 {
        for side in [Side::Client, Side::Server] {
            explainer.feed(side, &[0x16; 10_000]);
            explainer.notes();
        }
    }
    let shown = format!("{explainer:?}");
    assert!(shown.len() < 4_000, "{} bytes", shown.len());
}
