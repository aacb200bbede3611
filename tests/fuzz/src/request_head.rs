//! Any bytes as a request: a rejection, a request, or too few of them.

use std::sync::Arc;

use crate::driven::{Driven, Manner};
use crate::head::trim;
use crate::ways::alike;
use arbitrary::Arbitrary;
use stentor::protocol::{Config, Event, Rejection, Request, State};

/// Fields of fixed size come first, so that the rest of an input is the bytes of the wire.
#[derive(Debug, Arbitrary)]
pub struct PendingHandshake<'a> {
    /// The limits of the header block: subtracted from 2000 bytes and 40 headers.
    less: [u8; 2],
    options: u8,
    cuts: u32,
    wire: &'a [u8],
}

pub fn judge(asked: &PendingHandshake) {
    let mut config = Config::default();
    config.limits.header_bytes = 2000 - 7 * usize::from(asked.less[0]);
    config.limits.header_count = usize::from(40 - asked.less[1] % 41);
    let option = |bit: u8| asked.options & 1 << bit != 0;
    config.behind_tls = option(0);
    config.trust_forwarded_headers = option(1);
    if option(2) {
        config.allowed_origins = Some(vec!["null".parse().expect("an origin")]);
    }
    let limits = config.limits.clone();
    let config = Arc::new(config);

    let driven = alike(asked.wire.len(), asked.cuts, |way| {
        let mut driven = Driven::new(&config, Manner::Accepts);
        way.cut(asked.wire, |piece, reading| driven.receive(piece, reading));
        driven
    });
    let events: Vec<&Event> = driven.events().collect();
    let was_rejected = driven.connection().state() == State::Rejected;
    // One empty line is skipped, and CR alone may begin it.
    if asked.wire == b"\r" {
        return assert_eq!(driven.journal, []);
    }
    let wire = asked.wire.strip_prefix(b"\r\n").unwrap_or(asked.wire);
    let blank = wire.windows(4).position(|four| four == b"\r\n\r\n");
    if let Some(&first) = wire.first()
        && !(0x21..=0x7e).contains(&first)
    {
        // No text begins so: the connection does not wait for the rest.
        assert_eq!(events, [&Event::Rejected(Rejection::NotHttp(first))]);
        return rejected(&driven.output, &Rejection::NotHttp(first));
    }
    // So begins the PROXY protocol, for which the connection does not wait either.
    if wire.starts_with(b"PROXY TCP") || wire.starts_with(b"PROXY UNKNOWN") {
        assert_eq!(events, [&Event::Rejected(Rejection::UnexpectedProxyHeader)]);
        return rejected(&driven.output, &Rejection::UnexpectedProxyHeader);
    }
    match blank.map(|at| at + 4) {
        Some(len) if len <= limits.header_bytes => {
            assert_ne!(driven.journal, [], "no answer to a whole head");
            if let Some(request) = driven.connection().request() {
                let method = compare(request, &wire[..len]);
                if !matches!(method, b"GET" | b"HEAD") {
                    let last = events.last();
                    let Some(Event::Rejected(rejection)) = last else {
                        panic!("{last:?}");
                    };
                    assert_eq!(rejection.name(), "method", "{rejection}");
                }
                assert!(request.headers().count() <= limits.header_count);
                assert!(was_rejected || request.path().starts_with('/'));
            }
        }
        _ if wire.len() >= limits.header_bytes => {
            let rejection = Event::Rejected(Rejection::HeadersTooLarge(limits.header_bytes));
            assert_eq!(events, [&rejection]);
        }
        _ => {
            assert_eq!(driven.journal, []);
            assert_eq!(driven.output, b"");
        }
    }
    if was_rejected {
        let Some(Event::Rejected(rejection)) = events.last() else {
            panic!("rejected, and no refusal");
        };
        rejected(&driven.output, rejection);
    }
}

/// Compares the request with its header block, by a parser that knows only how lines and headers
/// are separated. Returns the method.
fn compare<'a>(request: &Request, head: &'a [u8]) -> &'a [u8] {
    let text = head.escape_ascii().to_string();
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut line = || {
        let line = lines.next().expect("a line");
        line.strip_suffix(b"\r").expect("CR before LF")
    };
    let mut parts = line().split(|byte| *byte == b' ');
    let method = parts.next().expect("a method");
    let target = parts.next().expect("a target");
    // Of a whole URI without a path, the slash is added.
    let own = request.target();
    let found = [own, own.strip_prefix('/').unwrap_or(own)];
    assert!(
        found.iter().any(|own| target.ends_with(own.as_bytes())),
        "{text}"
    );
    assert_ne!(request.target(), "");
    assert!(
        matches!(parts.next(), Some(b"HTTP/1.0" | b"HTTP/1.1")),
        "{text}"
    );
    assert_eq!(parts.next(), None, "{text}");
    for (name, value) in request.headers() {
        let line = line();
        let colon = line.iter().position(|byte| *byte == b':').expect("a colon");
        assert_eq!(name.as_bytes(), &line[..colon], "{text}");
        assert_eq!(value, trim(&line[colon + 1..]), "{text}");
        assert!(request.header(name).is_some());
    }
    assert_eq!(line(), b"", "{text}");

    let query = request.query().map_or(0, |query| query.len() + 1);
    assert_eq!(request.path().len() + query, request.target().len());
    assert!(request.cookies().count() <= head.len());
    assert!(request.subprotocols().len() <= head.len());
    assert!(
        request
            .origin()
            .is_none_or(|origin| origin.len() < head.len())
    );
    assert!(request.forwarded_for().is_none() || request.header("X-Forwarded-For").is_some());
    method
}

/// Checks that a rejection is an HTTP response that a client can read, and nothing else.
fn rejected(answer: &[u8], rejection: &Rejection) {
    let answer = str::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a blank line");
    let mut lines = head.split("\r\n");
    let status = format!("HTTP/1.1 {} ", rejection.status());
    assert!(lines.next().is_some_and(|line| line.starts_with(&status)));
    let mut length = None;
    for line in lines {
        assert!(
            line.bytes().all(|byte| matches!(byte, 0x20..=0x7e)),
            "{line:?}"
        );
        let (name, value) = line.split_once(": ").expect("a colon");
        if name == "Content-Length" {
            assert_eq!(length.replace(value.parse()), None);
        }
    }
    if body.is_empty() {
        // The response to HEAD states the length of the omitted body.
        assert!(matches!(length, Some(Ok(1..))));
    } else {
        assert_eq!(length, Some(Ok(body.len())));
        assert_eq!(body, format!("{rejection}\n"));
    }
    assert!(
        body.bytes().all(|byte| matches!(byte, b'\n' | 0x20..=0x7e)),
        "{body:?}"
    );
}
