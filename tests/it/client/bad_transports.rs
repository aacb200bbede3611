//! Misbehaving transports: the connection ends, and nothing of the bridge stays.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, mpsc};

use stentor::client::Transport;
use stentor::{Connector, DisconnectReason, Error, Server};

use super::{LONG, SOON, url};
use crate::support::{Loopback, PATIENCE, Script, becomes};

/// The number of transports that exist.
#[derive(Default)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn one_of(count: &Arc<AtomicUsize>) -> Alive {
        count.fetch_add(1, SeqCst);
        Alive(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A transport that answers calls in its own way.
struct Crooked {
    stream: TcpStream,
    read: fn(&TcpStream, &mut [u8]) -> io::Result<usize>,
    write: fn(&TcpStream, &[u8]) -> io::Result<usize>,
    _alive: Alive,
}

impl Transport for Crooked {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.read)(&self.stream, buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (self.write)(&self.stream, bytes)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

fn well_read(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    stream.read(buffer)
}

fn well_written(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}

#[test]
fn a_transport_that_panics_or_lies_ends_the_connection() {
    type Reading = fn(&TcpStream, &mut [u8]) -> io::Result<usize>;
    type Writing = fn(&TcpStream, &[u8]) -> io::Result<usize>;
    let cases: [(&str, Reading, Writing); 6] = [
        ("panics in read", |_, _| panic!("read"), well_written),
        ("reads too much", |_, all| Ok(all.len() + 1), well_written),
        (
            "fails to read",
            |_, _| Err(io::ErrorKind::Other.into()),
            well_written,
        ),
        ("panics in write", well_read, |_, _| panic!("write")),
        ("writes too much", well_read, |_, all| Ok(all.len() + 1)),
        ("writes nothing", well_read, |_, _| Ok(0)),
    ];
    let server = Loopback::echo(Server::builder());
    let count = Arc::default();
    for (what, read, write) in cases {
        let transport = Crooked {
            stream: TcpStream::connect(server.address).unwrap(),
            read,
            write,
            _alive: Alive::one_of(&count),
        };
        let connector = Connector::new().handshake_timeout(LONG);
        match connector.connect_through(transport, &url(&server)) {
            Err(Error::Handshake(_)) => {}
            other => panic!("{what}: {other:?}"),
        }
        becomes(&0, || count.load(SeqCst));
    }
}

/// A transport whose peer takes nothing and sends nothing.
struct Stuck {
    ended: Mutex<bool>,
    ends: Condvar,
    _alive: Alive,
}

impl Stuck {
    fn wait(&self) -> io::Result<usize> {
        let ended = self.ended.lock().unwrap();
        drop(self.ends.wait_while(ended, |ended| !*ended).unwrap());
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

impl Transport for Stuck {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        self.wait()
    }

    fn write(&self, _: &[u8]) -> io::Result<usize> {
        self.wait()
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        *self.ended.lock().unwrap() |= how == Shutdown::Both;
        self.ends.notify_all();
        Ok(())
    }
}

#[test]
fn a_transport_that_takes_nothing_is_dropped() {
    let count = Arc::default();
    let stuck = Stuck {
        ended: Mutex::default(),
        ends: Condvar::new(),
        _alive: Alive::one_of(&count),
    };
    let connector = Connector::new().handshake_timeout(SOON).close_timeout(SOON);
    match connector.connect_through(stuck, "ws://example.com/") {
        Err(Error::Disconnected(disconnect_reason)) => {
            assert_eq!(disconnect_reason, DisconnectReason::HandshakeTimeout)
        }
        other => panic!("{other:?}"),
    }
    becomes(&0, || count.load(SeqCst));
}

/// A transport that writes only when it gets a signal.
struct Gate {
    stream: TcpStream,
    may_write: Mutex<mpsc::Receiver<()>>,
    _alive: Alive,
}

impl Transport for Gate {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.stream).read(buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let told = self.may_write.lock().unwrap().recv_timeout(PATIENCE);
        told.map_err(io::Error::other)?;
        (&self.stream).write(bytes)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

#[test]
fn the_last_message_is_sent_after_the_connection_has_been_dropped() {
    let script = Script::run(|mut server| {
        server.accept("");
        server.start_close(1000);
        server.stream.shutdown(Shutdown::Write).unwrap();
        server.expect_goodbye(1000);
        server.expect_end();
    });
    let (update, told) = mpsc::channel();
    let count = Arc::default();
    let gate = Gate {
        stream: TcpStream::connect(script.address).unwrap(),
        may_write: Mutex::new(told),
        _alive: Alive::one_of(&count),
    };
    // The request.
    update.send(()).unwrap();
    let mut socket = Connector::new().connect_through(gate, &script.url).unwrap();
    assert_eq!(socket.recv().unwrap(), None);
    drop(socket);
    update.send(()).unwrap();
    script.join();
    becomes(&0, || count.load(SeqCst));
}
