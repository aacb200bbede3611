//! Rooms that several servers share through one Redis or Valkey: the bytes on the wire, without sockets, threads and
//! clocks.
//!
//! ```text
//!  call (`scripts`) ──> command (`wire`) ──> bytes … Redis … bytes ──> `scan` ──> reply (`wire`) ──> answer (`scripts`)
//! ```
//!
//! The replies are decoded by the crate `redis-protocol`. It recurses and has no limits: so [`scan`] checks each reply
//! before it is decoded.

pub(crate) mod address;

pub(crate) mod scan;

pub(crate) mod wire;

pub(crate) mod keys;

pub(crate) mod header;

pub(crate) mod fault;

pub(crate) mod facts;

pub(crate) mod entry;

pub(crate) mod judge;

pub(crate) mod scripts;

pub(crate) mod session;

mod stream;

#[cfg(feature = "tls")]
mod secure;

mod engine;

pub(crate) mod options;

pub(crate) mod counters;

pub(crate) mod prepare;

#[cfg(all(test, unix))]
pub(crate) mod test_server;

#[cfg(all(test, unix))]
mod tests;

pub(crate) use super::history::position::Position;
