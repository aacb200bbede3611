//! All clients, on one thread: who comes, what each is up to, who talks, who goes.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use stentor::protocol::Framing;
use stentor::{Closing, Version};

use crate::Outcome;
use crate::client::{self, Class, Client, End, Phase};
use crate::dice::Dice;
use crate::hear::{self, Heard};
use crate::ledger::{Ears, Ledger};
use crate::talk;

/// Messages a second that healthy clients say together, where nothing holds them back.
const RATE: f64 = 2500.0;

/// The most messages under way, of all and of one. What is under way bounds what anybody who takes
/// a nap may find in its queue, so that none of them need be thrown out.
const UNDER_WAY: u64 = 256;
const EACH: u32 = 8;

/// Of ten places, those whose clients are always healthy.
const HEALTHY: usize = 7;
const ROOMS: usize = 20;

/// For how long a sleeper sleeps; then it finds the end of the stream, or soon leaves by itself.
const ASLEEP: Duration = Duration::from_secs(20);

/// After a pause, by when all who nap have woken up.
const EXCUSED: Duration = Duration::from_secs(5);

/// No phase of a client's life takes longer.
const STUCK: Duration = Duration::from_secs(90);

pub(crate) struct Crowd {
    pub(crate) ledger: Ledger,
    places: Vec<Place>,
    address: SocketAddr,
    poller: OwnedFd,
    ready: Vec<epoll::Event>,
    scratch: Vec<u8>,
    payload: Vec<u8>,
    dice: Dice,
    now: Duration,
    /// What may be said now, and where to look for the next who does.
    tokens: f64,
    next_speaker: usize,
    winding_up: bool,
    pub(crate) connected: u64,
    pub(crate) opened: u64,
    /// The first lines of the answers to those who were not let in, without their reasons.
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) lives: BTreeMap<(Class, Option<Version>), u64>,
    pub(crate) ends: BTreeMap<(Class, &'static str), u64>,
    pub(crate) naps: u64,
    /// Healthy clients that were given up because of a pause.
    pub(crate) excused: u64,
}

enum Place {
    /// Nobody, until then.
    Empty(Duration),
    Taken(Box<Client>),
}

impl Crowd {
    pub(crate) fn new(address: SocketAddr, clients: usize, seed: u64) -> Outcome<Crowd> {
        let mut dice = Dice::new(seed);
        // They come over two seconds.
        let places = (0..clients).map(|_| Place::Empty(dice.millis(0, 2000)));
        Ok(Crowd {
            ledger: Ledger::new(clients),
            places: places.collect(),
            address,
            poller: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(256),
            scratch: vec![0; 64 * 1024],
            payload: Vec::new(),
            dice,
            now: Duration::ZERO,
            tokens: 0.0,
            next_speaker: 0,
            winding_up: false,
            connected: 0,
            opened: 0,
            answers: BTreeMap::new(),
            lives: BTreeMap::new(),
            ends: BTreeMap::new(),
            naps: 0,
            excused: 0,
        })
    }

    /// Nobody comes any more, and everybody goes as soon as it can.
    pub(crate) fn wind_up(&mut self) {
        self.winding_up = true;
        for place in &mut self.places {
            if let Place::Taken(client) = place {
                client.due = self.now;
                client.nap = None;
            }
        }
    }

    pub(crate) fn present(&self) -> usize {
        let taken = |place: &&Place| matches!(place, Place::Taken(_));
        self.places.iter().filter(taken).count()
    }

    /// Those who are still there, some of them.
    pub(crate) fn remaining(&self) -> String {
        let clients = self.places.iter().filter_map(|place| match place {
            Place::Taken(client) => Some(client),
            Place::Empty(_) => None,
        });
        let shown = clients.map(|client| {
            let (class, phase) = (client.class, client.phase);
            format!("{class:?} {} {phase:?}", client.version)
        });
        shown.take(5).collect::<Vec<_>>().join(", ")
    }

