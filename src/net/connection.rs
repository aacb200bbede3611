//! One connection, on either side: the loop around the engine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::protocol::http::text::Escaped;
use crate::protocol::{
    CloseFrame, Closed, Connection, Encoder, Ending, Event, Message, Rejection, SendError, State,
    Transition, Version,
};

use super::catch_panic::catch_panic;
use super::link::{AbortReason, ClientId, Link, Stage};
use super::log::quota::Kind;
use super::log::shown::Shown;
use super::log::traced::Written;
use super::log::{CONNECTION, debug, log_enabled, log_limited, trace};
use super::rate_limit::RateLimiter;
use super::send_queue::Push;
use super::send_queue::total::SharedFrames;
use super::socket::Socket;
use super::sync::Instant;
use super::sync::atomic::Ordering::Relaxed;
use super::watchdog::Watchdog;
use crate::error::{DisconnectReason, Error};

/// Receives every change of state, on the thread of the client concerned.
pub(crate) type OnState = dyn Fn(ClientId, Transition) + Send + Sync;

/// The engine, its socket and its send queue, on a thread of its own.
pub(crate) struct Conversation {
    pub(crate) link: Arc<Link>,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) connection: Connection,
    pub(crate) closed: Option<Closed>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) began: Instant,
    /// The most bytes that the next read may return.
    read_size: usize,
    /// The body of an HTTP response that is to be sent, if it is large.
    pub(crate) page: Option<Arc<SharedFrames>>,
    /// The received bytes that it is counted to hold.
    pub(super) held: usize,
    /// The rate limiter, if clients have a rate limit.
    pub(crate) rate_limiter: Option<Box<RateLimiter>>,
    /// The send queue has taken the close frame, or refused it because another thread was first.
    sent_close: bool,
    pub(crate) on_state: Option<Arc<OnState>>,
}

/// The result of `recv_timeout`. This enum is complete: no variant will be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Message),
    /// No message yet; nothing is lost, and the next call continues from here.
    Nothing,
    /// The connection is over: the peer closed it, or we did.
    Closed,
}

/// How long a step may wait.
pub(crate) struct WaitLimit {
    /// `None` means for ever.
    until: Option<Instant>,
    /// There was a read already: bytes that arrive after `until` are for the next call.
    has_read: bool,
}

/// The result of one step of the loop.
pub(crate) enum Step {
    Event(Event),
    /// The time to wait is over.
    Late,
    /// There will be no more events.
    Over,
}

/// The size of reads: at first small, so that a silent client holds little memory; then larger, while
/// reads fill the buffer; and after that no less than a page, since less was too little once.
const READ_AT_FIRST: usize = 1024;
const READ_AT_MOST: usize = 64 * 1024;
const PAGE: usize = 4 * 1024;

/// A message of at least this many bytes gets a queue entry of its own.
const LARGE: usize = 16 * 1024;

impl WaitLimit {
    pub(crate) fn endless() -> WaitLimit {
        WaitLimit {
            until: None,
            has_read: false,
        }
    }

