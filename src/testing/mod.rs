//! A kit for the tests of a program that uses Stentor. It needs the feature `testing`, which is off by
//! default and belongs into the `dev-dependencies`:
//!
//! ```toml
//! [dev-dependencies]
//! stentor = { path = "../stentor", features = ["testing"] }
//! ```
//!
//! - [`TestServer`] runs a handler without a port and without a network.
//! - [`TestServer::connect`] connects a client, [`TestServer::peer`] a peer that stalls, drips or vanishes.
//! - [`TestClock`] sets the server's timeouts forward, so that a test does not wait for them.
//! - [`pair`] connects a [`Client`](crate::Client) and a [`WebSocket`](crate::WebSocket), for a test of a
//!   function that takes one of them.
//!
//! Nothing is simulated, except the time: the handshake, the frames, the rooms, the limits and the closing
//! handshake are those of a server. The streams are pairs of connected Unix sockets; on Windows,
//! of TCP sockets on 127.0.0.1.
//!
//! ```
//! use std::time::Duration;
//!
//! use stentor::testing::TestServer;
//! use stentor::{DisconnectReason, HandlerResult, Received, Server, Version};
//!
//! fn echo(client: &mut stentor::Client) -> HandlerResult {
//!     while let Some(message) = client.recv()? {
//!         client.send(message)?;
//!     }
//!     Ok(())
//! }
//!
//! // A client that behaves well.
//! let server = TestServer::new(Server::builder(), echo)?;
//! let mut socket = server.connect()?;
//! socket.send("hello")?;
//! let received = socket.recv_timeout(Duration::from_secs(5))?;
//! assert_eq!(received, Received::Message("hello".into()));
//! drop(socket);
//!
//! // A peer that vanishes: the ping after 20 s, and no pong in the 20 s after that.
//! let mut peer = server.peer(Version::Rfc6455)?;
//! peer.vanish();
//! server.clock().advance(Duration::from_secs(40));
//! let reports = server.shutdown();
//! assert_eq!(reports[0].closed.code.get(), 1000);
//! assert_eq!(reports[1].disconnect_reason, Some(DisconnectReason::PongTimeout));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod server;

mod peer;

mod clock;

mod settling;

mod pair;

pub use clock::TestClock;
pub use pair::pair;
pub use peer::RawPeer;
pub use server::{HandlerFailure, TestServer};
