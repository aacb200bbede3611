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
//! | [draft-76](protocol::version::draft76) | Chrome 6–13, Safari 5.0.1–5.1, iOS 4.2–5.1, Firefox 4–5 and Opera 11–12.0 (disabled by default), television sets | yes | – | – | – | one |
//! | [version 7](protocol::version::hybi07) | Firefox 6 | yes | yes | yes | yes | a list |
//! | [version 8](protocol::version::hybi08) | Firefox 7–10, Chrome 14–15 | yes | yes | yes | yes | a list |
//! | [RFC 6455](protocol::version::rfc6455) | every browser since 2012 | yes | yes | yes | yes | a list |
//!
//! Some versions cannot carry some messages: draft-76 has no binary messages, for example. A send of
//! such a message to one client returns [`Error::Send`]. A broadcast skips the client and
//! [counts](server::Counters::skipped) the skip. Stentor never sends other bytes instead. If the version
//! cannot carry a close code, the server does not send the code, but the
//! [`CloseReport`](server::CloseReport) still contains it.
//!
//! # A guided tour
//!
//! **Messages.** A handler receives a [`Client`]: [`recv`](Client::recv) returns the next message,
//! [`send`](Client::send) sends a reply, [`join`](Client::join) enters a room, and
//! [`broadcast`](server::Audience::broadcast) sends to all members of a room. `recv` returns `Ok(None)`
//! after a normal close, usually because the peer sent a close frame. If the connection ends in another
//! way, `recv` returns an error. When the handler returns `Ok`, the server closes the connection with
//! code 1000. If the handler returns an error or panics, the server closes only this client's connection,
//! with code 1011. [`try_recv`](Client::try_recv) returns a message that has arrived, and never blocks: so one
//! thread can serve several connections in a loop around `poll`.
//!
//! A [`Message`] is cheap to clone and to keep, since clones share the payload. It is made of the buffers that
//! a program has, such as a `String`, a `Vec<u8>` or an `Arc<str>`, without a copy. [`protocol::Text`] and
//! [`protocol::Binary`] document when they copy.
//!
//! **Other threads.** A [`ClientHandle`] works from any thread. It sends to one client, and can close that
//! client's connection. It never waits for the client. A [`ServerHandle`] broadcasts, counts and lists the
//! clients, and starts a [graceful shutdown](ServerHandle::shutdown). [`Server::spawn`] runs the server on a
//! thread of its own.
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
//! ([`send_queue_limit`](ServerBuilder::send_queue_limit)). When the queue is full, `send` in the client's
//! own handler waits. It returns an error if the client accepts no byte for the write timeout (10 s by
//! default). Broadcasts and handles never wait for a client. For them, the policy [`SlowClient`] applies:
//! it closes the slow client's connection, which is the default, or drops messages for this client.
//!
//! **Large messages.** A message of `send` and `recv` is in memory as a whole. A large one can pass in
//! [pieces] instead: [`binary_writer`](Client::binary_writer) sends it while it is produced, as an
//! [`io::Write`](std::io::Write). [`recv_reader`](Client::recv_reader) receives it as it comes, as an
//! [`io::Read`](std::io::Read) with a limit of its own.
//!
//! ```no_run
//! # use std::{fs::File, io};
//! # fn handler(client: &mut stentor::Client) -> stentor::HandlerResult {
//! if let Some(mut upload) = client.recv_reader(500 * 1024 * 1024)? {
//!     io::copy(&mut upload, &mut File::create("upload")?)?;
//! }
//! let mut download = client.binary_writer()?;
//! io::copy(&mut File::open("upload")?, &mut download)?;
//! download.finish()?;
//! # Ok(())
//! # }
//! ```
//!
//! **Requests.** [`on_request`](ServerBuilder::on_request) receives each request before the server
//! responds. It accepts the request, rejects it with a status, or responds with a page. So one port
//! can serve a page, a health check and the WebSocket. The [`Request`] also has the client's address, and a
//! [handle](Request::server) of the server. A request with a wrong method is rejected before the hook
//! receives it.
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
//! # Ok::<(), stentor::protocol::InvalidOrigin>(())
//! ```
//!
//! **The open internet.** Timeouts and size limits are on by default. Other limits depend on your
//! application and are off until you set them: the rate limit of a client, the limits per address,
//! and the allowed hosts and origins. Without allowed origins, any page in any browser can open a
//! connection, with the cookies of the user who visits the page.
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
//! # Ok::<(), stentor::protocol::InvalidHost>(())
//! ```
//!
//! **Rooms that remember.** With the feature `history`, which is on by default, [`ServerBuilder::history`]
//! makes rooms keep their newest messages. [`Client::resume`] replays the messages that a client has missed,
//! and then the live ones follow. `docs/rooms.md` in the repository has the promises and their limits.
//!
//! **Several sockets.** One server can listen on several TCP ports, over IPv4 and IPv6, on Unix sockets,
//! and on the sockets that systemd passes to the process: its builder collects them with
//! [`listen`](ServerBuilder::listen), [`listen_unix`](ServerBuilder::listen_unix) and
//! [`listener`](ServerBuilder::listener), and [`build`](ServerBuilder::build) binds them all. A
//! [`Peer`](server::Peer) is the other end of a connection; over a Unix socket it has no address. With
//! [`trust_local_proxy`](ServerBuilder::trust_local_proxy), the server reads the client's address from the
//! header `X-Forwarded-For` of a proxy that connects over a Unix socket. A proxy that forwards TCP cannot add a
//! header to the request, so it names the client with the PROXY protocol:
//! [`proxy_protocol`](ServerBuilder::proxy_protocol) takes the [`TrustedProxies`](server::TrustedProxies).
//!
//! **TLS.** With the feature `tls`, `ServerBuilder::tls` turns TLS on for all TCP ports. `tls::TlsServer`
//! reads the certificate, and can read it again while the server runs. `ServerBuilder::listen_plain` adds a
//! port without TLS, for browsers that are older than TLS 1.2. A client uses TLS if the URL begins with
//! `wss`. By default, it trusts the certificate authorities that Mozilla trusts. `tls::TlsClient` sets
//! others, or, with the feature `native-roots`, those of the system. If a proxy in front of the server
//! handles TLS, set [`behind_tls`](ServerBuilder::behind_tls): the handshake response of draft-75 and
//! draft-76 contains the server's URL, which must then begin with `wss`.
//!
//! **Connecting.** [`connect`] opens a [`WebSocket`] to any server, with RFC 6455. A [`Connector`] has the
//! options: the other versions, subprotocols, headers, timeouts, a proxy (HTTP or SOCKS5), and a stream
//! that is already connected. One thread reads; all other threads use a [`Sender`].
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
//! **Staying connected.** [`Connector::stay_connected`] connects again whenever the connection ends: after
//! delays that grow, in a loop without callbacks. Messages of other threads wait meanwhile, up to a limit.
//!
//! ```no_run
//! use stentor::Connector;
//! use stentor::client::{Reconnect, Update};
//!
//! let mut feed = Connector::new().stay_connected("ws://127.0.0.1:8000/", Reconnect::new())?;
//! while let Some(update) = feed.recv()? {
//!     match update {
//!         Update::Connected { .. } => feed.send("subscribe prices")?,
//!         Update::Message(message) => println!("{message}"),
//!         _ => {}
//!     }
//! }
//! # Ok::<(), stentor::Error>(())
//! ```
//!
//! **Compression.** With the feature `deflate`, `ServerBuilder::deflate` and `Connector::deflate` turn on
//! permessage-deflate, for RFC 6455 and for peers that support it. By default a broadcast is compressed
//! once for all receivers. Compression is off by default, because it costs memory and processor time, and
//! because it can reveal secrets to an attacker: `protocol::deflate` explains both.
//!
//! **Inside another server.** An [`Acceptor`](server::Acceptor), made by [`ServerBuilder::acceptor`], serves one
//! connection on the calling thread. It takes an accepted [`Stream`](server::Stream), TCP or Unix, or a
//! [`Handover`](server::Handover): a stream of another HTTP server, with the bytes that this server has read
//! already, and with the request if this server has parsed it. All else is as on a server with listeners.
//!
//! ```no_run
//! use std::net::TcpStream;
//! use stentor::server::{Acceptor, Handover};
//!
//! /// `read` is the request, as far as the other server has read it.
//! fn websocket(acceptor: &Acceptor, stream: TcpStream, read: Vec<u8>) -> Result<(), stentor::Error> {
//!     acceptor.serve(Handover::new(stream).already_read(read), |client| {
//!         client.join("chat");
//!         while let Some(message) = client.recv()? {
//!             client.room("chat").broadcast(message);
//!         }
//!         Ok(())
//!     })
//! }
//! ```
//!
//! **Tests.** With the feature `testing`, the module `testing` runs a handler without a network. It has a server
//! for one test, peers that stall, drip and vanish, and a clock that sets the timeouts forward. For programs
//! without sockets and threads, such as simulations, there is [`protocol::Connection`].
//!
//! # Common mistakes
//!
//! **Waiting for something else than the client.** The server answers pings, sees a close frame and
//! notices a lost connection only while the handler waits in [`recv`](Client::recv). A handler that waits
//! for a channel instead does not see that its client has left. Let another thread push through a
//! [`ClientHandle`], and let the handler read.
//!
//! ```no_run
//! # use std::sync::mpsc::Receiver;
//! # use stentor::{Client, Message};
//! // Wrong: while no price comes, nobody answers pings or sees that the client has left.
//! fn wrong(client: &mut Client, prices: Receiver<String>) -> stentor::HandlerResult {
//!     for price in prices {
//!         client.send(price)?;
//!     }
//!     Ok(())
//! }
//!
//! // Right: a thread of its own pushes, and ends with the first price that cannot be sent. The handler
//! // ends when the client leaves.
//! fn right(client: &mut Client, prices: Receiver<String>) -> stentor::HandlerResult {
//!     let handle = client.handle();
//!     std::thread::spawn(move || prices.iter().try_for_each(|price| handle.send(price)));
//!     while client.recv()?.is_some() {}
//!     Ok(())
//! }
//! ```
//!
//! **Holding a lock while sending.** [`Client::send`] waits while the client's send queue is full, up
//! to the write timeout. Every other handler that needs the lock waits too. Copy what you need, and
//! release the lock first.
//!
//! ```no_run
//! # use std::sync::Mutex;
//! # use stentor::Client;
//! // Wrong: one slow client stops all clients.
//! fn wrong(client: &mut Client, scores: &Mutex<Vec<String>>) -> stentor::HandlerResult {
//!     for score in scores.lock().unwrap().iter() {
//!         client.send(score.as_str())?;
//!     }
//!     Ok(())
//! }
//!
//! // Right: the lock is released before the first send.
//! fn right(client: &mut Client, scores: &Mutex<Vec<String>>) -> stentor::HandlerResult {
//!     let scores = scores.lock().unwrap().clone();
//!     for score in scores {
//!         client.send(score)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! **Trusting a cookie without checking the origin.** A browser sends your cookies with a WebSocket
//! request from any page, also from an attacker's (cross-site WebSocket hijacking). The rules that
//! protect `fetch` do not apply to WebSockets. Only the header `Origin` shows the page.
//!
//! ```
//! # use stentor::{Reply, Request, Server};
//! # fn is_logged_in(request: &Request) -> bool { request.cookie("session").is_some() }
//! # fn check(request: &Request) -> Reply {
//! #     if is_logged_in(request) { Reply::accept() } else { Reply::reject(403, "log in first") }
//! # }
//! // Wrong: every page on the web can connect as the user who visits it.
//! let server = Server::builder().on_request(check);
//!
//! // Right: only pages of the server's own origin can.
//! let server = Server::builder().same_origin().on_request(check);
//! ```
//!
//! **Asking for a handle too late.** [`Server::run`] takes the server and returns after the shutdown.
//! Get the handle first. Stentor handles no signals: a crate such as `signal-hook` waits for one.
//!
//! ```compile_fail
//! # use std::time::Duration;
//! let server = stentor::Server::bind("127.0.0.1:0")?;
//! server.run(|_| Ok(()))?;
//! server.handle().shutdown(Duration::from_secs(5)); // wrong: `run` has taken the server
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! ```no_run
//! # use std::time::Duration;
//! # fn wait_for_the_signal() {}
//! let server = stentor::Server::bind("127.0.0.1:0")?;
//! let handle = server.handle(); // right
//! std::thread::spawn(move || {
//!     wait_for_the_signal();
//!     handle.shutdown(Duration::from_secs(5));
//! });
//! server.run(|_| Ok(()))?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Or let the server run on a thread of its own:
//!
//! ```no_run
//! # use std::time::Duration;
//! let server = stentor::Server::bind("127.0.0.1:0")?.spawn(|_| Ok(()))?;
//! server.handle().shutdown(Duration::from_secs(5)); // right
//! server.join()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! **Dropping a message writer.** A [`MessageWriter`](pieces::MessageWriter) ends its message with
//! [`finish`](pieces::MessageWriter::finish). If it is dropped before that, the connection is closed with 1011,
//! because the peer must not take a part of a message for the whole.
//!
//! ```no_run
//! # use std::io::Write;
//! # use stentor::Client;
//! // Wrong: the connection is closed with 1011.
//! fn wrong(client: &mut Client) -> stentor::HandlerResult {
//!     client.text_writer()?.write_all(b"hello")?;
//!     Ok(())
//! }
//!
//! // Right: `finish` sends the last fragment.
//! fn right(client: &mut Client) -> stentor::HandlerResult {
//!     let mut writer = client.text_writer()?;
//!     writer.write_all(b"hello")?;
//!     Ok(writer.finish()?)
//! }
//! ```
//!
//! **Sending binary messages to every version.** Draft-75 and draft-76 have text only. `?` on such a
//! send ends the handler, and with it the connection of a client that did nothing wrong. Either speak
//! only the later versions, or send text to those clients.
//!
//! ```no_run
//! # use stentor::{Client, Message};
//! // Wrong: a client of draft-76 is disconnected with its first picture.
//! fn wrong(client: &mut Client, picture: Vec<u8>) -> stentor::HandlerResult {
//!     Ok(client.send(picture)?)
//! }
//!
//! // Right: the client is asked what it can receive.
//! fn right(client: &mut Client, picture: Vec<u8>) -> stentor::HandlerResult {
//!     match client.version().has_binary() {
//!         true => Ok(client.send(picture)?),
//!         false => Ok(client.send("(a picture)")?),
//!     }
//! }
//! ```
//!
//! **Letting the peer choose the names of rooms.** [`join`](Client::join) logs and goes on if a limit
//! does not allow a room. The client then misses broadcasts, and does not know why.
//! [`try_join`](Client::try_join) returns the reason.
//!
//! ```no_run
//! # use stentor::Client;
//! // Wrong: the 1,001st room of a client fails, and only the log shows it.
//! fn wrong(client: &mut Client, name: &str) -> stentor::HandlerResult {
//!     client.join(name);
//!     Ok(client.send("joined")?)
//! }
//!
//! // Right: the client learns the result.
//! fn right(client: &mut Client, name: &str) -> stentor::HandlerResult {
//!     match client.try_join(name) {
//!         Ok(()) => Ok(client.send("joined")?),
//!         Err(error) => Ok(client.send(error.to_string())?),
//!     }
//! }
//! ```
//!
//! # The log
//!
//! Stentor logs through the crate `log`, with three targets. They are stable: a filter such as
//! `RUST_LOG=stentor::connection=info` works with each later release.
//!
//! | target | its lines | levels |
//! |---|---|---|
//! | `stentor::server` | listening, accepting, connections that are rejected before their handshake, limits of the system | info; warn if the system lacks room for clients; error for a broken listener |
//! | `stentor::client` | connecting to a server: a handshake that failed; the connections and outages of a client that stays connected | debug, since [`connect`] returns the error as well; info for a client that stays connected |
//! | `stentor::connection` | one connection, on either side: a line when it closes, rejected requests, failed handlers, limits that it exceeds | info; warn for a failed handler, error for a hook that panicked; debug for each change of state; trace for every message and header block |
//!
//! Peers cannot flood the log: of each kind of line that they cause, a few are logged in ten seconds, and
//! one line counts the rest. Cookies, credentials, subprotocols and queries are hidden at every level.
//!
//! # Reading the source
//!
//! Two folders handle messages. `protocol/` does no input or output. `net/` does all input and output: it
//! contains the loop that runs each connection, the socket with or without TLS, the send queue, and the
//! watchdog, which enforces the timeouts. Two more folders use them. `server/` contains the listener, the
//! life of a [`Client`], and the hub, which broadcasts. `client/` finds a server, connects to it, and sends
//! the request. `testing/`, behind a feature, stands on all of them.
//!
//! You can read `protocol/` like a book. It begins with `state.rs`: the states of a connection, and their
//! whole table. Then follow the connection and the handshake. Each [version](protocol::version) has a
//! short chapter, the oldest version first. After them come the two
//! [frame formats](protocol::framing): draft-75 and draft-76 use one, the later versions use the other. The
//! last chapters are the roles, compression, and the small files.
//!
//! The examples are `echo`, the smallest server, and `echo_client`, the smallest client; `chat`, with its
//! page, and `client`, for a terminal; `no_sockets`, which drives the protocol by hand; `five_hellos`, all
//! five versions side by side; `bench_server`, for benchmarks; and in the folder `embed` three programs with
//! Stentor inside another HTTP server.
//!
//! # In scope, and out of scope
//!
//! In scope are servers and clients, all five versions, rooms, limits and timeouts that hold for each
//! version, bounded queues, graceful shutdown, a client that stays connected, and connections of other HTTP
//! servers. Out of scope are:
//!
//! - an async interface;
//! - HTTP beyond one response per connection;
//! - message histories, presence, and clusters of servers;
//! - more than about ten thousand clients, because each client needs a thread;
//! - a store of cookies in the client, and a guarantee that messages are delivered after a reconnect;
//! - TLS older than 1.2.
//!
//! Stentor runs on Unix. Linux is tested; the BSDs and macOS should work. [`protocol`] is portable.

