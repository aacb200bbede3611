//! One connection, on either side: the loop around the engine.

mod handed_over;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::protocol::http::text::Escaped;
use crate::protocol::{
    CloseFrame, Closed, Closing, Connection, Encoder, Ending, Event, Initiator, Message, Rejection,
    Role, SendError, State, Transition, Version,
};

use super::catch_panic::catch_panic;
use super::client_id::ClientId;
use super::deadline::Deadline;
use super::incoming::Incoming;
use super::linger;
use super::link::{AbortReason, Identity, Link, Stage};
use super::log::quota::Kind;
use super::log::shown::Shown;
use super::log::traced::{self, Written, is_traced};
use super::log::{CONNECTION, debug, log_limited, trace};
#[cfg(feature = "server")]
use super::rate_limit::RateLimiter;
use super::read_size::ReadSize;
use super::received::Received;
use super::send_queue::NOT_COPIED_FROM;
#[cfg(feature = "server")]
use super::send_queue::shared::SharedFrames;
use super::socket::Socket;
#[cfg(feature = "server")]
use super::sync::Instant;
use super::sync::atomic::Ordering::Relaxed;
use super::wait::Wait;
use super::watchdog::Watchdog;
use crate::error::{DisconnectReason, Error};
#[cfg(feature = "server")]
pub(crate) use handed_over::HandedOver;

/// Receives every change of state, on the thread of the client concerned.
pub(crate) type OnState = dyn Fn(ClientId, Transition) + Send + Sync;

/// The engine, its socket and its send queue, on a thread of its own.
pub(crate) struct Conversation {
    pub(crate) link: Arc<Link>,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) connection: Connection,
    pub(crate) closed: Option<Closed>,
    pub(crate) socket: Arc<Socket>,
    #[cfg(feature = "server")]
    pub(crate) began: Instant,
    read_size: ReadSize,
    /// The body of an HTTP response that is to be sent, if it is large.
    #[cfg(feature = "server")]
    pub(crate) page: Option<Arc<SharedFrames>>,
    /// The received bytes that it is counted to hold.
    held: usize,
    /// The rate limiter, if clients have a rate limit.
    #[cfg(feature = "server")]
    pub(crate) rate_limiter: Option<Box<RateLimiter>>,
    /// The send queue has taken the close frame, or refused it because another thread was first.
    sent_close: bool,
    pub(crate) on_state: Option<Arc<OnState>>,
    /// If another server has parsed the request.
    #[cfg(feature = "server")]
    pub(crate) handed_over: Option<Box<HandedOver>>,
    /// A header of the PROXY protocol comes first.
    #[cfg(feature = "server")]
    pub(crate) awaits_proxy_header: bool,
}

