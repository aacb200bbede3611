//! All clients, on one thread: which connect, what each one does next, which send, which leave.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use stentor::protocol::framing::Framing;
use stentor::protocol::version::Closing;
use stentor::tls::TlsClient;
use stentor::tls::unversioned::rustls::ClientConfig;
use stentor::{Connector, Message, Version};

use crate::HandlerResult;
use crate::by_hand::ByHand;
use crate::client::{Body, Class, Client, End, Phase};
use crate::hear::{self, Heard};
use crate::ledger::{Ears, Ledger};
use crate::line::{self, Line};
use crate::manner::{Deflate, HEALTHY, Manner};
use crate::own::{Notices, Own, Way};
use crate::process::Doors;
use crate::random::Random;
use crate::talk;

/// Messages a second that healthy clients send together, if nothing delays them.
const RATE: f64 = 2500.0;

/// The most messages in flight, of all clients and of one. This bounds the messages that a client
/// that pauses its reading may find in its queue, so that none of them is disconnected.
const UNDER_WAY: u64 = 256;
const EACH: u32 = 8;

const ROOMS: usize = 20;

/// The time for which a sleeper does not read; then it finds the end of the stream, or soon leaves
/// by itself.
const ASLEEP: Duration = Duration::from_secs(20);

/// The time after a pause by which all pausing clients read again.
const EXCUSED: Duration = Duration::from_secs(5);

/// No phase of a client's life takes longer.
const STUCK: Duration = Duration::from_secs(90);

pub(crate) struct Members {
    pub(crate) ledger: Ledger,
    places: Vec<Place>,
    sockets: Doors,
    /// The trusted certificates of the hand-written clients, and the base configuration of
    /// Stentor's own.
    believer: Arc<ClientConfig>,
    connector: Connector,
    poller: OwnedFd,
    ready: Vec<epoll::Event>,
    scratch: Vec<u8>,
    payload: Vec<u8>,
    random: Random,
    now: Duration,
    /// The number of messages that may be sent now, and the place of the next sender.
    tokens: f64,
    next_speaker: usize,
    winding_up: bool,
    pub(crate) connected: u64,
    pub(crate) opened: u64,
    /// The first lines of the responses to clients that were not accepted, without their reasons.
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) lives: BTreeMap<(Class, Option<Version>), u64>,
    pub(crate) received: BTreeMap<Manner, Hearing>,
    pub(crate) ends: BTreeMap<(Class, &'static str), u64>,
    pub(crate) naps: u64,
    /// Messages that Stentor's own clients have counted.
    pub(crate) received_by_own: u64,
    /// Healthy clients that were disconnected because of a pause.
    pub(crate) excused: u64,
}

/// The messages received in one manner.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hearing {
    pub(crate) messages: u64,
    /// Of these, those that were seen to be compressed.
    pub(crate) deflated: u64,
}

enum Place {
    /// No client, until then.
    Empty(Duration),
    Taken(Box<Client>),
}

impl Members {
    pub(crate) fn new(sockets: &Doors, clients: usize, seed: u64) -> HandlerResult<Members> {
        let mut random = Random::new(seed);
        // They connect over two seconds.
        let places = (0..clients).map(|_| Place::Empty(random.millis(0, 2000)));
        Ok(Members {
            ledger: Ledger::new(clients),
            places: places.collect(),
            sockets: sockets.clone(),
            believer: line::believer(&sockets.certificate)?,
            connector: Connector::new()
                .tls(TlsClient::trusting_only(sockets.certificate.as_bytes())?),
            poller: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(256),
            scratch: vec![0; 64 * 1024],
            payload: Vec::new(),
            random,
            now: Duration::ZERO,
            tokens: 0.0,
            next_speaker: 0,
            winding_up: false,
            connected: 0,
            opened: 0,
            answers: BTreeMap::new(),
            lives: BTreeMap::new(),
            received: BTreeMap::new(),
            ends: BTreeMap::new(),
            naps: 0,
            received_by_own: 0,
            excused: 0,
        })
    }

    /// Stops new connections, and makes every client leave as soon as it can.
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

    /// Describes the clients that are still there, some of them.
    pub(crate) fn remaining(&self) -> String {
        let clients = self.places.iter().filter_map(|place| match place {
            Place::Taken(client) => Some(client),
            Place::Empty(_) => None,
        });
        let shown = clients.map(|client| {
            let (class, phase) = (client.class, client.phase);
            format!("{class:?} {}, {}, {phase:?}", client.version, client.manner)
        });
        shown.take(5).collect::<Vec<_>>().join(", ")
    }

