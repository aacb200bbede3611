//! The limits per address count the client that a header names.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use stentor::Version;

use super::{behind_a_proxy, binary, run};
use crate::support::{HandshakeResponse, Head, Loopback, Peer, becomes, dial, read_answer};

const HOUR: Duration = Duration::from_secs(3600);

fn from(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 4711 80\r\n").into_bytes()
}

fn open(server: &Loopback, header: &[u8], head: &Head, version: Version) -> Peer {
    let mut peer = Peer::on(
        dial(server.address),
        version,
        &[header, &head.bytes()].concat(),
    );
    assert!(matches!(peer.hear_text().as_str(), text if text.contains(':')));
    peer
}

fn refused(server: &Loopback, header: &[u8], head: &Head) -> HandshakeResponse {
    let mut stream: TcpStream = dial(server.address);
    let _ = stream.write_all(&[header, &head.bytes()].concat());
    read_answer(&mut stream)
}

#[test]
fn named_client_counts_and_not_its_proxy() {
    let server = run(behind_a_proxy().max_clients_per_address(Some(1)));
    for version in Version::ALL {
        let head = Head::of(version);
        let mut first = open(&server, &from("192.0.2.1"), &head, version);
        let mut other = open(&server, &from("192.0.2.2"), &head, version);
        // The proxy itself, and all its clients without an address, are one more.
        let mut proxy = open(&server, &binary(0x20, 0, &[]), &head, version);
        for header in [
            from("192.0.2.1"),
            from("192.0.2.2"),
            b"PROXY UNKNOWN\r\n".to_vec(),
        ] {
            let answer = refused(&server, &header, &head);
            assert_eq!(answer.status(), 503, "{version}");
        }
        first.leave();
        becomes(&2, || server.handle.counters().connections);
        open(&server, &from("192.0.2.1"), &head, version).leave();
        other.leave();
        proxy.leave();
        server.wait_until_empty();
    }
    becomes(&[("address full", 15)].into(), || {
        server.handle.counters().rejected
    });
}

#[test]
fn handshakes_of_the_named_client_count() {
    let server = run(behind_a_proxy().handshakes_per_address(1, HOUR));
    for (number, version) in Version::ALL.into_iter().enumerate() {
        let head = Head::of(version);
        let header = |last: u8| {
            let client = format!("2001:db8:0:{number}::{last}");
            format!("PROXY TCP6 {client} ::1 4711 80\r\n").into_bytes()
        };
        open(&server, &header(1), &head, version).leave();
        let answer = refused(&server, &header(2), &head);
        assert_eq!(answer.status(), 429, "{version}");
    }
}

/// Otherwise one bad proxy would use up the limit of all clients without an address.
#[test]
fn invalid_header_counts_for_no_address() {
    let server = run(behind_a_proxy().handshakes_per_address(1, HOUR));
    for version in Version::ALL {
        let answer = refused(&server, b"", &Head::of(version));
        assert_eq!(answer.status(), 400);
    }
    let version = Version::Rfc6455;
    open(&server, b"PROXY UNKNOWN\r\n", &Head::of(version), version).leave();
}

/// Two proxies in a row, the outer of which speaks HTTP.
#[test]
fn trusted_header_of_the_request_names_the_client_once_more() {
    let builder = behind_a_proxy()
        .trust_forwarded_headers(true)
        .max_clients_per_address(Some(1));
    let server = run(builder);
    for version in Version::ALL {
        let head = |client| Head::of(version).with("X-Forwarded-For", client);
        let header = from("192.0.2.1");
        let mut first = open(&server, &header, &head("198.51.100.1"), version);
        let mut second = open(&server, &header, &head("198.51.100.2"), version);
        let answer = refused(&server, &from("192.0.2.2"), &head("198.51.100.1"));
        assert_eq!(answer.status(), 503, "{version}");
        // Without the header, the named peer itself counts.
        let mut third = open(&server, &header, &Head::of(version), version);
        assert_eq!(refused(&server, &header, &Head::of(version)).status(), 503);
        for peer in [&mut first, &mut second, &mut third] {
            peer.leave();
        }
        server.wait_until_empty();
    }
}

#[test]
fn untrusted_header_of_the_request_changes_nothing() {
    let server = run(behind_a_proxy().max_clients_per_address(Some(1)));
    let head = Head::of(Version::Rfc6455).with("X-Forwarded-For", "198.51.100.1");
    let mut first = open(&server, &from("192.0.2.1"), &head, Version::Rfc6455);
    assert_eq!(refused(&server, &from("192.0.2.1"), &head).status(), 503);
    first.leave();
}

#[test]
fn connection_above_the_limit_of_all_is_rejected_before_its_header() {
    let server = run(behind_a_proxy().max_clients(1));
    let mut first = open(
        &server,
        &from("192.0.2.1"),
        &Head::of(Version::Draft75),
        Version::Draft75,
    );
    let mut stream = dial(server.address);
    assert_eq!(read_answer(&mut stream).status(), 503);
    first.expect_echo("hello");
}
