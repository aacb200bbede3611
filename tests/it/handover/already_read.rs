//! Sockets from which something was read already.

use std::io::{Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
#[cfg(unix)]
use std::thread;

use stentor::server::Handover;
use stentor::server::OnRateLimit;
#[cfg(unix)]
use stentor::server::Peer as Address;
use stentor::{RateLimit, Server, Version};

use super::{SOON, Site, lobby};
#[cfg(unix)]
use crate::support::as_tcp;
use crate::support::{
    Head, Peer, becomes, dial, echo, keep_logbook, logged, masked, read_answer, read_end, text,
};

/// Reads that many bytes before the stream is handed over.
fn after(mut stream: TcpStream, count: usize) -> Handover {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    Handover::new(stream).already_read(bytes)
}

#[test]
fn any_part_of_a_request_may_have_been_read() {
    let count = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&count);
    let serve = move |stream| after(stream, read.load(SeqCst));
    let site = Site::run(Server::builder(), serve, echo);
    for version in Version::ALL {
        let head = Head::of(version);
        let bytes = [head.bytes(), text(version, "one"), text(version, "two")].concat();
        let (block, whole) = (head.head().len(), head.bytes().len());
        let cuts = [
            0,
            1,
            block / 2,
            block - 1,
            block,
            block + 3,
            whole,
            whole + 2,
            bytes.len(),
        ];
        for cut in cuts.into_iter().filter(|cut| *cut <= bytes.len()) {
            count.store(cut, SeqCst);
            let mut peer = Peer::on(dial(site.address), version, &bytes);
            peer.expect_text("one");
            peer.expect_text("two");
            peer.expect_echo("three");
            peer.leave();
        }
    }
    let counters = site.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn bytes_that_were_read_before_count_as_received() {
    let site = Site::run(Server::builder(), |stream| after(stream, 40), echo);
    let mut peer = site.open(Version::Rfc6455);
    peer.expect_echo("hello");
    peer.leave();
    let (written, read) = (peer.written, peer.read);
    let counters = site.wait_until_empty();
    assert_eq!((counters.bytes_in, counters.bytes_out), (written, read));
    assert_eq!((counters.accepted, counters.messages_in), (1, 1));
}

#[cfg(unix)]
#[test]
fn a_unix_stream_may_have_been_read() {
    let acceptor = Server::builder().acceptor().unwrap();
    for version in Version::ALL {
        let (near, far) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut far = far;
                let mut bytes = vec![0; 30];
                far.read_exact(&mut bytes).unwrap();
                let stream = Handover::new(far).already_read(bytes);
                let client = acceptor.accept(stream).unwrap();
                assert_eq!(client.peer(), Address::Local);
            });
            let mut peer = Peer::on(as_tcp(near), version, &Head::of(version).bytes());
            peer.answer_goodbye(1000, "");
        });
    }
}

#[test]
fn an_address_that_is_set_replaces_that_of_the_stream() {
    let site = Site::run(
        Server::builder(),
        |stream| {
            Handover::new(stream).peer("192.0.2.7:4711".parse::<std::net::SocketAddr>().unwrap())
        },
        |client| Ok(client.send(client.peer().to_string())?),
    );
    let mut peer = site.open(Version::Rfc6455);
    peer.expect_text("192.0.2.7:4711");
}

#[test]
fn streams_that_were_handed_over_have_rooms_and_timeouts() {
    // The clients connect one after the other, and all are there when the first one speaks.
    let builder = Server::builder().idle_timeout(Some(5 * SOON));
    let site = Site::run(builder, |stream| after(stream, 50), lobby);
    let mut peers = Version::ALL.map(|version| site.open(version));
    site.wait_for_members(5);
    peers[0].say("hello");
    for peer in &mut peers {
        peer.expect_text("hello");
    }
    // None of them sends anything more.
    for peer in &mut peers {
        peer.expect_end();
    }
    site.wait_until_empty();
    // The watchdog counts a disconnect right after it.
    let disconnected = || site.acceptor.handle().counters().disconnected;
    becomes(&5, || disconnected().values().sum::<u64>());
}

