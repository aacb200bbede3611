//! The session against a log in memory: any order of events, chosen at random, but the same in each run.

mod fake;

mod forgets;

mod reads;

mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::net::sync::Instant;
use crate::server::history::resume::Gap;
use crate::server::hub::history::Effect;
use crate::server::journal::{Draft, Order, Pending, Report};
use crate::server::redis::Position;
use crate::server::redis::keys::{Keys, MachineId};
use crate::server::redis::scripts::LogBounds;

use super::{Config, Line, Output, Session, Times};
use fake::{Connections, Fake};

const ROOM: &str = "lobby";

/// What the hub has received of the room.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Entry(Position, String),
    Gap(Position, Gap),
    /// The room begins behind this position.
    Attached(Position),
    /// The messages up to this position are forgotten.
    Forgot(Position),
}

/// One server: its session, its connections, and what its hub has received.
struct Server {
    session: Session,
    connections: Option<Connections>,
    events: Vec<Event>,
    /// The texts on their way, by their charges; and those that are done, with whether they are stored.
    open: BTreeMap<usize, String>,
    stored: BTreeSet<String>,
    refused: BTreeSet<String>,
    /// Answers to threads that waited for the end of the log.
    caught_up: usize,
}

struct World {
    fake: Fake,
    servers: Vec<Server>,
    now: Instant,
    random: u64,
    texts: usize,
}

fn config(machine: u64) -> Config {
    let short = Duration::from_millis(100);
    Config {
        keys: Keys::new("test"),
        machine: MachineId(machine),
        user: None,
        password: None,
        database: 0,
        log: LogBounds {
            entries: 1000,
            bytes: 1 << 20,
            log_seconds: 60,
            state_seconds: 60,
            inline: 6,
        },
        newest: (100, 1 << 20),
        times: Times {
            connect: short * 10,
            answer: short * 10,
            silence: short * 5,
            probe: short * 5,
            first_pause: short / 10,
            longest_pause: short,
            publish: short * 100,
            notice: short,
        },
    }
}

impl World {
    fn new(seed: u64) -> World {
        let now = Instant::now();
        let servers = [1, 2].map(|machine| Server {
            session: Session::new(config(machine), now),
            connections: None,
            events: Vec::new(),
            open: BTreeMap::new(),
            stored: BTreeSet::new(),
            refused: BTreeSet::new(),
            caught_up: 0,
        });
        let mut world = World {
            fake: Fake::default(),
            servers: servers.into(),
            now,
            random: seed,
            texts: 0,
        };
        for server in &mut world.servers {
            server.session.order(Order::Attach(ROOM.into()), now);
        }
        world
    }

    fn below(&mut self, limit: usize) -> usize {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap_or(0) % limit.max(1)
    }

    fn publish(&mut self, place: usize) {
        self.texts += 1;
        // Every other one is too large for a notification.
        let text = match self.texts % 2 {
            0 => format!("{}", self.texts),
            _ => format!("{:08}", self.texts),
        };
        let server = &mut self.servers[place];
        server.open.insert(self.texts, text.clone());
        let draft = Draft {
            room: ROOM.into(),
            except: Vec::new(),
            publication: Some(text.into()),
            tip: Position::new(0, 0),
            effect: Effect::Count,
            charge: Some(self.texts),
        };
        server.session.order(Order::Append(draft), self.now);
    }

    /// Moves up to so many bytes, or one notification, in each direction of one server.
    fn transfer(&mut self, place: usize, most: usize) {
        let server = &mut self.servers[place];
        let Some(connections) = &mut server.connections else {
            if server.session.wants_connections(self.now) {
                server.connections = Some(Connections::new());
                server.session.connected(self.now);
            }
            return;
        };
        let mut take = |line| {
            let out = server.session.unsent(line);
            let some = out.len().min(most);
            out.drain(..some).collect::<Vec<u8>>()
        };
        let (commands, subscriptions) = (take(Line::Commands), take(Line::Notifications));
        connections.subscribe(&subscriptions);
        let mut notifications = Vec::new();
        for command in connections.commands(&commands) {
            let (reply, notification) = self.fake.execute(&command);
            connections.replies.extend(reply);
            notifications.extend(notification);
        }
        let some = connections.replies.len().min(most);
        let replies: Vec<u8> = connections.replies.drain(..some).collect();
        let push = connections.pushes.pop_front();
        let session = &mut server.session;
        session.receive(Line::Commands, &replies, self.now);
        if let Some((_, push)) = push {
            session.receive(Line::Notifications, &push, self.now);
        }
        for (channel, message) in notifications {
            for connections in self
                .servers
                .iter_mut()
                .filter_map(|it| it.connections.as_mut())
            {
                connections.notify(&channel, &message);
            }
        }
        self.outputs(place);
    }

