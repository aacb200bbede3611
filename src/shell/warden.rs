//! The thread that knows the time: deadlines, [keepalive](super::keepalive), stalled outboxes.
//!
//! A client's thread asks for the time only where it waits by itself: in `recv_timeout`, and for
//! room in its own outbox. Its reads have no timeouts. The warden looks at
//! all clients once a tick, and where a deadline has passed it wakes the blocked `read` with
//! `shutdown(2)`. So a deadline holds to within one tick, and a silent client costs a comparison
//! per tick.
//!
//! While the whole process is stopped, what comes lies unread: that is nobody's silence. So the
//! warden counts time that the process has lived through, and a long gap between two of its own
//! turns as a short one.
//!
//! Between ticks the warden sleeps in `poll(2)` on the sockets whose outboxes have stalled: a
//! healthy server has none. Once every ten seconds it sums up what the log was spared.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::backlog::Backlog;
use super::counters::Totals;
use super::deadlines::SELDOM;
use super::error::Loss;
use super::keepalive::Watched;
use super::link::{Haste, Link, Stage};
use super::log_gate::{self, Kind, LogGate};
use super::outbox::Push;
use super::registry::Registry;
use super::sleep::{self, Sleeper, Waker};
use super::socket::Socket;
use super::sync::atomic::AtomicBool;
use super::sync::atomic::Ordering::SeqCst;
use super::sync::{Instant, Mutex, PoisonError};

/// Tells the warden what to watch, from any thread.
#[derive(Debug)]
pub(crate) struct Warden {
    news: Mutex<News>,
    waker: Waker,
    /// The warden sleeps without an end: whoever brings news must wake it.
    asleep: AtomicBool,
    gate: LogGate,
    backlog: Arc<Backlog>,
    /// Who may be evicted where too much waits for all together: nobody, where that has no bound.
    registry: Option<Arc<Registry>>,
    totals: Arc<Totals>,
}

/// Bounded by what it names: each client is in here once as new, and once as stalled; and of those
/// that were turned away no more are kept than will be.
#[derive(Debug, Default)]
struct News {
    clients: Vec<Arc<Link>>,
    stalled: Vec<Arc<Link>>,
    turned_away: Vec<Arc<Socket>>,
    stop: bool,
}

/// The warden's own side, on its thread.
pub(crate) struct Watch {
    warden: Arc<Warden>,
    sleeper: Sleeper,
    totals: Arc<Totals>,
    clients: Vec<Watched>,
    stalled: Vec<Stalled>,
    lingering: Vec<(Arc<Socket>, Duration)>,
    /// How often the clients are looked at: as often as the most exacting of them needs.
    tick: Duration,
    /// When the log was last summed up.
    summed_up: Instant,
}

struct Stalled {
    link: Arc<Link>,
    /// How many bytes its socket had taken at the last look, if there was one.
    sent: Option<u64>,
    /// When it had last taken some.
    since: Duration,
}

/// How long a connection that was turned away at the door may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// The most connections that were turned away at the door and are kept until they have read why.
const TURNED_AWAY: usize = 128;

impl Warden {
    /// The two sides: one for everybody, one for the thread.
    pub(crate) fn new(
        backlog: Arc<Backlog>,
        registry: Option<Arc<Registry>>,
        totals: Arc<Totals>,
    ) -> io::Result<(Arc<Warden>, Watch)> {
        let (waker, sleeper) = sleep::pair()?;
        let warden = Arc::new(Warden {
            news: Mutex::default(),
            waker,
            asleep: AtomicBool::new(false),
            gate: LogGate::default(),
            backlog,
            registry,
            totals: Arc::clone(&totals),
        });
        let watch = Watch {
            warden: Arc::clone(&warden),
            sleeper,
            totals,
            clients: Vec::new(),
            stalled: Vec::new(),
            lingering: Vec::new(),
            tick: SELDOM,
            summed_up: Instant::now(),
        };
        Ok((warden, watch))
    }

    /// A new client, whose handshake begins now.
    pub(crate) fn watch(&self, link: &Arc<Link>) {
        self.tell(|news| news.clients.push(Arc::clone(link)));
        // The next tick is soon enough for a deadline; without any there is no next tick.
        if self.asleep.load(SeqCst) {
            self.waker.wake();
        }
    }

    /// Looks after what a push has left behind: a client whose socket does not take it.
    pub(crate) fn mind(&self, push: Push, link: &Arc<Link>) {
        if self.mind_one_of_many(push, link) {
            self.relieve();
        }
    }

