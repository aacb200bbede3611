//! What both sides are made of, around the engine in [`protocol`](crate::protocol): the loop that
//! every connection runs, the way out, and the thread that knows the time.
//!
//! ```text
//!  socket ──read──> conversation ──reply──> outbox ──send──> socket
//!                        │                    ^ │
//!                        │      hub, handles ─┘ │ what the socket does not take
//!                        │                      │
//!                        └── woken by ─ warden ─┘ is drained by
//! ```
//!
//! A [`Link`](link::Link) is what the threads share about one connection. The
//! [`Conversation`](conversation::Conversation) is its reader's own, and the
//! [`Outbox`](outbox::Outbox) the only way bytes leave, for whichever thread has some. No lock is held
//! across a call that can block. `server` and `client` are built on this, and nothing here
//! knows of them.

pub(crate) mod conversation;

mod opening;

mod ending;

pub(crate) mod link;

pub(crate) mod outbox;

mod queue;

pub(crate) mod backlog;

pub(crate) mod incoming;

pub(crate) mod deflate;

#[cfg_attr(stentor_model, path = "../../tests/model/src/socket.rs")]
pub(crate) mod socket;

pub(crate) mod stream;

#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
pub(crate) mod tls;

pub(crate) mod peer;

pub(crate) mod warden;

pub(crate) mod deadlines;

mod keepalive;

#[cfg_attr(stentor_model, path = "../../tests/model/src/sleep.rs")]
mod sleep;

pub(crate) mod rate;

pub(crate) mod bucket;

mod pause;

mod peer_end;

pub(crate) mod caught;

pub(crate) mod date;

pub(crate) mod process;

pub(crate) mod log;

pub(crate) mod log_gate;

pub(crate) mod shown;

pub(crate) mod traced;

pub(crate) mod registry;

pub(crate) mod addresses;

pub(crate) mod counters;

pub(crate) mod error;

#[cfg_attr(stentor_model, path = "../../tests/model/src/sync.rs")]
pub(crate) mod sync;

pub use conversation::Received;
pub use counters::Counters;
pub use error::{Error, Loss, ProxyError};
pub use link::ClientId;
pub use outbox::SlowClient;
pub use peer::Peer;
pub use rate::{FastClient, Rate};
pub use stream::Stream;
