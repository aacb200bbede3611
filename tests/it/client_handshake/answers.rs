//! The 101 response: which responses a client accepts, and every check of them, broken one at a
//! time.

use stentor::Version;
use stentor::protocol::{Config, Ending, Event, HandshakeError, State, Trigger};

use super::{asked, asked_with, request, to};
use crate::support::{Driven, HIXIE, HYBI, Head, every_way, written};

const SUBPROTOCOL: [(Version, &str); 5] = [
    (Version::Draft75, "WebSocket-Protocol"),
    (Version::Draft76, "Sec-WebSocket-Protocol"),
    (Version::Hybi07, "Sec-WebSocket-Protocol"),
    (Version::Hybi08, "Sec-WebSocket-Protocol"),
    (Version::Rfc6455, "Sec-WebSocket-Protocol"),
];

fn accepted(version: Version, spoil: impl Fn(Head) -> Head) -> Driven {
    let (mut client, answer) = asked(version);
    client.receive(&spoil(answer).bytes());
    assert_eq!(client.events, [Event::Open], "{version}");
    assert_eq!(client.connection.state(), State::Ready, "{version}");
    client
}

/// Asserts that the response is declined, with this error.
fn assert_declined(client: &mut Driven, answer: &Head, error: &HandshakeError) {
    let version = client.connection.version().unwrap();
    client.receive(&answer.bytes()).end();
    assert_eq!(client.declined(), error, "{version}: {error}");
    assert_eq!(client.events.len(), 1, "{version}: {error}");
    assert_eq!(client.output, b"", "{version}: {error}");
    assert_eq!(
        client.connection.state(),
        State::Error,
        "{version}: {error}"
    );
    assert_eq!(client.connection.close_expected(), Some(Ending::Linger));
    let last = client.transitions.last().unwrap();
    assert_eq!((last.trigger, last.to), (Trigger::Failed, State::Error));
}

fn assert_breaks(version: Version, spoil: impl Fn(Head) -> Head, error: HandshakeError) {
    let (mut client, answer) = asked(version);
    assert_declined(&mut client, &spoil(answer), &error);
}

fn mismatch(field: &'static str, found: &str, expected: &str) -> HandshakeError {
    HandshakeError::Mismatch {
        header: field,
        found: found.to_owned(),
        expected: expected.to_owned(),
    }
}

fn not_offered(field: &'static str, found: &str, offered: usize) -> HandshakeError {
    HandshakeError::SubprotocolNotOffered {
        header: field,
        found: found.to_owned(),
        offered,
    }
}

#[test]
fn the_response_of_each_version_opens_the_connection_however_it_is_cut() {
    for version in Version::ALL {
        let (_, answer) = asked(version);
        let bytes = [answer.bytes(), written(version, "glued")].concat();
        every_way(&[bytes], |how, pieces| {
            let (mut client, _) = asked(version);
            for piece in pieces {
                client.receive(piece);
            }
            let events = [Event::Open, Event::Message("glued".into())];
            assert_eq!(client.events, events, "{version}, {how}");
            let states: Vec<State> = client.transitions.iter().map(|one| one.to).collect();
            assert_eq!(
                states,
                [State::Handshaking, State::Ready],
                "{version}, {how}"
            );
        });
    }
}

#[test]
fn draft_76_handshakes_until_the_last_byte_of_the_proof() {
    let (mut client, answer) = asked(Version::Draft76);
    let (head, bytes) = (answer.head(), answer.bytes());
    client.receive(&head[..head.len() - 1]);
    assert_eq!(client.connection.state(), State::Opening);
    client.receive(&head[head.len() - 1..]);
    assert_eq!(client.connection.state(), State::Handshaking);
    assert_eq!(client.connection.response().unwrap().status(), 101);
    for byte in bytes[head.len()..bytes.len() - 1].chunks(1) {
        client.receive(byte);
        assert_eq!(client.connection.state(), State::Handshaking);
        assert_eq!(client.events, []);
    }
    client.receive(&bytes[bytes.len() - 1..]);
    assert_eq!(client.events, [Event::Open]);
}

#[test]
fn the_headers_of_the_response_can_be_read() {
    for version in Version::ALL {
        let client = accepted(version, |answer| {
            answer.with("Set-Cookie", "a=b").with("set-cookie", "c=d")
        });
        let answer = client.connection.response().unwrap();
        assert_eq!(answer.status(), 101);
        assert!(
            [
                "Web Socket Protocol Handshake",
                "WebSocket Protocol Handshake",
                "Switching Protocols"
            ]
            .contains(&answer.reason())
        );
        let cookies: Vec<&[u8]> = answer.header_values("SET-COOKIE").collect();
        assert_eq!(cookies, [b"a=b", b"c=d"], "{version}");
        assert_eq!(answer.header_str("connection"), Some("Upgrade"));
        assert_eq!(answer.headers().last(), Some(("set-cookie", &b"c=d"[..])));
        assert_eq!(answer.body(), b"");
    }
}

