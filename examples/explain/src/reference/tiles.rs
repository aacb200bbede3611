//! Checks that the leaves of the notes cover a stream: no gap, no overlap.

use std::collections::HashMap;

use crate::note::{Note, Part, Side};

/// Checks that the leaves of one side's notes cover the bits of all its `len` bytes once, in order, and
/// that each note lies within its parent, which comes before it.
///
/// # Errors
/// If they do not; the text says where.
pub fn check(notes: &[Note], from: Side, len: u64) -> Result<(), String> {
    let notes = || {
        notes
            .iter()
            .filter(|note| note.from == from && note.part != Part::Cut)
    };
    let mut spans = HashMap::new();
    let parents: Vec<u32> = notes().filter_map(|note| note.parent).collect();
    let parents: std::collections::HashSet<u32> = parents.into_iter().collect();
    // The place, and the bits of the byte there that are covered.
    let (mut at, mut covered) = (0, 0_u8);
    for note in notes() {
        let (start, end) = (note.bytes.start, note.bytes.end);
        if spans.insert(note.id, start..end).is_some() {
            return Err(format!("the number of {note:?} is not new"));
        }
        if let Some(parent) = note.parent {
            match spans.get(&parent) {
                Some(span) if span.start <= start && end <= span.end => {}
                span => return Err(format!("{note:?} is not within {span:?}")),
            }
        }
        if parents.contains(&note.id) || start == end {
            continue;
        }
        let wholes = note.bits == 0xff;
        if start != at || covered & note.bits != 0 || !wholes && end != at + 1 {
            return Err(format!("byte {at}, bits {covered:08b}, then {note:?}"));
        }
        covered |= note.bits;
        if covered == 0xff {
            (at, covered) = (end, 0);
        }
    }
    match (at, covered) == (len, 0) {
        true => Ok(()),
        false => Err(format!(
            "the notes end at byte {at} of {len}, bits {covered:08b}"
        )),
    }
}
