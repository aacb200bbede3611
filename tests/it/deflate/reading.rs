//! The messages that are accepted, and those that are rejected: RFC 7692 §6 and §7.2.2.

use stentor::Deflate;
use stentor::protocol::{Event, ProtocolError, State};
use stentor::{Message, Version};

use super::{TAIL, USUAL, Zip, config, noise, ready, words};
use crate::support::{Driven, every_way, masked};

const TEXT: u8 = 0xc1;
const BINARY: u8 = 0xc2;

/// `Hello` as RFC 7692 §7.2.3.1 compresses it.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn agreed() -> Driven {
    ready(USUAL, &config(Deflate::new()))
}

fn with_limit(limit: usize) -> Driven {
    let mut config = config(Deflate::new());
    config.limits.message = limit;
    ready(USUAL, &config)
}

/// Checks the events of these bytes, however they are cut.
fn read(bytes: &[u8], mut check: impl FnMut(&str, &Driven)) {
    every_way(&[bytes.to_vec()], |way, pieces| {
        let mut driven = agreed();
        for piece in pieces {
            driven.receive(piece);
        }
        check(way, &driven);
    });
}

fn rejected(bytes: &[u8], protocol_error: &ProtocolError, code: u16) {
    read(bytes, |way, driven| {
        let closed = driven.closed();
        assert_eq!(
            closed.protocol_error.as_ref(),
            Some(protocol_error),
            "{way}: {bytes:x?}"
        );
        assert_eq!(closed.code.get(), code, "{way}");
        assert_eq!(driven.connection.state(), State::Error);
        assert_eq!(
            driven.output[..4],
            [&[0x88, driven.output[1]], &code.to_be_bytes()[..]].concat()
        );
    });
}

#[test]
fn compressed_messages_are_read_wherever_they_are_cut() {
    let long = words(1, 3000);
    let frames = [
        masked(TEXT, &HELLO),
        masked(0x81, b"plain"),
        masked(TEXT, &[0]),
        masked(TEXT, &Zip::new(15).alone(long.as_bytes())),
        masked(BINARY, &HELLO),
    ];
    read(&frames.concat(), |way, driven| {
        assert_eq!(driven.texts(), ["Hello", "plain", "", &long], "{way}");
        let last = Event::Message(Message::from(b"Hello"));
        assert_eq!(driven.events.last(), Some(&last), "{way}");
    });
}

#[test]
fn fragments_of_a_compressed_message_may_be_of_any_size_and_have_control_frames_between() {
    let frames = [
        masked(0x41, &HELLO[..3]),
        masked(0x89, b"ping"),
        masked(0x00, b""),
        masked(0x8a, b"pong"),
        masked(0x00, &HELLO[3..4]),
        masked(0x80, &HELLO[4..]),
        masked(0x41, b""),
        masked(0x80, &HELLO),
        masked(0x41, &HELLO),
        masked(0x80, b""),
    ];
    read(&frames.concat(), |way, driven| {
        assert_eq!(driven.texts(), ["Hello"; 3], "{way}");
        assert_eq!(driven.events[0], Event::Ping(b"ping".to_vec()), "{way}");
        assert_eq!(driven.events[1], Event::Pong(b"pong".to_vec()), "{way}");
        assert_eq!(driven.output, b"\x8a\x04ping", "{way}");
    });
}

#[test]
fn blocks_of_every_kind_are_read() {
    let cases: [(&[u8], &str); 7] = [
        // A stored one (RFC 7692 §7.2.3.3).
        (b"\x00\x05\x00\xfa\xffHello\x00", "Hello"),
        // A final one, and `00` behind it (§7.2.3.4).
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"),
        // The same without; its end is unambiguous.
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"),
        // Two, the first flushed (§7.2.3.5).
        (
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
            "Hello",
        ),
        // Two final ones; the second refers to the first.
        (
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x00\x11\x00\x00",
            "HelloHello",
        ),
        // A stored one that is final.
        (b"\x01\x05\x00\xfa\xffHello\x00", "Hello"),
        // Empty blocks.
        (b"\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff\x00", ""),
    ];
    for (payload, expected) in cases {
        read(&masked(TEXT, payload), |way, driven| {
            assert_eq!(driven.texts(), [expected], "{way}: {payload:x?}");
        });
    }
}

