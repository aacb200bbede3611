//! A client and a server of this library agree, whatever requests, messages and random bytes there
//! are; and a client survives every response.

use std::cell::Cell;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::{Index, select};
use stentor::protocol::{ClientRequest, Config, Connection, Event, State};
use stentor::{Accept, Version};

use super::always_the_same;
use super::said::{messages, versions};
use super::stream::pieces;
use crate::client_handshake::request;
use crate::support::{Driven, Head};

thread_local!(static SEED: Cell<u64> = const { Cell::new(0) });

/// Marsaglia's xorshift, from the seed of the case that is tried.
fn drawn(bytes: &mut [u8]) {
    for byte in bytes {
        let mut seed = SEED.get() | 1;
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        SEED.set(seed);
        *byte = (seed >> 32) as u8;
    }
}

/// A client that has sent its request, and received these pieces, and then no more.
fn received(version: Version, pieces: &[&[u8]]) -> Driven {
    let mut client = Driven::client(&request(version));
    for piece in pieces {
        client.receive(piece);
    }
    client.end();
    client
}

fn assert_alike(version: Version, bytes: &[u8], cuts: &[Index]) {
    let whole = received(version, &[bytes]);
    for other in [
        received(version, &pieces(bytes, cuts)),
        received(version, &bytes.chunks(1).collect::<Vec<_>>()),
    ] {
        assert_eq!(other.events, whole.events);
        assert_eq!(other.output, whole.output);
        assert_eq!(other.transitions, whole.transitions);
    }
    assert!(
        whole.connection.state().is_over(),
        "{}",
        whole.connection.state()
    );
}

