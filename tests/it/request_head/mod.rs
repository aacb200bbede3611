//! The request's header block: malformed ones, smuggling, and the values that each header may have.

#[cfg(feature = "server")]
mod first_byte;

mod resource;

mod plain;

mod methods;

mod fields;

mod host;

mod origin;

mod same_origin;

mod answers;

use std::sync::Arc;

use stentor::protocol::{Config, Connection, Event, Rejection, State};
use stentor::{Response, Version};

use crate::support::{Driven, HandshakeResponse, Head};

fn asked(bytes: &[u8], config: &Config) -> Driven {
    let mut driven = Driven::new(config);
    driven.receive(bytes);
    driven
}

fn ask(head: &Head) -> Driven {
    asked(&head.bytes(), &Config::default())
}

fn assert_refused(driven: &Driven, status: u16, context: &str) {
    let answer = HandshakeResponse::read(&driven.output);
    answer.assert_last();
    assert_eq!(answer.status(), status, "{context}");
    assert_eq!(driven.rejected().status(), status, "{context}");
    assert_eq!(driven.connection.state(), State::Rejected, "{context}");
}

#[test]
fn a_line_must_end_in_cr_lf_and_hold_neither() {
    for version in Version::ALL {
        let good = String::from_utf8(Head::of(version).head()).unwrap();
        for bad in [
            "X-A: b\n",
            "X-A: b\r",
            "X-A: b\rX-B: c\r\n",
            "X-A: b\r\r\n",
            "\nX-A: b\r\n",
        ] {
            let head = good.replacen("\r\n", &format!("\r\n{bad}"), 1);
            let driven = asked(head.as_bytes(), &Config::default());
            assert_refused(&driven, 400, bad);
        }
    }
}

/// Two lone LFs are no blank line; only the limit or the timeout ends such a header block.
#[test]
fn a_head_of_lone_lfs_never_ends() {
    let mut config = Config::default();
    config.limits.header_bytes = 1000;
    for version in Version::ALL {
        let head = String::from_utf8(Head::of(version).head())
            .unwrap()
            .replace("\r\n", "\n");
        let mut driven = asked(head.as_bytes(), &config);
        assert!(driven.events.is_empty());
        driven.receive(&[b'x'; 1000]);
        assert_refused(&driven, 431, "without an end");
    }
}

#[test]
fn a_field_is_a_name_a_colon_and_a_value_on_one_line() {
    let bad: [&[u8]; 13] = [
        b"X-Own: one\r\n two",
        b"X-Own: one\r\n\ttwo",
        b" X-Own: one",
        b"X-Own : one",
        b"X-Own\t: one",
        b"X Own: one",
        b": one",
        b"X-Own",
        b"X-Own: o\0ne",
        b"X-\0Own: one",
        b"X-Own: o\x01ne",
        b"X-Own: o\x7fne",
        b"X-\xffwn: one",
    ];
    for version in Version::ALL {
        let good = Head::of(version).head();
        let line = good.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
        for field in bad {
            // In front of the others, and behind them.
            for at in [line, good.len() - 2] {
                let bytes = [&good[..at], field, b"\r\n", &good[at..]].concat();
                let driven = asked(&bytes, &Config::default());
                assert_refused(&driven, 400, &field.escape_ascii().to_string());
            }
        }
    }
}

#[test]
fn a_request_line_is_get_a_resource_and_http_1_1() {
    let bad = [
        ("POST /demo HTTP/1.1", 405),
        ("get /demo HTTP/1.1", 501),
        ("GET  /demo HTTP/1.1", 400),
        ("GET /demo  HTTP/1.1", 400),
        (" GET /demo HTTP/1.1", 400),
        ("GET\t/demo\tHTTP/1.1", 400),
        ("GET /demo", 400),
        ("GET HTTP/1.1", 400),
        ("GET /demo HTTP/2.0", 400),
        ("GET /demo HTTP/1.1 ", 400),
        ("GET /demo http/1.1", 400),
        ("GET /de\u{0}mo HTTP/1.1", 400),
        ("GET /de mo HTTP/1.1", 400),
        ("GET demo HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET ftp://example.com/demo HTTP/1.1", 400),
        ("GET javascript://example.com/demo HTTP/1.1", 400),
        ("", 400),
        ("CONNECT example.com:80 HTTP/1.1", 405),
    ];
    for version in Version::ALL {
        for (line, status) in bad {
            assert_refused(&ask(&Head::of(version).line(line)), status, line);
        }
        let old = ask(&Head::of(version).line("GET /demo HTTP/1.0"));
        assert_refused(
            &old,
            if version.wire_number().is_some() {
                505
            } else {
                400
            },
            "HTTP/1.0",
        );
    }
}

/// RFC 9110 §9.3.2: the fields of the answer to a GET, and no body. A handshake needs a GET.
#[test]
fn head_is_answered_without_a_body_and_opens_nothing() {
    let mut plain = Connection::new(Arc::new(Config::default()));
    plain.receive_data(b"HEAD /health HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(plain.next_event(), Some(Event::Request));
    plain.respond(Response::text("fine\n")).unwrap();
    let answer = String::from_utf8(plain.data_to_send()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Length: 5\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    for version in Version::ALL {
        let mut connection = Connection::new(Arc::new(Config::default()));
        let get = String::from_utf8(Head::of(version).head()).unwrap();
        connection.receive_data(get.replacen("GET", "HEAD", 1).as_bytes());
        let event = connection.next_event();
        assert_eq!(
            event,
            Some(Event::Rejected(Rejection::HandshakeMethod("HEAD".into())))
        );
        assert!(connection.data_to_send().ends_with(b"\r\n\r\n"));
    }
}
