//! Connections whose head was read by someone else.

mod already_read;

#[cfg(feature = "client")]
mod transports;

mod requests;

mod responses;

mod single;

#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "client")]
mod examples;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use stentor::server::{Acceptor, Counters, Handover, ParsedRequest};
use stentor::{Client, Error, HandlerResult, ServerBuilder, Version};

use crate::support::{Peer, becomes, eventually};

/// A timeout that is certain to pass in a test.
const SOON: Duration = Duration::from_millis(200);

/// A server of the test's, with a thread for each stream: a function makes the handover of it.
struct Site {
    address: SocketAddr,
    acceptor: Arc<Acceptor>,
    errors: Arc<Mutex<Vec<Error>>>,
    stopping: Arc<AtomicBool>,
}

impl Site {
    fn run<S, H>(builder: ServerBuilder, serve: S, handler: H) -> Site
    where
        S: Fn(TcpStream) -> Handover + Send + Sync + 'static,
        H: Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
    {
        Site::with(builder, move |acceptor, stream| {
            acceptor.serve(serve(stream), &handler)
        })
    }

    /// Calls a function for each stream, on a thread of its own.
    fn with<S>(builder: ServerBuilder, serve: S) -> Site
    where
        S: Fn(&Acceptor, TcpStream) -> Result<(), Error> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Site {
            address: listener.local_addr().unwrap(),
            acceptor: Arc::new(builder.acceptor().unwrap()),
            errors: Arc::default(),
            stopping: Arc::default(),
        };
        let (acceptor, errors) = (Arc::clone(&site.acceptor), Arc::clone(&site.errors));
        let (stopping, serve) = (Arc::clone(&site.stopping), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopping.load(SeqCst) {
                    return;
                }
                let (acceptor, errors) = (Arc::clone(&acceptor), Arc::clone(&errors));
                let serve = Arc::clone(&serve);
                thread::spawn(move || {
                    if let Err(error) = serve(&acceptor, stream) {
                        errors.lock().unwrap().push(error);
                    }
                });
            }
        });
        site
    }

    fn open(&self, version: Version) -> Peer {
        Peer::open(self.address, version)
    }

    fn counters(&self) -> Counters {
        self.acceptor.handle().counters()
    }

    fn wait_until_empty(&self) -> Counters {
        becomes(&0, || self.counters().connections);
        self.counters()
    }

    fn wait_for_members(&self, count: usize) {
        let room = self.acceptor.handle().room("lobby");
        becomes(&count, || room.members().len());
    }

    /// Returns the text of the next error.
    fn error(&self) -> String {
        eventually("an error", || self.errors.lock().unwrap().pop()).to_string()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stopping.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// The handler of a chat: everything that a client sends goes to all.
fn lobby(client: &mut Client) -> HandlerResult {
    client.join("lobby");
    while let Some(message) = client.recv()? {
        client.room("lobby").broadcast(message);
    }
    Ok(())
}

/// Reads a header block, and not one byte more.
fn read_head(mut stream: &TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    head
}

/// Parses a header block as other servers do.
fn parse(head: &[u8]) -> ParsedRequest {
    let head = head.strip_suffix(b"\r\n\r\n").expect("a blank line");
    let text: String = head.iter().copied().map(char::from).collect();
    let mut lines = text.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let version = first[2].strip_prefix("HTTP/").unwrap();
    let (major, minor) = version.split_once('.').unwrap();
    let headers = lines.map(|line| line.split_once(": ").expect("a colon"));
    let bytes = headers.map(|(name, value)| {
        let value: Vec<u8> = value.chars().map(|one| one as u8).collect();
        (name, value)
    });
    ParsedRequest::new(first[0], first[1])
        .version(major.parse().unwrap(), minor.parse().unwrap())
        .headers(bytes)
}

/// A stream that only reads and writes, and the number of those that exist.
struct Plain {
    stream: TcpStream,
    alive: Arc<AtomicUsize>,
}

impl Plain {
    fn new(stream: TcpStream, alive: &Arc<AtomicUsize>) -> Plain {
        alive.fetch_add(1, SeqCst);
        let alive = Arc::clone(alive);
        Plain { stream, alive }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A few at a time, as some streams do.
        self.stream.write(&bytes[..bytes.len().min(1000)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