/// Lines of responses, right and wrong.
const LINES: [&str; 18] = [
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.1 101 Web Socket Protocol Handshake",
    "HTTP/1.1 101 WebSocket Protocol Handshake",
    "HTTP/1.1 100 Continue",
    "HTTP/1.0 404",
    "Upgrade: WebSocket",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "WebSocket-Origin: http://example.com",
    "WebSocket-Location: ws://example.com/demo",
    "Sec-WebSocket-Origin: http://example.com",
    "Sec-WebSocket-Location: ws://example.com/demo",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "Sec-WebSocket-Protocol: a",
    "Content-Length: 4",
    "Transfer-Encoding: chunked",
    "4",
    "",
];

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn a_client_and_a_server_agree_on_every_request(
        version in versions(),
        seed in any::<u64>(),
        secure in any::<bool>(),
        host in "[a-zA-Z0-9]([a-zA-Z0-9.-]{0,10}[a-zA-Z0-9])?|\\[::[0-9a-f]{1,4}\\]",
        port in option::of(1..=u16::MAX),
        resource in "(/[!$-Z_-~äß👋]{0,10})?(\\?[!$-Z_-~]{0,10})?",
        origin in option::of("https?://[a-z]{1,8}(:[1-9][0-9]{0,3})?"),
        subprotocols in vec("[a-z]{1,4}", 0..3),
        cookie in "[!#-+--:<-~]{0,8}",
        cuts in vec(any::<Index>(), 0..6),
    ) {
        SEED.set(seed);
        let scheme = if secure { "wss" } else { "ws" };
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let url = format!("{scheme}://{host}{port}{resource}");
        let mut asked = ClientRequest::to(&url).unwrap().version(version);
        if let Some(origin) = origin {
            asked = asked.origin(origin.parse().unwrap());
        }
        let mut offered: Vec<String> = Vec::new();
        for name in subprotocols {
            if let Ok(more) = asked.clone().subprotocols([&name]) {
                asked = more;
                offered.push(name);
            }
        }
        asked = asked.cookie("session", &cookie).unwrap();

        let mut config = Config::default();
        config.behind_tls = secure;
        config.subprotocols = offered.clone();
        config.subprotocols.reverse();
        let config = Arc::new(config);
        let mut client = Connection::client(Arc::clone(&config), &asked, drawn);
        let mut server = Driven::new(&config);
        server.accept = Accept::new().header("Set-Cookie", "a=b").unwrap();
        let request = client.data_to_send();
        for piece in pieces(&request, &cuts) {
            server.receive(piece);
        }
        assert_eq!(server.events, [Event::Request, Event::Open]);
        let seen = server.connection.request().unwrap();
        assert_eq!(seen.target(), asked.target());
        assert_eq!(seen.cookie("session"), Some(cookie.trim_matches('"')));
        for piece in pieces(&server.output, &cuts) {
            client.receive_data(piece);
        }
        assert_eq!(client.next_event(), Some(Event::Open));
        let agreed = offered.first().map(String::as_str);
        assert_eq!(client.subprotocol(), agreed);
        assert_eq!(server.connection.subprotocol(), agreed);
        assert_eq!(client.response().unwrap().header_str("set-cookie"), Some("a=b"));
    }

    #[test]
    fn each_side_receives_the_messages_of_the_other(
        version in versions(),
        seed in any::<u64>(),
        said in vec((any::<bool>(), messages()), 0..4),
        ping in vec(any::<u8>(), 0..=125),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        SEED.set(seed);
        let config = Arc::new(Config::default());
        let mut client = Connection::client(Arc::clone(&config), &request(version), drawn);
        let mut server = Driven::new(&config);
        server.receive(&client.data_to_send());
        client.receive_data(&server.output);
        assert_eq!(client.next_event(), Some(Event::Open));
        server.forget();
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        for (by_client, message) in said {
            let (sent, expected) = match by_client {
                true => (client.send(&message), &mut to_server),
                false => (server.connection.send(&message), &mut to_client),
            };
            let carried = version.has_binary() || !message.is_binary();
            assert_eq!(sent.is_ok(), carried);
            expected.extend(carried.then_some(Event::Message(message)));
        }
        if client.ping(&ping).is_ok() {
            to_server.push(Event::Ping(ping.clone()));
            to_client.push(Event::Pong(ping));
        }
        for piece in pieces(&client.data_to_send(), &cuts) {
            server.receive(piece);
        }
        server.drain();
        assert_eq!(server.events, to_server);
        let mut events = Vec::new();
        for piece in pieces(&server.output, &cuts) {
            client.receive_data(piece);
            events.extend(std::iter::from_fn(|| client.next_event()));
        }
        assert_eq!(events, to_client);
        assert_eq!(client.state(), State::Ready);
    }

    #[test]
    fn any_bytes_are_survived_as_a_response(
        version in versions(),
        lines in vec(prop_oneof![
            3 => select(&LINES[..]).prop_map(|line| line.as_bytes().to_vec()),
            1 => vec(any::<u8>(), 0..20),
        ], 0..12),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let bytes = lines.join(&b"\r\n"[..]);
        assert_alike(version, &bytes, &cuts);
    }

    #[test]
    fn a_spoilt_response_is_read_the_same_however_it_is_cut(
        version in versions(),
        noise in vec((any::<Index>(), any::<u8>()), 0..3),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let mut bytes = Head::answering(version).bytes();
        bytes.extend([0; 40]);
        for (at, byte) in noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        assert_alike(version, &bytes, &cuts);
    }

    #[test]
    fn a_url_is_accepted_or_refused_and_its_shortest_form_stays_as_it_is(
        url in prop_oneof![
            "\\PC{0,20}",
            "wss?://\\PC{0,20}",
            "wss?://[a-z\\[\\]:0-9@.%]{0,12}[/?#]?\\PC{0,8}",
        ],
    ) {
        if let Ok(request) = ClientRequest::to(&url) {
            let shortest = request.url();
            let again = ClientRequest::to(&shortest).unwrap();
            assert_eq!(again.url(), shortest, "{url}");
            assert_eq!(again, request);
            assert!(request.target().starts_with('/'));
            let written = |byte: u8| byte.is_ascii_graphic();
            assert!(request.target().bytes().all(written), "{url}");
            assert!(request.authority().bytes().all(written), "{url}");
        }
    }
}
