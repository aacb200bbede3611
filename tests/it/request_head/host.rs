//! The server's name as the client knows it: `Host`, the location made of it, and headers added by
//! proxies.

use stentor::Version;
use stentor::protocol::{Config, Rejection, State};

use super::{ask, asked, assert_refused};
use crate::support::{HIXIE, HYBI, HandshakeResponse, Head};

#[test]
fn a_host_is_a_name_and_perhaps_a_port() {
    let bad: [&[u8]; 26] = [
        b"",
        b":80",
        b"example.com:",
        b"example.com:0",
        b"example.com:65536",
        b"example.com:99999999999999999999",
        b"example.com:+80",
        b"example.com:-1",
        b"example.com:0x50",
        b"example.com: 80",
        b"example.com:80:80",
        b"user@example.com",
        b"user:word@example.com",
        b"example.com/path",
        b"example.com\\path",
        b"example.com?query",
        b"example.com#fragment",
        b"example.com, evil.com",
        b"example.com evil.com",
        b"<example.com>",
        b"\"example.com\"",
        b"ex\xc3\xa4mple.com",
        b"[]",
        b"[::1",
        b"::1",
        b"[::1]x",
    ];
    for version in Version::ALL {
        for host in bad {
            let driven = ask(&Head::of(version).set("Host", host));
            assert_refused(&driven, 400, &host.escape_ascii().to_string());
            assert_eq!(driven.rejected().name(), "invalid host");
        }
        let twice = ask(&Head::of(version).with("Host", "example.com"));
        assert_eq!(*twice.rejected(), Rejection::Duplicate("Host"));
        let none = ask(&Head::of(version).without("Host"));
        assert_eq!(*none.rejected(), Rejection::Missing("Host"));
    }
}

/// The old clients compare it with the address that they connected to (draft-76 §4.1).
#[test]
fn the_location_is_the_host_without_the_default_port() {
    let good = [
        (false, "example.com", "ws://example.com/demo"),
        (false, "EXAMPLE.com", "ws://example.com/demo"),
        (false, "example.com:80", "ws://example.com/demo"),
        (false, "example.com:443", "ws://example.com:443/demo"),
        (false, "example.com:08080", "ws://example.com:8080/demo"),
        (false, "127.0.0.1:1", "ws://127.0.0.1:1/demo"),
        (false, "[::1]", "ws://[::1]/demo"),
        (
            false,
            "[2001:DB8::1]:65535",
            "ws://[2001:db8::1]:65535/demo",
        ),
        (false, "a_b-c.example.", "ws://a_b-c.example./demo"),
        (true, "example.com", "wss://example.com/demo"),
        (true, "example.com:443", "wss://example.com/demo"),
        (true, "example.com:80", "wss://example.com:80/demo"),
    ];
    for (secure, host, location) in good {
        let mut config = Config::default();
        config.behind_tls = secure;
        for version in HIXIE {
            let driven = asked(&Head::of(version).set("Host", host).bytes(), &config);
            assert_eq!(told_location(&driven.output), location);
        }
        for version in HYBI {
            let driven = asked(&Head::of(version).set("Host", host).bytes(), &config);
            assert_eq!(driven.connection.state(), State::Ready, "{host}");
        }
    }
}

#[test]
fn a_proxys_headers_count_only_where_it_is_trusted() {
    for (trusted, proto, location) in [
        (false, "https", "ws://example.com/demo"),
        (true, "https", "wss://example.com/demo"),
        (true, "HTTPS", "wss://example.com/demo"),
        (true, "wss", "wss://example.com/demo"),
        (true, "http", "ws://example.com/demo"),
        (true, "", "ws://example.com/demo"),
        (true, "gopher", "ws://example.com/demo"),
    ] {
        let mut config = Config::default();
        config.trust_forwarded_headers = trusted;
        for version in HIXIE {
            let head = Head::of(version).with("X-Forwarded-Proto", proto);
            assert_eq!(
                told_location(&asked(&head.bytes(), &config).output),
                location,
                "{proto}"
            );
        }
    }
    // A connection that is secure by configuration stays so.
    let mut config = Config::default();
    config.behind_tls = true;
    config.trust_forwarded_headers = true;
    let head = Head::of(Version::Draft76).with("X-Forwarded-Proto", "http");
    assert_eq!(
        told_location(&asked(&head.bytes(), &config).output),
        "wss://example.com/demo"
    );
}

#[test]
fn the_last_forwarded_address_is_the_one_added_by_the_proxy() {
    let address = |head: Head| {
        let driven = ask(&head);
        driven
            .connection
            .request()
            .unwrap()
            .forwarded_for()
            .map(|address| address.to_string())
    };
    let head = || Head::of(Version::Rfc6455);
    let field = "X-Forwarded-For";
    assert_eq!(address(head()), None);
    assert_eq!(
        address(head().with(field, "6.6.6.6, 192.0.2.1")).as_deref(),
        Some("192.0.2.1")
    );
    let two = head().with(field, "6.6.6.6").with(field, "2001:db8::1");
    assert_eq!(address(two).as_deref(), Some("2001:db8::1"));
    for bad in [
        "",
        "unknown",
        "192.0.2.1:x",
        "192.0.2.1,",
        "192.0.2.256",
        "[::1",
        "[]",
    ] {
        assert_eq!(address(head().with(field, bad)), None, "{bad}");
    }
    for (with_port, without) in [
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ] {
        assert_eq!(
            address(head().with(field, with_port)).as_deref(),
            Some(without)
        );
    }
}

fn told_location(output: &[u8]) -> String {
    let answer = HandshakeResponse::read(output);
    let location = answer.header("WebSocket-Location");
    location
        .or(answer.header("Sec-WebSocket-Location"))
        .expect("a location")
        .to_owned()
}
