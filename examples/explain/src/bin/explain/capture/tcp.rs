//! One direction of a TCP connection, put together by sequence numbers.

use std::collections::BTreeMap;

use stentor_explain::packet::Segment;

/// A direction. It keeps segments that came early, within limits.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    /// The sequence number of the next byte, once it is known.
    next: Option<u32>,
    /// How many bytes came before it.
    position: u64,
    /// Segments behind bytes that have not come yet, by their place.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
    /// The place of the end, once its segment has come.
    end: Option<u64>,
    has_ended: bool,
    /// Segments of the connection since the other side has acknowledged bytes that did not come.
    waited: u32,
    acknowledged: u64,
}

/// A part of a direction, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The bytes of one segment that had not come before.
    Bytes(Vec<u8>),
    /// So many bytes are missing from the capture.
    Gap(u64),
    End,
}

/// The bytes and the segments that are kept while earlier ones are missing.
const MOST_BYTES: usize = 4 * 1024 * 1024;
const MOST_SEGMENTS: usize = 4096;

/// Captures may have segments in another order than they came in, but not by more than this.
const PATIENCE: u32 = 64;

impl Direction {
    /// Takes a segment of this direction, and returns the pieces that can be read now.
    pub(crate) fn add(&mut self, segment: &Segment<'_>) -> Vec<Piece> {
        let first = match segment.syn {
            true => segment.sequence.wrapping_add(1),
            false => segment.sequence,
        };
        if self.next.is_none() && segment.payload.is_empty() && !segment.syn && !segment.fin {
            return Vec::new();
        }
        let place = self.place(first);
        let length = segment.payload.len() as u64;
        if segment.fin {
            self.end = self.end.or(Some(
                (place + length as i64).max(0) as u64 + u64::from(segment.lacking),
            ));
        }
        let known = u64::try_from(self.position as i64 - place).unwrap_or(0);
        if length > known {
            let start = (place + known as i64).max(0) as u64;
            let bytes = &segment.payload[usize::try_from(known).unwrap_or(usize::MAX)..];
            self.keep(start, bytes);
        }
        let mut pieces = self.take();
        while self.early_bytes > MOST_BYTES || self.early.len() > MOST_SEGMENTS {
            pieces.extend(self.skip());
        }
        pieces
    }

    /// The other side has received all bytes before this sequence number, and a segment more of the
    /// connection was captured. Bytes that it has received and that do not come are missing.
    pub(crate) fn acknowledge(&mut self, sequence: Option<u32>) -> Vec<Piece> {
        if let Some(sequence) = sequence
            && self.next.is_some()
        {
            let place = u64::try_from(self.place(sequence)).unwrap_or(0);
            self.acknowledged = self.acknowledged.max(place);
        }
        let is_missing = self
            .early
            .keys()
            .next()
            .is_some_and(|first| *first <= self.acknowledged);
        self.waited = if is_missing { self.waited + 1 } else { 0 };
        match self.waited > PATIENCE {
            true => self.skip(),
            false => Vec::new(),
        }
    }

