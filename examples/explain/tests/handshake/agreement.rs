//! The explainer and the library decide alike, though they share no code: a request or a response that
//! the library rejects has broken a rule that belongs to the error, and one that it accepts has broken
//! none.

use std::sync::Arc;

use proptest::prelude::*;
use stentor::protocol::{ClientRequest, Config, Connection, Event, HandshakeError, Rejection};
use stentor::{Accept, Deflate, Version};
use stentor_explain::engine::{self, Basis};
use stentor_explain::{Note, Side};

use super::tiling::{change_bytes, special_byte};
use super::vectors;
use crate::support::cases;
use crate::support::conversation::Conversation;
use crate::support::heads::Head;
use crate::support::{broken, choices};

/// Rules on which the library is more tolerant than the specification, with the reason.
const TOLERATED: [(&str, &str); 1] = [(
    "handshake.extensions",
    "RFC 6455 §9.1 fails the connection; the library declines an offer that it cannot parse",
)];

/// The decision of the library about a request.
#[derive(Debug, PartialEq)]
pub(super) enum Decision<E> {
    /// More bytes are needed.
    Undecided,
    Accepted,
    Failed(E),
}

/// Lets the library's server decide about a request.
pub(super) fn server(request: &[u8]) -> Decision<Rejection> {
    let mut config = Config::default();
    config.subprotocols = vec!["chat".to_owned()];
    let mut server = Connection::new(Arc::new(config));
    server.receive_data(request);
    while let Some(event) = server.next_event() {
        match event {
            Event::Request => server.accept(Accept::new()).unwrap(),
            Event::Rejected(rejection) => return Decision::Failed(rejection),
            Event::Open => return Decision::Accepted,
            other => panic!("{other:?}"),
        }
    }
    // Draft-76: the keys are judged before key3 has arrived.
    match server.data_to_send().starts_with(b"HTTP/1.1 101 ") {
        true => Decision::Accepted,
        false => Decision::Undecided,
    }
}

/// A client of the library that has sent a request, and the valid response to it.
pub(super) struct Asking {
    client: Connection,
    pub(super) request: Vec<u8>,
    pub(super) response: Vec<u8>,
}

impl Asking {
    pub(super) fn new(version: Version, subprotocol: bool, deflate: bool) -> Asking {
        let mut config = Config::default();
        config.subprotocols = vec!["chat".to_owned()];
        config.deflate = deflate.then(Deflate::new);
        let config = Arc::new(config);
        let names = subprotocol.then_some("chat");
        let request = ClientRequest::to("ws://example.com/demo")
            .unwrap()
            .version(version);
        let request = request.subprotocols(names).unwrap();
        let mut client = Connection::client(Arc::clone(&config), &request, |bytes| bytes.fill(7));
        let request = client.data_to_send();
        let mut server = Connection::new(config);
        server.receive_data(&request);
        assert_eq!(server.next_event(), Some(Event::Request));
        server.accept(Accept::new()).unwrap();
        assert_eq!(server.next_event(), Some(Event::Open));
        let response = server.data_to_send();
        Asking {
            client,
            request,
            response,
        }
    }

    /// Lets the library's client decide about a response, after which the stream ends.
    pub(super) fn decide(&mut self, response: &[u8]) -> Decision<HandshakeError> {
        self.client.receive_data(response);
        let mut event = self.client.next_event();
        if event.is_none() {
            self.client.receive_eof();
            event = self.client.next_event();
        }
        match event {
            Some(Event::Declined(error)) => Decision::Failed(*error),
            Some(Event::Open) => Decision::Accepted,
            other => panic!("{other:?}"),
        }
    }
}

/// Asserts that the notes about one side fit the decision about its bytes.
fn assert_agrees(basis: Option<Basis>, notes: &[Note], from: Side, context: &str) {
    let of_side: Vec<Note> = notes
        .iter()
        .filter(|note| note.from == from)
        .cloned()
        .collect();
    let broken = broken(&of_side);
    let is_handshake = |id: &str| id.starts_with("handshake.");
    match basis {
        None => {
            let mut left = broken.iter().filter(|(id, _)| is_handshake(id));
            let left = left.find(|(id, _)| TOLERATED.iter().all(|(rule, _)| rule != id));
            assert_eq!(left, None, "{context}");
        }
        Some(Basis::Policy(_)) => {}
        Some(Basis::Rules(rules)) => {
            // Without TLS, `wss` is a matter of the deployment: see `handshake.location`.
            let decided = choices(&of_side).into_iter();
            let wss = decided.filter(|(_, how)| how.contains("wss"));
            let mut found = broken.iter().copied().chain(wss);
            let expected = rules.iter().map(|rule| rule.id);
            let ids: Vec<&str> = expected.collect();
            assert!(
                found.any(|(id, _)| ids.contains(&id)),
                "{context}: {ids:?} in {broken:?}"
            );
        }
    }
}

