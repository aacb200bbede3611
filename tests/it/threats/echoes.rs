//! Data of a peer, or of an application that trusts a peer, that comes back in a response: never a
//! line ending, never a second header, never a second response.

use std::sync::Arc;

use stentor::Version;
use stentor::protocol::{Config, Connection, Event, Rejection, State};
use stentor::{CloseCode, Reply, Server};

use crate::support::{
    Driven, HYBI, HandshakeResponse, Head, Loopback, Peer, ask, echo, keep_logbook, logged, masked,
};

/// Places in which a peer can put a byte of its choice and see it again: the resource, a header's
/// value.
const PLACES: [&str; 7] = [
    "resource",
    "Host",
    "Origin",
    "Sec-WebSocket-Origin",
    "Sec-WebSocket-Protocol",
    "WebSocket-Protocol",
    "Sec-WebSocket-Version",
];

fn with_byte(version: Version, place: &str, byte: u8) -> Vec<u8> {
    let head = Head::of(version);
    if place == "resource" {
        let bytes = head.head();
        let at = bytes.windows(5).position(|five| five == b"/demo").unwrap() + 3;
        let rest = [&bytes[..at], &[byte], &bytes[at..]].concat();
        return rest;
    }
    let value = [&b"http"[..], &[byte], b"x"].concat();
    let value = match place {
        "Host" => [&b"example"[..], &[byte], b"com"].concat(),
        _ => value,
    };
    head.without(place).with(place, value).head()
}

#[test]
fn no_byte_of_a_request_can_break_a_line_of_the_answer() {
    let mut config = Config::default();
    config.subprotocols = vec!["httpxx".to_owned()];
    for version in Version::ALL {
        let mut usual = Driven::new(&config);
        usual.receive(&Head::of(version).head());
        let fields = HandshakeResponse::read(&usual.output).fields.len();
        for place in PLACES {
            for byte in 0..=0xff {
                let mut driven = Driven::new(&config);
                driven.receive(&with_byte(version, place, byte));
                let context = format!("{version}, {place} with {byte:#04x}");
                if driven.output.is_empty() {
                    // A lone LF ends no line, and so no header block.
                    assert_eq!(byte, b'\n', "{context}");
                    continue;
                }
                // Parsing fails on a line with a control character.
                let answer = HandshakeResponse::read(&driven.output);
                if answer.status() == 101 {
                    let agreed = usize::from(driven.connection.subprotocol().is_some());
                    assert_eq!(answer.fields.len(), fields + agreed, "{context}");
                    assert!(!matches!(byte, b'\r' | b'\n' | b'\0'), "{context}");
                } else {
                    answer.assert_last();
                    let printable = |byte: &u8| byte.is_ascii_graphic() || b" \n".contains(byte);
                    assert!(answer.body.iter().all(printable), "{context}");
                }
            }
        }
    }
}

/// Markup in a response is text: no browser renders it.
#[test]
fn text_repeated_in_a_rejection_is_plain_text() {
    let markup = "<script>alert(1)</script>";
    for version in Version::ALL {
        for head in [
            Head::of(version).set("Host", markup),
            Head::of(version).set("Upgrade", markup),
            Head::of(version)
                .with("Sec-WebSocket-Draft", markup)
                .without("Sec-WebSocket-Version"),
            Head::of(version).with("Sec-WebSocket-Version", markup),
            Head::of(version).line(&format!("GET {markup} HTTP/1.1")),
        ] {
            let mut driven = Driven::new(&Config::default());
            driven.receive(&head.bytes());
            let answer = HandshakeResponse::read(&driven.output);
            answer.assert_last();
            let kind = answer.header("Content-Type");
            assert_eq!(kind, Some("text/plain; charset=utf-8"), "{version}");
        }
    }
}

const NASTY: &str = "no\r\n\r\nHTTP/1.1 200 OK\r\nX-Evil: yes\r\n\0";

