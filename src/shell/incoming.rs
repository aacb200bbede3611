//! The memory that all clients together hold for what has come in.
//!
//! The size of a message bounds what one client holds; this bounds the sum, for the day when many begin
//! a message and do not finish it. A client's own thread counts what it holds before it waits, and only
//! where that is a good deal: the hot path compares two numbers. A thread that makes the sum too large
//! ends the clients that hold most, as [`Backlog`](super::backlog::Backlog) does for what is sent.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::protocol::{CloseCode, CloseFrame};

use super::conversation::Conversation;
use super::error::Loss;
use super::link::Link;
use super::registry::Registry;
use super::sync::atomic::AtomicUsize;
use super::sync::atomic::Ordering::Relaxed;
use super::sync::{Mutex, PoisonError};
use super::warden::Warden;

/// Less than this is not counted for one client.
const STEP: usize = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Incoming {
    most: usize,
    /// The sum of what the links are counted to hold.
    held: AtomicUsize,
    /// Held by the one that ends clients.
    relief: Mutex<()>,
}

impl Incoming {
    pub(crate) fn new(most: usize) -> Incoming {
        Incoming {
            most,
            held: AtomicUsize::new(0),
            relief: Mutex::new(()),
        }
    }

    /// What all of them hold now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Whether it is more than half of what may be.
    pub(crate) fn is_crowded(&self) -> bool {
        self.held() > self.most / 2
    }

    /// A client holds `bytes` from now on. Any thread may say so: each takes back what the last has said.
    pub(crate) fn count(&self, link: &Link, bytes: usize) {
        let before = link.held.swap(bytes, Relaxed);
        match bytes.checked_sub(before) {
            Some(more) => self.held.fetch_add(more, Relaxed),
            None => self.held.fetch_sub(before - bytes, Relaxed),
        };
    }

    /// Where too much is held, ends the clients that hold most, the oldest of equals first, until an
    /// eighth is free. They are not counted any more from here on: their threads, which are woken,
    /// let go of it.
    pub(crate) fn relieve(&self, registry: &Registry, warden: &Warden) {
        if self.held() <= self.most {
            return;
        }
        let _relief = self.relief.lock().unwrap_or_else(PoisonError::into_inner);
        if self.held() <= self.most {
            return;
        }
        let clients = registry.all().into_iter();
        let mut weighed: Vec<_> = clients
            .map(|link| (link.held.load(Relaxed), link))
            .filter(|(held, _)| *held > 0)
            .collect();
        weighed.sort_unstable_by_key(|(held, link)| (Reverse(*held), link.id));
        for (_, link) in weighed {
            if self.held() <= self.most - self.most / 8 {
                return;
            }
            self.count(&link, 0);
            link.shed(warden);
        }
    }
}

impl Link {
    /// Ends the client because all of them hold too much: in its version's own way, where it has not
    /// been closed before. The peer's answer is not waited for.
    fn shed(self: &Arc<Link>, warden: &Warden) {
        if !self.is_shed.swap(true, Relaxed) {
            warden.totals().incoming_exceeded.fetch_add(1, Relaxed);
        }
        let frame = CloseFrame {
            code: CloseCode::TRY_AGAIN_LATER,
            reason: "too much memory is held for incoming messages".to_owned(),
        };
        let closed = match self.is_open() {
            true => self.close(frame).ok(),
            false => None,
        };
        match closed {
            Some(push) => {
                self.outbox.stop_reading();
                warden.mind(push, self);
            }
            None => warden.lose(self, Loss::Incoming),
        }
    }
}

impl Conversation {
    /// Counts what the connection holds, where that has changed.
    pub(crate) fn count_held(&mut self) {
        let held = self.connection.held_bytes();
        let held = if held < STEP { 0 } else { held };
        if held != self.held {
            self.held = held;
            self.warden.holds(&self.link, held);
        }
    }
}
