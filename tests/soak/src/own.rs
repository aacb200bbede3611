//! Stentor's own client: a thread of its own reads, and the thread of all clients sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use stentor::client::ConnectionStats;
use stentor::{CloseCode, Connector, Message, Sender, Version, WebSocket};

use crate::HandlerResult;
use crate::line::dial;
use crate::manner::{Deflate, Manner};

pub(crate) struct Own {
    sender: Option<Sender>,
    notices: Receiver<Notices>,
    /// The number of milliseconds for which its thread sleeps after the next message.
    nap: Arc<AtomicU64>,
}

/// The reports of its thread.
pub(crate) enum Notices {
    Open(Sender),
    Message(Message),
    /// The end, and all traffic of the connection.
    End(ConnectionStats),
    Failed(String),
}

/// The way in which it connects to the server.
pub(crate) enum Way {
    /// By the shortest call.
    Plainly,
    With(Connector),
    /// Over a connection with small buffers.
    Over(Connector, SocketAddr),
}

impl Way {
    /// Chooses the way: each life goes another way than the one before it, as far as its manner
    /// allows.
    pub(crate) fn of(
        life: u32,
        version: Version,
        manner: Manner,
        connector: &Connector,
        address: SocketAddr,
    ) -> Way {
        let deflate = stentor::Deflate::new().threshold(32);
        let takeover = deflate.send_takeover(true).receive_takeover(true);
        let connector = connector.clone().version(version);
        let connector = match manner.deflate {
            Deflate::No => connector,
            Deflate::Alone => connector.deflate(deflate),
            Deflate::Takeover => connector.deflate(takeover),
        };
        let is_plain = !manner.tls && manner.deflate == Deflate::No;
        match life % 2 {
            0 => Way::Over(connector, address),
            _ if is_plain && version == Version::Rfc6455 => Way::Plainly,
            _ => Way::With(connector),
        }
    }

    fn open(self, url: &str) -> Result<WebSocket, stentor::Error> {
        match self {
            Way::Plainly => stentor::connect(url),
            Way::With(connector) => connector.connect(url),
            Way::Over(connector, address) => connector.connect_over(dial(address)?, url),
        }
    }
}

impl Own {
    pub(crate) fn start(way: Way, url: String) -> HandlerResult<Own> {
        let (teller, notices) = mpsc::channel();
        let nap = Arc::new(AtomicU64::new(0));
        let naps = Arc::clone(&nap);
        thread::Builder::new().spawn(move || {
            let update = |what| drop(teller.send(what));
            match live(way, &url, &naps, update) {
                Ok(stats) => update(Notices::End(stats)),
                Err(error) => update(Notices::Failed(error)),
            }
        })?;
        Ok(Own {
            sender: None,
            notices,
            nap,
        })
    }

    /// Returns the next report, if there is one.
    pub(crate) fn notices(&mut self) -> Option<Notices> {
        match self.notices.try_recv() {
            Ok(Notices::Open(sender)) => {
                self.sender = Some(sender.clone());
                Some(Notices::Open(sender))
            }
            Ok(notices) => Some(notices),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Notices::Failed("its thread has ended".into())),
        }
    }

    pub(crate) fn say(&self, payload: &[u8], binary: bool) -> Result<(), String> {
        let sender = self.sender.as_ref().ok_or("it is not open")?;
        let message = match binary {
            true => Message::from(payload.to_vec()),
            false => Message::from(String::from_utf8_lossy(payload).into_owned()),
        };
        let sent = sender.send(message);
        sent.map_err(|error| format!("it could not say something: {error}"))
    }

    pub(crate) fn start_close(&self) {
        if let Some(sender) = &self.sender {
            // If that fails, its thread reports it.
            let _ = sender.close(CloseCode::NORMAL, "");
        }
    }

    pub(crate) fn nap(&self, time: Duration) {
        self.nap.store(time.as_millis() as u64, Relaxed);
    }
}

/// Runs from the handshake to a clean end.
fn live(
    way: Way,
    url: &str,
    nap: &AtomicU64,
    update: impl Fn(Notices),
) -> Result<ConnectionStats, String> {
    let mut socket = way
        .open(url)
        .map_err(|error| format!("{url}, instead of a handshake: {error}"))?;
    update(Notices::Open(socket.sender()));
    loop {
        match socket.recv() {
            Ok(Some(message)) => update(Notices::Message(message)),
            Ok(None) => break,
            Err(error) => return Err(error.to_string()),
        }
        thread::sleep(Duration::from_millis(nap.swap(0, Relaxed)));
    }
    let closed = socket.closed().ok_or("over, and not closed")?;
    match closed.code.get() {
        1000 | 1005 if closed.clean => Ok(socket.stats()),
        _ => Err(format!("a bad end: {closed}")),
    }
}
