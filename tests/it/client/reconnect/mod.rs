//! A client that stays connected, against servers that go away.

mod backoff;

#[cfg(feature = "server")]
mod ending;

mod queue;

#[cfg(feature = "server")]
mod resuming;

#[cfg(feature = "server")]
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stentor::Connector;
use stentor::client::{Outage, Reconnect, Reconnecting, Update};

use crate::support::{ByHand, PATIENCE, eventually};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Much longer than a test may take.
const HOUR: Duration = Duration::from_secs(3600);

/// A server that serves one connection after the other, each with its own part of a script. Its port stays
/// its own until [`join`](Series::join): a client that goes on for longer reaches no other test.
struct Series {
    url: String,
    #[cfg(feature = "server")]
    address: SocketAddr,
    thread: JoinHandle<()>,
    /// Dropped at the end, to release the port.
    _lives: Sender<()>,
}

impl Series {
    fn run(script: impl FnOnce(&mut Connections) + Send + 'static) -> Series {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let target = format!("/feed?token=secret&series={}-{number}", std::process::id());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("ws://{address}{target}");
        let (_lives, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut connections = Connections { listener, target };
            script(&mut connections);
            let _ = ended.recv();
        });
        Series {
            url,
            #[cfg(feature = "server")]
            address,
            thread,
            _lives,
        }
    }

    /// Waits for its end, and fails if it has failed.
    fn join(self) {
        let Series { thread, _lives, .. } = self;
        drop(_lives);
        eventually("the script's end", || thread.is_finished().then_some(()));
        thread.join().expect("the script failed");
    }
}

struct Connections {
    listener: TcpListener,
    /// Of the requests of its own client.
    target: String,
}

impl Connections {
    /// The next connection, whose request has come. A connection with another target is not counted: a client
    /// of another test may still try to reach a server that had this port before.
    fn next_request(&mut self) -> ByHand {
        let line = format!("GET {} HTTP/1.1\r\n", self.target);
        loop {
            let (stream, _) = self.listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            match ByHand::read(stream) {
                Ok(request) if request.head.starts_with(&line) => return request,
                _ => {}
            }
        }
    }

    /// The next connection, whose handshake is done.
    fn next(&mut self) -> ByHand {
        let mut server = self.next_request();
        server.accept("");
        server
    }

    /// Rejects the next request; `headers` are whole lines.
    fn reject(&mut self, status: u16, headers: &str) {
        let head = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n{headers}\r\n");
        self.next_request().write(head.as_bytes());
    }
}

/// Closes with a code, and reads up to the client's close frame: a socket that is closed with unread bytes
/// resets the connection, and the client may then not receive the close frame.
fn finish(mut server: ByHand, code: u16) {
    server.start_close(code);
    while server.hear().0 != 0x88 {}
}

/// Options with a delay of always one millisecond. If the script has failed, the test ends too.
fn at_once() -> Reconnect {
    let options = Reconnect::new().first_delay(MILLISECOND).factor(1.0);
    options.jitter(false).max_attempts(Some(1000))
}

fn stay(url: &str, options: Reconnect) -> Reconnecting {
    Connector::new().stay_connected(url, options).unwrap()
}

/// Returns the next event, in words.
fn next(feed: &mut Reconnecting) -> String {
    in_words(feed.recv().unwrap())
}

fn in_words(update: Option<Update>) -> String {
    match update {
        Some(Update::Connected { first, .. }) if first => "connected".to_owned(),
        Some(Update::Connected { .. }) => "connected again".to_owned(),
        Some(Update::Message(message)) => message.to_string(),
        Some(Update::Disconnected { outage, .. }) => match outage {
            Outage::Closed(closed) => format!("closed {}", closed.code),
            Outage::Failed(error) => error.to_string(),
            other => panic!("{other}"),
        },
        Some(Update::Nothing) => "nothing".to_owned(),
        Some(other) => panic!("{other:?}"),
        None => "over".to_owned(),
    }
}

/// Returns the delay of the next event, which must be an outage.
fn next_delay(feed: &mut Reconnecting) -> Duration {
    loop {
        match feed.recv().unwrap() {
            Some(Update::Connected { .. }) => {}
            Some(Update::Disconnected { retry_in, .. }) => return retry_in,
            other => panic!("{other:?}"),
        }
    }
}

const LOST: &str = "disconnected: the stream ended";
