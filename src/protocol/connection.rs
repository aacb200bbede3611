//! The protocol engine: bytes in, events out, output taken. No socket, no thread, no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use super::close::{CloseFrame, Closed, Initiator};
use super::closing::{ClosingHandshake, Ending};
use super::config::Config;
use super::error::{ProtocolError, Rejection, SendError};
use super::framing::{Decoded, Decoder, Encoder, Note};
use super::handshake::request::Search;
use super::handshake::response;
use super::handshake::{Accept, ClientHandshake, ClientRequest, HandshakeError, HandshakeResponse};
use super::handshake::{Progress, Proof, Request, Response, agree, judge};
use super::message::{Event, Message};
use super::output::Output;
use super::phase::Phase;
use super::receive_buffer::ReceiveBuffer;
use super::role::{Entropy, Role};
use super::state::{State, StateMachine, Transition, Trigger};
use super::version::{Closing, Version, draft76};

/// The protocol side of one connection, from the first byte of the request to the last byte of the
/// closing handshake.
///
/// The documentation of the [`protocol`](super) module has the loop that every caller runs.
#[must_use]
#[doc(alias = "sans-io")]
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    machine: StateMachine,
    phase: Phase,
    input: ReceiveBuffer,
    stream_ended: bool,
    output: Output,
    request: Option<Request>,
    /// The response that has accepted a client's request.
    response: Option<Box<HandshakeResponse>>,
    subprotocol: Option<Box<str>>,
    closing: ClosingHandshake,
    /// Events that were not taken yet.
    pending: VecDeque<Event>,
    /// Whether the headers of frames are recorded for a log.
    noting: bool,
    pub(crate) notes: Vec<Note>,
    /// Whether a request that breaks a rule is announced like any other.
    announces_all: bool,
    /// The rule that the announced request breaks.
    objection: Option<Box<Rejection>>,
}

impl Connection {
    /// Creates a server's connection that has received nothing yet. [`Connection::client`] creates a
    /// client's.
    pub fn new(config: Arc<Config>) -> Connection {
        Connection {
            config,
            machine: StateMachine::default(),
            phase: Phase::Head(0),
            input: ReceiveBuffer::default(),
            stream_ended: false,
            output: Output::default(),
            request: None,
            response: None,
            subprotocol: None,
            closing: ClosingHandshake::default(),
            pending: VecDeque::new(),
            noting: false,
            notes: Vec::new(),
            announces_all: false,
            objection: None,
        }
    }

