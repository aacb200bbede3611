//! Frames that a connected client must reject, and frames that it must accept.

use stentor::Version;
use stentor::protocol::{Config, Ending, ProtocolError, State};

use super::{ready, ready_with};
use crate::support::{HIXIE, HYBI, masked, written};

/// RFC 6455 §5.1: a client must close the connection on a masked frame.
#[test]
fn a_frame_with_a_mask_is_closed_with_1002() {
    for version in HYBI {
        for (first, payload) in [
            (0x81, "Hello"),
            (0x82, ""),
            (0x89, "x"),
            (0x88, ""),
            (0x01, "x"),
        ] {
            for pieces in [1, 100] {
                let mut client = ready(version);
                let frame = masked(first, payload.as_bytes());
                for piece in frame.chunks(pieces) {
                    client.receive(piece);
                    if client.is_closed() {
                        break;
                    }
                }
                let closed = client.closed();
                assert_eq!(
                    closed.protocol_error,
                    Some(ProtocolError::Masked),
                    "{version}: {frame:x?}"
                );
                assert_eq!(closed.code.get(), 1002);
                assert_eq!(
                    closed.protocol_error.as_ref().unwrap().to_string(),
                    "frame with a mask from a server"
                );
                // The code, and the words.
                assert_eq!(
                    client.output[..2],
                    [0x88, 0x80 | 33],
                    "a close frame with a mask"
                );
                assert_eq!(client.connection.state(), State::Error);
                assert_eq!(client.connection.close_expected(), Some(Ending::Linger));
            }
        }
    }
}

#[test]
fn a_protocol_error_is_closed_with_its_code_by_a_client_as_well() {
    let mut config = Config::default();
    config.limits.message = 100;
    let newest = |version: Version| version == Version::Rfc6455;
    for version in HYBI {
        for (frame, code) in [
            (&b"\xc1\x00"[..], 1002),
            (b"\x83\x00", 1002),
            (b"\x80\x00", 1002),
            (b"\x01\x01x\x81\x00", 1002),
            (b"\x09\x00", 1002),
            (b"\x89\x7e\x00\x80", 1002),
            (b"\x88\x01x", 1002),
            (b"\x88\x02\x03\xed", 1002),
            (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 1002),
            (
                b"\x81\x01\xff",
                if version == Version::Hybi07 {
                    1003
                } else {
                    1007
                },
            ),
            (b"\x82\x65", if newest(version) { 1009 } else { 1004 }),
        ] {
            let mut client = ready_with(version, &config);
            client.receive_bytewise(&frame[..frame.len() - 1]);
            client.receive(&frame[frame.len() - 1..]);
            assert_eq!(client.closed().code.get(), code, "{version}: {frame:x?}");
        }
        let padded = b"\x81\x7e\x00\x01x";
        let mut client = ready_with(version, &config);
        client.receive(padded);
        match newest(version) {
            true => assert_eq!(client.closed().code.get(), 1002),
            false => assert_eq!(client.texts(), ["x"]),
        }
    }
}

/// Draft-76 §4.2: a client must, whatever is allowed to a server.
#[test]
fn an_old_client_replaces_bad_text_and_skips_unknown_frames() {
    let mut config = Config::default();
    config.fail_on_invalid_hixie_text = true;
    config.fail_on_unknown_frames = true;
    for version in HIXIE {
        for pieces in [1, 100] {
            let mut client = ready_with(version, &config);
            let bytes = b"\0a\xf0\x9fb\xff\x01skip\xff\x80\x02xx\xff\x02yy\0c\xff";
            for piece in bytes.chunks(pieces) {
                client.receive(piece);
            }
            assert_eq!(client.texts(), ["a\u{fffd}b", "c"], "{version}");
            assert_eq!(client.connection.state(), State::Ready);
        }
    }
}

#[test]
fn limits_hold_for_clients_in_every_version() {
    let mut config = Config::default();
    config.limits.message = 10;
    for version in Version::ALL {
        for (len, fits) in [(10, true), (11, false)] {
            let mut client = ready_with(version, &config);
            client.receive(&written(version, &"x".repeat(len)));
            match fits {
                true => assert_eq!(client.texts(), ["x".repeat(10)]),
                false => assert_eq!(
                    client.closed().protocol_error,
                    Some(ProtocolError::MessageTooLarge(10))
                ),
            }
        }
    }
}
