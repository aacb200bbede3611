//! Wrong lengths, and lengths at the edges of integers: each is judged by its value alone, before
//! any memory is reserved or any product computed.

use stentor::Version;
use stentor::protocol::{Config, Event, ProtocolError};

use crate::support::{Driven, HIXIE, HYBI, MASK, masked, text};

/// Around the edges of the wire's own forms, of 31, 32, 62, 63 and 64 bits.
const EDGES: [u64; 22] = [
    124,
    125,
    126,
    127,
    128,
    (1 << 16) - 2,
    (1 << 16) - 1,
    1 << 16,
    (1 << 16) + 1,
    (1 << 20) + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 31) + 1,
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + 1,
    u64::MAX - 1,
    u64::MAX,
];

const LIMITS: [usize; 4] = [100, 65536, 1 << 20, usize::MAX];

/// A masked header in each form that has room for this length, and whether it is the shortest.
fn headers(first: u8, len: u64) -> Vec<(Vec<u8>, bool)> {
    let mut headers = Vec::new();
    if len < 126 {
        headers.push((vec![first, 0x80 | len as u8], true));
    }
    if let Ok(len) = u16::try_from(len) {
        let header = [&[first, 0x80 | 126][..], &len.to_be_bytes()].concat();
        headers.push((header, len >= 126));
    }
    let header = [&[first, 0x80 | 127][..], &len.to_be_bytes()].concat();
    headers.push((header, len > 0xffff));
    headers
}

/// The judgement on a frame's length when `before` bytes of its message have come.
fn judgement(
    version: Version,
    len: u64,
    shortest: bool,
    before: usize,
    limit: usize,
) -> Option<ProtocolError> {
    if len >> 63 == 1 {
        Some(ProtocolError::LengthTopBit(len))
    } else if !shortest && version == Version::Rfc6455 {
        Some(ProtocolError::LengthNotMinimal(len))
    } else if u128::from(len) + before as u128 > limit as u128 {
        Some(ProtocolError::MessageTooLarge(limit))
    } else {
        None
    }
}

#[test]
fn a_declared_length_is_judged_by_its_value_in_every_form() {
    let mut config = Config::default();
    for limit in LIMITS {
        config.limits.message = limit;
        for version in HYBI {
            for (before, first) in [("", 0x81), ("", 0x02), ("ab", 0x00), ("ab", 0x80)] {
                for len in EDGES {
                    for (header, shortest) in headers(first, len) {
                        let mut driven = Driven::ready_with(version, &config);
                        if !before.is_empty() {
                            driven.receive(&masked(0x01, before.as_bytes()));
                        }
                        driven.receive(&header);
                        let expected = judgement(version, len, shortest, before.len(), limit);
                        let context = format!("{version}, {len} of {limit}, {first:#04x}");
                        let protocol_error = match driven.events.last() {
                            Some(Event::Closed(closed)) => closed.protocol_error.clone(),
                            _ => None,
                        };
                        assert_eq!(protocol_error, expected, "{context}");
                        // And any bytes that follow are survived.
                        driven.receive(&MASK).receive(&[b'x'; 100]).end();
                        assert!(driven.is_closed(), "{context}");
                    }
                }
            }
        }
    }
}

/// A length in base 128, big-endian, behind a frame's type (draft-76 §5.3).
fn counted(kind: u8, len: u64) -> Vec<u8> {
    let mut digits = vec![(len & 0x7f) as u8];
    let mut rest = len >> 7;
    while rest > 0 {
        digits.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    digits.push(kind);
    digits.reverse();
    digits
}

#[test]
fn a_hixie_length_is_judged_by_its_value_whatever_the_frames_type() {
    let mut config = Config::default();
    for limit in LIMITS {
        config.limits.message = limit;
        for version in HIXIE {
            for kind in [0x80, 0x81, 0xc1, 0xfe, 0xff] {
                for len in EDGES {
                    let mut driven = Driven::ready_with(version, &config);
                    driven.receive(&counted(kind, len));
                    let context = format!("{version}, {len} of {limit}, {kind:#04x}");
                    let fits = u128::from(len) <= limit as u128;
                    assert_eq!(driven.is_closed(), !fits, "{context}");
                    if fits {
                        let payload = [0xff; 128];
                        let here = payload.len().min(len as usize);
                        driven.receive(&payload[..here]);
                        assert!(driven.events.is_empty(), "{context}: payload means nothing");
                        if len == here as u64 {
                            driven.receive(&text(version, "Hi"));
                            assert_eq!(driven.texts(), ["Hi"], "{context}");
                        }
                    } else {
                        let protocol_error = Some(ProtocolError::SkipTooLarge(limit));
                        assert_eq!(driven.closed().protocol_error, protocol_error, "{context}");
                    }
                }
            }
        }
    }
}

/// A message in frames, of which the first and the last of three are empty.
fn in_three(word: &[u8]) -> Vec<u8> {
    [masked(0x01, b""), masked(0x00, word), masked(0x80, b"")].concat()
}

fn in_two(word: &[u8], border: usize) -> Vec<u8> {
    let (first, second) = word.split_at(border);
    [masked(0x01, first), masked(0x80, second)].concat()
}

/// Another server passed a message of a few bytes too many to its application, truncated.
#[test]
fn a_message_is_whole_or_refused_and_never_cut_off() {
    let mut config = Config::default();
    for limit in [1, 125, 126, 127, 65535, 65536] {
        config.limits.message = limit;
        for len in limit - 1..=limit + 2 {
            let word = "x".repeat(len);
            for version in Version::ALL {
                let mut ways = vec![text(version, &word)];
                if HYBI.contains(&version) {
                    let bytes = word.as_bytes();
                    ways.push(in_three(bytes));
                    ways.extend([0, 1.min(len), len / 2, len].map(|at| in_two(bytes, at)));
                }
                for bytes in ways {
                    for piece in [bytes.len().max(1), bytes.len() / 3 + 1] {
                        let mut driven = Driven::ready_with(version, &config);
                        for piece in bytes.chunks(piece) {
                            driven.receive(piece);
                        }
                        if len <= limit {
                            assert_eq!(driven.texts(), [word.as_str()], "{version}, {limit}");
                        } else {
                            assert_eq!(driven.events.len(), 1, "{version}: {len} of {limit}");
                            let protocol_error = Some(ProtocolError::MessageTooLarge(limit));
                            assert_eq!(driven.closed().protocol_error, protocol_error);
                        }
                    }
                }
            }
        }
    }
}

/// "No limit" is a limit that some user will set.
#[test]
fn limits_may_be_as_large_as_numbers_are() {
    let mut config = Config::default();
    config.limits.header_bytes = usize::MAX;
    config.limits.header_count = usize::MAX;
    config.limits.message = usize::MAX;
    config.limits.fragments = usize::MAX;
    for version in Version::ALL {
        let mut driven = Driven::ready_with(version, &config);
        driven.receive(&text(version, "Hi"));
        assert_eq!(driven.texts(), ["Hi"], "{version}");
    }
}
