//! Two engines, and the bytes between them.

use std::sync::Arc;

use stentor::protocol::{
    ClientRequest, CloseFrame, Closed, Config, Connection, Ending, Event, Initiator, Origin,
    SendError, State,
};
use stentor::{Accept, CloseCode, Deflate, Message, Version};

use super::action::{Action, Amount};
use super::{MOST_BYTES, frames, seed};
use crate::explainer::Explainer;
use crate::note::{Note, Part, Side};
use crate::render::escape;

/// The settings of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// The version that the client requests.
    pub version: Version,
    /// The seed of keys and masks.
    pub seed: u64,
    /// Whether both sides offer compression.
    pub compress: bool,
}

/// One session: the engines of a client and a server, the bytes that they have sent, and all that has happened.
#[derive(Debug)]
pub struct Lab {
    setup: Setup,
    parties: [Party; 2],
    random: u64,
    log: Vec<Entry>,
    events: Vec<(Side, Event)>,
}

/// One side.
#[derive(Debug)]
pub(super) struct Party {
    engine: Connection,
    /// Its bytes were crafted: its engine would be out of step.
    pub(super) is_by_hand: bool,
    pub(super) sent: Vec<u8>,
    /// How many of them the other side has read.
    pub(super) read: usize,
    /// The ends of those reads.
    pub(super) cuts: Vec<usize>,
    /// Whether it sends nothing more: it has closed the TCP connection.
    pub(super) is_ended: bool,
    /// Whether the other side has read the end.
    pub(super) is_end_read: bool,
}

/// One thing that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) by: Side,
    pub(super) kind: &'static str,
    pub(super) words: String,
    /// The bytes that were sent or read, in the stream of their sender.
    pub(super) bytes: Option<(usize, usize)>,
}

/// The rounds in which two engines can answer each other. They come to rest long before.
const ROUNDS: usize = 64;

impl Lab {
    /// Begins a session: the client's request waits to be read.
    pub fn new(setup: Setup) -> Lab {
        seed::begin(setup.seed);
        let mut config = Config::default();
        config.deflate = setup.compress.then(Deflate::default);
        let config = Arc::new(config);
        let engines = [
            Connection::client(Arc::clone(&config), &request(setup.version), seed::fill),
            Connection::new(config),
        ];
        let mut lab = Lab {
            setup,
            parties: engines.map(Party::new),
            random: seed::state(),
            log: Vec::new(),
            events: Vec::new(),
        };
        lab.settle(Side::Client);
        lab
    }

    /// Performs an action.
    ///
    /// # Errors
    ///
    /// One sentence, for an action that is not possible now; nothing is changed then.
    pub fn perform(&mut self, action: &Action) -> Result<(), String> {
        seed::begin(self.random);
        let done = self.act(action);
        self.random = seed::state();
        done
    }

    /// Returns the settings.
    pub fn setup(&self) -> Setup {
        self.setup
    }

    /// Returns all bytes that this side has sent, also those that the other side has not read.
    pub fn sent(&self, side: Side) -> &[u8] {
        &self.party(side).sent
    }

    /// Returns the bytes that this side has sent, and the other one has not read.
    pub fn unread(&self, side: Side) -> &[u8] {
        let party = self.party(side);
        &party.sent[party.read..]
    }

    /// Returns the state of an engine.
    pub fn state(&self, side: Side) -> State {
        self.party(side).engine.state()
    }

    /// Returns whether the engine of this side reads and sends nothing more, since bytes were crafted in its name.
    pub fn is_by_hand(&self, side: Side) -> bool {
        self.party(side).is_by_hand
    }

    /// Returns whether this side has closed the TCP connection.
    pub fn is_ended(&self, side: Side) -> bool {
        self.party(side).is_ended
    }

    /// Returns the events of the engines, in order.
    pub fn events(&self) -> &[(Side, Event)] {
        &self.events
    }