    /// Waits until an event happens, a hundredth of a second at most, and handles it.
    pub(crate) fn batch(&mut self, now: Duration, paused: bool) -> HandlerResult<()> {
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
                && let Body::ByHand(hand) = &mut client.body
                && hand.reads
            {
                let end = hand.fill(&mut self.scratch);
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

    /// Sends messages of healthy clients, each in its turn.
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
            let talks = client.class.is_healthy()
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

    /// Does everything that is due at this place; then sends the pending output.
    fn attend(&mut self, slot: usize) -> HandlerResult<()> {
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
        match &mut client.body {
            Body::ByHand(hand) => {
                hand.flush();
                self.poll_for(slot)
            }
            Body::Own(_) => {
                while self.follow(slot) {}
                Ok(())
            }
        }
    }

    /// Connects a new client.
    fn arrive(&mut self, slot: usize) -> HandlerResult<()> {
        let manner = Manner::of(slot);
        let class = match slot % 10 {
            _ if manner.own => Class::Own,
            place if place < HEALTHY => Class::Healthy,
            _ => Class::ILL[self.random.roll(Class::ILL.len())],
        };
        let version = match manner.deflate {
            Deflate::No => Version::ALL[self.random.roll(Version::ALL.len())],
            Deflate::Alone | Deflate::Takeover => Version::Rfc6455,
        };
        let class = match (class, version.framing()) {
            // It need not answer pings that never come.
            (Class::Mute, Framing::Hixie) => Class::Sleeper,
            (class, _) => class,
        };
        let room = self.random.roll(ROOMS);
        let address = match manner.tls {
            true => self.sockets.secure,
            false => self.sockets.plain,
        };
        let life = self.ledger.begin(slot, class, version, room);
        let ears = Ears::new(life, self.places.len());
        let body = if manner.own {
            let scheme = if manner.tls { "wss" } else { "ws" };
            let way = Way::of(life, version, manner, &self.connector, address);
            Body::Own(Own::start(way, format!("{scheme}://{address}/{room}/Own"))?)
        } else {
            let line = match manner.tls {
                true => Line::secure(address, &self.believer)?,
                false => Line::plain(address)?,
            };
            let token = epoll::EventData::new_u64(slot as u64);
            epoll::add(&self.poller, &line.socket, token, epoll::EventFlags::IN)?;
            let mut hand = ByHand::new(line, class, version, manner.deflate, room);
            hand.flush();
            Body::ByHand(Box::new(hand))
        };
        self.connected += 1;
        let mut client = Client::new(life, class, version, manner, body, ears);
        client.due = self.now
            + match class {
                Class::Healthy | Class::Own => self.random.millis(3_000, 60_000),
                _ => self.random.millis(200, 4_000),
            };
        client.deadline = self.now + STUCK;
        if class.is_healthy() && self.random.roll(3) == 0 {
            client.nap = Some(self.now + self.random.millis(1_000, 30_000));
        }
        *self
            .lives
            .entry((class, class.opens().then_some(version)))
            .or_default() += 1;
        self.places[slot] = Place::Taken(Box::new(client));
        Ok(())
    }

    /// Does the client's own next action, now that its time has come; returns whether the client
    /// stays.
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
            let nap = self.random.millis(500, 2_000);
            client.wakes = Some(now + nap);
            if let Body::Own(own) = &client.body {
                own.nap(nap);
            }
        }
        if client.wakes.is_some_and(|wakes| wakes <= now) {
            client.wakes = None;
        }
        if client.due > now || client.wakes.is_some() {
            return true;
        }
        match (client.class, &mut client.body) {
            // If few messages are sent, nothing fills its queue.
            (Class::Sleeper, Body::ByHand(hand)) if client.phase == Phase::Doomed => {
                hand.line.reset();
                return false;
            }
            (Class::HalfRequest, _) if client.phase == Phase::Asking => {
                // One half of them waits for the server's 408.
                client.phase = Phase::Doomed;
                return client.life % 2 == 0;
            }
            _ if !confirmed => return true,
            (Class::Healthy | Class::Own, _) => {
                self.ledger.take_stock(&mut client.ears);
                say_until_heard(client, &mut self.ledger, &mut self.payload);
                client.phase = Phase::LastWord;
            }
            (Class::Reset, Body::ByHand(hand)) => {
                hand.line.reset();
                return false;
            }
            (Class::Torn, Body::ByHand(hand)) => {
                hand.say_half();
                hand.flush();
                return false;
            }
            (Class::HalfClose, Body::ByHand(hand)) => {
                hand.shut();
                client.phase = Phase::Doomed;
            }
            (Class::Garbage, Body::ByHand(hand)) => {
                hand.say_garbage(client.life as usize);
                client.phase = Phase::Doomed;
            }
            (Class::Sleeper, _) => {
                client.phase = Phase::Doomed;
                client.wakes = Some(now + ASLEEP);
                client.due = now + 2 * ASLEEP;
            }
            (Class::Mute, _) => client.phase = Phase::Doomed,
            _ => return true,
        }
        client.deadline = now + STUCK;
        true
    }

