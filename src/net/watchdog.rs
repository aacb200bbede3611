//! The thread that enforces timeouts and [keepalive](super::keepalive), and drains stalled send queues.
//!
//! A client's thread reads the clock only where it waits by itself: in `recv_timeout`, and for
//! room in its own send queue. Its reads have no timeouts. The watchdog checks
//! all clients once a tick, and after a timeout it wakes the blocked `read` with
//! `shutdown(2)`. So a timeout is exact to within one tick, and a silent client costs a comparison
//! per tick.
//!
//! While the whole process is stopped, received bytes stay unread: no peer is silent because of that.
//! So the watchdog counts only the time in which the process ran, and a long gap between two of its
//! own rounds as a short one.
//!
//! Between ticks the watchdog sleeps in `poll(2)` on the sockets with a stalled send queue: a
//! healthy server has none. Once every ten seconds it logs how many log lines were suppressed.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::counters::Totals;
use super::keepalive::Watched;
use super::link::{AbortReason, Link, Stage};
use super::log::quota;
use super::log::quota::{Kind, LogGate};
use super::registry::Registry;
use super::send_queue::Push;
use super::send_queue::total::TotalQueued;
use super::socket::Socket;
use super::sync::atomic::AtomicBool;
use super::sync::atomic::Ordering::SeqCst;
use super::sync::{Instant, Mutex, PoisonError};
use super::timeouts::SELDOM;
use super::waker;
use super::waker::{Sleeper, Waker};
use crate::error::DisconnectReason;

/// The shared side of the watchdog: any thread uses it to notify the watchdog's thread.
#[derive(Debug)]
pub(crate) struct Watchdog {
    notices: Mutex<Notices>,
    waker: Waker,
    /// The watchdog sleeps without a timeout: a thread with a notice for it must wake it.
    asleep: AtomicBool,
    gate: LogGate,
    total_queued: Arc<TotalQueued>,
    /// The clients that may be evicted at the total send queue limit; `None` without such a limit.
    registry: Option<Arc<Registry>>,
    totals: Arc<Totals>,
}

/// Bounded: each client is in here once as new and once as stalled, and there are at most
/// [`TURNED_AWAY`] rejected connections.
#[derive(Debug, Default)]
struct Notices {
    clients: Vec<Arc<Link>>,
    stalled: Vec<Arc<Link>>,
    turned_away: Vec<Arc<Socket>>,
    stop: bool,
}

/// The watchdog's own side, on its thread.
pub(crate) struct WatchdogThread {
    watchdog: Arc<Watchdog>,
    sleeper: Sleeper,
    totals: Arc<Totals>,
    clients: Vec<Watched>,
    stalled: Vec<Stalled>,
    lingering: Vec<(Arc<Socket>, Duration)>,
    /// The interval between two checks of the clients: the shortest that any client needs.
    tick: Duration,
    /// When the suppressed log lines were last summed up.
    summed_up: Instant,
}

struct Stalled {
    link: Arc<Link>,
    /// How many bytes its socket had accepted at the last check, if there was one.
    sent: Option<u64>,
    /// When the socket last accepted some.
    since: Duration,
}

/// How long a connection that was rejected before its handshake may take to read the response.
const LINGER: Duration = Duration::from_secs(1);

/// The most such connections that are kept open at one time.
const TURNED_AWAY: usize = 128;

impl Watchdog {
    /// Returns the two sides: one for all threads, one for the watchdog's thread.
    pub(crate) fn new(
        total_queued: Arc<TotalQueued>,
        registry: Option<Arc<Registry>>,
        totals: Arc<Totals>,
    ) -> io::Result<(Arc<Watchdog>, WatchdogThread)> {
        let (waker, sleeper) = waker::pair()?;
        let watchdog = Arc::new(Watchdog {
            notices: Mutex::default(),
            waker,
            asleep: AtomicBool::new(false),
            gate: LogGate::default(),
            total_queued,
            registry,
            totals: Arc::clone(&totals),
        });
        let watch = WatchdogThread {
            watchdog: Arc::clone(&watchdog),
            sleeper,
            totals,
            clients: Vec::new(),
            stalled: Vec::new(),
            lingering: Vec::new(),
            tick: SELDOM,
            summed_up: Instant::now(),
        };
        Ok((watchdog, watch))
    }

    /// Adds a new client; its handshake timeout begins now.
    pub(crate) fn watch(&self, link: &Arc<Link>) {
        self.update(|notices| notices.clients.push(Arc::clone(link)));
        // The next tick is soon enough for a timeout, but an endless sleep has no next tick.
        if self.asleep.load(SeqCst) {
            self.waker.wake();
        }
    }

    /// Handles the result of a push: watches a client if its socket did not accept the bytes.
    pub(crate) fn watch_stalled(&self, push: Push, link: &Arc<Link>) {
        if self.watch_stalled_of_many(push, link) {
            self.relieve();
        }
    }

