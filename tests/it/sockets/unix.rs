//! Clients that connect over a Unix socket: all rules for other clients hold for them.

use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stentor::protocol::Rejection;
use stentor::server::Peer as From;
use stentor::{Client, DisconnectReason, Error, HandlerResult, Server, ServerBuilder, Version};

use crate::support::{
    Folder, Head, Loopback, PATIENCE, Peer, as_tcp, becomes, dial_unix, echo, keep_logbook, logged,
    open_unix, read_answer,
};

/// A server on a port and on a Unix socket.
struct Both {
    server: Loopback,
    path: PathBuf,
    _folder: Folder,
}

impl Both {
    fn run<H>(builder: ServerBuilder, handler: H) -> Both
    where
        H: Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
    {
        let folder = Folder::new();
        let path = folder.file("socket");
        let builder = builder.listen("127.0.0.1:0").listen_unix(&path);
        let server = builder.build().unwrap();
        Both {
            server: Loopback::start(server, handler),
            path,
            _folder: folder,
        }
    }

    fn open(&self, version: Version) -> Peer {
        open_unix(&self.path, version)
    }
}

#[test]
fn every_version_is_spoken_over_a_unix_socket() {
    let both = Both::run(Server::builder(), echo);
    for version in Version::ALL {
        let mut peer = both.open(version);
        for words in ["", "hello", "\u{1f4e3}", &"x".repeat(1_000_000)] {
            peer.expect_echo(words);
        }
        peer.leave();
    }
    let counters = both.server.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn a_local_peer_has_no_address() {
    keep_logbook();
    let (departed, departures) = mpsc::channel();
    let builder = Server::builder().on_close(move |report| {
        departed.send(report.peer).unwrap();
    });
    let both = Both::run(builder, |client| {
        client.send(format!("{} {:?}", client.peer(), client.addr()))?;
        client.send(client.handle().peer().to_string())?;
        echo(client)
    });
    let head = Head::of(Version::Rfc6455).line("GET /over-a-unix-socket HTTP/1.1");
    let mut peer = Peer::on(dial_unix(&both.path), Version::Rfc6455, &head.bytes());
    peer.expect_text("local None");
    peer.expect_text("local");
    peer.leave();
    assert_eq!(departures.recv_timeout(PATIENCE).unwrap(), From::Local);
    assert_eq!(From::Local.ip(), None);
    assert_eq!(From::Local.addr(), None);
    becomes(&1, || {
        logged(&[" local RFC 6455 /over-a-unix-socket: closed after"]).len()
    });
}

#[test]
fn limits_per_address_do_not_apply_to_clients_without_an_address() {
    let builder = Server::builder()
        .max_clients_per_address(Some(1))
        .handshakes_per_address(1, Duration::from_secs(3600));
    let both = Both::run(builder, echo);
    let mut peers: Vec<Peer> = Version::ALL.map(|version| both.open(version)).into();
    peers.push(both.server.open(Version::Rfc6455));
    let mut rejected = crate::support::dial(both.server.address);
    assert_eq!(read_answer(&mut rejected).status(), 429);
    for peer in &mut peers {
        peer.expect_echo("hello");
    }
}

#[test]
fn the_limit_of_all_connections_holds_for_local_peers_too() {
    let both = Both::run(Server::builder().max_clients(1), echo);
    let mut peer = both.open(Version::Rfc6455);
    assert_eq!(read_answer(&mut dial_unix(&both.path)).status(), 503);
    peer.expect_echo("hello");
}

fn tell_address(client: &mut Client) -> HandlerResult {
    let address = client.addr().as_ref().map(IpAddr::to_string);
    client.send(address.unwrap_or("none".to_owned()))?;
    echo(client)
}

fn forwarded(address: &str) -> Head {
    Head::of(Version::Rfc6455).with("X-Forwarded-For", address)
}

#[test]
fn a_local_proxy_that_is_trusted_names_addresses() {
    let builders = [
        Server::builder().trust_forwarded_headers(true),
        Server::builder().trust_local_proxy(true),
    ];
    for builder in builders {
        let both = Both::run(builder.max_clients_per_address(Some(1)), tell_address);
        let through =
            |head: &Head| Peer::on(dial_unix(&both.path), Version::Rfc6455, &head.bytes());
        let mut peer = through(&forwarded("203.0.113.7"));
        peer.expect_text("203.0.113.7");
        let mut again = dial_unix(&both.path);
        let head = forwarded("6.6.6.6, 203.0.113.7").bytes();
        std::io::Write::write_all(&mut again, &head).unwrap();
        assert_eq!(read_answer(&mut again).status(), 503);
        through(&forwarded("203.0.113.8")).expect_text("203.0.113.8");
        // If the proxy does not name a client's address, none is known, and none is counted.
        for _ in 0..2 {
            through(&Head::of(Version::Rfc6455)).expect_text("none");
        }
    }
}

/// The headers of a local proxy are trusted, those of other clients are not.
#[test]
fn trust_in_a_local_proxy_is_not_trust_in_every_client() {
    let both = Both::run(Server::builder().trust_local_proxy(true), tell_address);
    let head = forwarded("203.0.113.7");
    let mut peer = Peer::open_with(both.server.address, Version::Rfc6455, &head);
    peer.expect_text("127.0.0.1");
    let head = Head::of(Version::Draft75).with("X-Forwarded-Proto", "https");
    let location = |peer: &Peer| peer.answer.header("WebSocket-Location").unwrap().to_owned();
    let mut by_port = Peer::open_with(both.server.address, Version::Draft75, &head);
    let mut by_proxy = Peer::on(dial_unix(&both.path), Version::Draft75, &head.bytes());
    assert_eq!(location(&by_port), "ws://example.com/demo");
    assert_eq!(location(&by_proxy), "wss://example.com/demo");
    by_port.expect_text("127.0.0.1");
    by_proxy.expect_text("none");
}

#[test]
fn no_proxy_is_trusted_by_default() {
    let both = Both::run(Server::builder(), tell_address);
    let head = forwarded("203.0.113.7").bytes();
    let mut peer = Peer::on(dial_unix(&both.path), Version::Rfc6455, &head);
    peer.expect_text("none");
}

#[test]
fn a_local_peer_that_does_not_read_is_evicted_and_delays_no_other() {
    let both = Both::run(Server::builder().send_queue_limit(64 * 1024), echo);
    let mut sleepers: Vec<Peer> = Version::ALL.map(|version| both.open(version)).into();
    let mut reader = both.server.open(Version::Rfc6455);
    let message = "x".repeat(32 * 1024);
    becomes(&Some(5), || {
        both.server.handle.broadcast(message.as_str());
        reader.expect_text(&message);
        let disconnected = both.server.handle.counters().disconnected;
        disconnected.get(&DisconnectReason::Evicted).copied()
    });
    sleepers.clear();
    reader.expect_echo("hello");
}

#[test]
fn timeouts_hold_over_a_unix_socket() {
    let short = Duration::from_millis(50);
    let hasty = Both::run(Server::builder().handshake_timeout(short), echo);
    let mut silent = dial_unix(&hasty.path);
    assert_eq!(read_answer(&mut silent).status(), 408);
    let builder = Server::builder()
        .ping_interval(Some(short))
        .pong_timeout(short)
        .idle_timeout(Some(short * 8));
    let both = Both::run(builder, echo);
    let mut peers: Vec<Peer> = Version::ALL.map(|version| both.open(version)).into();
    let expected = [
        (DisconnectReason::PongTimeout, 3),
        (DisconnectReason::IdleTimeout, 2),
    ]
    .into();
    becomes(&expected, || both.server.handle.counters().disconnected);
    peers.clear();
}

#[test]
fn streams_of_either_kind_are_served_without_a_server() {
    let acceptor = Server::builder().acceptor().unwrap();
    for version in Version::ALL {
        thread::scope(|scope| {
            let (own, served) = UnixStream::pair().unwrap();
            scope.spawn(|| acceptor.serve(served, echo).unwrap());
            let head = Head::of(version).bytes();
            let mut peer = Peer::on(as_tcp(own), version, &head);
            peer.expect_echo("hello");
            peer.leave();
        });
    }
    let (own, served) = UnixStream::pair().unwrap();
    let accepting = thread::spawn(move || {
        let client = acceptor.accept(served).unwrap();
        client.peer()
    });
    let head = Head::of(Version::Rfc6455).bytes();
    let mut peer = Peer::on(as_tcp(own), Version::Rfc6455, &head);
    peer.answer_goodbye(1000, "");
    assert_eq!(accepting.join().unwrap(), From::Local);
}

#[test]
fn a_detached_server_that_is_full_refuses_local_streams() {
    let acceptor = Server::builder().max_clients(0).acceptor().unwrap();
    let (own, served) = UnixStream::pair().unwrap();
    let rejected = acceptor.accept(served).map(drop);
    assert!(matches!(rejected, Err(Error::Rejected(Rejection::Full))));
    assert_eq!(read_answer(&mut as_tcp(own)).status(), 503);
}
