//! One connection's life, on either side of it: the loop around the engine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::protocol::escape::Escaped;
use crate::protocol::{
    CloseFrame, Closed, Connection, Encoder, Ending, Event, Message, Refusal, State, Transition,
    Unsupported, Version,
};

use super::backlog::Frames;
use super::caught::caught;
use super::error::{Error, Loss};
use super::link::{ClientId, Haste, Link, Stage};
use super::log::{debug, log_enabled, log_limited, trace};
use super::log_gate::Kind;
use super::outbox::Push;
use super::rate::Throttle;
use super::shown::Shown;
use super::socket::Socket;
use super::sync::Instant;
use super::sync::atomic::Ordering::Relaxed;
use super::traced::Written;
use super::warden::Warden;

/// Sees every change of state, on the thread of whom it concerns.
pub(crate) type OnState = dyn Fn(ClientId, Transition) + Send + Sync;

/// The engine, its socket and its outbox, on a thread of its own.
pub(crate) struct Conversation {
    pub(crate) link: Arc<Link>,
    pub(crate) warden: Arc<Warden>,
    pub(crate) connection: Connection,
    pub(crate) closed: Option<Closed>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) began: Instant,
    /// How many bytes the next read may bring.
    appetite: usize,
    /// The body of an HTTP answer that is to leave, where it is large.
    pub(crate) page: Option<Arc<Frames>>,
    /// What it is counted to hold of what has come in.
    pub(super) held: usize,
    /// Where clients have a rate.
    pub(crate) throttle: Option<Box<Throttle>>,
    /// The outbox has been given the goodbye, or has refused it: somebody else was first.
    said_goodbye: bool,
    pub(crate) on_state: Option<Arc<OnState>>,
}

/// What `recv_timeout` came back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Message),
    /// Nothing yet; nothing is lost, and the next call goes on where this one left off.
    Nothing,
    /// The conversation is over: the peer said goodbye, or we did.
    Closed,
}

/// How long a step may take.
pub(crate) struct Patience {
    /// `None` for ever.
    until: Option<Instant>,
    /// There was a read already: what comes after `until` is for the next call.
    has_read: bool,
}

/// How one step of the conversation went.
pub(crate) enum Step {
    Event(Event),
    /// The time to wait is over.
    Late,
    /// There will be no more events.
    Over,
}

/// A read brings at most this much at first, so that a silent client holds little; then more, while
/// reads fill what they are given; and no less than a page again, for it was too little once.
const READ_AT_FIRST: usize = 1024;
const READ_AT_MOST: usize = 64 * 1024;
const PAGE: usize = 4 * 1024;

/// A message of this many bytes is worth a queue entry of its own.
const LARGE: usize = 16 * 1024;

impl Patience {
    pub(crate) fn endless() -> Patience {
        Patience {
            until: None,
            has_read: false,
        }
    }

    /// Who waits for longer than the clock can tell waits without an end.
    pub(crate) fn of(timeout: Duration) -> Patience {
        Patience {
            until: Instant::now().checked_add(timeout),
            has_read: false,
        }
    }

    pub(crate) fn left(&self) -> Option<Duration> {
        Some(self.until?.saturating_duration_since(Instant::now()))
    }
}

impl Conversation {
    pub(crate) fn new(
        connection: Connection,
        link: Arc<Link>,
        socket: Arc<Socket>,
        warden: Arc<Warden>,
    ) -> Conversation {
        Conversation {
            connection,
            link,
            warden,
            socket,
            began: Instant::now(),
            appetite: READ_AT_FIRST,
            page: None,
            held: 0,
            closed: None,
            throttle: None,
            said_goodbye: false,
            on_state: None,
        }
    }

    /// The version that the client speaks.
    pub(crate) fn version(&self) -> Version {
        self.encoder().version()
    }

    /// What writes frames for the client.
    pub(crate) fn encoder(&self) -> Encoder {
        let newest = || Encoder::server(Version::Rfc6455);
        // Nobody asks before the handshake is done.
        self.connection.encoder().unwrap_or_else(newest)
    }

    /// Sends the replies that wait, as far as the socket takes them.
    pub(crate) fn flush(&mut self) {
        self.tell_warden(self.link.outbox.flush());
    }

    /// A message from this very thread. A large one is not copied.
    pub(crate) fn send(&mut self, message: Message) -> Result<(), Error> {
        let encoder = self.encoder();
        if log_enabled!(::log::Level::Trace) {
            trace!("{}: > {}", self.link, Shown(&message));
        }
        if encoder.terms().is_some() {
            self.check_ready()?;
            let at_once = !self.connection.has_input();
            let mut written = Written::for_log();
            let sent = self.link.reply_deflated(at_once, &message, &mut written);
            if let Some(push) = sent {
                written.log(&self.link);
                return self.settle(push);
            }
        }
        if message.len() < LARGE {
            return self.reply(|out| encoder.encode(&message, out).map(|()| 1));
        }
        self.check_ready()?;
        let mut written = Written::for_log();
        let push = self.link.reply_owned(encoder, message, &mut written)?;
        written.log(&self.link);
        self.settle(push)
    }

