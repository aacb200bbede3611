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
#[cfg(feature = "server")]
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::client_id::ClientId;
use super::clock::{Clock, Steps};
use super::heaviest::{Weighed, heaviest_first};
use super::incoming::Incoming;
use super::keepalive::Watched;
use super::link::{AbortReason, Link, Stage};
use super::log::quota;
use super::log::quota::{Kind, LogGate};
use super::send_queue::total::TotalQueued;
use super::socket::Socket;
use super::sync::atomic::AtomicBool;
use super::sync::atomic::Ordering::SeqCst;
use super::sync::{Instant, Mutex, PoisonError};
use super::timeouts::SELDOM;
use super::waker;
use super::waker::{Sleeper, Waker};
use super::watcher::{Incident, Watcher};
use crate::error::DisconnectReason;
use crate::protocol::CloseFrame;

/// The owner of the connections that a watchdog watches: a server, or the clients of the process.
pub(crate) trait Owner: Send + Sync {
    /// Returns the connections that may be closed because all of them together hold too much memory.
    fn connections(&self) -> Vec<Arc<Link>>;

    /// Counts an incident of one of its connections.
    fn count(&self, incident: Incident);

    /// Returns the close frame for its connections when it shuts down.
    fn shutdown_frame(&self) -> CloseFrame {
        CloseFrame::going_away()
    }
}

/// Without the owner's own fields: a table of methods that named their `Debug` would link the `Debug` of all that
/// a server consists of into every program.
impl fmt::Debug for dyn Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}

/// The shared side of the watchdog: any thread uses it to notify the watchdog's thread.
#[derive(Debug)]
pub(crate) struct Watchdog {
    notices: Mutex<Notices>,
    waker: Waker,
    /// The watchdog sleeps without a timeout: a thread with a notice for it must wake it.
    asleep: AtomicBool,
    gate: LogGate,
    total_queued: Arc<TotalQueued>,
    /// The memory that all connections hold for incoming messages.
    pub(crate) incoming: Incoming,
    owner: Arc<dyn Owner>,
    /// The clock of all timeouts.
    pub(crate) clock: Clock,
}

/// Bounded: each client is in here once as new and once as stalled, and there are at most
/// [`REJECTED`] rejected connections.
#[derive(Debug, Default)]
struct Notices {
    clients: Vec<Arc<Link>>,
    stalled: Vec<ClientId>,
    rejected: Vec<Arc<Socket>>,
    steps: Steps,
    stop: bool,
}

/// The watchdog's own side, on its thread.
pub(crate) struct WatchdogThread {
    watchdog: Arc<Watchdog>,
    sleeper: Sleeper,
    /// In the order of their numbers.
    clients: Vec<Watched>,
    stalled: Vec<Stalled>,
    lingering: Vec<(Arc<Socket>, Duration)>,
    /// The interval between two checks of the clients: the shortest that any client needs.
    tick: Duration,
    /// The steps by which the clock was set forward since the last round.
    steps: Steps,
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
const REJECTED: usize = 128;

impl Watchdog {
    /// Returns the two sides: one for all threads, one for the watchdog's thread.
    pub(crate) fn new(
        total_queued: Arc<TotalQueued>,
        incoming: Incoming,
        owner: Arc<dyn Owner>,
    ) -> io::Result<(Arc<Watchdog>, WatchdogThread)> {
        let (waker, sleeper) = waker::pair()?;
        let watchdog = Arc::new(Watchdog {
            notices: Mutex::default(),
            waker,
            asleep: AtomicBool::new(false),
            gate: LogGate::default(),
            total_queued,
            incoming,
            owner,
            clock: Clock::new(),
        });
        let watch = WatchdogThread {
            watchdog: Arc::clone(&watchdog),
            sleeper,
            clients: Vec::new(),
            stalled: Vec::new(),
            lingering: Vec::new(),
            tick: SELDOM,
            steps: Steps::default(),
            summed_up: Instant::now(),
        };
        Ok((watchdog, watch))
    }

