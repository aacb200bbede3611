//! The notes are the same however a stream is cut into reads.

use stentor::Version;
use stentor_explain::{Part, Side};

use super::vectors;
use crate::support::all_of;
use crate::support::conversation::{Conversation, assert_cutting_changes_nothing};
use crate::support::heads::{Head, handshake};

#[test]
fn cutting_a_handshake_of_the_collection_changes_nothing() {
    for (id, conversation) in vectors() {
        assert_cutting_changes_nothing(&conversation, id);
    }
}

#[test]
fn cutting_changes_nothing_when_the_response_comes_first() {
    for version in Version::ALL {
        let request = Head::request(version).bytes();
        let response = Head::response(version).bytes();
        let conversation = Conversation::default()
            .server([&response[..], b"\x81\x05hello"].concat())
            .client([&request[..], b"\x00hello\xff"].concat())
            .ended();
        assert_cutting_changes_nothing(&conversation, version.name());
    }
}

#[test]
fn each_end_of_a_read_has_a_note() {
    let conversation = handshake(Version::Draft76).bytewise();
    let notes = conversation.notes();
    for side in [Side::Client, Side::Server] {
        let cuts = all_of(&notes, Part::Cut).into_iter();
        let places: Vec<u64> = cuts
            .filter(|note| note.from == side)
            .map(|note| note.bytes.start)
            .collect();
        let expected: Vec<u64> = (1..=conversation.len(side)).collect();
        assert_eq!(places, expected);
    }
}
