//! The ways to cut a stream. The positions of the cuts must never matter.

/// Above this many bytes, a stream is not cut in two everywhere, but only near its ends: that is
/// where headers and end marks are, and 65,536 replays of 64 KiB are too many.
const EVERYWHERE: usize = 2000;
const NEAR: usize = 300;

/// Replays the same bytes in the pieces given, in one, byte by byte, and in two at every place.
pub(crate) fn every_way(given: &[Vec<u8>], mut replay: impl FnMut(&str, &[&[u8]])) {
    let pieces: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
    replay("as given", &pieces);
    let whole = given.concat();
    replay("in one piece", &[&whole]);
    replay("byte by byte", &whole.chunks(1).collect::<Vec<_>>());
    for at in 1..whole.len() {
        let near = at.min(whole.len() - at) <= NEAR;
        if whole.len() <= EVERYWHERE || near {
            let (first, second) = whole.split_at(at);
            replay(&format!("in two at {at}"), &[first, second]);
        }
    }
}
