//! The end of a client on a server, however its handler ended: the close, and the report of it.

use std::fmt;
use std::time::Duration;

use crate::error::{DisconnectReason, Error, is_the_end};
use crate::net::catch_panic::catch_panic;
use crate::net::client_id::ClientId;
use crate::net::connection::Conversation;
use crate::net::log::quota::Kind;
use crate::net::log::{CONNECTION, debug, log_limited};
use crate::net::peer::Peer;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::protocol::http::text::Escaped;
use crate::protocol::http::words::shown;
use crate::protocol::{CloseCode, CloseFrame, Closed, Initiator, Version};

use super::client::HandlerResult;
use super::close_with::requested;
use super::shared::Shared;

/// The report of a closed connection, for the hook [`on_close`](crate::ServerBuilder::on_close). There is
/// exactly one report for each client that was open. `Debug` hides the query of the target, which may contain
/// secrets.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct CloseReport {
    /// The client's number. The client has left: the server finds no client with this number any more.
    pub id: ClientId,
    /// The version that the client spoke.
    pub version: Version,
    /// The other end of the connection. If the client connected through a proxy, this is the proxy, unless
    /// the proxy has named the client with the PROXY protocol.
    pub peer: Peer,
    /// The resource that the client requested: the path, and the query if there was one.
    pub target: String,
    /// The close code and the reason, the side that closed first, and whether the close was clean.
    pub closed: Closed,
    /// The reason for which the client was disconnected, or `None` if it was not.
    pub disconnect_reason: Option<DisconnectReason>,
    /// The time for which the client was connected, including its handshake.
    pub duration: Duration,
    /// The number of messages that the client sent.
    pub messages_in: u64,
    /// The number of messages that were accepted for sending to the client. The last of them may not have
    /// arrived.
    pub messages_out: u64,
}

/// How a handler ended, with its error as text for the log.
pub(super) enum HandlerEnd {
    Returned,
    /// With an error that only reports the end of the connection.
    WithConnection(String),
    Failed(String),
    /// With an error that requests this close frame.
    ClosedWith(CloseFrame),
}

impl HandlerEnd {
    /// Judges the result of a handler, `None` if it has panicked. `conversation` knows how the connection
    /// has ended, if it has.
    pub(super) fn of(result: Option<HandlerResult>, conversation: &Conversation) -> HandlerEnd {
        match result {
            Some(Ok(())) => HandlerEnd::Returned,
            Some(Err(error)) => {
                // Formatting the error runs the user's code, and so do inspecting and dropping it.
                let words = catch_panic(|| shown(&error))
                    .unwrap_or_else(|| "an error whose Display panics".to_owned());
                let ends = texts_of_end(conversation);
                let is_the_end = catch_panic(|| is_the_end(&*error, &ends)).unwrap_or(false);
                let requested = catch_panic(|| requested(&*error)).flatten();
                catch_panic(|| drop(error));
                match requested {
                    Some(frame) => HandlerEnd::closed_with(frame, conversation),
                    None if is_the_end => HandlerEnd::WithConnection(words),
                    None => HandlerEnd::Failed(words),
                }
            }
            None => HandlerEnd::Failed("it panicked".to_owned()),
        }
    }

    /// Judges a close frame that the handler has requested.
    fn closed_with(frame: CloseFrame, conversation: &Conversation) -> HandlerEnd {
        let encoder = conversation.encoder();
        match encoder.encode_close(Some(&frame), &mut Vec::new()) {
            Ok(()) => HandlerEnd::ClosedWith(frame),
            Err(error) => HandlerEnd::Failed(error.to_string()),
        }
    }

    /// Logs an error, and counts a failure.
    pub(super) fn report(&self, id: ClientId, shared: &Shared) {
        match self {
            HandlerEnd::Returned => {}
            HandlerEnd::WithConnection(error) => {
                debug!(target: CONNECTION, "client {id}: handler: {error}")
            }
            HandlerEnd::ClosedWith(CloseFrame { code, reason }) => {
                let reason = Escaped::Text(reason);
                debug!(target: CONNECTION, "client {id}: handler: close with {code} \"{reason}\"")
            }
            HandlerEnd::Failed(error) => {
                log_limited!(
                    shared.watchdog,
                    Kind::HandlerFailed,
                    "client {id}: handler failed: {error}"
                );
                shared.totals.failed_handlers.fetch_add(1, Relaxed);
                #[cfg(feature = "testing")]
                if let Some(record) = &shared.settings.record {
                    record.failed(id, error);
                }
            }
        }
    }

