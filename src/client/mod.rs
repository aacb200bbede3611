//! The connecting side: from a URL to a conversation, for one thread that reads and any number that
//! send.
//!
//! ```text
//!  Connector ──dial, proxy──> socket ──handshake──> WebSocket, on the thread that reads
//!                               │                      │
//!                               │                    outbox <──send── Sender, on any thread
//!                               │                      │
//!                               └── woken, drained ────┴── by the warden
//! ```
//!
//! A conversation is the same on either side, and all of that is in `shell`; its warden is one for all
//! connections of the process. What is here is what only a client does: finding the server, going
//! through a proxy, asking, and drawing masks.

mod connector;

mod dial;

mod resolve;

mod proxy;

mod no_proxy;

mod transport;

mod websocket;

mod sender;

mod common;

mod entropy;

pub use connector::Connector;

pub use sender::Sender;
pub use transport::Transport;
pub use websocket::{Traffic, WebSocket};

use crate::shell::error::Error;

/// Connects to a server, with all options at their defaults.
///
/// ```no_run
/// let mut socket = stentor::connect("ws://127.0.0.1:8000/chat")?;
/// socket.send("hello")?;
/// while let Some(message) = socket.recv()? {
///     println!("{message:?}");
/// }
/// # Ok::<(), stentor::Error>(())
/// ```
///
/// # Errors
/// As [`Connector::connect`].
pub fn connect(url: &str) -> Result<WebSocket, Error> {
    Connector::new().connect(url)
}
