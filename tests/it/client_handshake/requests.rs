//! The requests that a client writes, to the byte if the specifications define it.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

use stentor::protocol::version::draft76;
use stentor::protocol::{ClientRequest, Config, Connection, Event, State};
use stentor::{Accept, Version};

use super::{field, request, to};
use crate::support::{Driven, HIXIE, HYBI};

/// Fills `bytes` with another stream each time: splitmix64.
fn noise(bytes: &mut [u8]) {
    thread_local!(static SEED: Cell<u64> = const { Cell::new(0) });
    for byte in bytes {
        let seed = SEED.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        SEED.set(seed);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        *byte = (mixed >> 56) as u8;
    }
}

fn written(request: &ClientRequest) -> Vec<u8> {
    let mut connection = Connection::client(Arc::new(Config::default()), request, noise);
    connection.data_to_send()
}

fn text(request: &ClientRequest) -> String {
    String::from_utf8(Driven::client(request).output).unwrap()
}

#[test]
fn draft_75_has_its_first_lines_in_their_order_and_spelling() {
    let request = to("ws://Example.com/demo?x")
        .version(Version::Draft75)
        .subprotocols(["sample"])
        .and_then(|request| request.cookie("a", "b"))
        .unwrap();
    let expected = "GET /demo?x HTTP/1.1\r\n\
        Upgrade: WebSocket\r\n\
        Connection: Upgrade\r\n\
        Host: example.com\r\n\
        Origin: http://example.com\r\n\
        WebSocket-Protocol: sample\r\n\
        Cookie: a=b\r\n\r\n";
    assert_eq!(text(&request), expected);
}

#[test]
fn the_hybi_versions_write_the_request_that_the_rfc_shows() {
    for (version, number, origin) in [
        (Version::Hybi07, "7", "Sec-WebSocket-Origin"),
        (Version::Hybi08, "8", "Sec-WebSocket-Origin"),
        (Version::Rfc6455, "13", "Origin"),
    ] {
        let request = request(version).subprotocols(["chat", "superchat"]);
        let request = request.and_then(|request| request.header("X-Y", "z"));
        let expected = format!(
            "GET /demo HTTP/1.1\r\n\
            Host: example.com\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            {origin}: http://example.com\r\n\
            Sec-WebSocket-Version: {number}\r\n\
            Sec-WebSocket-Protocol: chat, superchat\r\n\
            X-Y: z\r\n\r\n"
        );
        assert_eq!(text(&request.unwrap()), expected);
    }
}

#[test]
fn draft_76_hides_two_numbers_in_keys_as_specified() {
    let mut seen = HashSet::new();
    for _ in 0..2000 {
        let bytes = written(&request(Version::Draft76));
        for name in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
            let key = field(&bytes, name).unwrap();
            let spaces = key.bytes().filter(|byte| *byte == b' ').count();
            let digits = key.bytes().filter(u8::is_ascii_digit).count();
            let noise = key.len() - spaces - digits;
            assert!((1..=12).contains(&spaces), "{key:?}");
            assert!((1..=10).contains(&digits), "{key:?}");
            assert!((1..=12).contains(&noise), "{key:?}");
            assert!(!key.starts_with(' ') && !key.ends_with(' '), "{key:?}");
            assert!(
                key.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
                "{key:?}"
            );
            let part = draft76::solve(key.as_bytes()).unwrap();
            assert!(
                u64::from(part) * spaces as u64 <= u64::from(u32::MAX),
                "{key:?}"
            );
            seen.insert((spaces, noise));
        }
    }
    // The most and the fewest possible spaces and noise characters, in every combination.
    assert_eq!(seen.len(), 144);
}

#[test]
fn no_two_requests_have_a_key_in_common() {
    let mut keys = HashSet::new();
    for _ in 0..100 {
        for version in HYBI {
            let bytes = written(&request(version));
            let key = field(&bytes, "Sec-WebSocket-Key").unwrap().to_owned();
            assert!(keys.insert(key), "{version}");
        }
        let bytes = written(&request(Version::Draft76));
        for name in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
            let key = field(&bytes, name).unwrap().to_owned();
            assert!(keys.insert(key), "{name}");
        }
        let key3 = bytes[bytes.len() - 8..].escape_ascii().to_string();
        assert!(keys.insert(key3));
    }
}

