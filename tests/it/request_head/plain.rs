//! Plain HTTP: requests that ask for no WebSocket go through the same checks as those that do.

use stentor::Version;
use stentor::protocol::{Config, Event, Rejection, State};

use super::{ask, asked, assert_refused};
use crate::support::{Driven, Head};

/// A plain request with these headers, each with its line's end.
fn plain(headers: &str) -> Driven {
    let request = format!("GET /health HTTP/1.1\r\n{headers}\r\n");
    asked(request.as_bytes(), &Config::default())
}

/// RFC 9110 §7.8: a server may ignore it. This is what Java's HttpClient and curl send.
#[test]
fn an_upgrade_to_something_else_is_as_if_it_were_not_there() {
    for upgrade in [
        "h2c",
        "TLS/1.2",
        "",
        "websockets",
        "websocket/13",
        "h2c, TLS/1.2",
    ] {
        let driven = plain(&format!(
            "Host: h\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAI\r\n\
             Content-Length: 0\r\nUpgrade: {upgrade}\r\n"
        ));
        assert_eq!(driven.events[0], Event::Request, "{upgrade}");
        let request = driven.connection.request().unwrap();
        assert_eq!((request.version(), request.path()), (None, "/health"));
        // Where nobody answers it, this says why it is no handshake.
        assert_eq!(
            *driven.rejected(),
            Rejection::InvalidUpgrade(upgrade.to_owned())
        );
        assert_refused(&driven, 400, upgrade);
    }
}

#[test]
fn one_of_several_upgrades_may_be_to_websocket() {
    for upgrade in ["h2c, websocket", "WebSocket , h2c", ",websocket"] {
        for version in Version::ALL {
            let driven = ask(&Head::of(version).set("Upgrade", upgrade));
            assert_eq!(
                driven.connection.state(),
                State::Ready,
                "{version}: {upgrade}"
            );
        }
    }
}

/// RFC 9112 §3.2.
#[test]
fn a_host_is_named_once_and_in_its_proper_form() {
    assert_eq!(*plain("").rejected(), Rejection::Missing("Host"));
    let twice = plain("Host: h\r\nHost: h\r\n");
    assert_eq!(*twice.rejected(), Rejection::Duplicate("Host"));
    for bad in [
        "", "a b", "a/b", "user@h", "h:x", "h:0", "h:65536", "a,b", "[::1",
    ] {
        let driven = plain(&format!("Host: {bad}\r\n"));
        assert_eq!(*driven.rejected(), Rejection::InvalidHost(bad.to_owned()));
        assert_refused(&driven, 400, bad);
    }
    assert_eq!(plain("Host: h:8000\r\n").events[0], Event::Request);
}

/// HTTP/1.0 has no `Host`; where there is one, it must be right.
#[test]
fn http_1_0_may_leave_the_host_out() {
    let asked = |headers: &str| {
        let request = format!("GET http://h/a HTTP/1.0\r\n{headers}\r\n");
        asked(request.as_bytes(), &Config::default())
    };
    assert_eq!(asked("").events[0], Event::Request);
    assert_eq!(asked("").connection.request().unwrap().path(), "/a");
    assert_eq!(asked("Host: h\r\n").events[0], Event::Request);
    assert_eq!(asked("Host: x\r\n").rejected().name(), "resource");
    let bad = asked("Host: h/\r\n");
    assert_eq!(bad.rejected().status(), 400);
    let twice = asked("Host: h\r\nHost: h\r\n");
    assert_eq!(*twice.rejected(), Rejection::Duplicate("Host"));
}

#[test]
fn a_list_of_hosts_holds_for_whole_uris_without_a_host_field() {
    let mut config = Config::default();
    config.allowed_hosts = Some(vec!["served.example".parse().unwrap()]);
    let asked = |uri: &str| asked(format!("GET {uri} HTTP/1.0\r\n\r\n").as_bytes(), &config);
    assert_eq!(asked("http://served.example:8/").events[0], Event::Request);
    let other = asked("http://other.example/");
    assert_eq!(
        *other.rejected(),
        Rejection::UnknownHost("other.example".to_owned())
    );
    assert_eq!(*asked("/").rejected(), Rejection::Missing("Host"));
}
