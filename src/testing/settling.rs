//! Waits until the threads of a test have nothing to do but wait themselves: until all bytes that were
//! sent have been read, and all that they cause has been done. So a step of the clock meets each
//! connection in the same state each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::net::clock::Clock;
use crate::net::link::{Link, Stage};

/// A connection of a test server, and its other end.
pub(super) struct Pair {
    server: Arc<Link>,
    far: FarEnd,
    /// The client's thread was seen in `recv`: it continues by itself, and is waited for, also while the system
    /// lets other threads run.
    listens: bool,
    /// The handler was busy for long when it had begun so many reads.
    busy_at: Option<u64>,
}

/// The other end of a connection.
pub(super) enum FarEnd {
    /// A client of the library.
    Client(Arc<Link>),
    /// A peer that has written so many bytes.
    Raw(Arc<AtomicU64>),
}

/// The real time for which a test waits at most for a thread, or for the other end of a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// For how long a thread may be busy before it is no longer waited for. Each pause counts for no longer than it
/// was meant to take, and a little: on a busy machine, the other threads wait for the processor as well.
const BUSY: Duration = Duration::from_secs(1);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_micros(50);

/// Waits until all connections have settled, but no longer than [`BUSY`] for each state of a handler.
pub(super) fn settle(pairs: &mut Vec<Pair>, clock: &Clock) {
    pairs.retain(|pair| pair.server.stage() != Stage::Gone);
    let mut waited = Duration::ZERO;
    let mut quiet = 0;
    // Twice: a thread may just have read the last byte, and not have noted that it is busy.
    while quiet < 2 {
        let mut settled = !clock.has_due_waits();
        for pair in &mut *pairs {
            settled &= pair.has_settled(clock);
        }
        if settled {
            quiet += 1;
            thread::yield_now();
            continue;
        }
        quiet = 0;
        if waited > BUSY {
            pairs.iter_mut().for_each(|pair| pair.give_up(clock));
            return;
        }
        let since = Instant::now();
        thread::sleep(PAUSE);
        waited += since.elapsed().min(2 * PAUSE);
    }
}

impl Pair {
    pub(super) fn new(server: Arc<Link>, far: FarEnd) -> Pair {
        Pair {
            server,
            far,
            listens: false,
            busy_at: None,
        }
    }

    fn has_settled(&mut self, clock: &Clock) -> bool {
        let server = &self.server;
        if server.stage() > Stage::Closing || self.busy_at == Some(server.looks()) {
            return true;
        }
        let received = server.bytes_in.load(Relaxed);
        if !server.is_reading() {
            // For its rate limit, or for room in its send queue.
            return clock.is_waiting(server.id);
        }
        match &self.far {
            FarEnd::Raw(written) => received == written.load(Relaxed),
            FarEnd::Client(client) if client.stage() > Stage::Closing => true,
            FarEnd::Client(client) => {
                self.listens |= client.is_reading();
                let is_idle = !self.listens
                    || client.is_reading()
                        && client.bytes_in.load(Relaxed) == server.send_queue.tally().bytes;
                is_idle && received == client.send_queue.tally().bytes
            }
        }
    }

    /// Stops waiting for a busy client or handler until it reads again.
    fn give_up(&mut self, clock: &Clock) {
        if !self.has_settled(clock) {
            self.listens = false;
        }
        if !self.has_settled(clock) {
            self.busy_at = Some(self.server.looks());
        }
    }
}