    /// Waits until something happens, a hundredth of a second at most, and deals with it.
    pub(crate) fn turn(&mut self, now: Duration, paused: bool) -> Outcome<()> {
        let passed = now - self.now;
        self.now = now;
        if paused {
            self.excuse();
        }
        self.talk(passed);
        for slot in 0..self.places.len() {
            self.attend(slot)?;
        }
        let timeout = Timespec::try_from(Duration::from_millis(10))?;
        self.ready.clear();
        match epoll::wait(
            &self.poller,
            spare_capacity(&mut self.ready),
            Some(&timeout),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for index in 0..self.ready.len() {
            let slot = self.ready[index].data.u64() as usize;
            if let Place::Taken(client) = &mut self.places[slot]
                && client.reads
            {
                let end = client.fill(&mut self.scratch);
                self.listen(slot, end);
            }
        }
        Ok(())
    }

    /// TCP has not paused.
    fn excuse(&mut self) {
        for place in &mut self.places {
            if let Place::Taken(client) = place
                && client.version.framing() == Framing::Hixie
            {
                client.excused = self.now + EXCUSED;
            }
        }
    }

    /// Healthy clients say something, each in its turn.
    fn talk(&mut self, passed: Duration) {
        if self.winding_up {
            return;
        }
        self.tokens = (self.tokens + passed.as_secs_f64() * RATE).min(UNDER_WAY as f64);
        for _ in 0..self.places.len() {
            if self.tokens < 1.0 || self.ledger.under_way >= UNDER_WAY {
                return;
            }
            self.next_speaker = (self.next_speaker + 1) % self.places.len();
            let Place::Taken(client) = &mut self.places[self.next_speaker] else {
                continue;
            };
            let life = self.ledger.life(client.life);
            let talks = client.class == Class::Healthy
                && client.phase == Phase::Talking
                && client.ears.confirmed
                && client.wakes.is_none()
                && life.said - life.through < EACH;
            if talks {
                let before = life.said;
                let number = say_until_heard(client, &mut self.ledger, &mut self.payload);
                self.tokens -= f64::from(number + 1 - before);
            }
        }
    }

    /// Whatever is due at this place; then what waits is sent.
    fn attend(&mut self, slot: usize) -> Outcome<()> {
        match &mut self.places[slot] {
            Place::Empty(until) if *until <= self.now && !self.winding_up => self.arrive(slot)?,
            Place::Empty(_) => return Ok(()),
            Place::Taken(_) => {}
        }
        if !self.act(slot) {
            self.leave(slot, "hung up");
            return Ok(());
        }
        let Place::Taken(client) = &mut self.places[slot] else {
            return Ok(());
        };
        client.flush();
        self.poll_for(slot)
    }

    /// A new client.
    fn arrive(&mut self, slot: usize) -> Outcome<()> {
        let class = match slot % 10 {
            place if place < HEALTHY => Class::Healthy,
            _ => Class::ILL[self.dice.roll(Class::ILL.len())],
        };
        let version = Version::ALL[self.dice.roll(Version::ALL.len())];
        let class = match (class, version.framing()) {
            // It need not answer pings that never come.
            (Class::Mute, Framing::Hixie) => Class::Sleeper,
            (class, _) => class,
        };
        let room = self.dice.roll(ROOMS);
        let stream = client::dial(self.address)?;
        self.connected += 1;
        let life = self.ledger.begin(slot, class, version, room);
        let ears = Ears::new(life, self.places.len());
        let mut client = Client::new(life, class, version, room, stream, ears);
        client.due = self.now
            + match class {
                Class::Healthy => self.dice.millis(3_000, 60_000),
                _ => self.dice.millis(200, 4_000),
            };
        client.deadline = self.now + STUCK;
        if class == Class::Healthy && self.dice.roll(3) == 0 {
            client.nap = Some(self.now + self.dice.millis(1_000, 30_000));
        }
        *self
            .lives
            .entry((class, class.opens().then_some(version)))
            .or_default() += 1;
        client.flush();
        let token = epoll::EventData::new_u64(slot as u64);
        epoll::add(&self.poller, &client.stream, token, epoll::EventFlags::IN)?;
        self.places[slot] = Place::Taken(Box::new(client));
        Ok(())
    }

    /// What the client does by itself, now that this time has come; whether it stays.
    fn act(&mut self, slot: usize) -> bool {
        let Place::Taken(client) = &mut self.places[slot] else {
            return true;
        };
        let now = self.now;
        if client.deadline <= now {
            let what = format!("stuck, {:?}", client.phase);
            self.ledger.wrong(client.life, &what);
            return false;
        }
        let confirmed = client.phase == Phase::Talking && client.ears.confirmed;
        if client.nap.is_some_and(|nap| nap <= now) && confirmed {
            self.naps += 1;
            client.nap = None;
            client.wakes = Some(now + self.dice.millis(500, 2_000));
        }
        if client.wakes.is_some_and(|wakes| wakes <= now) {
            client.wakes = None;
        }
        if client.due > now || client.wakes.is_some() {
            return true;
        }
        match client.class {
            // Where too little is said, nothing fills its queue.
            Class::Sleeper if client.phase == Phase::Doomed => {
                client.reset();
                return false;
            }
            Class::HalfRequest if client.phase == Phase::Asking => {
                // One half of them waits to be told.
                client.phase = Phase::Doomed;
                return client.life % 2 == 0;
            }
            _ if !confirmed => return true,
            Class::Healthy => {
                self.ledger.take_stock(&mut client.ears);
                say_until_heard(client, &mut self.ledger, &mut self.payload);
                client.phase = Phase::LastWord;
            }
            Class::Reset => {
                client.reset();
                return false;
            }
            Class::Torn => {
                client.say_half();
                client.flush();
                return false;
            }
            Class::HalfClose => {
                client.shut();
                client.phase = Phase::Doomed;
            }
            Class::Garbage => {
                client.say_garbage(client.life as usize);
                client.phase = Phase::Doomed;
            }
            Class::Sleeper => {
                client.phase = Phase::Doomed;
                client.wakes = Some(now + ASLEEP);
                client.due = now + 2 * ASLEEP;
            }
            Class::Mute => client.phase = Phase::Doomed,
            Class::BadRequest | Class::HalfRequest | Class::Page => return true,
        }
        client.deadline = now + STUCK;
        true
    }

    /// What has come, and the end if it has.
    fn listen(&mut self, slot: usize, end: Option<End>) {
        let Place::Taken(client) = &mut self.places[slot] else {
            return;
        };
        if let Err(what) = hear(
            client,
            &mut self.ledger,
            &mut self.payload,
            &mut self.opened,
        ) {
            self.ledger.wrong(client.life, &what);
        }
        if client.phase == Phase::LastWord {
            let life = self.ledger.life(client.life);
            if life.through == life.said {
                self.ledger.settle(&mut client.ears);
                client.say_goodbye();
                client.phase = Phase::Goodbye;
            }
        }
        if client.phase == Phase::Talking && client.deadline != Duration::MAX {
            client.deadline = match client.ears.confirmed {
                true => Duration::MAX,
                false => client.deadline,
            };
        }
        let Some(end) = end else {
            return;
        };
        if !client.class.opens() {
            let line = client.input.split(|byte| *byte == b'\r').next();
            let line = String::from_utf8_lossy(line.unwrap_or_default());
            *self.answers.entry(line.into_owned()).or_default() += 1;
        }
        if end == End::Reset && client.class == Class::Healthy && self.now < client.excused {
            self.excused += 1;
            self.ledger.give_up(client.life);
            self.leave(slot, "excused");
            return;
        }
        let hangs_up = client.version.closing() == Closing::HangUp;
        let expected = match (client.class, client.phase, end) {
            (Class::Healthy, Phase::Parted, End::Stream) => true,
            (Class::Healthy, Phase::Goodbye, End::Stream) => hangs_up,
            (Class::HalfClose, Phase::Doomed, End::Stream) => true,
            (Class::HalfClose, ..) => false,
            (_, Phase::Doomed, _) => true,
            (Class::BadRequest | Class::HalfRequest | Class::Page, ..) => true,
            _ => false,
        };
        let how = match end {
            End::Stream => "end",
            End::Reset => "reset",
        };
        if !expected
            || !(client.input.is_empty() || client.phase == Phase::Doomed || !client.class.opens())
        {
            let what = format!(
                "{how} in {:?}, {} bytes unread",
                client.phase,
                client.input.len()
            );
            self.ledger.wrong(client.life, &what);
        }
        self.leave(slot, how);
    }

    fn leave(&mut self, slot: usize, how: &'static str) {
        let empty = Place::Empty(self.now + self.dice.millis(0, 1000));
        if let Place::Taken(client) = std::mem::replace(&mut self.places[slot], empty) {
            *self.ends.entry((client.class, how)).or_default() += 1;
        }
    }

    /// Tells the poller what this client is interested in, where that has changed.
    fn poll_for(&mut self, slot: usize) -> Outcome<()> {
        let Place::Taken(client) = &mut self.places[slot] else {
            return Ok(());
        };
        let (reads, waits) = (client.wakes.is_none(), client.has_output());
        if (reads, waits) == (client.reads, client.waits) {
            return Ok(());
        }
        let token = epoll::EventData::new_u64(slot as u64);
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, reads);
        flags.set(epoll::EventFlags::OUT, waits && reads);
        match (client.reads, reads) {
            // Who sleeps does not hear of a reset either, which no mask would hide.
            (true, false) => epoll::delete(&self.poller, &client.stream)?,
            (false, true) => epoll::add(&self.poller, &client.stream, token, flags)?,
            (false, false) => {}
            (true, true) => epoll::modify(&self.poller, &client.stream, token, flags)?,
        }
        (client.reads, client.waits) = (reads, waits);
        Ok(())
    }
}

