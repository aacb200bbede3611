//! The server: a listener, a thread for each client, and a hub. It knows no HTTP header and no
//! opcode, and checks the abilities of a version, never its number; all that is in
//! [`protocol`](crate::protocol). The code that serves one connection is in `net`.
//!
//! ```text
//!  listener ──accept──> one thread per client ──command──> hub ──push──> each member's send queue ──> sockets
//!                        │  reads, decodes,                                  │
//!                        │  runs the handler ──reply──> its own send queue ──┘ the rest, for a full socket,
//!                        │                                                   │
//!                        └──────────── woken at a deadline by ─── watchdog ──┘ is sent later by
//! ```
//!
//! Beside the clients' threads there are three: the listener, which is the thread that calls
//! [`Server::run`](crate::Server::run) and serves all sockets that the server listens on; the hub; and the watchdog. One
//! owner per mutable thing: the client's thread owns its input and its state, the send queue owns the
//! output, the hub the rooms, the watchdog the time. They meet in bounded queues, and no lock is held
//! across a call that can block, with one exception: the set of a client's own rooms is locked while
//! its entry, a join or a leave waits for room in the hub's queue, and while a resume waits for the hub's
//! answer. Only threads that do so for the same client can wait there.

pub(crate) mod builder;

pub(crate) mod settings;

#[cfg(feature = "testing")]
pub(crate) mod record;

mod registry;

mod addresses;

mod counters;

mod health;

#[cfg(feature = "prometheus")]
mod metrics;

pub(crate) mod reply;

pub(crate) mod request;

pub(crate) mod run;

mod spawn;

mod acceptor;

mod handover;

mod parsed_request;

mod upgrade_response;

pub(crate) mod shared;

mod accept_loop;

mod idle_threads;

pub(crate) mod listener;

#[cfg(all(feature = "unix", unix))]
mod unix_file;

#[cfg(all(feature = "systemd", unix))]
mod systemd;

pub(crate) mod client;

mod handshake;

mod proxy_protocol;

mod close_with;

mod teardown;

mod hub;

#[cfg(feature = "history")]
mod history;

#[cfg(feature = "history")]
mod journal;

#[cfg(feature = "redis")]
mod redis;

mod membership;

mod os_limits;

mod memory;

pub(crate) mod handles;

pub(crate) mod audience;

#[cfg(all(test, stentor_model))]
#[path = "../../tests/model/src/mod.rs"]
mod model;

pub use acceptor::Acceptor;
pub use audience::Audience;
pub use close_with::CloseWith;
pub use counters::Counters;
pub use handover::Handover;
pub use health::Health;
#[cfg(feature = "history")]
pub use history::History;
#[cfg(feature = "history")]
pub use history::enter::{EnterError, Entered};
#[cfg(feature = "history")]
pub use history::follow::{Follow, Followed};
#[cfg(feature = "history")]
pub use history::journal::{Journal, JournalEntry, JournalLimits, JournalRoom};
#[cfg(feature = "history")]
pub use history::member::{
    InvalidMemberId, InvalidMemberKey, Member, MemberId, MemberKey, Present, Roll,
};
#[cfg(feature = "history")]
pub use history::page::{Entry, HistoryError, Page};
#[cfg(feature = "history")]
pub use history::position::{InvalidPosition, Position};
#[cfg(feature = "history")]
pub use history::publication::{Publication, PublishError};
#[cfg(feature = "history")]
pub use history::resume::{Gap, ResumeError, Resumed, Since};
pub use listener::{Endpoint, Listener};
pub use membership::JoinError;
#[cfg(feature = "prometheus")]
pub use metrics::ServerMetrics;
pub use parsed_request::ParsedRequest;
pub use proxy_protocol::{InvalidNetwork, TrustedProxies};
#[cfg(feature = "redis")]
pub use redis::{
    counters::RedisCounters,
    options::{InvalidRedisAddress, Redis},
};
pub use spawn::RunningServer;
pub use teardown::CloseReport;
pub use upgrade_response::UpgradeResponse;

pub use crate::net::client_id::ClientId;
pub use crate::net::halves::Halves;
pub use crate::net::peer::Peer;
pub use crate::net::rate_limit::OnRateLimit;
pub use crate::net::stream::Stream;
pub use crate::net::transport::Transport;
