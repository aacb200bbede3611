//! Access by origin: the server's own pages, and only under its own names.

use stentor::Version;
use stentor::protocol::{Config, Rejection, State};
use stentor::protocol::{HostName, Origin};

use super::{asked, assert_refused};
use crate::support::{HIXIE, HYBI, Head};

const EVIL: &str = "http://evil.example";

fn same_origin() -> Config {
    let mut config = Config::default();
    config.same_origin = true;
    config
}

fn origin_field(version: Version) -> &'static str {
    match version {
        Version::Hybi07 | Version::Hybi08 => "Sec-WebSocket-Origin",
        _ => "Origin",
    }
}

/// A request from a page with this origin to this host.
fn from(version: Version, origin: &str, host: &str) -> Head {
    let head = Head::of(version).set(origin_field(version), origin);
    head.set("Host", host)
}

fn assert_let_in(head: &Head, config: &Config, what: &str) {
    let driven = asked(&head.bytes(), config);
    assert_eq!(driven.connection.state(), State::Ready, "{what}");
}

#[test]
fn the_servers_own_pages_are_accepted_and_similar_origins_are_not() {
    // Whether TLS ends in front, the host, origins that are the same, and origins that are not.
    let table: [(bool, &str, &[&str], &[&str]); 9] = [
        (
            false,
            "example.com",
            &[
                "http://example.com",
                "http://example.com:80",
                "HTTP://EXAMPLE.com",
            ],
            &[
                "https://example.com",
                "https://example.com:80",
                "ws://example.com",
                "xhttp://example.com",
                "http://evilexample.com",
                "http://evil-example.com",
                "http://example.com.evil.example",
                "http://example.comevil",
                "http://www.example.com",
                "http://example.co",
                "http://example.com.",
                "http://example.com:8080",
                "http://example.com:443",
                "http://example.com:",
                "http://example.com:80x",
                "http://example.com:65616",
                "http://example.com/",
                "http://example.com#",
                "http://example.com?",
                "http://user@example.com",
                "http://example.com@evil.example",
                "http://evil.example/http://example.com",
                "http://evil.example, http://example.com",
                "http://example.com, http://evil.example",
                "http://example.com http://evil.example",
                "example.com",
                "//example.com",
                "://example.com",
                "null",
                "file://",
                "*",
                "",
            ],
        ),
        (
            false,
            "Example.COM:80",
            &["http://example.com", "http://example.com:80"],
            &["http://example.com:8080", "https://example.com"],
        ),
        (
            false,
            "example.com:443",
            &["http://example.com:443"],
            &[
                "https://example.com",
                "https://example.com:443",
                "http://example.com",
            ],
        ),
        (
            true,
            "example.com",
            &["https://example.com", "https://example.com:443"],
            &[
                "http://example.com",
                "wss://example.com",
                "https://example.com:80",
            ],
        ),
        (
            true,
            "example.com:8443",
            &["https://example.com:8443"],
            &["https://example.com", "http://example.com:8443"],
        ),
        (
            false,
            "127.0.0.1:8000",
            &["http://127.0.0.1:8000"],
            &[
                "http://localhost:8000",
                "http://127.0.0.1:8001",
                "http://127.0.0.1:80000",
                "http://127.0.0.1",
                "http://127.0.0.11:8000",
                "http://2130706433:8000",
            ],
        ),
        (
            false,
            "localhost:8000",
            &["http://localhost:8000", "http://LOCALHOST:8000"],
            &[
                "http://127.0.0.1:8000",
                "http://localhost:8000.evil.example",
            ],
        ),
        (
            false,
            "[::1]:8000",
            &["http://[::1]:8000"],
            &["http://[::1]", "http://[::2]:8000", "http://::1:8000"],
        ),
        (
            false,
            "[2001:DB8::1]",
            &["http://[2001:db8::1]", "http://[2001:db8::1]:80"],
            &["http://[2001:db8::1]:8000", "http://[2001:db8::11]"],
        ),
    ];
    for version in Version::ALL {
        for (secure, host, same, other) in table {
            let mut config = same_origin();
            config.behind_tls = secure;
            for origin in same {
                let what = format!("{version}: {origin} at {host}");
                assert_let_in(&from(version, origin, host), &config, &what);
            }
            for origin in other {
                let driven = asked(&from(version, origin, host).bytes(), &config);
                assert_refused(&driven, 403, &format!("{version}: {origin} at {host}"));
            }
        }
    }
}

#[test]
fn the_scheme_is_the_trusted_proxys() {
    for version in Version::ALL {
        let from =
            |origin: &str| from(version, origin, "example.com").with("X-Forwarded-Proto", "https");
        let (http, https) = (from("http://example.com"), from("https://example.com"));
        let mut config = same_origin();
        assert_let_in(&http, &config, "nobody is trusted");
        assert_refused(&asked(&https.bytes(), &config), 403, "nobody is trusted");
        config.trust_forwarded_headers = true;
        assert_let_in(&https, &config, "the proxy is trusted");
        assert_refused(&asked(&http.bytes(), &config), 403, "the proxy is trusted");
    }
}

