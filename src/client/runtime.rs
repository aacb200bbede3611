//! The state that all client connections of the process share.

use std::io;
use std::sync::Arc;

use crate::net::client_id::ClientId;
use crate::net::incoming::Incoming;
use crate::net::link::Link;
use crate::net::options::ConnectionOptions;
use crate::net::peer::Peer;
use crate::net::process::Process;
use crate::net::send_queue::SendQueue;
use crate::net::send_queue::total::TotalQueued;
use crate::net::socket::Socket;
use crate::net::sync::atomic::AtomicU64;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::{Mutex, PoisonError, thread};
use crate::net::watchdog::{Owner, Watchdog};
use crate::net::watcher::Incident;
use crate::protocol::Role;

/// The watchdog of all client connections of the process. Its thread starts with the first connection,
/// and sleeps while there is no connection. A forked child starts one of its own.
pub(super) struct Runtime {
    process: Process,
    pub(super) watchdog: Arc<Watchdog>,
    next_id: AtomicU64,
}

/// The owner of the process's client connections: there is no total limit, and nothing is counted.
#[derive(Debug)]
struct Connections;

impl Owner for Connections {
    fn connections(&self) -> Vec<Arc<Link>> {
        Vec::new()
    }

    fn count(&self, _: Incident) {}
}

impl Runtime {
    /// Returns the process's shared state.
    ///
    /// # Errors
    /// If the thread cannot be started; the next call tries again.
    pub(super) fn get() -> io::Result<Arc<Runtime>> {
        static COMMON: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);
        Runtime::get_from(&COMMON)
    }

    fn get_from(common: &Mutex<Option<Arc<Runtime>>>) -> io::Result<Arc<Runtime>> {
        let mut common = common.lock().unwrap_or_else(PoisonError::into_inner);
        match &*common {
            Some(common) if common.process.is_current() => return Ok(Arc::clone(common)),
            _ => {}
        }
        let started = Arc::new(Runtime::start()?);
        *common = Some(Arc::clone(&started));
        Ok(started)
    }

    fn start() -> io::Result<Runtime> {
        // Each send queue has a limit, but there is no total limit: a sender waits for room in its own.
        let total_queued = TotalQueued::new(usize::MAX);
        let (watchdog, watch) =
            Watchdog::new(total_queued, Incoming::unlimited(), Arc::new(Connections))?;
        let builder = thread::Builder::new().name("stentor watchdog".to_owned());
        builder.spawn(move || watch.run())?;
        Ok(Runtime {
            process: Process::current(),
            watchdog,
            next_id: AtomicU64::new(1),
        })
    }

    /// Gives a connected socket its number and its send queue, and starts to watch its timeouts: the
    /// handshake timeout runs from now on.
    pub(super) fn watch(
        &self,
        socket: &Arc<Socket>,
        peer: Peer,
        options: &ConnectionOptions,
    ) -> Arc<Link> {
        let id = ClientId(self.next_id.fetch_add(1, Relaxed));
        let (own, watcher) = (Arc::clone(socket), Arc::clone(&self.watchdog));
        let send_queue = SendQueue::new(id, own, options.send_queue_limit, watcher);
        let timeouts = Arc::clone(&options.timeouts);
        let link = Arc::new(Link::new(id, Role::Client, peer, send_queue, timeouts));
        self.watchdog.watch(&link);
        link
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Mutex, Process, Runtime};

    /// A real fork needs `unsafe`: instead, the recorded process of the watchdog is changed.
    #[test]
    fn a_forked_child_has_a_watchdog_of_its_own() -> std::io::Result<()> {
        let parents = Arc::new(Runtime {
            process: Process::another(),
            ..Runtime::start()?
        });
        let common = Mutex::new(Some(Arc::clone(&parents)));
        let own = Runtime::get_from(&common)?;
        assert!(own.process.is_current());
        assert!(!Arc::ptr_eq(&own.watchdog, &parents.watchdog));
        assert!(
            Arc::ptr_eq(&own, &Runtime::get_from(&common)?),
            "one is enough"
        );
        for common in [own, parents] {
            common.watchdog.stop();
        }
        Ok(())
    }
}
