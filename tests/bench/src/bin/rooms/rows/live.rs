//! Messages that clients exchange: their latency at a thousand in a second; the servers' processor time beside
//! Socket.IO; and the messages that are lost when Redis is killed.

use std::time::{Duration, Instant};

use super::{Figures, PATIENCE, quantile};
use crate::HandlerResult;
use crate::clients::{Clients, Dialect};
use crate::redis::{Disk, Redis};
use crate::servers::{ALONE, Process};

/// The clients of each server, and the bytes of a message.
const MEMBERS: usize = 20;
const SIZE: usize = 100;

/// The time between two messages, and the part at the begin that is not measured.
const PACE: Duration = Duration::from_millis(1);
const WARM: usize = 200;

/// The messages on their way at a time, where processor time is compared.
const WINDOW: usize = 16;

/// How long Redis is down, and the most time for what was sent meanwhile.
const DOWN: Duration = Duration::from_millis(500);
const AFTERWARDS: Duration = Duration::from_secs(10);

/// What has arrived: numbered messages, in order.
struct Received {
    /// The number that each client receives next.
    next: Vec<usize>,
    /// How many clients have each message.
    arrived: Vec<usize>,
    /// When the last client had it.
    complete: Vec<Option<Instant>>,
}

/// Measures the time from a message of one client to its arrival at the last one.
pub(super) fn latency(time: Duration) -> HandlerResult<Figures> {
    let mut figures = Figures::new();
    for (name, disk, servers) in [
        ("memory", None, 1),
        ("Redis without AOF", Some(Disk::Off), 1),
        ("Redis, everysec", Some(Disk::EverySecond), 1),
        ("Redis, always", Some(Disk::Always), 1),
        ("Redis without AOF, two servers", Some(Disk::Off), 2),
    ] {
        let redis = disk.map(Redis::start).transpose()?;
        let address = redis.as_ref().map_or(ALONE.to_owned(), Redis::address);
        let servers = (0..servers).map(|_| Process::stentor(&address));
        let servers: Vec<_> = servers.collect::<HandlerResult<_>>()?;
        let mut clients = join(Dialect::Stentor, &servers)?;
        let mut latencies = paced(&mut clients, time)?;
        figures.push((format!("{name}: p50 ms"), quantile(&mut latencies, 0.5)));
        figures.push((format!("{name}: p99 ms"), quantile(&mut latencies, 0.99)));
    }
    Ok(figures)
}

/// Measures the processor time of two servers for each delivery, and the messages that are lost when Redis is killed,
/// beside Socket.IO.
pub(super) fn socket_io(time: Duration) -> HandlerResult<Figures> {
    let mut figures = Figures::new();
    let mut costs = Vec::new();
    for (name, dialect) in [
        ("Stentor", Dialect::Stentor),
        ("Socket.IO", Dialect::SocketIo),
    ] {
        let mut redis = Redis::start(Disk::Always)?;
        let servers = (0..2).map(|_| match dialect {
            Dialect::Stentor => Process::stentor(&redis.address()),
            Dialect::SocketIo => Process::socket_io(&redis.socket()),
        });
        let servers: Vec<_> = servers.collect::<HandlerResult<_>>()?;
        let mut clients = join(dialect, &servers)?;
        let cpu = || servers.iter().map(Process::cpu).sum::<HandlerResult<f64>>();
        windows(&mut clients, time / 4)?;
        let before = cpu()?;
        let messages = windows(&mut clients, time)?;
        let cost = (cpu()? - before) * 1e6 / (messages * clients.len()) as f64;
        figures.push((format!("{name}: µs of the servers for a delivery"), cost));
        costs.push(cost);
        let (sent, lost) = losses(&mut clients, &mut redis)?;
        figures.push((format!("{name}: messages around a crash of Redis"), sent));
        figures.push((format!("{name}: messages of them that were lost"), lost));
        if dialect == Dialect::Stentor && lost > 0.0 {
            return Err(format!("{lost} messages were lost").into());
        }
    }
    figures.push(("Socket.IO's cost ÷ Stentor's".into(), costs[1] / costs[0]));
    Ok(figures)
}

/// Connects the clients, all of which enter the room.
fn join(dialect: Dialect, servers: &[Process]) -> HandlerResult<Clients> {
    let ports: Vec<u16> = servers.iter().map(|server| server.port).collect();
    let mut clients = Clients::connect(dialect, &ports, MEMBERS)?;
    for index in 0..clients.len() {
        clients.send(index, "join")?;
    }
    let (began, mut left) = (Instant::now(), clients.len());
    while left > 0 {
        if began.elapsed() > PATIENCE {
            return Err(format!("{left} clients are not in the room").into());
        }
        clients.turn(PACE, |_, text| match text {
            "joined" => {
                left -= 1;
                Ok(())
            }
            _ => Err("a message that nobody has sent".into()),
        })?;
    }
    Ok(clients)
}

