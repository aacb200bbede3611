//! The request target: a path, or a whole URI (RFC 9112 §3.2), of handshakes and of pages alike.

use stentor::Version;
use stentor::protocol::{Config, Event, Rejection, State};

use super::{ask, asked};
use crate::support::{Driven, Head};

/// A plain request for this resource of `example.com`.
fn plain(uri: &str) -> Driven {
    let request = format!("GET {uri} HTTP/1.1\r\nHost: example.com\r\n\r\n");
    asked(request.as_bytes(), &Config::default())
}

#[test]
fn the_resource_may_be_a_whole_uri_of_any_request() {
    for (uri, path, query) in [
        ("ws://example.com/a/b?c=d", "/a/b", Some("c=d")),
        ("wss://example.com:8/a/b?c=d", "/a/b", Some("c=d")),
        ("http://example.com/a/b", "/a/b", None),
        ("HTTPS://EXAMPLE.com/a/b?c=d", "/a/b", Some("c=d")),
        // An empty path is `/` (RFC 9112 §3.2.1).
        ("http://example.com", "/", None),
        ("ws://example.com:80", "/", None),
        ("ws://example.com?c=/d", "/", Some("c=/d")),
        ("ws://example.com?", "/", Some("")),
        ("http://example.com//a", "//a", None),
        ("http://example.com/http://b/", "/http://b/", None),
        ("/ws://b/c", "/ws://b/c", None),
    ] {
        let target = match query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        for version in Version::ALL {
            let driven = ask(&Head::of(version).line(&format!("GET {uri} HTTP/1.1")));
            assert_eq!(driven.connection.state(), State::Ready, "{version}: {uri}");
            let request = driven.connection.request().unwrap();
            assert_eq!(request.target(), target, "{version}: {uri}");
        }
        let driven = plain(uri);
        assert_eq!(driven.events[0], Event::Request, "{uri}");
        let request = driven.connection.request().unwrap();
        assert_eq!((request.path(), request.query()), (path, query), "{uri}");
        assert_eq!(request.target(), target, "{uri}");
    }
}

#[cfg(feature = "query")]
#[test]
fn a_query_is_decoded_like_a_form() {
    for (uri, pairs) in [
        ("/", &[][..]),
        ("/?", &[]),
        ("/?&&", &[]),
        ("/?a=1&b=2", &[("a", "1"), ("b", "2")]),
        ("/?a=1&a=2", &[("a", "1"), ("a", "2")]),
        ("/?a&b=&=c", &[("a", ""), ("b", ""), ("", "c")]),
        ("/?a=b=c?d", &[("a", "b=c?d")]),
        ("/?a+b=c+d%20e", &[("a b", "c d e")]),
        ("/?%61%3D=%26%2B", &[("a=", "&+")]),
        ("/?a=%C3%A9%E2%82%AC", &[("a", "é€")]),
        // Nothing is an error.
        (
            "/?a=%&b=%4&c=%zz&d=%%41",
            &[("a", "%"), ("b", "%4"), ("c", "%zz"), ("d", "%A")],
        ),
        ("/?a=%ff%00", &[("a", "\u{fffd}\0")]),
        ("http://example.com?a=%41", &[("a", "A")]),
    ] {
        let driven = plain(uri);
        let request = driven.connection.request().unwrap();
        let decoded: Vec<_> = request.query_pairs().collect();
        let decoded: Vec<(&str, &str)> = decoded.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(decoded, pairs, "{uri}");
        for (name, _) in pairs {
            let first = pairs.iter().find(|(other, _)| other == name);
            let value = request.query_value(name);
            assert_eq!(value.as_deref(), first.map(|(_, value)| *value), "{uri}");
        }
        assert_eq!(request.query_value("absent"), None, "{uri}");
    }
}

#[test]
fn a_whole_uri_names_the_host_that_the_host_field_names() {
    for uri in [
        "ws://evil.example/a",
        "ws://evil.example",
        "ws://example.com.evil/a",
        "ws://user@example.com/a",
        "ws://example.com:x/a",
        "ws://example.com:0/",
        "ws:///a",
        "ws://",
        "http://?c=d",
    ] {
        let shown = uri.split('?').next().unwrap().replace("user@", "...@");
        let rejection = Rejection::Resource(shown);
        for version in Version::ALL {
            let driven = ask(&Head::of(version).line(&format!("GET {uri} HTTP/1.1")));
            assert_eq!(*driven.rejected(), rejection, "{version}");
        }
        assert_eq!(*plain(uri).rejected(), rejection, "plain");
    }
}

#[test]
fn what_is_no_path_is_refused_of_any_request() {
    for resource in [
        "*",
        "demo",
        "?a=b",
        "/a#b",
        "ws://example.com/a#b",
        "ws://example.com#b",
        "ftp://example.com/a",
        "javascript://example.com/a",
        "example.com:80",
    ] {
        assert_eq!(plain(resource).rejected().name(), "resource", "{resource}");
        for version in Version::ALL {
            let driven = ask(&Head::of(version).line(&format!("GET {resource} HTTP/1.1")));
            assert_eq!(
                driven.rejected().name(),
                "resource",
                "{version}: {resource}"
            );
        }
    }
}

/// Of a whole URL, the user and the password are secrets too, and so may the fragment be.
#[test]
fn a_refused_resource_is_named_without_user_and_fragment() {
    for resource in [
        "http://user:SECRET@example.com/a",
        "ftp://SECRET@example.com/a?SECRET",
        "/a#SECRET",
        "http://example.com#SECRET",
    ] {
        let driven = plain(resource);
        assert_eq!(driven.rejected().name(), "resource", "{resource}");
        let told = driven.output.escape_ascii().to_string();
        assert!(!told.contains("SECRET"), "{told}");
        assert!(!driven.rejected().to_string().contains("SECRET"), "{told}");
    }
}

/// The query may be a token, and a refusal is written to logs.
#[test]
fn a_refused_resource_is_named_without_its_query() {
    let driven = plain("ws://evil.example/a?token=SECRET");
    assert_eq!(
        *driven.rejected(),
        Rejection::Resource("ws://evil.example/a".to_owned())
    );
    assert!(!driven.output.escape_ascii().to_string().contains("SECRET"));
}
