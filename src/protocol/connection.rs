//! The protocol engine: bytes in, events out, output taken. No socket, no thread, no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use super::close::CloseFrame;
use super::closing::Ending;
use super::config::Config;
use super::deflate::Deflater;
use super::error::{Rejection, SendError};
use super::framing::{Decoded, Decoder, Encoder, Note};
use super::handshake::request::{Request, Search};
use super::handshake::response;
use super::handshake::response::{Accept, Response};
use super::handshake::{HandshakeResponse, PendingHandshake, Rejected};
use super::http::body::Body;
use super::message::{Event, Message};
use super::receive_buffer::ReceiveBuffer;
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
    pub(super) answer: Option<Box<HandshakeResponse>>,
    pub(super) subprotocol: Option<String>,
    /// What compresses messages, where it outlives them.
    pub(super) deflater: Option<Box<Deflater>>,
    pub(super) input: ReceiveBuffer,
    pub(super) stream_ended: bool,
    pub(super) output: Vec<u8>,
    /// An HTTP answer's, behind the output.
    pub(super) body: Body,
    /// Frames that were sent before the handshake was done; they leave after its last byte.
    pub(super) early: Vec<u8>,
    /// Events that were not taken yet.
    pub(super) pending: VecDeque<Event>,
    /// Our half of the closing handshake, once it is sent.
    pub(super) close_sent: Option<CloseFrame>,
    pub(super) transitions: Vec<Transition>,
    /// Whether the headers of frames are recorded for a log.
    pub(super) noting: bool,
    pub(super) notes: Vec<Note>,
    /// Whether a request that breaks a rule is announced like any other.
    announces_all: bool,
    /// The rule that the announced request breaks.
    objection: Option<Box<Rejection>>,
}