    /// As [`watch_stalled`](Watchdog::watch_stalled), for a caller that pushes the same frames to many
    /// clients. If this returns `true`, the caller calls [`relieve`](Watchdog::relieve) when it is done
    /// and has released these frames.
    pub(crate) fn watch_stalled_of_many(&self, push: Push, link: &Arc<Link>) -> bool {
        if push == Push::Stalled {
            self.update(|notices| notices.stalled.push(Arc::clone(link)));
            self.waker.wake();
        }
        matches!(push, Push::Stalled | Push::Waits)
    }

    /// Evicts clients while the send queues of all clients together exceed their limit.
    pub(crate) fn relieve(&self) {
        if let Some(registry) = &self.registry {
            self.total_queued.relieve(registry, &self.totals);
        }
    }

    /// Returns whether clients hold so much that their receive buffers should be small.
    pub(crate) fn is_crowded(&self) -> bool {
        let registry = self.registry.as_ref();
        registry.is_some_and(|registry| registry.incoming.is_crowded())
    }

    /// Counts the bytes that a client holds for incoming messages, and closes the clients that hold most
    /// if all clients together hold too much.
    pub(crate) fn holds(&self, link: &Arc<Link>, bytes: usize) {
        if let Some(registry) = &self.registry {
            registry.incoming.count(link, bytes);
            registry.incoming.relieve(registry, self);
        }
    }

    /// Whether all clients hold so much that a thread has to wait before it reads more.
    pub(crate) fn has_to_wait_to_read(&self) -> bool {
        let registry = self.registry.as_ref();
        registry.is_some_and(|registry| registry.incoming.has_to_wait())
    }

    /// Disconnects a client for this reason, and counts it.
    pub(crate) fn disconnect(&self, link: &Link, disconnect_reason: DisconnectReason) {
        link.disconnect(disconnect_reason, &self.totals);
    }

    /// The counters that the watchdog updates.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Takes a connection that was rejected before its handshake: it is closed once the peer has read
    /// the response, or after [`LINGER`].
    pub(crate) fn turned_away(&self, socket: Arc<Socket>) {
        let _ = socket.shutdown(Shutdown::Write);
        self.update(|notices| {
            if notices.turned_away.len() < TURNED_AWAY {
                notices.turned_away.push(socket);
            }
        });
        self.waker.wake();
    }

    /// Returns the line if one more of this kind may be logged: see [`LogGate`].
    #[cold]
    #[inline(never)]
    pub(crate) fn line_of(&self, kind: Kind, words: fmt::Arguments<'_>) -> Option<String> {
        let line = self.gate.line_of(kind, words);
        // There are lines to sum up: the ticks continue until that is done.
        if self.asleep.load(SeqCst) {
            self.waker.wake();
        }
        line
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.update(|notices| notices.stop = true);
        self.waker.wake();
    }