#[test]
fn a_message_that_cannot_be_inflated_ends_with_1007() {
    let cases: [&[u8]; 14] = [
        b"",
        b"\xff",
        // A block of the reserved type.
        b"\x07\x00",
        // A stored block whose lengths disagree.
        b"\x00\x05\x00\x00\x00Hello\x00",
        // A reference to data that never existed.
        b"\xf2\x00\x11\x00\x00",
        // Cut short.
        &HELLO[..6],
        &HELLO[..4],
        &HELLO[..1],
        b"\x00\x05\x00\xfa\xffHell",
        b"\x00\x05\x00\xfa\xffHello",
        b"\x00\x09\x00\xf6\xffHell",
        // The tail is not left out.
        b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff",
        // Other bytes follow it.
        b"\xf2\x48\xcd\xc9\xc9\x07\x00garbage",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00garbage",
    ];
    for payload in cases {
        rejected(
            &masked(BINARY, payload),
            &ProtocolError::InvalidCompression,
            1007,
        );
        let fragments = [masked(0x42, payload), masked(0x80, b"")];
        rejected(
            &fragments.concat(),
            &ProtocolError::InvalidCompression,
            1007,
        );
    }
}

#[test]
fn the_bit_stands_where_a_message_begins_and_nowhere_else() {
    let begun = masked(0x41, &HELLO[..3]);
    for (before, first, bits) in [
        (&[][..], 0xc8, 4),
        (&[], 0xc9, 4),
        (&[], 0xca, 4),
        (&[], 0xc0, 4),
        (&begun, 0xc0, 4),
        (&begun, 0x40, 4),
        (&[], 0xa1, 2),
        (&[], 0x91, 1),
        (&[], 0xe1, 2),
        (&[], 0xd2, 1),
        (&[], 0xf1, 3),
    ] {
        let bytes = [before, &masked(first, &HELLO)].concat();
        rejected(&bytes, &ProtocolError::ReservedBits(bits), 1002);
    }
    let bytes = [begun, masked(0xc1, &HELLO)].concat();
    rejected(&bytes, &ProtocolError::MessageInsideMessage, 1002);
    for opcode in [3, 7, 0xb, 0xf] {
        let bytes = masked(0xc0 | opcode, &HELLO);
        rejected(&bytes, &ProtocolError::ReservedBits(4), 1002);
    }
}

#[test]
fn text_is_checked_as_it_is_inflated() {
    let mut zip = Zip::new(15);
    for bad in [&b"Hell\xff"[..], b"\xed\xa0\x80", b"cut \xc3"] {
        rejected(
            &masked(TEXT, &zip.alone(bad)),
            &ProtocolError::InvalidUtf8,
            1007,
        );
        read(&masked(BINARY, &zip.alone(bad)), |way, driven| {
            let expected = Event::Message(Message::from(bad));
            assert_eq!(driven.events, [expected], "{way}");
        });
    }
    // A character in two fragments.
    let zipped = zip.alone("\u{20ac}".repeat(5000).as_bytes());
    let (first, second) = zipped.split_at(zipped.len() / 2);
    let mut driven = agreed();
    driven.receive(&[masked(0x41, first), masked(0x80, second)].concat());
    assert_eq!(driven.texts(), ["\u{20ac}".repeat(5000)]);
    // Bytes that can no longer become text are rejected before the rest has come.
    let bad = [&b"\xff"[..], &noise(100_000)].concat();
    let zipped = zip.alone(&bad);
    let mut driven = agreed();
    driven.receive(&masked(0x41, &zipped[..20_000]));
    assert_eq!(
        driven.closed().protocol_error,
        Some(ProtocolError::InvalidUtf8)
    );
}

#[test]
fn the_limit_holds_for_what_is_inflated() {
    const LIMIT: usize = 100_000;
    let mut zip = Zip::new(15);
    for (len, fits) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false)] {
        for payload in [vec![b'x'; len], noise(len)] {
            let zipped = zip.alone(&payload);
            let half = zipped.len() / 2;
            for frames in [
                masked(BINARY, &zipped),
                [masked(0x42, &zipped[..half]), masked(0x80, &zipped[half..])].concat(),
            ] {
                let mut driven = with_limit(LIMIT);
                driven.receive(&frames);
                if fits {
                    let message = Event::Message(Message::from(payload.clone()));
                    assert!(driven.events == [message], "{len} bytes");
                } else {
                    let closed = driven.closed();
                    assert_eq!(
                        closed.protocol_error,
                        Some(ProtocolError::MessageTooLarge(LIMIT))
                    );
                    assert_eq!(closed.code.get(), 1009);
                }
            }
        }
    }
}