#[test]
fn draft_76_has_its_fields_in_every_order() {
    let (mut firsts, mut lasts) = (HashSet::new(), HashSet::new());
    let request = request(Version::Draft76).cookie("a", "b").unwrap();
    let request = request.subprotocols(["sample"]).unwrap();
    for _ in 0..500 {
        let bytes = written(&request);
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let head = head.split("\r\n\r\n").next().unwrap();
        let mut names: Vec<&str> = head
            .split("\r\n")
            .skip(1)
            .map(|line| line.split(':').next().unwrap())
            .collect();
        firsts.insert(names[0].to_owned());
        lasts.insert(names[7].to_owned());
        names.sort_unstable();
        let all = [
            "Connection",
            "Cookie",
            "Host",
            "Origin",
            "Sec-WebSocket-Key1",
            "Sec-WebSocket-Key2",
            "Sec-WebSocket-Protocol",
            "Upgrade",
        ];
        assert_eq!(names, all);
    }
    assert_eq!((firsts.len(), lasts.len()), (8, 8));
}

/// Even if all random bytes are equal, it does not loop, or write a request that no server can
/// solve.
#[test]
fn no_entropy_breaks_a_request() {
    for entropy in [
        |bytes: &mut [u8]| bytes.fill(0),
        |bytes: &mut [u8]| bytes.fill(0xff),
    ] {
        for version in Version::ALL {
            let config = Arc::new(Config::default());
            let mut client = Connection::client(Arc::clone(&config), &request(version), entropy);
            let mut server = Connection::new(config);
            server.receive_data(&client.data_to_send());
            assert_eq!(server.next_event(), Some(Event::Request), "{version}");
            server.accept(Accept::new()).unwrap();
            let answer = server.data_to_send();
            assert_eq!(server.next_event(), Some(Event::Open), "{version}");
            client.receive_data(&[answer, server.data_to_send()].concat());
            assert_eq!(client.next_event(), Some(Event::Open), "{version}");
            assert_eq!(client.state(), State::Ready);
        }
    }
}

#[test]
fn a_server_reads_the_clients_request() {
    for version in Version::ALL {
        let asked = to("wss://[::1]:8000/a?b=c")
            .version(version)
            .origin("https://Example.com:443".parse().unwrap())
            .subprotocols(["one", "two"])
            .and_then(|request| request.cookie("session", "e8bb"))
            .and_then(|request| request.header("cookie", "x=y"))
            .and_then(|request| request.header("User-Agent", "Gänsefuß/1.0"))
            .unwrap();
        let mut config = Config::default();
        config.behind_tls = true;
        config.subprotocols = vec!["one".to_owned()];
        let mut server = Driven::new(&config);
        server.receive(&written(&asked));
        assert_eq!(server.events, [Event::Request, Event::Open], "{version}");
        let request = server.connection.request().unwrap();
        assert_eq!(request.version(), Some(version));
        assert_eq!(request.target(), "/a?b=c");
        assert_eq!(request.header_str("Host"), Some("[::1]:8000"));
        assert_eq!(request.origin(), Some("https://example.com"));
        let offered = request.subprotocols();
        match HIXIE.contains(&version) {
            true => assert_eq!(offered, ["one"]),
            false => assert_eq!(offered, ["one", "two"]),
        }
        assert_eq!(request.header_values("Cookie").count(), 1, "{version}");
        assert_eq!(request.cookie("session"), Some("e8bb"));
        assert_eq!(request.cookie("x"), Some("y"));
        assert_eq!(request.header_str("User-Agent"), Some("Gänsefuß/1.0"));
    }
}

#[test]
fn only_the_old_drafts_send_a_default_origin() {
    let cases = [
        ("ws://example.com/", "http://example.com"),
        ("ws://example.com:443/", "http://example.com:443"),
        ("wss://Example.com:443/", "https://example.com"),
        ("wss://[::1]:8000/", "https://[::1]:8000"),
    ];
    for (url, own) in cases {
        for version in HIXIE {
            let bytes = written(&to(url).version(version));
            assert_eq!(field(&bytes, "Origin"), Some(own), "{version}: {url}");
        }
        for version in HYBI {
            let bytes = written(&to(url).version(version));
            assert_eq!(field(&bytes, "Origin"), None);
            assert_eq!(field(&bytes, "Sec-WebSocket-Origin"), None);
        }
    }
    let nobody = to("ws://h/")
        .version(Version::Draft75)
        .origin("null".parse().unwrap());
    assert_eq!(field(&written(&nobody), "Origin"), Some("null"));
}

