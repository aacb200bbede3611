//! Work in proportion to bytes: sixteen times as many bytes of any kind cost about sixteen times as
//! much, and not 256 times. Measured as processor time of this very thread, without limits that
//! would end the attack early.

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use stentor::protocol::{Config, Connection, Event};
use stentor::{Accept, Version};

use crate::support::{HIXIE, HYBI, Head, masked, text};

/// The factor of the second, larger attack.
const MORE: usize = 16;
/// Sixteen is linear, 256 is quadratic; between the two there is room for a busy machine.
const AT_MOST: u32 = 64;

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

/// Returns the cost of receiving these bytes, cut in pieces of this size.
fn cost(bytes: &[u8], piece: usize) -> Duration {
    let mut config = Config::default();
    config.limits.header_bytes = usize::MAX;
    config.limits.header_count = usize::MAX;
    config.limits.message = usize::MAX;
    config.limits.fragments = usize::MAX;
    let mut connection = Connection::new(Arc::new(config));
    let began = processor_time();
    for piece in bytes.chunks(piece) {
        connection.receive_data(piece);
        while let Some(event) = connection.next_event() {
            match event {
                Event::Request => connection.accept(Accept::new()).unwrap(),
                Event::Closed(closed) => panic!("{closed}"),
                _ => {}
            }
        }
        let _ = connection.data_to_send();
    }
    processor_time() - began
}

/// Compares an attack of 2 KiB with the same attack, `MORE` times as large.
fn assert_linear(what: &str, piece: usize, attack: impl Fn(usize) -> Vec<u8>) {
    const SIZE: usize = 2 * 1024;
    let cheapest = |size: usize| {
        let bytes = attack(size);
        (0..2).map(|_| cost(&bytes, piece)).min().unwrap()
    };
    let (one, more) = (cheapest(SIZE), cheapest(MORE * SIZE));
    let floor = Duration::from_micros(50);
    assert!(
        more < one.max(floor) * AT_MOST,
        "{what}: {one:?}, and {more:?} for {MORE} times as much"
    );
}

/// A request with `filler` in it, `size` bytes of them.
fn head(version: Version, before: &str, filler: &str, size: usize) -> Vec<u8> {
    let head = String::from_utf8(Head::of(version).head()).unwrap();
    let (line, fields) = head.split_once("\r\n").unwrap();
    let filler = filler.repeat(size / filler.len());
    format!("{line}\r\n{before}{filler}\r\n{fields}").into_bytes()
}

#[test]
fn a_head_costs_what_its_bytes_cost() {
    for version in Version::ALL {
        for (before, filler) in [
            ("X: ", "x"),
            ("X: ", " "),
            ("Sec-WebSocket-Extensions: ", "\""),
            ("Sec-WebSocket-Extensions: ", "a;b=\"\\\"\","),
            ("Connection: ", "Upgrade "),
            ("Connection: ", ", "),
            ("Cookie: ", "a=b; "),
            ("X-Forwarded-For: ", "::1,"),
            ("X: y", "\r\nX: y"),
            ("X: y", "\r\nCookie: a=b"),
        ] {
            let what = format!("{version}, {filler:?}");
            assert_linear(&what, usize::MAX, |size| {
                head(version, before, filler, size)
            });
        }
    }
}

#[test]
fn a_head_in_pieces_costs_what_its_bytes_cost() {
    for version in Version::ALL {
        for piece in [1, 7, 1000] {
            let what = format!("{version} by {piece}");
            assert_linear(&what, piece, |size| head(version, "X: ", "x", size));
        }
    }
}

#[test]
fn a_list_of_subprotocols_costs_what_its_bytes_cost() {
    for version in HYBI {
        for filler in ["a,", ", ", "chat, "] {
            let before = "Sec-WebSocket-Protocol: ";
            assert_linear(filler, 1000, |size| head(version, before, filler, size));
        }
    }
}