    fn outputs(&mut self, place: usize) {
        let server = &mut self.servers[place];
        while let Some(output) = server.session.output() {
            match output {
                Output::Down(_) => server.connections = None,
                Output::Gap(_, at, gap) => server.events.push(Event::Gap(at, gap)),
                Output::Report(report) => server.report(report),
                Output::Up(_) | Output::Page(..) => {}
                Output::Refused(reason) => assert!(self.fake.refused.is_some(), "{reason}"),
            }
        }
    }

    fn cut(&mut self, place: usize) {
        let server = &mut self.servers[place];
        server.session.broken("cut", self.now);
        server.connections = None;
        self.outputs(place);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for place in 0..self.servers.len() {
            self.servers[place].session.tick(self.now);
            self.outputs(place);
        }
    }

    /// Drops, or doubles, a notification that is on its way.
    fn disturb(&mut self, place: usize, drops: bool) {
        let Some(connections) = &mut self.servers[place].connections else {
            return;
        };
        match connections.pushes.front().cloned() {
            Some((true, _)) if drops => drop(connections.pushes.pop_front()),
            Some((true, push)) => connections.pushes.push_back((true, push)),
            _ => {}
        }
    }

    fn step(&mut self, saved: &mut BTreeMap<String, fake::Log>, faults: usize) {
        let place = self.below(2);
        match self.below(100 + faults) {
            0..20 => self.publish(place),
            20..80 => {
                // The scripts are long.
                let is_up = self.servers[place].session.is_up();
                let most = if is_up { 1 + self.below(400) } else { 100_000 };
                self.transfer(place, most);
            }
            80..90 => self.pass(Duration::from_millis(20)),
            90..93 => self.disturb(place, true),
            93..96 => self.disturb(place, false),
            96..98 => self.cut(place),
            98 => self.fake.forget_scripts(),
            99 => {
                // A restart that loses nothing: all connections end.
                self.fake.restart();
                (0..2).for_each(|place| self.cut(place));
            }
            100..102 => saved.clone_from(&self.fake.rooms),
            102 => {
                self.fake.rewind(saved.clone());
                (0..2).for_each(|place| self.cut(place));
            }
            _ => self.fake.flush(),
        }
    }

    /// Lets everything arrive, and one more message of each server after it: a notification that was dropped is
    /// found by the next entry.
    fn settle(&mut self) {
        for turn in 0..400 {
            if turn == 200 {
                (0..2).for_each(|place| self.publish(place));
            }
            (0..2).for_each(|place| self.transfer(place, 100_000));
            self.pass(Duration::from_millis(10));
        }
    }
}

impl Server {
    fn report(&mut self, report: Report) {
        match report {
            Report::Attached(_, newest) => {
                self.events.push(Event::Attached(newest.after));
                for (entry, _) in newest.entries {
                    let text = entry.message.to_string();
                    self.events.push(Event::Entry(entry.position, text));
                }
            }
            Report::Stored(entries) => {
                for (entry, pending) in entries {
                    let entry = entry.map(|entry| (entry.position, entry.message.to_string()));
                    if let Some((at, text)) = entry {
                        if let Some(own) = self.done(&pending) {
                            assert_eq!(own, text);
                            self.stored.insert(own);
                        }
                        self.events.push(Event::Entry(at, text));
                    }
                }
            }
            Report::Passed(entries) => {
                for (_, pending) in entries {
                    let own = self.done(&pending);
                    self.stored.extend(own);
                }
            }
            Report::Refused(refused, _) => {
                for pending in refused {
                    let own = self.done(&pending);
                    self.refused.extend(own);
                }
            }
            Report::Forgot(_, up_to) => self.events.push(Event::Forgot(up_to)),
            Report::Forgotten { answer, result, .. } => drop(answer.send(result)),
            Report::CaughtUp(answers) => {
                self.caught_up += answers.len();
                for answer in answers {
                    answer.send(());
                }
            }
            _ => {}
        }
    }

