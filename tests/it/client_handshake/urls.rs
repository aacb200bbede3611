//! The URLs that a client can connect to, and their parts.

use stentor::protocol::{ClientRequest, InvalidUrl};

use super::to;

#[test]
fn a_url_is_taken_apart_and_put_into_its_shortest_form() {
    let cases = [
        (
            "ws://example.com",
            "example.com",
            80,
            "/",
            "ws://example.com/",
        ),
        (
            "wss://example.com",
            "example.com",
            443,
            "/",
            "wss://example.com/",
        ),
        (
            "ws://example.com:80/",
            "example.com",
            80,
            "/",
            "ws://example.com/",
        ),
        (
            "wss://example.com:443/",
            "example.com",
            443,
            "/",
            "wss://example.com/",
        ),
        (
            "ws://example.com:443/",
            "example.com",
            443,
            "/",
            "ws://example.com:443/",
        ),
        (
            "wss://example.com:80/",
            "example.com",
            80,
            "/",
            "wss://example.com:80/",
        ),
        (
            "ws://example.com:/",
            "example.com",
            80,
            "/",
            "ws://example.com/",
        ),
        (
            "ws://example.com:00081/",
            "example.com",
            81,
            "/",
            "ws://example.com:81/",
        ),
        (
            "ws://example.com:65535/",
            "example.com",
            65535,
            "/",
            "ws://example.com:65535/",
        ),
        (
            "WSS://Example.COM/A?B=C",
            "example.com",
            443,
            "/A?B=C",
            "wss://example.com/A?B=C",
        ),
        (
            "ws://example.com?room=1",
            "example.com",
            80,
            "/?room=1",
            "ws://example.com/?room=1",
        ),
        (
            "ws://h/a/../b//?x=/?y",
            "h",
            80,
            "/a/../b//?x=/?y",
            "ws://h/a/../b//?x=/?y",
        ),
        (
            "ws://h/a%20b|c@d:e",
            "h",
            80,
            "/a%20b|c@d:e",
            "ws://h/a%20b|c@d:e",
        ),
        (
            "ws://h/ä?q=€",
            "h",
            80,
            "/%C3%A4?q=%E2%82%AC",
            "ws://h/%C3%A4?q=%E2%82%AC",
        ),
        (
            "ws://a_b-c.d~.:1/",
            "a_b-c.d~.",
            1,
            "/",
            "ws://a_b-c.d~.:1/",
        ),
        (
            "ws://127.0.0.1:8000/",
            "127.0.0.1",
            8000,
            "/",
            "ws://127.0.0.1:8000/",
        ),
        ("ws://[::1]/", "::1", 80, "/", "ws://[::1]/"),
        ("ws://[0:0::1]:8000", "::1", 8000, "/", "ws://[::1]:8000/"),
        (
            "wss://[2001:DB8::a]:443/x",
            "2001:db8::a",
            443,
            "/x",
            "wss://[2001:db8::a]/x",
        ),
        (
            "ws://[::ffff:127.0.0.1]/",
            "::ffff:127.0.0.1",
            80,
            "/",
            "ws://[::ffff:127.0.0.1]/",
        ),
    ];
    for (url, host, port, target, shortest) in cases {
        let request = to(url);
        assert_eq!((request.host(), request.port()), (host, port), "{url}");
        assert_eq!(
            (request.target(), request.url().as_str()),
            (target, shortest),
            "{url}"
        );
        assert_eq!(
            request.is_secure(),
            url.to_lowercase().starts_with("wss"),
            "{url}"
        );
        let authority = shortest.split('/').nth(2).unwrap();
        assert_eq!(request.authority(), authority, "{url}");
    }
}

