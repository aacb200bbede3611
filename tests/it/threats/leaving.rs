//! Peers that stop taking part, at every point of a conversation and in every version: they fall
//! silent, they close their half, they reset the connection. None of them keeps its place.
//!
//! The servers here have small buffers, so that unread bytes are soon in the send queue.

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use stentor::protocol::version::Closing;
use stentor::{Client, HandlerResult, Reply, Request, Response, Server, ServerBuilder, Version};

use crate::support::{
    HYBI, Head, KEY3, Loopback, PATIENCE, Peer, becomes, bye, dial_from, masked, text,
};

/// A timeout that expires in these tests.
const SHORT: Duration = Duration::from_millis(400);
/// A time that must not pass.
const LONG: Duration = Duration::from_secs(60);
/// Far more than the one, far less than the other.
const PROMPT: Duration = Duration::from_millis(4500);

/// More than all buffers hold.
const LARGE: usize = 1_000_000;

/// The point at which a peer stops taking part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// It has sent nothing.
    Connected,
    InTheHead,
    /// Draft-76 has its 101, and the server waits for key3.
    BeforeKey3,
    InKey3,
    /// A page is being sent to it.
    InAPage,
    Open,
    InAFrame,
    BetweenFragments,
    /// The handler waits until a reply is taken.
    InAReply,
    /// A message of another thread waits in the send queue.
    InAPush,
    /// The server has sent its close frame, and waits for the answer.
    InOurGoodbye,
    /// The server's close frame waits behind other bytes.
    BehindAPush,
    /// It has sent its own close frame, with a reply that it has not read.
    InItsOwnGoodbye,
    /// Both close frames are sent: only the end of TCP is missing.
    BehindBothGoodbyes,
}

use Point::*;

const POINTS: [Point; 14] = [
    Connected,
    InTheHead,
    BeforeKey3,
    InKey3,
    InAPage,
    Open,
    InAFrame,
    BetweenFragments,
    InAReply,
    InAPush,
    InOurGoodbye,
    BehindAPush,
    InItsOwnGoodbye,
    BehindBothGoodbyes,
];

fn obey(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        match message.as_text() {
            Some("reply") => client.send("x".repeat(LARGE))?,
            Some("push") => client.handle().send("x".repeat(LARGE))?,
            Some("push and go") => return Ok(client.handle().send("x".repeat(LARGE))?),
            Some("go") => return Ok(()),
            _ => client.send(message)?,
        }
    }
    Ok(())
}

fn socket(request: &Request) -> Reply {
    match request.path() {
        "/page" => Response::text("x".repeat(LARGE)).into(),
        _ => Reply::accept(),
    }
}

fn serve(builder: ServerBuilder) -> Loopback {
    Loopback::run_with_send_buffer(
        0,
        builder.send_queue_limit(2 * LARGE).on_request(socket),
        obey,
    )
}

/// Sets all timeouts to this.
fn timeouts(all: Duration) -> ServerBuilder {
    Server::builder()
        .handshake_timeout(all)
        .ping_interval(Some(all))
        .pong_timeout(all)
        .idle_timeout(Some(all * 2))
        .write_timeout(all)
        .close_timeout(all)
}

impl Point {
    fn exists_in(self, version: Version) -> bool {
        match self {
            BeforeKey3 | InKey3 => version == Version::Draft76,
            BetweenFragments => HYBI.contains(&version),
            // If the version has no close except the end of TCP, none is answered.
            BehindBothGoodbyes => version.closing() != Closing::CloseTcp,
            _ => true,
        }
    }

    /// Brings a peer to this point; returns it with the number of bytes it has written.
    fn reach(self, server: &Loopback, version: Version) -> (TcpStream, u64) {
        let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut stream = dial_from(server.address, home, Some(8 * 1024));
        let head = Head::of(version);
        let before = match self {
            Connected => vec![],
            InTheHead => head.head()[..50].to_vec(),
            BeforeKey3 => head.head(),
            InKey3 => [&head.head(), &KEY3[..4]].concat(),
            InAPage => head.line("GET /page HTTP/1.1").head(),
            _ => return self.reach_from(Peer::on(stream, version, &head.bytes())),
        };
        stream.write_all(&before).unwrap();
        (stream, before.len() as u64)
    }

    /// The same, for points after the handshake.
    fn reach_from(self, mut peer: Peer) -> (TcpStream, u64) {
        let version = peer.version;
        match self {
            InAFrame => {
                let frame = text(version, "half of it");
                peer.write(&frame[..frame.len() / 2]);
            }
            BetweenFragments => peer.write(&masked(0x01, b"half of it")),
            InAReply => peer.say("reply"),
            InAPush => peer.say("push"),
            BehindAPush => peer.say("push and go"),
            InItsOwnGoodbye => {
                peer.write(&[text(version, "reply"), bye(version)].concat());
            }
            InOurGoodbye => {
                peer.say("go");
                peer.expect_goodbye(1000, "");
            }
            BehindBothGoodbyes => {
                peer.start_close(1000, "");
                peer.expect_goodbye(1000, "");
            }
            _ => {}
        }
        (peer.stream, peer.written)
    }

    /// Whether the server has more to send than all buffers hold.
    fn is_in_the_middle_of_much(self) -> bool {
        matches!(
            self,
            InAPage | InAReply | InAPush | BehindAPush | InItsOwnGoodbye
        )
    }
}