/// Sends a thousand messages in a second; returns the milliseconds that each took.
fn paced(clients: &mut Clients, time: Duration) -> HandlerResult<Vec<f64>> {
    let count = WARM + (time.as_secs_f64() / PACE.as_secs_f64()) as usize;
    let mut received = Received::new(clients.len(), count);
    let began = Instant::now();
    let mut sent = Vec::new();
    while received.whole() < count {
        if began.elapsed() > time + PATIENCE {
            return Err("a message did not reach all members".into());
        }
        let due = began + PACE * sent.len() as u32;
        if sent.len() < count && due <= Instant::now() {
            sent.push(Instant::now());
            clients.send(0, &text(sent.len() - 1))?;
        }
        let wait = match sent.len() < count {
            true => (began + PACE * sent.len() as u32).saturating_duration_since(Instant::now()),
            false => PACE,
        };
        clients.turn(wait, |client, text| received.take(client, text))?;
    }
    let times = sent.iter().zip(&received.complete).skip(WARM);
    let times = times.filter_map(|(sent, complete)| Some((*complete)? - *sent));
    Ok(times.map(|time| time.as_secs_f64() * 1e3).collect())
}

/// Sends a new message when one has arrived everywhere; returns their number.
fn windows(clients: &mut Clients, time: Duration) -> HandlerResult<usize> {
    let mut received = Received::new(clients.len(), 0);
    let began = Instant::now();
    let mut sent = 0;
    loop {
        let is_over = began.elapsed() > time;
        while !is_over && sent < received.whole() + WINDOW {
            received.arrived.push(0);
            received.complete.push(None);
            // From one server: so the messages are in order.
            clients.send(0, &text(sent))?;
            sent += 1;
        }
        if is_over && received.whole() == sent {
            return Ok(sent);
        }
        if began.elapsed() > time + PATIENCE {
            return Err("a message did not reach all members".into());
        }
        clients.turn(PACE, |client, text| received.take(client, text))?;
    }
}

/// Kills Redis while messages are sent, and starts it again; returns how many were sent, and how many did not reach all
/// members.
fn losses(clients: &mut Clients, redis: &mut Redis) -> HandlerResult<(f64, f64)> {
    let count = 1500;
    let mut arrived = vec![0; count];
    let began = Instant::now();
    let mut sent = 0;
    let (mut killed, mut is_back) = (None, false);
    let end = began + PACE * count as u32 + AFTERWARDS;
    while Instant::now() < end && arrived.iter().any(|arrived| *arrived < clients.len()) {
        if sent < count && began + PACE * sent as u32 <= Instant::now() {
            clients.send(sent % clients.len(), &text(sent))?;
            sent += 1;
        }
        if killed.is_none() && sent > count / 3 {
            redis.kill();
            killed = Some(Instant::now());
        }
        if !is_back && killed.is_some_and(|killed| killed.elapsed() > DOWN) {
            redis.restart()?;
            is_back = true;
        }
        clients.turn(PACE / 4, |_, text| {
            let arrived = number(text).and_then(|number| arrived.get_mut(number));
            *arrived.ok_or("a message that nobody has sent")? += 1;
            Ok(())
        })?;
    }
    if arrived.iter().any(|arrived| *arrived > clients.len()) {
        return Err("a message has come twice".into());
    }
    let lost = arrived.iter().filter(|arrived| **arrived < clients.len());
    Ok((count as f64, lost.count() as f64))
}

impl Received {
    fn new(clients: usize, count: usize) -> Received {
        Received {
            next: vec![0; clients],
            arrived: vec![0; count],
            complete: vec![None; count],
        }
    }

    /// Returns how many messages all clients have.
    fn whole(&self) -> usize {
        self.next.iter().copied().min().unwrap_or(0)
    }

    fn take(&mut self, client: usize, text: &str) -> HandlerResult<()> {
        let expected = self.next[client];
        if number(text) != Some(expected) || text.len() != SIZE {
            return Err(format!("{text} instead of the message {expected}").into());
        }
        self.next[client] += 1;
        self.arrived[expected] += 1;
        if self.arrived[expected] == self.next.len() {
            self.complete[expected] = Some(Instant::now());
        }
        Ok(())
    }
}

fn text(number: usize) -> String {
    format!("{number:0SIZE$}")
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok()
}
