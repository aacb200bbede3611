//! The client: from a URL to an open connection, for one thread that reads and any number that send.
//!
//! ```text
//!  Connector ──dial, proxy──> socket ──handshake──> WebSocket, on the thread that reads
//!                               │                      │
//!                               │                send queue <──send── Sender, on any thread
//!                               │                      │
//!                               └── woken, drained ────┴── by the watchdog
//! ```
//!
//! An open connection works the same on either side, and that code is in `net`; one watchdog serves
//! all client connections of the process. This module has only the client's part: resolving and
//! reaching the server, passing a proxy, sending the request, and drawing masks.

mod connector;

mod connect;

mod resolve;

mod proxy;

mod transport;

mod websocket;

mod sender;

mod runtime;

mod entropy;

pub use connector::Connector;

pub use sender::Sender;
pub use transport::Transport;
pub use websocket::{ConnectionStats, WebSocket};

use crate::error::Error;

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
/// The same as [`Connector::connect`].
pub fn connect(url: &str) -> Result<WebSocket, Error> {
    Connector::new().connect(url)
}
