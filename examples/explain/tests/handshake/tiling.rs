//! Each byte of a handshake is explained once, and each calculation is right.

use proptest::prelude::*;
use stentor::Version;
use stentor_explain::Side;

use super::vectors;
use crate::support::cases;
use crate::support::conversation::Conversation;
use crate::support::evaluate::assert_evaluated;
use crate::support::heads::Head;
use crate::support::tiles::assert_both_tiled;
use crate::support::vectors::{hex, latin1, section, string};

#[test]
fn the_notes_cover_each_handshake_of_the_collection() {
    let mut ran = 0;
    for (id, conversation) in vectors() {
        let notes = conversation.notes();
        assert_both_tiled(&conversation, &notes, id);
        assert_evaluated(&notes, id);
        ran += 1;
    }
    assert_eq!(ran, 111 + 13);
}

#[test]
fn the_notes_cover_each_key_of_the_collection() {
    let mut ran = 0;
    for vector in section("hixie76_key_pairs") {
        let request = Head::request(Version::Draft76)
            .set("Sec-WebSocket-Key1", latin1(&vector["key1"]))
            .set("Sec-WebSocket-Key2", latin1(&vector["key2"]))
            .after(&hex(&vector["key3_hex"]));
        let response = Head::response(Version::Draft76).after(&hex(&vector["response_hex"]));
        let conversation = Conversation::default()
            .client(request.bytes())
            .server(response.bytes())
            .ended();
        let notes = conversation.notes();
        let id = string(vector, "id");
        assert_eq!(crate::support::broken(&notes), [], "{id}");
        assert_both_tiled(&conversation, &notes, id);
        assert_evaluated(&notes, id);
        ran += 1;
    }
    for vector in section("hixie76_single_keys") {
        let request =
            Head::request(Version::Draft76).set("Sec-WebSocket-Key1", latin1(&vector["key"]));
        let conversation = Conversation::default().client(request.bytes()).ended();
        let notes = conversation.notes();
        assert_both_tiled(&conversation, &notes, string(vector, "id"));
        assert_evaluated(&notes, string(vector, "id"));
        ran += 1;
    }
    assert_eq!(ran, 15 + 18);
}

/// A conversation whose bytes were changed at a few places: cut off, repeated, replaced.
fn changed() -> impl Strategy<Value = Conversation> {
    let change = (any::<prop::sample::Index>(), 0..4_u8, special_byte());
    let changes = prop::collection::vec(change, 0..5);
    let version = prop::sample::select(&Version::ALL[..]);
    (version, changes.clone(), changes, any::<bool>()).prop_map(
        |(version, of_request, of_response, response_first)| {
            let request = change_bytes(Head::request(version).bytes(), of_request);
            let response = change_bytes(Head::response(version).bytes(), of_response);
            let both = Conversation::default();
            match response_first {
                true => both
                    .server(response)
                    .end(Side::Server)
                    .client(request)
                    .end(Side::Client),
                false => both.client(request).server(response).ended(),
            }
        },
    )
}

/// A byte that means something in a header block, or any other.
pub(super) fn special_byte() -> impl Strategy<Value = u8> + Clone {
    prop_oneof![
        prop::sample::select(&b"\r\n :,;=\"0129\t\0\xff/A"[..]),
        any::<u8>()
    ]
}

/// Replaces, inserts and removes bytes, and cuts the rest off.
pub(super) fn change_bytes(
    mut bytes: Vec<u8>,
    changes: Vec<(prop::sample::Index, u8, u8)>,
) -> Vec<u8> {
    for (place, kind, byte) in changes {
        if bytes.is_empty() {
            break;
        }
        let place = place.index(bytes.len());
        match kind {
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            2 => drop(bytes.remove(place)),
            _ => bytes.truncate(place),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn the_notes_cover_any_bytes(conversation in changed()) {
        let notes = conversation.notes();
        assert_both_tiled(&conversation, &notes, "changed");
        assert_evaluated(&notes, "changed");
    }

    #[test]
    fn the_notes_cover_bytes_at_random(client: Vec<u8>, server: Vec<u8>) {
        let conversation = Conversation::default().client(client).server(server).ended();
        assert_both_tiled(&conversation, &conversation.notes(), "random");
    }
}