#[test]
fn headers_may_come_in_any_order_and_letter_case_if_the_specification_allows_it() {
    for version in [
        Version::Draft76,
        Version::Hybi07,
        Version::Hybi08,
        Version::Rfc6455,
    ] {
        accepted(version, |answer| {
            answer
                .without("Upgrade")
                .without("Connection")
                .line("HTTP/1.1 101 Whatever")
                .with("X-Powered-By", "")
                .with("CONNECTION", "UPGRADE")
                .with(
                    "upgrade",
                    if HYBI.contains(&version) {
                        "WEBsocket"
                    } else {
                        "WebSocket"
                    },
                )
        });
        accepted(version, |answer| answer.line("HTTP/1.1 101 "));
    }
    for version in HYBI {
        accepted(version, |answer| {
            answer.set("Connection", "keep-alive, upgrade")
        });
        accepted(version, |answer| {
            answer
                .set("Connection", "keep-alive")
                .with("Connection", "Upgrade")
        });
        accepted(version, |answer| {
            answer.with("Sec-WebSocket-Extensions", " , ")
        });
    }
    // Only the status code counts there (draft-76 §4.1 steps 29 to 31).
    accepted(Version::Draft76, |answer| answer.line("HTTP/1.0 101 x"));
}

#[test]
fn draft_75_compares_the_first_three_lines_to_the_byte() {
    let spoilt: [fn(Head) -> Head; 8] = [
        |answer| answer.line("HTTP/1.1 101 WebSocket Protocol Handshake"),
        |answer| answer.line("HTTP/1.1 101 Switching Protocols"),
        |answer| answer.line("HTTP/1.0 101 Web Socket Protocol Handshake"),
        |answer| answer.set("Upgrade", "websocket"),
        |answer| answer.set("Connection", "upgrade"),
        |answer| answer.set("Upgrade", " WebSocket"),
        |answer| answer.without("Upgrade").with("Upgrade", "WebSocket"),
        |answer| answer.without("Connection"),
    ];
    for spoil in spoilt {
        let (mut client, answer) = asked(Version::Draft75);
        let answer = spoil(answer);
        client.receive(&answer.bytes());
        let HandshakeError::Preamble(found) = client.declined() else {
            panic!("{:?}", client.declined());
        };
        assert!(found.starts_with("HTTP/1."), "{found}");
        assert_eq!(client.connection.state(), State::Error);
        let words = client.declined().to_string();
        assert!(
            words.contains(found) && words.contains("draft-75"),
            "{words}"
        );
    }
    for name in ["Upgrade", "Connection"] {
        let value = if name == "Upgrade" {
            "WebSocket"
        } else {
            "Upgrade"
        };
        accepted(Version::Draft75, |answer| answer.with(name, value));
    }
}

#[test]
fn the_old_drafts_require_their_origin_and_location_back_to_the_byte() {
    for version in HIXIE {
        let prefix = if version == Version::Draft75 {
            ""
        } else {
            "Sec-"
        };
        for (name, expected, bad) in [
            (
                "WebSocket-Origin",
                "http://example.com",
                ["http://Example.com", "http://example.com/"],
            ),
            ("WebSocket-Origin", "http://example.com", ["null", ""]),
            (
                "WebSocket-Location",
                "ws://example.com/demo",
                ["wss://example.com/demo", "ws://example.com:80/demo"],
            ),
            (
                "WebSocket-Location",
                "ws://example.com/demo",
                ["ws://example.com/demo?", "ws://Example.com/demo"],
            ),
        ] {
            let name: &'static str = match (prefix, name) {
                ("", name) => name,
                (_, "WebSocket-Origin") => "Sec-WebSocket-Origin",
                _ => "Sec-WebSocket-Location",
            };
            for bad in bad {
                let error = mismatch(name, bad, expected);
                assert_breaks(version, |answer| answer.set(name, bad), error);
            }
            let missing = HandshakeError::Missing(name);
            assert_breaks(version, |answer| answer.without(name), missing);
            let twice = HandshakeError::Duplicate(name);
            assert_breaks(version, |answer| answer.with(name, expected), twice);
        }
    }
}

