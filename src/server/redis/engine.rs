//! The engine of shared rooms: the thread `stentor redis`, which moves bytes between the session and its two
//! connections. It sleeps until an order comes, a connection is ready, or the session has a deadline.

use std::io;
use std::sync::Arc;

use crate::net::catch_panic::catch_panic;
use crate::net::log::{SERVER, error, info, warn};
use crate::net::sync::Instant;
use crate::net::waker::Sleeper;
use crate::protocol::http::text::Escaped;
use crate::server::counters::Totals;
use crate::server::journal::{EngineSide, Order, Report};

use super::address::Address;
use super::options::OnGap;
use super::session::{Line, Output, Session};
use super::stream::{Stream, Target};

pub(crate) struct Engine {
    pub(super) side: EngineSide,
    pub(super) session: Session,
    pub(super) address: Address,
    pub(super) target: Target,
    pub(super) on_gap: Option<Arc<OnGap>>,
    pub(super) sleeper: Sleeper,
    pub(super) totals: Arc<Totals>,
    pub(super) streams: Option<[Stream; 2]>,
    pub(super) buffer: Vec<u8>,
}

/// The bytes that are read at once.
pub(super) const READ: usize = 64 * 1024;

/// The reads of one connection before the other one, and the orders, have their turn.
const READS: usize = 16;

/// The orders that are executed at once.
const ORDERS: usize = 1024;

const LINES: [Line; 2] = [Line::Commands, Line::Notifications];

impl Engine {
    /// Connects for the first time, and waits for the result.
    ///
    /// # Errors
    /// The reason why Redis cannot be used.
    pub(super) fn connect_first(&mut self) -> io::Result<()> {
        while !self.session.is_up() {
            if let Some(reason) = self.turn() {
                return Err(io::Error::other(format!(
                    "{}: {reason}: start Redis first, or let it be down with Redis::may_be_down",
                    self.address
                )));
            }
        }
        Ok(())
    }

    /// Runs until [`Order::Stop`].
    pub(crate) fn run(mut self) {
        loop {
            let is_stopped = !self.take_orders();
            if is_stopped {
                self.session.stop();
                self.execute_outputs();
                return;
            }
            self.turn();
        }
    }

    /// Executes the orders that wait; returns `false` at the end.
    fn take_orders(&mut self) -> bool {
        self.sleeper.awake();
        let now = Instant::now();
        for order in self.side.orders.clone().try_iter().take(ORDERS) {
            if let Order::Stop = order {
                return false;
            }
            self.session.order(order, now);
        }
        true
    }

    /// Sends, sleeps, and receives. Returns the reason if the connections have ended.
    fn turn(&mut self) -> Option<String> {
        let now = Instant::now();
        if self.session.wants_connections(now) {
            self.connect();
        }
        self.session.tick(Instant::now());
        self.send();
        let mut fault = self.execute_outputs();
        let has_input = self.streams.iter().flatten().any(Stream::may_have_input);
        if fault.is_none() && self.side.orders.is_empty() && !has_input {
            self.sleep();
        }
        for place in 0..LINES.len() {
            self.receive(place);
        }
        fault = self.execute_outputs().or(fault);
        self.totals.redis.store(self.session.numbers);
        fault
    }

    fn connect(&mut self) {
        let connect = || {
            let commands = self.target.connect()?;
            let notifications = self.target.connect()?;
            Ok::<_, io::Error>([commands, notifications])
        };
        let result = connect();
        let now = Instant::now();
        self.session.connected(now);
        match result {
            Ok(streams) => self.streams = Some(streams),
            Err(error) => self.session.broken(&error.to_string(), now),
        }
    }

    fn send(&mut self) {
        let Some(streams) = &mut self.streams else {
            return;
        };
        for (stream, line) in streams.iter_mut().zip(LINES) {
            if let Err(error) = stream.send(self.session.unsent(line)) {
                return self.session.broken(&error.to_string(), Instant::now());
            }
        }
    }

    fn sleep(&mut self) {
        let next = self.session.next_tick();
        let next = next.map(|next| next.saturating_duration_since(Instant::now()));
        let session = &mut self.session;
        let polled = self.streams.iter().flatten().zip(LINES);
        let polled = polled.map(|(stream, line)| stream.polled(!session.unsent(line).is_empty()));
        self.sleeper.poll(polled.collect(), next);
    }

    /// Receives the bytes that are there.
    fn receive(&mut self, place: usize) {
        for _ in 0..READS {
            let Some(streams) = &mut self.streams else {
                return;
            };
            match streams[place].receive(&mut self.buffer) {
                Ok(None) => return,
                Ok(Some(len)) => {
                    let bytes = &self.buffer[..len];
                    self.session.receive(LINES[place], bytes, Instant::now());
                    // The hub receives these before more is read.
                    self.execute_reports();
                }
                Err(error) => {
                    return self.session.broken(&error.to_string(), Instant::now());
                }
            }
        }
    }

    /// Executes the results up to the end of the connections, if there is one.
    fn execute_reports(&mut self) {
        self.note_health();
        while !self.session.next_output_is_down() {
            match self.session.output() {
                Some(output) => drop(self.execute(output)),
                None => return,
            }
        }
    }

    /// Executes all results; returns the reason if the connections have ended.
    fn execute_outputs(&mut self) -> Option<String> {
        self.note_health();
        let mut fault = None;
        while let Some(output) = self.session.output() {
            fault = self.execute(output).or(fault);
        }
        fault
    }

    fn execute(&mut self, output: Output) -> Option<String> {
        match output {
            Output::Report(report) => self.side.report(report),
            Output::Page(answers, result) => {
                for answer in answers {
                    answer.send(result.clone());
                }
            }
            Output::Gap(room, up_to, gap) => {
                let on_gap = self.on_gap.clone();
                let notice = on_gap.and_then(|on_gap| catch_panic(|| on_gap(&room, gap)).flatten());
                warn!(target: SERVER, "a shared room has lost messages: {gap}");
                self.side.report(Report::Gap(room, up_to, notice));
            }
            Output::Up(warnings) => {
                for warning in warnings {
                    warn!(target: SERVER, "Redis: {warning}");
                }
            }
            Output::Refused(reason) => self.fault(&reason),
            Output::Down(reason) => {
                self.streams = None;
                self.fault(&reason);
                return Some(reason);
            }
        }
        None
    }

    /// Notes whether shared rooms work: before the publishers learn of it.
    fn note_health(&mut self) {
        let is_healthy = self.session.is_healthy();
        self.side.desk.set_failed(!is_healthy);
        if is_healthy && self.side.logs_success() {
            info!(target: SERVER, "Redis works again: the shared rooms go on");
        }
    }

    fn fault(&mut self, reason: &str) {
        if self.side.logs_fault() {
            let (address, reason) = (&self.address, Escaped::Text(reason));
            error!(target: SERVER, "shared rooms stand still: {address}: {reason}");
        }
    }
}
