//! Stentor is a WebSocket library and server for plain threads: no async runtime, no `unsafe`,
//! few dependencies. It speaks every version of the protocol that a browser ever shipped, and puts
//! clients of all of them into one room.
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
//! That is a chat room with deadlines, limits, keepalive and a policy for slow clients, all on by
//! default. Each client has a thread, which runs this closure for it from top to bottom: the code is
//! sequential, because that is what threads are for.
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
//! What a version cannot carry is answered by one rule: to send it to that client is an
//! [`Error::Send`] for the one who does, and in a broadcast that client is skipped and
//! [counted](Counters::skipped). Never are odd bytes sent instead. A close code that has no place on
//! the wire is left out, and kept for the [account](CloseReport).
//!
//! # A guided tour
//!
//! **Talking.** [`Client`] is what a handler gets: [`recv`](Client::recv) the next message,
//! [`send`](Client::send) a reply, [`join`](Client::join) rooms, [`broadcast`](Audience::broadcast)
//! to them. `recv` returns `Ok(None)` when the peer has said goodbye. Returning from the handler
//! closes with 1000; an error or a panic closes that one client with 1011.
//!
//! **From elsewhere.** A [`ClientHandle`] sends and closes from any thread and never waits; a
//! [`ServerHandle`] broadcasts, counts, lists, and [shuts down](ServerHandle::shutdown).
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
//! **At the door.** [`on_request`](ServerBuilder::on_request) sees each request before it is
//! answered, and accepts, refuses with a status, or answers with a page: so a page, a health check
//! and the WebSocket live on one port.
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
//! **On the open internet.** Limits and deadlines are on by default. What only you can know is not:
//! how much is much, who shares an address, which names are yours.
//!
//! ```
//! # use std::time::Duration;
//! use stentor::{RateLimit, Server};
//!
//! let server = Server::builder()
//!     .allowed_hosts(["chat.example.com"])?
//!     .same_origin()
//!     .rate(RateLimit::per_second().messages(20).bytes(64 * 1024))
//!     .max_clients_per_address(Some(50))
//!     .handshakes_per_address(100, Duration::from_secs(60));
//! # Ok::<(), stentor::InvalidHost>(())
//! ```
//!
//! **On several sockets.** A server listens on ports of both families, on Unix sockets, and on what
//! systemd hands over, all in one: [`Server::and_bind`], [`Server::and_bind_unix`],
//! [`Server::and_attach`]. Who is at the other end is a [`Peer`], which over a Unix socket has no
//! address; [`trust_local_proxy`](ServerBuilder::trust_local_proxy) lets a proxy there name one.
//!
//! **Over TLS.** With the feature `tls`, `ServerBuilder::tls` makes all ports speak it, with a certificate
//! that `TlsServer` reads, and reads again while the server runs; `Server::and_bind_plain` adds a port
//! without it, for the browsers that the old versions are for. A client speaks it where the URL says
//! `wss`, with servers that prove their names to whom `TlsClient` believes.
//!
//! **Connecting.** [`connect`] opens a [`WebSocket`] to any server, in RFC 6455; a [`Connector`] has the
//! options: the other versions, subprotocols, fields, deadlines, a proxy, a stream that exists
//! already. One thread reads; a [`Sender`] is for all others.
//!
//! ```no_run
//! let mut socket = stentor::connect("ws://127.0.0.1:8000/chat")?;
//! let sender = socket.sender();
//! std::thread::spawn(move || sender.send("said on another thread"));
//! while let Some(message) = socket.recv()? {
//!     println!("{message:?}");
//! }
//! # Ok::<(), stentor::Error>(())
//! ```
//!
//! **Compressing.** With the feature `deflate`, `ServerBuilder::deflate` and `Connector::deflate` turn
//! permessage-deflate on, for RFC 6455 and for peers that can: a broadcast is compressed once for all who
//! hear it. It is off by default; `protocol::deflate` says what it costs, and what it tells an attacker.
//!
//! **Bringing your own loop.** [`accept`] serves one [`Stream`], TCP or Unix, on the calling thread, and
//! [`ServerBuilder::acceptor`] does so with options. Below both is [`protocol::Connection`], which
//! has never seen a socket.
//!
//! # Reading the source
//!
//! Two folders carry the message: `protocol/` never touches the outside world, `shell/` does nothing
//! else: the loop that every connection runs, its socket, with TLS around it or not, its outbox, and the
//! warden. On these two stand `server/`, with the listener, a [`Client`]'s life, and the hub, and
//! `client/`, which finds a server and asks.
//!
//! [`protocol`] is a book, to be read in the order of its modules: the [states](protocol::state) and
//! their whole table on one screen, the engine, the request, then one short chapter per version, oldest
//! first, then the two framings there have ever been.
//!
//! The examples are `echo`, the smallest server, and `echo_client`, the smallest client; `chat`, with its
//! page, and `client`, for a terminal; `no_sockets`, the core driven by hand; `five_hellos`, all five
//! versions side by side; `bench_server`, for measuring.
//!
//! # In scope, and out of it
//!
//! In scope: servers and clients, all five versions, rooms, limits and deadlines that hold for each of them,
//! bounded queues, an orderly end. Out of it: an async interface; HTTP beyond one answer per
//! connection; histories, presence, and clusters of servers; more clients than threads are good for,
//! which is some ten thousand; redirects, reconnecting, and keeping the cookies that servers set; TLS older
//! than 1.2. Where TLS ends in front of Stentor, [`secure`](ServerBuilder::secure) makes the old drafts'
//! locations right.
//!
//! Unix is the platform: Linux is tested, the BSDs and macOS should work. [`protocol`] is portable.

mod error;

pub mod protocol;

mod net;

mod server;

mod client;

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
/// The version of rustls that [`TlsServer::from_config`] and [`TlsClient::from_config`] take configurations of.
#[cfg(feature = "tls")]
#[doc(no_inline)]
pub use rustls;
#[doc(inline)]
pub use server::{
    Acceptor, Audience, Client, ClientHandle, CloseReport, Endpoint, HandlerResult, JoinError,
    Listener, Reply, Server, ServerBuilder, ServerHandle, accept,
};