#[test]
fn the_location_is_the_requested_url() {
    for version in HIXIE {
        let asked = to("wss://Example.com:444?x").version(version);
        let (mut client, answer) = asked_with(&asked);
        let prefix = if version == Version::Draft75 {
            ""
        } else {
            "Sec-"
        };
        let answer = answer
            .set(
                &format!("{prefix}WebSocket-Origin"),
                "https://example.com:444",
            )
            .set(
                &format!("{prefix}WebSocket-Location"),
                "wss://example.com:444/?x",
            );
        client.receive(&answer.bytes());
        assert_eq!(client.events, [Event::Open], "{version}");
    }
}

/// Netty's servers answer draft-76 like this.
#[test]
fn a_server_of_draft_76_may_spell_websocket_as_it_likes() {
    for upgrade in ["websocket", "WEBSOCKET", "WebSocket"] {
        let (mut client, answer) = asked(Version::Draft76);
        client.receive(&answer.set("Upgrade", upgrade).bytes());
        assert_eq!(client.events, [Event::Open], "{upgrade}");
    }
}

#[test]
fn from_draft_76_on_upgrade_and_connection_must_say_so_once() {
    for version in [
        Version::Draft76,
        Version::Hybi07,
        Version::Hybi08,
        Version::Rfc6455,
    ] {
        let word = if version == Version::Draft76 {
            "WebSocket"
        } else {
            "websocket"
        };
        for bad in ["h2c", "websockets", "websocket, h2c", ""] {
            let error = mismatch("Upgrade", bad, word);
            assert_breaks(version, |answer| answer.set("Upgrade", bad), error);
        }
        for bad in ["close", "upgraded", "Up grade", ""] {
            let error = mismatch("Connection", bad, "Upgrade");
            assert_breaks(version, |answer| answer.set("Connection", bad), error);
        }
        for name in ["Upgrade", "Connection"] {
            let missing = HandshakeError::Missing(name);
            assert_breaks(version, |answer| answer.without(name), missing);
        }
        let twice = HandshakeError::Duplicate("Upgrade");
        assert_breaks(version, |answer| answer.with("Upgrade", word), twice);
    }
    let list = mismatch("Connection", "Upgrade, close", "Upgrade");
    assert_breaks(
        Version::Draft76,
        |answer| answer.set("Connection", "Upgrade, close"),
        list,
    );
    let twice = HandshakeError::Duplicate("Connection");
    assert_breaks(
        Version::Draft76,
        |answer| answer.with("Connection", "Upgrade"),
        twice,
    );
}

#[test]
fn each_of_the_sixteen_bytes_must_be_right() {
    for at in 0..16 {
        let (mut client, answer) = asked(Version::Draft76);
        let bytes = answer.bytes();
        let expected: [u8; 16] = bytes[answer.head().len()..].try_into().unwrap();
        let mut found = expected;
        found[at] ^= 1;
        let error = HandshakeError::Proof { found, expected };
        assert_declined(&mut client, &answer.behind(&found), &error);
        let states: Vec<State> = client.transitions.iter().map(|one| one.to).collect();
        assert_eq!(states, [State::Handshaking, State::Error]);
        let words = error.to_string();
        for value in [found, expected] {
            assert!(words.contains(&value.escape_ascii().to_string()), "{words}");
        }
    }
}

#[test]
fn the_accept_value_must_be_that_of_the_key() {
    const FIELD: &str = "Sec-WebSocket-Accept";
    const RIGHT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    for version in HYBI {
        for bad in [
            "",
            "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo==",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=",
            "dGhlIHNhbXBsZSBub25jZQ==",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ] {
            let error = mismatch(FIELD, bad, RIGHT);
            assert_breaks(version, |answer| answer.set(FIELD, bad), error);
        }
        // White space around a value is not part of it.
        accepted(version, |answer| answer.set(FIELD, format!(" {RIGHT}\t ")));
        assert_breaks(
            version,
            |answer| answer.without(FIELD),
            HandshakeError::Missing(FIELD),
        );
        let twice = HandshakeError::Duplicate(FIELD);
        assert_breaks(version, |answer| answer.with(FIELD, RIGHT), twice);
    }
}

#[test]
fn http_1_0_has_no_101_in_the_hybi_versions() {
    for version in HYBI {
        let line = "HTTP/1.0 101 Switching Protocols";
        assert_breaks(
            version,
            |answer| answer.line(line),
            HandshakeError::HttpVersion,
        );
    }
}

