//! Access by origin: origins, compared with a list.

use stentor::Version;
use stentor::protocol::Origin;
use stentor::protocol::{Config, Rejection, State};

use super::{ask, asked, assert_refused};
use crate::support::{HIXIE, HandshakeResponse, Head};

#[test]
fn an_origin_is_compared_whole() {
    let mut config = Config::default();
    config.allowed_origins = Some(vec![
        "https://example.com".parse().unwrap(),
        "http://localhost:3000".parse().unwrap(),
        "http://[::1]".parse().unwrap(),
    ]);
    let good = [
        "https://example.com",
        "https://example.com:443",
        "HTTPS://Example.COM",
        "http://localhost:3000",
        "http://[::1]:80",
    ];
    let bad = [
        "https://evilexample.com",
        "https://evil-example.com",
        "https://example.com.evil.com",
        "https://example.comevil",
        "https://www.example.com",
        "https://example.co",
        "https://example.com:8443",
        "https://example.com:80",
        "https://example.com:",
        "https://example.com:443x",
        "https://example.com:65979",
        "https://example.com/",
        "https://example.com#",
        "https://example.com?",
        "https://example.com.",
        "https://user@example.com",
        "https://example.com@evil.com",
        "https://evil.com/https://example.com",
        "https://evil.com, https://example.com",
        "https://example.com, https://evil.com",
        "https://example.com https://evil.com",
        "http://example.com",
        "wss://example.com",
        "xhttps://example.com",
        "://example.com",
        "example.com",
        "http://localhost",
        "http://localhost:30000",
        "http://localhost:300",
        "http://[::2]",
        "null",
        "file://",
        "*",
        "",
    ];
    for version in Version::ALL {
        let origin = match version {
            Version::Hybi07 | Version::Hybi08 => "Sec-WebSocket-Origin",
            _ => "Origin",
        };
        let config = &config;
        let ask = |value: &str| asked(&Head::of(version).set(origin, value).bytes(), config);
        for value in good {
            assert_eq!(
                ask(value).connection.state(),
                State::Ready,
                "{version}: {value}"
            );
        }
        for value in bad {
            assert_refused(&ask(value), 403, value);
        }
        let driven = asked(
            &Head::of(version).set(origin, b"https://\xff").bytes(),
            config,
        );
        assert_refused(&driven, 403, "not even text");
    }
}

#[test]
fn null_is_accepted_only_by_name() {
    let mut config = Config::default();
    let head = Head::of(Version::Rfc6455).set("Origin", "null").bytes();
    assert_eq!(
        asked(&head, &config).connection.state(),
        State::Ready,
        "without a list"
    );
    config.allowed_origins = Some(vec![]);
    assert_refused(&asked(&head, &config), 403, "with an empty list");
    config.allowed_origins = Some(vec![Origin::null()]);
    assert_eq!(
        asked(&head, &config).connection.state(),
        State::Ready,
        "by name"
    );
    let file = Head::of(Version::Rfc6455).set("Origin", "file://").bytes();
    assert_refused(&asked(&file, &config), 403, "file:// is not null");
}

/// The origins of browsers, extensions and programs that show pages; each can be named, and is then told
/// from all others.
#[test]
fn every_origin_that_clients_send_can_be_named() {
    const SENT: [&str; 16] = [
        "null",
        "file://",
        "https://xn--bcher-kva.example",
        "HTTP://Example.COM:80",
        "http://[::1]:3000",
        "http://[0:0::2]",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://0d2f3c1e-1111-4222-8333-444455556666",
        "safari-web-extension://AAAAAAAA-1111-4222-8333-444455556666",
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "vscode-webview://1a2b3c",
        "app://obsidian.md",
        "app://.",
        "content://",
    ];
    for named in SENT {
        let mut config = Config::default();
        config.allowed_origins = Some(vec![named.parse().unwrap()]);
        for sent in SENT {
            let head = Head::of(Version::Rfc6455).set("Origin", sent);
            let driven = asked(&head.bytes(), &config);
            let let_in = driven.connection.state() == State::Ready;
            assert_eq!(let_in, sent == named, "{sent} where {named} is named");
        }
    }
}

#[test]
fn an_origin_is_made_of_good_parts_alone() {
    let origin = Origin::new("HTTPS", "Example.com", Some(443)).unwrap();
    assert_eq!(origin, "https://example.com".parse().unwrap());
    assert_eq!(origin.to_string(), "https://example.com");
    assert_eq!(
        (origin.scheme(), origin.host(), origin.port()),
        ("https", "example.com", None)
    );
    let v6 = Origin::new("http", "[0:0::1]", Some(3000)).unwrap();
    assert_eq!(v6.to_string(), "http://[::1]:3000");
    let null = Origin::null();
    assert!(null.is_null() && null.to_string() == "null");
    for (scheme, host) in [
        ("http", "a\r\nX-Evil: yes"),
        ("http\r\nX-Evil", "a"),
        ("http", "a\0"),
        ("http", "a b"),
        ("http", "a/b"),
        ("http", "a:80"),
        ("http", "[a]"),
        ("http", "::1"),
        ("http", "a]"),
        ("http", "\u{e4}"),
        ("http", ""),
        ("https", ""),
        ("ws", ""),
        ("wss", ""),
        ("", "a"),
        ("1a", "a"),
        ("file", "/"),
    ] {
        assert!(
            Origin::new(scheme, host, None).is_err(),
            "{scheme}://{host}"
        );
        let text = format!("{scheme}://{host}");
        let error = match text.parse::<Origin>() {
            // Which has a port then.
            Ok(_) if host == "a:80" => continue,
            parsed => parsed.unwrap_err().to_string(),
        };
        assert!(!error.contains(char::is_control), "{error}");
    }
    for text in [
        "file:///",
        "file:///a",
        "http://:80",
        "file://:80",
        "NULL",
        "null/",
        "http://a:",
    ] {
        assert!(text.parse::<Origin>().is_err(), "{text}");
    }
}

#[test]
fn the_origin_is_in_the_versions_own_header() {
    let mut config = Config::default();
    config.allowed_origins = Some(vec!["http://example.com".parse().unwrap()]);
    let both = ["Origin", "Sec-WebSocket-Origin"];
    for (version, read) in [
        (Version::Hybi07, &both[1..]),
        (Version::Hybi08, &both[..]),
        (Version::Rfc6455, &both[..1]),
    ] {
        for field in both {
            let head = Head::of(version).without(both[0]).without(both[1]);
            let driven = asked(&head.with(field, "http://example.com").bytes(), &config);
            let accepted = driven.connection.state() == State::Ready;
            assert_eq!(accepted, read.contains(&field), "{version}: {field}");
        }
        let none = Head::of(version).without(both[0]).without(both[1]);
        let driven = asked(&none.bytes(), &config);
        assert_eq!(*driven.rejected(), Rejection::Origin(None));
    }
}

#[test]
fn the_old_drafts_require_one_origin_and_repeat_it_to_the_byte() {
    for version in HIXIE {
        let twice = ask(&Head::of(version).with("Origin", "http://example.com"));
        assert_eq!(*twice.rejected(), Rejection::Duplicate("Origin"));
        let odd = "http://EXAMPLE.com:80/?";
        let driven = ask(&Head::of(version).set("Origin", odd));
        let answer = HandshakeResponse::read(&driven.output);
        let field = answer
            .header("WebSocket-Origin")
            .or(answer.header("Sec-WebSocket-Origin"));
        assert_eq!(field, Some(odd));
    }
}
