//! Limits that only some versions have: fragments, skipped frames, lengths in digits; and text that
//! is invalid before it is complete.

use stentor::protocol::{Config, Event, ProtocolError, State};
use stentor::{CloseCode, Version};

use crate::support::{Driven, HIXIE, HYBI, MASK, masked};

/// A message in fragments of these payloads.
fn fragments(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, payload) in payloads.iter().enumerate() {
        let fin = if at + 1 == payloads.len() { 0x80 } else { 0 };
        let opcode = if at == 0 { first } else { 0 };
        bytes.extend(masked(fin | opcode, payload));
    }
    bytes
}

#[test]
fn a_message_may_have_as_many_fragments_as_the_limit() {
    let mut config = Config::default();
    for limit in [1, 2, 10] {
        config.limits.fragments = limit;
        for (version, count) in HYBI
            .into_iter()
            .flat_map(|version| [limit - 1, limit, limit + 1].map(|count| (version, count)))
        {
            let mut driven = Driven::ready_with(version, &config);
            driven.receive(&fragments(1, &vec![&b"x"[..]; count]));
            if count <= limit {
                let whole = if count == 0 {
                    vec![]
                } else {
                    vec!["x".repeat(count)]
                };
                assert_eq!(driven.texts(), whole, "{count} of {limit}");
            } else {
                assert_eq!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::TooManyFragments(limit))
                );
            }
        }
    }
}

/// An endless message of empty fragments is not detected by its bytes.
#[test]
fn empty_fragments_count_as_fragments() {
    let mut config = Config::default();
    config.limits.fragments = 1000;
    for version in HYBI {
        let mut driven = Driven::ready_with(version, &config);
        driven.receive(&masked(0x02, b""));
        for _ in 1..1000 {
            driven.receive(&masked(0x00, b""));
        }
        assert_eq!(driven.connection.state(), State::Ready);
        driven.receive(&masked(0x00, b""));
        assert_eq!(
            driven.closed().protocol_error,
            Some(ProtocolError::TooManyFragments(1000))
        );
    }
}

#[test]
fn every_message_counts_its_own_fragments_and_bytes() {
    let mut config = Config::default();
    config.limits.fragments = 3;
    config.limits.message = 6;
    for version in HYBI {
        let mut driven = Driven::ready_with(version, &config);
        for _ in 0..5 {
            driven.receive(&fragments(1, &[b"ab", b"cd", b"ef"]));
        }
        assert_eq!(driven.texts(), ["abcdef"; 5]);
    }
}

#[test]
fn fragments_are_counted_together_and_refused_on_the_header() {
    let mut config = Config::default();
    config.limits.message = 10;
    for version in HYBI {
        for (last, fits) in [
            (&b"efghi"[..], true),
            (b"efghij", true),
            (b"efghijk", false),
        ] {
            let mut driven = Driven::ready_with(version, &config);
            let frame = fragments(0x80, &[last]);
            driven.receive(&masked(0x01, b"abcd")).receive(&frame[..2]);
            assert_eq!(driven.is_closed(), !fits, "{} bytes", last.len());
            driven.receive(&frame[2..]);
            if fits {
                assert_eq!(driven.texts().len(), 1);
                assert_eq!(driven.texts()[0].len(), 4 + last.len());
            } else {
                assert_eq!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::MessageTooLarge(10))
                );
            }
        }
    }
}

#[test]
fn too_large_has_the_code_of_the_version() {
    let mut config = Config::default();
    config.limits.message = 1;
    for (version, code) in [(HYBI[0], 1004), (HYBI[1], 1004), (HYBI[2], 1009)] {
        let mut driven = Driven::ready_with(version, &config);
        driven.receive(&masked(0x81, b"ab"));
        assert_eq!(driven.closed().code, CloseCode::new(code));
        driven.assert_failed_with(code, version.name());
    }
}

#[test]
fn control_frames_between_fragments_cost_the_message_nothing() {
    let mut config = Config::default();
    config.limits.message = 4;
    config.limits.fragments = 2;
    for version in HYBI {
        let ping = [b'p'; 125];
        let mut driven = Driven::ready_with(version, &config);
        driven.receive(&masked(0x01, b"ab"));
        for _ in 0..10 {
            driven
                .receive(&masked(0x89, &ping))
                .receive(&masked(0x8a, &ping));
        }
        driven.receive(&masked(0x80, b"cd"));
        assert_eq!(driven.texts(), ["abcd"]);
        assert_eq!(driven.events.len(), 21);
        assert_eq!(driven.output, [&[0x8a, 125][..], &ping].concat().repeat(10));
    }
}

#[test]
fn a_control_frame_may_stand_inside_a_character_but_not_inside_a_frame() {
    for version in HYBI {
        let (first, second) = "日".as_bytes().split_at(1);
        let mut driven = Driven::ready(version);
        driven.receive(&masked(0x01, first));
        driven.receive(&masked(0x89, b""));
        driven.receive(&masked(0x80, second));
        assert_eq!(driven.texts(), ["日"]);

        // Inside a frame, these bytes are payload.
        let inside = masked(0x89, b"");
        let mut driven = Driven::ready(version);
        driven.receive(&masked(0x82, &inside));
        assert_eq!(driven.events, [Event::Message(inside.into())]);
    }
}

