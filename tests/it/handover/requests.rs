//! Requests that another server has parsed, with the stream: Stentor writes the response.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use stentor::server::{Handover, ParsedRequest, Peer as Address};
use stentor::{Error, Reply, Response, Server, ServerBuilder, Version};

use super::{Plain, SOON, Site, lobby, parse, read_head};
use crate::support::{
    Head, Heard, KEY3, Loopback, Peer, ask, dial, echo, keep_logbook, logged, read_answer, read_end,
};

/// Reads and parses the request.
fn parsed(stream: TcpStream) -> Handover {
    let request = parse(&read_head(&stream));
    Handover::new(stream).request(request)
}

#[test]
fn a_request_that_was_parsed_opens_a_full_client() {
    let site = Site::run(Server::builder(), parsed, lobby);
    let mut peers = Version::ALL.map(|version| site.open(version));
    site.wait_for_members(5);
    for at in 0..peers.len() {
        peers[at].say("hello");
        for peer in &mut peers {
            peer.expect_text("hello");
        }
    }
    for client in site.acceptor.handle().clients() {
        assert_eq!(client.target(), "/demo");
    }
    for mut peer in peers {
        peer.leave();
    }
    let counters = site.wait_until_empty();
    assert_eq!(counters.opened.values().sum::<u64>(), 5);
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

/// Draft-76's last bytes may have been read with the request.
#[test]
fn the_last_bytes_of_draft_76_come_from_what_was_read_or_from_the_stream() {
    let count = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&count);
    let serve = move |stream: TcpStream| {
        let request = parse(&read_head(&stream));
        let mut bytes = vec![0; read.load(SeqCst)];
        std::io::Read::read_exact(&mut &stream, &mut bytes).unwrap();
        Handover::new(stream).request(request).already_read(bytes)
    };
    let site = Site::run(Server::builder(), serve, echo);
    for some in 0..=KEY3.len() {
        count.store(some, SeqCst);
        let mut peer = site.open(Version::Draft76);
        peer.expect_echo("hello");
        peer.leave();
    }
    site.wait_until_empty();
}

fn strict() -> ServerBuilder {
    Server::builder()
        .allowed_hosts(["example.com"])
        .unwrap()
        .allowed_origins(["http://example.com"])
        .unwrap()
        .on_request(|request| match request.path() {
            "/page" => Response::html("a page").into(),
            "/secret" => Reply::reject(403, "not for you"),
            _ => Reply::accept(),
        })
}

/// The status line, all headers but the time, and the body.
fn comparable(
    answer: crate::support::HandshakeResponse,
) -> (String, Vec<(String, String)>, Vec<u8>) {
    let mut fields = answer.fields;
    fields.retain(|(name, _)| name != "Date");
    (answer.status_line, fields, answer.body)
}

#[test]
fn a_parsed_request_is_judged_as_an_own_one() {
    let own = Loopback::echo(strict());
    let site = Site::run(strict(), parsed, echo);
    let mut heads = Vec::new();
    for version in Version::ALL {
        let head = Head::of(version);
        let origin = match version {
            Version::Hybi07 | Version::Hybi08 => "Sec-WebSocket-Origin",
            _ => "Origin",
        };
        heads.extend([
            head.clone().set("Host", "elsewhere.com"),
            head.clone().without("Host"),
            head.clone().without("Upgrade"),
            head.clone().with("Upgrade", "h2c").without("Connection"),
            head.clone().line("GET /page HTTP/1.1"),
            head.clone().line("GET /secret HTTP/1.1"),
            head.clone().line("POST /demo HTTP/1.1"),
            head.clone().line("GET http://example.org/ HTTP/1.1"),
            head.clone()
                .line("GET /demo HTTP/1.0")
                .with("Sec-WebSocket-Version", "7"),
            head.set(origin, "http://elsewhere.com")
                .with("X", [0xe9, b'\t', b'y']),
        ]);
    }
    let mut rejected = 0;
    for head in heads {
        let bytes = head.behind(b"").head();
        let (expected, found) = (ask(own.address, &bytes), ask(site.address, &bytes));
        rejected += usize::from(expected.status() >= 400);
        assert_eq!(
            comparable(found),
            comparable(expected),
            "{}",
            bytes.escape_ascii()
        );
    }
    assert!(rejected > 35, "{rejected}");
    assert_eq!(
        site.wait_until_empty().rejected,
        own.wait_until_empty().rejected
    );
}

#[test]
fn limits_of_clients_and_of_addresses_hold_for_parsed_requests() {
    let site = Site::run(Server::builder().max_clients(1), parsed, echo);
    let mut first = site.open(Version::Rfc6455);
    first.expect_echo("hello");
    assert_eq!(
        ask(site.address, &Head::of(Version::Rfc6455).head()).status(),
        503
    );
    drop(first);
    site.wait_until_empty();

    let builder = Server::builder().max_clients_per_address(Some(1));
    let site = Site::run(builder, parsed, echo);
    let _first = site.open(Version::Rfc6455);
    assert_eq!(
        ask(site.address, &Head::of(Version::Rfc6455).head()).status(),
        503
    );

    // Behind a proxy that is trusted, the address in the header counts.
    let builder = Server::builder()
        .max_clients_per_address(Some(1))
        .trust_forwarded_headers(true);
    let site = Site::run(builder, parsed, |client| {
        client.send(
            client
                .addr()
                .map_or("none".to_owned(), |addr| addr.to_string()),
        )?;
        client.recv()?;
        Ok(())
    });
    let from = |address: &str| Head::of(Version::Rfc6455).with("X-Forwarded-For", address);
    let mut first = Peer::open_with(site.address, Version::Rfc6455, &from("192.0.2.1"));
    first.expect_text("192.0.2.1");
    assert_eq!(ask(site.address, &from("192.0.2.1").head()).status(), 503);
    let mut second = Peer::open_with(site.address, Version::Rfc6455, &from("192.0.2.2"));
    second.expect_text("192.0.2.2");
}

