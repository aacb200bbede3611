//! A client that stays connected, against servers that go away.

mod backoff;

mod ending;

mod queue;

mod resuming;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stentor::Connector;
use stentor::client::{Outage, Reconnect, Reconnecting, Update};

use crate::support::{ByHand, PATIENCE, eventually};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Much longer than a test may take.
const HOUR: Duration = Duration::from_secs(3600);

/// A server that serves one connection after the other, each with its own part of a script.
struct Series {
    url: String,
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Series {
    fn run(script: impl FnOnce(&mut Connections) + Send + 'static) -> Series {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || script(&mut Connections(listener)));
        Series {
            url: format!("ws://{address}/feed?token=secret"),
            address,
            thread,
        }
    }

    /// Waits for its end, and fails if it has failed.
    fn join(self) {
        eventually("the script's end", || {
            self.thread.is_finished().then_some(())
        });
        self.thread.join().expect("the script failed");
    }
}

struct Connections(TcpListener);

impl Connections {
    fn next_stream(&mut self) -> TcpStream {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The next connection, whose request has come.
    fn next_request(&mut self) -> ByHand {
        let stream = self.next_stream();
        ByHand::on(stream)
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