mod error;

pub mod protocol;

mod net;

pub mod server;

pub mod client;

pub mod pieces;

#[cfg(feature = "tls")]
pub mod tls;

#[cfg(feature = "testing")]
pub mod testing;

#[doc(inline)]
pub use client::connector::{Connector, connect};
#[doc(inline)]
pub use client::sender::Sender;
#[doc(inline)]
pub use client::websocket::WebSocket;
#[doc(inline)]
pub use error::{DisconnectReason, Error};
#[doc(inline)]
pub use net::rate_limit::RateLimit;
#[doc(inline)]
pub use net::received::Received;
#[doc(inline)]
pub use net::send_queue::SlowClient;
#[doc(inline)]
pub use protocol::close::CloseCode;
#[cfg(feature = "deflate")]
#[doc(inline)]
pub use protocol::deflate::settings::Deflate;
#[doc(inline)]
pub use protocol::handshake::response::{Accept, Response};
#[doc(inline)]
pub use protocol::message::Message;
#[doc(inline)]
pub use protocol::version::table::{Version, Versions};
#[doc(inline)]
pub use server::builder::ServerBuilder;
#[doc(inline)]
pub use server::client::{Client, HandlerResult};
#[doc(inline)]
pub use server::handles::{ClientHandle, ServerHandle};
#[doc(inline)]
pub use server::reply::Reply;
#[doc(inline)]
pub use server::request::Request;
#[doc(inline)]
pub use server::run::Server;

/// The programs of the cookbook, compiled. `tests/it/cookbook` runs them.
#[cfg(all(doctest, feature = "systemd"))]
#[doc = include_str!("../docs/cookbook.md")]
struct Cookbook;
