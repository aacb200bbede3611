//! Connections that are aborted, without a closing handshake.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use stentor::client::Transport;
use stentor::{CloseCode, Connector, DisconnectReason, Error, Server, Version, WebSocket};

use super::{LONG, open};
use crate::support::{Loopback, Script, becomes};

/// More than the system's buffers hold.
const MUCH: usize = 32 * 1024 * 1024;

/// Returns a connector whose timeouts no test reaches.
fn patient() -> Connector {
    let long = Duration::from_secs(600);
    Connector::new().write_timeout(long).close_timeout(long)
}

fn at_once<T>(act: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let result = act();
    assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
    result
}

fn is_aborted<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Disconnected(DisconnectReason::Aborted)))
}

/// A server that reads nothing until it gets a signal: then it reads the available bytes, and
/// reports their number and how the connection ended.
fn deaf() -> (Script, mpsc::Sender<()>, mpsc::Receiver<(usize, ErrorKind)>) {
    let (hear, told) = mpsc::channel();
    let (update, received) = mpsc::channel();
    let script = Script::run(move |mut server| {
        server.accept("");
        let _ = told.recv();
        let (mut total, mut piece) = (0, vec![0; 64 * 1024]);
        let end = loop {
            match server.stream.read(&mut piece) {
                Ok(0) => break ErrorKind::UnexpectedEof,
                Ok(read) => total += read,
                Err(error) => break error.kind(),
            }
        };
        update.send((total, end)).unwrap();
    });
    (script, hear, received)
}

#[test]
fn an_abort_does_not_wait_and_discards_queued_bytes() {
    let (script, hear, received) = deaf();
    let mut socket = patient()
        .send_queue_limit(2 * MUCH)
        .connect(&script.url)
        .unwrap();
    let sender = socket.sender();
    socket.send("x".repeat(MUCH)).unwrap();
    at_once(|| socket.abort());
    assert!(!sender.is_open());
    for text in ["short", &"long".repeat(10_000)] {
        assert!(is_aborted(sender.send(text)));
    }
    hear.send(()).unwrap();
    script.join();
    let (total, end) = received.recv().unwrap();
    assert!(total < MUCH, "{total}");
    // The end comes first if the system was faster than the reset.
    let ends = [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof];
    assert!(ends.contains(&end), "{end:?}");
}

#[test]
fn an_abort_on_another_thread_wakes_the_reading_thread() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut socket = open(&server, version);
        let sender = socket.sender();
        let other = thread::spawn(move || {
            sender.abort();
            sender.send("more")
        });
        for _ in 0..2 {
            assert!(is_aborted(socket.recv()), "{version}");
        }
        assert!(is_aborted(other.join().unwrap()), "{version}");
        assert!(is_aborted(socket.sender().send("more")), "{version}");
    }
    server.wait_until_empty();
}

#[test]
fn a_message_that_the_version_cannot_carry_is_lost_like_any_other_once_all_is_over() {
    let server = Loopback::echo(Server::builder());
    for version in [Version::Draft75, Version::Draft76] {
        for binary in [vec![0; 10], vec![0; 100_000]] {
            let (aborted, closed) = (open(&server, version), open(&server, version));
            let sender = aborted.sender();
            sender.abort();
            let len = binary.len();
            assert!(is_aborted(sender.send(binary.clone())), "{version}: {len}");
            let sender = closed.sender();
            sender.close(CloseCode::NORMAL, "").unwrap();
            let sent = sender.send(binary);
            assert!(matches!(sent, Err(Error::Closed)), "{version}: {sent:?}");
        }
    }
}

#[test]
fn an_abort_wakes_a_thread_that_waits_for_room() {
    let (script, _hear, _heard) = deaf();
    let socket = patient().send_queue_limit(1).connect(&script.url).unwrap();
    let sender = socket.sender();
    let other = thread::spawn(move || sender.send("x".repeat(MUCH)));
    // It counts as sent when it is in the send queue, and its thread waits from then on.
    becomes(&1, || socket.stats().messages_out);
    at_once(|| socket.abort());
    assert!(is_aborted(other.join().unwrap()));
}

#[test]
fn an_abort_ends_a_drop_that_waits_for_the_server() {
    let (update, told) = mpsc::channel();
    let (leave, end) = mpsc::channel::<()>();
    let script = Script::run(move |mut server| {
        server.accept("");
        server.expect_goodbye(1000);
        // The server does not answer it.
        update.send(()).unwrap();
        let _ = end.recv();
    });
    let socket: WebSocket = patient().connect(&script.url).unwrap();
    let sender = socket.sender();
    let dropping = thread::spawn(move || drop(socket));
    told.recv().unwrap();
    at_once(|| {
        sender.abort();
        dropping.join().unwrap();
    });
    drop(leave);
    script.join();
}

/// A transport that takes the request, and then nothing, until both directions are ended.
struct Stuck {
    stream: TcpStream,
    writes: mpsc::Sender<()>,
    ended: Mutex<bool>,
    wakes: Condvar,
    _alive: Arc<()>,
}

impl Transport for Stuck {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.stream).read(buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.ends_with(b"\r\n\r\n") {
            return (&self.stream).write(bytes);
        }
        let _ = self.writes.send(());
        let mut ended = self.ended.lock().unwrap();
        while !*ended {
            ended = self.wakes.wait(ended).unwrap();
        }
        Err(ErrorKind::BrokenPipe.into())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how == Shutdown::Both {
            *self.ended.lock().unwrap() = true;
            self.wakes.notify_all();
        }
        self.stream.shutdown(how)
    }
}

#[test]
fn a_bridge_whose_last_bytes_are_not_taken_ends_with_an_abort() {
    let (script, _hear, _heard) = deaf();
    let alive = Arc::new(());
    let (writes, is_stuck) = mpsc::channel();
    let transport = Stuck {
        stream: TcpStream::connect(script.address).unwrap(),
        writes,
        ended: Mutex::new(false),
        wakes: Condvar::new(),
        _alive: Arc::clone(&alive),
    };
    let mut socket = patient().connect_through(transport, &script.url).unwrap();
    socket.send("hello").unwrap();
    is_stuck.recv().unwrap();
    socket.abort();
    becomes(&1, || Arc::strong_count(&alive));
}
