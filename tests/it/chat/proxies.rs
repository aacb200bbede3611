//! The chat behind a proxy: the limit for each address counts the clients' own addresses.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use crate::support::{Chat, build, dial};

/// The clients that one address may have.
const MOST: usize = 50;

/// Opens connections with these headers, and returns how many are accepted, together with the connections.
fn accepted(chat: &Chat, before: &str, header: &str, count: usize) -> (usize, Vec<TcpStream>) {
    let request = format!(
        "{before}GET /demo HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{header}\r\n",
        chat.address
    );
    let connections = (0..count).map(|_| {
        let mut stream = dial(chat.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut status = [0; 12];
        let read = std::io::Read::read_exact(&mut stream, &mut status);
        (read.is_ok() && status == *b"HTTP/1.1 101", stream)
    });
    let (accepted, streams): (Vec<bool>, Vec<TcpStream>) = connections.unzip();
    (
        accepted.iter().filter(|accepted| **accepted).count(),
        streams,
    )
}

#[test]
fn each_address_in_a_trusted_header_has_its_own_limit() {
    let chat = Chat::start(&["--trust-forwarded".to_owned()]);
    for address in ["192.0.2.1", "192.0.2.2"] {
        let header = format!("X-Forwarded-For: 203.0.113.9, {address}\r\n");
        let (count, _open) = accepted(&chat, "", &header, MOST + 1);
        assert_eq!(count, MOST, "{address}");
    }
}

#[test]
fn each_address_in_the_proxy_protocol_has_its_own_limit() {
    let chat = Chat::start(&["--proxy", "127.0.0.0/8"].map(str::to_owned));
    for address in ["192.0.2.1", "192.0.2.2"] {
        let before = format!("PROXY TCP4 {address} 192.0.2.9 5000 8000\r\n");
        let (count, _open) = accepted(&chat, &before, "", MOST + 1);
        assert_eq!(count, MOST, "{address}");
    }
}

#[test]
fn a_header_that_is_not_trusted_is_ignored() {
    let chat = Chat::start(&[]);
    let mut open = Vec::new();
    let counts = ["192.0.2.1", "192.0.2.2"].map(|address| {
        let header = format!("X-Forwarded-For: {address}\r\n");
        let (count, streams) = accepted(&chat, "", &header, MOST);
        open.extend(streams);
        count
    });
    assert_eq!(counts, [MOST, 0]);
}

#[test]
fn a_proxy_that_is_no_network_is_an_error() {
    let output = Command::new(build("chat"))
        .args(["--proxy", "proxy.example"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("--proxy") && words.contains("proxy.example"),
        "{words}"
    );
}