/// Bytes that look like the end of a header block, again and again.
#[test]
fn a_head_that_seems_to_end_all_the_time_costs_what_its_bytes_cost() {
    for filler in ["\r", "\r\n\r", "\n", "\r\n"] {
        for piece in [1, usize::MAX] {
            assert_linear(&format!("{filler:?}"), piece, |size| {
                let filler = filler.repeat(size / filler.len());
                // A blank line would end it.
                let filler = filler.replace("\r\n\r\n", "\r\nx\r\n");
                format!("GET / HTTP/1.1\r\nX: {filler}").into_bytes()
            });
        }
    }
}

/// A handshake and the frames behind it.
fn behind(version: Version, frames: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Head::of(version).bytes();
    bytes.append(&mut frames.into());
    bytes
}

#[test]
fn a_message_costs_what_its_bytes_cost() {
    for version in Version::ALL {
        for word in ["x", "日"] {
            for piece in [1, 7, usize::MAX] {
                assert_linear(&format!("{version}, {word} by {piece}"), piece, |size| {
                    behind(version, text(version, &word.repeat(size / word.len())))
                });
            }
        }
    }
}

/// Copies are cheap: only a large message shows that all of it is copied with each byte.
#[test]
fn a_message_is_not_copied_with_each_of_its_bytes() {
    for version in [Version::Draft76, Version::Rfc6455] {
        let message = |size| behind(version, text(version, &"x".repeat(size)));
        let one = (0..3).map(|_| cost(&message(4 * 1024), 1)).min().unwrap();
        let more = cost(&message(64 * 4 * 1024), 1);
        assert!(
            more < one * 200,
            "{version}: {one:?}, {more:?} for 64 times as much"
        );
    }
}

/// Frames of the smallest possible size.
#[test]
fn many_frames_cost_what_their_bytes_cost() {
    for version in HYBI {
        for (what, first, frame, last) in [
            ("messages", b"".to_vec(), masked(0x81, b""), b"".to_vec()),
            (
                "fragments",
                masked(0x02, b""),
                masked(0x00, b"x"),
                masked(0x80, b""),
            ),
            (
                "empty fragments",
                masked(0x01, b""),
                masked(0x00, b""),
                masked(0x80, b""),
            ),
            (
                "pings",
                masked(0x01, b"x"),
                masked(0x89, b""),
                masked(0x80, b""),
            ),
            (
                "pongs",
                masked(0x01, b"x"),
                masked(0x8a, b"x"),
                masked(0x80, b""),
            ),
            (
                "cut characters",
                b"".to_vec(),
                [
                    masked(0x01, b"\xe6"),
                    masked(0x00, b"\x97"),
                    masked(0x80, b"\xa5"),
                ]
                .concat(),
                b"".to_vec(),
            ),
        ] {
            for piece in [1, usize::MAX] {
                assert_linear(&format!("{version}, {what} by {piece}"), piece, |size| {
                    let frames = frame.repeat(size / frame.len());
                    behind(version, [&first[..], &frames, &last].concat())
                });
            }
        }
    }
    for version in HIXIE {
        for frame in [
            &b"\x00\xff"[..],
            b"\x80\x00",
            b"\x42\xff",
            b"\x80\x80\x80\x01x",
            b"\x00\x80\xff",
        ] {
            for piece in [1, usize::MAX] {
                assert_linear(
                    &format!("{version}, {frame:x?} by {piece}"),
                    piece,
                    |size| behind(version, frame.repeat(size / frame.len())),
                );
            }
        }
    }
}

/// Frames of the old drafts that are skipped, and are one frame each.
#[test]
fn a_skipped_frame_costs_what_its_bytes_cost() {
    for version in HIXIE {
        for piece in [1, usize::MAX] {
            assert_linear(&format!("{version} by {piece}"), piece, |size| {
                let digits = [
                    0x80 | (size >> 14) as u8,
                    0x80 | (size >> 7) as u8,
                    size as u8 & 0x7f,
                ];
                let frames = [
                    &b"\x81"[..],
                    &digits,
                    &vec![0xff; size],
                    b"\x01",
                    &vec![b'x'; size],
                    b"\xff",
                ];
                behind(version, frames.concat())
            });
        }
    }
}