#[test]
fn a_length_must_be_the_shortest_only_in_the_rfc() {
    let long = |header: &[u8]| [header, &MASK, &[b'x' ^ MASK[0]]].concat();
    for version in HYBI {
        for bytes in [
            long(&[0x81, 0xfe, 0, 1]),
            long(&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]),
        ] {
            let mut driven = Driven::ready(version);
            driven.receive(&bytes);
            if version == Version::Rfc6455 {
                assert_eq!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::LengthNotMinimal(1))
                );
                driven.assert_failed_with(1002, version.name());
            } else {
                assert_eq!(driven.texts(), ["x"]);
            }
        }
    }
}

/// The first length of each form, and the last that a shorter form could have encoded.
#[test]
fn each_form_of_a_length_begins_where_the_one_before_ends() {
    for (len, form, shortest) in [
        (125, 126, false),
        (126, 126, true),
        (65535, 127, false),
        (65536, 127, true),
    ] {
        let length = match form {
            126 => (len as u16).to_be_bytes().to_vec(),
            _ => (len as u64).to_be_bytes().to_vec(),
        };
        let frame = [&[0x82, 0x80 | form][..], &length, &[0; 4], &vec![b'x'; len]].concat();
        for version in HYBI {
            let mut driven = Driven::ready(version);
            driven.receive(&frame);
            if shortest || version != Version::Rfc6455 {
                assert_eq!(driven.events, [Event::Message(vec![b'x'; len].into())]);
            } else {
                let protocol_error = ProtocolError::LengthNotMinimal(len as u64);
                assert_eq!(driven.closed().protocol_error, Some(protocol_error));
            }
        }
    }
}

/// The close code of each version for text that is not UTF-8: 1007 came with draft-10.
const BAD_TEXT: [(Version, u16); 3] = [(HYBI[0], 1003), (HYBI[1], 1007), (HYBI[2], 1007)];

/// Bytes that are not UTF-8, and the index of the first byte that no continuation could make valid.
const BAD: [(&[u8], usize); 14] = [
    (b"\x80", 0),
    (b"\xff", 0),
    // Longer than needed (Unicode, table 3-7).
    (b"\xc0\xaf", 0),
    (b"\xc1\x81", 0),
    (b"\xe0\x9f\xbf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    // Halves of surrogate pairs.
    (b"\xed\xa0\x80", 1),
    (b"\xed\xbf\xbf", 1),
    // Above U+10FFFF.
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf5\x80\x80\x80", 0),
    // Incomplete characters.
    (b"\xc3(", 1),
    (b"\xe2\x82(", 2),
    (b"\xf0\x9f\x98(", 3),
    (b"\xf0\x9f\xf0", 2),
];

#[test]
fn bad_text_fails_with_its_first_bad_byte_across_fragments() {
    for (version, code) in BAD_TEXT {
        for (bad, at) in BAD {
            let text = ["aé日".as_bytes(), bad, b"and so on"].concat();
            let first_bad = "aé日".len() + at;
            // The border between the fragments is before, inside and behind the invalid part.
            for border in 0..first_bad + 1 {
                let frames = [masked(0x01, &text[..border]), masked(0x80, &text[border..])];
                let header = 6;
                let enough = 2 * header + first_bad + 1;
                let bytes = frames.concat();
                let mut driven = Driven::ready(version);
                driven.receive_bytewise(&bytes[..enough - 1]);
                assert!(!driven.is_closed(), "{bad:x?}, border {border}: too early");
                driven.receive(&bytes[enough - 1..enough]);
                assert!(driven.is_closed(), "{bad:x?}, border {border}: too late");
                assert_eq!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::InvalidUtf8)
                );
                assert_eq!(driven.closed().code, CloseCode::new(code));
            }
        }
    }
}

#[test]
fn a_character_that_is_cut_by_the_end_of_the_message_is_bad() {
    for (version, code) in BAD_TEXT {
        for cut in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98"] {
            let mut driven = Driven::ready(version);
            driven.receive(&masked(0x01, cut));
            assert!(!driven.is_closed(), "the rest may come");
            driven.receive(&masked(0x80, b""));
            assert_eq!(
                driven.closed().protocol_error,
                Some(ProtocolError::InvalidUtf8)
            );
            assert_eq!(driven.closed().code, CloseCode::new(code));
        }
    }
}

