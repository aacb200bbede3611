//! The clock of a test server, and the walk of its time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::net::link::Link;
use crate::server::shared::Shared;

use super::settling::{FarEnd, Pair, settle};

/// The clock of one [`TestServer`](super::TestServer). It runs like any clock, and a test can set it
/// forward. It moves the timeouts of this server only, never those of another server in the process.
///
/// It moves:
/// - the timeouts that the server's builder sets: handshake, ping interval, pong, idle, write, close, and
///   the [minimum rate](crate::ServerBuilder::min_message_rate) of a message;
/// - the tokens of the [rate limit](crate::ServerBuilder::rate_limit), and the wait of a throttled client;
/// - the timeout of [`shutdown`](crate::ServerHandle::shutdown);
/// - the wait in [`Client::recv_timeout`](crate::Client::recv_timeout), and the
///   [`duration`](crate::server::CloseReport::duration) in a report;
/// - the grace period of members of rooms, `History::grace_period`.
///
/// It does not move the age of messages in the history of a room, `History::max_age`. It does not move
/// the timeouts of the test's own [`WebSocket`](crate::WebSocket)s, the limit of
/// [`handshakes_per_address`](crate::ServerBuilder::handshakes_per_address), the ten seconds after which the
/// log counts suppressed lines, and the clock of the standard library: a handler that sleeps, or reads
/// `Instant::now`, sees the real time.
///
/// A clone is the same clock.
#[derive(Clone)]
pub struct TestClock(Arc<Inside>);

struct Inside {
    shared: Arc<Shared>,
    pairs: Mutex<Vec<Pair>>,
    /// One thread at a time sets the clock forward.
    turn: Mutex<()>,
}

/// The most steps of one advance: a long time is walked in longer steps.
const STEPS: u32 = 10_000;

impl TestClock {
    pub(super) fn new(shared: &Arc<Shared>) -> TestClock {
        shared.watchdog.clock.allow_setting();
        TestClock(Arc::new(Inside {
            shared: Arc::clone(shared),
            pairs: Mutex::default(),
            turn: Mutex::default(),
        }))
    }

    /// Sets the clock forward. The time passes in steps of a tenth of the shortest timeout, at most 500 ms
    /// each, so everything becomes due in its order: a ping, then the end of the wait for its pong. Each step
    /// is real work, but no real time.
    ///
    /// Before each step, this method waits
    /// - until the server has read all bytes that were sent to it;
    /// - until a [`WebSocket`](crate::WebSocket) whose thread waits in `recv` has read all bytes that were sent
    ///   to it, so such a client answers each ping in time;
    /// - until a handler whose `recv_timeout` is over has continued.
    ///
    /// It waits no longer than a second for a handler that is busy, or for a client that no longer waits in `recv`. As without a test, the silence of a client
    /// counts only while its handler waits for a message.
    ///
    /// When this method returns, the server has disconnected each client whose time is over. Its handler may
    /// need another moment to return: [`next_report`](super::TestServer::next_report) waits for that.
    ///
    /// With [`Duration::ZERO`], it only waits, as [`settle`](super::TestServer::settle) does. After the end of
    /// the server, it does nothing.
    pub fn advance(&self, by: Duration) {
        let inside = &*self.0;
        let _turn = inside.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let watchdog = &inside.shared.watchdog;
        let tick = inside.shared.settings.connection.timeouts.tick();
        let step = tick.max(by / STEPS);
        self.settle();
        // So everything before this call counts as earlier than the first step.
        let mut is_running = watchdog.step(Duration::ZERO);
        let mut left = by;
        while is_running && !left.is_zero() {
            let step = step.min(left);
            self.settle();
            is_running = watchdog.step(step);
            left -= step;
        }
        self.settle();
    }

    /// Waits for the far end of one more connection before each step.
    pub(super) fn settle_also(&self, link: Arc<Link>, end: FarEnd) {
        self.pairs().push(Pair::new(link, end));
    }

    fn settle(&self) {
        let shared = &self.0.shared;
        let mut pairs = self.pairs();
        settle(&mut pairs, &shared.watchdog.clock);
        // The hub has carried out all commands once it has answered; the clients may react to them.
        shared.members(&Arc::from(""));
        settle(&mut pairs, &shared.watchdog.clock);
    }

    fn pairs(&self) -> MutexGuard<'_, Vec<Pair>> {
        let pairs = self.0.pairs.lock();
        pairs.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClock").finish_non_exhaustive()
    }
}
