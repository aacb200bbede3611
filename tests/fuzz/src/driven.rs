//! A connection, an application that calls it in any order, and the invariants of both.

use std::sync::Arc;

use stentor::protocol::{
    ClientRequest, CloseFrame, Closed, Config, Connection, Ending, Event, Rejection, Role,
    SendError, State, Transition,
};
use stentor::{Accept, CloseCode, Message, Response};

/// The most output that a connection produces by itself, apart from the input that it repeats: a
/// 101's own headers, or a rejection's, which escapes 100 bytes of a value at most, and a close
/// frame.
const OF_ITS_OWN: usize = 1000;

/// The application's reaction to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Accepts it.
    Accepts,
    /// Rejects it.
    Refuses,
    /// Answers it with a page.
    Answers,
    /// Leaves it waiting.
    Waits,
}

/// The calls that the application may make at any time, whether or not they make sense then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Accept(Option<String>),
    Reject,
    Respond,
    Send(Message),
    Ping(Vec<u8>),
    Close(Option<CloseFrame>),
    CloseWasSent(Option<CloseFrame>),
    GiveUp,
    EndOfStream,
}

/// The events, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Event(Event),
    Called(Call, Result<(), SendError>),
}

/// How bytes get into the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// They are copied, by `receive_data`.
    Copied,
    /// They are read into the connection's own buffer, which has room for about so many.
    Direct(usize),
}

pub struct Driven {
    connection: Connection,
    manner: Manner,
    pub journal: Vec<Entry>,
    pub output: Vec<u8>,
    pub transitions: Vec<Transition>,
    /// Bytes received, and the most bytes that the application's calls may have put into the
    /// output.
    received: usize,
    asked: usize,
    /// Bytes in events, and the number of events.
    delivered: usize,
    events: usize,
    opened: bool,
    /// The last event has come.
    ended: bool,
    our_goodbye: bool,
    over: bool,
}

impl Driven {
    pub fn new(config: &Arc<Config>, manner: Manner) -> Driven {
        Driven::of(Connection::new(Arc::clone(config)), manner)
    }

    /// Returns a client's connection, whose request is sent. Its random bytes are all zeros, so
    /// that its masks change nothing.
    pub fn client(config: &Arc<Config>, request: &ClientRequest) -> Driven {
        let mut connection = Connection::client(Arc::clone(config), request, |bytes| bytes.fill(0));
        assert!(connection.data_to_send().starts_with(b"GET "));
        Driven::of(connection, Manner::Waits)
    }

    fn of(connection: Connection, manner: Manner) -> Driven {
        Driven {
            connection,
            manner,
            journal: Vec::new(),
            output: Vec::new(),
            transitions: Vec::new(),
            received: 0,
            asked: 0,
            delivered: 0,
            events: 0,
            opened: false,
            ended: false,
            our_goodbye: false,
            over: false,
        }
    }

    /// One input, then all events, then all output.
    pub fn receive(&mut self, bytes: &[u8], reading: Reading) {
        self.received += bytes.len();
        match reading {
            Reading::Copied => self.connection.receive_data(bytes),
            #[cfg(fuzzing)]
            Reading::Direct(most) => self.connection.read_data(most, bytes),
            #[cfg(not(fuzzing))]
            Reading::Direct(_) => self.connection.receive_data(bytes),
        }
        self.drain();
    }

    /// One call, then all events, then all output.
    pub fn call(&mut self, call: &Call) {
        self.now(call);
        self.drain();
    }

