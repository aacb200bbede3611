//! Many clients resume in the same moment, again and again, while the members of another room exchange
//! messages: one message on the way, at most a thousand in a second. Compared are the latencies of these
//! messages during such a storm and in the time between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Target;
use super::members::Members;
use super::meter::Figures;
use super::wire::Heard;
use crate::HandlerResult;
use crate::process::Times;

/// The messages that each client has missed, and their size.
pub(crate) const MISSED: usize = 100;
pub(crate) const SIZE: usize = 100;
/// A client that sends this resumes; one that sends something else leaves the room again.
pub(crate) const RESUME: &str = "resume";

/// The bytes of the others' messages.
const TALK: usize = 64;
/// The shortest time between two of the others' messages.
const PACE: Duration = Duration::from_millis(1);
/// The time before each storm, and the part at its begin in which clients still leave the room.
const CALM: Duration = Duration::from_millis(400);
const SETTLING: Duration = Duration::from_millis(200);
/// The longest time of a storm.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
pub(crate) struct Storm {
    /// Clients that resume.
    pub(crate) clients: usize,
    /// Clients that exchange messages meanwhile.
    pub(crate) others: usize,
}

/// The begin and the end of a time.
type Span = (Instant, Instant);

impl Storm {
    pub(crate) fn run(self, target: &Target) -> HandlerResult<Figures> {
        let mut others = Members::gather(target, TALK, self.others)?;
        let is_over = AtomicBool::new(false);
        let (ready, gathered) = mpsc::channel();
        let (messages, storms, begin) = thread::scope(|scope| {
            let is_over = &is_over;
            let storms = scope.spawn(move || {
                let storms = || {
                    let mut clients = Members::gather_in(Some(1), target, SIZE, self.clients)?;
                    ready.send(())?;
                    storms(&mut clients, is_over)
                };
                storms().map_err(|error: Box<dyn std::error::Error>| error.to_string())
            });
            // If there are no clients, the storms have failed, and report it.
            let begin = match gathered.recv() {
                Ok(()) => Times::now(target.server),
                Err(_) => Err("no storm".into()),
            };
            let messages = talk(&mut others, 3 * target.time);
            is_over.store(true, Ordering::Relaxed);
            (messages, storms.join(), begin)
        });
        let storms = storms.map_err(|_| "the storms panicked")??;
        let end = Times::now(target.server)?;
        figures(messages?, &storms, begin?, end)
    }
}

/// Sends one message after the other, each from the next client; returns the time that each took.
fn talk(others: &mut Members, time: Duration) -> HandlerResult<Vec<Span>> {
    let encoded = others.wire.message(&[b'x'; TALK]);
    let (count, start) = (others.clients.len(), Instant::now());
    let mut messages = Vec::new();
    while start.elapsed() < time {
        let sender = messages.len() % count;
        others.clients[sender].send(&encoded);
        let sent = Instant::now();
        others.flush(sender)?;
        let mut left = count;
        while left > 0 {
            if sent.elapsed() > PATIENCE {
                return Err("a message did not reach all members".into());
            }
            others.batch(|_, _, received| match received {
                Heard::Message(_) => {
                    left -= 1;
                    Ok(())
                }
                _ => Err("a client was sent away".into()),
            })?;
        }
        messages.push((sent, Instant::now()));
        thread::sleep(PACE.saturating_sub(sent.elapsed()));
    }
    Ok(messages)
}

fn storms(clients: &mut Members, is_over: &AtomicBool) -> HandlerResult<Vec<Span>> {
    let mut storms = Vec::new();
    loop {
        thread::sleep(CALM);
        if is_over.load(Ordering::Relaxed) {
            return Ok(storms);
        }
        let begin = Instant::now();
        send_all(clients, RESUME)?;
        let mut left = clients.clients.len() * MISSED;
        while left > 0 {
            if begin.elapsed() > PATIENCE {
                return Err(format!("{left} missed messages did not arrive").into());
            }
            clients.batch(|_, _, received| match received {
                Heard::Message(_) => {
                    left -= 1;
                    Ok(())
                }
                _ => Err("a client was sent away".into()),
            })?;
        }
        storms.push((begin, Instant::now()));
        send_all(clients, "leave")?;
    }
}

fn send_all(clients: &mut Members, text: &str) -> HandlerResult<()> {
    let encoded = clients.wire.message(text.as_bytes());
    for index in 0..clients.clients.len() {
        clients.clients[index].send(&encoded);
        clients.flush(index)?;
    }
    Ok(())
}

fn figures(
    messages: Vec<Span>,
    storms: &[Span],
    begin: Times,
    end: Times,
) -> HandlerResult<Figures> {
    let meets = |(from, to): Span| move |(sent, arrived): &Span| *sent < to && *arrived > from;
    let (mut during, mut usual) = (Vec::new(), Vec::new());
    for message in messages {
        let latency = (message.1 - message.0).as_secs_f64() * 1e6;
        if storms.iter().any(|storm| meets(*storm)(&message)) {
            during.push(latency);
        } else if !storms
            .iter()
            .any(|storm| meets((storm.0, storm.1 + SETTLING))(&message))
        {
            usual.push(latency);
        }
    }
    let quantile = |latencies: &mut Vec<f64>, share: f64| {
        latencies.sort_by(f64::total_cmp);
        let at = (latencies.len() as f64 * share) as usize;
        latencies
            .get(at)
            .or(latencies.last())
            .copied()
            .unwrap_or(f64::NAN)
    };
    let (worst, usually) = (quantile(&mut during, 0.99), quantile(&mut usual, 0.99));
    let lengths = storms
        .iter()
        .map(|(from, to)| (*to - *from).as_secs_f64() * 1e3);
    let mut lengths: Vec<f64> = lengths.collect();
    let others = end.busy - begin.busy - (end.server - begin.server) - (end.load - begin.load);
    Ok(vec![
        ("p99 µs", worst),
        ("usual p99 µs", usually),
        ("÷ usual", worst / usually),
        ("p50 µs", quantile(&mut during, 0.5)),
        ("usual p50 µs", quantile(&mut usual, 0.5)),
        ("ms of a storm", quantile(&mut lengths, 0.5)),
        ("messages in storms", during.len() as f64),
        ("noise %", others.max(0.0) / (end.all - begin.all) * 100.0),
    ])
}
