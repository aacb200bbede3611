//! Input that is no message yet: bounded for all clients together, in every version.

use std::io::Write;
use std::time::Duration;

use stentor::protocol::framing::Framing;
use stentor::{Server, ServerBuilder, Version};

use crate::support::{
    Head, Heard, Loopback, Peer, becomes, dial, echo, eventually, keep_logbook, logged, masked,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const REASON: &str = "too much memory is held for incoming messages";

fn limited(bytes: usize) -> ServerBuilder {
    Server::builder().total_incoming_limit(bytes)
}

/// The beginning of a message that is not finished.
fn begun(version: Version, len: usize) -> Vec<u8> {
    let words = "x".repeat(len);
    match version.framing() {
        Framing::Hixie => [b"\x00", words.as_bytes()].concat(),
        Framing::Hybi => masked(0x01, words.as_bytes()),
    }
}

/// Its end.
fn rest(version: Version) -> Vec<u8> {
    match version.framing() {
        Framing::Hixie => b"\xff".to_vec(),
        Framing::Hybi => masked(0x80, b""),
    }
}

/// Begins a message, and waits until all unfinished messages, `held` with this one, are counted, or the first
/// client is closed. The counter is no lower bound before: a new client's request may be counted for a moment more.
fn begin(server: &Loopback, peer: &mut Peer, len: usize, held: &mut usize) {
    *held += len;
    peer.write(&begun(peer.version, len));
    eventually("it to be counted", || {
        let now = server.handle.counters();
        (now.incoming_exceeded > 0 || now.incoming >= *held).then_some(())
    });
}

#[test]
fn the_client_that_holds_most_is_closed_first_in_every_version() {
    keep_logbook();
    for (number, version) in Version::ALL.into_iter().enumerate() {
        let server = Loopback::echo(limited(4 * MIB));
        let mut small = server.open(version);
        // Clients of other tests may have the same port at the same time, so the path names this one.
        let path = format!("/holds-most-{number}");
        let head = Head::of(version).line(&format!("GET {path} HTTP/1.1"));
        let mut largest = Peer::open_with(server.address, version, &head);
        let mut idle = server.open(version);
        let mut held = 0;
        begin(&server, &mut small, 50 * KIB, &mut held);
        begin(&server, &mut largest, 900 * KIB, &mut held);
        assert_eq!(server.handle.counters().incoming_exceeded, 0, "{version}");
        let mut others = Vec::new();
        while server.handle.counters().incoming_exceeded == 0 {
            let mut other = server.open(version);
            begin(&server, &mut other, 150 * KIB, &mut held);
            others.push(other);
        }
        largest.expect_goodbye(1013, REASON);
        largest.expect_end();
        becomes(&(others.len() + 2), || server.handle.counters().connections);
        let counters = server.handle.counters();
        assert_eq!(counters.incoming_exceeded, 1, "{version}");
        assert!(counters.disconnected.is_empty(), "{counters:?}");
        assert!(counters.incoming < 4 * MIB, "{version}: {counters:?}");
        becomes(&1, || logged(&[&path, REASON]).len());
        small.write(&rest(version));
        assert_eq!(small.hear_text().len(), 50 * KIB, "{version}");
        for other in &mut others {
            other.write(&rest(version));
            assert_eq!(other.hear_text().len(), 150 * KIB, "{version}");
        }
        idle.expect_echo("others do not notice");
        // All of it is given back.
        for peer in others.iter_mut().chain([&mut small]) {
            peer.expect_echo("a short one");
            peer.expect_echo("and another");
        }
        becomes(&0, || server.handle.counters().incoming);
    }
}

/// Pings and pongs keep a client alive, but not beyond the limit of all of them.
#[test]
fn a_crowd_that_never_finishes_a_message_stays_below_the_limit() {
    const CROWD: usize = 60;
    let server = Loopback::echo(limited(2 * MIB));
    let mut peers: Vec<Peer> = Vec::new();
    for version in Version::ALL.into_iter().cycle().take(CROWD) {
        let mut peer = server.open(version);
        peer.write(&begun(version, 100 * KIB));
        peers.push(peer);
        let incoming = server.handle.counters().incoming;
        assert!(incoming < 3 * MIB, "{incoming}");
    }
    let fits = 2 * MIB / (100 * KIB);
    eventually("the others' end", || {
        let counters = server.handle.counters();
        (counters.connections <= fits && counters.incoming <= 2 * MIB).then_some(())
    });
    assert!(server.handle.counters().incoming_exceeded >= (CROWD - fits) as u64);
    server.open(Version::Rfc6455).expect_echo("hello");
}

/// A client that has been told 1013 and goes on sending is not read from for long.
#[test]
fn a_client_that_was_closed_for_it_cannot_go_on_growing() {
    let builder = limited(MIB).close_timeout(Duration::from_secs(60));
    let server = Loopback::echo(builder.max_message_size(64 * MIB));
    for version in Version::ALL {
        let mut stream = server.open(version).stream;
        let mut frame = begun(version, 8 * MIB);
        if version.framing() == Framing::Hybi {
            frame[0] = 0x02;
        }
        // It ends in an error once the server has closed the connection.
        let _ = stream.write_all(&frame);
        let counters = server.wait_until_empty();
        assert_eq!(counters.incoming, 0, "{version}");
    }
    assert_eq!(server.handle.counters().incoming_exceeded, 5);
}

/// A client holds next to nothing while it is silent, whatever it has sent before.
#[test]
fn a_silent_client_is_not_counted() {
    let server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.expect_echo(&"x".repeat(300 * KIB));
        for _ in 0..4 {
            peer.expect_echo("short");
        }
    }
    becomes(&0, || server.handle.counters().incoming);
}

