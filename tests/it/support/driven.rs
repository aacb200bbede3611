//! A connection with an application that accepts everything, with all its events and output.

use std::sync::Arc;

use stentor::protocol::{
    ClientRequest, Closed, Config, Connection, Event, HandshakeError, Rejection, State, Transition,
};
use stentor::{Accept, Message, Version};

use super::wire::Head;

pub(crate) struct Driven {
    pub(crate) connection: Connection,
    pub(crate) accept: Accept,
    pub(crate) events: Vec<Event>,
    pub(crate) output: Vec<u8>,
    pub(crate) transitions: Vec<Transition>,
}

impl Driven {
    /// A server's connection that has received nothing yet.
    pub(crate) fn new(config: &Config) -> Driven {
        Driven::of(Connection::new(Arc::new(config.clone())))
    }

    /// A client's connection, which has sent its request and received nothing yet. Its random bytes
    /// are [`sample_entropy`].
    pub(crate) fn client_with(request: &ClientRequest, config: &Config) -> Driven {
        let config = Arc::new(config.clone());
        let mut driven = Driven::of(Connection::client(config, request, sample_entropy));
        driven.drain();
        driven
    }

    /// The same, with the default configuration.
    pub(crate) fn client(request: &ClientRequest) -> Driven {
        Driven::client_with(request, &Config::default())
    }

    fn of(connection: Connection) -> Driven {
        Driven {
            connection,
            accept: Accept::new(),
            events: Vec::new(),
            output: Vec::new(),
            transitions: Vec::new(),
        }
    }

    /// A connection whose handshake is done; events and output of the handshake are forgotten.
    pub(crate) fn ready_with(version: Version, config: &Config) -> Driven {
        let mut driven = Driven::new(config);
        driven.receive(&Head::of(version).bytes());
        assert_eq!(driven.events, [Event::Request, Event::Open], "{version}");
        assert_eq!(driven.connection.version(), Some(version));
        driven.forget();
        driven
    }

    /// The same, with the default configuration.
    pub(crate) fn ready(version: Version) -> Driven {
        Driven::ready_with(version, &Config::default())
    }

    /// One input, then all events, then all output.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> &mut Driven {
        self.connection.receive_data(bytes);
        self.drain()
    }

    pub(crate) fn receive_bytewise(&mut self, bytes: &[u8]) -> &mut Driven {
        for byte in bytes.chunks(1) {
            self.receive(byte);
        }
        self
    }

    /// The peer will send nothing more.
    pub(crate) fn end(&mut self) -> &mut Driven {
        self.connection.receive_eof();
        self.drain()
    }

    /// Takes all events and all output, and checks each change of state against the table.
    pub(crate) fn drain(&mut self) -> &mut Driven {
        while let Some(event) = self.connection.next_event() {
            assert!(!self.is_closed(), "{event:?} after the last event");
            let asked = event == Event::Request;
            self.events.push(event);
            if asked {
                self.connection.accept(self.accept.clone()).unwrap();
            }
        }
        self.output.extend(self.connection.data_to_send());
        for transition in self.connection.transitions() {
            let Transition { from, trigger, to } = transition;
            assert_eq!(
                from,
                self.state_told(),
                "{transition} leaves a state it was not in"
            );
            assert_eq!(
                from.after(trigger),
                Some(to),
                "{transition} is not in the table"
            );
            self.transitions.push(transition);
        }
        assert_eq!(
            self.connection.state(),
            self.state_told(),
            "a change that was not reported"
        );
        self
    }

    /// Asserts that a server's last word is the close frame that answers the peer's violation: this
    /// code, and the rule in words.
    #[track_caller]
    pub(crate) fn assert_failed_with(&self, code: u16, context: &str) {
        let protocol_error = self.closed().protocol_error.as_ref();
        let words = protocol_error.expect("a violation").to_string();
        let len = u8::try_from(words.len() + 2).expect("a short reason");
        let frame = [&[0x88, len][..], &code.to_be_bytes(), words.as_bytes()].concat();
        assert_eq!(
            self.output.escape_ascii().to_string(),
            frame.escape_ascii().to_string(),
            "{context}"
        );
    }

    /// Sends every message back that has come so far.
    pub(crate) fn echo(&mut self) -> &mut Driven {
        for event in std::mem::take(&mut self.events) {
            if let Event::Message(message) = event {
                self.connection.send(&message).unwrap();
            }
        }
        self.drain()
    }

    /// Forgets the events and the output, not the states.
    pub(crate) fn forget(&mut self) {
        self.events.clear();
        self.output.clear();
    }

    pub(crate) fn texts(&self) -> Vec<&str> {
        let text = |event| match event {
            &Event::Message(Message::Text(ref text)) => Some(text.as_str()),
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    /// Returns the close report. The connection must have ended.
    pub(crate) fn closed(&self) -> &Closed {
        match self.events.last() {
            Some(Event::Closed(closed)) => closed,
            other => panic!("not closed, but {other:?}"),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.events.last(), Some(Event::Closed(_)))
    }

    /// Returns the rejection. The request must have been rejected.
    pub(crate) fn rejected(&self) -> &Rejection {
        match self.events.last() {
            Some(Event::Rejected(rejection)) => rejection,
            other => panic!("not refused, but {other:?}"),
        }
    }

    /// Returns the reason why a client has no connection. It must have none.
    pub(crate) fn declined(&self) -> &HandshakeError {
        match self.events.last() {
            Some(Event::Declined(error)) => error,
            other => panic!("not declined, but {other:?}"),
        }
    }

    /// Returns the state that the transitions add up to.
    fn state_told(&self) -> State {
        self.transitions
            .last()
            .map_or(State::Opening, |last| last.to)
    }
}

/// Fills `bytes` predictably: with `the sample nonce` of RFC 6455 §1.3, from its beginning.
fn sample_entropy(bytes: &mut [u8]) {
    for (byte, sample) in bytes.iter_mut().zip(b"the sample nonce".iter().cycle()) {
        *byte = *sample;
    }
}
