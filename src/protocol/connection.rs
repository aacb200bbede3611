//! The engine: bytes in, events out, output taken. No socket, no thread, no clock.

use std::sync::Arc;

use super::close::{CloseCode, CloseFrame, Closed, Initiator};
use super::config::Config;
use super::error::{Refusal, Unsupported, Violation};
use super::framing::{Decoded, Decoder};
use super::message::{Event, Message};
use super::request::{Request, Search};
use super::response::{self, Accept, Response};
use super::state::{State, Transition, Trigger};
use super::version::{Agreed, Closing, Proof, Version, draft76};

/// One peer's conversation, from the first byte of its request to the last of its goodbye.
///
/// The loop that every shell runs is in the [module's documentation](super).
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    state: State,
    phase: Phase,
    request: Option<Request>,
    subprotocol: Option<String>,
    input: Input,
    stream_ended: bool,
    output: Vec<u8>,
    /// Frames that were sent before the handshake was done; they leave behind its last byte.
    early: Vec<u8>,
    /// An event that a call of the shell has caused.
    pending: Option<Event>,
    /// Our half of the closing handshake, once it is sent.
    close_sent: Option<CloseFrame>,
    transitions: Vec<Transition>,
}

/// What the next bytes are. Finer than [`State`], which is what others need to know.
#[derive(Debug)]
enum Phase {
    /// The request head, searched up to here.
    Head(usize),
    /// Nothing, until the shell has answered the request.
    Asked(Option<Proof>),
    /// Draft-76's eight bytes.
    Key3([u32; 2]),
    /// Frames.
    Frames(Decoder),
    /// Of no interest.
    Over,
}

/// What the shell should do about the end, once the output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Go on reading, for a bounded time: the peer's half of the close is missing.
    Await,
    /// Shut the write side, drain briefly, close. Closing at once, with bytes unread, would make
    /// TCP reset the connection, and the peer might never see the last thing it was told.
    Linger,
}

#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    start: usize,
}

impl Connection {
    /// A connection on which nothing was received yet.
    pub fn new(config: Arc<Config>) -> Connection {
        Connection {
            config,
            state: State::Opening,
            phase: Phase::Head(0),
            request: None,
            subprotocol: None,
            input: Input::default(),
            stream_ended: false,
            output: Vec::new(),
            early: Vec::new(),
            pending: None,
            close_sent: None,
            transitions: Vec::new(),
        }
    }

    /// Takes bytes as they came from the peer. Where they are cut never matters.
    pub fn receive_data(&mut self, data: &[u8]) {
        self.input_buffer().extend_from_slice(data);
    }

    /// Learns that the peer will send nothing more.
    pub fn receive_eof(&mut self) {
        self.stream_ended = true;
    }

