//! The end of a client's life on a server, whatever its handler did: the goodbye, and the account.

use std::fmt;
use std::time::Duration;

use crate::protocol::escape::{Escaped, shown};
use crate::protocol::{CloseCode, Closed, Initiator, Version};
use crate::shell::caught::caught;
use crate::shell::error::{Error, Loss, is_the_end};
use crate::shell::link::ClientId;
use crate::shell::log::{debug, log_limited};
use crate::shell::log_gate::Kind;
use crate::shell::peer::Peer;
use crate::shell::sync::atomic::Ordering::Relaxed;

use super::client::Outcome;
use super::session::Session;

/// How a client's life ended, as `on_close` is told it: exactly once for each client that was
/// open. `Debug` hides the query of the target, which may hold secrets.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Departure {
    /// The client's number. It is gone: this finds nobody any more.
    pub id: ClientId,
    /// The version that it spoke.
    pub version: Version,
    /// Who was at the other end of its connection; behind a proxy, the proxy.
    pub peer: Peer,
    /// The resource that it asked for: path, and query if there was one.
    pub target: String,
    /// Which code and reason, who began, clean or not.
    pub closed: Closed,
    /// Why it was given up, if it was.
    pub loss: Option<Loss>,
    /// For how long it was connected.
    pub duration: Duration,
    /// How many messages came in from it.
    pub messages_in: u64,
    /// How many messages were taken for sending to it; the last of them may not have arrived.
    pub messages_out: u64,
}

/// How a handler ended: why it failed, in words for the log, and whether that is worth a word.
pub(crate) enum Ended {
    Well,
    /// With an error that only says that the conversation is over.
    WithIt(String),
    Badly(String),
}

impl Ended {
    /// `None` where the handler has panicked. `session` knows how the conversation has ended, if it has.
    pub(crate) fn of(outcome: Option<Outcome>, session: &Session) -> Ended {
        match outcome {
            Some(Ok(())) => Ended::Well,
            Some(Err(error)) => {
                // Even showing it is the user's code, and so is looking into it and dropping it.
                let words = caught(|| shown(&error))
                    .unwrap_or_else(|| "an error that panics when it is shown".to_owned());
                let ends = session.ends();
                let is_the_end = caught(|| is_the_end(&*error, &ends)).unwrap_or(false);
                caught(|| drop(error));
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
    /// How the handler has been told that the conversation is over, wherever it has been told.
    fn ends(&self) -> Vec<String> {
        let lost = self.link.outbox.loss().map(Error::Lost);
        let told = [Some(Error::Closed), lost, self.verdict().err()];
        told.iter().flatten().map(Error::to_string).collect()
    }

    /// The end, on every way out: the goodbye, the peer's half of it, and the account.
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
                    self.warden,
                    Kind::HandlerFailed,
                    "client {id}: handler failed: {error}"
                );
                self.shared.totals.failed_handlers.fetch_add(1, Relaxed);
            }
        }
        self.say_goodbye(match ended {
            Ended::Well => CloseCode::NORMAL,
            Ended::WithIt(_) | Ended::Badly(_) => CloseCode::INTERNAL_ERROR,
        });
        if opened {
            self.leave_all();
        }
        self.hang_up();
        if opened {
            self.account();
        }
        self.shared.registry.remove(&self.link, &self.shared.totals);
    }

    fn account(&mut self) {
        let lost = || Closed {
            code: CloseCode::ABNORMAL,
            reason: String::new(),
            initiator: Initiator::Nobody,
            clean: false,
            violation: None,
        };
        let departure = Departure {
            id: self.link.id,
            version: self.version(),
            peer: self.link.peer,
            target: self.link.target().to_owned(),
            closed: self.closed.take().unwrap_or_else(lost),
            loss: self.link.outbox.loss(),
            duration: self.began.elapsed(),
            messages_in: self.link.messages_in.load(Relaxed),
            messages_out: self.link.outbox.tally().messages,
        };
        self.shared.totals.closed(departure.closed.code);
        let kind = match departure.loss.is_none() && departure.closed.violation.is_none() {
            true => Kind::Closed,
            false => Kind::Lost,
        };
        log_limited!(self.shared.warden, kind, "{departure}");
        let id = departure.id;
        if let Some(hook) = &self.shared.settings.on_close
            && caught(|| hook(&departure)).is_none()
        {
            let warden = &self.shared.warden;
            log_limited!(warden, Kind::HookPanicked, "client {id}: on_close panicked");
        }
    }
}

/// The query may hold secrets, and is left out.
impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Departure {
            id,
            version,
            peer,
            target,
            closed,
            loss,
            duration,
            messages_in,
            messages_out,
        } = self;
        let path = target
            .split_once('?')
            .map(|(path, _)| format!("{path}?..."));
        f.debug_struct("Departure")
            .field("id", id)
            .field("version", version)
            .field("peer", peer)
            .field("target", path.as_ref().unwrap_or(target))
            .field("closed", closed)
            .field("loss", loss)
            .field("duration", duration)
            .field("messages_in", messages_in)
            .field("messages_out", messages_out)
            .finish()
    }
}

/// The one line about a client's life. The query may hold secrets, and is left out.
impl fmt::Display for Departure {
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
        match self.loss {
            Some(loss) => write!(f, ": {loss}"),
            None => Ok(()),
        }
    }
}