#[test]
fn a_bad_url_is_refused_with_its_exact_error() {
    let scheme = |scheme: &str| InvalidUrl::Scheme(scheme.to_owned());
    let host = |host: &str| InvalidUrl::Host(host.to_owned());
    let port = |port: &str| InvalidUrl::Port(port.to_owned());
    let resource = |resource: &str| InvalidUrl::Resource(resource.to_owned());
    let fragment = |resource: &str| InvalidUrl::Fragment(resource.to_owned());
    let cases = [
        ("", scheme("")),
        ("example.com", scheme("")),
        ("//example.com/", scheme("")),
        ("://example.com/", scheme("")),
        ("ws:example.com", scheme("")),
        (" ws://example.com", scheme("")),
        ("1ws://example.com", scheme("")),
        ("me:secret@ws://example.com", scheme("")),
        ("http://example.com/", scheme("http")),
        ("HTTPS://example.com/", scheme("HTTPS")),
        ("wsss://example.com/", scheme("wsss")),
        ("ws://example.com/#top", fragment("/#top")),
        ("ws://example.com#top", fragment("#top")),
        ("ws://example.com/?a#", fragment("/?a#")),
        ("ws://me:secret@example.com/", InvalidUrl::UserInfo),
        ("ws://me@example.com/", InvalidUrl::UserInfo),
        ("ws://@example.com/", InvalidUrl::UserInfo),
        ("ws://", host("")),
        ("ws:///path", host("")),
        ("ws://:80/", host("")),
        ("ws://?query", host("")),
        ("ws://exa mple.com/", host("exa mple.com")),
        ("ws://exämple.com/", host("exämple.com")),
        ("ws://exa%41mple.com/", host("exa%41mple.com")),
        ("ws://*.example.com/", host("*.example.com")),
        ("ws://a,b/", host("a,b")),
        ("ws://a\r\nb/", host("a\r\nb")),
        ("ws://[::1/", host("[::1")),
        ("ws://[::1]]/", host("[::1]]")),
        ("ws://[]/", host("[]")),
        ("ws://[::g]/", host("[::g]")),
        ("ws://[127.0.0.1]/", host("[127.0.0.1]")),
        ("ws://[fe80::1%25eth0]/", host("[fe80::1%25eth0]")),
        ("ws://::1/", host("::1")),
        ("ws://example.com:0/", port("0")),
        ("ws://example.com:65536/", port("65536")),
        ("ws://example.com:+80/", port("+80")),
        ("ws://example.com:-1/", port("-1")),
        ("ws://example.com:80x/", port("80x")),
        ("ws://example.com: 80/", port(" 80")),
        ("ws://example.com:8٠/", port("8٠")),
        ("ws://example.com/a b", resource("/a b")),
        ("ws://example.com/ ", resource("/ ")),
        ("ws://example.com/\r\nX: y", resource("/\r\nX: y")),
        ("ws://example.com/\t", resource("/\t")),
        ("ws://example.com/\0", resource("/\0")),
        ("ws://example.com/\x7f", resource("/\x7f")),
        ("ws://example.com/a\\b", resource("/a\\b")),
        ("ws://example.com\\@evil.com/", resource("\\@evil.com/")),
    ];
    for (url, bad) in cases {
        assert_eq!(ClientRequest::to(url), Err(bad), "{url:?}");
    }
}

#[test]
fn the_error_of_a_bad_url_is_described_in_words() {
    let cases = [
        ("example.com", "URL without ws:// or wss://"),
        (
            "http://example.com",
            "URL with http:// instead of ws:// or wss://",
        ),
        ("ws://h/#top", "URL with a fragment: \"/#top\""),
        ("ws://", "URL without a host"),
        ("ws://a\nb", "URL with invalid host \"a\\nb\""),
        ("ws://h:99999", "URL with invalid port \"99999\""),
        (
            "ws://h/a b",
            "URL with a blank, a backslash or a control character in \"/a b\"",
        ),
    ];
    for (url, words) in cases {
        assert_eq!(ClientRequest::to(url).unwrap_err().to_string(), words);
    }
    let secret = ClientRequest::to("ws://me:secret@h/").unwrap_err();
    assert!(!secret.to_string().contains("secret"), "{secret}");
}
