//! One suite for every version. What is true of all five is claimed here, once; only what is true
//! of some has a place of its own.

use std::sync::Arc;

use stentor::protocol::{
    Accept, CloseCode, CloseFrame, Closing, Config, Connection, Ending, Event, Framing, Initiator,
    Message, Refusal, Response, State, Unsupported, Version, Versions, Violation,
};

use crate::support::{Answer, Driven, Head, KEY3, PROOF, bye, every_way, masked, text, written};

macro_rules! suite {
    ($($claim:ident)*) => {
        suite! { draft75: Draft75 $($claim)* }
        suite! { draft76: Draft76 $($claim)* }
        suite! { hybi07: Hybi07 $($claim)* }
        suite! { hybi08: Hybi08 $($claim)* }
        suite! { rfc6455: Rfc6455 $($claim)* }
    };
    ($name:ident: $version:ident $($claim:ident)*) => {
        mod $name {
            $(
                #[test]
                fn $claim() {
                    super::$claim(stentor::protocol::Version::$version);
                }
            )*
        }
    };
}

suite! {
    text_reaches_the_application
    text_comes_back
    empty_text_is_a_message
    messages_in_one_piece_come_in_order
    a_message_may_be_cut_anywhere
    a_handshake_may_be_cut_anywhere
    bytes_behind_the_handshake_are_the_first_message
    the_request_can_be_read
    a_cookie_goes_into_the_101
    a_version_that_is_not_allowed_is_refused
    a_request_is_answered_once
    the_application_can_refuse
    the_application_can_answer_with_a_page
    sending_before_the_handshake_waits_or_is_refused

    our_goodbye_is_answered_by_the_peer
    the_peers_goodbye_is_answered_by_us
    a_second_goodbye_is_not_sent
    nothing_is_sent_after_our_goodbye
    nothing_is_delivered_after_our_goodbye
    nothing_is_processed_after_the_peers_goodbye
    an_end_without_goodbye_is_clean_only_where_it_is_the_goodbye
    an_end_inside_a_message_is_not_clean
    an_end_instead_of_the_peers_goodbye_is_not_clean
    an_end_during_the_handshake_is_an_error
    hanging_up_behind_the_last_message_loses_none
    open_is_told_before_closed
    a_goodbye_that_may_not_be_sent_is_refused_everywhere

    a_message_may_have_as_many_bytes_as_the_limit
    the_default_limit_is_a_mebibyte
    a_long_message_is_refused_before_it_has_come
    what_is_only_announced_is_refused_on_its_header
    a_head_may_have_as_many_bytes_as_the_limit
    a_head_without_end_is_refused_at_the_limit
    a_head_may_have_as_many_fields_as_the_limit

    binary_is_carried_or_named_as_missing
    pings_are_carried_or_named_as_missing
    frames_of_unknown_kinds_are_skipped_or_refused
    every_first_byte_is_survived
}

fn text_reaches_the_application(version: Version) {
    let mut driven = Driven::ready(version);
    driven.receive(&text(version, "Hello"));
    assert_eq!(driven.events, [Event::Message("Hello".into())]);
    assert!(driven.output.is_empty());
}

fn text_comes_back(version: Version) {
    for word in ["Hello", "", "日本", "\0\u{7f}\u{80}\u{10ffff}", "\r\n\r\n"] {
        let mut driven = Driven::ready(version);
        driven.receive(&text(version, word)).echo();
        assert_eq!(driven.output, written(version, word));
    }
}

fn empty_text_is_a_message(version: Version) {
    let mut driven = Driven::ready(version);
    driven.receive(&text(version, "")).receive(&text(version, ""));
    assert_eq!(driven.texts(), ["", ""]);
}

fn messages_in_one_piece_come_in_order(version: Version) {
    let words = ["one", "", "three", "four"];
    let mut driven = Driven::ready(version);
    driven.receive(&words.map(|word| text(version, word)).concat());
    assert_eq!(driven.texts(), words);
    driven.echo();
    assert_eq!(driven.output, words.map(|word| written(version, word)).concat());
}