#[test]
fn a_bomb_goes_off_before_it_has_all_come() {
    let zeros = vec![0; 1024 * 1024];
    let mut zip = Zip::new(15);
    let mut driven = with_limit(1024 * 1024);
    // A megabyte in a kilobyte, again and again.
    let mut fragments = 0;
    while !driven.is_closed() && fragments < 100 {
        let zipped = [&zip.message(&zeros)[..], &TAIL].concat();
        let first = if fragments == 0 { 0x42 } else { 0x00 };
        driven.receive(&masked(first, &zipped));
        fragments += 1;
    }
    assert_eq!(fragments, 2);
    let protocol_error = Some(ProtocolError::MessageTooLarge(1024 * 1024));
    assert_eq!(driven.closed().protocol_error, protocol_error);
}

#[test]
fn blocks_of_nothing_do_not_go_on_for_ever() {
    const LIMIT: usize = 10_000;
    let nothing = b"\x00\x00\x00\xff\xff".repeat(100);
    let mut driven = with_limit(LIMIT);
    driven.receive(&masked(0x42, &nothing));
    let mut sent = nothing.len();
    while !driven.is_closed() && sent < 100 * LIMIT {
        driven.receive(&masked(0x00, &nothing));
        sent += nothing.len();
    }
    assert_eq!(
        driven.closed().protocol_error,
        Some(ProtocolError::MessageTooLarge(LIMIT))
    );
    assert!(sent < 3 * LIMIT, "{sent} bytes");
    // The next message has an account of its own.
    let mut driven = with_limit(100);
    for _ in 0..100 {
        driven.receive(&masked(BINARY, &HELLO));
    }
    assert_eq!(driven.events.len(), 100);
}

/// An empty final block ends a stream, in two bytes. The stream behind it begins with all data that
/// it may refer to: 32 KiB of the message, and as much of earlier messages.
#[test]
fn final_blocks_of_nothing_do_not_go_on_for_ever() {
    const LIMIT: usize = 10 * 1024;
    const STREAMS: usize = 1024 + LIMIT / 1024;
    let finals = |count: usize| [b"\x03\x00".repeat(count), HELLO.to_vec()].concat();
    let fragments = |payload: &[u8]| {
        let (first, rest) = payload.split_at(payload.len() / 2);
        [masked(0x41, first), masked(0x80, rest)].concat()
    };
    let mut driven = with_limit(LIMIT);
    for _ in 0..3 {
        driven.receive(&masked(TEXT, &finals(STREAMS)));
        driven.receive_bytewise(&fragments(&finals(STREAMS)));
    }
    // The next message has an account of its own.
    assert_eq!(driven.texts(), ["Hello"; 6]);

    let too_many = finals(STREAMS + 1);
    for frames in [masked(TEXT, &too_many), fragments(&too_many)] {
        for piece in [1, 1000, usize::MAX] {
            let mut driven = with_limit(LIMIT);
            for piece in frames.chunks(piece) {
                driven.receive(piece);
            }
            assert!(driven.is_closed(), "by {piece}");
            let closed = driven.closed();
            assert_eq!(
                closed.protocol_error,
                Some(ProtocolError::MessageTooLarge(LIMIT))
            );
            assert_eq!(closed.code.get(), 1009);
        }
    }
}

#[test]
fn other_versions_still_refuse_the_bit() {
    for version in [Version::Hybi07, Version::Hybi08] {
        let mut driven = Driven::ready_with(version, &config(Deflate::new()));
        driven.receive(&masked(TEXT, &HELLO));
        let protocol_error = Some(ProtocolError::ReservedBits(4));
        assert_eq!(driven.closed().protocol_error, protocol_error, "{version}");
    }
    let mut driven = Driven::ready_with(Version::Rfc6455, &config(Deflate::new()));
    driven.receive(&masked(TEXT, &HELLO));
    let protocol_error = Some(ProtocolError::ReservedBits(4));
    assert_eq!(driven.closed().protocol_error, protocol_error);
}