    /// Waits for at most `timeout`; one that is too long for the clock has no end.
    pub(crate) fn of(timeout: Duration) -> WaitLimit {
        WaitLimit {
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
        watchdog: Arc<Watchdog>,
    ) -> Conversation {
        Conversation {
            connection,
            link,
            watchdog,
            socket,
            began: Instant::now(),
            read_size: READ_AT_FIRST,
            page: None,
            held: 0,
            closed: None,
            rate_limiter: None,
            sent_close: false,
            on_state: None,
        }
    }

    /// Returns the version that the client speaks.
    pub(crate) fn version(&self) -> Version {
        self.encoder().version()
    }

    /// Returns the encoder of frames for the client.
    pub(crate) fn encoder(&self) -> Encoder {
        let newest = || Encoder::server(Version::Rfc6455);
        // No caller needs one before the handshake is done.
        self.connection.encoder().unwrap_or_else(newest)
    }

    /// Sends the queued replies, as far as the socket takes them.
    pub(crate) fn flush(&mut self) {
        self.report_push(self.link.send_queue.flush());
    }

    /// Sends a message from the connection's own thread. A large one is not copied.
    pub(crate) fn send(&mut self, message: Message) -> Result<(), Error> {
        let encoder = self.encoder();
        if log_enabled!(target: CONNECTION, ::log::Level::Trace) {
            trace!(target: CONNECTION, "{}: > {}", self.link, Shown(&message));
        }
        if encoder.negotiated().is_some() {
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

    /// Returns the next message, or `None` when there will be no more.
    pub(crate) fn next_message(&mut self) -> Result<Option<Message>, Error> {
        let mut limit = WaitLimit::endless();
        loop {
            match self.step(&mut limit) {
                Step::Event(Event::Message(message)) => return Ok(Some(message)),
                Step::Event(_) | Step::Late => {}
                Step::Over => return self.verdict().map(|()| None),
            }
        }
    }

    /// As [`next_message`](Conversation::next_message), but waits for at most `timeout`.
    pub(crate) fn next_message_within(&mut self, timeout: Duration) -> Result<Received, Error> {
        let mut limit = WaitLimit::of(timeout);
        loop {
            match self.step(&mut limit) {
                Step::Event(Event::Message(message)) => return Ok(Received::Message(message)),
                Step::Event(_) => {}
                Step::Late => return Ok(Received::Nothing),
                Step::Over => return self.verdict().map(|()| Received::Closed),
            }
        }
    }

    /// Returns the next message, ping or pong, or `None` when there will be no more.
    pub(crate) fn next_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            match self.step(&mut WaitLimit::endless()) {
                Step::Event(Event::Closed(_)) | Step::Late => {}
                Step::Event(event) => return Ok(Some(event)),
                Step::Over => return self.verdict().map(|()| None),
            }
        }
    }

    /// Returns the next event. Sends the queued output before it waits for more input.
    pub(crate) fn step(&mut self, limit: &mut WaitLimit) -> Step {
        loop {
            self.notice_close();
            if self.rate_limiter.is_some()
                && let Some(late) = self.throttle(limit)
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
                self.count_held();
                return Step::Over;
            }
            self.flush();
            self.link.set_unfinished(self.connection.unfinished());
            if let Some(wait) = limit.left() {
                // A peer may keep the socket readable without ever sending a message.
                if limit.has_read && wait.is_zero() {
                    return Step::Late;
                }
                self.count_held();
                self.link.set_reading(true);
                let ready = self.socket.wait_until(PollFlags::IN, wait);
                self.link.set_reading(false);
                if !ready {
                    return Step::Late;
                }
                limit.has_read = true;
            }
            self.read();
        }
    }

    /// Returns the next event, if it is a message and cheap to detect. `None` does not mean that there
    /// is no event: call [`step`](Conversation::step).
    #[inline(always)]
    pub(crate) fn short_message(&mut self) -> Option<Message> {
        let eventful = self.link.has_close() || !self.connection.is_quiet();
        if eventful
            || self.rate_limiter.is_some()
            || log_enabled!(target: CONNECTION, ::log::Level::Trace)
        {
            return None;
        }
        let message = self.connection.short_message()?;
        self.link.received_message();
        Some(message)
    }

    /// Reads once, blocking, into the engine's own buffer.
    fn read(&mut self) {
        self.connection
            .note_frames(log_enabled!(target: CONNECTION, ::log::Level::Trace));
        let most = self
            .rate_limiter
            .as_ref()
            .map_or(usize::MAX, |rate_limiter| rate_limiter.most());
        let mut room = self.read_size.min(most);
        if room > PAGE && self.watchdog.is_crowded() {
            // The buffers of silent clients must not cause clients to be closed.
            room = PAGE;
        }
        // Counts the buffer too: it stays while this waits.
        self.connection.input_buffer(room);
        self.count_before_reading();
        let buffer = self.connection.input_buffer(room);
        self.link.set_reading(true);
        let result = self.socket.receive(buffer);
        self.link.set_reading(false);
        match result {
            Err(rustix::io::Errno::INTR) => {}
            Ok(read) if read > 0 => {
                self.link.received(read);
                if let (Some(rate_limiter), State::Ready) =
                    (&mut self.rate_limiter, self.connection.state())
                {
                    rate_limiter.received(read);
                }
                self.read_size = match self.read_size {
                    full if read >= full => (full * 4).min(READ_AT_MOST),
                    // Only a very short read shrinks the next ones: between long reads, a shorter
                    // one now and then means nothing.
                    large if read < large / 16 => (large / 4).max(PAGE).min(large),
                    enough => enough,
                };
            }
            ended => self.stream_ended(ended.err()),
        }
    }

    /// Handles the end of the input: the peer will send no more, or the watchdog has stopped the
    /// reading, or a handle has closed TCP.
    #[inline(never)]
    fn stream_ended(&mut self, error: Option<rustix::io::Errno>) {
        if let Some(error) = error {
            debug!(target: CONNECTION, "{}: read: {}", self.link, io::Error::from(error));
        }
        self.notice_close();
        if let Some(abort_reason) = self.link.abort_reason() {
            let rejection = match abort_reason {
                AbortReason::Stopping => Rejection::ShuttingDown,
                AbortReason::Late => Rejection::Timeout,
            };
            if self.connection.reject(rejection).is_ok() {
                return;
            }
            match abort_reason {
                // It came in at the last moment: its reading has ended, the hub's close is on its way.
                AbortReason::Stopping => self.link.close_going_away(&self.watchdog),
                // The 101 of draft-76 is sent: only closing TCP is left.
                AbortReason::Late => self
                    .watchdog
                    .disconnect(&self.link, DisconnectReason::Handshake),
            }
            self.notice_close();
        }
        // A reset is not a clean close, not even in the version that closes by closing TCP alone;
        // and an end of the stream that our own side has caused is not the peer's close.
        if error.is_some() || self.link.send_queue.disconnect_reason().is_some() {
            self.connection.abandon();
        }
        self.connection.receive_eof();
    }