/// An application may copy a peer's data into its reason.
#[test]
fn an_applications_reason_stays_inside_the_body() {
    let builder = Server::builder().on_request(|_| Reply::reject(403, NASTY));
    let server = Loopback::run(builder, echo);
    for version in Version::ALL {
        let answer = ask(server.address, &Head::of(version).bytes());
        assert_eq!(answer.status(), 403, "{version}");
        assert_eq!(answer.status_line, "HTTP/1.1 403 Forbidden", "{version}");
        assert_eq!(answer.header("X-Evil"), None, "{version}");
        assert_eq!(answer.body, format!("{NASTY}\n").as_bytes(), "{version}");
    }
    let mut connection = Connection::new(Arc::default());
    let reason = NASTY.to_owned();
    let rejection = Rejection::Application {
        status: 401,
        reason,
    };
    connection.reject(rejection).unwrap();
    HandshakeResponse::read(&connection.data_to_send()).assert_last();
}

/// A name from the server's own settings is sent only to a client that has requested it, and no
/// client can request a line ending.
#[test]
fn a_subprotocol_with_a_line_in_it_is_never_sent() {
    for version in Version::ALL {
        let field = match version {
            Version::Draft75 => "WebSocket-Protocol",
            _ => "Sec-WebSocket-Protocol",
        };
        for name in [NASTY, "chat\r\nX-Evil: yes", "chat\0", "chat\r"] {
            let mut config = Config::default();
            config.subprotocols = vec![name.to_owned()];
            let mut driven = Driven::new(&config);
            driven.receive(&Head::of(version).with(field, name).head());
            let answer = HandshakeResponse::read(&driven.output);
            assert_eq!(answer.header("X-Evil"), None, "{version}, {name:?}");
            assert_eq!(answer.header(field), None, "{version}, {name:?}");
            assert_eq!(driven.connection.subprotocol(), None, "{version}, {name:?}");
        }
    }
}

/// An entry in the log is one line, whatever the peer has put into it, and does not contain the
/// query.
#[test]
fn a_peers_text_is_one_line_in_the_log() {
    keep_logbook();
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let line = "GET /forged\u{85}\u{2028}\u{202e}\u{9b}2J?sesame HTTP/1.1";
        let mut peer = Peer::open_with(server.address, version, &Head::of(version).line(line));
        peer.start_close(1000, "bye\r\nclient 1: \u{1b}[2J\0");
        peer.expect_goodbye(1000, "");
        drop(peer);
        let rejected = Head::of(version).line(line).set("Host", "\u{9b}2J");
        assert_eq!(ask(server.address, &rejected.bytes()).status(), 400);
    }
    server.wait_until_empty();
    let lines = logged(&["forged"]);
    assert!(!lines.is_empty());
    for (_, line) in lines {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{2028}', '\u{202e}']), "{line:?}");
        assert!(!line.contains("sesame"), "{line:?}");
    }
}

/// No other connection's memory leaks, nor uninitialized memory: a pong equals the ping, a close
/// frame its code.
#[test]
fn a_pong_is_the_ping_and_a_close_is_its_code_and_no_byte_more() {
    for version in HYBI {
        for len in 0..=125 {
            let payload: Vec<u8> = (0..len).map(|at| at as u8 ^ 0xa5).collect();
            let mut driven = Driven::ready(version);
            driven.receive(&masked(0x89, &payload));
            assert_eq!(driven.events, [Event::Ping(payload.clone())], "{version}");
            let pong = [&[0x8a, len as u8], &payload[..]].concat();
            assert_eq!(driven.output, pong, "{version}");
            driven.forget();

            let mut body = CloseCode::NORMAL.get().to_be_bytes().to_vec();
            body.extend(std::iter::repeat_n(b'x', len.min(123)));
            driven.receive(&masked(0x88, &body));
            assert_eq!(driven.output, b"\x88\x02\x03\xe8", "{version}");
            assert_eq!(driven.connection.state(), State::Closing, "{version}");
        }
    }
}