    /// As [`mind`](Warden::mind), for one who pushes the same to many: where this says so, it
    /// calls [`relieve`](Warden::relieve) when it is done and has let go of what it pushed.
    pub(crate) fn mind_one_of_many(&self, push: Push, link: &Arc<Link>) -> bool {
        if push == Push::Stalled {
            self.tell(|news| news.stalled.push(Arc::clone(link)));
            self.waker.wake();
        }
        matches!(push, Push::Stalled | Push::Waits)
    }

    /// Evicts, where too much waits for all clients together.
    pub(crate) fn relieve(&self) {
        if let Some(registry) = &self.registry {
            self.backlog.relieve(registry, &self.totals);
        }
    }

    /// Whether all clients hold so much of what has come in that their buffers should be small.
    pub(crate) fn is_crowded(&self) -> bool {
        let registry = self.registry.as_ref();
        registry.is_some_and(|registry| registry.incoming.is_crowded())
    }

    /// Counts what a client holds of what has come in, and ends those that hold most where all of
    /// them hold too much.
    pub(crate) fn holds(&self, link: &Arc<Link>, bytes: usize) {
        if let Some(registry) = &self.registry {
            registry.incoming.count(link, bytes);
            registry.incoming.relieve(registry, self);
        }
    }

    /// Gives a client up.
    pub(crate) fn lose(&self, link: &Link, loss: Loss) {
        link.lose(loss, &self.totals);
    }

    /// The counters that it keeps up.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// A connection that was answered at the door: it is closed once it has read that, or soon.
    pub(crate) fn turned_away(&self, socket: Arc<Socket>) {
        let _ = socket.shutdown(Shutdown::Write);
        self.tell(|news| {
            if news.turned_away.len() < TURNED_AWAY {
                news.turned_away.push(socket);
            }
        });
        self.waker.wake();
    }