#[test]
fn too_many_bytes_are_an_error_and_a_closed_connection() {
    keep_logbook();
    let too_many = 1024 * 1024 + 1;
    let serve = move |mut stream: TcpStream| {
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        match first[0] {
            b'+' => Handover::new(stream).already_read(vec![b'x'; too_many]),
            first => Handover::new(stream).already_read([first]),
        }
    };
    let site = Site::run(Server::builder(), serve, echo);
    let mut other = site.open(Version::Rfc6455);
    let mut stream = dial(site.address);
    stream.write_all(b"+").unwrap();
    read_end(&mut stream);
    let error = site.error();
    assert_eq!(
        error,
        "1048577 bytes were already read from the stream: more than 1048576"
    );
    assert_eq!(logged(&["handed over is closed", "1048577 bytes"]).len(), 1);
    other.expect_echo("still here");
    assert_eq!(site.counters().accepted, 1);
    other.leave();
    site.wait_until_empty();
}

#[test]
fn the_limits_hold_for_bytes_that_were_read_before() {
    let (whole, limit) = (Arc::new(AtomicUsize::new(0)), 1000);
    let count = Arc::clone(&whole);
    let serve = move |stream| after(stream, count.load(SeqCst));
    let site = Site::run(Server::builder().max_message_size(limit), serve, echo);
    // The header block.
    let head = Head::of(Version::Rfc6455);
    let long = head.clone().filled_to(17 * 1024).bytes();
    whole.store(long.len(), SeqCst);
    let mut stream = dial(site.address);
    stream.write_all(&long).unwrap();
    assert_eq!(read_answer(&mut stream).status(), 431);
    // A message.
    let bytes = [head.bytes(), masked(0x81, &[b'x'; 1001])].concat();
    whole.store(bytes.len(), SeqCst);
    let mut peer = Peer::on(dial(site.address), Version::Rfc6455, &bytes);
    assert!(format!("{:?}", peer.hear()).starts_with("Close(1009"));
    drop(peer);
    site.wait_until_empty();
}

#[test]
fn messages_that_were_read_before_are_charged_to_the_rate_limit() {
    let head = Head::of(Version::Rfc6455).bytes();
    let bytes = [head, text(Version::Rfc6455, "again").repeat(100)].concat();
    let count = bytes.len();
    let limit = RateLimit::per_second().messages(10).burst(SOON * 10);
    let builder = Server::builder()
        .rate_limit(limit)
        .on_rate_limit(OnRateLimit::Close);
    let site = Site::run(builder, move |stream| after(stream, count), echo);
    let mut peer = Peer::on(dial(site.address), Version::Rfc6455, &bytes);
    let mut echoed = 0;
    while let crate::support::Heard::Text(_) = peer.hear() {
        echoed += 1;
    }
    assert!(echoed < 50, "{echoed}");
    drop(peer);
    let counters = site.wait_until_empty();
    assert_eq!(counters.rate_limit_exceeded, 1, "{counters:?}");
}

/// The server has read a part of the request, and has not passed it on.
#[test]
fn a_request_of_which_a_part_is_missing_is_rejected() {
    let builder = Server::builder().handshake_timeout(SOON);
    let serve = |mut stream: TcpStream| {
        let mut lost = [0; 10];
        stream.read_exact(&mut lost).unwrap();
        if lost[0] == b'+' {
            // All of it.
            super::read_head(&stream);
        }
        Handover::new(stream)
    };
    let site = Site::run(builder, serve, echo);
    for version in Version::ALL {
        let mut stream = dial(site.address);
        stream.write_all(&Head::of(version).bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).status(), 400, "{version}");
    }
    let mut stream = dial(site.address);
    let whole = [&b"+".repeat(10)[..], &Head::of(Version::Rfc6455).bytes()].concat();
    stream.write_all(&whole).unwrap();
    assert_eq!(read_answer(&mut stream).status(), 408);
    let counters = site.wait_until_empty();
    assert_eq!(counters.rejected.values().sum::<u64>(), 6, "{counters:?}");
    assert_eq!(counters.opened.values().sum::<u64>(), 0, "{counters:?}");
}