#[test]
fn a_requested_subprotocol_is_negotiated() {
    for (version, name) in SUBPROTOCOL {
        let asked = request(version).subprotocols(["one", "two"]).unwrap();
        let (mut client, answer) = asked_with(&asked);
        client.receive(&answer.with(name, "one").bytes());
        assert_eq!(client.connection.subprotocol(), Some("one"), "{version}");

        let (mut client, answer) = asked_with(&asked);
        client.receive(&answer.clone().with(name, "two").bytes());
        let (mut other, _) = asked_with(&asked);
        if HIXIE.contains(&version) {
            // Only the first was offered, and it is required.
            assert_eq!(client.declined(), &not_offered(name, "two", 1), "{version}");
            assert_declined(&mut other, &answer, &HandshakeError::Missing(name));
        } else {
            assert_eq!(client.connection.subprotocol(), Some("two"), "{version}");
            other.receive(&answer.bytes());
            assert_eq!(other.events, [Event::Open]);
            assert_eq!(other.connection.subprotocol(), None);
        }
    }
}

#[test]
fn a_subprotocol_that_was_not_requested_is_declined() {
    for (version, name) in SUBPROTOCOL {
        for found in ["one", ""] {
            let error = not_offered(name, found, 0);
            assert_breaks(version, |answer| answer.with(name, found), error);
        }
        let asked = request(version).subprotocols(["one"]).unwrap();
        for found in ["two", "One", "", "one, one", "one,two"] {
            let (mut client, answer) = asked_with(&asked);
            let error = not_offered(name, found, 1);
            assert_declined(&mut client, &answer.with(name, found), &error);
        }
        let (mut client, answer) = asked_with(&asked);
        let twice = answer.with(name, "one").with(name, "one");
        assert_declined(&mut client, &twice, &HandshakeError::Duplicate(name));
    }
}

#[test]
fn an_extension_that_was_not_offered_is_declined() {
    const FIELD: &str = "Sec-WebSocket-Extensions";
    for version in HYBI {
        for found in ["permessage-deflate", "deflate-stream", ", x; y=1"] {
            let error = HandshakeError::NotOffered {
                header: FIELD,
                found: found.to_owned(),
                offered: String::new(),
            };
            assert_breaks(version, |answer| answer.with(FIELD, found), error);
        }
        let twice = HandshakeError::Duplicate(FIELD);
        assert_breaks(
            version,
            |answer| answer.with(FIELD, "").with(FIELD, ""),
            twice,
        );
    }
    // No extension had that name then.
    for version in HIXIE {
        accepted(version, |answer| answer.with(FIELD, "deflate-stream"));
    }
}

#[test]
fn a_malformed_response_is_declined() {
    for version in Version::ALL {
        for (bytes, part) in [
            (&b"HTTP/1.1\r\n\r\n"[..], "status line"),
            (b"HTTP/1.1 1x1 x\r\n\r\n", "status line"),
            (b"HTTP/1.1 099 x\r\n\r\n", "status line"),
            (b"HTTP/2 101 x\r\n\r\n", "status line"),
            (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "a header name"),
            (b"HTTP/1.1 200 OK\r\na : b\r\n\r\n", "a header name"),
            (b"HTTP/1.1 200 OK\r\na: b\0\r\n\r\n", "a header value"),
            (
                b"HTTP/1.1 200 OK\na: b\r\n\r\n",
                "a line that does not end in CR LF",
            ),
            (
                b"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
                "a line that does not end in CR LF",
            ),
        ] {
            let (mut client, _) = asked(version);
            client.receive(bytes);
            assert_eq!(
                client.declined(),
                &HandshakeError::MalformedHeaders(part),
                "{bytes:?}"
            );
            assert_eq!(client.connection.state(), State::Error);
        }
    }
}

/// RFC 9112 §4: a status line begins with `HTTP/`, and nothing may precede it.
#[test]
fn a_response_that_cannot_be_http_is_declined_at_its_first_wrong_byte() {
    for version in Version::ALL {
        for (bytes, begins) in [
            (&b"\x15\x03\x03\0\x02\x02\x46"[..], 1),
            (b"SSH-2.0-OpenSSH_9.6\r\n", 1),
            (b"\r\nHTTP/1.1 101 x\r\n\r\n", 1),
            (b"http/1.1 101 x\r\n\r\n", 1),
            (b"HTTQ", 4),
            (b"HTTP 101 x\r\n\r\n", 5),
        ] {
            for len in begins..=bytes.len() {
                let (mut client, _) = asked(version);
                client.receive_bytewise(&bytes[..begins - 1]);
                assert!(client.events.is_empty(), "{bytes:?}");
                client.receive(&bytes[begins - 1..len]);
                let found = bytes[..begins].to_vec();
                assert_eq!(client.declined(), &HandshakeError::NotHttp(found));
                assert_eq!(client.connection.state(), State::Error);
            }
        }
        // The response behind a 100 is a response, too.
        let (mut client, _) = asked(version);
        client.receive(b"HTTP/1.1 100 Continue\r\n\r\n\x15");
        assert_eq!(client.declined(), &HandshakeError::NotHttp(vec![0x15]));
    }
}