    /// The next message, or `None` when there will be no more.
    pub(crate) fn next_message(&mut self) -> Result<Option<Message>, Error> {
        let mut patience = Patience::endless();
        loop {
            match self.step(&mut patience) {
                Step::Event(Event::Message(message)) => return Ok(Some(message)),
                Step::Event(_) | Step::Late => {}
                Step::Over => return self.verdict().map(|()| None),
            }
        }
    }

    /// As [`next_message`](Conversation::next_message), for at most as long as `timeout`.
    pub(crate) fn next_message_within(&mut self, timeout: Duration) -> Result<Received, Error> {
        let mut patience = Patience::of(timeout);
        loop {
            match self.step(&mut patience) {
                Step::Event(Event::Message(message)) => return Ok(Received::Message(message)),
                Step::Event(_) => {}
                Step::Late => return Ok(Received::Nothing),
                Step::Over => return self.verdict().map(|()| Received::Closed),
            }
        }
    }

    /// The next message, ping or pong, or `None` when there will be no more.
    pub(crate) fn next_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            match self.step(&mut Patience::endless()) {
                Step::Event(Event::Closed(_)) | Step::Late => {}
                Step::Event(event) => return Ok(Some(event)),
                Step::Over => return self.verdict().map(|()| None),
            }
        }
    }

    /// The next event. Sends what there is to send before it waits for more input.
    pub(crate) fn step(&mut self, patience: &mut Patience) -> Step {
        loop {
            self.hear_goodbye();
            if self.throttle.is_some()
                && let Some(late) = self.hold_back(patience)
            {
                return late;
            }
            let event = self.connection.next_event();
            if self.connection.has_notes() {
                self.log_notes();
            }
            if !self.connection.is_quiet() {
                self.emit();
            }
            if let Some(event) = event {
                self.observe(&event);
                return Step::Event(event);
            }
            if let Some(Ending::Linger | Ending::Follow) = self.connection.close_expected() {
                return Step::Over;
            }
            self.flush();
            self.link.set_unfinished(self.connection.unfinished());
            if let Some(wait) = patience.left() {
                // A peer may keep the socket readable without ever sending a message.
                if patience.has_read && wait.is_zero() {
                    return Step::Late;
                }
                self.count_held();
                self.link.set_reading(true);
                let ready = self.socket.wait_until(PollFlags::IN, wait);
                self.link.set_reading(false);
                if !ready {
                    return Step::Late;
                }
                patience.has_read = true;
            }
            self.read();
        }
    }

    /// The next event, where that is a message and costs next to nothing to see; `None` is no
    /// verdict: [`step`](Conversation::step) finds out.
    #[inline(always)]
    pub(crate) fn short_message(&mut self) -> Option<Message> {
        let eventful = self.link.has_goodbye() || !self.connection.is_quiet();
        if eventful || self.throttle.is_some() || log_enabled!(::log::Level::Trace) {
            return None;
        }
        let message = self.connection.short_message()?;
        self.link.received_message();
        Some(message)
    }

    /// One blocking read, into the engine's own buffer.
    fn read(&mut self) {
        self.connection
            .note_frames(log_enabled!(::log::Level::Trace));
        let most = self
            .throttle
            .as_ref()
            .map_or(usize::MAX, |throttle| throttle.most());
        let mut room = self.appetite.min(most);
        if room > PAGE && self.warden.is_crowded() {
            // Buffers of clients that may be silent from now on must not end anybody.
            room = PAGE;
        }
        // Counted with the buffer that is there while this waits.
        self.connection.input_buffer(room);
        self.count_held();
        let buffer = self.connection.input_buffer(room);
        self.link.set_reading(true);
        let result = self.socket.receive(buffer);
        self.link.set_reading(false);
        match result {
            Err(rustix::io::Errno::INTR) => {}
            Ok(read) if read > 0 => {
                self.link.heard(read);
                if let (Some(throttle), State::Ready) =
                    (&mut self.throttle, self.connection.state())
                {
                    throttle.heard(read);
                }
                self.appetite = match self.appetite {
                    full if read >= full => (full * 4).min(READ_AT_MOST),
                    // A short read now and then, in a stream of long ones, says nothing.
                    large if read < large / 16 => (large / 4).max(PAGE).min(large),
                    enough => enough,
                };
            }
            ended => self.stream_ended(ended.err()),
        }
    }

    /// The peer will send no more, or the warden has stopped the reading, or a handle has hung up.
    fn stream_ended(&mut self, error: Option<rustix::io::Errno>) {
        if let Some(error) = error {
            debug!("{}: read: {}", self.link, io::Error::from(error));
        }
        self.hear_goodbye();
        if let Some(haste) = self.link.haste() {
            let refusal = match haste {
                Haste::Stopping => Refusal::ShuttingDown,
                Haste::Late => Refusal::Timeout,
            };
            if self.connection.refuse(refusal).is_ok() {
                return;
            }
            match haste {
                // It came in at the last moment: its reading has ended, the hub's word is on its way.
                Haste::Stopping => self.link.send_away(&self.warden),
                // The 101 of draft-76 is out: hanging up is the only answer left.
                Haste::Late => self.warden.lose(&self.link, Loss::Handshake),
            }
            self.hear_goodbye();
        }
        // A reset is nobody's goodbye, not even in the version that has no other than hanging up;
        // and the end that our own side has made is not the peer's word.
        if error.is_some() || self.link.outbox.loss().is_some() {
            self.connection.give_up();
        }
        self.connection.receive_eof();
    }

    /// Says goodbye the way any thread does, and learns at once whose was the first.
    pub(crate) fn close(&mut self, frame: CloseFrame) -> Result<(), Error> {
        let push = self.link.close(frame)?;
        self.tell_warden(push);
        self.hear_goodbye();
        self.emit();
        Ok(())
    }

    /// Another thread may have said goodbye meanwhile: the peer's is then the answer to it.
    pub(crate) fn hear_goodbye(&mut self) {
        if let Some(frame) = self.link.goodbye() {
            self.connection.close_was_sent(Some(frame));
            if self.link.is_shed.load(Relaxed) {
                // The peer's half is not waited for, and what was on its way is given up.
                self.connection.receive_eof();
            }
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Message(message) => {
                self.link.received_message();
                if let Some(throttle) = &mut self.throttle {
                    throttle.delivered(message.len());
                }
                if log_enabled!(::log::Level::Trace) {
                    trace!("{}: < {}", self.link, Shown(message));
                }
            }
            Event::Ping(payload) => {
                if let Some(throttle) = &mut self.throttle {
                    throttle.control();
                }
                trace!("{}: < ping {}", self.link, Escaped::Bytes(payload));
            }
            Event::Pong(payload) => {
                if let Some(throttle) = &mut self.throttle {
                    throttle.pong();
                }
                trace!("{}: < pong {}", self.link, Escaped::Bytes(payload));
            }
            Event::Closed(closed) => {
                trace!("{}: closed: {closed}", self.link);
                self.closed = Some(closed.clone());
            }
            Event::Declined(error) => self.trace_declined(error),
            Event::Request | Event::Refused(_) | Event::Open => {}
        }
    }

    /// Shows the engine's changes of state, and puts its output into the outbox.
    pub(crate) fn emit(&mut self) {
        let ending = self.connection.close_expected();
        let transitions = self.connection.transitions();
        let page = self.page.take();
        if page.is_some() {
            self.connection.leave_out_body();
        }
        let output = self.connection.data_to_send();
        if log_enabled!(::log::Level::Trace) {
            self.trace_output(&transitions, &output);
        }
        for transition in transitions {
            debug!("{}: {transition}", self.link);
            if let Some(hook) = &self.on_state {
                let seen = caught(|| hook(self.link.id, transition));
                if seen.is_none() {
                    let link = &self.link;
                    log_limited!(self.warden, Kind::HookPanicked, "{link}: on_state panicked");
                }
            }
        }
        if let Some(ending) = ending {
            self.link.enter(match ending {
                Ending::Await => Stage::Closing,
                Ending::Linger | Ending::Follow => Stage::Closed,
            });
            let push = match std::mem::replace(&mut self.said_goodbye, true) {
                false => self.link.outbox.goodbye_with(&output, page.as_ref()),
                true if output.is_empty() => Push::Done,
                true => self.link.outbox.afterword(&output),
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
    }

    pub(crate) fn reply(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, Unsupported>,
    ) -> Result<(), Error> {
        self.check_ready()?;
        let more_to_come = self.connection.has_input();
        let mut written = Written::for_log();
        let push = self
            .link
            .outbox
            .reply(!more_to_come, |out| written.by(out, write))?;
        written.log(&self.link);
        self.settle(push)
    }

    fn check_ready(&self) -> Result<(), Error> {
        match self.connection.state() {
            State::Ready => Ok(()),
            _ => Err(Error::Closed),
        }
    }

    pub(crate) fn wait_for_room(&mut self, limit: usize) -> Result<(), Error> {
        self.link.wait_for_room(limit, &self.warden)
    }

    #[inline]
    fn settle(&mut self, push: Push) -> Result<(), Error> {
        self.link.settle(push, &self.warden)
    }

    fn tell_warden(&self, push: Push) {
        self.warden.mind(push, &self.link);
    }
}
