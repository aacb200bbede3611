//! Requests that another server has parsed, whose response that server writes.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use stentor::protocol::Rejection;
use stentor::server::{Acceptor, Handover, ParsedRequest, Peer as Address, UpgradeResponse};
use stentor::{Accept, Client, Error, HandlerResult, Reply, Response, Server, Version};

use super::{SOON, Site, lobby, parse, read_head};
use crate::support::{
    Head, KEY3, Loopback, Peer, ask, dial, echo, eventually, keep_logbook, logged,
};

/// Writes a response as another server does.
fn write(response: &UpgradeResponse, mut stream: &TcpStream) {
    let mut bytes = format!("HTTP/1.1 {} {}\r\n", response.status(), response.reason());
    for (name, value) in response.headers() {
        bytes += &format!("{name}: {value}\r\n");
    }
    let bytes = [bytes.as_bytes(), b"\r\n", response.body()].concat();
    stream.write_all(&bytes).unwrap();
}

fn respond(acceptor: &Acceptor, stream: &TcpStream) -> Result<UpgradeResponse, Error> {
    let request = parse(&read_head(stream));
    let response = acceptor.respond_to(&request, stream.peer_addr()?)?;
    write(&response, stream);
    Ok(response)
}

fn site(
    builder: stentor::ServerBuilder,
    handler: impl Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
) -> Site {
    Site::with(builder, move |acceptor, stream| {
        let response = respond(acceptor, &stream)?;
        response.serve(stream, &handler)
    })
}

fn rfc() -> ParsedRequest {
    parse(&Head::of(Version::Rfc6455).head())
}

#[test]
fn another_server_writes_the_response_and_the_client_is_a_full_one() {
    let site = site(Server::builder(), lobby);
    let mut peers = Version::ALL.map(|version| site.open(version));
    site.wait_for_members(5);
    peers[2].say("hello");
    for peer in &mut peers {
        peer.expect_text("hello");
    }
    let counters = site.counters();
    assert_eq!((counters.connections, counters.accepted), (5, 5));
    assert_eq!(counters.opened.values().sum::<u64>(), 5);
    let ids: Vec<_> = site.acceptor.handle().clients();
    assert_eq!(ids.len(), 5);
    site.acceptor.handle().shutdown(Duration::from_secs(5));
    for peer in &mut peers {
        peer.answer_goodbye(1001, "the server is going down");
    }
    site.wait_until_empty();
}

#[test]
fn bytes_behind_the_request_are_passed_on() {
    let site = Site::with(Server::builder(), |acceptor, mut stream| {
        let response = respond(acceptor, &stream)?;
        let mut bytes = [0; 5];
        std::io::Read::read_exact(&mut stream, &mut bytes)?;
        response.serve(Handover::new(stream).already_read(bytes), echo)
    });
    for version in Version::ALL {
        let bytes = [
            Head::of(version).bytes(),
            crate::support::text(version, "one"),
        ]
        .concat();
        let mut peer = Peer::on(dial(site.address), version, &bytes);
        peer.expect_text("one");
        peer.leave();
    }
    site.wait_until_empty();
}

#[test]
fn the_response_is_that_of_an_own_server() {
    let builder = || {
        Server::builder().on_request(|request| match request.path() {
            "/page" => Response::html("a page").into(),
            "/long" => Response::html("x".repeat(3_000_000)).into(),
            "/secret" => Reply::reject(403, "not for you"),
            _ => Reply::accept(),
        })
    };
    let (own, site) = (Loopback::echo(builder()), site(builder(), echo));
    for target in ["/page", "/long", "/secret", "/demo"] {
        for version in Version::ALL {
            let head = Head::of(version).line(&format!("GET {target} HTTP/1.1"));
            let head = match target {
                "/demo" => head.without("Host"),
                _ => head,
            };
            let (expected, found) = (
                ask(own.address, &head.head()),
                ask(site.address, &head.head()),
            );
            assert_eq!(found.status_line, expected.status_line);
            assert_eq!(found.fields.len(), expected.fields.len());
            assert!(found.body == expected.body, "{target} {version}");
            let error = site.error();
            let is_error = error.contains("rejected with 4") || error.contains("ordinary HTTP");
            assert!(is_error, "{error}");
        }
    }
    let (own, found) = (own.wait_until_empty(), site.wait_until_empty());
    assert_eq!(
        (own.answered, own.rejected),
        (found.answered, found.rejected)
    );
    assert_eq!(found.accepted, 20);
}

