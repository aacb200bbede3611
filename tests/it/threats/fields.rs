//! Headers that are repeated, too many or too long, and headers with unusual values.

use stentor::Version;
use stentor::protocol::{Config, Rejection, State};

use crate::support::{Driven, HIXIE, HYBI, HandshakeResponse, Head, masked};

fn ask(head: &Head) -> Driven {
    let mut driven = Driven::new(&Config::default());
    driven.receive(&head.bytes());
    driven
}

/// The headers for which two programs could choose different ones if they are repeated.
fn stand_once(version: Version) -> Vec<&'static str> {
    let own: &[&str] = match version {
        Version::Draft75 => &["Upgrade", "Origin", "WebSocket-Protocol"],
        Version::Draft76 => &[
            "Upgrade",
            "Origin",
            "Sec-WebSocket-Key1",
            "Sec-WebSocket-Key2",
            "Sec-WebSocket-Protocol",
        ],
        Version::Hybi07 => &[
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Origin",
        ],
        Version::Hybi08 => &[
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Origin",
            "Origin",
        ],
        Version::Rfc6455 => &["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin"],
    };
    [own, &["Host", "Content-Length"]].concat()
}

#[test]
fn a_field_that_stands_once_is_refused_twice() {
    for version in Version::ALL {
        for field in stand_once(version) {
            let value = match field {
                "Host" => "example.com",
                "Content-Length" => "0",
                "Upgrade" => "websocket",
                "Sec-WebSocket-Key" => "dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version" => "13",
                "Sec-WebSocket-Key1" | "Sec-WebSocket-Key2" => "1 2",
                _ => "http://example.com",
            };
            let (lower, upper) = (field.to_ascii_lowercase(), field.to_ascii_uppercase());
            // The same twice, a different one, and an empty one; and in any letter case.
            for second in [value, "other", ""] {
                for name in [field, &lower, &upper] {
                    let head = Head::of(version).without(field);
                    let driven = ask(&head.with(field, value).with(name, second));
                    let context = format!("{version}, {name}: {second}");
                    assert_eq!(driven.rejected().status(), 400, "{context}");
                    let why = driven.rejected().name();
                    assert!(
                        ["duplicate header", "invalid version"].contains(&why),
                        "{context}: {why}"
                    );
                    let answer = HandshakeResponse::read(&driven.output);
                    answer.assert_last();
                }
            }
        }
    }
}

/// These are lists, and a list may be in several headers (RFC 9110 §5.3).
#[test]
fn a_list_may_be_in_several_fields() {
    for version in Version::ALL {
        let head = Head::of(version).with("Connection", "keep-alive");
        assert_eq!(ask(&head).connection.state(), State::Ready, "{version}");
    }
    for version in HYBI {
        let head = Head::of(version)
            .with("Upgrade", "h2c")
            .with("Sec-WebSocket-Protocol", "chat")
            .with("Sec-WebSocket-Protocol", "superchat")
            .with("Sec-WebSocket-Extensions", "one")
            .with("Sec-WebSocket-Extensions", "one");
        assert_eq!(ask(&head).connection.state(), State::Ready, "{version}");
    }
}

/// Another server dropped the headers above the limit, and then used them as if they were there.
#[test]
fn required_headers_may_come_last_and_still_count() {
    for version in Version::ALL {
        let head = String::from_utf8(Head::of(version).head()).unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap();
        let own = Head::of(version).field_count();
        for count in [99, 100, 101, 150] {
            let filler = "X-Filler: x\r\n".repeat(count - own);
            let mut driven = Driven::new(&Config::default());
            driven.receive(format!("{line}\r\n{filler}{fields}").as_bytes());
            if count <= 100 {
                assert_eq!(driven.connection.version(), Some(version), "{count}");
                assert!(driven.output.starts_with(b"HTTP/1.1 101 "), "{count}");
            } else {
                assert_eq!(
                    *driven.rejected(),
                    Rejection::TooManyHeaders(100),
                    "{version}"
                );
            }
        }
    }
}

#[test]
fn one_field_may_be_as_long_as_the_head() {
    for version in Version::ALL {
        let room = 16 * 1024 - Head::of(version).head().len();
        for more in [0, 1] {
            let name = "X".repeat(room + more - 5);
            for head in [
                Head::of(version).with(&name, "x"),
                Head::of(version).with("X", name.as_bytes()),
            ] {
                assert_eq!(head.head().len(), 16 * 1024 + more);
                let driven = ask(&head);
                if more == 0 {
                    assert_eq!(driven.connection.state(), State::Ready, "{version}");
                } else {
                    assert_eq!(*driven.rejected(), Rejection::HeadersTooLarge(16 * 1024));
                }
            }
        }
    }
}

/// Names with a meaning in one language or another, lists without items, and unterminated quotes.
const ODD: [&str; 18] = [
    "constructor",
    "__proto__",
    "hasOwnProperty; toString=valueOf",
    "null",
    "../../etc/passwd",
    "%00%0d%0a",
    "{{7*7}}",
    "$(reboot)",
    "permessage-deflate; server_max_window_bits=0",
    "permessage-deflate; client_max_window_bits=99999999999999999999",
    "permessage-deflate; server_max_window_bits=\"15",
    "deflate-stream, x-webkit-deflate-frame",
    ",,,,,,,,",
    ";;;;;;;;",
    "====",
    "\"\"\"\"",
    "\"\\\"\\\\",
    " \t \t ,\t",
];

/// No extension is supported, and so none is negotiated: not even with an unusual name.
#[test]
fn odd_extensions_are_never_agreed_on() {
    for version in Version::ALL {
        let long = ODD.map(|odd| odd.repeat(8000 / odd.len()));
        for odd in ODD.into_iter().chain(long.iter().map(String::as_str)) {
            let mut driven = ask(&Head::of(version).with("Sec-WebSocket-Extensions", odd));
            assert_eq!(driven.connection.state(), State::Ready, "{version}, {odd}");
            let answer = HandshakeResponse::read(&driven.output);
            assert_eq!(answer.header("Sec-WebSocket-Extensions"), None, "{odd}");
            driven.forget();
            if HYBI.contains(&version) {
                driven.receive(&masked(0xc1, b"compressed"));
                driven.assert_failed_with(1002, odd);
            }
        }
    }
}

#[test]
fn odd_subprotocols_are_refused_or_not_agreed_on() {
    let mut config = Config::default();
    config.subprotocols = vec!["chat".to_owned()];
    for version in Version::ALL {
        let field = match version {
            Version::Draft75 => "WebSocket-Protocol",
            _ => "Sec-WebSocket-Protocol",
        };
        let long = ODD.map(|odd| odd.repeat(8000 / odd.len()));
        for odd in ODD.into_iter().chain(long.iter().map(String::as_str)) {
            let mut driven = Driven::new(&config);
            driven.receive(&Head::of(version).with(field, odd).bytes());
            assert_eq!(driven.connection.subprotocol(), None, "{version}, {odd}");
            let answer = HandshakeResponse::read(&driven.output);
            assert_eq!(answer.header(field), None, "{version}, {odd}");
            match driven.connection.state() {
                // An unknown subprotocol is an error only in versions in which it must be
                // negotiated.
                State::Ready => assert!(!HIXIE.contains(&version), "{version}, {odd}"),
                _ => assert_eq!(answer.status(), 400, "{version}, {odd}"),
            }
        }
    }
}