fn a_message_may_be_cut_anywhere(version: Version) {
    let words = ["Hellö, wörld", "日本", "\u{1f4ef}"];
    let bytes = words.map(|word| text(version, word)).concat();
    every_way(&[bytes], |how, pieces| {
        let mut driven = Driven::ready(version);
        for piece in pieces {
            driven.receive(piece);
        }
        assert_eq!(driven.texts(), words, "{how}");
    });
}

fn a_handshake_may_be_cut_anywhere(version: Version) {
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

fn bytes_behind_the_handshake_are_the_first_message(version: Version) {
    let bytes = [Head::of(version).bytes(), text(version, "first"), text(version, "second")].concat();
    every_way(&[bytes], |how, pieces| {
        let mut driven = Driven::new(&Config::default());
        for piece in pieces {
            driven.receive(piece);
        }
        assert_eq!(driven.texts(), ["first", "second"], "{how}");
    });
}

fn the_request_can_be_read(version: Version) {
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
    assert_eq!(request.field("X-OWN"), Some(&b"one"[..]));
    assert_eq!(request.all("X-Own").collect::<Vec<_>>(), [&b"one"[..], "two é".as_bytes()]);
    assert_eq!(request.fields().count(), head.field_count());
}

fn a_cookie_goes_into_the_101(version: Version) {
    let mut driven = Driven::new(&Config::default());
    driven.accept = Accept::new().field("Set-Cookie", "a=b; Path=/").unwrap();
    driven.receive(&Head::of(version).bytes());
    let answer = Answer::read(&driven.output);
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.field("Set-Cookie"), Some("a=b; Path=/"));
    assert_eq!(answer.body, if version == Version::Draft76 { &PROOF[..] } else { b"" });
}

fn a_version_that_is_not_allowed_is_refused(version: Version) {
    let mut config = Config::default();
    config.versions = Versions::ALL.without(version);
    let mut driven = Driven::new(&config);
    driven.receive(&Head::of(version).bytes());
    let answer = Answer::read(&driven.output);
    answer.assert_last();
    assert_eq!(answer.status(), 426);
    let numbers: Vec<String> = [13, 8, 7]
        .into_iter()
        .filter(|number| version.wire_number() != Some(*number))
        .map(|number| number.to_string())
        .collect();
    assert_eq!(answer.field("Sec-WebSocket-Version"), Some(numbers.join(", ").as_str()));
    assert_eq!(answer.field("Upgrade"), Some("websocket"));

    // Where no version has a number, there is none to name.
    config.versions = Versions::NONE;
    let mut driven = Driven::new(&config);
    driven.receive(&Head::of(version).bytes());
    let answer = Answer::read(&driven.output);
    assert_eq!((answer.status(), answer.field("Sec-WebSocket-Version")), (400, None));
}

fn a_request_is_answered_once(version: Version) {
    let mut connection = Connection::new(Arc::default());
    let now = |state| Err(Unsupported::Now(state));
    assert_eq!(connection.accept(Accept::new()), now(State::Opening));
    connection.receive_data(&Head::of(version).bytes());
    assert_eq!(connection.next_event(), Some(Event::Request));
    assert_eq!(connection.accept(Accept::new()), Ok(()));
    let state = connection.state();
    assert_eq!(connection.accept(Accept::new()), now(state));
    assert_eq!(connection.refuse(Refusal::Full), now(state));
    assert_eq!(connection.respond(Response::new(200)), now(state));
    assert_eq!(connection.next_event(), Some(Event::Open));
    assert_eq!(Answer::read(&connection.data_to_send()).status(), 101);
}

fn the_application_can_refuse(version: Version) {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(&Head::of(version).bytes());
    assert_eq!(connection.next_event(), Some(Event::Request));
    let refusal = Refusal::Application { status: 401, reason: "who are you?".to_owned() };
    connection.refuse(refusal.clone()).unwrap();
    assert_eq!(connection.next_event(), Some(Event::Refused(refusal)));
    assert_eq!(connection.next_event(), None);
    let answer = Answer::read(&connection.data_to_send());
    answer.assert_last();
    assert_eq!((answer.status(), &answer.body[..]), (401, &b"who are you?\n"[..]));
    assert_eq!(connection.state(), State::Rejected);
    assert_eq!(connection.close_expected(), Some(Ending::Linger));
}

