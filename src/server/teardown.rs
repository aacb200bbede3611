//! The end of a client on a server, however its handler ended: the close, and the report of it.

use std::fmt;
use std::time::Duration;

use crate::error::{DisconnectReason, Error, is_the_end};
use crate::net::catch_panic::catch_panic;
use crate::net::client_id::ClientId;
use crate::net::log::quota::Kind;
use crate::net::log::{debug, log_limited};
use crate::net::peer::Peer;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::protocol::http::text::{Escaped, shown};
use crate::protocol::{CloseCode, Closed, Initiator, Version};

use super::client::HandlerResult;
use super::session::Session;

/// The report of a closed connection, for `on_close`: exactly one for each client that was open.
/// `Debug` hides the query of the target, which may hold secrets.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// The client's number. The client has left: no lookup finds it any more.
    pub id: ClientId,
    /// The version that it spoke.
    pub version: Version,
    /// The other end of its connection; behind a proxy, the proxy.
    pub peer: Peer,
    /// The resource that it requested: path, and query if there was one.
    pub target: String,
    /// The close code and reason, the side that began, clean or not.
    pub closed: Closed,
    /// The reason for which it was disconnected, if it was.
    pub disconnect_reason: Option<DisconnectReason>,
    /// For how long it was connected.
    pub duration: Duration,
    /// How many messages came in from it.
    pub messages_in: u64,
    /// How many messages were accepted for sending to it; the last of them may not have arrived.
    pub messages_out: u64,
}

/// How a handler ended: its error, as text for the log, and whether that is a warning.
pub(crate) enum Ended {
    Well,
    /// With an error that only reports the end of the connection.
    WithIt(String),
    Badly(String),
}

impl Ended {
    /// Judges the result of a handler, `None` if it has panicked. `session` knows how the connection has
    /// ended, if it has.
    pub(crate) fn of(outcome: Option<HandlerResult>, session: &Session) -> Ended {
        match outcome {
            Some(Ok(())) => Ended::Well,
            Some(Err(error)) => {
                // Formatting the error runs the user's code, and so do inspecting and dropping it.
                let words = catch_panic(|| shown(&error))
                    .unwrap_or_else(|| "an error whose Display panics".to_owned());
                let ends = session.ends();
                let is_the_end = catch_panic(|| is_the_end(&*error, &ends)).unwrap_or(false);
                catch_panic(|| drop(error));
                match is_the_end {
                    true => Ended::WithIt(words),
                    false => Ended::Badly(words),
                }
            }
            None => Ended::Badly("it panicked".to_owned()),
        }
    }
}

impl Session {
    /// Returns all errors that can have reported the end of the connection to the handler.
    fn ends(&self) -> Vec<String> {
        let disconnected = self
            .link
            .send_queue
            .disconnect_reason()
            .map(Error::Disconnected);
        let told = [Some(Error::Closed), disconnected, self.verdict().err()];
        told.iter().flatten().map(Error::to_string).collect()
    }

    /// Ends the connection, however the handler ended: the close, the peer's half of it, and the report.
    pub(crate) fn finish(&mut self, ended: Ended) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let opened = self.is_opened();
        match &ended {
            Ended::Well => {}
            Ended::WithIt(error) => debug!("client {}: handler: {error}", self.link.id),
            Ended::Badly(error) => {
                let id = self.link.id;
                log_limited!(
                    self.watchdog,
                    Kind::HandlerFailed,
                    "client {id}: handler failed: {error}"
                );
                self.shared.totals.failed_handlers.fetch_add(1, Relaxed);
            }
        }
        self.start_close_unless_closing(match ended {
            Ended::Well => CloseCode::NORMAL,
            Ended::WithIt(_) | Ended::Badly(_) => CloseCode::INTERNAL_ERROR,
        });
        if opened {
            self.leave_all();
        }
        self.complete_close();
        if opened {
            self.account();
        }
        self.shared.registry.remove(&self.link);
    }

    fn account(&mut self) {
        let disconnected = || Closed {
            code: CloseCode::ABNORMAL,
            reason: String::new(),
            initiator: Initiator::Nobody,
            clean: false,
            protocol_error: None,
        };
        let report = CloseReport {
            id: self.link.id,
            version: self.version(),
            peer: self.link.peer,
            target: self.link.target().to_owned(),
            closed: self.closed.take().unwrap_or_else(disconnected),
            disconnect_reason: self.link.send_queue.disconnect_reason(),
            duration: self.began.elapsed(),
            messages_in: self.link.messages_in.load(Relaxed),
            messages_out: self.link.send_queue.tally().messages,
        };
        self.shared.totals.closed(report.closed.code);
        let kind =
            match report.disconnect_reason.is_none() && report.closed.protocol_error.is_none() {
                true => Kind::Closed,
                false => Kind::Disconnected,
            };
        log_limited!(self.shared.watchdog, kind, "{report}");
        let id = report.id;
        if let Some(hook) = &self.shared.settings.on_close
            && catch_panic(|| hook(&report)).is_none()
        {
            let watchdog = &self.shared.watchdog;
            log_limited!(
                watchdog,
                Kind::HookPanicked,
                "client {id}: on_close panicked"
            );
        }
    }
}

/// The query may hold secrets, and is left out.
impl fmt::Debug for CloseReport {
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
