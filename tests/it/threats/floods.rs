//! Streams that never end by themselves: each is ended at a limit, or shortly after.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::thread;
use std::time::Instant;

use stentor::protocol::Limits;
use stentor::protocol::framing::Framing;
use stentor::{Server, ServerBuilder, Version};

use crate::support::{
    HYBI, Head, Heard, Loopback, PATIENCE, Peer, becomes, dial, dial_from, masked, text,
};

const MESSAGE: usize = 10_000;
/// The bytes that one read may bring beyond the limit that ends it.
const ONE_READ: u64 = 64 * 1024;

fn limited() -> ServerBuilder {
    let mut limits = Limits::default();
    limits.message = MESSAGE;
    limits.fragments = 1000;
    Server::builder().limits(limits)
}

/// Writes it again and again until the server has closed the connection, as it must.
fn flood(stream: &mut TcpStream, first: &[u8], again: &[u8], what: &str) {
    let since = Instant::now();
    let again = again.repeat(1 + 10_000 / again.len());
    let mut result = stream.write_all(first);
    while result.is_ok() {
        assert!(since.elapsed() < PATIENCE, "{what}: it goes on for ever");
        result = stream.write_all(&again);
    }
}

#[test]
fn a_request_without_an_end_is_ended_at_the_limit() {
    for (first, again) in [
        ("", "x"),
        ("", "\r"),
        ("", "\n"),
        ("GET /", "x"),
        ("GET / HTTP/1.1\r\n", "x"),
        ("GET / HTTP/1.1\r\n", "X: y\r\n"),
        ("GET / HTTP/1.1\r\nX: ", " "),
        ("GET / HTTP/1.1\r\nX: ", "\r\n\r"),
        ("\u{16}\u{3}\u{1}", "\0"),
    ] {
        let server = Loopback::echo(limited());
        let what = format!("{first:?} and {again:?}");
        let mut stream = dial(server.address);
        flood(&mut stream, first.as_bytes(), again.as_bytes(), &what);
        becomes(&1, || server.handle.counters().rejected.values().sum());
        let read = server.handle.counters().bytes_in;
        assert!(read < 16 * 1024 + ONE_READ, "{what}: {read} bytes");
    }
}

/// The first bytes of a frame, and the bytes that then follow without an end.
fn endless(version: Version) -> Vec<(Vec<u8>, Vec<u8>)> {
    match version.framing() {
        Framing::Hixie => vec![
            (vec![0x00], vec![b'x']),
            (vec![0x00], "日".into()),
            (vec![0x42], vec![b'x']),
            // A length whose digits do not end: of zeros, and of ones.
            (vec![0x80], vec![0x80]),
            (vec![0x80], vec![0xff]),
            (vec![0xff], vec![0x80]),
        ],
        Framing::Hybi => vec![
            (masked(0x01, b""), masked(0x00, &[b'x'; 100])),
            (masked(0x02, b""), masked(0x00, b"x")),
            (masked(0x01, b""), masked(0x00, b"")),
            (vec![0x82, 0xfe, 0x27, 0x11, 0, 0, 0, 0], vec![b'x']),
            (vec![0x82], vec![0xff]),
        ],
    }
}

#[test]
fn a_message_without_an_end_is_ended_at_the_limit() {
    for version in Version::ALL {
        for (first, again) in endless(version) {
            let server = Loopback::echo(limited());
            let what = format!("{version}, {first:x?} and {again:x?}");
            let mut peer = server.open(version);
            flood(&mut peer.stream, &first, &again, &what);
            becomes(&1, || server.handle.counters().closes.values().sum());
            let counters = server.handle.counters();
            assert!(counters.bytes_in < MESSAGE as u64 + 2 * ONE_READ, "{what}");
            assert_eq!(counters.messages_in, 0, "{what}");
            assert!(counters.disconnected.is_empty(), "{what}: {counters:?}");
        }
    }
}

/// Pongs may follow our close frame, and nothing throttles a client that sends pings and does not
/// read the pongs: the queue is bounded even so.
#[test]
fn pongs_behind_a_close_frame_do_not_accumulate() {
    // More than twice the capacity of both kernels' buffers.
    const PINGS: usize = 200_000;
    for version in HYBI {
        let builder = Server::builder().close_timeout(PATIENCE);
        let server = Loopback::run_with_send_buffer(0, builder, |_| Ok(()));
        let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let stream = dial_from(server.address, home, Some(8 * 1024));
        let mut peer = Peer::on(stream, version, &Head::of(version).bytes());
        peer.expect_goodbye(1000, "");
        peer.write(&masked(0x89, &[7; 125]).repeat(PINGS));
        peer.start_close(1000, "");
        let mut pongs = 0;
        while let Heard::Pong(_) = peer.hear() {
            pongs += 1;
        }
        // Pings that were still on their way when it began to read are answered.
        assert!(pongs < PINGS / 2, "{version}: {pongs}");
    }
}

/// Large enough to be read past the usual buffer, if the version has such a path.
#[test]
fn a_large_message_may_come_byte_by_byte() {
    let server = Loopback::echo(Server::builder());
    let word = "x".repeat(18 * 1024);
    thread::scope(|scope| {
        for version in Version::ALL {
            let (server, word) = (&server, word.as_str());
            scope.spawn(move || {
                let mut peer = server.open(version);
                for byte in text(version, word).chunks(1) {
                    peer.write(byte);
                }
                peer.expect_text(word);
                peer.leave();
            });
        }
    });
}

/// The same for a header block, up to the last byte that fits.
#[test]
fn the_largest_head_may_come_byte_by_byte() {
    let server = Loopback::echo(Server::builder());
    thread::scope(|scope| {
        for version in Version::ALL {
            let server = &server;
            scope.spawn(move || {
                let mut stream = dial(server.address);
                let bytes = Head::of(version).filled_to(16 * 1024).bytes();
                for byte in bytes.chunks(1) {
                    stream.write_all(byte).unwrap();
                }
                let mut peer = Peer::after(stream, version, bytes.len());
                peer.expect_echo("hello");
            });
        }
    });
}
