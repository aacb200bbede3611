//! Stentor is a WebSocket library and server for plain threads: no async runtime, no `unsafe`,
//! few dependencies. It speaks every version of the protocol that a browser ever shipped, and clients
//! of all versions can be in the same room.
//!
//! ```no_run
//! fn main() -> std::io::Result<()> {
//!     stentor::Server::bind("127.0.0.1:8000")?.run(|client| {
//!         client.join("lobby");
//!         while let Some(message) = client.recv()? {
//!             client.room("lobby").broadcast(message);
//!         }
//!         Ok(())
//!     })
//! }
//! ```
//!
//! This program is a chat room. Timeouts, size limits, keepalive, backpressure and a policy for slow
//! consumers are on by default. The server runs the closure once for each client, on a thread of its
//! own. So the code for one client is sequential, from the first message to the last.
//!
//! # The versions
//!
//! | | shipped in | text | binary | ping | close code | subprotocols |
//! |---|---|---|---|---|---|---|
//! | [draft-75](protocol::version::draft75) | Chrome 4–5, Safari 5.0.0 | yes | – | – | – | one |
//! | [draft-76](protocol::version::draft76) | Chrome 6–13, Safari 5.0.1–5.1, iOS 4.2–5.1, Firefox 4–5 and Opera 11–12.0 (off), television sets | yes | – | – | – | one |
//! | [version 7](protocol::version::hybi07) | Firefox 6 | yes | yes | yes | yes | a list |
//! | [version 8](protocol::version::hybi08) | Firefox 7–10, Chrome 14–15 | yes | yes | yes | yes | a list |
//! | [RFC 6455](protocol::version::rfc6455) | every browser since 2012 | yes | yes | yes | yes | a list |
//!
//! Some versions cannot carry some messages. For such a message, a send to one client returns
//! [`Error::Send`]; a broadcast skips the client and [counts](Counters::skipped) it. Stentor never
//! sends other bytes instead. A close code that the version cannot carry is not sent, but it is kept
//! for the [`CloseReport`].
//!
//! # A guided tour
//!
//! **Messages.** A handler receives a [`Client`]: [`recv`](Client::recv) returns the next message,
//! [`send`](Client::send) sends a reply, [`join`](Client::join) enters a room, and
//! [`broadcast`](Audience::broadcast) sends to all members of a room. `recv` returns `Ok(None)` when
//! the connection was closed in the regular way, usually by a close frame of the peer. When the
//! handler returns, the connection is closed with code 1000. An error or a panic in the handler closes
//! only this client's connection, with code 1011.
//!
//! **Other threads.** A [`ClientHandle`] sends to one client and closes its connection, from any
//! thread, and never waits. A [`ServerHandle`] broadcasts, counts and lists the clients, and starts a
//! [graceful shutdown](ServerHandle::shutdown).
//!
//! ```
//! # use std::time::Duration;
//! let server = stentor::Server::bind("127.0.0.1:0")?;
//! let handle = server.handle();
//! let ticker = std::thread::spawn(move || {
//!     handle.broadcast("tick");
//!     println!("{} clients, {} messages", handle.count(), handle.counters().messages_out);
//!     handle.shutdown(Duration::from_secs(1));
//! });
//! server.run(|client| {
//!     while client.recv()?.is_some() {}
//!     Ok(())
//! })?;
//! # ticker.join().unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! **Backpressure and slow consumers.** Each client has a send queue, which is limited in bytes
//! ([`send_queue`](ServerBuilder::send_queue_limit)). When it is full, the client's own handler waits in
//! `send`, up to the write timeout. Broadcasts and handles never wait: the policy [`SlowClient`]
//! closes the slow client's connection, which is the default, or drops messages for this client.
//!
//! **Requests.** [`on_request`](ServerBuilder::on_request) receives each request before the server
//! responds. It accepts the request, rejects it with a status, or responds with a page. So one port
//! can serve a page, a health check and the WebSocket.
//!
//! ```
//! use stentor::{Accept, Reply, Response, Server};
//!
//! let server = Server::builder()
//!     .allowed_origins(["https://example.com"])?
//!     .on_request(|request| match (request.version(), request.path()) {
//!         (None, "/health") => Response::text("ok\n").into(),
//!         (Some(_), "/chat") => match request.cookie("session") {
//!             Some(_) => Reply::accept(),
//!             None => Reply::reject(403, "log in first"),
//!         },
//!         _ => Reply::reject(404, "nothing here"),
//!     });
//! # Ok::<(), stentor::InvalidOrigin>(())
//! ```
//!
//! **The open internet.** Timeouts and size limits are on by default. Other limits depend on your
//! application and are off until you set them: the rate limit of a client, the limits per address,
//! and the allowed hosts and origins.
//!
//! ```
//! # use std::time::Duration;
//! use stentor::{RateLimit, Server};
//!
//! let server = Server::builder()
//!     .allowed_hosts(["chat.example.com"])?
//!     .same_origin()
//!     .rate_limit(RateLimit::per_second().messages(20).bytes(64 * 1024))
//!     .max_clients_per_address(Some(50))
//!     .handshakes_per_address(100, Duration::from_secs(60));
//! # Ok::<(), stentor::InvalidHost>(())
//! ```
//!
//! **Several sockets.** One server can listen on several TCP ports, over IPv4 and IPv6, on Unix sockets,
//! and on the sockets that systemd passes to the process: its builder collects them with
//! [`listen`](ServerBuilder::listen), [`listen_unix`](ServerBuilder::listen_unix) and
//! [`listener`](ServerBuilder::listener), and [`build`](ServerBuilder::build) binds them all. A [`Peer`]
//! is the other end of a connection; over a Unix socket it has no address. With [`trust_local_proxy`](ServerBuilder::trust_local_proxy),
//! a proxy that connects over a Unix socket can name the client's address in a header.
//!
//! **TLS.** With the feature `tls`, `ServerBuilder::tls` turns TLS on for all TCP ports. `TlsServer` reads
//! the certificate, and can read it again while the server runs. `ServerBuilder::listen_plain` adds a
//! port without TLS, for the browsers of the old versions. A client uses TLS if the URL begins with `wss`;
//! `TlsClient` sets which certificates it trusts.
//!
//! **Connecting.** [`connect`] opens a [`WebSocket`] to any server, with RFC 6455. A [`Connector`] has the
//! options: the other versions, subprotocols, headers, timeouts, a proxy, and a stream that is already
//! connected. One thread reads; all other threads use a [`Sender`].
//!
//! ```no_run
//! let mut socket = stentor::connect("ws://127.0.0.1:8000/chat")?;
//! let sender = socket.sender();
//! std::thread::spawn(move || sender.send("sent from another thread"));
//! while let Some(message) = socket.recv()? {
//!     println!("{message:?}");
//! }
//! # Ok::<(), stentor::Error>(())
//! ```
//!
//! **Compression.** With the feature `deflate`, `ServerBuilder::deflate` and `Connector::deflate` turn on
//! permessage-deflate, for RFC 6455 and for peers that support it. A broadcast is compressed once for
//! all receivers. Compression is off by default: `protocol::deflate` documents its cost, and the
//! information that it can leak to an attacker.
//!
//! **Your own accept loop.** An [`Acceptor`], made by [`ServerBuilder::acceptor`], serves one accepted
//! [`Stream`], TCP or Unix, on the calling thread. For no sockets at all, there is
//! [`protocol::Connection`].
//!
//! # The log
//!
//! Stentor logs through the crate `log`, with three targets. They are stable: a filter such as
//! `RUST_LOG=stentor::connection=info` works with each later release.
//!
//! | target | its lines | levels |
//! |---|---|---|
//! | `stentor::server` | listening, accepting, limits, the hub | info; warn if the system lacks room for clients; error for a broken listener |
//! | `stentor::client` | connecting to a server: a handshake that failed | debug, since [`connect`] returns the error as well |
//! | `stentor::connection` | one connection, on either side: a line when it closes, rejected requests, failed handlers | info; warn for a failed handler, error for a hook that panicked; debug for each change of state; trace for every message and header block |
//!
//! Peers cannot flood the log: of each kind of line that they cause, a few are logged in ten seconds, and
//! one line counts the rest. Cookies, credentials and queries are hidden at every level.
//!
//! # Reading the source
//!
//! Two folders carry each message. `protocol/` does no input or output at all. `net/` does nothing
//! else: it has the loop that runs each connection, its socket with or without TLS, its send queue, and
//! the watchdog, which enforces the timeouts. Two more folders use them: `server/` has the listener,
//! the life of a [`Client`], and the hub, which broadcasts; `client/` finds a server, connects to it,
//! and sends the request.
//!
//! [`protocol`] can be read like a book, in the order of its modules: the [states](protocol::state),
//! with their whole table on one screen, the connection, the handshake, then one short chapter for each
//! version, oldest first, then the two framings that all versions use.
//!
//! The examples are `echo`, the smallest server, and `echo_client`, the smallest client; `chat`, with its
//! page, and `client`, for a terminal; `no_sockets`, which drives the protocol by hand; `five_hellos`, all
//! five versions side by side; `bench_server`, for benchmarks.
//!
//! # In scope, and out of scope
//!
//! In scope: servers and clients, all five versions, rooms, limits and timeouts that hold for each
//! version, bounded queues, graceful shutdown. Out of scope: an async interface; HTTP beyond one
//! response per connection; message histories, presence, and clusters of servers; more clients than
//! threads are good for, which is about ten thousand; redirects, reconnecting, and keeping the cookies
//! that servers set; TLS older than 1.2. If a proxy in front of Stentor ends TLS, set
//! [`behind_tls`](ServerBuilder::behind_tls): draft-75 and draft-76 then receive a `wss` location.
//!
//! Stentor runs on Unix: Linux is tested, the BSDs and macOS should work. [`protocol`] is portable.

