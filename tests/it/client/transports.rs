//! Connections that were not opened by the connector.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use stentor::client::Transport;
#[cfg(unix)]
use stentor::server::Peer;
use stentor::{Connector, Error, Server, Version};

use super::{SOON, url};
use crate::support::{Loopback, Script, becomes};

/// A custom transport, and the number of those that exist.
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
        // A few at a time, as some transports do.
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
fn an_existing_stream_can_be_used() {
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

#[cfg(unix)]
#[test]
fn a_unix_socket_can_be_used() {
    let acceptor = Server::builder().acceptor().unwrap();
    for version in Version::ALL {
        let (near, far) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = acceptor.accept(far).unwrap();
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
fn anything_that_reads_and_writes_can_be_used() {
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
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn the_bridge_to_a_silent_peer_ends_with_the_connection() {
    // No server accepts, and no side closes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let alive = Arc::new(AtomicUsize::new(1));
    let tunnel = Tunnel {
        stream: TcpStream::connect(silent.local_addr().unwrap()).unwrap(),
        alive: Arc::clone(&alive),
    };
    let connector = Connector::new().handshake_timeout(SOON);
    let late = connector.connect_through(tunnel, "ws://example.com/");
    assert!(matches!(late, Err(Error::Disconnected(_))), "{late:?}");
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

/// The peer may still be sending when our own side has ended: if both were ended at once, TCP would
/// reset the peer's bytes.
#[test]
fn the_end_of_one_direction_is_passed_on_alone() {
    let script = Script::run(|mut server| {
        let address = server.stream.local_addr().unwrap();
        server.write(
            format!(
                "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
                 Connection: Upgrade\r\nWebSocket-Origin: http://{address}\r\n\
                 WebSocket-Location: ws://{address}/by/hand?yes\r\n\r\n"
            )
            .as_bytes(),
        );
        // The close of draft-75.
        server.expect_end();
        for _ in 0..20 {
            server.write(b"\0words\xff");
            thread::sleep(Duration::from_millis(1));
        }
    });
    let alive = Arc::new(AtomicUsize::new(1));
    let tunnel = Tunnel {
        stream: TcpStream::connect(script.address).unwrap(),
        alive: Arc::clone(&alive),
    };
    let connector = Connector::new().version(Version::Draft75);
    drop(connector.connect_through(tunnel, &script.url).unwrap());
    script.join();
    becomes(&0, || alive.load(SeqCst));
}
