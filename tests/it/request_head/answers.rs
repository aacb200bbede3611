//! The server's responses: no extra header, no 101 by mistake, and no part of the request
//! unescaped.

use std::sync::Arc;

use stentor::protocol::{Config, Connection, Event, Rejection, State};
use stentor::{Accept, Response, Version};

use super::{ask, asked, assert_refused};
use crate::support::{Driven, HandshakeResponse, Head};

/// Request data that an application copies into a response must not become a second header, or a
/// second response.
#[test]
fn no_field_can_be_smuggled_into_an_answer() {
    let bad = [
        ("Set-Cookie", "a=b\r\nX-Evil: yes"),
        ("Set-Cookie", "a=b\nX-Evil: yes"),
        ("Set-Cookie", "a=b\rX-Evil: yes"),
        ("Set-Cookie", "a=\0b"),
        ("Set-Cookie", "a=\x1bb"),
        ("Set-Cookie", "a=\x7fb"),
        ("Set-Cookie\r\nX-Evil", "yes"),
        ("Set-Cookie: a\r\nX-Evil", "yes"),
        ("X Evil", "yes"),
        ("X-Evil:", "yes"),
        ("", "yes"),
        ("X-\u{e4}", "yes"),
        // Headers that the response has by itself.
        ("Connection", "keep-alive"),
        ("UPGRADE", "websocket"),
        ("Content-Length", "0"),
        ("transfer-encoding", "chunked"),
        ("Sec-WebSocket-Accept", "x"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("sec-websocket-protocol", "x"),
        ("WebSocket-Origin", "x"),
        ("WebSocket-Location", "x"),
    ];
    for (name, value) in bad {
        assert!(
            Accept::new().header(name, value).is_err(),
            "{name:?}: {value:?}"
        );
        let error = Response::new(200).header(name, value).unwrap_err();
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    assert!(
        Accept::new()
            .header("Set-Cookie", "a=\"b c\"; Path=/\t; HttpOnly")
            .is_ok()
    );

    let kind = Response::new(200).body("text/plain\r\nX-Evil: yes", "text");
    let answer = HandshakeResponse::read(&respond(kind));
    assert_eq!(answer.header("X-Evil"), None);
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/octet-stream")
    );
}

#[test]
fn an_answer_to_plain_http_is_never_a_101() {
    for status in [0, 100, 101, 102, 199, 600, 999, u16::MAX] {
        let answer = HandshakeResponse::read(&respond(Response::new(status)));
        answer.assert_last();
        assert_eq!(answer.status(), 500);

        let mut driven = Driven::new(&Config::default());
        let rejection = Rejection::Application {
            status,
            reason: String::new(),
        };
        driven.connection.reject(rejection).unwrap();
        driven.drain();
        assert_eq!(HandshakeResponse::read(&driven.output).status(), 500);
    }
    for status in [204, 304] {
        let answer =
            HandshakeResponse::read(&respond(Response::new(status).body("text/plain", "none")));
        assert_eq!(
            (answer.header("Content-Length"), &answer.body[..]),
            (None, &b""[..])
        );
        assert_eq!(answer.header("Connection"), Some("close"));
    }
}

fn respond(response: Response) -> Vec<u8> {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(connection.next_event(), Some(Event::Request));
    assert_eq!(connection.version(), None);
    connection.respond(response).unwrap();
    assert_eq!(connection.state(), State::Rejected);
    connection.data_to_send()
}

#[test]
fn a_date_is_there_where_a_clock_is() {
    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let mut config = Config::default();
    config.date = Some(|| NOW.to_owned());
    for (config, date) in [(Config::default(), None), (config, Some(NOW))] {
        for head in [
            Head::of(Version::Rfc6455).line("GET /demo HTTP/2.0"),
            Head::of(Version::Rfc6455).without("Upgrade"),
        ] {
            let rejected = asked(&head.bytes(), &config);
            assert_eq!(
                HandshakeResponse::read(&rejected.output).header("Date"),
                date
            );
        }
        let accepted = asked(&Head::of(Version::Rfc6455).bytes(), &config);
        assert_eq!(
            HandshakeResponse::read(&accepted.output).header("Date"),
            None
        );
    }
}

#[test]
fn browsers_are_kept_from_guessing_what_a_body_is() {
    let field = "X-Content-Type-Options";
    let rejected = ask(&Head::of(Version::Rfc6455).without("Host"));
    assert_eq!(
        HandshakeResponse::read(&rejected.output).header(field),
        Some("nosniff")
    );
    let page = HandshakeResponse::read(&respond(Response::text("page")));
    assert_eq!(page.header(field), Some("nosniff"));
    // The application's own comes instead.
    let own = Response::text("page").header("x-content-type-options", "none");
    let page = HandshakeResponse::read(&respond(own.unwrap()));
    assert_eq!(page.header(field), Some("none"));
    let accepted = ask(&Head::of(Version::Rfc6455));
    assert_eq!(
        HandshakeResponse::read(&accepted.output).header(field),
        None
    );
}

#[test]
fn plain_http_can_be_read_and_not_accepted() {
    let driven = asked(
        b"GET /page?q HTTP/1.0\r\nAccept: */*\r\n\r\n",
        &Config::default(),
    );
    let request = driven.connection.request().unwrap();
    assert_eq!((request.version(), request.path()), (None, "/page"));
    assert_eq!(
        driven.events,
        [Event::Request, Event::Rejected(Rejection::NoUpgrade)]
    );
    assert_refused(&driven, 400, "no upgrade");
}

/// The parts of the request that come back in the body must do no harm in a terminal or a browser.
#[test]
fn a_refusal_repeats_the_request_escaped_and_short() {
    let nasty = "\u{9b}2J\u{a0}\u{202e}".to_owned() + &"x".repeat(4000);
    for head in [
        Head::of(Version::Rfc6455).set("Sec-WebSocket-Version", &nasty),
        Head::of(Version::Rfc6455).set("Sec-WebSocket-Key", &nasty),
        Head::of(Version::Rfc6455).set("Upgrade", &nasty),
        Head::of(Version::Rfc6455).set("Host", &nasty),
        Head::of(Version::Rfc6455).line(&format!("GET x{} HTTP/1.1", "y".repeat(4000))),
        Head::of(Version::Rfc6455).line(&format!("{} / HTTP/1.1", "M".repeat(4000))),
        Head::of(Version::Draft76).with("Sec-WebSocket-Protocol", &nasty),
    ] {
        let driven = ask(&head);
        let answer = HandshakeResponse::read(&driven.output);
        answer.assert_last();
        assert_eq!(
            answer.header("Content-Type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(
            answer
                .body
                .iter()
                .all(|byte| byte.is_ascii_graphic() || b" \n".contains(byte))
        );
        assert!(answer.body.len() < 700, "{} bytes", answer.body.len());
    }
}
