//! The session with Redis, without I/O: orders, bytes and times come in, bytes and reports go out. So tests can play
//! any order of events.
//!
//! Two connections stand and fall together. One carries commands and their replies; the other one carries
//! notifications: Redis closes a connection with notifications whose reader is slow, and no reply is lost by that.
//!
//! A room is live, catches up, or is attached by one rule ([`catch_up`]): each entry is judged by the position that was
//! seen last, and if entries may be missing, the log is read after that position. Messages on their way are appended
//! in rounds ([`rounds`]).

mod catch_up;
mod forgets;
mod life;
mod lines;
mod probes;
mod reads;
mod rounds;
mod start;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::net::answer::Answer;
use crate::net::sync::Instant;
use crate::server::history::journal::JournalEntry;
use crate::server::history::publication::PublishError;
use crate::server::history::resume::Gap;
use crate::server::journal::{Order, Pending, Report};

use super::Position;
use super::keys::MachineId;
use super::scripts::{Context, LogBounds};
use catch_up::Room;
use forgets::Forgets;
use lines::Lines;
use probes::Probe;
use reads::Reads;
use rounds::Rounds;

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Commands,
    Notifications,
}

/// The settings of a session.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) keys: super::keys::Keys,
    pub(crate) machine: MachineId,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
    pub(crate) log: LogBounds,
    /// The entries and bytes that the hub keeps of a room.
    pub(crate) newest: (u32, u32),
    pub(crate) times: Times,
}

/// The times after which something is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// For a new connection, and again for its first answers.
    pub(crate) connect: Duration,
    /// For an answer.
    pub(crate) answer: Duration,
    /// Without a notification, after which the subscriptions are checked.
    pub(crate) silence: Duration,
    /// For the notification of that check.
    pub(crate) probe: Duration,
    /// Before the second attempt to connect; each further one waits up to twice as long as the one before.
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
    /// For a message that was not sent yet.
    pub(crate) publish: Duration,
    /// For the notification of an entry that is stored, before the log is read for it.
    pub(crate) notice: Duration,
}

/// A result of the session, in order.
#[derive(Debug)]
pub(crate) enum Output {
    Report(Report),
    /// Entries of the room are missing up to this position.
    Gap(Arc<str>, Position, Gap),
    Page(Vec<PageAnswer>, Result<Vec<JournalEntry>, ()>),
    /// The connections are to be closed, for this reason.
    Down(String),
    Up(Vec<super::facts::Warning>),
    /// Redis has refused something, for this reason.
    Refused(String),
}

pub(crate) type PageAnswer = Answer<Result<Vec<JournalEntry>, ()>>;

/// The state of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Until this time, there is no connection; then there is an attempt.
    Pausing(Instant),
    /// Until this time, the connections must have answered.
    Starting(Instant),
    Up,
}

/// Numbers since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) reconnects: u64,
    pub(crate) batches: u64,
    pub(crate) retried: u64,
    pub(crate) refused: u64,
    pub(crate) entries: u64,
    pub(crate) gaps: u64,
}

#[derive(Debug)]
pub(crate) struct Session {
    config: Config,
    phase: Phase,
    /// Attempts to connect since the connections have worked for a while.
    attempts: u32,
    /// When the connections began to work, if they do.
    up_since: Option<Instant>,
    /// The connections were up before.
    was_up: bool,
    /// The state of the generator of random numbers, for the pauses.
    random: u64,
    lines: Lines,
    /// The life of the data in Redis, once the connections have answered.
    life: String,
    rereads: life::Rereads,
    warnings: Vec<super::facts::Warning>,
    info: String,
    rooms: HashMap<Arc<str>, Room>,
    /// Rooms whose subscription ends, and whether they are to be attached again.
    closing: HashMap<Arc<str>, bool>,
    subscriptions_due: Vec<Arc<str>>,
    /// The number of the newest room.
    generation: u64,
    reads: Reads,
    rounds: Rounds,
    forgets: Forgets,
    probe: Probe,
    /// The bytes of all entries that wait for a read.
    buffered: usize,
    /// Requests to learn when all messages are stored, with their deadlines.
    flushes: Vec<(Instant, Answer<()>)>,
    outputs: VecDeque<Output>,
    pub(crate) numbers: Numbers,
}