/// The result of one step of the loop.
pub(crate) enum Step {
    Event(Event),
    /// The time to wait is over.
    Late,
    /// There will be no more events.
    Over,
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
            socket,
            #[cfg(feature = "server")]
            began: watchdog.clock.now(),
            watchdog,
            read_size: ReadSize::new(),
            #[cfg(feature = "server")]
            page: None,
            held: 0,
            closed: None,
            #[cfg(feature = "server")]
            rate_limiter: None,
            sent_close: false,
            on_state: None,
            #[cfg(feature = "server")]
            handed_over: None,
            #[cfg(feature = "server")]
            awaits_proxy_header: false,
        }
    }

    /// Publishes the identity of the connection, of this side's encoder, to all threads, once the handshake is
    /// done. A version that cannot ping gets TCP keepalive instead; without it, only the
    /// idle timeout remains.
    pub(crate) fn publish(&self, identity: Identity) {
        let encoder = identity.encoder;
        let _ = self.link.identity.set(identity);
        let timeouts = &self.link.timeouts;
        if let (false, Some(idle)) = (encoder.version().has_ping(), timeouts.ping) {
            self.socket.set_keepalive(idle, timeouts.pong);
        }
    }

    pub(crate) fn is_opened(&self) -> bool {
        self.link.identity.get().is_some()
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

    /// Returns the next message, or `None` when there will be no more.
    #[inline]
    pub(crate) fn recv(&mut self) -> Result<Option<Message>, Error> {
        match self.short_message() {
            Some(message) => Ok(Some(message)),
            None => self.next_message(),
        }
    }

    fn next_message(&mut self) -> Result<Option<Message>, Error> {
        let mut wait = Wait::until(Deadline::NEVER);
        loop {
            match self.step_within(&mut wait) {
                Step::Event(Event::Message(message)) => return Ok(Some(message)),
                Step::Event(_) | Step::Late => {}
                Step::Over => return self.verdict().map(|()| None),
            }
        }
    }

    /// As [`recv`](Conversation::recv), but waits for at most `timeout`.
    #[inline]
    pub(crate) fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.recv_within(Wait::until(Deadline::by(&self.watchdog.clock, timeout)))
    }

    /// As [`recv`](Conversation::recv), but never blocks.
    #[inline]
    pub(crate) fn try_recv(&mut self) -> Result<Received, Error> {
        self.recv_within(Wait::none())
    }

    #[inline]
    fn recv_within(&mut self, mut wait: Wait) -> Result<Received, Error> {
        loop {
            match self.step_within(&mut wait) {
                Step::Event(Event::Message(message)) => return Ok(Received::Message(message)),
                Step::Event(_) => {}
                Step::Late => return Ok(Received::Nothing),
                Step::Over => return self.verdict().map(|()| Received::Closed),
            }
        }
    }

    /// Returns the next message, ping or pong, or `None` when there will be no more.
    #[inline]
    pub(crate) fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            match self.step() {
                Step::Event(Event::Closed(_) | Event::Piece(_)) | Step::Late => {}
                Step::Event(event) => return Ok(Some(event)),
                Step::Over => return self.verdict().map(|()| None),
            }
        }
    }

    /// Sends a message from the connection's own thread. A large one is not copied.
    pub(crate) fn send(&mut self, message: Message) -> Result<(), Error> {
        let encoder = self.encoder();
        if is_traced() {
            trace!(target: CONNECTION, "{}: > {}", self.link, Shown(&message));
        }
        if encoder.negotiated().is_some() {
            self.check_ready()?;
            let at_once = !self.holds_back();
            let mut written = Written::for_log();
            let sent = self.link.reply_deflated(at_once, &message, &mut written);
            if let Some(push) = sent {
                written.log(&self.link);
                return self.settle(push);
            }
        }
        if message.len() < NOT_COPIED_FROM {
            return self.reply(|out| encoder.encode(&message, out).map(|()| 1));
        }
        self.check_ready()?;
        let mut written = Written::for_log();
        let push = self.link.reply_owned(encoder, message, &mut written)?;
        written.log(&self.link);
        self.settle(push)
    }

    /// Sends a ping from the connection's own thread.
    #[inline]
    pub(crate) fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        let encoder = self.encoder();
        self.reply(|out| encoder.encode_ping(payload, out).map(|()| 0))
    }

    /// Sends the queued replies, as far as the socket takes them.
    pub(crate) fn flush(&mut self) {
        self.link.send_queue.flush();
        self.flush_relay();
    }

    /// Starts the closing handshake as any thread does, and finds out at once which thread's close frame
    /// was the first.
    pub(crate) fn start_close(&mut self, frame: CloseFrame) -> Result<(), Error> {
        self.link.start_close(frame)?;
        self.notice_close();
        self.emit(false);
        self.flush_relay();
        Ok(())
    }

    /// Starts the closing handshake with a frame that may be sent, unless a close frame was sent.
    pub(crate) fn start_close_unless_closing(&mut self, frame: CloseFrame) {
        self.notice_close();
        if self.connection.state() == State::Ready {
            let _ = self.start_close(frame);
        }
    }

    /// Completes the closing handshake, waits until the peer has read our last bytes, and closes the TCP
    /// connection.
    pub(crate) fn complete_close(&mut self) {
        if self.is_opened() {
            while !matches!(self.step(), Step::Over) {}
        }
        // The last bytes are sent, or given up, before the write side is shut.
        let _ = self.link.wait_for_room(0);
        self.linger();
        self.release_socket();
    }

    /// Releases the socket, with or without a closing handshake.
    pub(crate) fn release_socket(&mut self) {
        self.link.enter(Stage::Gone);
        self.link.send_queue.release_socket();
        #[cfg(feature = "server")]
        self.socket.close_relay();
        // Other threads may keep the link for as long as they like.
        self.link.drop_context();
        if self.held > 0 {
            self.watchdog.holds(&self.link, 0);
        }
    }

    /// Returns how the connection ended, for the code that owns it: `Ok` if it closed or is open.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let Some(closed) = &self.closed else {
            return Ok(());
        };
        let is_browser = self.connection.role() == Role::Server;
        match (&closed.protocol_error, closed.initiator) {
            (Some(protocol_error), _) => Err(Error::Protocol(protocol_error.clone())),
            (None, Initiator::Peer | Initiator::Us) => Ok(()),
            (None, Initiator::Nobody) => match self.link.send_queue.disconnect_reason() {
                // Browsers with draft-76 close TCP alone whenever the user leaves a page.
                None if is_browser && self.version().closing() == Closing::Marker => Ok(()),
                reason => Err(Error::Disconnected(
                    reason.unwrap_or(DisconnectReason::EndOfStream),
                )),
            },
        }
    }

    /// Returns the next event, however long that takes.
    pub(crate) fn step(&mut self) -> Step {
        self.step_within(&mut Wait::until(Deadline::NEVER))
    }

    /// Returns the next event. Sends the queued output before it waits for more input.
    fn step_within(&mut self, wait: &mut Wait) -> Step {
        loop {
            self.notice_close();
            if wait.would_block(&self.link, || self.lacks_memory()) {
                self.flush();
                return Step::Late;
            }
            if let Some(late) = self.throttle(&wait.deadline) {
                return late;
            }
            let event = self.connection.next_event();
            if !self.connection.notes.is_empty() {
                traced::log_notes(&self.link, &mut self.connection);
            }
            if !self.connection.is_quiet() {
                self.emit(!wait.never_blocks);
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
            if let Some(left) = wait.deadline.left_by(&self.watchdog.clock) {
                if wait.is_over(left, &self.link, &self.socket) {
                    return Step::Late;
                }
                self.count_held();
                self.link.set_reading(true);
                let clock = &self.watchdog.clock;
                let ready = clock.wait(self.link.id, left, |left| {
                    self.socket.wait_until(PollFlags::IN, left)
                });
                self.link.set_reading(false);
                if !ready {
                    return Step::Late;
                }
                wait.reads(&self.link, &self.socket);
            }
            self.read(wait.never_blocks);
        }
    }

    /// Returns the next event, if it is a message and cheap to detect. `None` does not mean that there
    /// is no event: call [`step`](Conversation::step).
    #[inline(always)]
    fn short_message(&mut self) -> Option<Message> {
        let eventful = self.link.has_close() || !self.connection.is_quiet();
        if eventful || self.is_limited() || is_traced() {
            return None;
        }
        let message = self.connection.short_message()?;
        self.link.received_message();
        Some(message)
    }

    /// Reads once, blocking, into the engine's own buffer. A call that never blocks knows that there is
    /// input, and reads nothing if it would have to wait for memory.
    fn read(&mut self, never_blocks: bool) {
        self.connection.note_frames(is_traced());
        let most = self.most_at_once();
        let incoming = &self.watchdog.incoming;
        let room = self.read_size.next(most, || incoming.is_crowded());
        // Counts the buffer too: it stays while this waits.
        self.connection.input_buffer(room);
        self.count_held();
        if never_blocks && self.lacks_memory() {
            return;
        }
        if self.held > 0 {
            self.watchdog.incoming.wait_for_room(&self.link);
        }
        let buffer = self.connection.input_buffer(room);
        self.link.set_reading(true);
        let result = self.socket.receive(buffer);
        self.link.set_reading(false);
        match result {
            Err(Errno::INTR) => {}
            Ok(read) if read > 0 => {
                self.link.received(read);
                self.charge_bytes(read);
                self.read_size.adapt(read);
            }
            ended => self.stream_ended(ended.err()),
        }
    }

    /// Handles the end of the input: the peer will send no more, or the watchdog has stopped the
    /// reading, or a handle has closed TCP.
    #[inline(never)]
    pub(crate) fn stream_ended(&mut self, error: Option<Errno>) {
        if let Some(error) = error {
            debug!(target: CONNECTION, "{}: read: {}", self.link, io::Error::from(error));
        }
        self.notice_close();
        if let Some(reason) = self.link.abort_reason() {
            let rejection = match reason {
                AbortReason::Stopping => Rejection::ShuttingDown,
                AbortReason::Late => Rejection::Timeout,
            };
            if self.connection.reject(rejection).is_ok() {
                return;
            }
            match reason {
                // It came in at the last moment: its reading has ended, the hub's close is on its way.
                AbortReason::Stopping => {
                    let _ = self.link.start_close(self.watchdog.shutdown_frame());
                }
                // The 101 of draft-76 is sent: only closing TCP is left.
                AbortReason::Late => self.link.disconnect(DisconnectReason::HandshakeTimeout),
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

    /// Notices a close frame that another thread has sent: the peer's is then the reply to it.
    pub(super) fn notice_close(&mut self) {
        if let Some(frame) = self.link.close_frame() {
            self.connection.close_was_sent(Some(frame));
            if self.link.failed_for_memory.load(Relaxed) {
                // Does not wait for the peer's close frame; bytes that were on their way are given up.
                self.connection.receive_eof();
            }
        }
    }

    #[inline(never)]
    fn observe(&mut self, event: &Event) {
        self.charge_event(event);
        match event {
            Event::Message(message) => {
                self.link.received_message();
                if is_traced() {
                    trace!(target: CONNECTION, "{}: < {}", self.link, Shown(message));
                }
            }
            Event::Piece(piece) => self.observe_piece(piece),
            Event::Ping(payload) => {
                trace!(target: CONNECTION, "{}: < ping {}", self.link, Escaped::Bytes(payload))
            }
            Event::Pong(payload) => {
                trace!(target: CONNECTION, "{}: < pong {}", self.link, Escaped::Bytes(payload))
            }
            Event::Closed(closed) => {
                trace!(target: CONNECTION, "{}: closed: {closed}", self.link);
                self.closed = Some(closed.clone());
            }
            Event::Declined(error) => traced::trace_declined(&self.link, error),
            Event::Request | Event::Rejected(_) | Event::Open => {}
        }
    }

    /// Reports the engine's changes of state, and puts its output into the send queue. If `waits`, it waits
    /// for room there.
    #[inline(never)]
    fn emit(&mut self, waits: bool) {
        let ending = self.connection.close_expected();
        let transitions = self.connection.transitions();
        #[cfg(feature = "server")]
        if self.page.is_some() {
            self.connection.leave_out_body();
        }
        let output = self.connection.data_to_send();
        if is_traced() {
            traced::trace_output(&self.link, &self.connection, &transitions, &output);
        }
        for transition in transitions {
            self.report_transition(transition);
        }
        let send_queue = &self.link.send_queue;
        if let Some(ending) = ending {
            self.link.enter(match ending {
                Ending::Await => Stage::Closing,
                Ending::Linger | Ending::Follow => Stage::Closed,
            });
            if !std::mem::replace(&mut self.sent_close, true) {
                self.send_last(&output);
            } else if !output.is_empty() {
                send_queue.pongs_after_close(&output);
            }
        } else if !output.is_empty() {
            // The lone 101 is flushed when the hub knows the client; draft-76's header block must leave
            // now.
            let at_once = self.connection.state() == State::Handshaking;
            let sent = send_queue.reply(at_once, |out| {
                out.extend_from_slice(&output);
                Ok::<u64, Error>(0)
            });
            if waits {
                let _ = sent.and_then(|push| self.link.settle(push));
            }
        }
    }

    /// Sends the close frame, or the HTTP response.
    fn send_last(&mut self, output: &[u8]) {
        let send_queue = &self.link.send_queue;
        #[cfg(feature = "server")]
        if let Some(page) = self.page.take() {
            send_queue.send_page(output, &page);
            return;
        }
        send_queue.send_close_frame(output);
    }

    fn report_transition(&self, transition: Transition) {
        let link = &self.link;
        debug!(target: CONNECTION, "{link}: {transition}");
        let Some(hook) = &self.on_state else {
            return;
        };
        if catch_panic(|| hook(link.id, transition)).is_none() {
            log_limited!(
                self.watchdog,
                Kind::HookPanicked,
                "{link}: on_state panicked"
            );
        }
    }

    fn reply(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, SendError>,
    ) -> Result<(), Error> {
        self.check_ready()?;
        let at_once = !self.holds_back();
        let mut written = Written::for_log();
        let push = self
            .link
            .send_queue
            .reply(at_once, |out| written.by(out, write))?;
        written.log(&self.link);
        self.settle(push)
    }

    /// Returns whether replies may wait for the replies to more input. A server's handler reads on at once;
    /// the thread of a client may well do something else first.
    fn holds_back(&self) -> bool {
        self.connection.has_input() && self.connection.role() == Role::Server
    }

    /// Checks that the connection is open, as far as this thread can know without reading.
    #[cfg(feature = "history")]
    pub(crate) fn check_connected(&mut self) -> Result<(), Error> {
        self.notice_close();
        self.check_ready()?;
        match self.link.send_queue.disconnect_reason() {
            Some(reason) => Err(Error::Disconnected(reason)),
            None => Ok(()),
        }
    }

    pub(super) fn check_ready(&self) -> Result<(), Error> {
        match self.connection.state() {
            State::Ready => Ok(()),
            _ => Err(Error::Closed),
        }
    }

    fn lacks_memory(&self) -> bool {
        self.held > 0 && self.watchdog.incoming.has_to_wait(&self.link)
    }

    /// Updates the count of the bytes that the connection holds, if they have changed.
    pub(super) fn count_held(&mut self) {
        let held = Incoming::counted(self.connection.held_bytes());
        if held != self.held {
            self.held = held;
            self.watchdog.holds(&self.link, held);
        }
    }

    /// Lets the peer read our last bytes. A client lets the server close TCP first.
    fn linger(&self) {
        self.link.enter(Stage::Lingering);
        let follows = self.connection.close_expected() == Some(Ending::Follow);
        let is_over = || !follows && linger::shut_write(&self.socket).is_err();
        if self.link.send_queue.disconnect_reason().is_none() && !is_over() {
            linger::linger(&self.socket);
        }
    }
}
