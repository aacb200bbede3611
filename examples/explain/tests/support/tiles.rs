//! The leaves of the notes cover a stream.

use stentor_explain::reference::tiles;
use stentor_explain::{Note, Part, Side};

use super::conversation::Conversation;

/// Asserts that the leaves of one side's notes cover each bit of its stream once.
pub(crate) fn assert_tiled(notes: &[Note], from: Side, len: usize, context: &str) {
    if let Err(place) = tiles::check(notes, from, len as u64) {
        panic!("{context}: {place}");
    }
}

/// Asserts that the leaves cover both streams of a conversation, and that the notes have the numbers from
/// 0 on.
pub(crate) fn assert_both_tiled(conversation: &Conversation, notes: &[Note], context: &str) {
    for side in [Side::Client, Side::Server] {
        let len = usize::try_from(conversation.len(side)).unwrap();
        assert_tiled(notes, side, len, context);
    }
    let parts = notes.iter().filter(|note| note.part != Part::Cut);
    assert!(
        parts.map(|note| note.id).eq(0..note_count(notes)),
        "{context}"
    );
}

fn note_count(notes: &[Note]) -> u32 {
    let parts = notes.iter().filter(|note| note.part != Part::Cut);
    u32::try_from(parts.count()).unwrap()
}
