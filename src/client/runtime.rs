//! The state that all client connections of the process share.

use std::io;
use std::sync::Arc;

use crate::net::counters::Totals;
use crate::net::link::{ClientId, Link};
use crate::net::peer::Peer;
use crate::net::process::Process;
use crate::net::send_queue::total::Backlog;
use crate::net::send_queue::{Outbox, SlowClient};
use crate::net::socket::Socket;
use crate::net::sync::atomic::AtomicU64;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::{Mutex, PoisonError, thread};
use crate::net::timeouts::Deadlines;
use crate::net::watchdog::Warden;
use crate::protocol::Role;

/// The watchdog of all client connections of the process. Its thread starts with the first connection,
/// and sleeps while there is no connection. A forked child starts one of its own.
pub(super) struct Common {
    process: Process,
    pub(super) warden: Arc<Warden>,
    backlog: Arc<Backlog>,
    next_id: AtomicU64,
}

impl Common {
    /// Returns the process's shared state.
    ///
    /// # Errors
    /// If the thread cannot be started; the next call tries again.
    pub(super) fn get() -> io::Result<Arc<Common>> {
        static COMMON: Mutex<Option<Arc<Common>>> = Mutex::new(None);
        Common::get_from(&COMMON)
    }

    fn get_from(common: &Mutex<Option<Arc<Common>>>) -> io::Result<Arc<Common>> {
        let mut common = common.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(common) = &*common
            && common.process.is_current()
        {
            return Ok(Arc::clone(common));
        }
        let started = Arc::new(Common::start()?);
        *common = Some(Arc::clone(&started));
        Ok(started)
    }

    fn start() -> io::Result<Common> {
        // Each send queue has a limit, but there is no total limit: a sender waits for room in its own.
        let backlog = Backlog::new(usize::MAX);
        let (warden, watch) = Warden::new(Arc::clone(&backlog), None, Arc::new(Totals::default()))?;
        let builder = thread::Builder::new().name("stentor warden".to_owned());
        builder.spawn(move || watch.run())?;
        Ok(Common {
            process: Process::current(),
            warden,
            backlog,
            next_id: AtomicU64::new(1),
        })
    }

    /// Gives a connected socket its number and its send queue, and starts to watch its timeouts: the
    /// handshake timeout runs from now on.
    pub(super) fn watch(
        &self,
        socket: &Arc<Socket>,
        peer: Peer,
        outbox: usize,
        deadlines: Arc<Deadlines>,
    ) -> Arc<Link> {
        let id = ClientId(self.next_id.fetch_add(1, Relaxed));
        // The policy matters for broadcasts only, and a client receives none from a hub.
        let policy = SlowClient::default();
        let backlog = Arc::clone(&self.backlog);
        let outbox = Outbox::new(Arc::clone(socket), outbox, policy, backlog);
        let link = Arc::new(Link::new(id, Role::Client, peer, outbox, deadlines));
        self.warden.watch(&link);
        link
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Common, Mutex, Process};

    /// A real fork needs `unsafe`: instead, the recorded process of the watchdog is changed.
    #[test]
    fn a_forked_child_has_a_warden_of_its_own() -> std::io::Result<()> {
        let parents = Arc::new(Common {
            process: Process::another(),
            ..Common::start()?
        });
        let common = Mutex::new(Some(Arc::clone(&parents)));
        let own = Common::get_from(&common)?;
        assert!(own.process.is_current());
        assert!(!Arc::ptr_eq(&own.warden, &parents.warden));
        assert!(
            Arc::ptr_eq(&own, &Common::get_from(&common)?),
            "one is enough"
        );
        for common in [own, parents] {
            common.warden.stop();
        }
        Ok(())
    }
}
