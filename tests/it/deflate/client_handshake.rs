//! The client's side: the offers, the responses that are accepted, and both engines together.

use stentor::protocol::{ClientRequest, Config, Event, HandshakeError};
use stentor::{Connector, Deflate};
use stentor::{Message, Version};

use super::{Unzip, config, noise, server, words};
use crate::support::{Driven, HandshakeResponse, Loopback, echo};

const FIELD: &str = "Sec-WebSocket-Extensions";

fn takeover() -> Deflate {
    Deflate::new().send_takeover(true).receive_takeover(true)
}

fn client(version: Version, config: &Config) -> Driven {
    let request = ClientRequest::to("ws://example.com/demo").unwrap();
    Driven::client_with(&request.version(version), config)
}

/// Returns the offer made with these settings.
fn offered(version: Version, config: &Config) -> Option<String> {
    let request = String::from_utf8_lossy(&client(version, config).output).into_owned();
    let mut lines = request.lines().filter_map(|line| line.strip_prefix(FIELD));
    let words = lines.next()?.strip_prefix(": ").map(str::to_owned);
    assert_eq!(lines.next(), None);
    words
}

/// A client that received a response with these extensions.
fn answered(version: Version, config: &Config, extensions: &[&str]) -> Driven {
    let mut driven = client(version, config);
    let mut answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        .to_owned();
    for extension in extensions {
        answer += &format!("{FIELD}: {extension}\r\n");
    }
    driven.forget();
    driven.receive(format!("{answer}\r\n").as_bytes());
    driven
}

