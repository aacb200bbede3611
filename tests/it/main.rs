//! The tests of the library from outside, one crate with a module for each claim. In the order in
//! which to read them:

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics is a test that fails"
)]

#[cfg_attr(
    not(all(feature = "server", feature = "client", feature = "unix")),
    allow(
        dead_code,
        unused_imports,
        reason = "some of it is for the other side, or for Unix sockets"
    )
)]
mod support;

mod state_table;

mod values;

mod payloads;

mod supply;

mod combinations;

mod source;

mod every_version;

mod request_head;

mod client_handshake;

mod limits;

#[cfg(feature = "server")]
mod nesting;

mod closing;

mod vectors;

#[cfg(feature = "deflate")]
mod deflate;

mod hostile;

mod properties;

mod threats;

#[cfg(feature = "server")]
mod server;

#[cfg(feature = "prometheus")]
mod prometheus;

#[cfg(feature = "server")]
mod proxy_protocol;

#[cfg(feature = "client")]
mod client;

#[cfg(feature = "server")]
mod handover;

#[cfg(feature = "server")]
mod sockets;

#[cfg(all(feature = "server", feature = "client"))]
mod polling;

#[cfg(feature = "server")]
mod hub;

#[cfg(feature = "history")]
mod history;

#[cfg(all(feature = "redis", unix))]
mod redis;

#[cfg(feature = "history")]
mod presence;

#[cfg(feature = "server")]
mod slow_clients;

mod pieces;

#[cfg(feature = "server")]
mod rates;

#[cfg(feature = "server")]
mod crowding;

#[cfg(feature = "server")]
mod incoming;

#[cfg(feature = "server")]
mod timeouts;

#[cfg(feature = "server")]
mod keepalive;

#[cfg(feature = "server")]
mod shutdown;

#[cfg(feature = "server")]
mod storm;

#[cfg(all(feature = "server", feature = "client", unix))]
mod signals;

#[cfg(all(feature = "server", feature = "client"))]
mod terminal;

#[cfg(all(feature = "server", feature = "client"))]
mod chat;

#[cfg(all(feature = "history", feature = "client"))]
mod store;

#[cfg(all(feature = "server", feature = "client"))]
mod cookbook;

#[cfg(feature = "server")]
mod panics;

#[cfg(feature = "server")]
mod resets;

#[cfg(all(feature = "tls", feature = "server"))]
mod tls;

#[cfg(feature = "testing")]
mod testing;

mod tidy;

mod words;