/// Says the next message; its number.
fn say(client: &mut Client, ledger: &mut Ledger, payload: &mut Vec<u8>) -> u32 {
    let number = ledger.says(client.life);
    payload.clear();
    talk::write(client.life, number, payload);
    client.say(payload, talk::is_binary(number, client.version));
    number
}

/// Says something that comes back, and what comes before it; its number. What does not come back would
/// count as under way for as long as its sender is silent.
fn say_until_heard(client: &mut Client, ledger: &mut Ledger, payload: &mut Vec<u8>) -> u32 {
    let traits = ledger.life(client.life).traits;
    loop {
        let number = say(client, ledger, payload);
        if talk::reaches(number, &traits, &traits) {
            return number;
        }
    }
}

/// Takes apart what has come.
fn hear(
    client: &mut Client,
    ledger: &mut Ledger,
    payload: &mut Vec<u8>,
    opened: &mut u64,
) -> Result<(), String> {
    if !client.class.opens() {
        return Ok(());
    }
    let input = std::mem::take(&mut client.input);
    let mut used = 0;
    if client.phase == Phase::Asking {
        let Some((answer, ())) = hear::answer(client.version, &input)? else {
            client.input = input;
            return Ok(());
        };
        used = answer;
        *opened += 1;
        client.phase = Phase::Talking;
        say(client, ledger, payload);
    }
    while let Some((len, heard)) = hear::next(client.version, &input[used..])? {
        used += len;
        match heard {
            Heard::Message(..) if client.phase == Phase::Parted => {
                return Err("a message after the goodbye".to_owned());
            }
            Heard::Message(message, binary) => ledger.hear(&mut client.ears, message, binary),
            Heard::Ping(ping) if client.class != Class::Mute && client.phase != Phase::Doomed => {
                client.pong(ping);
            }
            Heard::Ping(_) => {}
            Heard::Goodbye(code) => match client.phase {
                Phase::Goodbye if code == 1000 || code == 0 => client.phase = Phase::Parted,
                Phase::Doomed => {}
                phase => return Err(format!("a goodbye with {code}, {phase:?}")),
            },
        }
    }
    client.input = input;
    client.input.drain(..used);
    Ok(())
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} present, {} connections, {} said, {} heard",
            self.present(),
            self.connected,
            self.ledger.said,
            self.ledger.heard
        )
    }
}
