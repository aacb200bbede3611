//! Rejections reach the clients that are rejected, also those that send more than the server reads:
//! no rejection is lost to a reset.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use stentor::{Reply, Server, ServerBuilder, Version, Versions};

use crate::support::{
    HandshakeResponse, Head, Loopback, Peer, becomes, dial, dial_from, eventually, read_answer,
};

const SHORT: Duration = Duration::from_millis(100);

/// One of each kind: its name, the server that rejects, the request, the status.
fn one_of_each_kind() -> Vec<(&'static str, ServerBuilder, Vec<u8>, u16)> {
    let server = Server::builder;
    let modern = || Head::of(Version::Rfc6455);
    vec![
        (
            "no upgrade",
            server(),
            modern().without("Upgrade").bytes(),
            400,
        ),
        (
            "missing header",
            server(),
            modern().without("Sec-WebSocket-Key").bytes(),
            400,
        ),
        (
            "malformed header block",
            server(),
            b"\x16\x03\x01\x02\x00\x01\r\n\r\n".to_vec(),
            400,
        ),
        (
            "invalid challenge",
            server(),
            Head::of(Version::Draft76)
                .set("Sec-WebSocket-Key1", "123")
                .bytes(),
            400,
        ),
        (
            "origin",
            server().allowed_origins(["http://a.b"]).unwrap(),
            modern().bytes(),
            403,
        ),
        (
            "origin",
            server().same_origin(),
            modern().set("Origin", "http://evil.example").bytes(),
            403,
        ),
        (
            "unknown host",
            server().allowed_hosts(["a.b"]).unwrap(),
            modern().bytes(),
            421,
        ),
        (
            "application",
            server().on_request(|_| Reply::reject(404, "no such room")),
            modern().bytes(),
            404,
        ),
        (
            "method",
            server(),
            modern().line("POST /demo HTTP/1.1").bytes(),
            405,
        ),
        (
            "timeout",
            server().handshake_timeout(SHORT),
            b"GET /demo HTTP/1.1\r\nHost: exam".to_vec(),
            408,
        ),
        (
            "unsupported version",
            server(),
            modern().set("Sec-WebSocket-Version", "14").bytes(),
            426,
        ),
        (
            "unsupported version",
            server().versions(Versions::RFC6455),
            Head::of(Version::Hybi08).bytes(),
            426,
        ),
        (
            "header block too large",
            server(),
            modern().filled_to(16 * 1024 + 1).bytes(),
            431,
        ),
        (
            "too many headers",
            server(),
            (0..100)
                .fold(modern(), |head, _| head.with("X-Filler", ""))
                .bytes(),
            431,
        ),
        ("full", server().max_clients(0), modern().bytes(), 503),
        (
            "http version",
            server(),
            modern().line("GET /demo HTTP/1.0").bytes(),
            505,
        ),
    ]
}

fn assert_refused(name: &'static str, status: u16, answer: &HandshakeResponse, server: &Loopback) {
    assert_eq!(answer.status(), status, "{name}: {answer:?}");
    assert!(!answer.body.is_empty(), "{name}: it does not say why");
    becomes(&1, || server.handle.counters().rejected.values().sum());
    assert_eq!(
        server.handle.counters().rejected.get(name),
        Some(&1),
        "{name}"
    );
}

#[test]
fn every_kind_of_rejection_is_readable() {
    for (name, builder, request, status) in one_of_each_kind() {
        let server = Loopback::echo(builder);
        let mut stream = dial(server.address);
        stream.write_all(&request).unwrap();
        let answer = read_answer(&mut stream);
        assert_refused(name, status, &answer, &server);
        drop(stream);
        server.wait_until_empty();
    }
}

/// Closing a socket with unread bytes makes TCP reset the connection, and the response may be
/// discarded at the other end.
#[test]
fn a_rejection_is_readable_by_a_client_that_has_sent_more_than_was_read() {
    for (name, builder, mut request, status) in one_of_each_kind() {
        if name == "timeout" {
            // Any further bytes would be read as the rest of its request.
            continue;
        }
        let server = Loopback::echo(builder);
        let mut stream = dial(server.address);
        request.resize(request.len() + 200_000, b'x');
        // The server may close the connection before all of it is written.
        let _ = stream.write_all(&request);
        let answer = read_answer(&mut stream);
        assert_refused(name, status, &answer, &server);
    }
}

/// The peer goes on sending while it is being rejected, as a browser does that has not received the
/// response yet.
fn keep_sending(stream: &TcpStream, bytes: &'static [u8]) -> thread::JoinHandle<()> {
    let mut stream = stream.try_clone().unwrap();
    thread::spawn(move || {
        while stream.write_all(bytes).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    })
}