#[test]
fn a_field_that_would_break_the_request_cannot_be_added() {
    let bad = [
        ("Host", "x"),
        ("origin", "x"),
        ("Upgrade", "x"),
        ("connection", "close"),
        ("Content-Length", "8"),
        ("Transfer-Encoding", "chunked"),
        ("Sec-WebSocket-Key", "x"),
        ("sec-websocket-extensions", "x"),
        ("Sec-WebSocket-Whatever", "x"),
        ("WebSocket-Protocol", "x"),
        ("", "x"),
        ("X Y", "x"),
        ("X:", "x"),
        ("X\r\nY", "x"),
        ("Grüße", "x"),
        ("X", "a\r\nb: c"),
        ("X", "a\nb"),
        ("X", "a\0b"),
        ("X", "\x7f"),
        ("Cookie", "a\r\nb"),
    ];
    for (name, value) in bad {
        let rejected = to("ws://h/").header(name, value);
        let words = format!("header \"{}\" cannot be sent", name.escape_debug());
        assert_eq!(rejected.unwrap_err().to_string(), words, "{name}: {value}");
    }
    for (name, value) in [
        ("", "x"),
        ("a=b", "x"),
        ("a;b", "x"),
        ("a", "b;c"),
        ("a", "\n"),
    ] {
        assert!(to("ws://h/").cookie(name, value).is_err(), "{name}={value}");
    }
}

#[test]
fn a_subprotocol_must_have_a_name_and_only_once() {
    for bad in ["", "a b", "a,b", "a;b", "\"a\"", "a\r\n", "ä", "\x7f"] {
        assert!(to("ws://h/").subprotocols([bad]).is_err(), "{bad:?}");
    }
    assert!(to("ws://h/").subprotocols(["a", "b", "a"]).is_err());
    let once = to("ws://h/").subprotocols(["a"]).unwrap();
    assert!(once.clone().subprotocols(["a"]).is_err());
    let bytes = written(&once.subprotocols(["A", "wamp.2.json"]).unwrap());
    assert_eq!(
        field(&bytes, "Sec-WebSocket-Protocol"),
        Some("a, A, wamp.2.json")
    );
}

#[test]
fn an_origin_that_would_break_the_request_is_invalid() {
    for bad in [
        "a\r\nb: c://h",
        "http://h\r\nb: c",
        "http s://h",
        "://h",
        "1a://h",
        "ä://h",
    ] {
        assert!(bad.parse::<stentor::protocol::Origin>().is_err(), "{bad:?}");
    }
}

#[test]
fn credentials_are_not_shown_by_debug() {
    let request = to("ws://example.com/")
        .cookie("session", "s3cret")
        .and_then(|request| request.header("authorization", "Bearer s3cret"))
        .and_then(|request| request.header("User-Agent", "tester"))
        .unwrap();
    let accept = Accept::new().header("Set-Cookie", "a=s3cret").unwrap();
    let mut server = Connection::new(Arc::new(Config::default()));
    let mut client = Connection::client(Arc::new(Config::default()), &request, noise);
    server.receive_data(&client.data_to_send());
    assert_eq!(server.next_event(), Some(Event::Request));
    let seen = format!("{:?}", server.request());
    server.accept(accept.clone()).unwrap();
    client.receive_data(&server.data_to_send());
    assert_eq!(client.next_event(), Some(Event::Open));
    let answer = format!("{:?}", client.response());
    for shown in [format!("{request:?}"), format!("{accept:?}"), seen, answer] {
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(
            shown.contains("tester") || shown.contains("Set-Cookie"),
            "{shown}"
        );
    }
}

#[test]
fn a_version_is_found_by_its_name_and_by_its_number() {
    for version in Version::ALL {
        assert_eq!(version.name().parse(), Ok(version));
        if let Some(number) = version.wire_number() {
            assert_eq!(number.to_string().parse(), Ok(version));
        }
    }
    for none in ["", "0", "75", "9", "13 ", "013", "+13", "Draft-76"] {
        let error = none.parse::<Version>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("\"{none}\" is not a version")),
            "{error}"
        );
    }
}

#[test]
fn a_request_is_shown_without_its_secrets() {
    let request = ClientRequest::to("ws://example.com/chat?token=secret")
        .unwrap()
        .header("Authorization", "Bearer secret")
        .and_then(|request| request.cookie("session", "secret"))
        .unwrap();
    let connection = Connection::client(Arc::default(), &request, noise);
    for shown in [format!("{request:?}"), format!("{connection:?}")] {
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("Authorization"), "{shown}");
    }
}
