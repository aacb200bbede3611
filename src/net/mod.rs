//! The parts that server and client share, around the engine in [`protocol`](crate::protocol): the
//! loop that every connection runs, the send queue, and the watchdog thread that enforces timeouts.
//!
//! ```text
//!  socket ──read──> Conversation ──reply──> send queue ──send──> socket
//!                        │                      ^ │
//!                        │        hub, handles ─┘ │ bytes that the socket does not take
//!                        │                        │
//!                        └── woken by ─ watchdog ─┘ are drained by
//! ```
//!
//! A [`Link`](link::Link) is the state of one connection that threads share. The
//! [`Conversation`](connection::Conversation) belongs to the reading thread alone. The
//! [`SendQueue`](send_queue::SendQueue) is the only way bytes leave, from any thread. No lock is
//! held across a call that can block.
//!
//! A link and its send queue know the watchdog as a [`Watcher`](watcher::Watcher) only; so a queue
//! notifies it by itself when bytes wait. `server` and `client` are built on this module, and it does
//! not depend on them: to the watchdog, each is an [`Owner`](watchdog::Owner) of connections.

pub(crate) mod connection;

mod read_size;

#[cfg(feature = "server")]
pub(crate) mod answer;

pub(crate) mod received;

pub(crate) mod message_writer;

pub(crate) mod message_reader;

mod linger;

pub(crate) mod link;

pub(crate) mod client_id;

pub(crate) mod send_queue;

pub(crate) mod deflate;

#[cfg_attr(stentor_model, path = "../../tests/model/src/socket.rs")]
pub(crate) mod socket;

#[cfg_attr(
    any(stentor_model, not(all(feature = "server", feature = "client"))),
    allow(
        dead_code,
        reason = "the model's socket makes no system calls, and one side alone makes fewer"
    )
)]
pub(crate) mod system;

#[cfg_attr(
    stentor_model,
    allow(dead_code, reason = "the model's socket has no stream")
)]
pub(crate) mod stream;

pub(crate) mod transport;

pub(crate) mod halves;

#[cfg(feature = "server")]
#[cfg_attr(
    stentor_model,
    allow(dead_code, reason = "the model has no streams of other libraries")
)]
pub(crate) mod relay;

#[cfg_attr(not(feature = "tls"), path = "tls/disabled.rs")]
pub(crate) mod tls;

pub(crate) mod peer;

pub(crate) mod watchdog;

pub(crate) mod watcher;

pub(crate) mod timeouts;

pub(crate) mod options;

pub(crate) mod deadline;

mod wait;

#[cfg_attr(not(feature = "testing"), path = "clock/real.rs")]
pub(crate) mod clock;

#[cfg_attr(not(feature = "server"), path = "throttle/disabled.rs")]
mod throttle;

#[cfg_attr(stentor_model, path = "../../tests/model/src/sleep.rs")]
pub(crate) mod waker;

pub(crate) mod keepalive;

#[cfg(feature = "server")]
pub(crate) mod peer_end;

pub(crate) mod incoming;

mod heaviest;

#[cfg(feature = "server")]
pub(crate) mod rate_limit;

#[cfg(feature = "server")]
pub(crate) mod token_bucket;

pub(crate) mod parker;

pub(crate) mod catch_panic;

pub(crate) mod process;

pub(crate) mod log;

#[cfg(feature = "server")]
pub(crate) mod date;

#[cfg_attr(stentor_model, path = "../../tests/model/src/sync.rs")]
pub(crate) mod sync;