    /// Returns the close frame for connections of an owner that shuts down.
    pub(crate) fn shutdown_frame(&self) -> CloseFrame {
        self.owner.shutdown_frame()
    }

    /// Adds a new client; its handshake timeout begins now.
    pub(crate) fn watch(&self, link: &Arc<Link>) {
        self.update(|notices| notices.clients.push(Arc::clone(link)));
        // The next tick is soon enough for a timeout, but an endless sleep has no next tick.
        if self.asleep.load(SeqCst) {
            self.waker.wake();
        }
    }

    /// Counts the bytes that a client holds for incoming messages, and closes the clients that hold most
    /// if all clients together hold too much.
    #[inline(never)]
    pub(crate) fn holds(&self, link: &Link, bytes: usize) {
        self.incoming.count(link, bytes);
        self.incoming.relieve(|| self.owner.connections());
    }

    /// Takes a connection that was rejected before its handshake: it is closed once the peer has read
    /// the response, or after [`LINGER`].
    #[cfg(feature = "server")]
    pub(crate) fn linger(&self, socket: Arc<Socket>) {
        let _ = socket.shutdown(Shutdown::Write);
        self.update(|notices| {
            if notices.rejected.len() < REJECTED {
                notices.rejected.push(socket);
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

    /// Sets the clock forward, and waits until the watchdog has checked all clients and all stalled send
    /// queues; returns whether it has. It has not if it has stopped.
    #[cfg(feature = "testing")]
    pub(crate) fn step(&self, by: Duration) -> bool {
        const STOPPED: Duration = Duration::from_secs(1);
        self.clock.set_forward(by);
        let (done, is_done) = super::answer::answer();
        self.update(|notices| notices.steps.add(by, done));
        self.waker.wake();
        is_done.recv_timeout(STOPPED).is_ok()
    }

    /// Ends the thread.
    #[cfg(any(feature = "server", test))]
    pub(crate) fn stop(&self) {
        self.update(|notices| notices.stop = true);
        self.waker.wake();
    }

    fn update<T>(&self, change: impl FnOnce(&mut Notices) -> T) -> T {
        change(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watcher for Watchdog {
    fn stalled(&self, id: ClientId) {
        let is_first = self.update(|notices| {
            notices.stalled.push(id);
            notices.stalled.len() == 1
        });
        // One that is not the first is taken together with the first: one wake-up for a whole broadcast.
        if is_first {
            self.waker.wake();
        }
    }

    fn adjust(&self, before: usize, after: usize) {
        self.total_queued.adjust(before, after);
    }

    /// First those whose queues take most memory, the oldest of equals first, rather than the client
    /// that happens to be next.
    fn relieve(&self) {
        let Some(_turn) = self.total_queued.exceeded() else {
            return;
        };
        let clients = self.owner.connections().into_iter();
        let weighed = clients.map(|link| Weighed {
            bytes: link.send_queue.weight(),
            link,
        });
        let weighed = weighed.filter(|weighed| weighed.bytes > 0).collect();
        for Weighed { link, .. } in heaviest_first(weighed) {
            if self.total_queued.has_room() {
                return;
            }
            link.disconnect(DisconnectReason::TotalSendQueue);
        }
    }

    fn count(&self, incident: Incident) {
        self.owner.count(incident);
    }

    fn clock(&self) -> &Clock {
        &self.clock
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
            let stepped = self.steps.time();
            lived += stepped.unwrap_or_default();
            if round - self.summed_up >= quota::WINDOW {
                self.watchdog.gate.sum_up(round - self.summed_up);
                self.summed_up = round;
            }
            self.drain_stalled(lived);
            self.drain_rejected(lived);
            if stepped.is_some() || round >= look + self.tick {
                self.look_at_clients(lived, lived - looked);
                (look, looked) = (round, lived);
            }
            self.steps.done();
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
            let is_new = self.watchdog.update(|notices| !notices.clients.is_empty());
            if is_new || !self.watchdog.gate.is_quiet() {
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
        let notices = self.watchdog.update(std::mem::take);
        for link in notices.clients {
            self.tick = self.tick.min(link.timeouts.tick());
            // Nearly always the last place: clients come in the order of their numbers.
            let place = self
                .clients
                .partition_point(|other| other.link.id < link.id);
            let watched = Watched::new(link, now);
            match self.clients.get_mut(place) {
                // Its connection continues on another socket.
                Some(before) if before.link.id == watched.link.id => *before = watched,
                _ => self.clients.insert(place, watched),
            }
        }
        for id in notices.stalled {
            // One that is gone has nothing to send.
            if let Ok(place) = self
                .clients
                .binary_search_by_key(&id, |client| client.link.id)
            {
                let link = Arc::clone(&self.clients[place].link);
                let (sent, since) = (None, now);
                self.stalled.push(Stalled { link, sent, since });
            }
        }
        for socket in notices.rejected {
            if self.lingering.len() < REJECTED {
                self.lingering.push((socket, now));
            }
        }
        self.steps.append(notices.steps);
        notices.stop
    }

    /// Tries each stalled socket in every round: `poll` reports a socket as writable only when a third
    /// of its buffer is free, and a slow peer makes room long before.
    fn drain_stalled(&mut self, now: Duration) {
        self.stalled.retain_mut(|stalled| {
            let Some(sent) = stalled.link.send_queue.drain(stalled.sent) else {
                return false;
            };
            if stalled.sent != Some(sent) {
                (stalled.sent, stalled.since) = (Some(sent), now);
            } else if now - stalled.since >= stalled.link.timeouts.write {
                stalled.link.disconnect(DisconnectReason::WriteTimeout);
            }
            true
        });
    }

    fn drain_rejected(&mut self, now: Duration) {
        self.lingering.retain(|(socket, since)| {
            let read = socket.discard_at_once(&mut [0; 4096]);
            matches!(read, Ok(1..) | Err(Errno::AGAIN)) && now - *since < LINGER
        });
    }

    fn look_at_clients(&mut self, now: Duration, passed: Duration) {
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
                    client.link.abort_handshake(AbortReason::Late);
                }
                Stage::Closing if late(timeouts.close) => client.close_is_late(now),
                // All bytes were sent and the peer only had to close TCP: not a disconnect.
                Stage::Lingering if late(timeouts.close) => client.link.send_queue.close_tcp(),
                Stage::Open => client.keep_alive(passed),
                Stage::Handshake | Stage::Closing | Stage::Closed | Stage::Lingering => {}
                Stage::Gone => return false,
            }
            true
        });
        self.tick = tick;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Incident, Owner, Stage, Watchdog};
    use crate::net::client_id::ClientId;
    use crate::net::incoming::Incoming;
    use crate::net::link::Link;
    use crate::net::peer::Peer;
    use crate::net::send_queue::SendQueue;
    use crate::net::send_queue::total::TotalQueued;
    use crate::net::socket::Socket;
    use crate::net::timeouts::{SELDOM, Timeouts};
    use crate::protocol::Role;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::time::Duration;

    /// Owns nothing.
    #[derive(Debug)]
    pub(in crate::net) struct NoOwner;

    impl Owner for NoOwner {
        fn connections(&self) -> Vec<Arc<Link>> {
            Vec::new()
        }

        fn count(&self, _: Incident) {}
    }

    #[test]
    fn tick_is_the_shortest_that_any_present_client_needs() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (socket, incoming) = (Arc::new(Socket::new(stream)), Incoming::unlimited());
        let (watchdog, mut watch) =
            Watchdog::new(TotalQueued::new(0), incoming, Arc::new(NoOwner))?;
        let link = |seconds| {
            let (socket, watcher) = (Arc::clone(&socket), Arc::clone(&watchdog));
            let send_queue = SendQueue::new(ClientId(1), socket, 0, watcher);
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
