//! The closing handshake in detail: the codes, the side that started it, and the frames at each
//! point.

use stentor::protocol::framing::Encoder;
use stentor::protocol::{
    CloseFrame, Config, Ending, Initiator, ProtocolError, SendError, State, Trigger,
};
use stentor::{CloseCode, Version};

use crate::support::{Driven, HIXIE, HYBI, Head, KEY3, bye, close_frame, masked, text};

/// RFC 6455 §7.4 with later IANA registrations; 1004 meant "too large" before version 13.
fn may_stand_in_a_frame(version: Version, code: u16) -> bool {
    match code {
        1004 => matches!(version, Version::Hybi07 | Version::Hybi08),
        1000..=1003 | 1007..=1014 | 3000..=4999 => true,
        _ => false,
    }
}

#[test]
fn every_code_is_accepted_or_refused_by_the_rule() {
    for version in HYBI {
        for code in (0..=5000).chain([5999, 0x7fff, 0x8000, 0xffff]) {
            let mut driven = Driven::ready(version);
            driven.receive(&close_frame(code, b"why"));
            let closed = driven.closed();
            if may_stand_in_a_frame(version, code) {
                assert_eq!((closed.code.get(), closed.clean), (code, true), "{version}");
                assert_eq!(
                    (closed.initiator, &closed.reason[..]),
                    (Initiator::Peer, "why")
                );
                assert_eq!(
                    driven.output,
                    [&[0x88, 0x02][..], &code.to_be_bytes()].concat()
                );
                assert_eq!(driven.connection.state(), State::Closing);
            } else {
                let protocol_error = Some(ProtocolError::InvalidCloseCode(code));
                assert_eq!(
                    (&closed.protocol_error, closed.clean),
                    (&protocol_error, false),
                    "{version}"
                );
                driven.assert_failed_with(1002, version.name());
                assert_eq!(driven.connection.state(), State::Error);
            }
        }
    }
}

/// IANA's registry of close codes.
#[test]
fn every_registered_code_has_a_constant() {
    let registered = [
        (1000, CloseCode::NORMAL),
        (1001, CloseCode::GOING_AWAY),
        (1002, CloseCode::PROTOCOL_ERROR),
        (1003, CloseCode::UNSUPPORTED_DATA),
        (1004, CloseCode::TOO_LARGE_BEFORE_13),
        (1005, CloseCode::NO_CODE),
        (1006, CloseCode::ABNORMAL),
        (1007, CloseCode::INVALID_TEXT),
        (1008, CloseCode::POLICY),
        (1009, CloseCode::TOO_LARGE),
        (1010, CloseCode::MANDATORY_EXTENSION),
        (1011, CloseCode::INTERNAL_ERROR),
        (1012, CloseCode::SERVICE_RESTART),
        (1013, CloseCode::TRY_AGAIN_LATER),
        (1014, CloseCode::BAD_GATEWAY),
        (1015, CloseCode::TLS_HANDSHAKE),
        (3000, CloseCode::UNAUTHORIZED),
        (3003, CloseCode::FORBIDDEN),
        (3008, CloseCode::TIMEOUT),
    ];
    for (number, code) in registered {
        assert_eq!(code.get(), number);
        let expected = !matches!(number, 1004..=1006 | 1015);
        assert_eq!(code.may_be_sent(), expected, "{code}");
    }
}

#[test]
fn every_code_is_sent_or_refused_by_the_same_rule() {
    for version in Version::ALL {
        for code in 0..=5000 {
            let frame = CloseFrame {
                code: CloseCode::new(code),
                reason: "why".to_owned(),
            };
            let mut out = Vec::new();
            let result = Encoder::server(version).encode_close(Some(&frame), &mut out);
            if may_stand_in_a_frame(version, code) {
                assert_eq!(result, Ok(()), "{version}, {code}");
                let sent: &[u8] = match version {
                    Version::Draft75 => b"",
                    Version::Draft76 => b"\xff\x00",
                    _ => &[&[0x88, 0x05][..], &code.to_be_bytes(), b"why"].concat(),
                };
                assert_eq!(out, sent);
            } else {
                assert_eq!(result, Err(SendError::CloseCode(code)), "{version}");
                assert!(out.is_empty());
            }
        }
    }
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    for version in HYBI {
        let mut driven = Driven::ready(version);
        driven.receive(&bye(version));
        assert_eq!(driven.closed().code, CloseCode::NO_CODE);
        assert_eq!(driven.output, b"\x88\x00");
    }
}

