//! The watchdog as a send queue and a link see it. The watchdog knows all of them, so they know only
//! this trait.

use std::fmt;

use super::client_id::ClientId;
use super::clock::Clock;
use crate::error::DisconnectReason;

/// Receives the notices of send queues and links. No call blocks, and none is made while a lock is held
/// that the watchdog's thread needs.
pub(crate) trait Watcher: Send + Sync {
    /// Watches a connection whose socket did not take all bytes, and sends the rest, until nothing waits.
    fn stalled(&self, id: ClientId);

    /// Counts that the queue of one connection, which took `before` bytes of memory, takes `after`.
    fn adjust(&self, before: usize, after: usize);

    /// Evicts clients while the send queues of all clients together exceed their limit. The caller holds
    /// no shared frames: it would keep the memory that is to be freed.
    fn relieve(&self);

    /// Counts an incident.
    fn count(&self, incident: Incident);

    /// Returns the clock of the timeouts.
    fn clock(&self) -> &Clock {
        static REAL: Clock = Clock::new();
        &REAL
    }
}

/// Without the fields, for the reason that [`Owner`](super::watchdog::Owner) has.
impl fmt::Debug for dyn Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

/// An event of one connection that its owner counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incident {
    /// This side has disconnected the peer.
    Disconnected(DisconnectReason),
    /// The connection is closed because all connections together hold too much for incoming messages.
    IncomingExceeded,
    /// The peer was throttled.
    #[cfg(feature = "server")]
    Throttled,
    /// The connection is closed because the peer exceeded its rate limit.
    #[cfg(feature = "server")]
    RateLimitExceeded,
}
