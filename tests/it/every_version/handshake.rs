//! The handshake, from the first byte to `Open`.

use std::sync::Arc;

use stentor::protocol::{Config, Connection, Ending, Event, Rejection, SendError, State};
use stentor::{Accept, Message, Response, Version, Versions};

use crate::support::{Driven, HandshakeResponse, Head, KEY3, PROOF, every_way, text, written};

pub(super) fn a_handshake_may_be_cut_anywhere(version: Version) {
    let mut whole = Driven::new(&Config::default());
    whole.receive(&Head::of(version).bytes());
    every_way(&[Head::of(version).bytes()], |how, pieces| {
        let mut driven = Driven::new(&Config::default());
        for piece in pieces {
            assert_eq!(driven.connection.close_expected(), None);
            driven.receive(piece);
        }
        assert_eq!(driven.output, whole.output, "{how}");
        assert_eq!(driven.connection.state(), State::Ready, "{how}");
    });
}

pub(super) fn bytes_behind_the_handshake_are_the_first_message(version: Version) {
    let bytes = [
        Head::of(version).bytes(),
        text(version, "first"),
        text(version, "second"),
    ]
    .concat();
    every_way(&[bytes], |how, pieces| {
        let mut driven = Driven::new(&Config::default());
        for piece in pieces {
            driven.receive(piece);
        }
        assert_eq!(driven.texts(), ["first", "second"], "{how}");
    });
}

pub(super) fn the_request_can_be_read(version: Version) {
    let head = Head::of(version)
        .line("GET /a/%2e?b=c?d&e HTTP/1.1")
        .with("X-Own", "one")
        .with("x-own", "two \u{e9}");
    let mut driven = Driven::new(&Config::default());
    driven.receive(&head.bytes());
    let request = driven.connection.request().unwrap();
    assert_eq!(request.version(), Some(version));
    assert_eq!(request.target(), "/a/%2e?b=c?d&e");
    assert_eq!(request.path(), "/a/%2e");
    assert_eq!(request.query(), Some("b=c?d&e"));
    assert_eq!(request.origin(), Some("http://example.com"));
    assert_eq!(request.header("X-OWN"), Some(&b"one"[..]));
    assert_eq!(
        request.header_values("X-Own").collect::<Vec<_>>(),
        [&b"one"[..], "two é".as_bytes()]
    );
    assert_eq!(request.headers().count(), head.field_count());
}

pub(super) fn a_cookie_goes_into_the_101(version: Version) {
    let mut driven = Driven::new(&Config::default());
    driven.accept = Accept::new().header("Set-Cookie", "a=b; Path=/").unwrap();
    driven.receive(&Head::of(version).bytes());
    let answer = HandshakeResponse::read(&driven.output);
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("Set-Cookie"), Some("a=b; Path=/"));
    assert_eq!(
        answer.body,
        if version == Version::Draft76 {
            &PROOF[..]
        } else {
            b""
        }
    );
}

pub(super) fn a_version_that_is_not_allowed_is_refused(version: Version) {
    let mut config = Config::default();
    config.versions = Versions::ALL.without(version);
    let mut driven = Driven::new(&config);
    driven.receive(&Head::of(version).bytes());
    let answer = HandshakeResponse::read(&driven.output);
    answer.assert_last();
    assert_eq!(answer.status(), 426);
    let numbers: Vec<String> = [13, 8, 7]
        .into_iter()
        .filter(|number| version.wire_number() != Some(*number))
        .map(|number| number.to_string())
        .collect();
    assert_eq!(
        answer.header("Sec-WebSocket-Version"),
        Some(numbers.join(", ").as_str())
    );
    assert_eq!(answer.header("Upgrade"), Some("websocket"));

    // If no version has a number, there is none to name.
    config.versions = Versions::NONE;
    let mut driven = Driven::new(&config);
    driven.receive(&Head::of(version).bytes());
    let answer = HandshakeResponse::read(&driven.output);
    assert_eq!(
        (answer.status(), answer.header("Sec-WebSocket-Version")),
        (400, None)
    );
}

pub(super) fn a_request_is_answered_once(version: Version) {
    let mut connection = Connection::new(Arc::default());
    let now = |state| Err(SendError::WrongState(state));
    assert_eq!(connection.accept(Accept::new()), now(State::Opening));
    connection.receive_data(&Head::of(version).bytes());
    assert_eq!(connection.next_event(), Some(Event::Request));
    assert_eq!(connection.accept(Accept::new()), Ok(()));
    let state = connection.state();
    assert_eq!(connection.accept(Accept::new()), now(state));
    assert_eq!(connection.reject(Rejection::Full), now(state));
    assert_eq!(connection.respond(Response::new(200)), now(state));
    assert_eq!(connection.next_event(), Some(Event::Open));
    assert_eq!(
        HandshakeResponse::read(&connection.data_to_send()).status(),
        101
    );
}

pub(super) fn the_application_can_refuse(version: Version) {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(&Head::of(version).bytes());
    assert_eq!(connection.next_event(), Some(Event::Request));
    let rejection = Rejection::Application {
        status: 401,
        reason: "who are you?".to_owned(),
    };
    connection.reject(rejection.clone()).unwrap();
    assert_eq!(connection.next_event(), Some(Event::Rejected(rejection)));
    assert_eq!(connection.next_event(), None);
    let answer = HandshakeResponse::read(&connection.data_to_send());
    answer.assert_last();
    assert_eq!(
        (answer.status(), &answer.body[..]),
        (401, &b"who are you?\n"[..])
    );
    assert_eq!(connection.state(), State::Rejected);
    assert_eq!(connection.close_expected(), Some(Ending::Linger));
}

pub(super) fn the_application_can_answer_with_a_page(version: Version) {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(&[Head::of(version).bytes(), text(version, "unread")].concat());
    assert_eq!(connection.next_event(), Some(Event::Request));
    connection.respond(Response::html("<p>hello")).unwrap();
    assert_eq!(connection.next_event(), None);
    let answer = HandshakeResponse::read(&connection.data_to_send());
    answer.assert_last();
    assert_eq!((answer.status(), &answer.body[..]), (200, &b"<p>hello"[..]));
}

pub(super) fn sending_before_the_handshake_waits_or_is_refused(version: Version) {
    let mut driven = Driven::new(&Config::default());
    let early = Message::from("early");
    assert_eq!(
        driven.connection.send(&early),
        Err(SendError::WrongState(State::Opening))
    );
    driven.receive(&Head::of(version).head()).forget();
    driven.connection.send(&early).unwrap();
    driven.drain();
    if version == Version::Draft76 {
        assert!(driven.output.is_empty(), "a frame before the proof");
        driven.receive(&[KEY3, &text(version, "late")[..]].concat());
        assert!(driven.output.starts_with(PROOF));
        driven.output.drain(..PROOF.len());
        assert_eq!(driven.texts(), ["late"]);
    }
    assert_eq!(driven.output, written(version, "early"));
}
