//! Methods: only GET opens a WebSocket, GET and HEAD may ask for a page, and each other request is told
//! so (RFC 9110 §15.5.6, §15.6.2).

use stentor::Version;
use stentor::protocol::{Config, Event, Rejection, State};

use super::{ask, asked};
use crate::support::{Driven, HandshakeResponse, Head};

/// The methods of RFC 9110 §9.3, without GET and HEAD, and that of RFC 5789.
const KNOWN: [&str; 7] = [
    "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// Methods are case-sensitive (RFC 9110 §9.1).
const UNKNOWN: [&str; 6] = ["get", "Post", "GETT", "PRI", "PROPFIND", "X"];

/// Checks the status and `Allow`, and returns the body.
fn refused(driven: &Driven, status: u16, allow: Option<&str>, context: &str) -> String {
    let rejection = driven.rejected();
    assert_eq!((rejection.status(), rejection.name()), (status, "method"));
    assert_eq!(driven.connection.state(), State::Rejected, "{context}");
    let answer = HandshakeResponse::read(&driven.output);
    assert_eq!(answer.status(), status, "{context}");
    assert_eq!(answer.header("Allow"), allow, "{context}");
    let body = String::from_utf8(answer.body).unwrap();
    if context != "HEAD" {
        assert_eq!(body, format!("{rejection}\n"), "{context}");
    }
    body
}

#[test]
fn a_websocket_is_opened_by_get_alone_in_every_version() {
    for version in Version::ALL {
        for method in KNOWN {
            let line = format!("{method} /demo HTTP/1.1");
            let driven = ask(&Head::of(version).line(&line));
            let body = refused(&driven, 405, Some("GET"), method);
            assert!(
                body.contains(method) && body.contains("must be a GET"),
                "{body}"
            );
        }
        let head = ask(&Head::of(version).line("HEAD /demo HTTP/1.1"));
        // RFC 9110 §9.3.2: no body.
        assert_eq!(refused(&head, 405, Some("GET"), "HEAD"), "");
    }
}

#[test]
fn a_page_is_asked_for_by_get_or_head() {
    for upgrade in ["", "Upgrade: h2c\r\n"] {
        for method in KNOWN {
            let request = format!("{method} / HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n");
            let driven = asked(request.as_bytes(), &Config::default());
            let body = refused(&driven, 405, Some("GET, HEAD"), method);
            assert!(body.contains("accepts GET and HEAD only"), "{body}");
        }
        for method in ["GET", "HEAD"] {
            let request = format!("{method} / HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n");
            let driven = asked(request.as_bytes(), &Config::default());
            assert_eq!(driven.events[0], Event::Request, "{method}");
        }
    }
}

#[test]
fn a_method_that_http_does_not_know_is_not_implemented() {
    for method in UNKNOWN {
        let plain = format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n");
        let driven = asked(plain.as_bytes(), &Config::default());
        let body = refused(&driven, 501, None, method);
        assert!(
            body.contains(&format!("unknown method \"{method}\"")),
            "{body}"
        );
        for version in Version::ALL {
            let driven = ask(&Head::of(version).line(&format!("{method} / HTTP/1.1")));
            refused(&driven, 501, None, method);
        }
    }
}

/// RFC 9110 §15.5.6: a method is judged before the rest of a request that is wrong in other ways too.
#[test]
fn the_method_is_judged_first() {
    let request = b"POST nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let driven = asked(request, &Config::default());
    assert_eq!(*driven.rejected(), Rejection::Method("POST".to_owned()));
}
