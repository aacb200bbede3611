//! The closing handshake, and the end of a connection without one: a close by either side, a protocol
//! error, a lost connection.

use super::close::{CloseCode, CloseFrame, Closed, Initiator};
use super::error::ProtocolError;
use super::output::Output;

/// How the caller should end the connection, once the output is written.
///
/// Complete: a caller must handle each of them.
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

/// The closing handshake of one connection, from this side's view.
#[derive(Debug, Default)]
pub(super) struct ClosingHandshake {
    /// This side's half, once it is sent.
    sent: Option<CloseFrame>,
}

impl ClosingHandshake {
    /// Records that this side's half was sent first.
    pub(super) fn sent(&mut self, frame: CloseFrame) {
        self.sent = Some(frame);
    }

    /// Completes the closing handshake with the peer's half, which is answered if it came first.
    pub(super) fn received(&mut self, frame: Option<CloseFrame>, output: &mut Output) -> Closed {
        if let Some(sent) = self.sent.take() {
            return Closed::of(frame.unwrap_or(sent), Initiator::Us, true);
        }
        // The same code back, without the reason (RFC 6455 §5.5.1); a received code may be sent.
        let echo = frame.as_ref().map(|frame| CloseFrame::of(frame.code));
        let _ = output.close(echo.as_ref());
        let frame = frame.unwrap_or(CloseFrame::WITHOUT_CODE);
        Closed::of(frame, Initiator::Peer, true)
    }

    /// Fails the connection (RFC 6455 §7.1.7): sends the version's code for the protocol error, with
    /// the rule as the reason if `reasons` is set, unless a close frame was sent already.
    pub(super) fn fail(
        &mut self,
        protocol_error: ProtocolError,
        reasons: bool,
        output: &mut Output,
    ) -> Closed {
        let code = output
            .version()
            .and_then(|version| protocol_error.close_code(version));
        let frame = match (self.sent.take(), code) {
            (Some(sent), _) => sent,
            (None, Some(code)) => {
                let mut frame = CloseFrame::of(code);
                if reasons {
                    frame.reason = CloseFrame::cut(protocol_error.to_string());
                }
                // The codes of protocol errors may be sent.
                let _ = output.close(Some(&frame));
                // The report has the protocol error itself: its reason field is for the peer's reason.
                CloseFrame::of(code)
            }
            (None, None) => CloseFrame::of(CloseCode::ABNORMAL),
        };
        Closed {
            protocol_error: Some(protocol_error),
            ..Closed::of(frame, Initiator::Us, false)
        }
    }

    /// Ends the connection without the peer's half.
    pub(super) fn cut_short(&mut self) -> Closed {
        match self.sent.take() {
            Some(sent) => Closed::of(sent, Initiator::Us, false),
            None => {
                let abnormal = CloseFrame::of(CloseCode::ABNORMAL);
                Closed::of(abnormal, Initiator::Nobody, false)
            }
        }
    }
}