#[test]
fn a_head_is_bounded_in_bytes_and_fields() {
    let mut config = Config::default();
    config.limits.header_bytes = 500;
    config.limits.header_count = 10;
    for version in Version::ALL {
        let (_, answer) = asked(version);
        for (bytes, fits) in [(500, true), (501, false)] {
            let mut client = Driven::client_with(&request(version), &config);
            client.receive(&answer.clone().filled_to(bytes).bytes());
            match fits {
                true => assert_eq!(client.events, [Event::Open], "{version}"),
                false => assert_eq!(client.declined(), &HandshakeError::HeadersTooLarge(500)),
            }
        }
        let endless = b"HTTP/1.1 200 OK\r\nX: ".iter().chain(&[b'x'; 480]);
        let mut client = Driven::client_with(&request(version), &config);
        client.receive_bytewise(&endless.copied().collect::<Vec<u8>>());
        assert_eq!(client.declined(), &HandshakeError::HeadersTooLarge(500));

        let mut full = answer;
        while full.field_count() < 10 {
            full = full.with("X", "y");
        }
        let mut client = Driven::client_with(&request(version), &config);
        client.receive(&full.bytes());
        assert_eq!(client.events, [Event::Open], "{version}");
        let mut client = Driven::client_with(&request(version), &config);
        client.receive(&full.with("X", "y").bytes());
        assert_eq!(client.declined(), &HandshakeError::TooManyHeaders(10));
    }
}

#[test]
fn a_server_that_closes_tcp_in_the_handshake_has_declined() {
    for version in Version::ALL {
        let (_, answer) = asked(version);
        let bytes = answer.bytes();
        for cut in 0..bytes.len() {
            let (mut client, _) = asked(version);
            client.receive(&bytes[..cut]).end();
            assert_eq!(
                client.declined(),
                &HandshakeError::StreamEnded,
                "{version}: {cut}"
            );
            let last = client.transitions.last().unwrap();
            assert_eq!(
                (last.trigger, last.to),
                (Trigger::StreamEnded, State::Error)
            );
            assert_eq!(client.connection.close_expected(), Some(Ending::Linger));
        }
    }
}

#[test]
fn errors_contain_both_values_and_none_of_the_peers_control_characters() {
    for (error, words) in [
        (
            mismatch("Upgrade", "h2c", "websocket"),
            "Upgrade is \"h2c\" instead of \"websocket\"",
        ),
        (
            not_offered("Sec-WebSocket-Protocol", "a", 0),
            "Sec-WebSocket-Protocol is \"a\", which is none of the 0 that were offered",
        ),
        (
            not_offered("Sec-WebSocket-Protocol", "a", 2),
            "Sec-WebSocket-Protocol is \"a\", which is none of the 2 that were offered",
        ),
        (
            HandshakeError::Missing("Upgrade"),
            "response without Upgrade",
        ),
        (
            HandshakeError::Duplicate("Upgrade"),
            "response with more than one Upgrade",
        ),
        (
            HandshakeError::HeadersTooLarge(500),
            "response header block longer than 500 bytes",
        ),
        (
            HandshakeError::TooManyHeaders(10),
            "response with more than 10 headers",
        ),
        (
            HandshakeError::MalformedHeaders("status line"),
            "malformed response header block: status line",
        ),
        (
            HandshakeError::NotHttp(vec![0x15]),
            "not HTTP: the response begins with \"\\x15\", as an alert of TLS does",
        ),
        (
            HandshakeError::NotHttp(b"HTTQ".to_vec()),
            "not HTTP: the response begins with \"HTTQ\"",
        ),
        (HandshakeError::HttpVersion, "101 in HTTP older than 1.1"),
        (
            HandshakeError::StreamEnded,
            "the server closed the connection in the handshake",
        ),
    ] {
        assert_eq!(error.to_string(), words);
        assert_eq!(error.response(), None);
    }
    let (mut client, answer) = asked(Version::Rfc6455);
    client.receive(
        &answer
            .set("Upgrade", [&[0xff, b'\t'], &b"\xe2\x80\xae"[..]].concat())
            .bytes(),
    );
    let words = client.declined().to_string();
    assert_eq!(
        words,
        r#"Upgrade is "\xff\t\xe2\x80\xae" instead of "websocket""#
    );
}