#[test]
fn the_offer_is_the_one_that_the_settings_need_and_allow() {
    let cases = [
        (
            Deflate::new(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             client_max_window_bits",
        ),
        (takeover(), "permessage-deflate; client_max_window_bits"),
        (
            takeover().send_takeover(false),
            "permessage-deflate; client_no_context_takeover; client_max_window_bits",
        ),
        (
            takeover().receive_takeover(false),
            "permessage-deflate; server_no_context_takeover; client_max_window_bits",
        ),
        (
            takeover().receive_window(10).send_window(11),
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
        ),
    ];
    for (deflate, expected) in cases {
        for version in Version::ALL {
            let expected = (version == Version::Rfc6455).then_some(expected);
            let words = offered(version, &config(deflate));
            assert_eq!(words.as_deref(), expected, "{version}: {deflate:?}");
        }
    }
    assert_eq!(offered(Version::Rfc6455, &Config::default()), None);
}

#[test]
fn responses_within_the_offer_are_accepted() {
    let cases: [(Deflate, &[&str]); 13] = [
        (takeover(), &[]),
        (takeover(), &[""]),
        (takeover(), &[" , "]),
        (takeover(), &["permessage-deflate"]),
        (takeover(), &["permessage-deflate,"]),
        (
            takeover(),
            &["permessage-deflate; server_no_context_takeover"],
        ),
        (
            takeover(),
            &["permessage-deflate; client_no_context_takeover"],
        ),
        // A server may state the size of its window unasked (RFC 7692 §7.1.2.1).
        (
            takeover(),
            &["permessage-deflate; server_max_window_bits=8"],
        ),
        (
            takeover(),
            &["permessage-deflate; client_max_window_bits=\"15\""],
        ),
        (
            takeover(),
            &["permessage-deflate; client_max_window_bits=8"],
        ),
        (
            takeover().send_window(11).receive_window(10),
            &["permessage-deflate; server_max_window_bits=10; client_max_window_bits=11"],
        ),
        (
            takeover().send_window(11).receive_window(10),
            &["permessage-deflate; server_max_window_bits=9"],
        ),
        (
            Deflate::new(),
            &["permessage-deflate; server_no_context_takeover"],
        ),
    ];
    for (deflate, extensions) in cases {
        let driven = answered(Version::Rfc6455, &config(deflate), extensions);
        assert_eq!(driven.events, [Event::Open], "{extensions:?}");
    }
}

#[test]
fn responses_beyond_the_offer_fail_the_connection() {
    let bounded = takeover().send_window(11).receive_window(10);
    let cases: [(Deflate, &str); 25] = [
        (takeover(), "permessage-bzip2"),
        (takeover(), "Permessage-Deflate"),
        (takeover(), "deflate-stream"),
        (takeover(), "permessage-deflate, permessage-deflate"),
        (takeover(), "permessage-deflate, foo"),
        (takeover(), "permessage-deflate; foo"),
        (takeover(), "permessage-deflate;"),
        (
            takeover(),
            "permessage-deflate; server_no_context_takeover=1",
        ),
        (
            takeover(),
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        ),
        (takeover(), "permessage-deflate; server_max_window_bits"),
        (takeover(), "permessage-deflate; server_max_window_bits=7"),
        (takeover(), "permessage-deflate; server_max_window_bits=16"),
        (takeover(), "permessage-deflate; server_max_window_bits=010"),
        (
            takeover(),
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        ),
        (takeover(), "permessage-deflate; client_max_window_bits"),
        (takeover(), "permessage-deflate; client_max_window_bits=7"),
        (takeover(), "permessage-deflate; client_max_window_bits=16"),
        (takeover(), "permessage-deflate; client_max_window_bits=\"1"),
        // Requested, and not confirmed.
        (Deflate::new(), "permessage-deflate"),
        (
            Deflate::new(),
            "permessage-deflate; client_no_context_takeover",
        ),
        (bounded, "permessage-deflate"),
        // More than was allowed.
        (bounded, "permessage-deflate; server_max_window_bits=11"),
        (
            bounded,
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12",
        ),
        (
            bounded,
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=15",
        ),
        (bounded, "permessage-deflate; client_max_window_bits=11"),
    ];
    for (deflate, extension) in cases {
        let config = config(deflate);
        let driven = answered(Version::Rfc6455, &config, &[extension]);
        let expected = HandshakeError::NotOffered {
            header: FIELD,
            found: extension.replace('"', "\\\""),
            offered: offered(Version::Rfc6455, &config).unwrap(),
        };
        assert_eq!(driven.declined(), &expected);
    }
}

#[test]
fn an_extension_that_was_not_offered_at_all_fails_the_connection() {
    let not_offered = |found: &str| HandshakeError::NotOffered {
        header: FIELD,
        found: found.to_owned(),
        offered: String::new(),
    };
    let found = "permessage-deflate";
    for version in [Version::Hybi07, Version::Hybi08] {
        let driven = answered(version, &config(takeover()), &[found]);
        assert_eq!(driven.declined(), &not_offered(found), "{version}");
    }
    let driven = answered(Version::Rfc6455, &Config::default(), &[found]);
    assert_eq!(driven.declined(), &not_offered(found));
    let driven = answered(Version::Rfc6455, &config(takeover()), &[found, found]);
    assert_eq!(driven.declined(), &HandshakeError::Duplicate(FIELD));
}

/// Moves all pending output of either side to the other.
fn exchange(client: &mut Driven, server: &mut Driven) {
    loop {
        let to_server = std::mem::take(&mut client.drain().output);
        let to_client = std::mem::take(&mut server.drain().output);
        if to_server.is_empty() && to_client.is_empty() {
            return;
        }
        server.receive(&to_server);
        client.receive(&to_client);
    }
}

#[test]
fn both_engines_understand_each_other_with_all_settings() {
    let both = [false, true];
    let wishes = || {
        both.into_iter().flat_map(move |send| {
            both.into_iter().flat_map(move |receive| {
                [9, 12, 15].into_iter().map(move |bits| {
                    let deflate = Deflate::new().threshold(0).send_window(bits);
                    let deflate = deflate.receive_window(24 - bits);
                    deflate.send_takeover(send).receive_takeover(receive)
                })
            })
        })
    };
    let mut compressed = 0;
    for (asks, answers) in wishes().flat_map(|asks| wishes().map(move |other| (asks, other))) {
        let mut client = client(Version::Rfc6455, &config(asks));
        let mut server = Driven::new(&config(answers));
        exchange(&mut client, &mut server);
        assert_eq!(client.events, [Event::Open], "{asks:?} {answers:?}");
        for number in 0..4 {
            client.forget();
            server.forget();
            let message = Message::from(words(number % 2, 700 * number));
            client.connection.send(&message).unwrap();
            server.connection.send(&message).unwrap();
            compressed += u32::from(client.drain().output[0] == 0xc1);
            exchange(&mut client, &mut server);
            let expected = [Event::Message(message)];
            assert_eq!(server.events, expected, "{asks:?} {answers:?}");
            assert_eq!(client.events, expected, "{asks:?} {answers:?}");
        }
    }
    // All except the empty messages; and those with context takeover.
    assert_eq!(compressed, 144 * 3 + 36);
}

#[test]
fn a_window_of_8_bits_makes_a_client_send_plain_messages() {
    let extension = "permessage-deflate; client_max_window_bits=8";
    let mut driven = answered(Version::Rfc6455, &config(takeover()), &[extension]);
    driven.connection.send(&words(1, 1000).into()).unwrap();
    assert_eq!(driven.drain().output[0], 0x81);
    let mut driven = answered(
        Version::Rfc6455,
        &config(takeover()),
        &["permessage-deflate"],
    );
    driven.connection.send(&words(1, 1000).into()).unwrap();
    let frame = &driven.drain().output;
    assert_eq!((frame[0], frame[1] & 0x80), (0xc1, 0x80));
    let payload: Vec<u8> = match frame[1] & 0x7f {
        126 => unmasked(&frame[4..]),
        _ => unmasked(&frame[2..]),
    };
    assert_eq!(Unzip::new(15).message(&payload), words(1, 1000).as_bytes());
}

fn unmasked(bytes: &[u8]) -> Vec<u8> {
    let (key, payload) = bytes.split_at(4);
    let key = key.iter().cycle();
    payload
        .iter()
        .zip(key)
        .map(|(byte, key)| byte ^ key)
        .collect()
}

#[test]
fn a_client_and_a_server_exchange_compressed_messages() {
    for deflate in [Deflate::new(), takeover()] {
        let server = Loopback::run(server(deflate), echo);
        let url = format!("ws://{}/", server.address);
        let connector = Connector::new().deflate(deflate);
        let mut socket = connector.connect(&url).unwrap();
        let answer = socket.response().header_str(FIELD).map(str::to_owned);
        assert!(answer.unwrap().starts_with("permessage-deflate"));
        for number in 0..20 {
            let message = Message::from(words(number % 3, 100 * number));
            socket.send(message.clone()).unwrap();
            assert_eq!(socket.recv().unwrap(), Some(message));
        }
        let binary = Message::from(noise(300_000));
        socket.send(binary.clone()).unwrap();
        assert!(socket.recv().unwrap() == Some(binary));
        let bytes = server.handle.counters().bytes_in;
        assert!(bytes < 310_000, "{bytes} bytes");
    }
}

#[test]
fn messages_from_many_threads_share_one_context_without_confusing_it() {
    const EACH: usize = 100;
    let server = Loopback::run(server(takeover()), echo);
    let url = format!("ws://{}/", server.address);
    let connector = Connector::new().deflate(takeover().level(1));
    let mut socket = connector.connect(&url).unwrap();
    let texts = [0, 1, 2].map(|side| words(side, 300));
    let mut received = [0; 3];
    std::thread::scope(|scope| {
        for text in &texts {
            let sender = socket.sender();
            scope.spawn(move || (0..EACH).for_each(|_| sender.send(&**text).unwrap()));
        }
        for _ in 0..3 * EACH {
            let message = socket.recv().unwrap();
            let text = message.as_ref().and_then(Message::as_text);
            let side = texts.iter().position(|own| Some(own.as_str()) == text);
            received[side.expect("one of the texts")] += 1;
        }
    });
    assert_eq!(received, [EACH; 3]);
}

#[test]
fn an_offer_that_is_not_accepted_changes_nothing() {
    let server = Loopback::echo(stentor::Server::builder());
    let url = format!("ws://{}/", server.address);
    let mut socket = Connector::new()
        .deflate(Deflate::new())
        .connect(&url)
        .unwrap();
    assert_eq!(socket.response().header_str(FIELD), None);
    socket.send(words(1, 1000)).unwrap();
    assert_eq!(socket.recv().unwrap(), Some(words(1, 1000).into()));
}

/// Checks that the two halves of this suite understand the header in the same way.
#[test]
fn the_default_offer_is_answered_with_all_that_it_requests() {
    let config = config(Deflate::new());
    let offer = offered(Version::Rfc6455, &config).unwrap();
    let mut driven = Driven::new(&config);
    driven.receive(&super::head(Version::Rfc6455, &[&offer]).bytes());
    let words = HandshakeResponse::read(&driven.output)
        .header(FIELD)
        .map(str::to_owned);
    let expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(words.as_deref(), Some(expected));
}
