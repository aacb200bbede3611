//! Many connections in one thread: `try_recv`, which never blocks, and `poll`.

mod loops;

mod single;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use stentor::server::Acceptor;
use stentor::{Client, Error, Message, Received, Version, WebSocket};

use crate::support::{Head, PATIENCE, Peer, as_tcp, local_pair};

/// Longer than any call takes that does not block, and shorter than any wait.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Both kinds of a connection.
trait Connection: AsFd {
    fn look(&mut self) -> Result<Received, Error>;
}

impl Connection for Client {
    fn look(&mut self) -> Result<Received, Error> {
        self.try_recv()
    }
}

impl Connection for WebSocket {
    fn look(&mut self) -> Result<Received, Error> {
        self.try_recv()
    }
}

/// Returns the next result of a call that must not block.
fn look(connection: &mut impl Connection) -> Received {
    let since = Instant::now();
    let received = connection.look().unwrap();
    assert!(since.elapsed() < AT_ONCE, "it has blocked");
    received
}

/// Reads until there is nothing more; returns all messages, and whether the connection is open.
fn drain(connection: &mut impl Connection) -> (Vec<Message>, bool) {
    let mut messages = Vec::new();
    loop {
        match look(connection) {
            Received::Message(message) => messages.push(message),
            Received::Nothing => return (messages, true),
            Received::Closed => return (messages, false),
        }
    }
}

/// Returns which connections have input, once one has; this is all that the loops wait for.
fn readable<C: Connection>(connections: &[C]) -> Vec<usize> {
    let polled = connections
        .iter()
        .map(|one| PollFd::new(one, PollFlags::IN));
    let mut polled: Vec<_> = polled.collect();
    let limit = Timespec::try_from(PATIENCE).unwrap();
    assert!(poll(&mut polled, Some(&limit)).unwrap() > 0, "no input");
    let ready = polled.iter().enumerate();
    let ready = ready.filter(|(_, one)| !one.revents().is_empty());
    ready.map(|(place, _)| place).collect()
}

/// Waits until a connection has input.
fn wait_for_input<C: Connection>(connection: &C) {
    let mut polled = [PollFd::new(connection, PollFlags::IN)];
    let limit = Timespec::try_from(PATIENCE).unwrap();
    assert_eq!(poll(&mut polled, Some(&limit)).unwrap(), 1, "no input");
}

/// Opens a client over TCP: the peer shakes hands on another thread.
fn open(
    acceptor: &Acceptor,
    version: Version,
    dial: impl FnOnce(SocketAddr) -> TcpStream + Send + 'static,
) -> (Client, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bytes = Head::of(version).bytes();
    let peer = thread::spawn(move || Peer::on(dial(address), version, &bytes));
    let client = acceptor.accept(listener.accept().unwrap().0).unwrap();
    (client, peer.join().unwrap())
}

/// Opens a client over a pair: on Unix, its buffers are small.
fn open_local(acceptor: &Acceptor, version: Version) -> (Client, Peer) {
    let (near, far) = local_pair();
    let bytes = Head::of(version).bytes();
    let peer = thread::spawn(move || Peer::on(as_tcp(far), version, &bytes));
    let client = acceptor.accept(near).unwrap();
    (client, peer.join().unwrap())
}