#[test]
fn a_close_body_of_one_byte_is_refused() {
    for version in HYBI {
        let mut driven = Driven::ready(version);
        driven.receive(&masked(0x88, b"\x03"));
        assert_eq!(
            driven.closed().protocol_error,
            Some(ProtocolError::CloseBodyOfOneByte)
        );
        driven.assert_failed_with(1002, version.name());
    }
}

#[test]
fn a_reason_is_text_of_123_bytes_at_most() {
    for (version, code) in [(HYBI[0], 1003), (HYBI[1], 1007), (HYBI[2], 1007_u16)] {
        let mut driven = Driven::ready(version);
        driven.receive(&close_frame(1000, &[b'x'; 123]));
        assert_eq!(driven.closed().reason, "x".repeat(123));

        let mut driven = Driven::ready(version);
        driven.receive(&close_frame(1000, &[b'x'; 124])[..2]);
        assert_eq!(
            driven.closed().protocol_error,
            Some(ProtocolError::LongControl(8))
        );

        let mut driven = Driven::ready(version);
        driven.receive(&close_frame(1000, b"cut \xe2\x82"));
        assert_eq!(
            driven.closed().protocol_error,
            Some(ProtocolError::InvalidUtf8)
        );
        driven.assert_failed_with(code, version.name());
    }
}

#[test]
fn a_violation_is_answered_with_the_rule_in_words() {
    for version in HYBI {
        for (first, words) in [
            (
                0xc1,
                "RSV1 is set, and no extension that uses it was negotiated",
            ),
            (
                0xa1,
                "RSV2 is set, and no extension that uses it was negotiated",
            ),
            (
                0x91,
                "RSV3 is set, and no extension that uses it was negotiated",
            ),
            (
                0xe1,
                "RSV1 and RSV2 are set, and no extension that uses them was negotiated",
            ),
            (
                0xf1,
                "RSV1, RSV2 and RSV3 are set, and no extension that uses them was negotiated",
            ),
            (0x83, "reserved opcode 0x3"),
        ] {
            let mut driven = Driven::ready(version);
            driven.receive(&masked(first, b"x"));
            driven.assert_failed_with(1002, words);
            assert!(
                driven.output.ends_with(words.as_bytes()),
                "{version}: {words}"
            );
            // The words are in the account once, as the violation.
            assert_eq!(driven.closed().reason, "");
        }
    }
}

#[test]
fn an_option_leaves_the_words_out() {
    let mut config = Config::default();
    config.close_reasons = false;
    for version in HYBI {
        let mut driven = Driven::ready_with(version, &config);
        driven.receive(&masked(0xc1, b"x"));
        assert_eq!(driven.output, b"\x88\x02\x03\xea", "{version}");
    }
    for version in HIXIE {
        // These have no place for a reason, nor for a code.
        config.close_reasons = true;
        config.fail_on_unknown_frames = true;
        let mut driven = Driven::ready_with(version, &config);
        driven.receive(b"\x01");
        assert!(driven.closed().protocol_error.is_some(), "{version}");
        assert_eq!(driven.output, b"", "{version}");
    }
}

#[test]
fn a_close_may_come_in_the_middle_of_a_message() {
    for version in HYBI {
        let mut driven = Driven::ready(version);
        driven.receive(&[masked(0x01, b"never"), close_frame(1001, b"")].concat());
        assert_eq!(driven.events.len(), 1);
        assert_eq!(
            (driven.closed().code, driven.closed().clean),
            (CloseCode::GOING_AWAY, true)
        );
    }
}

#[test]
fn a_control_frame_is_whole_and_short() {
    for version in HYBI {
        for opcode in [0x8, 0x9, 0xa] {
            let mut driven = Driven::ready(version);
            driven.receive(&masked(opcode, b""));
            assert_eq!(
                driven.closed().protocol_error,
                Some(ProtocolError::FragmentedControl(opcode))
            );
            for length in [126, 127] {
                let mut driven = Driven::ready(version);
                driven.receive(&[0x80 | opcode, 0x80 | length]);
                assert_eq!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::LongControl(opcode))
                );
            }
        }
    }
}

/// The close code is the one in the first close frame received (RFC 6455 §7.1.5), whichever side
/// started.
#[test]
fn if_close_frames_cross_the_received_code_counts() {
    for version in HYBI {
        let mut driven = Driven::ready(version);
        let ours = CloseFrame {
            code: CloseCode::GOING_AWAY,
            reason: "restart".to_owned(),
        };
        driven.connection.close(Some(ours)).unwrap();
        driven.receive(&close_frame(4000, b"bored"));
        let closed = driven.closed();
        assert_eq!((closed.initiator, closed.clean), (Initiator::Us, true));
        assert_eq!(
            (closed.code.get(), &closed.reason[..]),
            (4000, "bored"),
            "{version}"
        );
    }
}

