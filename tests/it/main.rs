//! The tests of the library from outside, one crate with a module for each claim. In the order in
//! which to read them:

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics is a test that fails"
)]

mod support;

mod state_table;

mod values;

mod payloads;

mod supply;

mod source;

mod every_version;

mod request_head;

mod client_handshake;

mod limits;

mod nesting;

mod closing;

mod vectors;

#[cfg(feature = "deflate")]
mod deflate;

mod hostile;

mod properties;

mod threats;

mod server;

mod proxy_protocol;

mod client;

mod handover;

mod sockets;

mod polling;

mod hub;

#[cfg(feature = "history")]
mod history;

mod slow_clients;

mod pieces;

mod rates;

mod crowding;

mod incoming;

mod timeouts;

mod keepalive;

mod shutdown;

mod storm;

mod signals;

mod terminal;

mod chat;

mod cookbook;

mod panics;

mod resets;

#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "testing")]
mod testing;

mod tidy;

mod words;
