//! The health of a server, for a page that a load balancer requests.

/// The health of a server at one moment, as [`ServerHandle::health`](crate::ServerHandle::health) returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "readiness")]
#[doc(alias = "liveness")]
pub struct Health {
    /// The hub, which executes all broadcasts and joins, has answered within one second. If not, the process
    /// should be restarted.
    pub live: bool,
    /// The server accepts clients: it is not shutting down. A load balancer sends clients only to servers that
    /// are ready.
    pub ready: bool,
    /// The journal does not work: its last call has failed, or takes longer than its
    /// [timeout](crate::server::JournalLimits::timeout). Rooms that are in the journal receive no messages
    /// meanwhile. The next call that succeeds ends this; there is none until something is published. Rooms that are
    /// shared through Redis: it is down, or has refused the newest message. Always `false` without either of them.
    pub degraded: bool,
}