impl Session {
    /// Creates a session without connections. [`wants_connections`](Session::wants_connections) at once.
    pub(crate) fn new(config: Config, now: Instant) -> Session {
        Session {
            random: config.machine.0,
            config,
            phase: Phase::Pausing(now),
            attempts: 0,
            up_since: None,
            was_up: false,
            lines: Lines::default(),
            life: String::new(),
            rereads: life::Rereads::default(),
            warnings: Vec::new(),
            info: String::new(),
            rooms: HashMap::new(),
            closing: HashMap::new(),
            subscriptions_due: Vec::new(),
            generation: 0,
            reads: Reads::default(),
            rounds: Rounds::default(),
            forgets: Forgets::default(),
            probe: Probe::new(now),
            buffered: 0,
            flushes: Vec::new(),
            outputs: VecDeque::new(),
            numbers: Numbers::default(),
        }
    }

    /// Executes an order of the hub, or of a thread that reads.
    pub(crate) fn order(&mut self, order: Order, now: Instant) {
        match order {
            Order::Append(draft) => self.publish(draft, now),
            Order::Read {
                room,
                after,
                until,
                answer,
            } => self.reads.page(room, after, until, answer),
            Order::Forget(room, up_to, answer) => self.forget(room, up_to, answer, now),
            Order::Flush(answer) => self
                .flushes
                .push((now + 2 * self.config.times.publish, answer)),
            Order::Attach(room) => self.attach(room),
            Order::Detach(room) => self.detach(&room),
            Order::CatchUp(room, answer) => self.catch_up(&room, answer),
            Order::Stop => {}
        }
        self.proceed(now);
    }

