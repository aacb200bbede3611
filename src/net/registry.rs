//! The connections of a server: admission, lookup, and waiting for the last to end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::Rejection;

use super::addresses::{AddressGroup, Addresses, PerAddress};
use super::counters::{Counters, Totals};
use super::incoming::Incoming;
use super::link::{ClientId, Link};
use super::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// All connections, including those in their handshake.
#[derive(Debug)]
pub(crate) struct Registry {
    inside: Mutex<Inside>,
    /// The memory that all of them hold for incoming messages.
    pub(crate) incoming: Incoming,
    left: Condvar,
}

#[derive(Debug)]
struct Inside {
    links: HashMap<ClientId, Arc<Link>>,
    addresses: Addresses,
}

impl Registry {
    pub(crate) fn new(limits: PerAddress) -> Registry {
        Registry {
            inside: Mutex::new(Inside {
                links: HashMap::new(),
                addresses: Addresses::new(limits),
            }),
            incoming: Incoming::new(usize::MAX, false),
            left: Condvar::default(),
        }
    }

    /// The same, where what has come in takes at most so many bytes for all together; where that is
    /// strict, threads wait for each other.
    pub(crate) fn with_incoming(self, most: usize, is_strict: bool) -> Registry {
        Registry {
            incoming: Incoming::new(most, is_strict),
            ..self
        }
    }

    /// Adds a connection, and counts it for its address if that is known already.
    ///
    /// # Errors
    /// The rejection, if the connection would exceed a limit.
    pub(crate) fn admit(
        &self,
        link: &Arc<Link>,
        most: usize,
        net: Option<AddressGroup>,
    ) -> Result<(), Rejection> {
        let mut inside = self.lock();
        if inside.links.len() >= most {
            return Err(Rejection::Full);
        }
        if let Some(net) = net {
            inside.enter_from(link, net)?;
        }
        inside.links.insert(link.id, Arc::clone(link));
        Ok(())
    }

    /// Counts an admitted connection for an address that is known only now.
    ///
    /// # Errors
    /// The rejection, if the connection exceeds a limit of its address.
    pub(crate) fn enter_from(&self, link: &Link, net: AddressGroup) -> Result<(), Rejection> {
        self.lock().enter_from(link, net)
    }

    /// Removes a connection, and adds its numbers to the totals under the same lock.
    pub(crate) fn remove(&self, link: &Link, totals: &Totals) {
        let mut inside = self.lock();
        if inside.links.remove(&link.id).is_none() {
            return;
        }
        totals.absorb(link);
        if let Some(net) = link.net.get() {
            inside.addresses.leave(*net);
        }
        drop(inside);
        self.left.notify_all();
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<Arc<Link>> {
        self.lock().links.get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.lock().links.values().cloned().collect()
    }

    /// Returns the connections after their handshake and before their close, in the order of arrival.
    pub(crate) fn open(&self) -> Vec<Arc<Link>> {
        let mut open = self.all();
        open.retain(|link| link.is_open());
        open.sort_unstable_by_key(|link| link.id);
        open
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().links.len()
    }

    pub(crate) fn count_open(&self) -> usize {
        let inside = self.lock();
        inside.links.values().filter(|link| link.is_open()).count()
    }

    pub(crate) fn counters(&self, totals: &Totals) -> Counters {
        let inside = self.lock();
        let mut counters = totals.snapshot(inside.links.values().map(|link| &**link));
        counters.incoming = self.incoming.held();
        counters
    }

    /// Waits until no connection is left, or until `limit` returns zero; returns whether none is left.
    pub(crate) fn wait_until_empty(&self, limit: impl Fn() -> Duration) -> bool {
        let mut inside = self.lock();
        while !inside.links.is_empty() {
            let wait = limit();
            if wait.is_zero() {
                return false;
            }
            let waited = self.left.wait_timeout(inside, wait);
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Notifies [`wait_until_empty`](Registry::wait_until_empty) that its `limit` may have changed.
    pub(crate) fn look_again(&self) {
        let _inside = self.lock();
        self.left.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn enter_from(&mut self, link: &Link, net: AddressGroup) -> Result<(), Rejection> {
        self.addresses.enter(net)?;
        let _ = link.net.set(net);
        Ok(())
    }
}
