//! Streams: how they are cut, the events that result, and the frames that a client reads from the
//! output.

use proptest::sample::Index;
use stentor::Version;
use stentor::protocol::framing::Framing;
use stentor::protocol::{Config, Ending};

use crate::support::{Driven, masked};

/// Returns the connection after these pieces and the end of the stream.
pub(super) fn received(config: &Config, pieces: &[&[u8]]) -> Driven {
    let mut driven = Driven::new(config);
    for piece in pieces {
        driven.receive(piece);
    }
    driven.end();
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
    driven
}

/// The same bytes, cut at these places; some pieces may be empty.
pub(super) fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let starts = [0].into_iter().chain(places.iter().copied());
    let ends = places.iter().copied().chain([bytes.len()]);
    starts
        .zip(ends)
        .map(|(start, end)| &bytes[start..end])
        .collect()
}

pub(super) fn in_fragments(lens: &[usize]) -> Vec<u8> {
    let frame = |(at, len): (usize, &usize)| {
        let opcode = u8::from(at == 0);
        let fin = u8::from(at + 1 == lens.len()) << 7;
        masked(fin | opcode, &vec![b'x'; *len])
    };
    lens.iter().enumerate().flat_map(frame).collect()
}

/// Returns opcodes and payloads, as read by a client that knows only whole frames without masks,
/// their lengths in the shortest form.
pub(super) fn read_by_a_client(version: Version, mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut read = Vec::new();
    while let [first, rest @ ..] = bytes {
        if version.framing() == Framing::Hixie {
            assert_eq!(*first, 0x00);
            let end = rest.iter().position(|byte| *byte == 0xff).expect("an end");
            read.push((1, rest[..end].to_vec()));
            bytes = &rest[end + 1..];
            continue;
        }
        let (len, size) = match rest[0] {
            126 => (usize::from(rest[1]) << 8 | usize::from(rest[2]), 3),
            127 => (
                rest[1..9]
                    .iter()
                    .fold(0, |len, byte| len << 8 | usize::from(*byte)),
                9,
            ),
            len => (usize::from(len), 1),
        };
        let shortest = match len {
            0..126 => 1,
            126..=0xffff => 3,
            _ => 9,
        };
        assert_eq!((first & 0xf0, size), (0x80, shortest));
        read.push((first & 0x0f, rest[size..size + len].to_vec()));
        bytes = &rest[size + len..];
    }
    read
}
