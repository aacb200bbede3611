//! A received message that is kept takes at most twice its length and 4 KiB, however it has arrived.

use stentor::protocol::{Config, Event};
use stentor::{Message, Server, Version};

use super::place;
use crate::support::{Driven, Loopback, masked, text};

const LENGTHS: [usize; 9] = [0, 1, 5, 125, 126, 300, 5_000, 70_000, 300_000];

/// More than any other message has.
const LARGEST: usize = 500_000;

fn assert_small(message: Message, context: &str) {
    let (len, before) = (message.len(), place(&message));
    let buffer = message.into_data();
    assert_eq!(buffer.as_ptr().addr(), before, "{context}: copied");
    let capacity = buffer.capacity();
    assert!(
        capacity <= 2 * len + 4096,
        "{context}: {capacity} bytes of memory for {len}"
    );
}

/// Receives one message, `piece` bytes at a time.
fn assert_small_when_cut(driven: &mut Driven, bytes: &[u8], piece: usize, context: &str) {
    for piece in bytes.chunks(piece) {
        driven.receive(piece);
    }
    match driven.events.pop() {
        Some(Event::Message(message)) => assert_small(message, &format!("{context} by {piece}")),
        other => panic!("{context}: {other:?}"),
    }
    assert_eq!(driven.events, []);
}

/// The same in many cuts, on a new connection and after a large message.
fn assert_small_in_every_cut(ready: impl Fn() -> Driven, largest: &[u8], bytes: &[u8], what: &str) {
    for piece in [1, 1000, 64 * 1024, usize::MAX] {
        if bytes.len() / piece > 10_000 {
            continue;
        }
        assert_small_when_cut(&mut ready(), bytes, piece, what);
        let mut driven = ready();
        assert_small_when_cut(&mut driven, largest, usize::MAX, what);
        assert_small_when_cut(
            &mut driven,
            bytes,
            piece,
            &format!("{what}, not the first,"),
        );
    }
}

fn fragments(payload: &[u8], piece: usize) -> Vec<u8> {
    let mut bytes = masked(0x01, b"");
    for piece in payload.chunks(piece) {
        bytes.extend(masked(0x00, piece));
    }
    bytes.extend(masked(0x80, b""));
    bytes
}

#[test]
fn frames_and_fragments_take_little_memory() {
    for version in Version::ALL {
        let ready = || Driven::ready(version);
        let largest = text(version, &"x".repeat(LARGEST));
        for len in LENGTHS {
            let words = "x".repeat(len);
            let whole = text(version, &words);
            let what = format!("{version}: {len} bytes");
            assert_small_in_every_cut(ready, &largest, &whole, &what);
            if version.has_binary() && (5..=70_000).contains(&len) {
                for piece in [7, 999, 33_000] {
                    let fragments = fragments(words.as_bytes(), piece.min(len));
                    assert_small_in_every_cut(ready, &largest, &fragments, &what);
                }
                let binary = masked(0x82, words.as_bytes());
                assert_small_in_every_cut(ready, &largest, &binary, &what);
            }
        }
    }
}

#[test]
fn text_of_an_old_draft_that_is_not_utf_8_takes_little_memory() {
    let config = Config::default();
    let largest = text(Version::Draft76, &"x".repeat(LARGEST));
    for len in LENGTHS {
        let mut bytes = vec![0];
        bytes.extend([b'x', 0x80].iter().cycle().take(len));
        bytes.push(0xff);
        let ready = || Driven::ready_with(Version::Draft76, &config);
        assert_small_in_every_cut(ready, &largest, &bytes, "not UTF-8");
    }
}

/// The rest of a large frame is read directly into the message's buffer.
#[test]
fn frames_that_are_read_from_a_socket_take_little_memory() {
    let server = Loopback::run(Server::builder(), |client| {
        while let Some(message) = client.recv()? {
            let len = message.len();
            client.send(format!("{len} {}", message.into_data().capacity()))?;
        }
        Ok(())
    });
    for mut peer in server.open_all() {
        for len in [3, 40_000, LARGEST, 3, 126, 40_000, 300_000, 20_000] {
            let bytes = text(peer.version, &"x".repeat(len));
            let (first, rest) = bytes.split_at(bytes.len() / 3);
            peer.write(first);
            peer.write(rest);
            let answer = peer.hear_text();
            let (heard, capacity) = answer.split_once(' ').unwrap();
            assert_eq!(heard, len.to_string());
            let capacity: usize = capacity.parse().unwrap();
            assert!(capacity <= 2 * len + 4096, "{}: {answer}", peer.version);
        }
    }
}
