//! The connections of a server: admission, lookup, and waiting for the last to end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::net::client_id::ClientId;
use crate::net::link::Link;
use crate::net::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::net::watchdog::Owner;
use crate::net::watcher::Incident;
use crate::protocol::{CloseFrame, Rejection};

use super::addresses::{AddressGroup, Addresses, PerAddress};
use super::counters::{Counters, Totals};

/// All connections, including those in their handshake, and what is counted about them.
#[derive(Debug)]
pub(crate) struct Registry {
    inside: Mutex<Inside>,
    pub(crate) totals: Arc<Totals>,
    left: Condvar,
    /// The close frame for the clients when the server shuts down.
    shutdown_frame: Mutex<CloseFrame>,
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
            totals: Arc::default(),
            left: Condvar::default(),
            shutdown_frame: Mutex::new(CloseFrame::going_away()),
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
            inside.addresses.enter(link.id, net)?;
        }
        inside.links.insert(link.id, Arc::clone(link));
        Ok(())
    }

    /// Counts an admitted connection for an address that is known only now.
    ///
    /// # Errors
    /// The rejection, if the connection exceeds a limit of its address.
    pub(crate) fn enter_from(&self, link: &Link, net: AddressGroup) -> Result<(), Rejection> {
        self.lock().addresses.enter(link.id, net)
    }

    /// Puts a connection in the place of the one with its number, and adds the numbers of that one to the
    /// totals.
    #[inline]
    pub(crate) fn replace(&self, link: &Arc<Link>) {
        let mut inside = self.lock();
        if let Some(before) = inside.links.insert(link.id, Arc::clone(link)) {
            self.totals.absorb(&before);
        }
    }

    /// Removes a connection, and adds its numbers to the totals under the same lock.
    pub(crate) fn remove(&self, link: &Link) {
        let mut inside = self.lock();
        if inside.links.remove(&link.id).is_none() {
            return;
        }
        self.totals.absorb(link);
        inside.addresses.leave(link.id);
        drop(inside);
        self.left.notify_all();
    }

    #[inline]
    pub(crate) fn get(&self, id: ClientId) -> Option<Arc<Link>> {
        self.lock().links.get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.lock().links.values().cloned().collect()
    }

    /// Returns the connections after their handshake and before their close, in the order of arrival.
    #[inline]
    pub(crate) fn open(&self) -> Vec<Arc<Link>> {
        let mut open = self.all();
        open.retain(|link| link.is_open());
        open.sort_unstable_by_key(|link| link.id);
        open
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.lock().links.len()
    }

    #[inline]
    pub(crate) fn count_open(&self) -> usize {
        let inside = self.lock();
        inside.links.values().filter(|link| link.is_open()).count()
    }

    #[inline]
    pub(crate) fn counters(&self) -> Counters {
        let inside = self.lock();
        let links = inside.links.values().map(|link| &**link);
        self.totals.snapshot(links)
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
    #[inline]
    pub(crate) fn look_again(&self) {
        let _inside = self.lock();
        self.left.notify_all();
    }

    #[inline]
    pub(crate) fn set_shutdown_frame(&self, frame: CloseFrame) {
        *self.shutdown_frame() = frame;
    }

    fn shutdown_frame(&self) -> MutexGuard<'_, CloseFrame> {
        let frame = self.shutdown_frame.lock();
        frame.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner for Registry {
    fn connections(&self) -> Vec<Arc<Link>> {
        self.all()
    }

    #[inline]
    fn count(&self, incident: Incident) {
        self.totals.count(incident);
    }

    fn shutdown_frame(&self) -> CloseFrame {
        Registry::shutdown_frame(self).clone()
    }
}
