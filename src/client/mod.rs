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

pub(crate) mod connector;

mod connect;

mod resolve;

mod proxy;

mod redirects;

pub(crate) mod websocket;

pub(crate) mod sender;

mod reconnect;

mod runtime;

pub(crate) mod entropy;

pub use crate::error::proxy::ProxyError;
pub use crate::error::redirect::RedirectError;
pub use crate::error::socks::SocksError;
pub use crate::net::halves::Halves;
pub use crate::net::transport::Transport;
pub use reconnect::{Outage, Reconnect, Reconnecting, ReconnectingSender, Update};
pub use redirects::Redirects;
pub use websocket::ConnectionStats;