    /// Returns an own message that is done: each is done once.
    fn done(&mut self, pending: &Pending) -> Option<String> {
        let charge = pending.charge?;
        let text = self.open.remove(&charge);
        assert!(text.is_some(), "twice: {charge}");
        text
    }

    /// Checks that no entry is missing without a gap, and none comes twice.
    fn check_order(&self) {
        let mut last: Option<Position> = None;
        for event in &self.events {
            match event {
                Event::Attached(at) => last = Some(*at),
                Event::Gap(at, Gap::Trimmed(missed)) => {
                    let before = last.filter(|last| last.epoch == at.epoch);
                    let missing = before.map(|before| at.number - before.number);
                    assert_eq!(missing, Some(*missed), "{:?}", self.events);
                    last = Some(*at);
                }
                Event::Gap(at, _) => last = Some(*at),
                Event::Forgot(_) => {}
                Event::Entry(at, _) => {
                    let is_next = last.is_some_and(|last| match last.epoch == at.epoch {
                        true => last.number + 1 == at.number,
                        false => last.epoch < at.epoch && at.number == 1,
                    });
                    assert!(is_next, "{at} after {last:?}: {:?}", self.events);
                    last = Some(*at);
                }
            }
        }
    }

    fn texts(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match event {
            Event::Entry(_, text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    fn has_gap(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, Event::Gap(..)))
    }
}

/// Runs until so many steps are done, and everything has arrived.
fn run(seed: u64, faults: usize) -> World {
    let mut world = World::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut saved = BTreeMap::new();
    for _ in 0..800 {
        world.step(&mut saved, faults);
    }
    world.settle();
    for server in &world.servers {
        assert!(server.open.is_empty(), "seed {seed}: {:?}", server.open);
        server.check_order();
    }
    world
}

#[test]
fn whatever_the_connections_do_both_servers_receive_the_log() {
    let (mut entries, mut reconnects) = (0, 0);
    for seed in 0..40 {
        let world = run(seed, 0);
        for server in &world.servers {
            entries += server.session.numbers.entries;
            reconnects += server.session.numbers.reconnects;
        }
        let (_, log) = world
            .fake
            .rooms
            .first_key_value()
            .into_iter()
            .next()
            .unzip();
        let log: Vec<_> = log.map_or_else(Vec::new, |log: &fake::Log| {
            let texts = log.entries.iter();
            texts
                .map(|entry| String::from_utf8_lossy(&entry.payload).into_owned())
                .collect()
        });
        let once: BTreeSet<_> = log.iter().collect();
        assert_eq!(
            once.len(),
            log.len(),
            "seed {seed}: a message is stored twice"
        );
        for server in &world.servers {
            assert!(
                !server.has_gap() && server.refused.is_empty(),
                "seed {seed}"
            );
            let texts = server.texts();
            // A server receives what is older than its first entries only on request.
            let tail = &log[log.len() - texts.len()..];
            assert_eq!(texts, tail, "seed {seed}");
            let mut stored = server.stored.iter();
            assert!(stored.all(|text| once.contains(text)), "seed {seed}");
        }
    }
    assert!(entries > 5000 && reconnects > 500, "{entries} {reconnects}");
}

#[test]
fn a_redis_that_loses_entries_is_a_gap_on_each_server_that_has_seen_them() {
    let mut gaps = 0;
    for seed in 0..40 {
        let world = run(seed, 4);
        for server in &world.servers {
            gaps += usize::from(server.has_gap());
            assert!(server.refused.is_empty(), "seed {seed}");
            // Both have the same end.
            let ends = world.servers.iter().map(|server| server.events.last());
            let ends: Vec<_> = ends.collect();
            assert_eq!(ends[0], ends[1], "seed {seed}");
            let Some(texts) = (!server.has_gap()).then(|| server.texts()) else {
                continue;
            };
            let once: BTreeSet<_> = texts.iter().collect();
            assert_eq!(once.len(), texts.len(), "seed {seed}: twice without a gap");
        }
    }
    assert!(gaps > 10, "{gaps}");
}
