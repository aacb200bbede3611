//! Every way in which a conversation ends: goodbyes from either side, violations, losses.

use super::asking::HandshakeError;
use super::close::{CloseCode, CloseFrame, Closed, Initiator};
use super::connection::{Connection, Phase};
use super::error::{Unsupported, Violation};
use super::message::Event;
use super::role::Role;
use super::state::{State, Trigger};
use super::version::{Closing, Version};

/// What the shell should do about the end, once the output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Go on reading, for a bounded time: the peer's half of the close is missing.
    Await,
    /// Shut the write side, drain briefly, close. Closing at once, with bytes unread, would make
    /// TCP reset the connection, and the peer might never see the last thing it was told.
    Linger,
    /// After you: as a client, go on reading for a bounded time until the server hangs up, as it does
    /// first once both have said goodbye (RFC 6455 §7.1.1); then it is [`Linger`](Ending::Linger).
    /// Which side closes first is the side where TCP keeps the connection's memory for minutes.
    Follow,
}

impl Connection {
    /// Says goodbye in the version's own way: a close frame, `FF 00`, or hanging up. Without a
    /// frame, the close has no code. A second goodbye is not sent.
    ///
    /// # Errors
    /// [`Unsupported`] for a code that may not be sent or a reason above 123 bytes, and for a
    /// request that this side still has to answer: that is what [`refuse`](Connection::refuse) is
    /// for.
    pub fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Unsupported> {
        let encoder = match (self.state, self.encoder) {
            (State::Ready, Some(encoder)) => encoder,
            (State::Opening, _) if self.role() == Role::Server => {
                return Err(Unsupported::Now(self.state));
            }
            (State::Opening | State::Handshaking, _) => {
                // The 101, or draft-76's proof, has not come or is not out: all that is left is to
                // hang up.
                self.change(Trigger::Failed);
                self.phase = Phase::Over(Ending::Linger);
                return Ok(());
            }
            _ => return Ok(()),
        };
        encoder.encode_close(frame.as_ref(), &mut self.output)?;
        self.close_was_sent(frame);
        Ok(())
    }

    /// Learns that a goodbye was written to the peer by somebody else, so that the peer's half is
    /// taken for an answer and no second one is sent.
    pub fn close_was_sent(&mut self, frame: Option<CloseFrame>) {
        if self.state != State::Ready {
            return;
        }
        let frame = frame.unwrap_or(CloseFrame::WITHOUT_CODE);
        self.change(Trigger::CloseStarted);
        match self.version().map(Version::closing) {
            Some(Closing::HangUp) => self.closed(frame, Initiator::Us, None, true),
            _ => self.close_sent = Some(frame),
        }
    }

    /// Learns that the connection was given up in the middle of the conversation: neither side
    /// will say goodbye.
    pub fn give_up(&mut self) {
        if self.state == State::Ready {
            self.change(Trigger::Failed);
            let lost = CloseFrame::of(CloseCode::ABNORMAL);
            self.closed(lost, Initiator::Nobody, None, false);
        }
    }

    pub(super) fn close_received(&mut self, frame: Option<CloseFrame>) {
        self.change(Trigger::CloseStarted);
        if let Some(sent) = self.close_sent.take() {
            let frame = frame.unwrap_or(sent);
            return self.closed(frame, Initiator::Us, None, true);
        }
        if let Some(encoder) = self.encoder {
            // The same code back, without the reason (RFC 6455 §5.5.1); what was received may be
            // sent.
            let echo = frame.as_ref().map(|frame| CloseFrame::of(frame.code));
            let _ = encoder.encode_close(echo.as_ref(), &mut self.output);
        }
        let frame = frame.unwrap_or(CloseFrame::WITHOUT_CODE);
        self.closed(frame, Initiator::Peer, None, true);
    }

    /// Fails the connection (RFC 6455 §7.1.7): the code that the version has for the violation, and
    /// the rule in words, unless a goodbye is out already, then the end.
    pub(super) fn fail(&mut self, violation: Violation) {
        self.change(Trigger::Failed);
        let encoder = self.encoder;
        let code = encoder.and_then(|encoder| violation.close_code(encoder.version()));
        let frame = match (self.close_sent.take(), encoder, code) {
            (Some(sent), _, _) => sent,
            (None, Some(encoder), Some(code)) => {
                let mut frame = CloseFrame::of(code);
                if self.config.close_reasons {
                    frame.reason = CloseFrame::cut(violation.to_string());
                }
                // The codes that violations have may be sent.
                let _ = encoder.encode_close(Some(&frame), &mut self.output);
                // The account has the violation itself: its reason would be the peer's.
                CloseFrame::of(code)
            }
            _ => CloseFrame::of(CloseCode::ABNORMAL),
        };
        self.closed(frame, Initiator::Us, Some(violation), false);
    }

    /// The stream has ended and its bytes are used up.
    pub(super) fn end_of_stream(&mut self) -> Option<()> {
        let Phase::Frames(decoder) = &self.phase else {
            match self.role() {
                Role::Server => {
                    self.change(Trigger::StreamEnded);
                    self.phase = Phase::Over(Ending::Linger);
                }
                Role::Client => self.decline(HandshakeError::StreamEnded),
            }
            return Some(());
        };
        let whole = decoder.is_between_frames();
        let hangs_up = self.version().map(Version::closing) == Some(Closing::HangUp);
        if hangs_up && self.state == State::Ready {
            // Draft-75 knows no other goodbye.
            self.change(Trigger::CloseStarted);
            self.change(Trigger::StreamEnded);
            self.closed(CloseFrame::WITHOUT_CODE, Initiator::Peer, None, whole);
            return Some(());
        }
        self.change(Trigger::StreamEnded);
        match self.close_sent.take() {
            Some(sent) => self.closed(sent, Initiator::Us, None, false),
            None => {
                let lost = CloseFrame::of(CloseCode::ABNORMAL);
                self.closed(lost, Initiator::Nobody, None, false);
            }
        }
        Some(())
    }

    fn closed(
        &mut self,
        frame: CloseFrame,
        initiator: Initiator,
        violation: Option<Violation>,
        clean: bool,
    ) {
        let hangs_up = self.version().map(Version::closing) == Some(Closing::HangUp);
        self.phase = Phase::Over(match self.role() {
            Role::Client if clean && !hangs_up => Ending::Follow,
            _ => Ending::Linger,
        });
        self.pending.push_back(Event::Closed(Closed {
            code: frame.code,
            reason: frame.reason,
            initiator,
            clean,
            violation,
        }));
    }
}
