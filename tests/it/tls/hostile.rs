//! Clients of a TLS port that speak another protocol, or nothing, or do not trust the certificate.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use stentor::Version;

use crate::support::{
    Head, Identity, Loopback, Peer, ask, becomes, dial, echo, keep_logbook, logged, secure,
    secure_as, tunnel,
};

use super::over_tls;

/// A fatal `internal_error`, in the clear (RFC 8446 §6).
const ALERT: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50];

/// Returns all received bytes, up to an end that is not a reset.
fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    assert!(read.is_ok(), "{read:?} after {}", bytes.escape_ascii());
    bytes
}

#[test]
fn a_plain_http_request_gets_a_plain_http_rejection() {
    let server = Loopback::echo(over_tls());
    let page = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_vec();
    let upgrades = Version::ALL.map(|version| Head::of(version).bytes());
    for request in upgrades.into_iter().chain([page]) {
        let answer = ask(server.address, &request);
        assert_eq!(answer.status(), 400);
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains("TLS") && body.contains("wss://"), "{body}");
    }
    let counters = server.wait_until_empty();
    assert_eq!(counters.rejected, [("tls", 6)].into());
}

#[test]
fn garbage_ends_at_once_and_gets_no_http_response() {
    keep_logbook();
    let server = Loopback::echo(over_tls());
    let long = vec![0xff; 100_000];
    for garbage in [
        &b"\x00\x00\x00\x00\x00\x00\x00"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\xff\xff\x01\x00\x00\x00",
        b"\x16\x03\x01\x00\x05hello",
        // A hello of SSL 2, which lists everything that the client supports.
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
        &long,
    ] {
        let stream = dial(server.address);
        let since = Instant::now();
        let mut told = Vec::new();
        let _ = (&stream).write_all(garbage);
        // TCP may reset the connection if there were more bytes than were read.
        let _ = (&stream).read_to_end(&mut told);
        assert!(
            since.elapsed() < Duration::from_secs(5),
            "{}",
            garbage.escape_ascii()
        );
        if garbage.starts_with(b"SSH") {
            assert!(told.starts_with(b"HTTP/1.1 400"));
        } else {
            assert!(told.len() <= 7, "{}", told.escape_ascii());
        }
    }
    let counters = server.wait_until_empty();
    assert_eq!(counters.rejected, [("tls", 6)].into());
    let address = server.address.to_string();
    assert!(!address.is_empty());
    Peer::on(
        tunnel(server.address),
        Version::Rfc6455,
        &Head::of(Version::Rfc6455).bytes(),
    )
    .expect_echo("and the next");
}

#[test]
fn an_unfinished_tls_handshake_costs_a_thread_until_the_timeout() {
    let limit = Duration::from_millis(200);
    let server = Loopback::echo(over_tls().handshake_timeout(limit));
    let hello = {
        let mut stream = secure(dial(server.address));
        let mut hello = Vec::new();
        stream.conn.write_tls(&mut hello).unwrap();
        hello
    };
    becomes(&0, || server.handle.counters().connections);
    let since = Instant::now();
    let stalled: Vec<TcpStream> = [0, 1, 5, 6, hello.len() / 2, hello.len()]
        .into_iter()
        .map(|sent| {
            let mut stream = dial(server.address);
            stream.write_all(&hello[..sent]).unwrap();
            stream
        })
        .collect();
    // Meanwhile no other client waits.
    let bytes = Head::of(Version::Rfc6455).bytes();
    Peer::on(tunnel(server.address), Version::Rfc6455, &bytes).expect_echo("not my business");
    for stream in &stalled {
        let told = read_to_end(stream);
        assert!(told.ends_with(&ALERT), "{}", told.escape_ascii());
    }
    let took = since.elapsed();
    assert!(took >= limit && took < limit * 15, "{took:?}");
    drop(stalled);
    let counters = server.wait_until_empty();
    assert_eq!(counters.rejected, [("timeout", 6)].into());
}

#[test]
fn a_client_that_is_silent_after_the_tls_handshake_has_the_same_timeout() {
    let limit = Duration::from_millis(200);
    let server = Loopback::echo(over_tls().handshake_timeout(limit));
    let mut stream = secure(dial(server.address));
    let mut told = Vec::new();
    stream.read_to_end(&mut told).unwrap();
    assert!(told.starts_with(b"HTTP/1.1 408"), "{}", told.escape_ascii());
}

#[test]
fn a_client_rejected_before_the_tls_handshake_gets_an_alert() {
    let server = Loopback::echo(over_tls().max_clients(1));
    let bytes = Head::of(Version::Rfc6455).bytes();
    let mut first = Peer::on(tunnel(server.address), Version::Rfc6455, &bytes);
    let mut rejected = secure(dial(server.address));
    let error = rejected.read(&mut [0]).unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
    becomes(&[("full", 1)].into(), || server.handle.counters().rejected);
    first.expect_echo("still here");
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_named_in_the_log() {
    keep_logbook();
    let server = Loopback::echo(over_tls());
    let mut stream = secure_as(
        dial(server.address),
        Identity::of(&["127.0.0.1"]).believer(),
    );
    let address = stream.sock.local_addr().unwrap().to_string();
    let error = stream.write_all(b"GET").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    becomes(&1, || logged(&[&address, "received fatal alert"]).len());
    becomes(&[("tls", 1)].into(), || server.handle.counters().rejected);
}

#[test]
fn a_client_of_another_protocol_inside_is_refused_by_tls() {
    let server = Loopback::echo(over_tls());
    let mut config = Identity::common().believer();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut stream = secure_as(dial(server.address), config);
    let error = stream.write_all(b"PRI").unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
}

#[test]
fn a_record_that_was_tampered_with_ends_that_one_connection() {
    let server = Loopback::run(over_tls(), echo);
    let mut stream = secure(dial(server.address));
    stream
        .write_all(&Head::of(Version::Rfc6455).bytes())
        .unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    let mut record = Vec::new();
    stream.conn.writer().write_all(b"\x81\x80\0\0\0\0").unwrap();
    stream.conn.write_tls(&mut record).unwrap();
    *record.last_mut().unwrap() ^= 1;
    stream.sock.write_all(&record).unwrap();
    let mut rest = Vec::new();
    let error = stream.read_to_end(&mut rest).unwrap_err();
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    drop(stream);
    let counters = server.wait_until_empty();
    assert_eq!(counters.closes, [(1006, 1)].into());
}

#[test]
fn clients_that_close_tcp_at_any_point_of_the_handshake_are_gone_at_once() {
    let server = Loopback::echo(over_tls());
    let mut hello = Vec::new();
    secure(dial(server.address))
        .conn
        .write_tls(&mut hello)
        .unwrap();
    for sent in (0..hello.len()).step_by(17).chain([hello.len()]) {
        let mut stream = dial(server.address);
        stream.write_all(&hello[..sent]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_to_end(&stream);
    }
    server.wait_until_empty();
}
