//! A whole server, seen from the other end of a connection: clients of every version on loopback.

mod conversation;

mod acceptor;

mod pages;

#[cfg(feature = "client")]
mod requests;

mod request_context;

mod room_counts;

mod spawned;

mod rooms;

#[cfg(feature = "client")]
mod extremes;

mod refusals;

mod registry;

#[cfg(feature = "client")]
mod account;

#[cfg(feature = "client")]
mod errors;

mod log;

mod addresses;

mod given_back;

#[cfg(feature = "client")]
mod attached;

#[cfg(feature = "client")]
mod close_with;