#[test]
fn without_codes_a_close_counts_as_1005() {
    for version in [Version::Draft75, Version::Draft76] {
        let mut driven = Driven::ready(version);
        driven.receive(&bye(version)).end();
        assert_eq!(driven.closed().code, CloseCode::NO_CODE, "{version}");
    }
}

#[test]
fn without_codes_a_loss_counts_as_1006() {
    let mut driven = Driven::ready(Version::Draft76);
    driven.end();
    assert_eq!(driven.closed().code, CloseCode::ABNORMAL);
    for version in [Version::Draft75, Version::Draft76] {
        let mut driven = Driven::ready(version);
        driven.receive(&[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(driven.closed().code, CloseCode::ABNORMAL);
        assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
        assert!(driven.output.is_empty());
    }
}

#[test]
fn a_close_frame_of_draft_76_may_have_leading_zeros() {
    let mut driven = Driven::ready(Version::Draft76);
    driven.receive_bytewise(&[0xff, 0x80, 0x80, 0x00]);
    assert!(driven.closed().clean);
    assert_eq!(driven.output, b"\xff\x00");
}

#[test]
fn an_ff_frame_with_a_length_is_not_a_close_frame() {
    for version in [Version::Draft75, Version::Draft76] {
        let mut driven = Driven::ready(version);
        driven.receive(b"\xff\x02\xff\x00\x00Hi\xff");
        assert_eq!(driven.texts(), ["Hi"]);
        assert_eq!(driven.connection.state(), State::Ready);
    }
}

#[test]
fn a_protocol_error_after_our_close_frame_sends_no_second_one() {
    for version in HYBI {
        let mut driven = Driven::ready(version);
        driven.connection.close(None).unwrap();
        driven.drain().output.clear();
        driven.receive(&masked(0x83, b""));
        assert!(driven.output.is_empty());
        assert_eq!(
            driven.closed().protocol_error,
            Some(ProtocolError::ReservedOpcode(3))
        );
        assert!(!driven.closed().clean);
        assert_eq!(driven.connection.state(), State::Error);
    }
}

/// A ping is to be answered until the peer's close has come (RFC 6455 §5.5.2), and our close frame
/// forbids only data frames (§5.5.1).
#[test]
fn a_ping_after_our_close_frame_is_still_answered() {
    for version in HYBI {
        let mut driven = Driven::ready(version);
        driven.connection.close(None).unwrap();
        driven.drain().output.clear();
        driven.receive(&masked(0x89, b"there?"));
        assert_eq!(driven.output, b"\x8a\x06there?", "{version}");
    }
}

#[test]
fn a_ping_after_the_peers_close_frame_is_not_answered() {
    for version in HYBI {
        let mut driven = Driven::ready(version);
        driven.receive(&[bye(version), masked(0x89, b"there?")].concat());
        assert_eq!(driven.output, b"\x88\x00");
    }
}

/// The 101 is sent, so no rejection can follow, and no frame may before the proof.
#[test]
fn closing_before_the_proof_can_only_close_tcp() {
    let mut driven = Driven::new(&Config::default());
    driven.receive(&Head::of(Version::Draft76).head()).forget();
    driven.connection.close(None).unwrap();
    driven
        .receive(&[KEY3, &text(Version::Draft76, "Hi")[..]].concat())
        .end();
    assert!(driven.events.is_empty() && driven.output.is_empty());
    assert_eq!(driven.connection.state(), State::Error);
    assert_eq!(
        driven.transitions.last().map(|last| last.trigger),
        Some(Trigger::Failed)
    );
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
}

#[test]
fn an_unmasked_frame_is_closed_with_1002() {
    for version in HYBI {
        for opcode in [0x1, 0x2, 0x8, 0x9, 0xa] {
            let mut driven = Driven::ready(version);
            driven.receive(&[0x80 | opcode, 0x00]);
            assert_eq!(
                driven.closed().protocol_error,
                Some(ProtocolError::Unmasked)
            );
            driven.assert_failed_with(1002, version.name());
        }
    }
}

#[test]
fn the_close_report_can_be_read_in_a_log() {
    let mut driven = Driven::ready(Version::Rfc6455);
    driven.receive(&close_frame(1001, b"\x1b[2J bye\n"));
    let printed = driven.closed().to_string();
    assert!(printed.starts_with("1001 by the peer, clean"), "{printed}");
    assert!(!printed.contains(char::is_control), "{printed}");
}
