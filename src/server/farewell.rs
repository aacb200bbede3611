//! A conversation's end: the goodbye, the peer's half of it, and the account.

use std::io;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use log::{error, info, warn};

use crate::protocol::{CloseCode, CloseFrame, Closed, Closing, Initiator, Request, State};

use super::conversation::{Conversation, Patience, Step};
use super::error::{Error, Loss};
use super::hub::Post;
use super::link::{ClientId, Stage};

/// How a client's life ended, as `on_close` is told it: exactly once for each client that was
/// open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Departure {
    /// Who.
    pub id: ClientId,
    /// Which code and reason, who began, clean or not.
    pub closed: Closed,
    /// For how long it was connected.
    pub duration: Duration,
    /// How many messages came in from it.
    pub messages_in: u64,
    /// How many messages went out to it.
    pub messages_out: u64,
}

impl Conversation {
    /// What the end of the conversation means to its handler.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let Some(closed) = &self.closed else {
            return Ok(());
        };
        match (&closed.violation, closed.initiator) {
            (Some(violation), _) => Err(Error::Violation(violation.clone())),
            (None, Initiator::Peer | Initiator::Us) => Ok(()),
            (None, Initiator::Nobody) => match self.link.outbox.loss() {
                // The browsers of draft-76 leave without a word whenever a page is left.
                None if self.version().closing() == Closing::Marker => Ok(()),
                loss => Err(Error::Lost(loss.unwrap_or(Loss::EndOfStream))),
            },
        }
    }

    /// The end, on every way out: the goodbye, the peer's half of it, and the account.
    pub(crate) fn finish(&mut self, failure: Option<String>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let opened = self.link.identity.get().is_some();
        if self.connection.state() == State::Ready {
            let code = match &failure {
                None => CloseCode::NORMAL,
                Some(failure) => {
                    warn!("client {}: handler failed: {failure}", self.link.id);
                    self.shared.totals.failed_handlers.fetch_add(1, Relaxed);
                    CloseCode::INTERNAL_ERROR
                }
            };
            // A code of ours may always be sent.
            let _ = self.close(CloseFrame::of(code));
        }
        if opened {
            self.shared.post(Post::Leave(self.link.id));
            while !matches!(self.step(&mut Patience::endless()), Step::Over) {}
        }
        // What was said last is sent before the write side is shut, or given up.
        let _ = self.wait_for_room(0);
        self.linger();
        self.link.enter(Stage::Gone);
        self.link.outbox.close();
        if opened {
            self.account();
        }
        self.shared.registry.remove(&self.link, &self.shared.totals);
    }

    /// Lets the peer read what it was told: bytes that came and were not read would make TCP
    /// reset the connection. The warden ends it when the close deadline has passed.
    #[inline(never)]
    fn linger(&mut self) {
        self.link.enter(Stage::Lingering);
        if self.link.outbox.loss().is_some() || self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        // Small, and in a frame of its own: what a stack has once touched, an idle client keeps.
        let mut scrap = [0; 512];
        while matches!(io::Read::read(&mut &*self.socket, &mut scrap), Ok(1..)) {}
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
            closed: self.closed.take().unwrap_or_else(lost),
            duration: self.began.elapsed(),
            messages_in: self.link.messages_in.load(Relaxed),
            messages_out: self.link.outbox.tally().messages,
        };
        let Departure {
            id,
            closed,
            duration,
            messages_in,
            messages_out,
        } = &departure;
        self.shared.totals.closed(closed.code);
        info!(
            "client {id} {} {} {}: closed after {duration:.1?}, {messages_in} in, {messages_out} \
             out, {closed}",
            self.link.peer,
            self.version(),
            self.connection
                .request()
                .map_or("/", Request::target)
                .escape_debug(),
        );
        if let Some(hook) = &self.shared.settings.on_close
            && catch_unwind(AssertUnwindSafe(|| hook(&departure))).is_err()
        {
            error!("client {id}: on_close panicked");
        }
    }
}
