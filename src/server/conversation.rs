//! One connection's life: the loop around the engine, from the first byte to the account.

use std::fmt;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use log::{debug, error, info, log_enabled, trace, warn};
use rustix::event::PollFlags;
use rustix::net::{RecvFlags, recv};

use crate::protocol::{
    CloseCode, CloseFrame, Closed, Closing, Connection, Ending, Event, Initiator, Message, Refusal,
    Request, State, Unsupported, Version,
};

use super::builder::Departure;
use super::crew::Shared;
use super::error::{Error, Loss};
use super::hub::Post;
use super::link::{Link, Stage};
use super::outbox::{Push, wait_until};

/// The engine, its socket and its outbox, on the client's own thread.
pub(crate) struct Conversation {
    pub(crate) link: Arc<Link>,
    pub(crate) shared: Arc<Shared>,
    /// On the heap, where it is small: a stack grows by pages, and an idle client keeps them.
    pub(crate) connection: Box<Connection>,
    pub(crate) closed: Option<Closed>,
    pub(crate) socket: Arc<TcpStream>,
    began: Instant,
    /// How many bytes the next read may bring.
    appetite: usize,
    finished: bool,
}

/// How one step of the conversation went.
pub(crate) enum Step {
    Event(Event),
    /// The time to wait is over.
    Late,
    /// There will be no more events.
    Over,
}

/// A read brings at most this much at first, so that a silent client holds little; then more,
/// while reads fill what they are given.
const REST: usize = 1024;
const MOST: usize = 64 * 1024;

impl Conversation {
    pub(crate) fn new(
        link: Arc<Link>,
        socket: Arc<TcpStream>,
        shared: Arc<Shared>,
    ) -> Conversation {
        Conversation {
            connection: Box::new(Connection::new(Arc::clone(&shared.settings.config))),
            link,
            shared,
            socket,
            began: Instant::now(),
            appetite: REST,
            closed: None,
            finished: false,
        }
    }

    /// The version that the client speaks.
    pub(crate) fn version(&self) -> Version {
        // Nobody asks before the handshake is done.
        self.connection.version().unwrap_or(Version::Rfc6455)
    }

    /// Sends the replies that wait, as far as the socket takes them.
    pub(crate) fn flush(&mut self) {
        self.tell_warden(self.link.outbox.flush());
    }

    /// A message from this client's own handler.
    pub(crate) fn send(&mut self, message: &Message) -> Result<(), Error> {
        let version = self.version();
        if log_enabled!(log::Level::Trace) {
            trace!("client {}: > {}", self.link.id, Shown(message));
        }
        self.reply(|out| version.encode(message, out).map(|()| 1))
    }

    /// The next event. Sends what there is to send before it waits for more input.
    pub(crate) fn step(&mut self, until: Option<Instant>) -> Step {
        loop {
            self.hear_goodbye();
            let event = self.connection.next_event();
            self.emit();
            if let Some(event) = event {
                self.observe(&event);
                return Step::Event(event);
            }
            if self.connection.close_expected() == Some(Ending::Linger) {
                return Step::Over;
            }
            self.flush();
            if let Some(until) = until {
                let wait = until.saturating_duration_since(Instant::now());
                self.link.set_reading(true);
                let ready = wait_until(&self.socket, PollFlags::IN, wait);
                self.link.set_reading(false);
                if !ready {
                    return Step::Late;
                }
            }
            self.read();
        }
    }

    /// One blocking read, into the engine's own buffer.
    fn read(&mut self) {
        let buffer = self.connection.input_buffer();
        if buffer.is_empty() && buffer.capacity() > self.appetite {
            buffer.shrink_to(self.appetite);
        }
        buffer.reserve(self.appetite);
        self.link.set_reading(true);
        let spare = rustix::buffer::spare_capacity(buffer);
        let result = recv(&*self.socket, spare, RecvFlags::empty());
        self.link.set_reading(false);
        match result {
            Err(rustix::io::Errno::INTR) => {}
            Ok((read, _)) if read > 0 => {
                self.link.heard(read);
                self.appetite = match read {
                    read if read >= self.appetite => (self.appetite * 4).min(MOST),
                    read if read < REST => REST,
                    _ => self.appetite,
                };
            }
            ended => self.stream_ended(ended.err()),
        }
    }

    /// The peer will send no more, or the warden has stopped the reading, or a handle has hung up.
    fn stream_ended(&mut self, error: Option<rustix::io::Errno>) {
        if let Some(error) = error {
            debug!("client {}: read: {}", self.link.id, io::Error::from(error));
        }
        self.hear_goodbye();
        if self.link.is_to_be_refused() {
            let refusal = match self.shared.is_stopping() {
                true => Refusal::ShuttingDown,
                false => Refusal::Timeout,
            };
            if self.connection.refuse(refusal).is_ok() {
                return;
            }
            if !self.shared.is_stopping() {
                // The 101 of draft-76 is out: hanging up is the only answer left.
                self.link.lose(Loss::Handshake, &self.shared.totals);
            }
        }
        self.connection.receive_eof();
    }