    fn update(&self, change: impl FnOnce(&mut Notices)) {
        change(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl WatchdogThread {
    /// Runs until [`Watchdog::stop`].
    pub(crate) fn run(mut self) {
        let mut round = Instant::now();
        // How long the process has run, and how long it had run at the last check of the clients.
        let (mut lived, mut looked) = (Duration::ZERO, Duration::ZERO);
        // When the clients were last checked, by the clock.
        let mut look = round;
        loop {
            self.sleep_until(look + self.tick);
            let gap = round.elapsed();
            round += gap;
            lived += gap.min(4 * self.tick);
            if self.take_notices(lived) {
                self.watchdog.gate.sum_up(round - self.summed_up);
                return;
            }
            if round - self.summed_up >= quota::WINDOW {
                self.watchdog.gate.sum_up(round - self.summed_up);
                self.summed_up = round;
            }
            self.drain_stalled(lived);
            self.drain_turned_away(lived);
            if round >= look + self.tick {
                self.look_at_clients(lived, lived - looked);
                (look, looked) = (round, lived);
            }
        }
    }

    /// Sleeps until the next tick, a notice, or until a stalled socket accepts bytes.
    fn sleep_until(&mut self, next: Instant) {
        let idle = self.clients.is_empty()
            && self.stalled.is_empty()
            && self.lingering.is_empty()
            && self.watchdog.gate.is_quiet();
        if idle {
            self.watchdog.asleep.store(true, SeqCst);
            // A notice that came before the flag was set did not wake this thread.
            let notices = self
                .watchdog
                .notices
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if !notices.clients.is_empty() || !self.watchdog.gate.is_quiet() {
                self.watchdog.asleep.store(false, SeqCst);
                return;
            }
        }
        let wait = next.saturating_duration_since(Instant::now());
        let stalled: Vec<Arc<Socket>> = self
            .stalled
            .iter()
            .filter_map(|stalled| stalled.link.send_queue.socket())
            .collect();
        let lingering = self.lingering.iter().map(|(socket, _)| &**socket);
        let at_most = (!idle).then_some(wait);
        self.sleeper.sleep(&stalled, lingering, at_most);
        self.watchdog.asleep.store(false, SeqCst);
        self.sleeper.awake();
        if idle {
            // Nothing was logged meanwhile.
            self.summed_up = Instant::now();
        }
    }

    /// Takes the notices of other threads; returns whether to stop.
    fn take_notices(&mut self, now: Duration) -> bool {
        let notices = {
            let mut notices = self
                .watchdog
                .notices
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *notices)
        };
        for link in notices.clients {
            self.tick = self.tick.min(link.timeouts.tick());
            self.clients.push(Watched::new(link, now));
        }
        let stalled = notices.stalled.into_iter();
        self.stalled.extend(stalled.map(|link| Stalled {
            link,
            sent: None,
            since: now,
        }));
        for socket in notices.turned_away {
            if self.lingering.len() < TURNED_AWAY {
                self.lingering.push((socket, now));
            }
        }
        notices.stop
    }

    /// Tries each stalled socket in every round: `poll` reports a socket as writable only when a third
    /// of its buffer is free, and a slow peer makes room long before.
    fn drain_stalled(&mut self, now: Duration) {
        let totals = &self.totals;
        self.stalled.retain_mut(|stalled| {
            let Some(sent) = stalled.link.send_queue.drain(stalled.sent) else {
                return false;
            };
            if stalled.sent != Some(sent) {
                (stalled.sent, stalled.since) = (Some(sent), now);
            } else if now - stalled.since >= stalled.link.timeouts.write {
                stalled.link.disconnect(DisconnectReason::Write, totals);
            }
            true
        });
    }

    fn drain_turned_away(&mut self, now: Duration) {
        self.lingering.retain(|(socket, since)| {
            let read = socket.discard_at_once(&mut [0; 4096]);
            matches!(read, Ok(1..) | Err(Errno::AGAIN)) && now - *since < LINGER
        });
    }

    fn look_at_clients(&mut self, now: Duration, passed: Duration) {
        let (totals, watchdog) = (&self.totals, &self.watchdog);
        let mut tick = SELDOM;
        self.clients.retain_mut(|client| {
            let timeouts = &client.link.timeouts;
            tick = tick.min(timeouts.tick());
            let stage = client.link.stage();
            if stage != client.stage {
                (client.stage, client.since) = (stage, now);
            }
            if stage == Stage::Closing && client.link.send_queue.close_is_queued() {
                // The peer cannot have received the close frame: only the write timeout runs.
                client.since = now;
            }
            let late = |limit: Duration| now - client.since >= limit;
            match stage {
                // While `on_request` runs, the delay is not the client's.
                Stage::Handshake if late(timeouts.handshake) && client.link.is_reading() => {
                    client.link.reject(AbortReason::Late);
                }
                Stage::Closing if late(timeouts.close) => client.close_is_late(totals, now),
                // All bytes were sent and the peer only had to close TCP: not a disconnect.
                Stage::Lingering if late(timeouts.close) => client.link.send_queue.close_tcp_now(),
                Stage::Open => client.keep_alive(totals, watchdog, passed),
                Stage::Handshake | Stage::Closing | Stage::Closed | Stage::Lingering => {}
                Stage::Gone => return false,
            }
            true
        });
        self.tick = tick;
    }
}

#[cfg(test)]
mod tests {
    use super::{Stage, Watchdog};
    use crate::net::link::{ClientId, Link};
    use crate::net::peer::Peer;
    use crate::net::send_queue::total::TotalQueued;
    use crate::net::send_queue::{SendQueue, SlowClient};
    use crate::net::socket::Socket;
    use crate::net::timeouts::{SELDOM, Timeouts};
    use crate::protocol::Role;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn tick_is_the_shortest_that_any_present_client_needs() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (socket, total_queued) = (Arc::new(Socket::new(stream)), TotalQueued::new(0));
        let (watchdog, mut watch) = Watchdog::new(Arc::clone(&total_queued), None, Arc::default())?;
        let link = |seconds| {
            let (socket, total_queued) = (Arc::clone(&socket), Arc::clone(&total_queued));
            let send_queue = SendQueue::new(socket, 0, SlowClient::default(), total_queued);
            let timeouts = Arc::new(Timeouts {
                close: Duration::from_secs(seconds),
                ..Timeouts::default()
            });
            let link = Link::new(ClientId(1), Role::Client, Peer::Local, send_queue, timeouts);
            Arc::new(link)
        };
        let (patient, hasty) = (link(100), link(1));
        for (new, tick) in [(&patient, SELDOM), (&hasty, SELDOM / 5)] {
            watchdog.watch(new);
            watch.take_notices(Duration::ZERO);
            assert_eq!(watch.tick, tick);
            watch.look_at_clients(Duration::ZERO, Duration::ZERO);
            assert_eq!(watch.tick, tick);
        }
        // The next check removes a client that has gone; the check after it ignores its timeouts.
        hasty.enter(Stage::Gone);
        for tick in [SELDOM / 5, SELDOM] {
            watch.look_at_clients(Duration::ZERO, Duration::ZERO);
            assert_eq!(watch.tick, tick);
        }
        Ok(())
    }
}
