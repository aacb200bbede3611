//! Connections that the connector did not make.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use stentor::{Connector, Error, Peer, Server, Transport, Version};

use super::url;
use crate::support::{Loopback, becomes};

/// A transport of its own kind, and how many there are.
struct Tunnel {
    stream: TcpStream,
    alive: Arc<AtomicUsize>,
}

impl Tunnel {
    fn to(server: &Loopback, alive: &Arc<AtomicUsize>) -> Tunnel {
        alive.fetch_add(1, SeqCst);
        Tunnel {
            stream: TcpStream::connect(server.address).unwrap(),
            alive: Arc::clone(alive),
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

impl Transport for Tunnel {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // A few at a time, as some do.
        let few = buffer.len().min(1000);
        (&self.stream).read(&mut buffer[..few])
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let few = bytes.len().min(1000);
        (&self.stream).write(&bytes[..few])
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

#[test]
fn a_stream_that_exists_will_do() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_nonblocking(true).unwrap();
        let here = stream.local_addr().unwrap();
        let connector = Connector::new().version(version);
        let url = "ws://example.com/chat";
        let mut socket = connector.connect_over(stream, url).unwrap();
        assert_eq!(socket.local_addr(), Some(here));
        socket.send("hello").unwrap();
        assert_eq!(socket.recv().unwrap(), Some("hello".into()), "{version}");
    }
}

#[test]
fn so_will_a_unix_socket() {
    let detached = Server::builder().detach().unwrap();
    for version in Version::ALL {
        let (near, far) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = detached.accept(far).unwrap();
                while let Some(message) = client.recv().unwrap() {
                    client.send(message).unwrap();
                }
            });
            let connector = Connector::new().version(version);
            let mut socket = connector.connect_over(near, "ws://localhost/").unwrap();
            let ends = (socket.peer(), socket.local_addr());
            assert_eq!(ends, (Peer::Local, None));
            socket.send("hello").unwrap();
            assert_eq!(socket.recv().unwrap(), Some("hello".into()), "{version}");
        });
    }
}

#[test]
fn so_will_anything_that_reads_and_writes() {
    let server = Loopback::echo(Server::builder());
    let alive = Arc::default();
    for version in Version::ALL {
        let connector = Connector::new().version(version);
        let tunnel = Tunnel::to(&server, &alive);
        let mut socket = connector.connect_through(tunnel, &url(&server)).unwrap();
        let long = "x".repeat(100_000);
        for text in ["hello", &long] {
            socket.send(text).unwrap();
            assert_eq!(socket.recv().unwrap(), Some(text.into()), "{version}");
        }
        drop(socket);
        becomes(&0, || alive.load(SeqCst));
    }
    let counters = server.wait_until_empty();
    assert!(counters.lost.is_empty(), "{counters:?}");
}

#[test]
fn the_bridge_to_a_silent_peer_falls_with_the_connection() {
    // It says nothing more, and does not hang up.
    let server = Loopback::run(Server::builder(), |client| {
        while client.recv()?.is_some() {}
        Ok(())
    });
    let alive = Arc::default();
    let tunnel = Tunnel::to(&server, &alive);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let connector = Connector::new().handshake_deadline(super::SOON);
    let stream = TcpStream::connect(silent.local_addr().unwrap()).unwrap();
    let mute = Tunnel {
        stream,
        alive: Arc::clone(&tunnel.alive),
    };
    alive.fetch_add(1, SeqCst);
    drop(tunnel);
    let late = connector.connect_through(mute, "ws://example.com/");
    assert!(matches!(late, Err(Error::Lost(_))), "{late:?}");
    becomes(&0, || alive.load(SeqCst));
}

#[test]
fn a_transport_that_ends_ends_the_connection() {
    let server = Loopback::run(Server::builder(), |client| {
        client.recv()?;
        Ok(())
    });
    let alive = Arc::default();
    let tunnel = Tunnel::to(&server, &alive);
    let mut socket = Connector::new()
        .connect_through(tunnel, &url(&server))
        .unwrap();
    socket.send("leave").unwrap();
    assert_eq!(socket.recv().unwrap(), None);
    drop(socket);
    becomes(&0, || alive.load(SeqCst));
}