    /// Handles received bytes, and the end of the connection if it has come.
    fn listen(&mut self, slot: usize, end: Option<End>) {
        let Place::Taken(client) = &mut self.places[slot] else {
            return;
        };
        let hearing = self.received.entry(client.manner).or_default();
        if let Err(what) = hear(
            client,
            &mut self.ledger,
            &mut self.payload,
            &mut self.opened,
            hearing,
        ) {
            self.ledger.wrong(client.life, &what);
        }
        part_when_settled(client, &mut self.ledger);
        let (Some(end), Body::ByHand(hand)) = (end, &client.body) else {
            return;
        };
        if !client.class.opens() {
            let line = hand.input.split(|byte| *byte == b'\r').next();
            let line = String::from_utf8_lossy(line.unwrap_or_default());
            *self.answers.entry(line.into_owned()).or_default() += 1;
        }
        if end == End::Reset && client.class == Class::Healthy && self.now < client.excused {
            self.excused += 1;
            self.ledger.abandon(client.life);
            self.leave(slot, "excused");
            return;
        }
        let ends_stream = client.version.closing() == Closing::CloseTcp;
        let expected = match (client.class, client.phase, end) {
            (Class::Healthy, Phase::Parted, End::Stream) => true,
            (Class::Healthy, Phase::Goodbye, End::Stream) => ends_stream,
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
            || !(hand.input.is_empty() || client.phase == Phase::Doomed || !client.class.opens())
        {
            let what = format!(
                "{how} in {:?}, {} bytes unread",
                client.phase,
                hand.input.len()
            );
            self.ledger.wrong(client.life, &what);
        }
        self.leave(slot, how);
    }

    /// Handles the next report of the thread of one of Stentor's own clients; returns whether there
    /// may be more.
    fn follow(&mut self, slot: usize) -> bool {
        let Place::Taken(client) = &mut self.places[slot] else {
            return false;
        };
        let Body::Own(own) = &mut client.body else {
            return false;
        };
        let Some(notices) = own.notices() else {
            return false;
        };
        match notices {
            Notices::Open(_) => {
                self.opened += 1;
                client.phase = Phase::Talking;
                say(client, &mut self.ledger, &mut self.payload);
            }
            Notices::Message(message) => {
                self.received.entry(client.manner).or_default().messages += 1;
                let binary = matches!(message, Message::Binary(_));
                self.ledger
                    .hear(&mut client.ears, message.as_bytes(), binary);
                part_when_settled(client, &mut self.ledger);
            }
            Notices::End(stats) => {
                let said = u64::from(self.ledger.life(client.life).said);
                if client.phase != Phase::Goodbye || stats.messages_out != said {
                    let what = format!("over in {:?}: {said} said, {stats:?}", client.phase);
                    self.ledger.wrong(client.life, &what);
                }
                self.received_by_own += stats.messages_in;
                self.leave(slot, "end");
                return false;
            }
            Notices::Failed(_) if self.now < client.excused => {
                self.excused += 1;
                self.ledger.abandon(client.life);
                self.leave(slot, "excused");
                return false;
            }
            Notices::Failed(error) => {
                let what = format!("failed in {:?}: {error}", client.phase);
                self.ledger.wrong(client.life, &what);
                self.leave(slot, "failed");
                return false;
            }
        }
        true
    }

    fn leave(&mut self, slot: usize, how: &'static str) {
        let empty = Place::Empty(self.now + self.random.millis(0, 1000));
        if let Place::Taken(client) = std::mem::replace(&mut self.places[slot], empty) {
            *self.ends.entry((client.class, how)).or_default() += 1;
        }
    }

    /// Updates the poller's interests for this client, if they have changed.
    fn poll_for(&mut self, slot: usize) -> HandlerResult<()> {
        let Place::Taken(client) = &mut self.places[slot] else {
            return Ok(());
        };
        let Body::ByHand(hand) = &mut client.body else {
            return Ok(());
        };
        let (reads, waits) = (client.wakes.is_none(), hand.has_output());
        if (reads, waits) == (hand.reads, hand.waits) {
            return Ok(());
        }
        let token = epoll::EventData::new_u64(slot as u64);
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, reads);
        flags.set(epoll::EventFlags::OUT, waits && reads);
        match (hand.reads, reads) {
            // A sleeper is not notified of a reset either, which no mask would hide.
            (true, false) => epoll::delete(&self.poller, &hand.line.socket)?,
            (false, true) => epoll::add(&self.poller, &hand.line.socket, token, flags)?,
            (false, false) => {}
            (true, true) => epoll::modify(&self.poller, &hand.line.socket, token, flags)?,
        }
        (hand.reads, hand.waits) = (reads, waits);
        Ok(())
    }
}