    /// The line, if one more of this kind may be logged: see [`LogGate`].
    #[cold]
    #[inline(never)]
    pub(crate) fn line_of(&self, kind: Kind, words: fmt::Arguments<'_>) -> Option<String> {
        let line = self.gate.line_of(kind, words);
        // There is something to sum up: the ticks go on until it is.
        if self.asleep.load(SeqCst) {
            self.waker.wake();
        }
        line
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.tell(|news| news.stop = true);
        self.waker.wake();
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Watch {
    /// Runs until [`Warden::stop`].
    pub(crate) fn run(mut self) {
        let mut turn = Instant::now();
        // The time that was lived through, and how much of it when the clients were looked at.
        let (mut lived, mut looked) = (Duration::ZERO, Duration::ZERO);
        // When the clients were last looked at, by the clock.
        let mut look = turn;
        loop {
            self.sleep_until(look + self.tick);
            let gap = turn.elapsed();
            turn += gap;
            lived += gap.min(4 * self.tick);
            if self.take_news(lived) {
                self.warden.gate.sum_up(turn - self.summed_up);
                return;
            }
            if turn - self.summed_up >= log_gate::WINDOW {
                self.warden.gate.sum_up(turn - self.summed_up);
                self.summed_up = turn;
            }
            self.drain_stalled(lived);
            self.drain_turned_away(lived);
            if turn >= look + self.tick {
                self.look_at_clients(lived, lived - looked);
                (look, looked) = (turn, lived);
            }
        }
    }

    /// Sleeps until the next tick, news, or a stalled socket that takes something.
    fn sleep_until(&mut self, next: Instant) {
        let idle = self.clients.is_empty()
            && self.stalled.is_empty()
            && self.lingering.is_empty()
            && self.warden.gate.is_quiet();
        if idle {
            self.warden.asleep.store(true, SeqCst);
            // News that came before the flag was up woke nobody.
            let news = self
                .warden
                .news
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if !news.clients.is_empty() || !self.warden.gate.is_quiet() {
                self.warden.asleep.store(false, SeqCst);
                return;
            }
        }
        let wait = next.saturating_duration_since(Instant::now());
        let stalled: Vec<Arc<Socket>> = self
            .stalled
            .iter()
            .filter_map(|stalled| stalled.link.outbox.socket())
            .collect();
        let lingering = self.lingering.iter().map(|(socket, _)| &**socket);
        let at_most = (!idle).then_some(wait);
        self.sleeper.sleep(&stalled, lingering, at_most);
        self.warden.asleep.store(false, SeqCst);
        self.sleeper.awake();
        if idle {
            // Nothing was logged meanwhile.
            self.summed_up = Instant::now();
        }
    }

    /// Whether it is time to stop.
    fn take_news(&mut self, now: Duration) -> bool {
        let news = {
            let mut news = self
                .warden
                .news
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *news)
        };
        for link in news.clients {
            self.tick = self.tick.min(link.deadlines.tick());
            self.clients.push(Watched::new(link, now));
        }
        let stalled = news.stalled.into_iter();
        self.stalled.extend(stalled.map(|link| Stalled {
            link,
            sent: None,
            since: now,
        }));
        for socket in news.turned_away {
            if self.lingering.len() < TURNED_AWAY {
                self.lingering.push((socket, now));
            }
        }
        news.stop
    }

    /// Tries each stalled socket at every turn: poll calls a socket writable only when a third of
    /// its buffer is free, and a slow peer makes room long before.
    fn drain_stalled(&mut self, now: Duration) {
        let totals = &self.totals;
        self.stalled.retain_mut(|stalled| {
            let Some(sent) = stalled.link.outbox.drain(stalled.sent) else {
                return false;
            };
            if stalled.sent != Some(sent) {
                (stalled.sent, stalled.since) = (Some(sent), now);
            } else if now - stalled.since >= stalled.link.deadlines.write {
                stalled.link.lose(Loss::Write, totals);
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
        let (totals, warden) = (&self.totals, &self.warden);
        let mut tick = SELDOM;
        self.clients.retain_mut(|client| {
            let deadlines = &client.link.deadlines;
            tick = tick.min(deadlines.tick());
            let stage = client.link.stage();
            if stage != client.stage {
                (client.stage, client.since) = (stage, now);
            }
            if stage == Stage::Closing && client.link.outbox.goodbye_waits() {
                // The peer cannot have seen the close frame: only the write deadline runs.
                client.since = now;
            }
            let late = |limit: Duration| now - client.since >= limit;
            match stage {
                // While `on_request` runs, it is not the client who is late.
                Stage::Handshake if late(deadlines.handshake) && client.link.is_reading() => {
                    client.link.refuse(Haste::Late);
                }
                Stage::Closing if late(deadlines.close) => client.close_is_late(totals, now),
                // It was told everything and only had to hang up: that is no loss.
                Stage::Lingering if late(deadlines.close) => client.link.outbox.close_tcp_now(),
                Stage::Open => client.keep_alive(totals, warden, passed),
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
    use super::{Stage, Warden};
    use crate::protocol::Role;
    use crate::shell::backlog::Backlog;
    use crate::shell::deadlines::{Deadlines, SELDOM};
    use crate::shell::link::{ClientId, Link};
    use crate::shell::outbox::{Outbox, SlowClient};
    use crate::shell::peer::Peer;
    use crate::shell::socket::Socket;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn it_looks_as_often_as_the_most_exacting_needs_and_no_longer() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (socket, backlog) = (Arc::new(Socket::new(stream)), Backlog::new(0));
        let (warden, mut watch) = Warden::new(Arc::clone(&backlog), None, Arc::default())?;
        let link = |seconds| {
            let (socket, backlog) = (Arc::clone(&socket), Arc::clone(&backlog));
            let outbox = Outbox::new(socket, 0, SlowClient::default(), backlog);
            let deadlines = Arc::new(Deadlines {
                close: Duration::from_secs(seconds),
                ..Deadlines::default()
            });
            let link = Link::new(ClientId(1), Role::Client, Peer::Local, outbox, deadlines);
            Arc::new(link)
        };
        let (patient, hasty) = (link(100), link(1));
        for (new, tick) in [(&patient, SELDOM), (&hasty, SELDOM / 5)] {
            warden.watch(new);
            watch.take_news(Duration::ZERO);
            assert_eq!(watch.tick, tick);
            watch.look_at_clients(Duration::ZERO, Duration::ZERO);
            assert_eq!(watch.tick, tick);
        }
        // Who has gone is forgotten at the next look, and counts no more from the one after.
        hasty.enter(Stage::Gone);
        for tick in [SELDOM / 5, SELDOM] {
            watch.look_at_clients(Duration::ZERO, Duration::ZERO);
            assert_eq!(watch.tick, tick);
        }
        Ok(())
    }
}