#[test]
fn bad_text_of_the_old_drafts_fails_with_its_first_bad_byte_where_asked_to() {
    let mut config = Config::default();
    config.fail_on_invalid_hixie_text = true;
    for version in HIXIE {
        // FF is the end of a frame here, not a byte of the text.
        for (bad, at) in BAD.into_iter().filter(|(bad, _)| *bad != b"\xff") {
            let bytes = [b"\x00a", bad].concat();
            let enough = 2 + at + 1;
            let mut driven = Driven::ready_with(version, &config);
            driven.receive_bytewise(&bytes[..enough - 1]);
            assert!(!driven.is_closed(), "{bad:x?}: too early");
            driven.receive(&bytes[enough - 1..enough]);
            assert_eq!(
                driven.closed().protocol_error,
                Some(ProtocolError::InvalidUtf8),
                "{bad:x?}"
            );
            assert!(driven.output.is_empty());
        }
    }
}

/// The result must not depend on the number of bytes that one read brought.
#[test]
fn bad_text_of_the_old_drafts_that_is_too_long_fails_for_what_comes_first() {
    let mut config = Config::default();
    config.fail_on_invalid_hixie_text = true;
    config.limits.message = 4;
    for version in HIXIE {
        for (text, protocol_error) in [
            (&b"ab\xc0defgh"[..], ProtocolError::InvalidUtf8),
            (b"abcd\xc0fgh", ProtocolError::MessageTooLarge(4)),
            // The limit cuts a character, whose second byte is not checked any more.
            (b"abc\xc3\xa9fgh", ProtocolError::MessageTooLarge(4)),
        ] {
            for bytes in [[b"\x00", text, b"\xff"].concat(), [b"\x00", text].concat()] {
                let mut whole = Driven::ready_with(version, &config);
                whole.receive(&bytes);
                assert_eq!(whole.closed().protocol_error, Some(protocol_error.clone()));
                let mut bytewise = Driven::ready_with(version, &config);
                bytewise.receive_bytewise(&bytes);
                assert_eq!(
                    bytewise.closed().protocol_error,
                    Some(protocol_error.clone())
                );
            }
        }
    }
}

#[test]
fn bad_text_of_the_old_drafts_is_replaced_wherever_it_is_cut() {
    for version in HIXIE {
        for (bad, _) in BAD.into_iter().filter(|(bad, _)| *bad != b"\xff") {
            let bytes = [b"\x00a", bad, b"b\xff"].concat();
            let replaced = String::from_utf8_lossy(&bytes[1..bytes.len() - 1]);
            for at in 1..bytes.len() {
                let mut driven = Driven::ready(version);
                driven.receive(&bytes[..at]).receive(&bytes[at..]);
                assert_eq!(driven.texts(), [&*replaced], "{bad:x?}");
            }
        }
    }
}

#[test]
fn a_skipped_frame_may_have_as_many_bytes_as_the_limit() {
    let mut config = Config::default();
    config.limits.message = 300;
    for version in HIXIE {
        for len in [299, 300, 301] {
            let payload = vec![b'x'; len];
            let counted = [
                &[0x80, 0x80 | (len / 128) as u8, (len % 128) as u8],
                &payload[..],
            ]
            .concat();
            let ended = [&[0x01], &payload[..], &[0xff]].concat();
            // An announced length is rejected at its last digit, an unannounced one at the first
            // byte above the limit.
            for (bytes, enough) in [(counted, 3), (ended, 302)] {
                let mut driven = Driven::ready_with(version, &config);
                driven.receive_bytewise(&bytes[..enough - 1]);
                assert!(!driven.is_closed());
                driven.receive(&[&bytes[enough - 1..], b"\x00Hi\xff"].concat());
                if len <= 300 {
                    assert_eq!(driven.texts(), ["Hi"], "{len}");
                } else {
                    assert_eq!(
                        driven.closed().protocol_error,
                        Some(ProtocolError::SkipTooLarge(300))
                    );
                    assert_eq!(driven.closed().code, CloseCode::ABNORMAL);
                    assert!(driven.output.is_empty(), "there are no codes to send");
                }
            }
        }
    }
}

/// Leading zeros are legal (draft-76 §5.3), an endless series of them is not.
#[test]
fn a_length_may_have_ten_digits() {
    for version in HIXIE {
        let length = |zeros: usize| [&vec![0x80; zeros][..], &[0x02]].concat();
        for (zeros, fits) in [(0, true), (8, true), (9, true), (10, false), (1000, false)] {
            let mut driven = Driven::ready(version);
            driven.receive(&[&[0x80], &length(zeros)[..], b"xx\x00Hi\xff"].concat());
            if fits {
                assert_eq!(driven.texts(), ["Hi"], "{zeros} zeros");
            } else {
                assert!(matches!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::SkipTooLarge(_))
                ));
            }
        }
    }
}

#[test]
fn a_length_never_wraps() {
    let mut config = Config::default();
    config.limits.message = usize::MAX;
    // 2^64 and 2^70 - 1, which a careless sum turns into 0 and into a small number.
    let wraps: [&[u8]; 2] = [
        &[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    ];
    for digits in wraps {
        let mut driven = Driven::ready_with(Version::Draft76, &config);
        driven.receive(&[&[0x80], digits].concat());
        assert!(matches!(
            driven.closed().protocol_error,
            Some(ProtocolError::SkipTooLarge(_))
        ));
    }
}