    /// Returns the notes about all bytes that were sent.
    pub fn notes(&self) -> Vec<Note> {
        let mut explainer = Explainer::new();
        for side in [Side::Client, Side::Server] {
            explainer.feed(side, &self.party(side).sent);
        }
        for side in [Side::Client, Side::Server] {
            if self.party(side).is_ended {
                explainer.end(side);
            }
        }
        let notes = explainer.notes();
        notes.filter(|note| note.part != Part::Cut).collect()
    }

    pub(super) fn log(&self) -> &[Entry] {
        &self.log
    }

    pub(super) fn party(&self, side: Side) -> &Party {
        &self.parties[side as usize]
    }

    fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Read(from, amount) => self.read(*from, *amount),
            Action::Run => {
                self.run();
                Ok(())
            }
            Action::Text(from, text) => {
                let message = Message::from(text.as_str());
                self.send(*from, |engine| engine.send(&message))
            }
            Action::Binary(from, bytes) => {
                let message = Message::from(bytes.clone());
                self.send(*from, |engine| engine.send(&message))
            }
            Action::Ping(from, payload) => {
                self.send(*from, |engine| engine.ping(payload.as_bytes()))
            }
            Action::Close(from, closing) => {
                let frame = closing.as_ref().map(|(code, reason)| CloseFrame {
                    code: CloseCode::from(*code),
                    reason: reason.clone(),
                });
                self.send(*from, |engine| engine.close(frame))
            }
            Action::Pieces {
                from,
                text,
                pieces,
                ping,
            } => self.pieces(*from, text, *pieces, *ping),
            Action::Raw(from, bytes) => self.craft(*from, bytes, false),
            Action::Replace(from, bytes) => self.craft(*from, bytes, true),
            Action::End(from) => self.end(*from),
        }
    }

    /// Lets the engine send, and takes its bytes.
    fn send(
        &mut self,
        from: Side,
        send: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), String> {
        self.can_send(from)?;
        send(&mut self.party_mut(from).engine).map_err(|error| format!("the {from}: {error}"))?;
        self.settle(from);
        Ok(())
    }

    /// A message in several frames. The engine does not make them, but they leave it in step.
    fn pieces(&mut self, from: Side, text: &str, pieces: usize, ping: bool) -> Result<(), String> {
        self.can_send(from)?;
        let state = self.state(from);
        if self.setup.version.wire_number().is_none() {
            return Err(format!("{} has no fragments", self.setup.version));
        }
        if state != State::Ready {
            return Err(format!(
                "the {from} cannot send a message now: its state is {state}"
            ));
        }
        let text = text.as_bytes();
        for n in 0..pieces {
            let piece = &text[text.len() * n / pieces..text.len() * (n + 1) / pieces];
            let opcode = if n == 0 { 0x01 } else { 0x00 };
            let fin = if n + 1 == pieces { 0x80 } else { 0x00 };
            let mut mask = [0; 4];
            seed::fill(&mut mask);
            let mask = (from == Side::Client).then_some(mask);
            self.append(from, &frames::hybi(fin | opcode, piece, mask));
            if n == 0 && ping {
                self.send(from, |engine| engine.ping(b"still there?"))?;
            }
        }
        Ok(())
    }

    fn craft(&mut self, from: Side, bytes: &[u8], replaces: bool) -> Result<(), String> {
        if self.party(from).is_ended {
            return Err(format!("the {from} has closed the TCP connection"));
        }
        let party = self.party_mut(from);
        let kept = if replaces {
            party.read
        } else {
            party.sent.len()
        };
        if kept + bytes.len() > MOST_BYTES {
            return Err(too_many(from));
        }
        party.sent.truncate(kept);
        if !std::mem::replace(&mut party.is_by_hand, true) {
            self.note(
                from,
                "hand",
                "is driven by hand from now on: its engine reads and sends nothing more",
            );
        }
        if replaces {
            for entry in &mut self.log {
                if let (true, "wrote", Some((_, end))) =
                    (entry.by == from, entry.kind, &mut entry.bytes)
                {
                    *end = (*end).min(kept);
                }
            }
        }
        self.append(from, bytes);
        Ok(())
    }

    fn end(&mut self, from: Side) -> Result<(), String> {
        let party = self.party_mut(from);
        if party.is_ended {
            return Err(format!("the {from} has closed the TCP connection already"));
        }
        if !party.is_by_hand {
            party.engine.abandon();
            self.settle(from);
        }
        if !self.party(from).is_ended {
            self.close_tcp(from);
        }
        Ok(())
    }

    fn run(&mut self) {
        for _ in 0..ROUNDS {
            let mut is_quiet = true;
            for from in [Side::Client, Side::Server] {
                is_quiet &= self.read(from, Amount::All).is_err();
            }
            if is_quiet {
                return;
            }
        }
    }

    /// The other side reads.
    fn read(&mut self, from: Side, amount: Amount) -> Result<(), String> {
        let party = self.party(from);
        let (begin, all) = (party.read, party.sent.len());
        if begin == all && (!party.is_ended || party.is_end_read) {
            return Err(format!("there are no bytes of the {from} to read"));
        }
        let end = match amount {
            Amount::Bytes(count) => all.min(begin.saturating_add(count)),
            Amount::Part | Amount::Frame => self.border(from, amount),
            Amount::All => all,
        };
        if begin < end {
            self.deliver(from, begin, end);
        }
        let party = self.party_mut(from);
        let is_at_end = party.read == party.sent.len() && party.is_ended && !party.is_end_read;
        if is_at_end && (begin == end || amount == Amount::All) {
            party.is_end_read = true;
            let reader = from.other();
            self.note(
                reader,
                "end-read",
                "reads the end: the TCP connection is closed",
            );
            let reading = self.party_mut(reader);
            if !reading.is_by_hand {
                reading.engine.receive_eof();
                self.settle(reader);
            }
        }
        Ok(())
    }

    fn deliver(&mut self, from: Side, begin: usize, end: usize) {
        let party = self.party_mut(from);
        party.read = end;
        party.cuts.push(end);
        let bytes = party.sent[begin..end].to_vec();
        let reader = from.other();
        let words = match bytes.len() {
            1 => "reads 1 byte".to_owned(),
            length => format!("reads {length} bytes"),
        };
        self.log.push(Entry {
            by: reader,
            kind: "read",
            words,
            bytes: Some((begin, end)),
        });
        let reading = self.party_mut(reader);
        if !reading.is_by_hand {
            reading.engine.receive_data(&bytes);
            self.settle(reader);
        }
    }

    /// The end of the part or the frame that the next byte belongs to.
    fn border(&self, from: Side, amount: Amount) -> usize {
        let party = self.party(from);
        let notes = self.notes();
        let next = notes.iter().filter(|note| {
            let is_root = note.parent.is_none();
            let is_long = note.bytes.end > party.read as u64 && !note.bytes.is_empty();
            let is_here = note.bytes.start <= party.read as u64;
            note.from == from && is_long && is_here && (is_root || amount == Amount::Part)
        });
        let end = next.map(|note| note.bytes.end).min();
        end.and_then(|end| usize::try_from(end).ok())
            .unwrap_or(party.sent.len())
    }

    /// Takes the events and the output of an engine, until there are none.
    fn settle(&mut self, side: Side) {
        loop {
            let event = self.party_mut(side).engine.next_event();
            let is_idle = event.is_none();
            self.changes(side);
            if let Some(event) = event {
                let engine = &self.party(side).engine;
                let is_upgrade = engine
                    .request()
                    .is_some_and(|request| request.version().is_some());
                let words = match event {
                    Event::Request if !is_upgrade => "has received a plain HTTP request".to_owned(),
                    _ => said(&event),
                };
                self.note(side, "event", &words);
                if event == Event::Request {
                    // The engine accepts an upgrade, and rejects plain HTTP: its events and its output have the result.
                    let _ = self.party_mut(side).engine.accept(Accept::new());
                    self.changes(side);
                }
                self.events.push((side, event));
            }
            let output = self.party_mut(side).engine.data_to_send();
            self.append(side, &output);
            if is_idle && output.is_empty() {
                break;
            }
        }
        let party = self.party(side);
        if party.engine.close_expected() == Some(Ending::Linger) && !party.is_ended {
            self.close_tcp(side);
        }
    }

    /// Records the changes of state.
    fn changes(&mut self, side: Side) {
        for change in self.party_mut(side).engine.transitions() {
            let words = format!("{} → {} ({:?})", change.from, change.to, change.trigger);
            self.note(side, "state", &words);
        }
    }

    fn append(&mut self, from: Side, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let party = self.party_mut(from);
        let begin = party.sent.len();
        party.sent.extend_from_slice(bytes);
        let end = party.sent.len();
        let words = match bytes.len() {
            1 => "sends 1 byte".to_owned(),
            length => format!("sends {length} bytes"),
        };
        self.log.push(Entry {
            by: from,
            kind: "wrote",
            words,
            bytes: Some((begin, end)),
        });
    }

    fn close_tcp(&mut self, side: Side) {
        self.party_mut(side).is_ended = true;
        self.note(side, "end", "closes the TCP connection");
    }

    fn can_send(&self, from: Side) -> Result<(), String> {
        let party = self.party(from);
        if party.is_by_hand {
            return Err(format!(
                "the {from} is driven by hand, since bytes were crafted: craft more, go back, or start again"
            ));
        }
        match party.sent.len() {
            0..MOST_BYTES => Ok(()),
            _ => Err(too_many(from)),
        }
    }

    fn note(&mut self, by: Side, kind: &'static str, words: &str) {
        self.log.push(Entry {
            by,
            kind,
            words: words.to_owned(),
            bytes: None,
        });
    }

    fn party_mut(&mut self, side: Side) -> &mut Party {
        &mut self.parties[side as usize]
    }
}

