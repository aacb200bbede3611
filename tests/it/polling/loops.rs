//! One thread with a loop around `poll`, for several connections.

use std::net::{SocketAddr, TcpStream};
use std::thread;

use stentor::server::Acceptor;
use stentor::{Client, Connector, Server, Version, WebSocket};

use super::{Connection, drain, open, readable};
use crate::support::{Loopback, Peer, dial, text};

/// A loop as a user writes it: reads until there is nothing, and then waits for one that has input.
struct Loop<C> {
    connections: Vec<C>,
    /// The texts of each, in their order.
    texts: Vec<Vec<String>>,
    open: Vec<bool>,
}

impl<C: Connection> Loop<C> {
    fn new(connections: Vec<C>) -> Loop<C> {
        let count = connections.len();
        let mut all = Loop {
            connections,
            texts: vec![Vec::new(); count],
            open: vec![true; count],
        };
        (0..count).for_each(|place| all.serve(place));
        all
    }

    fn serve(&mut self, place: usize) {
        let (messages, open) = drain(&mut self.connections[place]);
        let texts = messages.iter().map(|message| message.as_text().unwrap());
        self.texts[place].extend(texts.map(str::to_owned));
        self.open[place] = open;
    }

    /// Runs until so many texts have come from each. A connection is looked at only if `poll` reports it.
    fn run_until(&mut self, counts: [usize; 3]) {
        while self.texts.iter().map(Vec::len).ne(counts) {
            for place in readable(&self.connections) {
                self.serve(place);
            }
        }
    }

    /// Runs until the last one is closed, and drops it.
    fn close_last(&mut self) {
        let last = self.connections.len() - 1;
        while self.open[last] {
            readable(&self.connections[last..]);
            self.serve(last);
        }
        let again = drain(&mut self.connections[last]);
        assert_eq!(again, (Vec::new(), false), "an end is final");
        self.connections.pop();
    }
}

/// Several messages in one packet, a part of a message, and a long message.
fn conversation(acceptor: &Acceptor, version: Version, dial: fn(SocketAddr) -> TcpStream) {
    let (clients, mut peers): (Vec<Client>, Vec<Peer>) =
        (0..3).map(|_| open(acceptor, version, dial)).unzip();
    let mut all = Loop::new(clients);

    // More than the first read takes, and less than one TLS record.
    peers[0].say(&"first".repeat(1600));
    all.run_until([1, 0, 0]);
    all.texts[0].clear();
    let packet = ["a", "b", "c"].map(|words| text(version, words)).concat();
    peers[0].write(&packet);
    let unfinished = text(version, "unfinished");
    let (begin, rest) = unfinished.split_at(6);
    peers[1].write(begin);
    let long = "x".repeat(300_000);
    let bytes = text(version, &long);
    let mut writer = peers.pop().unwrap();
    let writing = thread::spawn(move || {
        writer.write(&bytes);
        writer
    });
    all.run_until([3, 0, 1]);
    assert_eq!(all.texts[0], ["a", "b", "c"]);
    assert!(all.texts[2] == [long]);
    peers.push(writing.join().unwrap());

    all.connections[0].handle().send("a reply").unwrap();
    peers[0].expect_text("a reply");
    peers[1].write(rest);
    peers[1].say("next");
    all.run_until([3, 2, 1]);
    assert_eq!(all.texts[1], ["unfinished", "next"]);

    while let Some(mut peer) = peers.pop() {
        let leaving = thread::spawn(move || peer.leave());
        all.close_last();
        leaving.join().unwrap();
    }
}

#[test]
fn one_thread_serves_three_clients_of_every_version() {
    let acceptor = Server::builder().acceptor().unwrap();
    for version in Version::ALL {
        conversation(&acceptor, version, dial);
    }
}

/// Plaintext that waits in the TLS session does not make a socket readable.
#[cfg(feature = "tls")]
#[test]
fn one_thread_serves_three_clients_over_tls() {
    use crate::support::{Identity, tunnel};
    let builder = Server::builder().tls(Identity::common().server());
    let acceptor = builder.acceptor().unwrap();
    for version in Version::ALL {
        conversation(&acceptor, version, tunnel);
    }
}

/// Answers a number with as many messages, and any other text with itself.
fn count(client: &mut Client) -> stentor::HandlerResult {
    while let Some(message) = client.recv()? {
        match message.as_text().and_then(|text| text.parse().ok()) {
            Some(count) => {
                (0..count).try_for_each(|number: usize| client.send(number.to_string()))?
            }
            None => client.send(message)?,
        }
    }
    Ok(())
}

/// Reads three connections to one server in one thread.
fn three_connections(open: impl Fn() -> WebSocket) {
    let mut all = Loop::new((0..3).map(|_| open()).collect());
    for (socket, words) in all.connections.iter_mut().zip(["500", "3", "x"]) {
        // Repeated so that it is long, and a number stays a number.
        let words = match words {
            "x" => "x".repeat(300_000),
            number => number.to_owned(),
        };
        socket.send(words).unwrap();
    }
    all.run_until([500, 3, 1]);
    let numbers = |count: usize| {
        (0..count)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!((&all.texts[0], &all.texts[1]), (&numbers(500), &numbers(3)));
    assert_eq!(all.texts[2][0].len(), 300_000);
    while let Some(mut socket) = all.connections.pop() {
        socket.close(stentor::CloseCode::NORMAL, "").unwrap();
        all.connections.push(socket);
        all.close_last();
    }
}

#[test]
fn one_thread_reads_three_connections() {
    let server = Loopback::run(Server::builder(), count);
    for version in Version::ALL {
        let url = format!("ws://{}/", server.address);
        three_connections(|| Connector::new().version(version).connect(&url).unwrap());
    }
}

#[cfg(feature = "tls")]
#[test]
fn one_thread_reads_three_connections_over_tls() {
    use crate::support::Identity;
    use stentor::tls::unversioned;
    let builder = Server::builder().tls(Identity::common().server());
    let server = Loopback::run(builder, count);
    let url = format!("wss://{}/", server.address);
    let tls = unversioned::client(Identity::common().believer().into());
    three_connections(|| Connector::new().tls(tls.clone()).connect(&url).unwrap());
}