    /// Forgets all events and output so far, but not the invariants of the rest.
    pub fn forget(&mut self) {
        self.journal.clear();
        self.output.clear();
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.journal.iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            Entry::Called(..) => None,
        })
    }

    fn now(&mut self, call: &Call) {
        let connection = &mut self.connection;
        let (result, most) = match call {
            Call::Accept(subprotocol) => {
                let mut accept = Accept::new();
                if let Some(name) = subprotocol {
                    accept = accept.subprotocol(name);
                }
                (connection.accept(accept), 0)
            }
            Call::Reject => (connection.reject(Rejection::Full), 0),
            Call::Respond => (connection.respond(Response::text("a page")), 0),
            Call::Send(message) => (connection.send(message), message.len() + 10),
            Call::Ping(payload) => (connection.ping(payload), payload.len() + 2),
            Call::Close(frame) => {
                let result = connection.close(frame.clone());
                self.our_goodbye |= result.is_ok() && self.opened;
                let reason = frame.as_ref().map_or(0, |frame| frame.reason.len());
                (result, reason + 4)
            }
            Call::CloseWasSent(frame) => {
                connection.close_was_sent(frame.clone());
                self.our_goodbye |= self.opened;
                (Ok(()), 0)
            }
            Call::GiveUp => {
                connection.abandon();
                (Ok(()), 0)
            }
            Call::EndOfStream => {
                connection.receive_eof();
                (Ok(()), 0)
            }
        };
        if result.is_ok() {
            self.asked += most;
        }
        self.journal.push(Entry::Called(call.clone(), result));
    }

    fn drain(&mut self) {
        let (entries, written) = (self.journal.len(), self.output.len());
        while let Some(event) = self.connection.next_event() {
            self.admit(&event);
            let asked = event == Event::Request;
            self.journal.push(Entry::Event(event));
            match self.manner {
                _ if !asked => {}
                Manner::Accepts => self.now(&Call::Accept(None)),
                Manner::Refuses => self.now(&Call::Reject),
                Manner::Answers => self.now(&Call::Respond),
                Manner::Waits => {}
            }
        }
        assert_eq!(self.connection.next_event(), None, "an event behind none");
        self.output.extend(self.connection.data_to_send());
        assert!(self.connection.data_to_send().is_empty(), "output twice");
        let changes = self.connection.transitions();

        if self.over {
            assert_eq!(self.journal.len(), entries, "an event after the end");
            assert_eq!(self.output.len(), written, "output after the end");
            assert_eq!(changes, [], "a change after the end");
        }
        for Transition { from, trigger, to } in changes {
            assert_eq!(from, self.state_told(), "a change from another state");
            assert_eq!(from.after(trigger), Some(to), "not in the table");
            self.transitions.push(Transition { from, trigger, to });
        }
        let state = self.connection.state();
        assert_eq!(state, self.state_told(), "a change that was not reported");
        let ending = self.connection.close_expected();
        self.over = matches!(ending, Some(Ending::Linger | Ending::Follow));
        if self.over {
            assert!(state.is_over(), "over in {state}");
            assert!(self.ended || !self.opened, "over without an end");
        }
        assert_eq!(
            ending == Some(Ending::Await),
            state == State::Closing && !self.over
        );
        self.hold_bounds();
    }

    /// Checks the order of events, and the contents of each.
    fn admit(&mut self, event: &Event) {
        assert!(!self.ended, "{event:?} behind the last event");
        let last = matches!(event, Event::Closed(_));
        assert!(last || !self.our_goodbye, "{event:?} after our close");
        self.events += 1;
        match event {
            Event::Request => assert!(self.events == 1 && self.connection.request().is_some()),
            Event::Rejected(_) | Event::Declined(_) => {
                assert!(!self.opened);
                self.ended = true;
            }
            Event::Open => {
                assert!(!self.opened);
                assert!(self.connection.version().is_some());
                self.opened = true;
            }
            Event::Message(message) => {
                assert!(self.opened);
                self.delivered += message.len();
            }
            Event::Ping(payload) | Event::Pong(payload) => {
                assert!(self.opened && payload.len() <= 125);
                self.delivered += payload.len();
            }
            Event::Closed(closed) => {
                assert!(self.opened);
                self.delivered += closed.reason.len();
                self.ended = true;
                self.admit_end(closed);
            }
            unknown => panic!("no rule for {unknown:?}"),
        }
    }

    fn admit_end(&self, closed: &Closed) {
        let version = self.connection.version().expect("a version");
        let code = closed.code;
        let reported = [
            CloseCode::NO_CODE,
            CloseCode::ABNORMAL,
            CloseCode::TOO_LARGE_BEFORE_13,
        ];
        // A close code that was reported as sent elsewhere was not checked.
        assert!(code.may_be_sent() || reported.contains(&code) || self.our_goodbye);
        let Some(protocol_error) = &closed.protocol_error else {
            return;
        };
        assert!(!closed.clean);
        assert_eq!(self.connection.state(), State::Error);
        if let (Some(code), false) = (protocol_error.close_code(version), self.our_goodbye) {
            assert_eq!(closed.code, code);
        }
    }

    /// Checks that output and events are no larger than the input and the calls allow.
    fn hold_bounds(&self) {
        let written = self.output.len();
        // A client's response to an empty ping is four bytes longer than the ping.
        let masked = match self.connection.role() {
            Role::Server => 1,
            Role::Client => 3,
        };
        assert!(
            written <= masked * self.received + self.asked + OF_ITS_OWN,
            "{written} bytes written for {} received and {} asked for",
            self.received,
            self.asked
        );
        // Invalid UTF-8 that is replaced may grow to three times its size.
        assert!(self.delivered <= 3 * self.received);
        assert!(self.events <= self.received + 4);
    }

    fn state_told(&self) -> State {
        self.transitions
            .last()
            .map_or(State::Opening, |last| last.to)
    }
}