    /// The capture or the connection has ended: nothing more will come.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while !self.early.is_empty() {
            pieces.extend(self.skip());
        }
        if let Some(end) = self.end
            && !self.has_ended
        {
            if end > self.position {
                pieces.push(Piece::Gap(end - self.position));
                self.position = end;
            }
            pieces.extend(self.take());
        }
        pieces
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The place of a sequence number in the stream: before the first byte it is negative.
    fn place(&mut self, sequence: u32) -> i64 {
        let next = *self.next.get_or_insert(sequence);
        let distance = sequence.wrapping_sub(next).cast_signed();
        self.position as i64 + i64::from(distance)
    }

    /// Keeps bytes; of bytes that came before, the first copy is taken.
    fn keep(&mut self, start: u64, bytes: &[u8]) {
        let known = self.early.get(&start).map_or(0, Vec::len);
        if bytes.len() > known {
            self.early_bytes += bytes.len() - known;
            self.early.insert(start, bytes.to_vec());
        }
    }

    /// Takes the bytes that continue the stream.
    fn take(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some(first) = self.early.first_entry()
            && *first.key() <= self.position
        {
            let (start, bytes) = first.remove_entry();
            self.early_bytes -= bytes.len();
            let known = usize::try_from(self.position - start).unwrap_or(usize::MAX);
            if let Some(new) = bytes.get(known..)
                && !new.is_empty()
            {
                self.forward(new.len() as u64);
                pieces.push(Piece::Bytes(new.to_vec()));
            }
        }
        if self.end.is_some_and(|end| end <= self.position) && !self.has_ended {
            self.has_ended = true;
            self.early.clear();
            self.early_bytes = 0;
            pieces.push(Piece::End);
        }
        pieces
    }

    /// Gives up the bytes before the first segment that came early.
    fn skip(&mut self) -> Vec<Piece> {
        self.waited = 0;
        let Some(first) = self.early.keys().next().copied() else {
            return Vec::new();
        };
        let gap = first - self.position;
        self.forward(gap);
        let mut pieces = vec![Piece::Gap(gap)];
        pieces.extend(self.take());
        pieces
    }

    fn forward(&mut self, bytes: u64) {
        self.position += bytes;
        // Sequence numbers begin again at 0 after 4 GiB.
        let step = u32::try_from(bytes & u64::from(u32::MAX)).unwrap_or(0);
        self.next = self.next.map(|next| next.wrapping_add(step));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn segment(sequence: u32, payload: &[u8]) -> Segment<'_> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Segment {
            from: address,
            to: address,
            sequence,
            acknowledged: None,
            syn: false,
            fin: false,
            rst: false,
            payload,
            lacking: 0,
        }
    }

    fn begun(at: u32) -> Direction {
        let mut direction = Direction::default();
        let syn = Segment {
            syn: true,
            ..segment(at.wrapping_sub(1), b"")
        };
        assert_eq!(direction.add(&syn), []);
        direction
    }

    fn bytes(text: &[u8]) -> Piece {
        Piece::Bytes(text.to_vec())
    }

    #[test]
    fn segments_are_put_in_order_and_repeats_are_dropped() {
        for at in [1, 1000, u32::MAX - 3] {
            let mut direction = begun(at);
            let add = |direction: &mut Direction, offset: u32, text: &'static [u8]| {
                direction.add(&segment(at.wrapping_add(offset), text))
            };
            assert_eq!(add(&mut direction, 3, b"def"), []);
            assert_eq!(
                add(&mut direction, 0, b"abc"),
                [bytes(b"abc"), bytes(b"def")]
            );
            assert_eq!(add(&mut direction, 0, b"abc"), []);
            assert_eq!(add(&mut direction, 2, b"cdefgh"), [bytes(b"gh")]);
            assert_eq!(add(&mut direction, 5, b"fgh"), []);
            assert_eq!(add(&mut direction, 7, b"h"), []);
        }
    }

    #[test]
    fn missing_bytes_are_a_gap_once_the_other_side_has_received_them() {
        let mut direction = begun(1);
        direction.add(&segment(1, b"abc"));
        assert_eq!(direction.add(&segment(10, b"xyz")), []);
        let mut pieces = Vec::new();
        for _ in 0..=PATIENCE {
            assert_eq!(pieces, []);
            pieces = direction.acknowledge(Some(13));
        }
        assert_eq!(pieces, [Piece::Gap(6), bytes(b"xyz")]);
    }

    #[test]
    fn missing_bytes_are_a_gap_at_the_end() {
        let mut direction = begun(1);
        direction.add(&segment(5, b"xyz"));
        let fin = Segment {
            fin: true,
            ..segment(10, b"")
        };
        assert_eq!(direction.add(&fin), []);
        assert!(!direction.has_ended());
        let expected = [Piece::Gap(4), bytes(b"xyz"), Piece::Gap(2), Piece::End];
        assert_eq!(direction.finish(), expected);
        assert!(direction.has_ended());
        assert_eq!(direction.finish(), []);
    }

    #[test]
    fn early_segments_are_kept_within_limits() {
        let mut direction = begun(1);
        let mut pieces = Vec::new();
        for n in 0..200u32 {
            pieces.extend(direction.add(&segment(10 + n * 65_000, &[0; 64_000])));
            assert!(direction.early_bytes <= MOST_BYTES + 64_000);
        }
        assert_eq!(pieces[0], Piece::Gap(9));
        let mut direction = begun(1);
        for n in 0..10_000u32 {
            direction.add(&segment(10 + n * 2, b"x"));
            assert!(direction.early.len() <= MOST_SEGMENTS);
        }
    }

    #[test]
    fn a_late_capture_begins_at_its_first_bytes() {
        let mut direction = Direction::default();
        assert_eq!(direction.add(&segment(500, b"")), []);
        assert_eq!(direction.add(&segment(700, b"abc")), [bytes(b"abc")]);
        assert_eq!(direction.add(&segment(600, b"old")), []);
        assert_eq!(direction.add(&segment(699, b"?abcd")), [bytes(b"d")]);
    }
}
