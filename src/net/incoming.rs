//! Bounds the memory that all clients together hold for incoming messages.
//!
//! The message size limit bounds the memory of one client; this bounds the sum, for when many clients
//! begin a message and do not finish it. A client's own thread counts its bytes before it waits, and
//! only from 8 KiB on: the hot path compares two numbers. A thread that makes the sum too large closes
//! the clients that hold most, as [`TotalQueued`](super::send_queue::total::TotalQueued) does for
//! outgoing bytes.

use std::sync::Arc;
use std::time::Duration;

use super::heaviest::{Weighed, heaviest_first};
use super::link::Link;
use super::sync::atomic::AtomicUsize;
use super::sync::atomic::Ordering::Relaxed;
use super::sync::{Mutex, PoisonError};

/// Less than this is not counted for one client.
const STEP: usize = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Incoming {
    most: usize,
    /// Threads wait for each other.
    is_strict: bool,
    /// The sum of the bytes counted for each client.
    held: AtomicUsize,
    /// Locked by the thread that closes clients.
    eviction: Mutex<()>,
}

impl Incoming {
    pub(crate) fn new(most: usize, is_strict: bool) -> Incoming {
        Incoming {
            most,
            is_strict,
            held: AtomicUsize::new(0),
            eviction: Mutex::new(()),
        }
    }

    /// Returns a sum without a limit.
    #[cfg(any(feature = "client", test))]
    pub(crate) fn unlimited() -> Incoming {
        Incoming::new(usize::MAX, false)
    }

    /// Returns how many bytes all clients hold now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Returns whether clients hold more than half of the limit.
    pub(crate) fn is_crowded(&self) -> bool {
        self.held() > self.most / 2
    }

    /// Returns how many of the bytes that a client holds are counted.
    pub(crate) fn counted(held: usize) -> usize {
        if held < STEP { 0 } else { held }
    }

    /// Sets a client's count to `bytes`. Any thread may do so: each call replaces the last value.
    pub(crate) fn count(&self, link: &Link, bytes: usize) {
        let before = link.held.swap(bytes, Relaxed);
        match bytes.checked_sub(before) {
            Some(more) => self.held.fetch_add(more, Relaxed),
            None => self.held.fetch_sub(before - bytes, Relaxed),
        };
    }

    /// Waits before the client's thread reads more, if all clients together hold too much: for others to
    /// be closed, but not for long, since their handlers may be busy. If there is no room then, this client
    /// is closed too: the process has no memory for what it would read.
    #[inline(never)]
    pub(crate) fn wait_for_room(&self, link: &Link) {
        const SLICE: Duration = Duration::from_millis(5);
        const SLICES: usize = 400;
        let has_to_wait = || self.has_to_wait(link);
        for _ in 0..SLICES {
            if !has_to_wait() {
                return;
            }
            link.parker.wait(SLICE, || link.is_ending());
        }
        if has_to_wait() {
            link.fail_for_memory();
        }
    }

    /// Returns whether the client's thread has to wait before it reads more.
    pub(crate) fn has_to_wait(&self, link: &Link) -> bool {
        self.is_strict && self.held() > self.most && !link.is_ending()
    }

    /// If the sum is above the limit, closes those of `clients` that hold most, the oldest of equals
    /// first, until an eighth of the limit is free. Their bytes are not counted from now on: their threads
    /// are woken and release them.
    ///
    /// Only what `clients` hold at this moment decides. A client that is counted meanwhile relieves the
    /// others itself, when this call is done: otherwise small clients would be closed for its bytes.
    pub(crate) fn relieve(&self, clients: impl FnOnce() -> Vec<Arc<Link>>) {
        if self.held() <= self.most {
            return;
        }
        let _turn = self.eviction.lock().unwrap_or_else(PoisonError::into_inner);
        if self.held() <= self.most {
            return;
        }
        let (mut sum, mut weighed) = (0_usize, Vec::new());
        for link in clients() {
            let held = link.held.load(Relaxed);
            // The bytes of a client that was closed are released soon.
            if held > 0 && !link.failed_for_memory.load(Relaxed) {
                sum = sum.saturating_add(held);
                weighed.push(Weighed { bytes: held, link });
            }
        }
        if sum <= self.most {
            return;
        }
        for Weighed { bytes, link } in heaviest_first(weighed) {
            if sum <= self.most - self.most / 8 {
                return;
            }
            sum -= bytes;
            if !self.is_strict {
                self.count(&link, 0);
            }
            link.fail_for_memory();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Incoming, Link, Relaxed};
    use crate::net::client_id::ClientId;
    use crate::net::peer::Peer;
    use crate::net::send_queue::SendQueue;
    use crate::net::send_queue::total::TotalQueued;
    use crate::net::socket::Socket;
    use crate::net::timeouts::Timeouts;
    use crate::net::watchdog::Watchdog;
    use crate::net::watchdog::tests::NoOwner;
    use crate::protocol::Role;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn bytes_that_are_counted_meanwhile_close_no_small_client() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let socket = Arc::new(Socket::new(TcpStream::connect(listener.local_addr()?)?));
        let owner = Arc::new(NoOwner);
        let (watchdog, _watch) = Watchdog::new(TotalQueued::new(0), Incoming::unlimited(), owner)?;
        let links = [1, 2, 3].map(|id| {
            let id = ClientId(id);
            let (socket, watcher) = (Arc::clone(&socket), Arc::clone(&watchdog));
            let send_queue = SendQueue::new(id, socket, 0, watcher);
            let timeouts = Arc::new(Timeouts::default());
            Arc::new(Link::new(
                id,
                Role::Server,
                Peer::Local,
                send_queue,
                timeouts,
            ))
        });
        let [small, large, late] = &links;
        let closed = || [small, large, late].map(|link| link.failed_for_memory.load(Relaxed));
        let incoming = Incoming::new(100, false);
        incoming.count(small, 20);
        incoming.count(large, 90);
        incoming.relieve(|| {
            incoming.count(late, 95);
            vec![Arc::clone(small), Arc::clone(large)]
        });
        assert_eq!(closed(), [false, true, false]);
        incoming.relieve(|| links.to_vec());
        assert_eq!(closed(), [false, true, true]);
        assert_eq!(incoming.held(), 20);
        Ok(())
    }
}