    /// Closes as any thread does, and finds out at once which thread's close frame was the first.
    pub(crate) fn close(&mut self, frame: CloseFrame) -> Result<(), Error> {
        let push = self.link.close(frame)?;
        self.report_push(push);
        self.notice_close();
        self.emit();
        Ok(())
    }

    /// Notices a close frame that another thread has sent: the peer's is then the reply to it.
    pub(crate) fn notice_close(&mut self) {
        if let Some(frame) = self.link.close_frame() {
            self.connection.close_was_sent(Some(frame));
            if self.link.is_shed.load(Relaxed) {
                // Does not wait for the peer's close frame; bytes that were on their way are given up.
                self.connection.receive_eof();
            }
        }
    }

    #[inline(never)]
    fn observe(&mut self, event: &Event) {
        match event {
            Event::Message(message) => {
                self.link.received_message();
                if let Some(rate_limiter) = &mut self.rate_limiter {
                    rate_limiter.delivered(message.len());
                }
                if log_enabled!(target: CONNECTION, ::log::Level::Trace) {
                    trace!(target: CONNECTION, "{}: < {}", self.link, Shown(message));
                }
            }
            Event::Ping(payload) => {
                if let Some(rate_limiter) = &mut self.rate_limiter {
                    rate_limiter.control();
                }
                trace!(target: CONNECTION, "{}: < ping {}", self.link, Escaped::Bytes(payload));
            }
            Event::Pong(payload) => {
                if let Some(rate_limiter) = &mut self.rate_limiter {
                    rate_limiter.pong();
                }
                trace!(target: CONNECTION, "{}: < pong {}", self.link, Escaped::Bytes(payload));
            }
            Event::Closed(closed) => {
                trace!(target: CONNECTION, "{}: closed: {closed}", self.link);
                self.closed = Some(closed.clone());
            }
            Event::Declined(error) => self.trace_declined(error),
            Event::Request | Event::Rejected(_) | Event::Open => {}
        }
    }

    /// Reports the engine's changes of state, and puts its output into the send queue.
    #[inline(never)]
    pub(crate) fn emit(&mut self) {
        let ending = self.connection.close_expected();
        let transitions = self.connection.transitions();
        let page = self.page.take();
        if page.is_some() {
            self.connection.leave_out_body();
        }
        let output = self.connection.data_to_send();
        if log_enabled!(target: CONNECTION, ::log::Level::Trace) {
            self.trace_output(&transitions, &output);
        }
        for transition in transitions {
            debug!(target: CONNECTION, "{}: {transition}", self.link);
            if let Some(hook) = &self.on_state {
                let seen = catch_panic(|| hook(self.link.id, transition));
                if seen.is_none() {
                    let link = &self.link;
                    log_limited!(
                        self.watchdog,
                        Kind::HookPanicked,
                        "{link}: on_state panicked"
                    );
                }
            }
        }
        if let Some(ending) = ending {
            self.link.enter(match ending {
                Ending::Await => Stage::Closing,
                Ending::Linger | Ending::Follow => Stage::Closed,
            });
            let push = match std::mem::replace(&mut self.sent_close, true) {
                false => self
                    .link
                    .send_queue
                    .close_frame_with(&output, page.as_ref()),
                true if output.is_empty() => Push::Done,
                true => self.link.send_queue.pongs_after_close(&output),
            };
            self.report_push(push);
        } else if !output.is_empty() {
            // The lone 101 is flushed when the hub knows the client; draft-76's header block must leave
            // now.
            let at_once = self.connection.state() == State::Handshaking;
            let sent = self.link.send_queue.reply(at_once, |out| {
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
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, SendError>,
    ) -> Result<(), Error> {
        self.check_ready()?;
        let more_to_come = self.connection.has_input();
        let mut written = Written::for_log();
        let push = self
            .link
            .send_queue
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
        self.link.wait_for_room(limit, &self.watchdog)
    }

    #[inline]
    fn settle(&mut self, push: Push) -> Result<(), Error> {
        self.link.settle(push, &self.watchdog)
    }

    fn report_push(&self, push: Push) {
        self.watchdog.watch_stalled(push, &self.link);
    }
}