fn the_application_can_answer_with_a_page(version: Version) {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(&[Head::of(version).bytes(), text(version, "unread")].concat());
    assert_eq!(connection.next_event(), Some(Event::Request));
    connection.respond(Response::html("<p>hello")).unwrap();
    assert_eq!(connection.next_event(), None);
    let answer = Answer::read(&connection.data_to_send());
    answer.assert_last();
    assert_eq!((answer.status(), &answer.body[..]), (200, &b"<p>hello"[..]));
}

fn sending_before_the_handshake_waits_or_is_refused(version: Version) {
    let mut driven = Driven::new(&Config::default());
    let early = Message::from("early");
    assert_eq!(driven.connection.send(&early), Err(Unsupported::Now(State::Opening)));
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

fn our_goodbye_is_answered_by_the_peer(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(Some(frame(1001, "bye"))).unwrap();
    driven.drain();
    let goodbye: &[u8] = match version.closing() {
        Closing::HangUp => b"",
        Closing::Marker => b"\xff\x00",
        Closing::Frame => b"\x88\x05\x03\xe9bye",
    };
    assert_eq!(driven.output, goodbye);
    if version.closing() != Closing::HangUp {
        assert!(!driven.is_closed());
        assert_eq!(driven.connection.close_expected(), Some(Ending::Await));
        let answer = match version.closing() {
            Closing::Frame => masked(0x88, b"\x03\xe9"),
            _ => bye(version),
        };
        driven.receive(&answer);
        assert_eq!(driven.output, goodbye, "answered the answer");
    }
    let closed = driven.closed();
    assert_eq!((closed.initiator, closed.clean), (Initiator::Us, true));
    assert_eq!(closed.code, CloseCode::GOING_AWAY);
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
    assert_eq!(driven.connection.state(), State::Closing);
}

fn the_peers_goodbye_is_answered_by_us(version: Version) {
    let mut driven = Driven::ready(version);
    driven.receive(&bye(version)).end();
    let closed = driven.closed();
    assert_eq!((closed.initiator, closed.clean), (Initiator::Peer, true));
    assert_eq!(closed.violation, None);
    let answer: &[u8] = match version.closing() {
        Closing::HangUp => b"",
        Closing::Marker => b"\xff\x00",
        Closing::Frame => b"\x88\x00",
    };
    assert_eq!(driven.output, answer);
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
}

fn a_second_goodbye_is_not_sent(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(None).unwrap();
    driven.drain().forget();
    driven.connection.close(None).unwrap();
    driven.drain();
    assert!(driven.output.is_empty());

    let mut driven = Driven::ready(version);
    driven.receive(&bye(version)).end().output.clear();
    driven.connection.close(Some(frame(1000, ""))).unwrap();
    driven.drain();
    assert!(driven.output.is_empty());

    // One that somebody else has written counts.
    let mut driven = Driven::ready(version);
    driven.connection.close_was_sent(None);
    driven.connection.close(None).unwrap();
    driven.drain().receive(&bye(version));
    assert!(driven.output.is_empty());
    assert_eq!((driven.closed().initiator, driven.closed().clean), (Initiator::Us, true));
}

fn nothing_is_sent_after_our_goodbye(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(None).unwrap();
    driven.drain().forget();
    let now = Err(Unsupported::Now(State::Closing));
    assert_eq!(driven.connection.send(&Message::from("late")), now);
    assert_eq!(driven.connection.ping(b"late"), now);
    driven.drain();
    assert!(driven.output.is_empty());
}

fn nothing_is_delivered_after_our_goodbye(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(None).unwrap();
    driven.receive(&[text(version, "on its way"), bye(version)].concat()).end();
    assert!(driven.texts().is_empty());
    assert!(driven.closed().clean);
}

fn nothing_is_processed_after_the_peers_goodbye(version: Version) {
    // Draft-75 says goodbye by hanging up; after that, only a bug can feed it.
    let mut driven = Driven::ready(version);
    if version.closing() == Closing::HangUp {
        driven.end().receive(&text(version, "late"));
    } else {
        driven.receive(&[bye(version), text(version, "late"), bye(version)].concat());
        driven.receive(&bye(version)).receive(b"\xff\xff\xff\xff").end();
    }
    assert_eq!(driven.events.len(), 1);
    assert!(driven.closed().clean);
    assert_eq!(driven.connection.state(), State::Closing);
    assert!(driven.output.len() <= 2, "answered twice");
}

fn an_end_without_goodbye_is_clean_only_where_it_is_the_goodbye(version: Version) {
    let mut driven = Driven::ready(version);
    driven.end();
    let closed = driven.closed();
    if version.closing() == Closing::HangUp {
        assert_eq!((closed.initiator, closed.clean), (Initiator::Peer, true));
        assert_eq!(driven.connection.state(), State::Closing);
    } else {
        assert_eq!((closed.initiator, closed.clean), (Initiator::Nobody, false));
        assert_eq!(closed.code, CloseCode::ABNORMAL);
        assert_eq!(driven.connection.state(), State::Error);
    }
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
    assert!(driven.output.is_empty());
}

fn an_end_inside_a_message_is_not_clean(version: Version) {
    let bytes = text(version, "never whole");
    for at in 1..bytes.len() {
        let mut driven = Driven::ready(version);
        driven.receive(&bytes[..at]).end();
        assert_eq!(driven.events.len(), 1, "cut at {at}");
        assert!(!driven.closed().clean, "cut at {at}");
    }
}

fn an_end_instead_of_the_peers_goodbye_is_not_clean(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(None).unwrap();
    driven.end();
    assert_eq!(driven.closed().initiator, Initiator::Us);
    assert_eq!(driven.closed().clean, version.closing() == Closing::HangUp);
    assert_eq!(driven.connection.state(), State::Closing);
}

fn an_end_during_the_handshake_is_an_error(version: Version) {
    let bytes = Head::of(version).bytes();
    for at in 0..bytes.len() {
        let mut driven = Driven::new(&Config::default());
        driven.receive(&bytes[..at]).end();
        assert_eq!(driven.connection.state(), State::Error, "cut at {at}");
        assert_eq!(driven.connection.close_expected(), Some(Ending::Linger), "cut at {at}");
        assert!(!driven.is_closed(), "it was never open");
    }
}

fn hanging_up_behind_the_last_message_loses_none(version: Version) {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(&[Head::of(version).bytes(), text(version, "last")].concat());
    connection.receive_eof();
    assert_eq!(connection.next_event(), Some(Event::Request));
    connection.accept(Accept::new()).unwrap();
    assert_eq!(connection.next_event(), Some(Event::Open));
    assert_eq!(connection.next_event(), Some(Event::Message("last".into())));
    assert!(matches!(connection.next_event(), Some(Event::Closed(_))));
    assert_eq!(connection.next_event(), None);
}

fn open_is_told_before_closed(version: Version) {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(&Head::of(version).bytes());
    assert_eq!(connection.next_event(), Some(Event::Request));
    connection.accept(Accept::new()).unwrap();
    // Draft-76 is not open yet: its close is a failure, and it never was.
    connection.close(None).unwrap();
    connection.receive_data(&bye(version));
    connection.receive_eof();
    let mut events = std::iter::from_fn(|| connection.next_event());
    if version == Version::Draft76 {
        assert_eq!(events.next(), None);
    } else {
        assert_eq!(events.next(), Some(Event::Open));
        assert!(matches!(events.next(), Some(Event::Closed(_))));
    }
}

fn a_goodbye_that_may_not_be_sent_is_refused_everywhere(version: Version) {
    let mut driven = Driven::ready(version);
    let connection = &mut driven.connection;
    for code in [0, 999, 1005, 1006, 1015, 2999, 5000, 65535] {
        assert_eq!(connection.close(Some(frame(code, ""))), Err(Unsupported::CloseCode(code)));
    }
    let long = "x".repeat(124);
    assert_eq!(connection.close(Some(frame(1000, &long))), Err(Unsupported::TooLong(124)));
    assert_eq!(connection.state(), State::Ready);
    assert!(connection.data_to_send().is_empty());
    assert_eq!(connection.close(Some(frame(1000, &long[1..]))), Ok(()));
}

fn a_message_may_have_as_many_bytes_as_the_limit(version: Version) {
    let mut config = Config::default();
    for limit in [0, 1, 125, 126, 65535, 65536] {
        config.limits.message = limit;
        for len in [limit.saturating_sub(1), limit, limit + 1] {
            let word = "x".repeat(len);
            let mut driven = Driven::ready_with(version, &config);
            driven.receive(&text(version, &word));
            if len <= limit {
                assert_eq!(driven.texts(), [word.as_str()], "{len} of {limit}");
            } else {
                let violation = Some(Violation::MessageTooLarge(limit));
                assert_eq!(driven.closed().violation, violation, "{len} of {limit}");
                assert_eq!(driven.connection.state(), State::Error);
            }
        }
    }
}

fn the_default_limit_is_a_mebibyte(version: Version) {
    const MEBIBYTE: usize = 1024 * 1024;
    let word = "x".repeat(MEBIBYTE);
    let mut driven = Driven::ready(version);
    for piece in text(version, &word).chunks(64 * 1024) {
        driven.receive(piece);
    }
    assert_eq!(driven.texts(), [word.as_str()]);
    driven.receive(&text(version, &format!("{word}x")));
    assert_eq!(driven.closed().violation, Some(Violation::MessageTooLarge(MEBIBYTE)));
}

fn a_long_message_is_refused_before_it_has_come(version: Version) {
    let mut config = Config::default();
    config.limits.message = 10;
    let bytes = text(version, "eleven byte");
    // Without its last byte, and without all that follows the header where there is one.
    let enough = match version.framing() {
        Framing::Hixie => bytes.len() - 1,
        Framing::Hybi => 2,
    };
    let mut driven = Driven::ready_with(version, &config);
    driven.receive_bytewise(&bytes[..enough - 1]);
    assert!(!driven.is_closed());
    driven.receive(&bytes[enough - 1..enough]);
    assert_eq!(driven.closed().violation, Some(Violation::MessageTooLarge(10)));
}

fn what_is_only_announced_is_refused_on_its_header(version: Version) {
    match version.framing() {
        Framing::Hixie => {
            for digits in [&[0xc0, 0x80, 0x80, 0x00][..], &[0xff; 9], &[0x81, 0x80, 0x80, 0x80]] {
                let mut driven = Driven::ready(version);
                driven.receive(&[&[0x80], digits].concat());
                let limit = Config::default().limits.message;
                assert_eq!(driven.closed().violation, Some(Violation::SkipTooLarge(limit)));
            }
        }
        Framing::Hybi => {
            for len in [1_u64 << 20 | 1, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX] {
                let mut driven = Driven::ready(version);
                driven.receive(&[&[0x82, 0xff][..], &len.to_be_bytes()].concat());
                let expected = match len >> 63 {
                    0 => Violation::MessageTooLarge(Config::default().limits.message),
                    _ => Violation::LengthTopBit(len),
                };
                assert_eq!(driven.closed().violation, Some(expected), "{len}");
            }
        }
    }
}

fn a_head_may_have_as_many_bytes_as_the_limit(version: Version) {
    for limit in [1000, Config::default().limits.head_bytes] {
        let mut config = Config::default();
        config.limits.head_bytes = limit;
        for len in [limit - 1, limit, limit + 1] {
            let head = Head::of(version).filled_to(len);
            assert_eq!(head.head().len(), len);
            let behind = text(version, "what follows is no head");
            let bytes = [head.bytes(), behind].concat();
            let pieces = |size| bytes.chunks(size);
            for pieces in [pieces(bytes.len()), pieces(100)] {
                let mut driven = Driven::new(&config);
                pieces.for_each(|piece| {
                    driven.receive(piece);
                });
                if len <= limit {
                    assert_eq!(driven.texts(), ["what follows is no head"], "{len} of {limit}");
                } else {
                    assert_eq!(*driven.refused(), Refusal::HeadTooLarge(limit));
                    let answer = Answer::read(&driven.output);
                    answer.assert_last();
                    assert_eq!(answer.status(), 431);
                }
            }
        }
    }
}

fn a_head_without_end_is_refused_at_the_limit(version: Version) {
    let mut config = Config::default();
    config.limits.head_bytes = 1000;
    let bytes = Head::of(version).filled_to(2000).head();
    let mut driven = Driven::new(&config);
    driven.receive_bytewise(&bytes[..999]);
    assert!(driven.events.is_empty());
    driven.receive(&bytes[999..1000]);
    assert_eq!(*driven.refused(), Refusal::HeadTooLarge(1000));
}

fn a_head_may_have_as_many_fields_as_the_limit(version: Version) {
    for limit in [20, Config::default().limits.head_fields] {
        let mut config = Config::default();
        config.limits.head_fields = limit;
        for count in [limit - 1, limit, limit + 1] {
            let mut head = Head::of(version);
            while head.field_count() < count {
                head = head.with("X-More", "");
            }
            let mut driven = Driven::new(&config);
            driven.receive(&head.bytes());
            if count <= limit {
                assert_eq!(driven.connection.state(), State::Ready, "{count} of {limit}");
            } else {
                assert_eq!(*driven.refused(), Refusal::TooManyFields(limit));
                assert_eq!(Answer::read(&driven.output).status(), 431);
            }
        }
    }
}

fn binary_is_carried_or_named_as_missing(version: Version) {
    let bytes = vec![0x00, 0xff, 0xc0];
    let message = Message::from(bytes.clone());
    let mut driven = Driven::ready(version);
    let sent = driven.connection.send(&message);
    driven.drain();
    if version.has_binary() {
        assert_eq!(sent, Ok(()));
        assert_eq!(driven.output, b"\x82\x03\x00\xff\xc0");
        driven.receive(&masked(0x82, &bytes));
        assert_eq!(driven.events, [Event::Message(message)]);
    } else {
        assert_eq!(sent, Err(Unsupported::ByVersion { version, what: "binary messages" }));
        assert!(driven.output.is_empty());
        assert_eq!(driven.connection.state(), State::Ready);
    }
}

fn pings_are_carried_or_named_as_missing(version: Version) {
    let mut driven = Driven::ready(version);
    let sent = driven.connection.ping(b"there?");
    driven.drain();
    if version.has_ping() {
        assert_eq!(sent, Ok(()));
        assert_eq!(driven.output, b"\x89\x06there?");
        driven.forget();
        driven.receive(&[masked(0x8a, b"there?"), masked(0x89, b"you?")].concat());
        assert_eq!(driven.events, [Event::Pong(b"there?".to_vec()), Event::Ping(b"you?".to_vec())]);
        assert_eq!(driven.output, b"\x8a\x04you?");
        assert_eq!(driven.connection.ping(&[0; 126]), Err(Unsupported::TooLong(126)));
    } else {
        assert_eq!(sent, Err(Unsupported::ByVersion { version, what: "ping and pong" }));
        assert!(driven.output.is_empty());
    }
    assert_eq!(driven.connection.state(), State::Ready);
}

fn frames_of_unknown_kinds_are_skipped_or_refused(version: Version) {
    match version.framing() {
        Framing::Hixie => {
            let mut config = Config::default();
            for fail in [false, true] {
                config.fail_on_unknown_frames = fail;
                for kind in 0x01..=0xfe {
                    let frame = match kind {
                        ..0x80 => vec![kind, b'x', 0xff],
                        0x80.. => vec![kind, 0x01, b'x'],
                    };
                    let mut driven = Driven::ready_with(version, &config);
                    driven.receive(&[frame, text(version, "Hi")].concat());
                    if fail {
                        let violation = Some(Violation::UnknownFrameType(kind));
                        assert_eq!(driven.closed().violation, violation);
                    } else {
                        assert_eq!(driven.texts(), ["Hi"], "{kind:#x}");
                    }
                }
            }
        }
        Framing::Hybi => {
            for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
                let mut driven = Driven::ready(version);
                driven.receive(&masked(0x80 | opcode, b""));
                assert_eq!(driven.closed().violation, Some(Violation::ReservedOpcode(opcode)));
                assert_eq!(driven.output, b"\x88\x02\x03\xea");
            }
        }
    }
}

/// Every two first bytes behind the handshake, with some more behind them.
fn every_first_byte_is_survived(version: Version) {
    for first in 0..=0xff {
        for second in [0x00, 0x01, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0xfd, 0xfe, 0xff] {
            let mut driven = Driven::ready(version);
            driven.receive(&[first, second]).receive(&[second; 20]).end();
            assert!(driven.is_closed());
            assert!(driven.connection.state().is_over());
            assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
        }
    }
}

fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code: CloseCode::new(code), reason: reason.to_owned() }
}