/// A receive buffer that was large once may stay so while its client is silent; of many, few do.
#[test]
fn receive_buffers_of_silent_clients_end_nobody() {
    let server = Loopback::echo(limited(MIB));
    let mut peers: Vec<Peer> = Vec::new();
    for version in Version::ALL.into_iter().cycle().take(100) {
        let mut peer = server.open(version);
        peer.expect_echo(&"x".repeat(60_000));
        peers.push(peer);
    }
    let counters = server.handle.counters();
    assert_eq!((counters.incoming_exceeded, counters.connections), (0, 100));
    for peer in &mut peers {
        peer.expect_echo("still here");
    }
}

/// A request that is not finished counts as well.
#[test]
fn a_head_without_an_end_is_counted() {
    let server = Loopback::run(limited(MIB), echo);
    let mut stream = dial(server.address);
    let head = format!("GET / HTTP/1.1\r\nX-Filler: {}", "x".repeat(12 * KIB));
    stream.write_all(head.as_bytes()).unwrap();
    eventually("it to be counted", || {
        (server.handle.counters().incoming >= 12 * KIB).then_some(())
    });
    drop(stream);
    becomes(&0, || server.handle.counters().incoming);
}

/// The content of a closed client's close frame does not matter.
#[test]
fn a_client_that_reads_nothing_is_ended_all_the_same() {
    let server = Loopback::echo(limited(MIB));
    let mut deaf = server.open(Version::Rfc6455);
    let mut held = 0;
    begin(&server, &mut deaf, 600 * KIB, &mut held);
    let mut other = server.open(Version::Rfc6455);
    begin(&server, &mut other, 500 * KIB, &mut held);
    becomes(&1, || server.handle.counters().connections);
    assert_eq!(deaf.hear(), Heard::Close(1013, REASON.to_owned()));
}

/// A request is kept for as long as its connection, and may have 16 KiB.
#[test]
fn large_requests_are_counted_for_as_long_as_their_connections() {
    for version in Version::ALL {
        let server = Loopback::echo(limited(200 * KIB));
        let line = format!("GET /{} HTTP/1.1", "x".repeat(12 * KIB));
        let head = Head::of(version).line(&line);
        let mut peers = Vec::new();
        for count in 1..=40 {
            let peer = Peer::open_with(server.address, version, &head);
            peers.push(peer);
            eventually("it to be counted", || {
                let counters = server.handle.counters();
                let all = counters.incoming >= count * 24 * KIB;
                (all || counters.incoming_exceeded > 0).then_some(())
            });
        }
        becomes(&true, || {
            let counters = server.handle.counters();
            counters.connections < 9 && counters.incoming <= 200 * KIB
        });
        server.open(version).expect_echo("a short request");
        drop(peers);
        server.wait_until_empty();
        becomes(&0, || server.handle.counters().incoming);
    }
}