/// Browsers always name an origin; draft-75 and draft-76 require one of every client.
#[test]
fn a_client_without_an_origin_is_not_a_browser() {
    let both = ["Origin", "Sec-WebSocket-Origin"];
    for version in HYBI {
        let none = Head::of(version).without(both[0]).without(both[1]);
        assert_let_in(&none, &same_origin(), version.name());
        let mut config = same_origin();
        config.allowed_origins = Some(vec!["http://example.com".parse().unwrap()]);
        let driven = asked(&none.bytes(), &config);
        assert_eq!(*driven.rejected(), Rejection::Origin(None), "with a list");
        // An origin in another version's header, or one that is not text, counts as an origin.
        for field in both {
            for value in [&b"http://\xff"[..], EVIL.as_bytes()] {
                let driven = asked(&none.clone().with(field, value).bytes(), &same_origin());
                assert_refused(&driven, 403, &format!("{version}: {field}"));
            }
        }
    }
    for version in HIXIE {
        let driven = asked(&Head::of(version).without("Origin").bytes(), &same_origin());
        assert_eq!(*driven.rejected(), Rejection::Missing("Origin"));
    }
}

#[test]
fn a_list_and_the_servers_own_pages_can_be_combined() {
    let mut config = same_origin();
    config.allowed_origins = Some(vec!["https://a.b".parse().unwrap(), Origin::null()]);
    for version in Version::ALL {
        for origin in ["http://example.com", "https://a.b", "null"] {
            let head = from(version, origin, "example.com");
            assert_let_in(&head, &config, &format!("{version}: {origin}"));
        }
        for origin in [EVIL, "http://a.b", "https://example.com", "file://"] {
            let driven = asked(&from(version, origin, "example.com").bytes(), &config);
            assert_refused(&driven, 403, origin);
        }
    }
}

#[test]
fn only_the_hosts_of_the_list_are_served() {
    let mut config = Config::default();
    let served = ["chat.example.com", "127.0.0.1", "[2001:db8::1]", "::1"];
    config.allowed_hosts = Some(served.map(|host| host.parse::<HostName>().unwrap()).into());
    let good = [
        "chat.example.com",
        "Chat.Example.COM",
        "chat.example.com:80",
        "chat.example.com:8000",
        "127.0.0.1:8000",
        "[::1]",
        "[0:0::1]:8000",
        "[2001:DB8::1]",
    ];
    let bad = [
        "evil.example",
        "example.com",
        "chat.example.com.evil.example",
        "evilchat.example.com",
        "chat.example.com.",
        "localhost",
        "127.0.0.2",
        "127.0.0.11",
        "2130706433",
        "[::2]",
        "[::ffff:127.0.0.1]",
    ];
    for version in Version::ALL {
        for host in good {
            let head = Head::of(version).set("Host", host);
            assert_let_in(&head, &config, &format!("{version}: {host}"));
        }
        for host in bad {
            let driven = asked(&Head::of(version).set("Host", host).bytes(), &config);
            assert_refused(&driven, 421, &format!("{version}: {host}"));
        }
        // A resource with another host in it does not bypass the list.
        let head = Head::of(version).line("GET http://evil.example/chat HTTP/1.1");
        let driven = asked(&head.set("Host", "chat.example.com").bytes(), &config);
        assert_refused(&driven, 400, version.name());
        // An invalid header gets the response for invalid headers.
        let driven = asked(&Head::of(version).set("Host", "a/b").bytes(), &config);
        assert_refused(&driven, 400, version.name());
    }
}

/// A page that is read under an attacker's name belongs to the attacker.
#[test]
fn pages_are_not_served_to_other_hosts_either() {
    let mut config = Config::default();
    config.allowed_hosts = Some(vec!["localhost".parse().unwrap()]);
    let page = |host: &str| {
        let head = format!("GET /health HTTP/1.1\r\n{host}\r\n");
        asked(head.as_bytes(), &config)
    };
    assert_refused(&page("Host: evil.example:8000\r\n"), 421, "another name");
    assert_refused(&page(""), 400, "no name");
    // The host is allowed; that no handler responds is a different check.
    assert_eq!(
        *page("Host: localhost:8000\r\n").rejected(),
        Rejection::NoUpgrade
    );
}

/// An attacker's name that leads here: the page is of the same origin, and only the host reveals
/// it.
#[test]
fn dns_rebinding_is_what_the_list_of_hosts_is_for() {
    for version in Version::ALL {
        let rebound = from(version, EVIL, "evil.example");
        assert_let_in(&rebound, &same_origin(), "the origin is that of the host");
        let mut config = same_origin();
        config.allowed_hosts = Some(vec!["localhost".parse().unwrap()]);
        assert_refused(&asked(&rebound.bytes(), &config), 421, version.name());
    }
}

#[test]
fn an_invalid_host_name_cannot_be_served() {
    for bad in [
        "",
        "example.com:8000",
        "http://example.com",
        "example.com/",
        "user@example.com",
        "a b",
        "[::1]:80",
        "*",
        "*.example.com",
    ] {
        let parsed = bad.parse::<HostName>();
        assert!(parsed.is_err(), "{bad}: {parsed:?}");
    }
    let error = "a:80".parse::<HostName>().unwrap_err().to_string();
    assert!(error.starts_with("\"a:80\" is not a host name"), "{error}");
}