/// Brings one peer of each version that has the point to it, and the server, too.
fn all_at(point: Point, server: &Loopback) -> Vec<(Version, TcpStream)> {
    let mut written = 0;
    let mut peers = Vec::new();
    for version in Version::ALL {
        if point.exists_in(version) {
            let (stream, bytes) = point.reach(server, version);
            written += bytes;
            peers.push((version, stream));
        }
    }
    let accepted = peers.len() as u64;
    becomes(&(accepted, written), || {
        let counters = server.handle.counters();
        (counters.accepted, counters.bytes_in)
    });
    peers
}

/// Waits until their places are free, and checks that other clients can take them.
fn assert_rid_of_them(server: &Loopback, what: impl Debug) {
    let since = Instant::now();
    while server.handle.counters().connections > 0 {
        let counters = server.handle.counters();
        assert!(since.elapsed() < PROMPT, "{what:?}: {counters:?}");
        thread::sleep(Duration::from_millis(1));
    }
    let failed = server.handle.counters().failed_handlers;
    assert_eq!(failed, 0, "{what:?}: it is nobody's fault but the peer's");
    for version in Version::ALL {
        server.open(version).expect_echo("hello");
    }
}

/// Tests each point with a server of its own, all at once.
fn at_every_point(test: impl Fn(Point) + Sync) {
    thread::scope(|scope| {
        for point in POINTS {
            let test = &test;
            scope.spawn(move || test(point));
        }
    });
}

#[test]
fn a_client_that_falls_silent_is_disconnected_at_every_point() {
    at_every_point(|point| {
        let server = serve(timeouts(SHORT));
        let peers = all_at(point, &server);
        assert_rid_of_them(&server, point);
        drop(peers);
    });
}

/// Its own timeouts do not wait for the bytes that it would still read.
#[test]
fn a_client_that_closes_its_half_and_falls_silent_is_disconnected_at_every_point() {
    at_every_point(|point| {
        let server = serve(timeouts(SHORT));
        let peers = all_at(point, &server);
        for (_, stream) in &peers {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        assert_rid_of_them(&server, point);
        drop(peers);
    });
}

/// It still receives the bytes that were being sent to it, and then the end: no reset, and no
/// timeout.
#[test]
fn a_client_that_closes_its_half_receives_the_rest_and_the_end_at_every_point() {
    at_every_point(|point| {
        let server = serve(timeouts(LONG));
        for (version, mut stream) in all_at(point, &server) {
            stream.shutdown(Shutdown::Write).unwrap();
            let mut rest = Vec::new();
            let end = stream.read_to_end(&mut rest);
            assert!(end.is_ok(), "{version}, {point:?}: {end:?}");
            if point.is_in_the_middle_of_much() {
                assert!(rest.len() > LARGE, "{version}, {point:?}: {}", rest.len());
            }
        }
        assert_rid_of_them(&server, point);
        assert!(
            server.handle.counters().disconnected.is_empty(),
            "{point:?}"
        );
    });
}

#[test]
fn a_client_that_resets_the_connection_is_gone_at_once_at_every_point() {
    at_every_point(|point| {
        let server = serve(timeouts(LONG));
        for (_, stream) in all_at(point, &server) {
            sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
        assert_rid_of_them(&server, point);
    });
}

/// Messages sent before the end are processed before it, in one piece or not.
#[test]
fn messages_sent_before_the_half_was_closed_are_answered() {
    let server = Loopback::echo(timeouts(LONG));
    for version in Version::ALL {
        let head = Head::of(version).bytes();
        let words: Vec<u8> = (0..50)
            .flat_map(|at| text(version, &at.to_string()))
            .collect();
        let mut stream = dial_from(server.address, IpAddr::V4(Ipv4Addr::LOCALHOST), None);
        stream.write_all(&[head, words].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut peer = Peer::after(stream, version, 0);
        for at in 0..50 {
            peer.expect_text(&at.to_string());
        }
        peer.expect_end();
    }
    assert_eq!(server.wait_until_empty().disconnected, [].into());
}

/// The server sends the reason and then reads on for a while: closing with unread bytes would be a
/// reset, which might discard the close frame.
#[test]
fn a_client_that_breaks_a_rule_and_goes_on_sending_receives_the_close_code() {
    let server = Loopback::echo(timeouts(LONG).max_message_size(1000));
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.say(&"x".repeat(1001));
        peer.write(&vec![b'x'; 100_000]);
        let code = match version {
            Version::Rfc6455 => 1009,
            _ => 1004,
        };
        if version.has_close_codes() {
            peer.expect_goodbye(code, "message above 1000 bytes");
        }
        peer.expect_end();
        for _ in 0..20 {
            peer.write(&[b'x'; 1000]);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// More than the server reads after its close frame: the end may be a reset, but it does come.
#[test]
fn a_client_that_sends_without_an_end_is_disconnected() {
    let server = Loopback::echo(timeouts(LONG).max_message_size(1000));
    for version in Version::ALL {
        let mut peer = server.open(version);
        let since = Instant::now();
        let end = loop {
            match peer.stream.write_all(&[b'x'; 64 * 1024]) {
                Ok(()) => assert!(since.elapsed() < PATIENCE, "{version}: it goes on for ever"),
                Err(error) => break error.kind(),
            }
        };
        let gone = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(gone.contains(&end), "{version}: {end}");
    }
    server.wait_until_empty();
}