    /// Creates a client's connection that has no response yet: the first
    /// [`data_to_send`](Connection::data_to_send) is the request. A client uses the limits and the
    /// compression of `config`; all else is for servers. `entropy` is used for keys and for a mask on
    /// every frame.
    #[inline]
    pub fn client(config: Arc<Config>, request: &ClientRequest, entropy: Entropy) -> Connection {
        let (handshake, bytes) = ClientHandshake::begin(request, &config, entropy);
        let mut connection = Connection::new(config);
        connection.output.encoder = Some(Encoder::client(handshake.version(), entropy));
        connection.output.write(&bytes);
        connection.phase = Phase::Response(Box::new(handshake), Connection::read_response);
        connection
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
    #[must_use]
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            match &mut self.phase {
                Phase::Head(_) => self.read_head()?,
                Phase::Announced(_) if self.stream_ended => self.end_of_stream(),
                Phase::Announced(_) => return None,
                Phase::Key3(parts) => {
                    let parts = *parts;
                    self.read_key3(parts)?;
                }
                Phase::Response(_, read) => (*read)(self)?,
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
                        Ok(None) if self.stream_ended => self.end_of_stream(),
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

    /// Receives the next message, or the rest of the present one, in pieces: an [`Event::Piece`] for each
    /// part, as it comes, in place of [`Event::Message`]. It may have `limit` bytes, in place of
    /// [`Limits::message`](super::Limits::message). The message after it comes whole again.
    pub fn receive_in_pieces(&mut self, limit: usize) {
        if let Phase::Frames(decoder) = &mut self.phase {
            decoder.begin_pieces(limit);
        }
    }

    /// Returns the bytes that must be written to the peer now; empty when there are none.
    #[must_use]
    pub fn data_to_send(&mut self) -> Vec<u8> {
        self.output.take()
    }

    /// Returns how to end the connection, or `None` while it is not ending.
    #[must_use]
    pub fn close_expected(&self) -> Option<Ending> {
        match (self.state(), &self.phase) {
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
    /// [`SendError::WrongState`] when no request waits for a response.
    pub fn accept(&mut self, accept: Accept) -> Result<(), SendError> {
        let (Phase::Announced(proof), Some(request)) = (&mut self.phase, &self.request) else {
            return Err(SendError::WrongState(self.state()));
        };
        let (Some(proof), Some(version)) = (proof.take(), request.version()) else {
            let rejection = request.no_upgrade();
            return self.reject(rejection);
        };
        let agreed = match agree(accept, request, version, &self.config) {
            Ok(agreed) => agreed,
            Err(rejection) => return self.reject(rejection),
        };
        self.output
            .write(&version.response(request, &proof, &agreed));
        self.subprotocol = agreed.subprotocol.map(String::into);
        self.output
            .deflate_by(agreed.deflate.map(|(negotiated, _)| negotiated));
        self.machine.change(Trigger::HeadAccepted);
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
    /// [`SendError::WrongState`] once a request was accepted or rejected.
    pub fn reject(&mut self, rejection: Rejection) -> Result<(), SendError> {
        self.respond(response::rejection(&rejection))?;
        self.pending.push_back(Event::Rejected(rejection));
        Ok(())
    }

    /// Answers the request with an ordinary HTTP response: a page, a health check, a redirect.
    ///
    /// # Errors
    /// [`SendError::WrongState`] once a request was accepted or rejected.
    pub fn respond(&mut self, response: Response) -> Result<(), SendError> {
        if self.state() != State::Opening || self.role() == Role::Client {
            return Err(SendError::WrongState(self.state()));
        }
        let head_only = self.request.as_ref().is_some_and(Request::is_head);
        self.output.respond(response, head_only, self.config.date);
        self.machine.change(Trigger::Refused);
        self.phase = Phase::Over(Ending::Linger);
        Ok(())
    }

    /// Sends a message. Before draft-76's handshake is complete, the message waits for that.
    ///
    /// # Errors
    /// [`SendError`] for a message that the version cannot carry, and if the connection cannot send
    /// any more; nothing is sent then.
    pub fn send(&mut self, message: &Message) -> Result<(), SendError> {
        self.output.message(message, self.state())
    }

    /// Sends a ping with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// The same as [`send`](Connection::send); draft-75 and draft-76 have no ping.
    #[inline]
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.output.ping(payload, self.state())
    }

    /// Starts the closing handshake in the version's own way: a close frame, `FF 00`, or closing the
    /// TCP connection. Without a frame, the close has no code. A second close is not sent.
    ///
    /// # Errors
    /// [`SendError`] for a code that may not be sent or a reason above 123 bytes, and for a
    /// request that this side still has to answer: call [`reject`](Connection::reject) for that.
    #[inline]
    pub fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), SendError> {
        match (self.state(), self.role()) {
            (State::Ready, _) => {
                self.output.close(frame.as_ref())?;
                self.close_was_sent(frame);
            }
            (State::Opening, Role::Server) => return Err(SendError::WrongState(self.state())),
            (State::Opening | State::Handshaking, _) => {
                // The 101, or draft-76's proof, was not received or not sent: the only way to end is to
                // close the TCP connection.
                self.machine.change(Trigger::Failed);
                self.phase = Phase::Over(Ending::Linger);
            }
            (State::Closing | State::Error | State::Rejected, _) => {}
        }
        Ok(())
    }

    /// Records that other code has sent a close to the peer, so that the peer's half completes the
    /// closing handshake, and no second close is sent.
    pub fn close_was_sent(&mut self, frame: Option<CloseFrame>) {
        if self.state() != State::Ready {
            return;
        }
        let frame = frame.unwrap_or(CloseFrame::WITHOUT_CODE);
        self.machine.change(Trigger::CloseStarted);
        match self.closes_tcp() {
            true => self.closed(Closed::of(frame, Initiator::Us, true)),
            false => self.closing.sent(frame),
        }
    }

    /// Records that this side has failed the open connection: there is no closing handshake.
    pub fn abandon(&mut self) {
        if self.state() == State::Ready {
            self.machine.change(Trigger::Failed);
            let closed = self.closing.cut_short();
            self.closed(closed);
        }
    }

    /// Returns the state of the connection.
    #[inline]
    pub fn state(&self) -> State {
        self.machine.state()
    }

    /// Returns the changes of state since the last call, in order.
    #[must_use]
    pub fn transitions(&mut self) -> Vec<Transition> {
        self.machine.take_transitions()
    }

    /// Returns the side of the connection that this is.
    pub fn role(&self) -> Role {
        self.output.role()
    }

    /// Returns the version, once the request has shown it.
    pub fn version(&self) -> Option<Version> {
        self.output.version()
    }

    /// Returns the encoder of this side's frames, once the version is known: for a caller that sends
    /// frames past the connection.
    pub fn encoder(&self) -> Option<Encoder> {
        self.output.encoder
    }

    /// Returns the request, once its header block has arrived. A client has none.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// Returns the server's response, once it has accepted the request, with `Set-Cookie` and all other
    /// headers. A server has none.
    pub fn response(&self) -> Option<&HandshakeResponse> {
        self.response.as_deref()
    }

    /// Returns the subprotocol in use, if one was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the bytes of memory that are held now for received bytes: the receive buffer, the part of
    /// an unfinished message, and the state of decompression. Messages that were taken are not included,
    /// nor is the request.
    ///
    /// The memory of one connection is bounded by [`Limits::message`](super::Limits::message) and a
    /// constant; a caller that serves many connections bounds the sum.
    pub fn held_bytes(&self) -> usize {
        let request = self.request.as_ref().map_or(0, Request::memory);
        self.input.capacity() + self.phase.held() + request
    }

    /// Receives bytes through `input_buffer`: bytes that are split and
    /// copied differently must be decoded equally, and the fuzzer compares the two ways.
    #[cfg(fuzzing)]
    pub fn read_data(&mut self, most: usize, data: &[u8]) {
        self.input_buffer(most).extend_from_slice(data);
    }

    /// Sets whether the headers of frames are recorded from now on, in `notes`.
    pub(crate) fn note_frames(&mut self, noting: bool) {
        self.noting = noting;
        if let Phase::Frames(decoder) = &mut self.phase {
            decoder.notes().frames = noting;
        }
    }

    fn read_head(&mut self) -> Option<()> {
        let Phase::Head(searched) = self.phase else {
            return None;
        };
        let found = Request::search(self.input.unread(), searched, &self.config.limits);
        let judged = match found {
            Ok(Search::Incomplete(_)) if self.stream_ended => {
                self.end_of_stream();
                return Some(());
            }
            Ok(Search::Incomplete(searched)) => {
                self.phase = Phase::Head(searched);
                return None;
            }
            Ok(Search::Complete(used, request)) => {
                self.input.consume(used);
                request.and_then(|mut request| {
                    let proof = judge(&mut request, &self.config);
                    self.output.encoder = request.version().map(Encoder::server);
                    self.request = Some(request);
                    proof
                })
            }
            Err(rejection) => Err(rejection),
        };
        match judged {
            Ok(proof) => {
                self.phase = Phase::Announced(proof);
                self.pending.push_back(Event::Request);
            }
            Err(rejection) if self.announces_all && self.request.is_some() => {
                self.objection = Some(Box::new(rejection));
                self.phase = Phase::Announced(None);
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
                self.output.write(&draft76::proof(parts, key3));
                self.open(Version::Draft76);
            }
            None if self.stream_ended => self.end_of_stream(),
            None => return None,
        }
        Some(())
    }

    #[inline]
    fn read_response(&mut self) -> Option<()> {
        let Phase::Response(handshake, _) = &mut self.phase else {
            return None;
        };
        let version = handshake.version();
        let unread = self.input.unread();
        let (used, progress) = handshake.read(unread, self.stream_ended, &self.config);
        self.input.consume(used);
        match progress {
            Ok(Progress::Incomplete) if self.stream_ended => {
                self.decline(HandshakeError::StreamEnded);
            }
            Ok(Progress::Incomplete) => return None,
            Ok(Progress::Accepted(accepted)) => {
                self.subprotocol = accepted.subprotocol.map(String::into);
                self.output.deflate_by(accepted.deflate);
                self.response = Some(accepted.response);
                self.machine.change(Trigger::HeadAccepted);
            }
            Ok(Progress::Complete) => self.open(version),
            Err(error) => self.decline(error),
        }
        Some(())
    }

    #[inline]
    fn decline(&mut self, error: HandshakeError) {
        self.machine.change(match error {
            HandshakeError::Status(_) => Trigger::Refused,
            HandshakeError::StreamEnded => Trigger::StreamEnded,
            _ => Trigger::Failed,
        });
        self.phase = Phase::Over(Ending::Linger);
        self.pending.push_back(Event::Declined(Box::new(error)));
    }

    fn open(&mut self, version: Version) {
        self.output.open();
        self.machine.change(Trigger::HandshakeDone);
        let decoder = Decoder::new(version, self.role()).inflating(self.output.negotiated());
        self.phase = Phase::Frames(decoder);
        self.note_frames(self.noting);
        self.pending.push_back(Event::Open);
    }

    fn decoded(&mut self, decoded: Decoded) -> Option<Event> {
        let ready = self.state() == State::Ready;
        match decoded {
            // Our close frame is sent: messages that were still on their way are not processed.
            Decoded::Message(message) => ready.then_some(Event::Message(message)),
            Decoded::Piece(piece) => ready.then_some(Event::Piece(piece)),
            Decoded::Pong(payload) => ready.then_some(Event::Pong(payload)),
            Decoded::Ping(payload) => {
                // A ping is answered until the peer's close frame arrives (RFC 6455 §5.5.2).
                self.output.pong(&payload);
                ready.then_some(Event::Ping(payload))
            }
            Decoded::Close(frame) => {
                self.machine.change(Trigger::CloseStarted);
                let closed = self.closing.received(frame, &mut self.output);
                self.closed(closed);
                None
            }
        }
    }

    fn fail(&mut self, protocol_error: ProtocolError) {
        self.machine.change(Trigger::Failed);
        let reasons = self.config.close_reasons;
        let closed = self.closing.fail(protocol_error, reasons, &mut self.output);
        self.closed(closed);
    }

    /// Handles the end of the stream, once its bytes are used up.
    fn end_of_stream(&mut self) {
        let Phase::Frames(decoder) = &self.phase else {
            self.machine.change(Trigger::StreamEnded);
            self.phase = Phase::Over(Ending::Linger);
            return;
        };
        let closed = match decoder.is_between_frames() {
            // Draft-75 has no other close.
            clean if self.state() == State::Ready && self.closes_tcp() => {
                self.machine.change(Trigger::CloseStarted);
                Closed::of(CloseFrame::WITHOUT_CODE, Initiator::Peer, clean)
            }
            _ => self.closing.cut_short(),
        };
        self.machine.change(Trigger::StreamEnded);
        self.closed(closed);
    }

    fn closed(&mut self, closed: Closed) {
        self.phase = Phase::Over(match self.role() {
            Role::Client if closed.clean && !self.closes_tcp() => Ending::Follow,
            _ => Ending::Linger,
        });
        self.pending.push_back(Event::Closed(closed));
    }

    /// Returns whether closing the TCP connection is the version's close.
    fn closes_tcp(&self) -> bool {
        self.version().map(Version::closing) == Some(Closing::CloseTcp)
    }
}

/// For the loop of a thread, in `net`.
#[cfg(any(feature = "server", feature = "client"))]
impl Connection {
    /// Announces a request even if it breaks a rule, if it can be parsed: for a caller that must count
    /// it before it is answered. The caller then takes the [objection](Connection::take_objection).
    #[cfg(feature = "server")]
    pub(crate) fn announcing_all(mut self) -> Connection {
        self.announces_all = true;
        self
    }

    /// Returns why the announced request must be rejected, if it must.
    #[cfg(feature = "server")]
    pub(crate) fn take_objection(&mut self) -> Option<Rejection> {
        self.objection.take().map(|objection| *objection)
    }

    /// Returns the next event if it is a short message and nothing else is to be done. `None` decides
    /// nothing: call [`next_event`](Connection::next_event) then.
    #[inline(always)]
    pub(crate) fn short_message(&mut self) -> Option<Message> {
        let Phase::Frames(decoder) = &self.phase else {
            return None;
        };
        if self.state() != State::Ready || !self.pending.is_empty() {
            return None;
        }
        let limit = self.config.limits.message;
        let (used, message) = decoder.short_message(self.input.unread(), limit)?;
        self.input.consume(used);
        Some(message)
    }

    /// Returns whether a message is received in pieces whose last one has not come.
    pub(crate) fn is_in_pieces(&self) -> bool {
        matches!(&self.phase, Phase::Frames(decoder) if decoder.is_in_pieces())
    }

    /// Returns whether there is neither output nor a change of state to be taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.output.is_empty() && !self.machine.has_transitions()
    }

    /// Returns whether there are received bytes that were not decoded yet.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
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

    /// Leaves the body of an HTTP response out of the output, for a caller that sends it after the
    /// output without a copy.
    #[cfg(feature = "server")]
    pub(crate) fn leave_out_body(&mut self) {
        self.output.leave_out_body();
    }
}
