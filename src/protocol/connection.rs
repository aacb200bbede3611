//! The protocol engine: bytes in, events out, output taken. No socket, no thread, no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use super::asking::{Answer, Asked, Refused};
use super::close::CloseFrame;
use super::config::Config;
use super::deflate::{Deflater, Terms};
use super::ending::Ending;
use super::error::{Refusal, Unsupported};
use super::framing::{Decoded, Decoder, Encoder};
use super::input::Input;
use super::message::{Event, Message};
use super::request::{Request, Search};
use super::response::{self, Accept, Response};
use super::role::Role;
use super::state::{State, Transition, Trigger};
use super::version::{Agreed, Proof, Version, draft76};

/// The protocol side of one connection, from the first byte of the request to the last byte of the
/// closing handshake.
///
/// The documentation of the [`protocol`](super) module has the loop that every caller runs.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Arc<Config>,
    pub(super) state: State,
    pub(super) phase: Phase,
    /// Encodes this side's frames, once the version is known. It holds the role.
    pub(super) encoder: Option<Encoder>,
    request: Option<Request>,
    /// The response that has accepted a client's request.
    pub(super) answer: Option<Box<Answer>>,
    pub(super) subprotocol: Option<String>,
    /// The compressor, kept from message to message for context takeover.
    deflater: Option<Box<Deflater>>,
    pub(super) input: Input,
    pub(super) stream_ended: bool,
    pub(super) output: Vec<u8>,
    /// Frames that were sent before the handshake was done; they leave after its last byte.
    early: Vec<u8>,
    /// Events that were not taken yet.
    pub(super) pending: VecDeque<Event>,
    /// Our half of the closing handshake, once it is sent.
    pub(super) close_sent: Option<CloseFrame>,
    transitions: Vec<Transition>,
}

/// The part of the stream that the next bytes belong to. Finer than [`State`], which is enough for
/// callers.
#[derive(Debug)]
pub(super) enum Phase {
    /// The request's header block, searched up to here.
    Head(usize),
    /// Nothing, until the caller has answered the request.
    Asked(Option<Proof>),
    /// Draft-76's eight bytes.
    Key3([u32; 2]),
    /// As a client: the header block of the response.
    Answer(Box<Asked>),
    /// As a client: the body of a rejection.
    Refusal(Box<Refused>),
    /// As a client: draft-76's sixteen bytes.
    Proof([u8; 16]),
    /// Frames.
    Frames(Decoder),
    /// Nothing: further bytes are ignored.
    Over(Ending),
}

impl Connection {
    /// Creates a server's connection that has received nothing yet. [`Connection::client`] creates a
    /// client's.
    pub fn new(config: Arc<Config>) -> Connection {
        Connection {
            config,
            state: State::Opening,
            phase: Phase::Head(0),
            encoder: None,
            request: None,
            answer: None,
            subprotocol: None,
            deflater: None,
            input: Input::default(),
            stream_ended: false,
            output: Vec::new(),
            early: Vec::new(),
            pending: VecDeque::new(),
            close_sent: None,
            transitions: Vec::new(),
        }
    }

    /// Takes bytes as they came from the peer. Where they are cut never matters.
    pub fn receive_data(&mut self, data: &[u8]) {
        self.input.buffer(data.len()).extend_from_slice(data);
    }

    /// Receives the end of the stream: the peer will send nothing more.
    pub fn receive_eof(&mut self) {
        self.stream_ended = true;
    }

