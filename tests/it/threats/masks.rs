//! Masks: without one, a proxy could be led to cache bytes that an attacker wrote (RFC 6455 §10.3).

use stentor::CloseCode;
use stentor::protocol::{Event, ProtocolError};

use crate::support::{Driven, HYBI};

/// Every form that a length can have, at both of its ends.
const LENGTHS: [usize; 7] = [0, 1, 125, 126, 65535, 65536, 70000];

/// A frame with its length in the shortest form, masked with `key`, or not at all.
fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let bit = if key.is_some() { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(bit | len as u8),
        len @ 126..=0xffff => {
            frame.push(bit | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(bit | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    let key_bytes = key.unwrap_or_default();
    frame.extend(key.into_iter().flatten());
    let masked = payload.iter().zip(key_bytes.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

#[test]
fn a_frame_without_a_mask_is_refused_whatever_its_length_and_kind() {
    for version in HYBI {
        for len in LENGTHS {
            for first in [0x81, 0x82, 0x01, 0x88, 0x89, 0x8a, 0x00, 0x80] {
                let is_control = first & 0x08 != 0;
                if is_control && len > 125 {
                    continue;
                }
                let bytes = frame(first, None, &vec![b'x'; len]);
                let mut driven = Driven::ready(version);
                if first & 0x0f == 0 {
                    driven.receive(&frame(0x01, Some([1, 2, 3, 4]), b"begun "));
                }
                driven.receive(&bytes[..1]);
                assert!(!driven.is_closed());
                // The second byte has the mask bit: nothing more need come.
                driven.receive(&bytes[1..2]);
                let context = format!("{version}, {first:#04x}, {len}");
                let closed = driven.closed();
                assert_eq!(
                    closed.protocol_error,
                    Some(ProtocolError::Unmasked),
                    "{context}"
                );
                assert_eq!(closed.code, CloseCode::PROTOCOL_ERROR, "{context}");
                assert_eq!(driven.events.len(), 1, "{context}: nothing is delivered");
                driven.receive(&bytes[2..]).end();
                driven.assert_failed_with(1002, &context);
            }
        }
    }
}

/// Zeros are a mask like any other: it matters only that the peer could not be made to choose none.
#[test]
fn any_mask_is_a_mask() {
    for version in HYBI {
        for key in [[0; 4], [0xff; 4], [0, 0, 0, 1], [b'G', b'E', b'T', b' ']] {
            for len in LENGTHS {
                let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
                let mut driven = Driven::ready(version);
                driven.receive(&frame(0x82, Some(key), &payload));
                let expected = [Event::Message(payload.into())];
                assert!(driven.events == expected, "{version}, {key:x?}, {len}");
            }
        }
    }
}

/// Each frame has its own mask, wherever it is cut: none is taken from the frame before.
#[test]
fn every_frame_of_a_message_has_its_own_mask() {
    let keys = [[1, 2, 3, 4], [0; 4], [0xff, 0, 0xff, 0], [9, 8, 7, 6]];
    let words = ["one ", "two, ", "three", " and four"];
    let frames = words.iter().zip(keys).enumerate().map(|(at, (word, key))| {
        let first = [0x01, 0x00, 0x00, 0x80][at];
        frame(first, Some(key), word.as_bytes())
    });
    let bytes: Vec<u8> = frames.flatten().collect();
    for version in HYBI {
        for piece in 1..=bytes.len() {
            let mut driven = Driven::ready(version);
            for piece in bytes.chunks(piece) {
                driven.receive(piece);
            }
            assert_eq!(driven.texts(), ["one two, three and four"], "{version}");
        }
    }
}
