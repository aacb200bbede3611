//! Responses of an application before the handshake is done cannot break the server's response.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use stentor::protocol::{Config, Connection, Event, Rejection, State};
use stentor::{Accept, Response, Version};

use super::always_the_same;
use super::said::versions;
use crate::support::{HandshakeResponse, Head};

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn a_page_has_the_headers_and_the_body_it_was_given_and_no_others(
        status in any::<u16>(),
        fields in vec((names(), values()), 0..4),
        kind in values(),
        body in vec(any::<u8>(), 0..50),
    ) {
        let mut page = Response::new(status).body(&kind, body.clone());
        // The type, and what keeps browsers from taking it for another.
        let mut expected = 2;
        for (name, value) in fields {
            if let Ok(more) = page.clone().header(&name, &value) {
                let replaced = ["Content-Type", "X-Content-Type-Options"];
                let replaces = replaced.iter().any(|own| own.eq_ignore_ascii_case(&name));
                expected += usize::from(!replaces);
                page = more;
            }
        }
        let mut connection = asked(Version::Rfc6455);
        connection.respond(page.clone()).unwrap();
        let answer = HandshakeResponse::read(&connection.data_to_send());
        assert_eq!(answer.status(), page.status());
        assert!((200..600).contains(&answer.status()));
        if matches!(page.status(), 204 | 304) {
            assert_eq!((answer.fields.len(), answer.body.len()), (expected + 1, 0));
        } else {
            assert_eq!((answer.fields.len(), answer.body.as_slice()), (expected + 2, &body[..]));
            answer.assert_last();
        }
    }

    #[test]
    fn a_101_has_the_headers_it_was_given_and_no_others(
        version in versions(),
        fields in vec((names(), values()), 0..4),
    ) {
        let mut plain = asked(version);
        plain.accept(Accept::new()).unwrap();
        let plain = HandshakeResponse::read(&plain.data_to_send());

        let (mut accept, mut given) = (Accept::new(), Vec::new());
        for (name, value) in fields {
            if let Ok(more) = accept.clone().header(&name, &value) {
                accept = more;
                // A response is read as Latin-1.
                given.push((name, value.bytes().map(char::from).collect::<String>()));
            }
        }
        let mut connection = asked(version);
        connection.accept(accept).unwrap();
        let answer = HandshakeResponse::read(&connection.data_to_send());
        assert_eq!(answer.fields, [plain.fields, given].concat());
        assert_eq!(answer.body, plain.body);
    }

    #[test]
    fn a_rejections_body_is_the_applications_reason(
        status in any::<u16>(),
        reason in values(),
        name in values(),
    ) {
        let mut connection = asked(Version::Rfc6455);
        connection.reject(Rejection::Application { status, reason: reason.clone() }).unwrap();
        let answer = HandshakeResponse::read(&connection.data_to_send());
        answer.assert_last();
        assert_eq!(answer.body, format!("{reason}\n").as_bytes());

        let mut connection = asked(Version::Rfc6455);
        connection.accept(Accept::new().subprotocol(name)).unwrap();
        assert_eq!(connection.state(), State::Rejected, "no subprotocol was offered");
        let answer = HandshakeResponse::read(&connection.data_to_send());
        answer.assert_last();
        assert_eq!(answer.status(), 500);
    }
}

fn names() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 7] = [
        "Set-Cookie",
        "Content-Type",
        "content-length",
        "Connection",
        "Sec-WebSocket-Accept",
        "X-A\r\nX-B",
        "",
    ];
    prop_oneof![
        select(&KNOWN[..]).prop_map(str::to_owned),
        "[!-~]{1,8}",
        ".{0,4}"
    ]
}

fn values() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 4] = ["a=b; Path=/", "a\r\nX-B: c", "a\nb", "a\r\n\r\nbody"];
    prop_oneof![
        select(&KNOWN[..]).prop_map(str::to_owned),
        "\\PC{0,12}",
        ".{0,6}"
    ]
}

/// A connection whose request waits for its response.
fn asked(version: Version) -> Connection {
    let mut connection = Connection::new(Config::default().into());
    connection.receive_data(&Head::of(version).bytes());
    assert_eq!(connection.next_event(), Some(Event::Request));
    connection
}
