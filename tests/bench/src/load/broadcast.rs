//! Every message of a few publishers goes to all clients, or to all in the publisher's room. A message is
//! complete when the last client has received it; only then may its publisher send another one beyond its window. A
//! message that is lost, repeated or out of order fails the run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Target;
use super::members::Members;
use super::meter::{Figures, Meter};
use super::wire::{Heard, Wire};
use crate::HandlerResult;

/// A message begins with its publisher and its number, in decimal digits.
const PUBLISHER: usize = 4;
const NUMBER: usize = 8;
/// The rest of a message, after publisher and number.
const JSON: &[u8] =
    br#"{"from":"somebody","room":"lobby","at":"12:34:56","text":"and so on, and on"}"#;

#[derive(Clone, Copy)]
pub(crate) struct Broadcast {
    /// Clients that read.
    pub(crate) clients: usize,
    /// Clients in addition to them that never read.
    pub(crate) stalled: usize,
    pub(crate) size: usize,
    pub(crate) publishers: usize,
    /// Messages of a publisher in flight at a time.
    pub(crate) window: usize,
    /// The clients are spread over so many rooms, evenly; 1 if there are no rooms. The first publishers are
    /// in different ones.
    pub(crate) rooms: usize,
}

impl Broadcast {
    pub(crate) fn run(self, target: &Target) -> HandlerResult<Figures> {
        let rooms = (self.rooms > 1).then_some(self.rooms);
        let mut members = Members::gather_in(rooms, target, self.size, self.clients)?;
        let _stalled = Members::gather(target, self.size, self.stalled)?;
        let before = target.server.memory()?;
        let mut figures = self.run_in(&mut members, target)?;
        if self.stalled > 0 {
            let grown = target.server.memory()? - before;
            figures.insert(4, ("RSS grown by MiB", grown / 1024.0));
        }
        Ok(figures)
    }

    pub(super) fn run_in(self, members: &mut Members, target: &Target) -> HandlerResult<Figures> {
        roll_call(members, self.rooms)?;
        let mut flights = Flights {
            publishers: vec![Publisher::default(); self.publishers],
            next: vec![0; self.clients * self.publishers],
            clients: self.clients,
            rooms: self.rooms,
        };
        let mut meter = Meter::start(target);
        while meter.goes_on()? {
            for index in 0..self.publishers {
                let publisher = &mut flights.publishers[index];
                let room = self.window - publisher.flying.len();
                for _ in 0..room {
                    let number = publisher.done + publisher.flying.len();
                    publisher
                        .flying
                        .push_back((Instant::now(), self.clients / self.rooms));
                    members.clients[index].send(&numbered(members.wire, index, number));
                }
                if room > 0 {
                    members.flush(index)?;
                }
            }
            members.batch(|index, _, received| {
                let Heard::Message(message) = received else {
                    return Err("a client was sent away".into());
                };
                meter.count();
                if let Some(latency) = flights.landed(index, &message)? {
                    meter.took(latency);
                }
                Ok(())
            })?;
        }
        meter.finish("CPU µs/delivery", "1000 deliveries/s")
    }
}

#[derive(Clone, Default)]
struct Publisher {
    /// The number of its complete messages.
    done: usize,
    /// The others: when they were sent, and how many clients have yet to receive them.
    flying: VecDeque<(Instant, usize)>,
}

struct Flights {
    publishers: Vec<Publisher>,
    /// The number that is expected next, for each client and publisher.
    next: Vec<usize>,
    clients: usize,
    rooms: usize,
}

impl Flights {
    /// Counts a message that a client has received; if it is the last client to receive it, returns
    /// the latency.
    fn landed(&mut self, client: usize, message: &[u8]) -> HandlerResult<Option<Duration>> {
        let (from, number) = parse(message)?;
        if from % self.rooms != client % self.rooms {
            return Err("a message of another room".into());
        }
        let due = self.next.get_mut(from * self.clients + client);
        let due = due.ok_or("a message of nobody's")?;
        if number != *due {
            return Err(format!("message {number} came instead of {due}").into());
        }
        *due += 1;
        let publisher = &mut self.publishers[from];
        let flight = publisher.flying.get_mut(number - publisher.done);
        let (at, left) = flight.ok_or("a message that was not sent")?;
        *left -= 1;
        if *left > 0 {
            return Ok(None);
        }
        // All clients have received the earlier messages, since each gets them in order.
        let latency = at.elapsed();
        publisher.flying.pop_front();
        publisher.done += 1;
        Ok(Some(latency))
    }
}

fn numbered(wire: Wire, publisher: usize, number: usize) -> Vec<u8> {
    let mut message = format!("{publisher:0PUBLISHER$}{number:0NUMBER$}").into_bytes();
    message.extend(JSON.iter().cycle().take(wire.size - message.len()));
    wire.message(&message)
}

fn parse(message: &[u8]) -> HandlerResult<(usize, usize)> {
    let head = message.get(..PUBLISHER + NUMBER).unwrap_or_default();
    let parts = std::str::from_utf8(head)?.split_at_checked(PUBLISHER);
    let (publisher, number) = parts.ok_or("an unknown message")?;
    Ok((publisher.parse()?, number.parse()?))
}

/// A server may add a client to its list later than it answers the client: sends messages until all
/// clients have received the same one of their room. Nothing is in flight then.
fn roll_call(members: &mut Members, rooms: usize) -> HandlerResult<()> {
    let mut received = vec![0; members.clients.len()];
    for call in 1..=50 {
        for first in 0..rooms {
            members.clients[first].send(&numbered(members.wire, first, call));
            members.flush(first)?;
        }
        let called = Instant::now();
        while called.elapsed() < Duration::from_millis(200) {
            members.batch(|index, _, what| {
                if let Heard::Message(message) = what {
                    received[index] = parse(&message)?.1;
                }
                Ok(())
            })?;
            if received.iter().all(|last| *last == call) {
                return Ok(());
            }
        }
    }
    Err("broadcasts do not reach everyone".into())
}