fn assert_request_agrees(request: &[u8], context: &str) {
    let decision = server(request);
    let notes = Conversation::default().client(request).notes();
    let basis = match &decision {
        Decision::Undecided => return,
        Decision::Accepted => None,
        Decision::Failed(rejection) => Some(engine::rejection(rejection)),
    };
    let context = format!("{context}: {decision:?} of {}", request.escape_ascii());
    assert_agrees(basis, &notes, Side::Client, &context);
}

fn assert_response_agrees(mut asking: Asking, response: &[u8], context: &str) {
    let decision = asking.decide(response);
    let notes = Conversation::default()
        .client(&asking.request)
        .server(response)
        .ended()
        .notes();
    let basis = match &decision {
        Decision::Undecided => return,
        Decision::Accepted => None,
        Decision::Failed(error) => Some(engine::handshake_error(error)),
    };
    let context = format!("{context}: {decision:?} of {}", response.escape_ascii());
    assert_agrees(basis, &notes, Side::Server, &context);
}

#[test]
fn the_requests_of_the_collection_are_judged_as_by_the_library() {
    for (id, conversation) in vectors() {
        let reads = conversation.0.iter().filter_map(|input| match input {
            crate::support::conversation::Input::Bytes(Side::Client, bytes) => Some(&bytes[..]),
            _ => None,
        });
        let bytes: Vec<u8> = reads.flatten().copied().collect();
        assert_request_agrees(&bytes, id);
    }
}

#[test]
fn the_responses_of_the_library_are_valid() {
    for version in Version::ALL {
        for (subprotocol, deflate) in [(false, false), (true, false), (true, true)] {
            let asking = Asking::new(version, subprotocol, deflate);
            let response = asking.response.clone();
            assert_response_agrees(asking, &response, version.name());
        }
    }
}

/// Values that mean something in some header.
const VALUES: [&[u8]; 22] = [
    b"",
    b"x",
    b"websocket",
    b"WebSocket",
    b"Upgrade",
    b"h2c, websocket",
    b"a:80",
    b"a:0",
    b"[::1]",
    b"a/b",
    b"13",
    b"8",
    b"7",
    b"0",
    b"\"a\"",
    b"a, b;c",
    b"a\xc3\xa4",
    b"http://a",
    b"null",
    b"1 2",
    b"chat",
    b"permessage-deflate; client_max_window_bits=9",
];

/// The headers that the explainer judges.
const NAMES: [&str; 19] = [
    "Host",
    "Upgrade",
    "Connection",
    "Origin",
    "Sec-WebSocket-Origin",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Key1",
    "Sec-WebSocket-Key2",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Draft",
    "Sec-WebSocket-Protocol",
    "WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Location",
    "WebSocket-Location",
    "WebSocket-Origin",
    "Content-Length",
    "Transfer-Encoding",
];

/// Each header once missing, twice, empty, and with each of some values.
#[test]
fn headers_with_other_values_are_judged_as_by_the_library() {
    for version in Version::ALL {
        let request = Head::request(version);
        for name in NAMES {
            assert_request_agrees(&request.clone().without(name).bytes(), name);
            for value in VALUES {
                assert_request_agrees(&request.clone().set(name, value).bytes(), name);
                assert_request_agrees(&request.clone().with(name, value).bytes(), name);
            }
            for (subprotocol, deflate) in [(false, false), (true, true)] {
                let asking = || Asking::new(version, subprotocol, deflate);
                let valid = asking().response;
                assert_response_agrees(asking(), &without(&valid, name), name);
                for value in VALUES {
                    let with = with_header(&without(&valid, name), name, value);
                    assert_response_agrees(asking(), &with, name);
                    let twice = with_header(&valid, name, value);
                    assert_response_agrees(asking(), &twice, name);
                }
            }
        }
    }
}

/// Returns a header block without a header.
fn without(head: &[u8], name: &str) -> Vec<u8> {
    let mut lines = head.split_inclusive(|&byte| byte == b'\n');
    let prefix = format!("{name}: ").into_bytes();
    let mut kept: Vec<u8> = Vec::new();
    let mut in_head = true;
    for line in lines.by_ref() {
        in_head &= line != b"\r\n";
        if !(in_head && line.starts_with(&prefix)) {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// Returns a header block with one more header, the last one.
fn with_header(head: &[u8], name: &str, value: &[u8]) -> Vec<u8> {
    let end = head
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 2;
    let line = [name.as_bytes(), b": ", value, b"\r\n"].concat();
    [&head[..end], &line, &head[end..]].concat()
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn changed_requests_are_judged_as_by_the_library(
        version in prop::sample::select(&Version::ALL[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, special_byte()), 1..4),
    ) {
        let request = change_bytes(Head::request(version).bytes(), changes);
        assert_request_agrees(&request, version.name());
    }

    #[test]
    fn changed_responses_are_judged_as_by_the_library(
        version in prop::sample::select(&Version::ALL[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, special_byte()), 1..4),
        subprotocol: bool,
        deflate: bool,
    ) {
        let asking = Asking::new(version, subprotocol, deflate);
        let response = change_bytes(asking.response.clone(), changes);
        assert_response_agrees(asking, &response, version.name());
    }
}