#[test]
fn a_request_that_cannot_be_one_is_an_error_and_a_closed_connection() {
    keep_logbook();
    let get = || ParsedRequest::new("GET", "/its-path");
    let invalid = [
        (get().version(2, 0), "HTTP/2.0"),
        (get().version(0, 9), "HTTP/0.9"),
        (get().version(1, 2), "HTTP/1.2"),
        (ParsedRequest::new("GET /", "/its-path"), "not a method"),
        (ParsedRequest::new("", "/its-path"), "not a method"),
        (ParsedRequest::new("GET", ""), "target"),
        (ParsedRequest::new("GET", "/a b"), "target"),
        (ParsedRequest::new("GET", "/a\r\nX: y"), "target"),
        (get().header("X-One", "a\r\nX-Two: b"), "\"X-One\""),
        (get().header("X-One", "a\nb"), "\"X-One\""),
        (get().header("X-One", b"a\0"), "\"X-One\""),
        (get().header("X One", "a"), "\"X One\""),
        (get().header("X-One: a\r\nX-Two", "a"), "X-Two"),
        (get().header("", "a"), "\"\""),
    ];
    let requests: Vec<_> = invalid.iter().map(|(request, _)| request.clone()).collect();
    let number = AtomicUsize::new(0);
    let serve = move |stream| {
        let request = requests[number.fetch_add(1, SeqCst)].clone();
        Handover::new(stream).request(request)
    };
    let site = Site::run(Server::builder(), serve, echo);
    // The log of one server has only some lines of each kind.
    let another = Server::builder().acceptor().unwrap();
    for (request, fault) in &invalid {
        let mut stream = dial(site.address);
        assert_eq!(read_end(&mut stream), Heard::End);
        let error = site.error();
        assert!(error.contains(fault), "{error}");
        let escaped = error.chars().all(|one| !one.is_control());
        assert!(escaped && !error.contains("its-path"), "{error}");
        assert!(
            !logged(&["handed over is closed", &error]).is_empty(),
            "{error}"
        );
        // The other way to use it.
        let result = another.respond_to(request, Address::Local);
        assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
    }
    assert_eq!(site.counters().accepted, 0);
    assert_eq!(site.counters().connections, 0);
}

/// The stream has something else than the headers promise.
#[test]
fn a_stream_that_contradicts_its_request_is_closed() {
    let site = Site::run(Server::builder(), parsed, echo);
    let mut other = site.open(Version::Draft75);
    for version in Version::ALL {
        let head = match version {
            // Its last bytes are missing: these are the next request's.
            Version::Draft76 => Head::of(version).behind(b""),
            _ => Head::of(version),
        };
        let next = b"GET /next HTTP/1.1\r\nHost: example.com\r\n\r\n";
        let mut stream = dial(site.address);
        stream
            .write_all(&[&head.bytes()[..], next].concat())
            .unwrap();
        let mut response = Vec::new();
        let read = std::io::Read::read_to_end(&mut stream, &mut response);
        assert!(
            response.starts_with(b"HTTP/1.1 101 "),
            "{version}: {read:?}"
        );
        assert!(
            !response.windows(5).any(|five| five == b"/next"),
            "{version}"
        );
    }
    other.expect_echo("still here");
    other.leave();
    let counters = site.wait_until_empty();
    assert_eq!(counters.messages_in, 1, "{counters:?}");
}

#[test]
fn missing_last_bytes_of_draft_76_are_a_clear_error() {
    keep_logbook();
    let builder = Server::builder().handshake_timeout(SOON);
    let site = Site::with(builder, |acceptor, stream| {
        acceptor.accept(parsed(stream)).map(drop)
    });
    for ends in [false, true] {
        let mut stream = dial(site.address);
        let own = format!("127.0.0.1:{}", stream.local_addr().unwrap().port());
        stream
            .write_all(&Head::of(Version::Draft76).head())
            .unwrap();
        stream.write_all(&KEY3[..7]).unwrap();
        if ends {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let error = site.error();
        assert!(error.contains("8 bytes"), "{error}");
        assert!(error.contains("Handover::already_read"), "{error}");
        assert_eq!(logged(&[&own, "8 bytes"]).len(), 1);
    }
    site.wait_until_empty();
}

#[test]
fn a_parsed_request_may_come_with_any_kind_of_stream() {
    let alive = Arc::default();
    let plain = Arc::clone(&alive);
    let serve = move |stream: TcpStream| {
        let request = parse(&read_head(&stream));
        let peer = stream.peer_addr().unwrap();
        let plain = Plain::new(stream, &plain);
        Handover::single(plain).request(request).peer(peer)
    };
    let site = Site::run(Server::builder(), serve, echo);
    for version in Version::ALL {
        let mut peer = site.open(version);
        peer.expect_echo("hello");
        peer.leave();
    }
    let mut stream = dial(site.address);
    stream
        .write_all(&Head::of(Version::Rfc6455).without("Host").head())
        .unwrap();
    assert_eq!(read_answer(&mut stream).status(), 400);
    site.wait_until_empty();
    crate::support::becomes(&0, || alive.load(SeqCst));
}