impl Party {
    fn new(engine: Connection) -> Party {
        Party {
            engine,
            is_by_hand: false,
            sent: Vec::new(),
            read: 0,
            cuts: Vec::new(),
            is_ended: false,
            is_end_read: false,
        }
    }
}

/// The request of all sessions.
fn request(version: Version) -> ClientRequest {
    let request = ClientRequest::to("ws://example.com/chat");
    let origin = Origin::new("http", "example.com", None);
    match (request, origin) {
        (Ok(request), Ok(origin)) => request.version(version).origin(origin),
        // The URL and the origin are constants, which are valid: a test begins a session.
        (request, origin) => unreachable!("{request:?}, {origin:?}"),
    }
}

fn too_many(from: Side) -> String {
    format!("the {from} has sent enough: {MOST_BYTES} bytes are the most of a session")
}

/// An event in words, after the name of the side.
fn said(event: &Event) -> String {
    match event {
        Event::Request => "has received a valid request, and accepts it".to_owned(),
        Event::Rejected(rejection) => format!("rejects the request: {rejection}"),
        Event::Declined(error) => format!("fails the handshake: {error}"),
        Event::Open => "has completed the handshake: the connection is open".to_owned(),
        Event::Message(Message::Text(text)) => {
            format!(
                "has received the text message \"{}\"",
                escape(text.as_bytes())
            )
        }
        Event::Message(message) => format!("has received a binary message: {message}"),
        Event::Ping(payload) => format!(
            "has received a ping, \"{}\", and answers it",
            escape(payload)
        ),
        Event::Pong(payload) => format!("has received a pong, \"{}\"", escape(payload)),
        Event::Closed(closed) => ended(closed),
        other => format!("{other:?}"),
    }
}

/// The report of an end in words.
fn ended(closed: &Closed) -> String {
    let code = closed.code;
    let began = match closed.initiator {
        Initiator::Peer => "the other side has begun to close",
        Initiator::Us => "this side has begun to close",
        Initiator::Nobody => "neither side has begun to close",
    };
    let handshake = match closed.clean {
        true => "the closing handshake is complete",
        false => "the closing handshake is not complete",
    };
    let mut words = format!("reports the end with code {code}: {began}, and {handshake}");
    if !closed.reason.is_empty() {
        let reason = escape(closed.reason.as_bytes());
        words += &format!(". The reason in the close frame: \"{reason}\"");
    }
    if let Some(error) = &closed.protocol_error {
        words += &format!(". The error: {error}");
    }
    words
}