    /// Returns the next event, or `None` when more bytes are needed.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            match &mut self.phase {
                Phase::Head(_) => self.read_head()?,
                Phase::Asked(_) if self.stream_ended => self.end_of_stream()?,
                Phase::Asked(_) => return None,
                Phase::Key3(parts) => {
                    let parts = *parts;
                    self.read_key3(parts)?;
                }
                Phase::Answer(_) => self.read_answer()?,
                Phase::Refusal(_) => self.read_refusal()?,
                Phase::Proof(expected) => {
                    let expected = *expected;
                    self.read_proof(expected)?;
                }
                Phase::Frames(decoder) => {
                    if let Some(mut rest) = decoder.overshoot() {
                        // Bytes after the end of a large frame that was read past this buffer.
                        self.input.append(&mut rest);
                    }
                    let (used, decoded) = decoder.decode(self.input.unread(), &self.config);
                    self.input.consume(used);
                    match decoded {
                        Ok(Some(decoded)) => {
                            if let Some(event) = self.decoded(decoded) {
                                return Some(event);
                            }
                        }
                        Ok(None) if self.stream_ended => self.end_of_stream()?,
                        Ok(None) => return None,
                        Err(violation) => self.fail(violation),
                    }
                }
                Phase::Over(_) => {
                    self.input.discard();
                    return None;
                }
            }
        }
    }

    /// Returns the next event if it is a short message and nothing else is to be done. `None` decides
    /// nothing: call [`next_event`](Connection::next_event) then.
    #[inline(always)]
    pub(crate) fn short_message(&mut self) -> Option<Message> {
        let Phase::Frames(decoder) = &self.phase else {
            return None;
        };
        if self.state != State::Ready || !self.pending.is_empty() {
            return None;
        }
        let limit = self.config.limits.message;
        let (used, message) = decoder.short_message(self.input.unread(), limit)?;
        self.input.consume(used);
        Some(message)
    }

    /// Returns the bytes that must be written to the peer now; empty when there are none.
    pub fn data_to_send(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Returns how to end the connection, or `None` while it is not ending.
    pub fn close_expected(&self) -> Option<Ending> {
        match (self.state, &self.phase) {
            (_, Phase::Over(_)) if self.stream_ended => Some(Ending::Linger),
            (_, Phase::Over(ending)) => Some(*ending),
            (State::Closing, _) => Some(Ending::Await),
            _ => None,
        }
    }

    /// Accepts the request that [`Event::Request`] has announced. Plain HTTP cannot be accepted and is
    /// rejected; so is, in the old drafts, an unsupported subprotocol. In both cases the events report
    /// the result.
    ///
    /// # Errors
    /// [`Unsupported::Now`] when no request waits for a response.
    pub fn accept(&mut self, accept: Accept) -> Result<(), Unsupported> {
        let (Phase::Asked(proof), Some(request)) = (&mut self.phase, &self.request) else {
            return Err(Unsupported::Now(self.state));
        };
        let (Some(proof), Some(version)) = (proof.take(), request.version()) else {
            return self.refuse(Refusal::NoUpgrade);
        };
        let agreed = match Agreed::on(accept, request, version, &self.config) {
            Ok(agreed) => agreed,
            Err(refusal) => return self.refuse(refusal),
        };
        self.output.extend(version.answer(request, &proof, &agreed));
        self.subprotocol = agreed.subprotocol;
        self.deflate_by(agreed.deflate.map(|(terms, _)| terms));
        self.change(Trigger::HeadAccepted);
        match proof {
            Proof::Challenge(parts) => self.phase = Phase::Key3(parts),
            Proof::None | Proof::Accept(_) => self.open(version),
        }
        Ok(())
    }

    /// Rejects the request, or the peer that has not sent one yet: status, reason and
    /// `Connection: close` are put into the output.
    ///
    /// # Errors
    /// [`Unsupported::Now`] once a request was accepted or rejected.
    pub fn refuse(&mut self, refusal: Refusal) -> Result<(), Unsupported> {
        self.respond(response::refusal(&refusal))?;
        self.pending.push_back(Event::Refused(refusal));
        Ok(())
    }

    /// Answers the request with an ordinary HTTP response: a page, a health check, a redirect.
    ///
    /// # Errors
    /// [`Unsupported::Now`] once a request was accepted or rejected.
    pub fn respond(&mut self, response: Response) -> Result<(), Unsupported> {
        if self.state != State::Opening || self.role() == Role::Client {
            return Err(Unsupported::Now(self.state));
        }
        let head_only = self.request.as_ref().is_some_and(Request::is_head);
        self.output.extend(response.encode(head_only));
        self.change(Trigger::Refused);
        self.phase = Phase::Over(Ending::Linger);
        Ok(())
    }

    /// Sends a message. Before draft-76's handshake is complete, the message waits for that.
    ///
    /// # Errors
    /// [`Unsupported`] for a message that the version cannot carry, and if the connection cannot send
    /// any more; nothing is sent then.
    pub fn send(&mut self, message: &Message) -> Result<(), Unsupported> {
        let payload = self.deflate(message);
        let (encoder, out) = self.sender()?;
        match payload {
            Some(payload) => encoder.encode_deflated(message, &payload, out),
            None => encoder.encode(message, out)?,
        }
        Ok(())
    }

    /// Sends a ping with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// The same as [`send`](Connection::send); draft-75 and draft-76 have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Unsupported> {
        let (encoder, out) = self.sender()?;
        encoder.encode_ping(payload, out)
    }

    /// Returns the state of the connection.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the changes of state since the last call, in order.
    pub fn transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// Returns the side of the connection that this is.
    pub fn role(&self) -> Role {
        self.encoder.map_or(Role::Server, Encoder::role)
    }

    /// Returns the version, once the request has shown it.
    pub fn version(&self) -> Option<Version> {
        self.encoder.map(Encoder::version)
    }

    /// Returns the encoder of this side's frames, once the version is known: for a caller that sends
    /// frames past the connection.
    pub fn encoder(&self) -> Option<Encoder> {
        self.encoder
    }

    /// Returns the request, once its header block has arrived. A client has none.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// Returns the subprotocol in use, if one was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Whether there is neither output nor a change of state to be taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.output.is_empty() && self.transitions.is_empty()
    }

    /// Whether bytes have come that no event was made of yet.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// The buffer behind [`receive_data`](Connection::receive_data), with room for about `most`
    /// bytes: a shell that reads into it directly saves a copy. Bytes may only be appended.
    pub(crate) fn input_buffer(&mut self, most: usize) -> &mut Vec<u8> {
        let Connection { input, phase, .. } = self;
        match phase {
            Phase::Frames(decoder) if input.is_empty() => match decoder.direct(most) {
                Some(buffer) => buffer,
                None => input.buffer(most),
            },
            _ => input.buffer(most),
        }
    }

    /// Takes bytes as a shell does that reads into [`input_buffer`](Connection::input_buffer): what
    /// is cut and copied differently must not be read differently, and the fuzzer compares the two.
    #[cfg(fuzzing)]
    pub fn read_data(&mut self, most: usize, data: &[u8]) {
        self.input_buffer(most).extend_from_slice(data);
    }

    fn read_head(&mut self) -> Option<()> {
        let Phase::Head(searched) = self.phase else {
            return None;
        };
        let found = Request::search(self.input.unread(), searched, &self.config.limits);
        let judged = match found {
            Ok(Search::Incomplete(_)) if self.stream_ended => return self.end_of_stream(),
            Ok(Search::Incomplete(searched)) => {
                self.phase = Phase::Head(searched);
                return None;
            }
            Ok(Search::Complete(used, request)) => {
                self.input.consume(used);
                request.and_then(|mut request| {
                    let proof = self.config.judge(&mut request);
                    self.encoder = request.version().map(Encoder::server);
                    self.request = Some(request);
                    proof
                })
            }
            Err(refusal) => Err(refusal),
        };
        match judged {
            Ok(proof) => {
                self.phase = Phase::Asked(proof);
                self.pending.push_back(Event::Request);
            }
            // Opening is where refusing is always possible.
            Err(refusal) => self.refuse(refusal).unwrap_or_default(),
        }
        Some(())
    }

    fn read_key3(&mut self, parts: [u32; 2]) -> Option<()> {
        let key3 = self.input.unread().first_chunk::<{ draft76::KEY3_LEN }>();
        match key3.copied() {
            Some(key3) => {
                self.input.consume(key3.len());
                self.output.extend(draft76::proof(parts, key3));
                self.open(Version::Draft76);
                Some(())
            }
            None if self.stream_ended => self.end_of_stream(),
            None => None,
        }
    }

    pub(super) fn open(&mut self, version: Version) {
        self.output.append(&mut self.early);
        self.change(Trigger::HandshakeDone);
        self.phase = Phase::Frames(Decoder::new(version, self.role()).inflating(self.terms()));
        self.pending.push_back(Event::Open);
    }

    fn decoded(&mut self, decoded: Decoded) -> Option<Event> {
        let ready = self.state == State::Ready;
        match decoded {
            // Our close frame is sent: messages that were still on their way are not processed.
            Decoded::Message(message) => ready.then_some(Event::Message(message)),
            Decoded::Pong(payload) => ready.then_some(Event::Pong(payload)),
            Decoded::Ping(payload) => {
                // A ping is answered until the peer's close frame arrives (RFC 6455 §5.5.2). It has 125
                // bytes at most, so a pong can carry them.
                if let Some(encoder) = self.encoder {
                    let _ = encoder.encode_pong(&payload, &mut self.output);
                }
                ready.then_some(Event::Ping(payload))
            }
            Decoded::Close(frame) => {
                self.close_received(frame);
                None
            }
        }
    }

    /// Compresses messages from now on with these negotiated parameters, if there are any.
    pub(super) fn deflate_by(&mut self, terms: Option<Terms>) {
        self.encoder = self.encoder.map(|encoder| encoder.deflating(terms));
    }

    fn terms(&self) -> Option<Terms> {
        self.encoder.and_then(Encoder::terms)
    }

    /// Returns the message compressed, if compression was agreed on and makes it shorter.
    fn deflate(&mut self, message: &Message) -> Option<Vec<u8>> {
        let terms = self.terms().filter(|terms| terms.is_worth(message.len()))?;
        if !terms.takes_over() {
            return Deflater::new(&terms).compress_alone(message);
        }
        let deflater = self
            .deflater
            .get_or_insert_with(|| Box::new(Deflater::new(&terms)));
        let payload = deflater.compress(message.as_bytes());
        if payload.is_none() {
            self.deflater = None;
        }
        payload
    }

    fn sender(&mut self) -> Result<(Encoder, &mut Vec<u8>), Unsupported> {
        match (self.state, self.encoder) {
            (State::Ready, Some(encoder)) => Ok((encoder, &mut self.output)),
            (State::Handshaking, Some(encoder)) => Ok((encoder, &mut self.early)),
            (state, _) => Err(Unsupported::Now(state)),
        }
    }

    pub(super) fn change(&mut self, trigger: Trigger) {
        let from = self.state;
        match from.after(trigger) {
            Some(to) if to != from => {
                self.state = to;
                self.transitions.push(Transition { from, trigger, to });
            }
            Some(_) => {}
            None => debug_assert!(false, "the table has no {trigger:?} in {from}"),
        }
    }
}