/// Sends the next message; returns its number.
fn say(client: &mut Client, ledger: &mut Ledger, payload: &mut Vec<u8>) -> u32 {
    let number = ledger.says(client.life);
    payload.clear();
    talk::write(client.life, number, payload);
    if let Err(what) = client.say(payload, talk::is_binary(number, client.version)) {
        ledger.wrong(client.life, &what);
    }
    number
}

/// Sends messages up to one that comes back; returns its number. Messages that do not come back
/// would count as in flight for as long as their sender is silent.
fn say_until_heard(client: &mut Client, ledger: &mut Ledger, payload: &mut Vec<u8>) -> u32 {
    let traits = ledger.life(client.life).traits;
    loop {
        let number = say(client, ledger, payload);
        if talk::reaches(number, &traits, &traits) {
            return number;
        }
    }
}

/// Closes a client that has received its last message back; a client that has received its first
/// may take its time.
fn part_when_settled(client: &mut Client, ledger: &mut Ledger) {
    let life = ledger.life(client.life);
    if client.phase == Phase::LastWord && life.through == life.said {
        ledger.settle(&mut client.ears);
        client.start_close();
        client.phase = Phase::Goodbye;
    }
    if client.phase == Phase::Talking && client.ears.confirmed {
        client.deadline = Duration::MAX;
    }
}

/// Parses the received bytes.
fn hear(
    client: &mut Client,
    ledger: &mut Ledger,
    payload: &mut Vec<u8>,
    opened: &mut u64,
    hearing: &mut Hearing,
) -> Result<(), String> {
    let Body::ByHand(hand) = &mut client.body else {
        return Ok(());
    };
    if !client.class.opens() {
        return Ok(());
    }
    let input = std::mem::take(&mut hand.input);
    let mut used = 0;
    if client.phase == Phase::Asking {
        let Some((answer, ())) = hear::answer(client.version, client.manner.deflate, &input)?
        else {
            hand.input = input;
            return Ok(());
        };
        used = answer;
        *opened += 1;
        client.phase = Phase::Talking;
        say(client, ledger, payload);
    }
    let Body::ByHand(hand) = &mut client.body else {
        return Ok(());
    };
    while let Some((len, received)) = hear::next(client.version, &input[used..])? {
        used += len;
        match received {
            Heard::Message(..) | Heard::Deflated(..) if client.phase == Phase::Parted => {
                return Err("a message after the close frame".to_owned());
            }
            Heard::Message(message, binary) => {
                hearing.messages += 1;
                ledger.hear(&mut client.ears, message, binary);
            }
            Heard::Deflated(message, binary) => {
                hearing.messages += 1;
                hearing.deflated += 1;
                let codec = hand.codec.as_mut().ok_or("compressed, for no reason")?;
                ledger.hear(&mut client.ears, &codec.inflated(message)?, binary);
            }
            Heard::Ping(ping) if client.class != Class::Mute && client.phase != Phase::Doomed => {
                hand.pong(ping);
            }
            Heard::Ping(_) => {}
            Heard::Goodbye(code) => match client.phase {
                Phase::Goodbye if code == 1000 || code == 0 => client.phase = Phase::Parted,
                Phase::Doomed => {}
                phase => return Err(format!("a close frame with {code}, {phase:?}")),
            },
        }
    }
    hand.input = input;
    hand.input.drain(..used);
    Ok(())
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.ledger.total();
        write!(
            f,
            "{} present, {} connections, {} said, {} heard",
            self.present(),
            self.connected,
            total.said,
            total.received
        )
    }
}
