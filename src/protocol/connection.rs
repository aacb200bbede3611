//! The engine: bytes in, events out, output taken. No socket, no thread, no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use super::asking::{Answer, Asked, Refused};
use super::body::Body;
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

/// One peer's conversation, from the first byte of its request to the last of its goodbye.
///
/// The loop that every shell runs is in the [`protocol`](super) module's documentation.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Arc<Config>,
    pub(super) state: State,
    pub(super) phase: Phase,
    /// What writes this side's frames, once the version is known. It knows the role.
    pub(super) encoder: Option<Encoder>,
    request: Option<Request>,
    /// What a client's request was accepted with.
    pub(super) answer: Option<Box<Answer>>,
    pub(super) subprotocol: Option<String>,
    /// What compresses messages, where it outlives them.
    deflater: Option<Box<Deflater>>,
    pub(super) input: Input,
    pub(super) stream_ended: bool,
    pub(super) output: Vec<u8>,
    /// An HTTP answer's, behind the output.
    pub(super) body: Body,
    /// Frames that were sent before the handshake was done; they leave behind its last byte.
    early: Vec<u8>,
    /// Events that were caused and not taken yet.
    pub(super) pending: VecDeque<Event>,
    /// Our half of the closing handshake, once it is sent.
    pub(super) close_sent: Option<CloseFrame>,
    transitions: Vec<Transition>,
}

/// What the next bytes are. Finer than [`State`], which is what others need to know.
#[derive(Debug)]
pub(super) enum Phase {
    /// The request head, searched up to here.
    Head(usize),
    /// Nothing, until the shell has answered the request.
    Asked(Option<Proof>),
    /// Draft-76's eight bytes.
    Key3([u32; 2]),
    /// As a client: the head of the answer.
    Answer(Box<Asked>),
    /// As a client: the body of a refusal.
    Refusal(Box<Refused>),
    /// As a client: draft-76's sixteen bytes.
    Proof([u8; 16]),
    /// Frames.
    Frames(Decoder),
    /// Of no interest.
    Over(Ending),
}

impl Connection {
    /// A server's connection on which nothing was received yet. A client's is made by
    /// [`Connection::client`].
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
            body: Body::default(),
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

    /// Learns that the peer will send nothing more.
    pub fn receive_eof(&mut self) {
        self.stream_ended = true;
    }

    /// The next thing that happened, or `None` when more bytes are needed.
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
                        // Read past the end of a large frame, by the way that avoids this buffer.
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
                    self.input = Input::default();
                    return None;
                }
            }
        }
    }

    /// The next event, where that is a short message and nothing else is to be done. `None` is no
    /// verdict: [`next_event`](Connection::next_event) finds out.
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

    /// Takes the bytes that must be written to the peer now; empty when there are none.
    pub fn data_to_send(&mut self) -> Vec<u8> {
        self.output
            .extend_from_slice(std::mem::take(&mut self.body).as_bytes());
        std::mem::take(&mut self.output)
    }

    /// What to do about the end of the connection, or `None` while it is not ending.
    pub fn close_expected(&self) -> Option<Ending> {
        match (self.state, &self.phase) {
            (_, Phase::Over(_)) if self.stream_ended => Some(Ending::Linger),
            (_, Phase::Over(ending)) => Some(*ending),
            (State::Closing, _) => Some(Ending::Await),
            _ => None,
        }
    }

    /// Accepts the request that [`Event::Request`] has announced. Plain HTTP cannot be accepted
    /// and is refused; so is, in the old drafts, a subprotocol that is not spoken. Either way the
    /// events tell how it went on.
    ///
    /// # Errors
    /// [`Unsupported::Now`] when no request waits for its answer.
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

    /// Refuses the request, or the peer that has not sent one yet: status, reason and
    /// `Connection: close` are put into the output.
    ///
    /// # Errors
    /// [`Unsupported::Now`] once a request was accepted or refused.
    pub fn refuse(&mut self, refusal: Refusal) -> Result<(), Unsupported> {
        self.respond(response::refusal(&refusal))?;
        self.pending.push_back(Event::Refused(refusal));
        Ok(())
    }

    /// Answers the request with an ordinary HTTP answer: a page, a health check, a redirect.
    ///
    /// # Errors
    /// [`Unsupported::Now`] once a request was accepted or refused.
    pub fn respond(&mut self, response: Response) -> Result<(), Unsupported> {
        if self.state != State::Opening || self.role() == Role::Client {
            return Err(Unsupported::Now(self.state));
        }
        let head_only = self.request.as_ref().is_some_and(Request::is_head);
        self.output.extend(response.encode_head());
        if !head_only {
            self.body = response.into_body();
        }
        self.change(Trigger::Refused);
        self.phase = Phase::Over(Ending::Linger);
        Ok(())
    }

    /// Sends a message. Before draft-76's handshake is done, it waits for that.
    ///
    /// # Errors
    /// [`Unsupported`] for what the version cannot carry, and where there is nobody to send to
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
    /// As [`send`](Connection::send); draft-75 and draft-76 have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Unsupported> {
        let (encoder, out) = self.sender()?;
        encoder.encode_ping(payload, out)
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The changes of state since the last call, in order.
    pub fn transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// The side that this is.
    pub fn role(&self) -> Role {
        self.encoder.map_or(Role::Server, Encoder::role)
    }

    /// The version, once the request has told it.
    pub fn version(&self) -> Option<Version> {
        self.encoder.map(Encoder::version)
    }

    /// What writes this side's frames, once the version is known: for a shell that sends them past
    /// the connection.
    pub fn encoder(&self) -> Option<Encoder> {
        self.encoder
    }

    /// The request, once its head has come. A client has none.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// The subprotocol in use, if one was agreed on.
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
            // Our goodbye is out: what was still on its way is no longer processed.
            Decoded::Message(message) => ready.then_some(Event::Message(message)),
            Decoded::Pong(payload) => ready.then_some(Event::Pong(payload)),
            Decoded::Ping(payload) => {
                // A ping is answered until the peer's own goodbye (RFC 6455 §5.5.2). It came in at
                // 125 bytes at most, and so it can go out.
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

    /// Messages are compressed by these terms from now on, if there are any.
    pub(super) fn deflate_by(&mut self, terms: Option<Terms>) {
        self.encoder = self.encoder.map(|encoder| encoder.deflating(terms));
    }

    fn terms(&self) -> Option<Terms> {
        self.encoder.and_then(Encoder::terms)
    }

    /// The message compressed, where that was agreed on and gains something.
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