    /// Returns whether both connections are to be opened now.
    pub(crate) fn wants_connections(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Pausing(until) if until <= now)
    }

    /// Returns whether the connections work.
    pub(crate) fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// Returns whether shared rooms work: Redis is connected, and has refused neither the newest batch nor a room.
    pub(crate) fn is_healthy(&self) -> bool {
        self.is_up() && !self.rounds.is_refused && !self.reads.is_refused()
    }

    /// Receives bytes of a connection.
    pub(crate) fn receive(&mut self, line: Line, bytes: &[u8], now: Instant) {
        if matches!(self.phase, Phase::Pausing(_)) {
            return;
        }
        self.lines.of(line).decoder.feed(bytes);
        loop {
            if matches!(self.phase, Phase::Pausing(_)) {
                return;
            }
            let reply = match self.lines.of(line).decoder.next() {
                Ok(Some(reply)) => reply,
                Ok(None) => break,
                Err(fault) => return self.broken(&fault.to_string(), now),
            };
            match line {
                Line::Commands => self.replied(reply, now),
                Line::Notifications => self.notified(reply, now),
            }
        }
        self.proceed(now);
    }

    /// Returns the bytes that wait for a connection. The caller removes those that are sent.
    pub(crate) fn unsent(&mut self, line: Line) -> &mut Vec<u8> {
        &mut self.lines.of(line).out
    }

    /// Ends both connections, for this reason, and connects again after a pause.
    pub(crate) fn broken(&mut self, reason: &str, now: Instant) {
        if matches!(self.phase, Phase::Pausing(_)) {
            return;
        }
        // Connections that break again at once must not cost a new start each time.
        let has_worked = |since: Instant| {
            now.saturating_duration_since(since) >= self.config.times.longest_pause
        };
        if self.up_since.take().is_some_and(has_worked) {
            self.attempts = 0;
        }
        let pause = self.pause();
        self.phase = Phase::Pausing(now + pause);
        self.lines = Lines::default();
        self.probe = Probe::new(now);
        self.reads.disconnected();
        self.rounds.disconnected();
        self.forgets.disconnected();
        self.disconnect_rooms();
        self.outputs.push_back(Output::Down(reason.to_owned()));
    }

    /// Does everything that is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        if let Phase::Starting(deadline) = self.phase {
            if deadline <= now {
                let reason = "Redis does not answer: check its address, and that nothing is between that drops packets";
                self.broken(reason, now);
            }
        }
        let timeout = self.config.times.answer;
        if let Some(reason) = self.lines.lateness(now, timeout) {
            self.broken(reason, now);
        }
        self.tick_probe(now);
        self.refuse_late(now);
        self.refuse_late_forgets(now);
        self.check_awaited(now);
        self.retry_reads(now);
        self.proceed(now);
    }

    /// Returns the time at which [`tick`](Session::tick) is due.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Pausing(until) | Phase::Starting(until) => Some(until),
            Phase::Up => self.probe_due(),
        };
        let flush = self.flushes.iter().map(|(deadline, _)| *deadline).min();
        let times = [
            phase,
            flush,
            self.lines.deadline(self.config.times.answer),
            self.rounds.deadline(self.config.times.publish),
            self.forgets.deadline(self.config.times.publish),
            self.rounds.next_check(),
            self.reads.next_retry(),
        ];
        times.into_iter().flatten().min()
    }

    /// Returns the next result.
    pub(crate) fn output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns whether the next result is the end of the connections.
    pub(crate) fn next_output_is_down(&self) -> bool {
        matches!(self.outputs.front(), Some(Output::Down(_)))
    }

    /// Ends the session: nothing that was not sent is stored.
    pub(crate) fn stop(&mut self) {
        let unsent = self.rounds.take_unsent();
        self.numbers.refused += unsent.len() as u64;
        if !unsent.is_empty() {
            self.report(Report::Refused(unsent, PublishError::Closed));
        }
        self.stop_forgets();
    }

    fn report(&mut self, report: Report) {
        self.outputs.push_back(Output::Report(report));
    }

    /// Reports own messages that are stored, and whose entries are not reported.
    fn report_passed(&mut self, passed: Vec<(Position, Pending)>) {
        if !passed.is_empty() {
            self.report(Report::Passed(passed));
        }
    }

    /// Adds an entry to the report about stored ones.
    fn report_stored(&mut self, entry: Option<JournalEntry>, pending: Pending) {
        if let Some(Output::Report(Report::Stored(entries))) = self.outputs.back_mut() {
            if entries.len() < rounds::DRAFTS {
                return entries.push((entry, pending));
            }
        }
        self.report(Report::Stored(vec![(entry, pending)]));
    }

    /// Sends everything that may be sent now.
    fn proceed(&mut self, now: Instant) {
        if self.phase == Phase::Up {
            self.subscribe();
            self.send_reads(now);
            self.reread_life(now);
            self.send_round(now);
            self.send_forgets(now);
        }
        self.flush(now);
    }

    fn flush(&mut self, now: Instant) {
        let is_done = self.rounds.is_idle();
        let (done, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flushes)
            .into_iter()
            .partition(|(deadline, _)| is_done || *deadline <= now);
        self.flushes = left;
        for (_, answer) in done {
            self.report(Report::Flushed(answer));
        }
    }

    fn context(&self) -> Context {
        Context {
            keys: self.config.keys.clone(),
            machine: self.config.machine,
            life: self.life.clone(),
            log: self.config.log,
        }
    }

    /// Returns the next pause before an attempt to connect: up to twice as long each time, at random, so that many
    /// servers do not come back at the same moment.
    fn pause(&mut self) -> Duration {
        let times = self.config.times;
        let longest = times.first_pause.saturating_mul(1 << self.attempts.min(16));
        self.attempts = self.attempts.saturating_add(1);
        // The constants of splitmix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = u32::try_from((bits ^ (bits >> 31)) >> 48).unwrap_or(0);
        longest.min(times.longest_pause) * share / 65_536
    }
}

/// Removes the first value of a queue, if it is such a one.
fn pop_if<T>(queue: &mut VecDeque<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    match queue.front() {
        Some(first) if is_it(first) => queue.pop_front(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
