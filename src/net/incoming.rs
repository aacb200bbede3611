//! Bounds the memory that all clients together hold for incoming messages.
//!
//! The message size limit bounds the memory of one client; this bounds the sum, for when many clients
//! begin a message and do not finish it. A client's own thread counts its bytes before it waits, and
//! only from 8 KiB on: the hot path compares two numbers. A thread that makes the sum too large closes
//! the clients that hold most, as [`TotalQueued`](super::send_queue::total::TotalQueued) does for
//! outgoing bytes.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{CloseCode, CloseFrame};

use super::connection::Conversation;
use super::link::Link;
use super::registry::Registry;
use super::sync::atomic::AtomicUsize;
use super::sync::atomic::Ordering::Relaxed;
use super::sync::{Mutex, PoisonError};
use super::watchdog::Watchdog;
use crate::error::DisconnectReason;

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
    relief: Mutex<()>,
}

impl Incoming {
    pub(crate) fn new(most: usize, is_strict: bool) -> Incoming {
        Incoming {
            most,
            is_strict,
            held: AtomicUsize::new(0),
            relief: Mutex::new(()),
        }
    }

    /// Returns how many bytes all clients hold now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Returns whether clients hold more than half of the limit.
    pub(crate) fn is_crowded(&self) -> bool {
        self.held() > self.most / 2
    }

    /// Sets a client's count to `bytes`. Any thread may do so: each call replaces the last value.
    pub(crate) fn count(&self, link: &Link, bytes: usize) {
        let before = link.held.swap(bytes, Relaxed);
        match bytes.checked_sub(before) {
            Some(more) => self.held.fetch_add(more, Relaxed),
            None => self.held.fetch_sub(before - bytes, Relaxed),
        };
    }

    /// Whether a thread has to wait before it reads more.
    pub(crate) fn has_to_wait(&self) -> bool {
        self.is_strict && self.held() > self.most
    }

    /// If the sum is above the limit, closes the clients that hold most, the oldest of equals first,
    /// until an eighth of the limit is free. Their bytes are not counted from now on: their threads are
    /// woken and release them.
    pub(crate) fn relieve(&self, registry: &Registry, watchdog: &Watchdog) {
        if self.held() <= self.most {
            return;
        }
        let _relief = self.relief.lock().unwrap_or_else(PoisonError::into_inner);
        if self.held() <= self.most {
            return;
        }
        let clients = registry.all().into_iter();
        let (mut leave, mut weighed) = (0, Vec::new());
        for link in clients {
            match link.held.load(Relaxed) {
                0 => {}
                held if link.is_shed.load(Relaxed) => leave += held,
                held => weighed.push((held, link)),
            }
        }
        if self.held().saturating_sub(leave) <= self.most {
            return;
        }
        weighed.sort_unstable_by_key(|(held, link)| (Reverse(*held), link.id));
        for (held, link) in weighed {
            if self.held().saturating_sub(leave) <= self.most - self.most / 8 {
                return;
            }
            match self.is_strict {
                true => leave += held,
                false => self.count(&link, 0),
            }
            link.shed(watchdog);
        }
    }
}

impl Link {
    /// Closes the client because all clients together hold too much: with its version's close frame, if
    /// none was sent before. The peer's close frame is not waited for.
    fn shed(self: &Arc<Link>, watchdog: &Watchdog) {
        if !self.is_shed.swap(true, Relaxed) {
            watchdog.totals().incoming_exceeded.fetch_add(1, Relaxed);
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
                self.send_queue.stop_reading();
                watchdog.watch_stalled(push, self);
            }
            None => watchdog.disconnect(self, DisconnectReason::Incoming),
        }
    }
}

impl Conversation {
    /// Updates the count of the bytes that the connection holds, if they have changed.
    pub(crate) fn count_held(&mut self) {
        let held = self.connection.held_bytes();
        let held = if held < STEP { 0 } else { held };
        if held != self.held {
            self.held = held;
            self.watchdog.holds(&self.link, held);
        }
    }

    /// Counts what the connection holds before it reads more, which may have to wait: for others that
    /// hold too much and were ended, but not for long, since their handlers may be busy.
    pub(crate) fn count_before_reading(&mut self) {
        const BATCH: Duration = Duration::from_millis(5);
        const TURNS: usize = 400;
        self.count_held();
        if self.held == 0 {
            return;
        }
        let link = &self.link;
        for _ in 0..TURNS {
            if !self.watchdog.has_to_wait_to_read() {
                return;
            }
            let is_over = || link.has_close() || link.send_queue.disconnect_reason().is_some();
            if is_over() {
                return;
            }
            link.parker.wait(BATCH, is_over);
        }
    }
}
