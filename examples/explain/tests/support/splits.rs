//! The ways to cut a stream.

/// Above this many bytes, a stream is cut in two only near its ends.
const EVERYWHERE: usize = 600;
const NEAR: usize = 16;

/// Calls `each` with the stream in the pieces given, in one piece, byte by byte, and in two at each place.
pub(crate) fn every_way(given: &[Vec<u8>], mut each: impl FnMut(&str, &[&[u8]])) {
    let pieces: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
    each("as given", &pieces);
    let whole = given.concat();
    each("in one piece", &[&whole]);
    each("byte by byte", &whole.chunks(1).collect::<Vec<_>>());
    for at in 1..whole.len() {
        let near = at.min(whole.len() - at) <= NEAR;
        if whole.len() <= EVERYWHERE || near {
            let (first, second) = whole.split_at(at);
            each(&format!("in two at {at}"), &[first, second]);
        }
    }
}
