//! Messages, and frames that are no messages.

use stentor::protocol::framing::Framing;
use stentor::protocol::{Config, Ending, Event, ProtocolError, SendError, State};
use stentor::{Message, Version};

use crate::support::{Driven, every_way, masked, text, written};

pub(super) fn text_reaches_the_application(version: Version) {
    let mut driven = Driven::ready(version);
    driven.receive(&text(version, "Hello"));
    assert_eq!(driven.events, [Event::Message("Hello".into())]);
    assert!(driven.output.is_empty());
}

pub(super) fn text_comes_back(version: Version) {
    for word in ["Hello", "", "日本", "\0\u{7f}\u{80}\u{10ffff}", "\r\n\r\n"] {
        let mut driven = Driven::ready(version);
        driven.receive(&text(version, word)).echo();
        assert_eq!(driven.output, written(version, word));
    }
}

pub(super) fn empty_text_is_a_message(version: Version) {
    let mut driven = Driven::ready(version);
    driven
        .receive(&text(version, ""))
        .receive(&text(version, ""));
    assert_eq!(driven.texts(), ["", ""]);
}

pub(super) fn messages_in_one_piece_come_in_order(version: Version) {
    let words = ["one", "", "three", "four"];
    let mut driven = Driven::ready(version);
    driven.receive(&words.map(|word| text(version, word)).concat());
    assert_eq!(driven.texts(), words);
    driven.echo();
    assert_eq!(
        driven.output,
        words.map(|word| written(version, word)).concat()
    );
}

pub(super) fn a_message_may_be_cut_anywhere(version: Version) {
    let words = ["Hellö, wörld", "日本", "\u{1f4ef}"];
    let bytes = words.map(|word| text(version, word)).concat();
    every_way(&[bytes], |how, pieces| {
        let mut driven = Driven::ready(version);
        for piece in pieces {
            driven.receive(piece);
        }
        assert_eq!(driven.texts(), words, "{how}");
    });
}

pub(super) fn binary_is_carried_or_named_as_missing(version: Version) {
    let bytes = vec![0x00, 0xff, 0xc0];
    let message = Message::from(bytes.clone());
    let mut driven = Driven::ready(version);
    let sent = driven.connection.send(&message);
    driven.drain();
    if version.has_binary() {
        assert_eq!(sent, Ok(()));
        assert_eq!(driven.output, b"\x82\x03\x00\xff\xc0");
        driven.receive(&masked(0x82, &bytes));
        assert_eq!(driven.events, [Event::Message(message)]);
    } else {
        assert_eq!(
            sent,
            Err(SendError::UnsupportedByVersion {
                version,
                feature: "binary messages"
            })
        );
        assert!(driven.output.is_empty());
        assert_eq!(driven.connection.state(), State::Ready);
    }
}

pub(super) fn pings_are_carried_or_named_as_missing(version: Version) {
    let mut driven = Driven::ready(version);
    let sent = driven.connection.ping(b"there?");
    driven.drain();
    if version.has_ping() {
        assert_eq!(sent, Ok(()));
        assert_eq!(driven.output, b"\x89\x06there?");
        driven.forget();
        driven.receive(&[masked(0x8a, b"there?"), masked(0x89, b"you?")].concat());
        assert_eq!(
            driven.events,
            [
                Event::Pong(b"there?".to_vec()),
                Event::Ping(b"you?".to_vec())
            ]
        );
        assert_eq!(driven.output, b"\x8a\x04you?");
        assert_eq!(
            driven.connection.ping(&[0; 126]),
            Err(SendError::TooLong(126))
        );
    } else {
        assert_eq!(
            sent,
            Err(SendError::UnsupportedByVersion {
                version,
                feature: "ping and pong"
            })
        );
        assert!(driven.output.is_empty());
    }
    assert_eq!(driven.connection.state(), State::Ready);
}

pub(super) fn frames_of_unknown_kinds_are_skipped_or_refused(version: Version) {
    match version.framing() {
        Framing::Hixie => {
            let mut config = Config::default();
            for fail in [false, true] {
                config.fail_on_unknown_frames = fail;
                for kind in 0x01..=0xfe {
                    let frame = match kind {
                        ..0x80 => vec![kind, b'x', 0xff],
                        0x80.. => vec![kind, 0x01, b'x'],
                    };
                    let mut driven = Driven::ready_with(version, &config);
                    driven.receive(&[frame, text(version, "Hi")].concat());
                    if fail {
                        let protocol_error = Some(ProtocolError::UnknownFrameType(kind));
                        assert_eq!(driven.closed().protocol_error, protocol_error);
                    } else {
                        assert_eq!(driven.texts(), ["Hi"], "{kind:#x}");
                    }
                }
            }
        }
        Framing::Hybi => {
            for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
                let mut driven = Driven::ready(version);
                driven.receive(&masked(0x80 | opcode, b""));
                assert_eq!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::ReservedOpcode(opcode))
                );
                driven.assert_failed_with(1002, version.name());
            }
        }
    }
}

/// Tries every two first bytes behind the handshake, with some more behind them.
pub(super) fn every_first_byte_is_survived(version: Version) {
    for first in 0..=0xff {
        for second in [0x00, 0x01, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0xfd, 0xfe, 0xff] {
            let mut driven = Driven::ready(version);
            driven
                .receive(&[first, second])
                .receive(&[second; 20])
                .end();
            assert!(driven.is_closed());
            assert!(driven.connection.state().is_over());
            assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
        }
    }
}
