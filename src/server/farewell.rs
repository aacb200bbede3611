//! A conversation's end: the goodbye, the peer's half of it, and the account.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use log::{debug, error, info, warn};
use rustix::event::PollFlags;

use crate::protocol::{
    CloseCode, CloseFrame, Closed, Closing, Ending, Initiator, Role, State, Version,
};
use crate::shell::conversation::{Conversation, Patience, Step};
use crate::shell::error::{Error, Loss};
use crate::shell::link::{ClientId, Stage};
use crate::shell::log_gate::Kind;
use crate::shell::peer::Peer;
use crate::shell::shown::shown;
use crate::shell::sync::atomic::Ordering::Relaxed;

use super::client::Outcome;
use super::hub::Post;
use super::session::Session;

/// How a client's life ended, as `on_close` is told it: exactly once for each client that was
/// open.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// What a peer may still send once all is said: what was on its way, and not a flood.
const LINGER_BYTES: usize = 1024 * 1024;

/// How a handler ended: why it failed, and whether that is worth a word.
pub(crate) enum Ended {
    Well,
    /// With an error that only says that the conversation is over.
    WithIt(String),
    Badly(String),
}

impl Ended {
    pub(crate) fn of(outcome: std::thread::Result<Outcome>) -> Ended {
        match outcome {
            Ok(Ok(())) => Ended::Well,
            Ok(Err(error)) => {
                // Even showing it is the user's code.
                let words = catch_unwind(AssertUnwindSafe(|| error.to_string()))
                    .unwrap_or_else(|_| "an error that panics when it is shown".to_owned());
                match error.downcast_ref::<Error>() {
                    Some(end) if end.is_the_end() => Ended::WithIt(words),
                    _ => Ended::Badly(words),
                }
            }
            Err(_) => Ended::Badly("it panicked".to_owned()),
        }
    }
}

impl Session {
    /// The end, on every way out: the goodbye, the peer's half of it, and the account.
    pub(crate) fn finish(&mut self, ended: Ended) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let opened = self.is_opened();
        match &ended {
            Ended::Well => {}
            Ended::WithIt(error) => debug!("client {}: handler: {}", self.link.id, shown(error)),
            Ended::Badly(error) => {
                if self.warden.may_log(Kind::HandlerFailed) {
                    warn!("client {}: handler failed: {}", self.link.id, shown(error));
                }
                self.shared.totals.failed_handlers.fetch_add(1, Relaxed);
            }
        }
        self.say_goodbye(match ended {
            Ended::Well => CloseCode::NORMAL,
            Ended::WithIt(_) | Ended::Badly(_) => CloseCode::INTERNAL_ERROR,
        });
        if opened {
            self.shared.post(Post::Leave(self.link.id));
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
        if self.shared.warden.may_log(kind) {
            info!("{departure}");
        }
        let id = departure.id;
        if let Some(hook) = &self.shared.settings.on_close
            && catch_unwind(AssertUnwindSafe(|| hook(&departure))).is_err()
            && self.shared.warden.may_log(Kind::HookPanicked)
        {
            error!("client {id}: on_close panicked");
        }
    }
}

impl Conversation {
    /// What the end of the conversation means to who has it.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let Some(closed) = &self.closed else {
            return Ok(());
        };
        match (&closed.violation, closed.initiator) {
            (Some(violation), _) => Err(Error::Violation(violation.clone())),
            (None, Initiator::Peer | Initiator::Us) => Ok(()),
            (None, Initiator::Nobody) => match self.link.outbox.loss() {
                // The browsers of draft-76 leave without a word whenever a page is left.
                None if self.is_browser_of_draft76() => Ok(()),
                loss => Err(Error::Lost(loss.unwrap_or(Loss::EndOfStream))),
            },
        }
    }

    /// Says goodbye with a code that may always be sent, unless somebody has.
    pub(crate) fn say_goodbye(&mut self, code: CloseCode) {
        self.hear_goodbye();
        if self.connection.state() == State::Ready {
            let _ = self.close(CloseFrame::of(code));
        }
    }

    /// Waits for the peer's half of the close, and for it to have read ours; then lets go of the
    /// socket.
    pub(crate) fn hang_up(&mut self) {
        if self.is_opened() {
            while !matches!(self.step(&mut Patience::endless()), Step::Over) {}
        }
        // What was said last is sent before the write side is shut, or given up.
        let _ = self.wait_for_room(0);
        self.linger();
        self.let_go();
    }

    /// Lets go of the socket, whatever was said.
    pub(crate) fn let_go(&mut self) {
        self.link.enter(Stage::Gone);
        self.link.outbox.close();
    }

    fn is_browser_of_draft76(&self) -> bool {
        self.connection.role() == Role::Server && self.version().closing() == Closing::Marker
    }

    fn is_opened(&self) -> bool {
        self.link.identity.get().is_some()
    }

    /// Shuts the write side, which TLS has to announce: that may wait for the socket. The warden ends
    /// it, as it ends what follows.
    fn shut_write(&self) -> io::Result<()> {
        loop {
            match self.socket.shutdown(Shutdown::Write) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.socket.wait_until(PollFlags::OUT, Duration::MAX);
                }
                shut => return shut,
            }
        }
    }

    /// Lets the peer read what it was told: bytes that came and were not read would make TCP
    /// reset the connection. A client lets the server hang up first. The warden ends it when the
    /// close deadline has passed.
    #[inline(never)]
    fn linger(&mut self) {
        self.link.enter(Stage::Lingering);
        let follows = self.connection.close_expected() == Some(Ending::Follow);
        let is_over = || !follows && self.shut_write().is_err();
        if self.link.outbox.loss().is_some() || is_over() {
            return;
        }
        // Small, and in a frame of its own: what a stack has once touched, an idle client keeps.
        let mut scrap = [0; 512];
        let mut patience = LINGER_BYTES;
        while let Ok(read @ 1..) = self.socket.discard(&mut scrap) {
            patience = patience.saturating_sub(read);
            if patience == 0 {
                return;
            }
        }
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
            path.escape_debug(),
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