mod error;

pub mod protocol;

mod net;

mod server;

mod client;

#[cfg(feature = "tls")]
pub mod tls;

#[doc(inline)]
pub use client::{ConnectionStats, Connector, Sender, Transport, WebSocket, connect};
#[cfg(feature = "tls")]
#[doc(inline)]
pub use net::tls::{TlsClient, TlsError, TlsServer};
#[doc(inline)]
pub use net::{
    ClientId, Counters, DisconnectReason, Error, OnRateLimit, Peer, ProxyError, RateLimit,
    Received, SlowClient, Stream,
};
#[cfg(feature = "deflate")]
pub use protocol::Deflate;
#[doc(inline)]
pub use protocol::{
    Accept, Body, CloseCode, CloseFrame, Closed, Closing, Event, Framing, HandshakeError,
    HandshakeResponse, HostName, Initiator, InvalidHeader, InvalidHost, InvalidOrigin, InvalidUrl,
    InvalidVersion, Limits, Message, Origin, ProtocolError, Rejection, Request, Response,
    SendError, State, Transition, Trigger, Version, Versions,
};
#[doc(inline)]
pub use server::{
    Acceptor, Audience, Client, ClientHandle, CloseReport, Endpoint, HandlerResult, JoinError,
    Listener, Reply, Server, ServerBuilder, ServerHandle,
};

/// The programs of the cookbook, compiled. `tests/it/cookbook` runs them.
#[cfg(all(doctest, feature = "systemd"))]
#[doc = include_str!("../docs/cookbook.md")]
struct Cookbook;