#[test]
fn values_of_the_acceptance_reach_the_handler() {
    struct User(&'static str);
    let builder = Server::builder().on_request(|_| {
        let accept = Accept::new()
            .with(User("Ann"))
            .header("X-Own", "yes")
            .unwrap();
        accept.into()
    });
    let site = site(builder, |client| {
        let user = client.get::<User>().ok_or("no user")?;
        Ok(client.send(user.0)?)
    });
    for version in Version::ALL {
        let mut peer = site.open(version);
        assert_eq!(peer.answer.header("X-Own"), Some("yes"));
        peer.expect_text("Ann");
        peer.answer_goodbye(1000, "");
    }
    site.wait_until_empty();
}

#[test]
fn a_client_has_its_place_until_its_response_is_dropped() {
    keep_logbook();
    let acceptor = Server::builder().max_clients(1).acceptor().unwrap();
    let address: std::net::SocketAddr = "192.0.2.33:1234".parse().unwrap();
    let first = acceptor.respond_to(&rfc(), address).unwrap();
    assert!(first.is_upgrade());
    assert_eq!((first.status(), first.body()), (101, &b""[..]));
    assert_eq!(
        first.header_str("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let second = acceptor.respond_to(&rfc(), Address::Local).unwrap();
    assert_eq!((second.status(), second.is_upgrade()), (503, false));
    assert!(!second.body().is_empty());
    let (near, _far) = crate::support::local_pair();
    let result = second.accept(near).map(drop);
    assert!(
        matches!(result, Err(Error::Rejected(Rejection::Full))),
        "{result:?}"
    );
    assert_eq!(acceptor.handle().counters().connections, 1);
    drop(first);
    assert_eq!(acceptor.handle().counters().connections, 0);
    let line = ["192.0.2.33:1234", "its stream was not handed over"];
    assert_eq!(logged(&line).len(), 1);
    let third = acceptor.respond_to(&rfc(), Address::Local).unwrap();
    assert_eq!(third.status(), 101);
}

/// The other server has dropped the last bytes of draft-76, which it has read with the request.
#[test]
fn missing_last_bytes_of_draft_76_are_a_clear_error() {
    keep_logbook();
    let builder = Server::builder().handshake_timeout(SOON);
    let site = Site::with(builder, |acceptor, stream| {
        let response = respond(acceptor, &stream)?;
        assert!(response.is_upgrade());
        response.accept(stream).map(drop)
    });
    let mut other = Peer::without_key3(site.address);
    let own = other.local_addr().to_string();
    let error = site.error();
    assert!(error.contains("8 bytes"), "{error}");
    assert_eq!(logged(&[&own, "8 bytes"]).len(), 1);
    other.expect_end();
    // With them, all is well.
    let mut peer = Peer::without_key3(site.address);
    peer.write(KEY3);
    peer.read_proof();
    peer.answer_goodbye(1000, "");
    site.wait_until_empty();
}

#[test]
fn a_shutdown_before_the_stream_is_passed_on_is_an_error() {
    let acceptor = Server::builder().acceptor().unwrap();
    let response = acceptor.respond_to(&rfc(), Address::Local).unwrap();
    acceptor.handle().shutdown(Duration::ZERO);
    let (near, far) = crate::support::local_pair();
    let result = response.accept(near).map(drop);
    let is_stopping = matches!(result, Err(Error::Rejected(Rejection::ShuttingDown)));
    assert!(is_stopping, "{result:?}");
    let mut far = crate::support::as_tcp(far);
    assert_eq!(
        crate::support::read_end(&mut far),
        crate::support::Heard::End
    );
    let late = acceptor.respond_to(&rfc(), Address::Local).unwrap();
    assert_eq!(late.status(), 503);
    eventually("all gone", || {
        (acceptor.handle().counters().connections == 0).then_some(())
    });
}

#[test]
fn a_second_request_for_an_answered_one_is_an_error() {
    let acceptor = Server::builder().acceptor().unwrap();
    let response = acceptor.respond_to(&rfc(), Address::Local).unwrap();
    let (near, _far) = crate::support::local_pair();
    let result = response
        .accept(Handover::new(near).request(rfc()))
        .map(drop);
    assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
    assert_eq!(acceptor.handle().counters().connections, 0);
}
