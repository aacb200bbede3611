//! Stentor is a WebSocket library and server for plain threads: no async runtime, no `unsafe`,
//! few dependencies. It speaks every version of the protocol that a browser ever shipped, and clients
//! of all versions can be in the same room.

// The guide is about the server and the client together: with one of them, some links lead nowhere, and its programs
// cannot be compiled.
#![cfg_attr(
    not(all(
        feature = "server",
        feature = "client",
        feature = "history",
        feature = "unix"
    )),
    allow(rustdoc::broken_intra_doc_links),
    doc = "",
    doc = "This build leaves features out. The guide is in the documentation of a build with the default features."
)]
#![cfg_attr(
    all(feature = "server", feature = "client", feature = "history", feature = "unix"),
    doc = "",
    doc = include_str!("guide.md")
)]
#![cfg(any(
    not(doctest),
    all(
        feature = "server",
        feature = "client",
        feature = "history",
        feature = "unix"
    )
))]
// Each item that needs a feature says so on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod protocol;

#[cfg(any(feature = "server", feature = "client"))]
mod error;

#[cfg(any(feature = "server", feature = "client"))]
mod net;

#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "client")]
pub mod client;

#[cfg(any(feature = "server", feature = "client"))]
pub mod pieces;

#[cfg(all(feature = "tls", any(feature = "server", feature = "client")))]
pub mod tls;

#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "client")]
#[doc(inline)]
pub use client::connector::{Connector, connect};
#[cfg(feature = "client")]
#[doc(inline)]
pub use client::sender::Sender;
#[cfg(feature = "client")]
#[doc(inline)]
pub use client::websocket::WebSocket;
#[cfg(any(feature = "server", feature = "client"))]
#[doc(inline)]
pub use error::{DisconnectReason, Error};
#[cfg(feature = "server")]
#[doc(inline)]
pub use net::rate_limit::RateLimit;
#[cfg(any(feature = "server", feature = "client"))]
#[doc(inline)]
pub use net::received::Received;
#[cfg(feature = "server")]
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
#[cfg(feature = "server")]
#[doc(inline)]
pub use server::builder::ServerBuilder;
#[cfg(feature = "server")]
#[doc(inline)]
pub use server::client::{Client, HandlerResult};
#[cfg(feature = "server")]
#[doc(inline)]
pub use server::handles::{ClientHandle, ServerHandle};
#[cfg(feature = "server")]
#[doc(inline)]
pub use server::reply::Reply;
#[cfg(feature = "server")]
#[doc(inline)]
pub use server::request::Request;
#[cfg(feature = "server")]
#[doc(inline)]
pub use server::run::Server;

/// The programs of the cookbook, compiled. `tests/it/cookbook` runs them.
#[cfg(all(doctest, feature = "prometheus", feature = "systemd"))]
#[doc = include_str!("../docs/cookbook.md")]
struct Cookbook;