    /// Another thread may have said goodbye meanwhile: the peer's is then the answer to it.
    fn hear_goodbye(&mut self) {
        if let Some(frame) = self.link.goodbye() {
            self.connection.close_was_sent(Some(frame));
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Message(message) => {
                self.link.received_message();
                if log_enabled!(log::Level::Trace) {
                    trace!("client {}: < {}", self.link.id, Shown(message));
                }
            }
            Event::Ping(payload) => {
                trace!("client {}: < ping {}", self.link.id, payload.escape_ascii());
            }
            Event::Pong(payload) => {
                trace!("client {}: < pong {}", self.link.id, payload.escape_ascii());
            }
            Event::Closed(closed) => {
                self.closed = Some(closed.clone());
            }
            Event::Request | Event::Refused(_) | Event::Open => {}
        }
    }

    /// Shows the engine's changes of state, and puts its output into the outbox.
    pub(crate) fn emit(&mut self) {
        let ending = self.connection.close_expected();
        for transition in self.connection.transitions() {
            debug!("client {}: {transition}", self.link.id);
            if let Some(hook) = &self.shared.settings.on_state {
                let seen = catch_unwind(AssertUnwindSafe(|| hook(self.link.id, transition)));
                if seen.is_err() {
                    error!("client {}: on_state panicked", self.link.id);
                }
            }
        }
        let output = self.connection.data_to_send();
        if let Some(ending) = ending {
            self.link.enter(match ending {
                Ending::Await => Stage::Closing,
                Ending::Linger => Stage::Closed,
            });
            let push = match self.link.outbox.goodbye(&output) {
                (false, _) if ending == Ending::Await && !output.is_empty() => {
                    self.link.outbox.afterword(&output)
                }
                (_, push) => push,
            };
            self.tell_warden(push);
        } else if !output.is_empty() {
            // The lone 101 is flushed when the hub knows the client; draft-76's head is due now.
            let at_once = self.connection.state() == State::Handshaking;
            let sent = self.link.outbox.reply(at_once, |out| {
                out.extend_from_slice(&output);
                Ok::<u64, Error>(0)
            });
            if let Ok(push) = sent {
                let _ = self.settle(push);
            }
        }
        if !output.is_empty() {
            trace!("client {}: > {}", self.link.id, output.escape_ascii());
        }
    }

    pub(crate) fn reply(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, Unsupported>,
    ) -> Result<(), Error> {
        if self.connection.state() != State::Ready {
            return Err(Error::Closed);
        }
        let more_to_come = self.connection.has_input();
        let push = self.link.outbox.reply(!more_to_come, write)?;
        self.settle(push)
    }

    /// What this thread owes its outbox after a reply: patience, or word to the warden.
    fn settle(&mut self, push: Push) -> Result<(), Error> {
        match push {
            Push::Over => Err(match self.link.outbox.loss() {
                Some(loss) => Error::Lost(loss),
                None => Error::Closed,
            }),
            Push::Full => self.wait_for_room(self.link.outbox.limit()),
            push => {
                self.tell_warden(push);
                Ok(())
            }
        }
    }

    fn wait_for_room(&mut self, limit: usize) -> Result<(), Error> {
        let patience = self.shared.settings.deadlines.write;
        match self.link.outbox.wait_for_room(limit, patience) {
            Ok(push) => {
                self.tell_warden(push);
                Ok(())
            }
            Err(loss) => {
                self.link.lose(loss, &self.shared.totals);
                Err(Error::Lost(loss))
            }
        }
    }

    fn tell_warden(&self, push: Push) {
        if push == Push::Stalled {
            self.shared.warden.stalled(&self.link);
        }
    }

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
            self.hear_goodbye();
            // A code of ours may always be sent.
            let _ = self.connection.close(Some(CloseFrame {
                code,
                reason: String::new(),
            }));
            self.emit();
        }
        if opened {
            self.shared.post(Post::Leave(self.link.id));
            while !matches!(self.step(None), Step::Over) {}
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
    /// reset the connection. The warden ends it after a second.
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

/// A message in a log: its kind, and not all of a long one; hostile bytes are escaped.
struct Shown<'a>(&'a Message);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 200;
        let bytes = self.0.as_bytes();
        let kind = if self.0.is_binary() { "binary" } else { "text" };
        let shown = &bytes[..bytes.len().min(MOST)];
        write!(
            f,
            "{kind} of {} bytes: {}",
            bytes.len(),
            shown.escape_ascii()
        )
    }
}