    /// Returns the frame with which the connection is closed, if it is still open.
    pub(super) fn into_close_frame(self) -> CloseFrame {
        match self {
            HandlerEnd::Returned => CloseFrame::of(CloseCode::NORMAL),
            HandlerEnd::WithConnection(_) | HandlerEnd::Failed(_) => {
                CloseFrame::of(CloseCode::INTERNAL_ERROR)
            }
            HandlerEnd::ClosedWith(frame) => frame,
        }
    }
}

/// Returns the texts of all errors that can have reported the end of the connection to the handler.
fn texts_of_end(conversation: &Conversation) -> Vec<String> {
    let reason = conversation.link.send_queue.disconnect_reason();
    let disconnected = reason.map(Error::Disconnected);
    let reported = [
        Some(Error::Closed),
        disconnected,
        conversation.verdict().err(),
    ];
    reported.iter().flatten().map(Error::to_string).collect()
}

impl CloseReport {
    /// Returns the report of a connection that was open and is closed.
    fn of(conversation: &mut Conversation) -> CloseReport {
        let disconnected = || Closed {
            code: CloseCode::ABNORMAL,
            reason: String::new(),
            initiator: Initiator::Nobody,
            clean: false,
            protocol_error: None,
        };
        let closed = conversation.closed.take().unwrap_or_else(disconnected);
        let link = &conversation.link;
        CloseReport {
            id: link.id,
            version: conversation.version(),
            peer: link.peer(),
            target: link.target().to_owned(),
            closed,
            disconnect_reason: link.send_queue.disconnect_reason(),
            duration: conversation.watchdog.clock.now() - conversation.began,
            messages_in: link.messages(),
            messages_out: link.send_queue.tally().messages,
        }
    }
}

/// Counts and logs the end of a connection that was open, and calls `on_close`.
pub(super) fn report_close(conversation: &mut Conversation, shared: &Shared) {
    let report = CloseReport::of(conversation);
    shared.totals.closed(report.closed.code);
    let kind = match report.disconnect_reason.is_none() && report.closed.protocol_error.is_none() {
        true => Kind::Closed,
        false => Kind::Disconnected,
    };
    log_limited!(shared.watchdog, kind, "{report}");
    let id = report.id;
    let hook = shared.settings.on_close.as_ref();
    if hook.is_some_and(|hook| catch_panic(|| hook(&report)).is_none()) {
        log_limited!(
            shared.watchdog,
            Kind::HookPanicked,
            "client {id}: on_close panicked"
        );
    }
    #[cfg(feature = "testing")]
    if let Some(record) = &shared.settings.record {
        record.closed(report);
    }
}

/// The query may hold secrets, and is left out.
impl fmt::Debug for CloseReport {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CloseReport {
            id,
            version,
            peer,
            target,
            closed,
            disconnect_reason,
            duration,
            messages_in,
            messages_out,
        } = self;
        let path = target
            .split_once('?')
            .map(|(path, _)| format!("{path}?..."));
        f.debug_struct("CloseReport")
            .field("id", id)
            .field("version", version)
            .field("peer", peer)
            .field("target", path.as_ref().unwrap_or(target))
            .field("closed", closed)
            .field("disconnect_reason", disconnect_reason)
            .field("duration", duration)
            .field("messages_in", messages_in)
            .field("messages_out", messages_out)
            .finish()
    }
}

/// The line about a closed connection, for the log. The query may hold secrets, and is left out.
impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(
            f,
            "client {} {} {} {}: closed after {:.1?}, {} in, {} out, {}",
            self.id,
            self.peer,
            self.version,
            Escaped::Text(path),
            self.duration,
            self.messages_in,
            self.messages_out,
            self.closed
        )?;
        match self.disconnect_reason {
            Some(disconnect_reason) => write!(f, ": {disconnect_reason}"),
            None => Ok(()),
        }
    }
}
