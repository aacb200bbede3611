//! A whole server, seen from the other end of a connection: clients of every version on loopback.

mod conversation;

mod acceptor;

mod pages;

mod requests;

mod request_context;

mod room_counts;

mod spawned;

mod rooms;

mod extremes;

mod refusals;

mod registry;

mod account;

mod errors;

mod log;

mod addresses;

mod given_back;

mod attached;

mod close_with;