#[test]
fn a_rejection_is_readable_by_a_client_that_goes_on_sending() {
    for (name, builder, request, status) in one_of_each_kind() {
        let server = Loopback::echo(builder);
        let mut stream = dial(server.address);
        stream.write_all(&request).unwrap();
        let sender = keep_sending(&stream, b"x");
        let answer = read_answer(&mut stream);
        assert_refused(name, status, &answer, &server);
        // To the end, which also ends the other thread.
        let _ = stream.shutdown(std::net::Shutdown::Both);
        sender.join().unwrap();
    }
}

#[test]
fn a_full_server_sends_503_and_accepts_the_next_client_when_one_has_left() {
    let server = Loopback::echo(Server::builder().max_clients(2));
    let (mut one, mut two) = (server.open(Version::Draft75), server.open(Version::Rfc6455));
    for version in Version::ALL {
        let mut third = dial(server.address);
        third.write_all(&Head::of(version).bytes()).unwrap();
        let answer = read_answer(&mut third);
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.header("Retry-After"), Some("10"));
    }
    one.expect_echo("still here");
    two.expect_echo("still here");
    one.leave();
    becomes(&1, || server.handle.counters().connections);
    server.open(Version::Hybi07).expect_echo("hello");
}

#[test]
fn a_connection_that_has_sent_nothing_yet_counts_too() {
    let server = Loopback::echo(Server::builder().max_clients(1));
    let silent = dial(server.address);
    becomes(&1, || server.handle.counters().connections);
    let mut second = dial(server.address);
    assert_eq!(read_answer(&mut second).status(), 503);
    drop(silent);
    server.wait_until_empty();
    server.open(Version::Rfc6455).expect_echo("hello");
}

#[test]
fn one_address_may_not_take_all_the_room() {
    let server = Loopback::echo(Server::builder().max_clients_per_address(Some(2)));
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let request = Head::of(Version::Rfc6455).bytes();
    let mut first = server.open(Version::Rfc6455);
    let _second = server.open(Version::Draft76);
    let mut third = dial(server.address);
    third.write_all(&request).unwrap();
    assert_eq!(read_answer(&mut third).status(), 503);
    // Other addresses have room, and this one has again when a client has left.
    let elsewhere = dial_from(server.address, other, None);
    let mut elsewhere = Peer::on(elsewhere, Version::Rfc6455, &request);
    elsewhere.expect_echo("hello");
    first.leave();
    becomes(&2, || server.handle.counters().connections);
    server.open(Version::Rfc6455).expect_echo("hello");
}

#[test]
fn many_connections_to_a_full_server_are_all_answered() {
    let server = Loopback::echo(Server::builder().max_clients(0));
    let mut waiting: Vec<TcpStream> = (0..100).map(|_| dial(server.address)).collect();
    for stream in &mut waiting {
        // The server does not read the request, as it answers before reading.
        let _ = stream.write_all(&Head::of(Version::Rfc6455).bytes());
    }
    for stream in &mut waiting {
        assert_eq!(read_answer(stream).status(), 503);
    }
    becomes(&Some(100), || {
        server.handle.counters().rejected.get("full").copied()
    });
}

#[test]
fn a_client_whose_thread_cannot_be_started_gets_503_and_the_server_survives() {
    let server = Loopback::echo(Server::builder().stack_size(1 << 47));
    for _ in 0..3 {
        let mut stream = dial(server.address);
        stream
            .write_all(&Head::of(Version::Rfc6455).bytes())
            .unwrap();
        assert_eq!(read_answer(&mut stream).status(), 503);
    }
    let counters = server.wait_until_empty();
    assert_eq!(
        (counters.accepted, counters.rejected.get("full")),
        (3, Some(&3))
    );
    assert!(!server.has_ended());
}

#[test]
fn a_refused_client_does_not_keep_its_place_for_long() {
    let builder = Server::builder().max_clients(1).close_timeout(SHORT);
    let server = Loopback::echo(builder);
    let mut rejected = dial(server.address);
    rejected.write_all(b"POST / HTTP/1.1\r\n\r\n").unwrap();
    // It has read its response and neither closes TCP nor sends anything.
    assert_eq!(read_answer(&mut rejected).status(), 405);
    eventually("its place", || {
        (server.handle.counters().connections == 0).then_some(())
    });
    server.open(Version::Rfc6455).expect_echo("hello");
}
