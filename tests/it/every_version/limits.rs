//! Every limit at its value, below it and above it.

use stentor::Version;
use stentor::protocol::framing::Framing;
use stentor::protocol::{Config, ProtocolError, Rejection, State};

use crate::support::{Driven, HandshakeResponse, Head, text};

pub(super) fn a_message_may_have_as_many_bytes_as_the_limit(version: Version) {
    let mut config = Config::default();
    for limit in [0, 1, 125, 126, 65535, 65536] {
        config.limits.message = limit;
        for len in [limit.saturating_sub(1), limit, limit + 1] {
            let word = "x".repeat(len);
            let mut driven = Driven::ready_with(version, &config);
            driven.receive(&text(version, &word));
            if len <= limit {
                assert_eq!(driven.texts(), [word.as_str()], "{len} of {limit}");
            } else {
                let protocol_error = Some(ProtocolError::MessageTooLarge(limit));
                assert_eq!(
                    driven.closed().protocol_error,
                    protocol_error,
                    "{len} of {limit}"
                );
                assert_eq!(driven.connection.state(), State::Error);
            }
        }
    }
}

pub(super) fn the_default_limit_is_a_mebibyte(version: Version) {
    const MEBIBYTE: usize = 1024 * 1024;
    let word = "x".repeat(MEBIBYTE);
    let mut driven = Driven::ready(version);
    for piece in text(version, &word).chunks(64 * 1024) {
        driven.receive(piece);
    }
    assert_eq!(driven.texts(), [word.as_str()]);
    driven.receive(&text(version, &format!("{word}x")));
    assert_eq!(
        driven.closed().protocol_error,
        Some(ProtocolError::MessageTooLarge(MEBIBYTE))
    );
}

pub(super) fn a_long_message_is_refused_before_it_has_come(version: Version) {
    let mut config = Config::default();
    config.limits.message = 10;
    let bytes = text(version, "eleven byte");
    // Without its last byte, and without everything after the header, in versions that have one.
    let enough = match version.framing() {
        Framing::Hixie => bytes.len() - 1,
        Framing::Hybi => 2,
    };
    let mut driven = Driven::ready_with(version, &config);
    driven.receive_bytewise(&bytes[..enough - 1]);
    assert!(!driven.is_closed());
    driven.receive(&bytes[enough - 1..enough]);
    assert_eq!(
        driven.closed().protocol_error,
        Some(ProtocolError::MessageTooLarge(10))
    );
}

pub(super) fn what_is_only_announced_is_refused_on_its_header(version: Version) {
    match version.framing() {
        Framing::Hixie => {
            for digits in [
                &[0xc0, 0x80, 0x80, 0x00][..],
                &[0xff; 9],
                &[0x81, 0x80, 0x80, 0x80],
            ] {
                let mut driven = Driven::ready(version);
                driven.receive(&[&[0x80], digits].concat());
                let limit = Config::default().limits.message;
                assert_eq!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::SkipTooLarge(limit))
                );
            }
        }
        Framing::Hybi => {
            for len in [
                1_u64 << 20 | 1,
                1 << 31,
                1 << 32,
                1 << 62,
                (1 << 63) - 1,
                1 << 63,
                u64::MAX,
            ] {
                let mut driven = Driven::ready(version);
                driven.receive(&[&[0x82, 0xff][..], &len.to_be_bytes()].concat());
                let expected = match len >> 63 {
                    0 => ProtocolError::MessageTooLarge(Config::default().limits.message),
                    _ => ProtocolError::LengthTopBit(len),
                };
                assert_eq!(driven.closed().protocol_error, Some(expected), "{len}");
            }
        }
    }
}

pub(super) fn a_head_may_have_as_many_bytes_as_the_limit(version: Version) {
    for limit in [1000, Config::default().limits.header_bytes] {
        let mut config = Config::default();
        config.limits.header_bytes = limit;
        for len in [limit - 1, limit, limit + 1] {
            let head = Head::of(version).filled_to(len);
            assert_eq!(head.head().len(), len);
            let behind = text(version, "what follows is no head");
            let bytes = [head.bytes(), behind].concat();
            let pieces = |size| bytes.chunks(size);
            for pieces in [pieces(bytes.len()), pieces(100)] {
                let mut driven = Driven::new(&config);
                pieces.for_each(|piece| {
                    driven.receive(piece);
                });
                if len <= limit {
                    assert_eq!(
                        driven.texts(),
                        ["what follows is no head"],
                        "{len} of {limit}"
                    );
                } else {
                    assert_eq!(*driven.rejected(), Rejection::HeadersTooLarge(limit));
                    let answer = HandshakeResponse::read(&driven.output);
                    answer.assert_last();
                    assert_eq!(answer.status(), 431);
                }
            }
        }
    }
}

pub(super) fn a_head_without_end_is_refused_at_the_limit(version: Version) {
    let mut config = Config::default();
    config.limits.header_bytes = 1000;
    let bytes = Head::of(version).filled_to(2000).head();
    let mut driven = Driven::new(&config);
    driven.receive_bytewise(&bytes[..999]);
    assert!(driven.events.is_empty());
    driven.receive(&bytes[999..1000]);
    assert_eq!(*driven.rejected(), Rejection::HeadersTooLarge(1000));
}

pub(super) fn a_head_may_have_as_many_fields_as_the_limit(version: Version) {
    for limit in [20, Config::default().limits.header_count] {
        let mut config = Config::default();
        config.limits.header_count = limit;
        for count in [limit - 1, limit, limit + 1] {
            let mut head = Head::of(version);
            while head.field_count() < count {
                head = head.with("X-More", "");
            }
            let mut driven = Driven::new(&config);
            driven.receive(&head.bytes());
            if count <= limit {
                assert_eq!(
                    driven.connection.state(),
                    State::Ready,
                    "{count} of {limit}"
                );
            } else {
                assert_eq!(*driven.rejected(), Rejection::TooManyHeaders(limit));
                assert_eq!(HandshakeResponse::read(&driven.output).status(), 431);
            }
        }
    }
}
