//! The newest bytes of one direction.

use std::ops::Range;

/// The bytes of the head or the frame that is not complete: its beginning, and the newest read.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    /// The bytes that were added until now.
    end: u64,
    /// Bytes before it are forgotten.
    begin: u64,
    pieces: Vec<(u64, Vec<u8>)>,
}

/// The bytes that are kept of a head or a frame that comes in several reads: more than are ever shown.
const KEPT: usize = 64 * 1024;

impl Bytes {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let begin = self.begin;
        for (start, piece) in &mut self.pieces {
            let forgotten = usize::try_from(begin.saturating_sub(*start)).unwrap_or(usize::MAX);
            piece.drain(..forgotten.min(piece.len()));
            *start = begin.max(*start);
        }
        let mut room = KEPT;
        self.pieces.retain_mut(|(_, piece)| {
            piece.truncate(room);
            room -= piece.len();
            !piece.is_empty()
        });
        let at = self.end;
        self.end += bytes.len() as u64;
        match self.pieces.last_mut() {
            Some((start, piece)) if *start + piece.len() as u64 == at => {
                piece.extend_from_slice(bytes);
            }
            _ => self.pieces.push((at, bytes.to_vec())),
        }
    }

    /// Forgets the bytes before this place.
    pub(super) fn forget(&mut self, before: u64) {
        self.begin = self.begin.max(before);
        let begin = self.begin;
        self.pieces
            .retain(|(start, piece)| start + piece.len() as u64 > begin);
    }

    /// The bytes of a span, as many of its first ones as are kept.
    pub(super) fn get(&self, span: Range<u64>) -> &[u8] {
        for (start, piece) in &self.pieces {
            let end = start + piece.len() as u64;
            if (*start..end).contains(&span.start) {
                let from = usize::try_from(span.start - start).unwrap_or(usize::MAX);
                let to = usize::try_from(span.end.min(end) - start).unwrap_or(usize::MAX);
                return piece.get(from..to).unwrap_or_default();
            }
        }
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_until_they_are_forgotten() {
        let mut bytes = Bytes::default();
        bytes.add(b"abc");
        bytes.add(b"def");
        assert_eq!(bytes.get(2..5), b"cde");
        bytes.forget(6);
        assert_eq!(bytes.get(2..5), b"");
        bytes.add(b"gh");
        assert_eq!(bytes.get(6..8), b"gh");
        assert_eq!(bytes.get(7..70), b"h");
    }

    #[test]
    fn the_beginning_of_a_frame_is_kept_after_any_number_of_others() {
        let mut bytes = Bytes::default();
        for n in 0..100_u8 {
            bytes.add(&vec![n; 10_000]);
            // The last two bytes of each read begin a frame.
            bytes.forget(u64::from(n) * 10_000 + 9998);
            let place = u64::from(n) * 10_000 + 9998;
            assert_eq!(bytes.get(place..place + 2), [n; 2]);
            bytes.add(b"");
            assert_eq!(bytes.get(place..place + 2), [n; 2]);
        }
        bytes.add(b"ab");
        assert_eq!(bytes.get(999_998..1_000_002), [99, 99, b'a', b'b']);
    }

    #[test]
    fn a_large_frame_keeps_its_beginning_and_the_newest_read() {
        let mut bytes = Bytes::default();
        for n in 0..100u8 {
            bytes.add(&vec![n; 10_000]);
        }
        assert_eq!(bytes.get(0..3), [0; 3]);
        assert_eq!(bytes.get(990_000..990_002), [99; 2]);
        assert_eq!(bytes.get(500_000..500_002), b"");
        let kept: usize = bytes.pieces.iter().map(|(_, piece)| piece.len()).sum();
        assert!(kept <= KEPT + 10_000);
    }
}
