//! Streams of other libraries: a reader, a writer, and a function that shuts both down.

use std::io::{self, BufWriter};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use stentor::client::{Halves, Transport};
use stentor::server::Handover;
use stentor::{Connector, Server, Version};

use super::{SOON, Site, lobby};
use crate::support::{
    Head, Heard, Peer, becomes, dial, echo, hush, keep_logbook, logged, masked, read_end,
};

fn halves(stream: TcpStream) -> Handover {
    let peer = stream.peer_addr().unwrap();
    let (reader, writer) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    // Nothing leaves this before it is flushed.
    let writer = BufWriter::with_capacity(1024 * 1024, writer);
    let halves = Halves::new(reader, writer, move |how| stream.shutdown(how));
    Handover::through(halves).peer(peer)
}

#[test]
fn halves_of_a_stream_are_a_full_client() {
    let builder = Server::builder().idle_timeout(Some(5 * SOON));
    let site = Site::run(builder, halves, lobby);
    let mut peers = Version::ALL.map(|version| site.open(version));
    site.wait_for_members(5);
    let long = "x".repeat(100_000);
    for words in ["hello", &long] {
        peers[1].say(words);
        // A push leaves at once, although each reads from a client that is silent.
        for peer in &mut peers {
            peer.expect_text(words);
        }
    }
    let address = site.acceptor.handle().clients()[0].peer();
    assert_eq!(address, peers[0].local_addr().into());
    peers[4].leave();
    // The others are silent for too long.
    for peer in &mut peers[..4] {
        peer.expect_end();
    }
    site.wait_until_empty();
    // The watchdog counts a disconnect right after it.
    let disconnected = || site.acceptor.handle().counters().disconnected;
    becomes(&4, || disconnected().values().sum::<u64>());
}

#[test]
fn a_shutdown_closes_the_clients_of_transports() {
    let site = Site::run(Server::builder(), halves, echo);
    let mut peers = Version::ALL.map(|version| site.open(version));
    becomes(&5, || site.acceptor.handle().count());
    site.acceptor.handle().shutdown(Duration::from_secs(5));
    for peer in &mut peers {
        peer.answer_goodbye(1001, "the server is going down");
    }
    site.wait_until_empty();
}

/// A transport, and the number of those that exist.
struct Counted {
    stream: TcpStream,
    panics: bool,
    alive: Arc<AtomicUsize>,
}

impl Transport for Counted {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = io::Read::read(&mut &self.stream, buffer)?;
        assert!(!self.panics || buffer[0] != b'!', "panicking on purpose");
        Ok(read)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut &self.stream, bytes)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

fn counted(alive: &Arc<AtomicUsize>, panics: bool) -> impl Fn(TcpStream) -> Handover + use<> {
    let alive = Arc::clone(alive);
    move |stream| {
        alive.fetch_add(1, SeqCst);
        let (peer, alive) = (stream.peer_addr().unwrap(), Arc::clone(&alive));
        let transport = Counted {
            stream,
            panics,
            alive,
        };
        Handover::through(transport).peer(peer)
    }
}

#[test]
fn a_transport_is_dropped_when_its_connection_has_ended() {
    let alive = Arc::default();
    let site = Site::run(Server::builder(), counted(&alive, false), echo);
    for version in Version::ALL {
        let mut peer = site.open(version);
        peer.expect_echo("hello");
        assert_eq!(alive.load(SeqCst), 1);
        peer.leave();
        becomes(&0, || alive.load(SeqCst));
    }
    let counters = site.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn a_transport_that_is_rejected_gets_the_response_and_is_dropped() {
    let alive = Arc::default();
    let builder = Server::builder().max_clients(1);
    let site = Site::run(builder, counted(&alive, false), echo);
    let mut first = site.open(Version::Rfc6455);
    let mut stream = dial(site.address);
    let mut response = Vec::new();
    io::Read::read_to_end(&mut stream, &mut response).unwrap();
    assert!(response.starts_with(b"HTTP/1.1 503 "));
    becomes(&1, || alive.load(SeqCst));
    first.expect_echo("still here");
    first.leave();
    becomes(&0, || alive.load(SeqCst));
    assert_eq!(site.counters().accepted, 2);
}

#[test]
fn a_transport_that_panics_ends_its_own_connection_only() {
    hush("panicking on purpose");
    let alive = Arc::default();
    let site = Site::run(Server::builder(), counted(&alive, true), echo);
    let (mut one, mut other) = (site.open(Version::Draft76), site.open(Version::Rfc6455));
    other.write(b"!");
    other.expect_end();
    becomes(&1, || alive.load(SeqCst));
    one.expect_echo("still here");
    one.leave();
    becomes(&0, || alive.load(SeqCst));
}

#[test]
fn a_stream_without_an_address_is_an_error() {
    keep_logbook();
    let serve = |stream: TcpStream| {
        let reader = stream.try_clone().unwrap();
        Handover::through(Halves::new(reader, stream, |_| Ok(())))
    };
    let site = Site::run(Server::builder(), serve, echo);
    let mut stream = dial(site.address);
    assert_eq!(read_end(&mut stream), Heard::End);
    let error = site.error();
    assert!(error.contains("call Handover::peer"), "{error}");
    assert_eq!(logged(&["this stream has no address"]).len(), 1);
    assert_eq!(site.counters().accepted, 0);
}

/// A client reads no more: the writing thread of the bridge is stuck in the transport.
#[test]
fn a_peer_that_does_not_read_is_disconnected_and_its_transport_dropped() {
    let alive = Arc::default();
    let builder = Server::builder().write_timeout(SOON).close_timeout(SOON);
    let site = Site::run(builder, counted(&alive, false), |client| {
        while client.recv()?.is_some() {
            for _ in 0..100 {
                client.send("x".repeat(1024 * 1024))?;
            }
        }
        Ok(())
    });
    let mut peer = site.open(Version::Rfc6455);
    let mut other = site.open(Version::Rfc6455);
    peer.say("everything");
    becomes(&1, || site.counters().disconnected.len());
    becomes(&1, || alive.load(SeqCst));
    other.leave();
    becomes(&0, || alive.load(SeqCst));
}

#[test]
fn stentors_own_client_speaks_over_halves_too() {
    let site = Site::run(Server::builder(), halves, echo);
    for version in Version::ALL {
        let stream = TcpStream::connect(site.address).unwrap();
        let (reader, writer) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
        let halves = Halves::new(reader, writer, move |how| stream.shutdown(how));
        let connector = Connector::new().version(version);
        let mut socket = connector.connect_through(halves, "ws://a/").unwrap();
        socket.send("hello").unwrap();
        let message = socket.recv().unwrap().unwrap();
        assert_eq!(message.as_text(), Some("hello"));
    }
    site.wait_until_empty();
}

#[test]
fn bytes_that_were_read_before_come_before_those_of_the_transport() {
    let serve = |stream: TcpStream| {
        let head = super::read_head(&stream);
        halves(stream).already_read(head)
    };
    let site = Site::run(Server::builder(), serve, echo);
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
    let mut peer = site.open(Version::Rfc6455);
    peer.write(&masked(0x83, b""));
    assert!(matches!(peer.hear(), Heard::Close(1002, _)));
    drop(peer);
    site.wait_until_empty();
}
