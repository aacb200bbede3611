//! The health of a server, for a page that a load balancer requests.

use std::time::Duration;

use crate::net::answer::answer;
use crate::net::sync::Instant;
use crate::net::sync::thread;

use super::hub::Command;
use super::shared::Shared;

/// How long the hub may take to answer. It needs microseconds, and a few milliseconds on a busy machine.
const LIMIT: Duration = Duration::from_secs(1);

/// The health of a server at one moment, as [`ServerHandle::health`](crate::ServerHandle::health) returns it.
///
/// ```
/// use stentor::{Reply, Request, Response};
///
/// /// For a load balancer, which sends clients only to servers that respond with 200.
/// fn ready(request: &Request) -> Reply {
///     let health = request.server().health();
///     match health.live && health.ready {
///         true => Response::text("ready\n").into(),
///         false => Reply::reject(503, "not ready"),
///     }
/// }
/// ```
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
    /// shared through Redis: it is down, has refused the newest message, or refuses to read a room. Always `false`
    /// without either of them.
    pub degraded: bool,
}

impl Shared {
    /// Returns the health, and the number of rooms if the hub has answered.
    #[inline]
    pub(super) fn health(&self) -> (Health, Option<usize>) {
        let rooms = self.probe_hub(LIMIT);
        let health = Health {
            live: rooms.is_some(),
            ready: !self.is_stopping(),
            degraded: self.is_degraded(),
        };
        (health, rooms)
    }

    /// Returns the number of rooms if the hub answers within this time, also if its queue is full.
    #[inline]
    fn probe_hub(&self, limit: Duration) -> Option<usize> {
        let since = Instant::now();
        while since.elapsed() < limit && !self.admission.is_closed() {
            let (answer, answered) = answer();
            if self.commands.try_send(Command::Probe(answer)).is_ok() {
                let left = limit.saturating_sub(since.elapsed());
                return answered.recv_timeout(left).ok();
            }
            thread::sleep(Duration::from_millis(1));
        }
        None
    }

    #[cfg(feature = "history")]
    #[inline]
    fn is_degraded(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.is_degraded())
    }

    #[cfg(not(feature = "history"))]
    #[inline]
    fn is_degraded(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::net::sync::channel::bounded;
    use crate::server::settings::Settings;
    use crate::server::shared::ServerThreads;
    use std::mem;
    use std::sync::Arc;
    use std::time::Duration;

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn a_hub_that_takes_no_command_is_not_live_whether_its_queue_is_full_or_not()
    -> std::io::Result<()> {
        let (mut threads, _woken) = ServerThreads::new(Settings::default())?;
        assert!(threads.shared.health().0.live);
        // A queue for one command, and no hub that reads it.
        let (stuck, _unread) = bounded(1);
        let own = Arc::get_mut(&mut threads.shared)
            .map(|shared| mem::replace(&mut shared.commands, stuck));
        assert_eq!(threads.shared.probe_hub(SHORT), None, "the queue had room");
        assert_eq!(threads.shared.probe_hub(SHORT), None, "the queue was full");
        if let (Some(shared), Some(own)) = (Arc::get_mut(&mut threads.shared), own) {
            shared.commands = own;
        }
        assert!(threads.shared.health().0.live);
        Ok(())
    }
}