    /// The next thing that happened, or `None` when more bytes are needed.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.take() {
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
                Phase::Frames(decoder) => {
                    let (used, decoded) = decoder.decode(self.input.unread(), &self.config);
                    self.input.consume(used);
                    match decoded {
                        Ok(Some(decoded)) => self.decoded(decoded),
                        Ok(None) if self.stream_ended => self.end_of_stream()?,
                        Ok(None) => return None,
                        Err(violation) => self.fail(violation),
                    }
                }
                Phase::Over => {
                    self.input.discard();
                    return None;
                }
            }
        }
    }

    /// Takes the bytes that must be written to the peer now; empty when there are none.
    pub fn data_to_send(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What to do about the end of the connection, or `None` while it is not ending.
    pub fn close_expected(&self) -> Option<Ending> {
        match (self.state, &self.phase) {
            (_, Phase::Over) => Some(Ending::Linger),
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
        self.pending = Some(Event::Refused(refusal));
        Ok(())
    }

    /// Answers the request with an ordinary HTTP answer: a page, a health check, a redirect.
    ///
    /// # Errors
    /// [`Unsupported::Now`] once a request was accepted or refused.
    pub fn respond(&mut self, response: Response) -> Result<(), Unsupported> {
        if self.state != State::Opening {
            return Err(Unsupported::Now(self.state));
        }
        self.output.extend(response.encode());
        self.change(Trigger::Refused);
        self.phase = Phase::Over;
        Ok(())
    }

    /// Sends a message. Before draft-76's handshake is done, it waits for that.
    ///
    /// # Errors
    /// [`Unsupported`] for what the version cannot carry, and where there is nobody to send to
    /// any more; nothing is sent then.
    pub fn send(&mut self, message: &Message) -> Result<(), Unsupported> {
        let (version, out) = self.sender()?;
        version.encode(message, out)
    }

    /// Sends a ping with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// As [`send`](Connection::send); draft-75 and draft-76 have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Unsupported> {
        let (version, out) = self.sender()?;
        version.encode_ping(payload, out)
    }

    /// Says goodbye in the version's own way: a close frame, `FF 00`, or hanging up. Without a
    /// frame, the close has no code. A second goodbye is not sent.
    ///
    /// # Errors
    /// [`Unsupported`] for a code that may not be sent or a reason above 123 bytes.
    pub fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Unsupported> {
        let (State::Ready, Some(version)) = (self.state, self.version()) else {
            if self.state == State::Handshaking {
                // The 101 of draft-76 is out, its proof is not: all that is left is to hang up.
                self.change(Trigger::Failed);
                self.phase = Phase::Over;
            }
            return Ok(());
        };
        version.encode_close(frame.as_ref(), &mut self.output)?;
        self.close_was_sent(frame);
        Ok(())
    }

    /// Learns that a goodbye was written to the peer by somebody else, so that the peer's half is
    /// taken for an answer and no second one is sent.
    pub fn close_was_sent(&mut self, frame: Option<CloseFrame>) {
        if self.state != State::Ready {
            return;
        }
        self.close_sent = Some(frame.unwrap_or(NO_CODE));
        self.change(Trigger::CloseStarted);
        if self.version().map(Version::closing) == Some(Closing::HangUp) {
            self.closed(Initiator::Us, None, true);
        }
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The changes of state since the last call, in order.
    pub fn transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// The version, once the request has told it.
    pub fn version(&self) -> Option<Version> {
        self.request.as_ref().and_then(Request::version)
    }

    /// The request, once its head has come.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// The subprotocol in use, if one was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Whether bytes have come that no event was made of yet.
    pub(crate) fn has_input(&self) -> bool {
        self.input.start < self.input.bytes.len()
    }

    /// The buffer behind [`receive_data`](Connection::receive_data): a shell that reads into it
    /// directly saves a copy. Bytes may only be appended.
    pub(crate) fn input_buffer(&mut self) -> &mut Vec<u8> {
        self.input.compact();
        &mut self.input.bytes
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
                    self.request = Some(request);
                    proof
                })
            }
            Err(refusal) => Err(refusal),
        };
        match judged {
            Ok(proof) => {
                self.phase = Phase::Asked(proof);
                self.pending = Some(Event::Request);
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

    fn open(&mut self, version: Version) {
        self.output.append(&mut self.early);
        self.change(Trigger::HandshakeDone);
        self.phase = Phase::Frames(Decoder::new(version));
        self.pending = Some(Event::Open);
    }

    fn decoded(&mut self, decoded: Decoded) {
        match decoded {
            Decoded::Close(frame) => self.close_received(frame),
            // Our goodbye is out: what was still on its way is no longer processed.
            _ if self.state != State::Ready => {}
            Decoded::Message(message) => self.pending = Some(Event::Message(message)),
            Decoded::Pong(payload) => self.pending = Some(Event::Pong(payload)),
            Decoded::Ping(payload) => {
                if let Some(version) = self.version() {
                    // Control payloads come in at 125 bytes at most, so this goes out.
                    let _ = version.encode_pong(&payload, &mut self.output);
                }
                self.pending = Some(Event::Ping(payload));
            }
        }
    }

    fn close_received(&mut self, frame: Option<CloseFrame>) {
        let initiator = match self.close_sent {
            Some(_) => Initiator::Us,
            None => Initiator::Peer,
        };
        if let (Initiator::Peer, Some(version)) = (initiator, self.version()) {
            // The same code back, without the reason (RFC 6455 §5.5.1).
            let echo = frame.as_ref().map(|frame| CloseFrame {
                code: frame.code,
                reason: String::new(),
            });
            let _ = version.encode_close(echo.as_ref(), &mut self.output);
        }
        self.change(Trigger::CloseStarted);
        let frame = match (initiator, self.close_sent.take()) {
            (Initiator::Us, Some(sent)) => sent,
            _ => frame.unwrap_or(NO_CODE),
        };
        self.close_sent = Some(frame);
        self.closed(initiator, None, true);
    }

    /// Fails the connection (RFC 6455 §7.1.7): the code that the version has for the violation,
    /// unless a goodbye is out already, then the end.
    fn fail(&mut self, violation: Violation) {
        let code = self.version().and_then(|version| {
            let code = violation.close_code(version)?;
            Some((version, code))
        });
        let code = match (code, &self.close_sent) {
            (Some((version, code)), None) => {
                let frame = CloseFrame { code, reason: String::new() };
                let _ = version.encode_close(Some(&frame), &mut self.output);
                code
            }
            _ => CloseCode::ABNORMAL,
        };
        let sent = self.close_sent.take();
        self.close_sent = sent.or(Some(CloseFrame { code, reason: String::new() }));
        self.change(Trigger::Failed);
        self.closed(Initiator::Us, Some(violation), false);
    }

    /// The stream has ended and its bytes are used up.
    fn end_of_stream(&mut self) -> Option<()> {
        let hangs_up = self.version().map(Version::closing) == Some(Closing::HangUp);
        let open = matches!(self.phase, Phase::Frames(_));
        if open && hangs_up && self.state == State::Ready {
            // Draft-75 knows no other goodbye.
            let whole = matches!(&self.phase, Phase::Frames(decoder) if decoder.is_between_frames());
            self.change(Trigger::CloseStarted);
            self.change(Trigger::StreamEnded);
            self.close_sent = Some(NO_CODE);
            self.closed(Initiator::Peer, None, whole);
        } else {
            self.change(Trigger::StreamEnded);
            match self.close_sent {
                _ if !open => self.phase = Phase::Over,
                Some(_) => self.closed(Initiator::Us, None, false),
                None => self.closed(Initiator::Nobody, None, false),
            }
        }
        Some(())
    }

    fn closed(&mut self, initiator: Initiator, violation: Option<Violation>, clean: bool) {
        let lost = CloseFrame { code: CloseCode::ABNORMAL, reason: String::new() };
        let frame = self.close_sent.clone().unwrap_or(lost);
        self.phase = Phase::Over;
        self.pending = Some(Event::Closed(Closed {
            code: frame.code,
            reason: frame.reason,
            initiator,
            clean,
            violation,
        }));
    }

    fn sender(&mut self) -> Result<(Version, &mut Vec<u8>), Unsupported> {
        match (self.state, self.version()) {
            (State::Ready, Some(version)) => Ok((version, &mut self.output)),
            (State::Handshaking, Some(version)) => Ok((version, &mut self.early)),
            (state, _) => Err(Unsupported::Now(state)),
        }
    }

    fn change(&mut self, trigger: Trigger) {
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

/// What stands for a close without a code (RFC 6455 §7.1.5).
const NO_CODE: CloseFrame = CloseFrame {
    code: CloseCode::NO_CODE,
    reason: String::new(),
};

impl Input {
    fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    fn consume(&mut self, used: usize) {
        self.start += used;
        if self.start == self.bytes.len() {
            self.discard();
        }
    }

    fn discard(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    fn compact(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
    }
}
