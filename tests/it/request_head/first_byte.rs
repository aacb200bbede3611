//! The first byte of a request is checked as soon as it arrives: a connection that begins so may
//! never end.

use std::io::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

use log::Level;
use stentor::protocol::{Config, Rejection, State};
use stentor::{Server, Version};

use super::{asked, assert_refused};
use crate::support::{Head, Loopback, becomes, dial, keep_logbook, logged, read_answer};

/// The beginning of a browser's TLS handshake, which may be all that it ever sends.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// VCHAR, the visible characters (RFC 5234 §B.1).
const VISIBLE: RangeInclusive<u8> = 0x21..=0x7e;

#[test]
fn a_byte_that_begins_no_text_is_refused_at_once_and_no_other() {
    for first in 0..=255_u8 {
        let driven = asked(&[first], &Config::default());
        // CR may begin an empty line.
        if VISIBLE.contains(&first) || first == b'\r' {
            assert!(driven.events.is_empty(), "{first:#04x}");
            assert_eq!(driven.connection.state(), State::Opening);
            assert!(driven.output.is_empty(), "{first:#04x}");
        } else {
            assert_refused(&driven, 400, &format!("{first:#04x}"));
            assert_eq!(*driven.rejected(), Rejection::NotHttp(first));
        }
    }
}

/// A request that is rejected at its first byte would be rejected in full, too: no valid request
/// begins so.
#[test]
fn no_request_begins_with_a_byte_that_is_refused_at_once() {
    for version in Version::ALL {
        let request = Head::of(version).bytes();
        for first in 0..=255_u8 {
            let bytes = [&[first], &request[..]].concat();
            let driven = asked(&bytes, &Config::default());
            let status = driven.rejected().status();
            assert!(
                matches!(status, 400 | 501),
                "{version}: {first:#04x}: {status}"
            );
            assert_refused(&driven, status, &format!("{version}: {first:#04x}"));
        }
    }
}

/// RFC 9112 §2.2: some clients end a body with one that they do not count.
#[test]
fn one_empty_line_before_a_request_is_skipped() {
    let plain = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
    let handshakes = Version::ALL.map(|version| Head::of(version).bytes());
    for request in handshakes.into_iter().chain([plain]) {
        let bytes = [&b"\r\n"[..], &request].concat();
        let (mut whole, mut bytewise) = (
            asked(b"", &Config::default()),
            asked(b"", &Config::default()),
        );
        whole.receive(&bytes);
        bytewise.receive_bytewise(&bytes);
        let usual = asked(&request, &Config::default());
        assert_eq!(usual.events, whole.events);
        assert_eq!(usual.events, bytewise.events);
        assert_eq!(usual.output, whole.output);
        assert_eq!(usual.output, bytewise.output);
    }
}

#[test]
fn a_second_empty_line_is_refused_at_once() {
    for lines in ["\r\n\r", "\r\n\r\n", "\r\n\n", "\rG", "\r\r"] {
        let driven = asked(lines.as_bytes(), &Config::default());
        assert_refused(&driven, 400, lines);
        assert!(
            matches!(driven.rejected(), Rejection::NotHttp(b'\r' | b'\n')),
            "{lines:?}"
        );
    }
}

/// The line does not count: a head may have as many bytes as the limit behind it.
#[test]
fn an_empty_line_is_not_a_part_of_the_head() {
    let head = Head::of(Version::Rfc6455).filled_to(1000).bytes();
    let mut config = Config::default();
    config.limits.header_bytes = 1000;
    let driven = asked(&[b"\r\n", &head[..]].concat(), &config);
    assert_eq!(driven.connection.state(), State::Ready);
    config.limits.header_bytes = 999;
    let driven = asked(&[b"\r\n", &head[..]].concat(), &config);
    assert_refused(&driven, 431, "a byte too many");
}

#[test]
fn a_handshake_of_tls_on_a_plain_port_is_answered_and_logged_at_once() {
    keep_logbook();
    // Far longer than this test.
    let builder = Server::builder().handshake_timeout(Duration::from_secs(600));
    let server = Loopback::echo(builder);
    for len in 1..=HELLO.len() {
        let mut disconnected = dial(server.address);
        disconnected.write_all(&HELLO[..len]).unwrap();
        let answer = read_answer(&mut disconnected);
        assert_eq!(answer.status(), 400);
        let words = "not HTTP: it begins with 0x16, as a handshake of TLS does\n";
        assert_eq!(answer.body, words.as_bytes());
        let own = disconnected.local_addr().unwrap().to_string();
        becomes(&true, || {
            let lines = logged(&[&own, "400", "0x16, as a handshake of TLS does"]);
            lines
                .first()
                .is_some_and(|(level, _)| *level == Level::Info)
        });
    }
}