/// The part of the stream that the next bytes belong to. Finer than [`State`], which is enough for
/// callers.
#[derive(Debug)]
pub(super) enum Phase {
    /// The request's header block, searched up to here.
    Head(usize),
    /// Nothing, until the caller has answered the request.
    PendingHandshake(Option<Proof>),
    /// Draft-76's eight bytes.
    Key3([u32; 2]),
    /// As a client: the header block of the response.
    HandshakeResponse(Box<PendingHandshake>),
    /// As a client: the body of a rejection.
    Rejection(Box<Rejected>),
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
            input: ReceiveBuffer::default(),
            stream_ended: false,
            output: Vec::new(),
            body: Body::default(),
            early: Vec::new(),
            pending: VecDeque::new(),
            close_sent: None,
            transitions: Vec::new(),
            noting: false,
            notes: Vec::new(),
            announces_all: false,
            objection: None,
        }
    }

    /// Announces a request even if it breaks a rule, if it can be parsed: for a caller that must count
    /// it before it is answered. The caller then takes the [objection](Connection::take_objection).
    pub(crate) fn announcing_all(mut self) -> Connection {
        self.announces_all = true;
        self
    }

    /// Returns why the announced request must be rejected, if it must.
    pub(crate) fn take_objection(&mut self) -> Option<Rejection> {
        self.objection.take().map(|objection| *objection)
    }

    /// Receives bytes from the peer. The stream may be split at any point.
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
                Phase::PendingHandshake(_) if self.stream_ended => self.end_of_stream()?,
                Phase::PendingHandshake(_) => return None,
                Phase::Key3(parts) => {
                    let parts = *parts;
                    self.read_key3(parts)?;
                }
                Phase::HandshakeResponse(_) => self.read_answer()?,
                Phase::Rejection(_) => self.read_rejection()?,
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
                    decoder.notes().move_to(&mut self.notes);
                    self.input.consume(used);
                    match decoded {
                        Ok(Some(decoded)) => {
                            if let Some(event) = self.decoded(decoded) {
                                return Some(event);
                            }
                        }
                        Ok(None) if self.stream_ended => self.end_of_stream()?,
                        Ok(None) => return None,
                        Err(protocol_error) => self.fail(protocol_error),
                    }
                }
                Phase::Over(_) => {
                    self.input = ReceiveBuffer::default();
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
        self.output
            .extend_from_slice(std::mem::take(&mut self.body).as_bytes());
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
    /// [`SendError::Now`] when no request waits for a response.
    pub fn accept(&mut self, accept: Accept) -> Result<(), SendError> {
        let (Phase::PendingHandshake(proof), Some(request)) = (&mut self.phase, &self.request)
        else {
            return Err(SendError::Now(self.state));
        };
        let (Some(proof), Some(version)) = (proof.take(), request.version()) else {
            let rejection = request.no_upgrade();
            return self.reject(rejection);
        };
        let agreed = match Agreed::on(accept, request, version, &self.config) {
            Ok(agreed) => agreed,
            Err(rejection) => return self.reject(rejection),
        };
        self.output.extend(version.answer(request, &proof, &agreed));
        self.subprotocol = agreed.subprotocol;
        self.deflate_by(agreed.deflate.map(|(negotiated, _)| negotiated));
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
    /// [`SendError::Now`] once a request was accepted or rejected.
    pub fn reject(&mut self, rejection: Rejection) -> Result<(), SendError> {
        self.respond(response::rejection(&rejection))?;
        self.pending.push_back(Event::Rejected(rejection));
        Ok(())
    }

    /// Answers the request with an ordinary HTTP response: a page, a health check, a redirect.
    ///
    /// # Errors
    /// [`SendError::Now`] once a request was accepted or rejected.
    pub fn respond(&mut self, response: Response) -> Result<(), SendError> {
        if self.state != State::Opening || self.role() == Role::Client {
            return Err(SendError::Now(self.state));
        }
        let head_only = self.request.as_ref().is_some_and(Request::is_head);
        self.output.extend(response.encode_head(self.config.date));
        if !head_only {
            self.body = response.into_body();
        }
        self.change(Trigger::Refused);
        self.phase = Phase::Over(Ending::Linger);
        Ok(())
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

    /// Returns whether there is neither output nor a change of state to be taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.output.is_empty() && self.transitions.is_empty()
    }

    /// Sets whether the headers of frames are recorded from now on, for [`notes`](Connection::notes).
    pub(crate) fn note_frames(&mut self, noting: bool) {
        self.noting = noting;
        if let Phase::Frames(decoder) = &mut self.phase {
            decoder.notes().frames = noting;
        }
    }

    /// What a log may want, since the last call.
    pub(crate) fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Whether there is something that a log may want.
    pub(crate) fn has_notes(&self) -> bool {
        !self.notes.is_empty()
    }

    /// Returns whether there are received bytes that were not decoded yet.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Returns the bytes of memory that are held now for received bytes: the receive buffer, the part of
    /// an unfinished message, and the state of decompression. Messages that were taken are not included,
    /// nor is the request.
    ///
    /// The memory of one connection is bounded by [`Limits::message`](super::Limits::message) and a
    /// constant; a caller that serves many connections bounds the sum.
    pub fn held_bytes(&self) -> usize {
        let decoder = match &self.phase {
            Phase::Frames(decoder) => decoder.held(),
            _ => 0,
        };
        let request = self.request.as_ref().map_or(0, Request::memory);
        self.input.capacity() + decoder + request
    }

    /// Returns how many bytes of an unfinished message, or of an unfinished frame, were received; 0 if
    /// none has begun. Any part of a frame header or of a control frame counts as 1.
    pub(crate) fn unfinished(&self) -> usize {
        match &self.phase {
            Phase::Frames(decoder) => decoder.unfinished().max(usize::from(self.has_input())),
            _ => 0,
        }
    }

    /// Returns the buffer behind [`receive_data`](Connection::receive_data), with room for about `most`
    /// bytes: a caller that reads into it directly saves a copy. Bytes may only be appended.
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

    /// Receives bytes through [`input_buffer`](Connection::input_buffer): bytes that are split and
    /// copied differently must be decoded equally, and the fuzzer compares the two ways.
    #[cfg(fuzzing)]
    pub fn read_data(&mut self, most: usize, data: &[u8]) {
        self.input_buffer(most).extend_from_slice(data);
    }

    /// Leaves the body of an HTTP answer out of the output, for a shell that sends it behind that
    /// without a copy.
    pub(crate) fn leave_out_body(&mut self) {
        self.body = Body::default();
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
            Err(rejection) => Err(rejection),
        };
        match judged {
            Ok(proof) => {
                self.phase = Phase::PendingHandshake(proof);
                self.pending.push_back(Event::Request);
            }
            Err(rejection) if self.announces_all && self.request.is_some() => {
                self.objection = Some(Box::new(rejection));
                self.phase = Phase::PendingHandshake(None);
                self.pending.push_back(Event::Request);
            }
            // In Opening, a rejection is always possible.
            Err(rejection) => self.reject(rejection).unwrap_or_default(),
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
        self.phase = Phase::Frames(Decoder::new(version, self.role()).inflating(self.negotiated()));
        self.note_frames(self.noting);
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
