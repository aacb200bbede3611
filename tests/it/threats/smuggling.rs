//! Requests that two programs could read differently, and requests behind requests: one response is
//! sent, the connection ends with it, and the bytes that follow are never taken for a request.

use std::io::{Read, Write};
use std::net::Shutdown;

use stentor::Version;
use stentor::protocol::{Config, State};
use stentor::{Response, Server};

use crate::support::{Driven, HandshakeResponse, Head, Loopback, dial, echo, text};

/// The bytes behind a request, for a parser that sees the request's end at another place.
const SECOND: &str = "GET /admin HTTP/1.1\r\nHost: example.com\r\n\r\n";

/// Ways to state a body's length that programs read differently (RFC 9112 §6.3, §11.2).
const BODIES: [&str; 20] = [
    "Content-Length: 5",
    "Content-Length: 00",
    "Content-Length: +0",
    "Content-Length: -1",
    "Content-Length: 0x0",
    "Content-Length: 0, 0",
    "Content-Length: 0;",
    "Content-Length: ",
    "Content-Length: 18446744073709551616",
    "Content-Length: 0\r\nContent-Length: 0",
    "Content-Length: 0\r\nContent-Length: 42",
    "Content-Length: 42\r\ncontent-length: 0",
    "Transfer-Encoding: chunked",
    "transfer-encoding: identity",
    "Transfer-Encoding: ",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Content-Length: 0\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "Transfer-Encoding:\tchunked",
];

/// Lines that some parsers join, split or mend.
const LINES: [&str; 12] = [
    "Content-Length : 5",
    "Content-Length\t: 5",
    "Transfer-Encoding : chunked",
    " Transfer-Encoding: chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "X: y\r\n\tTransfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "X: y\r\rTransfer-Encoding: chunked",
    "X: \0y",
    "X\0: y",
    "Transfer-Encoding\0: chunked",
];

/// With another line in front of the others, or behind them.
fn spoilt(head: &[u8], line: &str, last: bool) -> Vec<u8> {
    let after_line = head.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
    let at = if last { head.len() - 2 } else { after_line };
    [&head[..at], line.as_bytes(), b"\r\n", &head[at..]].concat()
}

fn answers(output: &[u8]) -> usize {
    let begins = |window: &[u8]| window.starts_with(b"HTTP/1.1 ");
    output.windows(9).filter(|window| begins(window)).count()
}

#[test]
fn a_handshake_has_no_body_however_it_is_announced() {
    for version in Version::ALL {
        for line in BODIES.into_iter().chain(LINES) {
            for last in [false, true] {
                let mut driven = Driven::new(&Config::default());
                driven.receive(&spoilt(&Head::of(version).head(), line, last));
                driven.receive(SECOND.as_bytes()).end();
                let context = format!("{version}, {line:?}");
                assert_eq!(driven.rejected().status(), 400, "{context}");
                assert_eq!(driven.connection.state(), State::Rejected, "{context}");
                assert_eq!(answers(&driven.output), 1, "{context}");
                HandshakeResponse::read(&driven.output).assert_last();
            }
        }
    }
}

/// A page is different: a GET may have a body that means nothing (RFC 9110 §9.3.1). It is not read
/// as a second request, since there is no second.
#[test]
fn a_page_is_the_last_answer_whatever_body_its_request_had() {
    let builder = Server::builder().on_request(|_| Response::text("page").into());
    let server = Loopback::run(builder, echo);
    let head = b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n";
    let bodies = BODIES.into_iter().map(|line| (line, 200));
    let lines = LINES.into_iter().map(|line| (line, 400));
    for (line, status) in bodies.chain(lines) {
        let mut stream = dial(server.address);
        let request = [&spoilt(head, line, true), SECOND.as_bytes()].concat();
        stream.write_all(&request).unwrap();
        let mut output = Vec::new();
        stream.read_to_end(&mut output).unwrap();
        assert_eq!(answers(&output), 1, "{line:?}");
        let answer = HandshakeResponse::read(&output);
        answer.assert_last();
        assert_eq!(answer.status(), status, "{line:?}");
    }
}

/// A proxy that took the response for an ordinary one would send another client's request next.
#[test]
fn a_request_behind_a_handshake_is_no_request() {
    for version in Version::ALL {
        for (head, status) in [
            (Head::of(version), 101),
            (Head::of(version).without("Host"), 400),
            (Head::of(version).line("HEAD /demo HTTP/1.1"), 405),
        ] {
            let mut driven = Driven::new(&Config::default());
            driven.receive(&[&head.bytes(), SECOND.as_bytes()].concat());
            driven.receive(SECOND.as_bytes()).end();
            assert_eq!(answers(&driven.output), 1, "{version}, {status}");
            assert_eq!(
                HandshakeResponse::read(&driven.output).status(),
                status,
                "{version}"
            );
            assert!(driven.texts().is_empty(), "{version}");
        }
    }
}

/// In the same packet as the handshake and behind it: only frames are read there.
#[test]
fn junk_behind_the_handshake_is_frames_or_the_end() {
    let junk: [&[u8]; 8] = [
        b"\r\n",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\0\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"<policy-file-request/>\0",
        &[0xff; 64],
        &[0x7f; 64],
    ];
    for version in Version::ALL {
        for junk in junk {
            let whole = [Head::of(version).bytes(), junk.to_vec()].concat();
            for glued in [false, true] {
                let mut driven = Driven::new(&Config::default());
                if glued {
                    driven.receive(&whole);
                } else {
                    driven.receive(&Head::of(version).bytes()).receive(junk);
                }
                driven.receive(&text(version, "Hi")).end();
                let context = format!("{version}, {}", junk.escape_ascii());
                assert_eq!(answers(&driven.output), 1, "{context}");
                assert!(driven.is_closed(), "{context}");
                // If it broke a rule, nothing behind it counts.
                let violated = driven.closed().protocol_error.is_some();
                assert!(!violated || driven.texts().is_empty(), "{context}");
                let broken = version.has_close_codes();
                assert_eq!(
                    violated,
                    broken || junk.starts_with(&[0xff; 16]),
                    "{context}"
                );
            }
        }
    }
}

/// The same over a socket, where the server must not lose its last bytes to a reset.
#[test]
fn junk_glued_to_a_handshake_is_answered_once_and_to_the_end() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut stream = dial(server.address);
        let bytes = [&Head::of(version).bytes(), SECOND.as_bytes()].concat();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut output = Vec::new();
        stream.read_to_end(&mut output).unwrap();
        assert_eq!(answers(&output), 1, "{version}");
        assert!(output.starts_with(b"HTTP/1.1 101 "), "{version}");
        if version.has_close_codes() {
            let close =
                b"\x88\x3b\x03\xeaRSV1 is set, and no extension that uses it was negotiated";
            let end = &output[output.len().saturating_sub(close.len())..];
            assert_eq!(
                end.escape_ascii().to_string(),
                close.escape_ascii().to_string()
            );
        }
    }
    server.wait_until_empty();
}
