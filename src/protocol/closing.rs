//! Every way in which a connection ends: a close by either side, a protocol error, a lost connection.

use super::close::{CloseCode, CloseFrame, Closed, Initiator};
use super::connection::{Connection, Phase};
use super::error::{ProtocolError, SendError};
use super::handshake::HandshakeError;
use super::message::Event;
use super::role::Role;
use super::state::{State, Trigger};
use super::version::{Closing, Version};

/// How the caller should end the connection, once the output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Continue to read, for a bounded time: the peer's half of the closing handshake is missing.
    Await,
    /// Shut down the write side, read for a short time, close the socket. Closing at once, with unread
    /// bytes, would make TCP reset the connection, and the peer might not receive the last bytes.
    Linger,
    /// As a client, continue to read for a bounded time until the server closes the TCP connection,
    /// which it does first once both have sent a close frame (RFC 6455 §7.1.1); then it is
    /// [`Linger`](Ending::Linger). On the side that closes first, TCP keeps the connection's memory
    /// for minutes.
    Follow,
}

impl Connection {
    /// Starts the closing handshake in the version's own way: a close frame, `FF 00`, or closing the
    /// TCP connection. Without a frame, the close has no code. A second close is not sent.
    ///
    /// # Errors
    /// [`SendError`] for a code that may not be sent or a reason above 123 bytes, and for a
    /// request that this side still has to answer: call [`reject`](Connection::reject) for that.
    pub fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), SendError> {
        let encoder = match (self.state, self.encoder) {
            (State::Ready, Some(encoder)) => encoder,
            (State::Opening, _) if self.role() == Role::Server => {
                return Err(SendError::Now(self.state));
            }
            (State::Opening | State::Handshaking, _) => {
                // The 101, or draft-76's proof, was not received or not sent: the only way to end is to
                // close the TCP connection.
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

    /// Records that other code has sent a close to the peer, so that the peer's half counts as the
    /// answer and no second close is sent.
    pub fn close_was_sent(&mut self, frame: Option<CloseFrame>) {
        if self.state != State::Ready {
            return;
        }
        let frame = frame.unwrap_or(CloseFrame::WITHOUT_CODE);
        self.change(Trigger::CloseStarted);
        match self.version().map(Version::closing) {
            Some(Closing::CloseTcp) => self.closed(frame, Initiator::Us, None, true),
            _ => self.close_sent = Some(frame),
        }
    }

    /// Records that this side has failed the open connection: there is no closing handshake.
    pub fn abandon(&mut self) {
        if self.state == State::Ready {
            self.change(Trigger::Failed);
            let disconnected = CloseFrame::of(CloseCode::ABNORMAL);
            self.closed(disconnected, Initiator::Nobody, None, false);
        }
    }

    pub(super) fn close_received(&mut self, frame: Option<CloseFrame>) {
        self.change(Trigger::CloseStarted);
        if let Some(sent) = self.close_sent.take() {
            let frame = frame.unwrap_or(sent);
            return self.closed(frame, Initiator::Us, None, true);
        }
        if let Some(encoder) = self.encoder {
            // The same code back, without the reason (RFC 6455 §5.5.1); a received code may be sent.
            let echo = frame.as_ref().map(|frame| CloseFrame::of(frame.code));
            let _ = encoder.encode_close(echo.as_ref(), &mut self.output);
        }
        let frame = frame.unwrap_or(CloseFrame::WITHOUT_CODE);
        self.closed(frame, Initiator::Peer, None, true);
    }

    /// Fails the connection (RFC 6455 §7.1.7): sends the version's code for the protocol error, with
    /// the rule as the reason, unless a close frame was sent already, and ends.
    pub(super) fn fail(&mut self, protocol_error: ProtocolError) {
        self.change(Trigger::Failed);
        let encoder = self.encoder;
        let code = encoder.and_then(|encoder| protocol_error.close_code(encoder.version()));
        let frame = match (self.close_sent.take(), encoder, code) {
            (Some(sent), _, _) => sent,
            (None, Some(encoder), Some(code)) => {
                let mut frame = CloseFrame::of(code);
                if self.config.close_reasons {
                    frame.reason = CloseFrame::cut(protocol_error.to_string());
                }
                // The codes of protocol errors may be sent.
                let _ = encoder.encode_close(Some(&frame), &mut self.output);
                // The report has the protocol error itself: its reason field is for the peer's reason.
                CloseFrame::of(code)
            }
            _ => CloseFrame::of(CloseCode::ABNORMAL),
        };
        self.closed(frame, Initiator::Us, Some(protocol_error), false);
    }

    /// Handles the end of the stream, once its bytes are used up.
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
        let ends_stream = self.version().map(Version::closing) == Some(Closing::CloseTcp);
        if ends_stream && self.state == State::Ready {
            // Draft-75 has no other close.
            self.change(Trigger::CloseStarted);
            self.change(Trigger::StreamEnded);
            self.closed(CloseFrame::WITHOUT_CODE, Initiator::Peer, None, whole);
            return Some(());
        }
        self.change(Trigger::StreamEnded);
        match self.close_sent.take() {
            Some(sent) => self.closed(sent, Initiator::Us, None, false),
            None => {
                let disconnected = CloseFrame::of(CloseCode::ABNORMAL);
                self.closed(disconnected, Initiator::Nobody, None, false);
            }
        }
        Some(())
    }

    fn closed(
        &mut self,
        frame: CloseFrame,
        initiator: Initiator,
        protocol_error: Option<ProtocolError>,
        clean: bool,
    ) {
        let ends_stream = self.version().map(Version::closing) == Some(Closing::CloseTcp);
        self.phase = Phase::Over(match self.role() {
            Role::Client if clean && !ends_stream => Ending::Follow,
            _ => Ending::Linger,
        });
        self.pending.push_back(Event::Closed(Closed {
            code: frame.code,
            reason: frame.reason,
            initiator,
            clean,
            protocol_error,
        }));
    }
}
