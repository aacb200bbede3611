//! One client's life, on its own thread: read, decode, hand over, and clean up on every way out.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use log::{debug, error, info, log_enabled, trace, warn};
use rustix::event::PollFlags;
use rustix::net::{RecvFlags, recv, sockopt};

use crate::protocol::{
    CloseCode, CloseFrame, Closed, Closing, Connection, Ending, Event, Initiator, Message, Refusal,
    Request, State, Version,
};

use super::Shared;
use super::builder::{Departure, Reply};
use super::error::{Error, Loss};
use super::handle::{Audience, ClientHandle};
use super::hub::Post;
use super::link::{ClientId, Identity, Link, Stage};
use super::outbox::{Push, wait_until};

/// What a handler returns. An error, like a panic, closes its one client with 1011 and is logged.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A client, as its handler sees it. Leaving the handler closes it with 1000.
pub struct Client {
    link: Arc<Link>,
    shared: Arc<Shared>,
    socket: Arc<TcpStream>,
    connection: Connection,
    began: Instant,
    /// How many bytes the next read may bring.
    appetite: usize,
    closed: Option<Closed>,
    finished: bool,
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

/// How one step of the conversation went.
enum Step {
    Event(Event),
    /// The time to wait is over.
    Late,
    /// There will be no more events.
    Over,
}

/// A read brings at most this much at first, so that a silent client holds a page at most; then
/// more, while reads fill what they are given.
const REST: usize = 4 * 1024;
const MOST: usize = 64 * 1024;

impl Client {
    /// The client's number.
    pub fn id(&self) -> ClientId {
        self.link.id
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        // There is no `Client` for the user before the handshake is done.
        self.connection.version().unwrap_or(Version::Rfc6455)
    }

    /// The address of the client's connection; behind a proxy, the proxy's.
    pub fn peer_addr(&self) -> SocketAddr {
        self.link.peer
    }

    /// The client's address: the one that `X-Forwarded-For` names where the server trusts that,
    /// or else the connection's.
    pub fn addr(&self) -> std::net::IpAddr {
        let forwarded = match self.shared.settings.config.trust_forwarded {
            true => self.connection.request().and_then(Request::forwarded_for),
            false => None,
        };
        forwarded.unwrap_or(self.link.peer.ip())
    }

    /// The request that opened the conversation: path, query, header fields, cookies, origin.
    pub fn request(&self) -> &Request {
        static NONE: std::sync::OnceLock<Request> = std::sync::OnceLock::new();
        let none = || NONE.get_or_init(Request::none);
        self.connection.request().unwrap_or_else(none)
    }

    /// The subprotocol that was agreed on, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.connection.subprotocol()
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.connection.state()
    }

    /// How the conversation ended, once it has.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// The next message; `Ok(None)` when the conversation is over in good order: the peer said
    /// goodbye, or hung up where its version (or its browser, in draft-76) knows nothing better,
    /// or we did. Before it waits, it sends what there is to send.
    ///
    /// # Errors
    /// [`Error::Violation`] when the peer broke the protocol; [`Error::Lost`] when it is gone
    /// without a goodbye. Both are final, and the same for each further call.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        loop {
            match self.recv_event()? {
                Some(Event::Message(message)) => return Ok(Some(message)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// As [`recv`](Client::recv), for at most as long as `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Client::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        let until = Instant::now() + timeout;
        loop {
            match self.step(Some(until)) {
                Step::Event(Event::Message(message)) => return Ok(Received::Message(message)),
                Step::Event(_) => {}
                Step::Late => return Ok(Received::Nothing),
                Step::Over => return self.verdict().map(|()| Received::Closed),
            }
        }
    }

    /// As [`recv`](Client::recv), for a handler that wants to see pings and pongs as well. Pings
    /// have been answered already.
    ///
    /// # Errors
    /// As [`recv`](Client::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            match self.step(None) {
                Step::Event(Event::Closed(_)) | Step::Late => {}
                Step::Event(event) => return Ok(Some(event)),
                Step::Over => return self.verdict().map(|()| None),
            }
        }
    }

    /// Sends a message to this client. While messages that came together are being worked off,
    /// replies wait for each other and leave in one piece; [`flush`](Client::flush) hurries them.
    /// Where the client does not read what is sent to it, this waits, up to the write deadline.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the version cannot carry the message; [`Error::Closed`] once
    /// the conversation is over; [`Error::Lost`] when the write deadline passes.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        let version = self.version();
        if log_enabled!(log::Level::Trace) {
            trace!("client {}: > {}", self.link.id, Frame(&message));
        }
        self.reply(|out| version.encode(&message, out).map(|()| 1))
    }

    /// Sends a ping with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// As [`send`](Client::send); draft-75 and draft-76 have no ping.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        let version = self.version();
        self.reply(|out| version.encode_ping(payload, out).map(|()| 0))
    }

    /// Sends the replies that wait, as far as the socket takes them.
    pub fn flush(&mut self) {
        self.tell_warden(self.link.outbox.flush());
    }

    /// Says goodbye with a code and a reason, in the version's own way. What follows is for
    /// [`recv`](Client::recv) to find out, or for the end of the handler, which waits for it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a code that may not be sent, or a reason above 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let reason = reason.to_owned();
        self.connection.close(Some(CloseFrame { code, reason }))?;
        self.emit();
        Ok(())
    }

    /// A handle that can be cloned and used from any thread.
    pub fn handle(&self) -> ClientHandle {
        ClientHandle::new(Arc::clone(&self.link), &self.shared)
    }

    /// Enters a room. Broadcasts to it that are posted from now on reach this client.
    pub fn join(&self, room: &str) {
        self.shared.post(Post::Join(self.link.id, room.into()));
    }

    /// Leaves a room. The end of the conversation leaves all.
    pub fn leave(&self, room: &str) {
        self.shared.post(Post::Part(self.link.id, room.into()));
    }

    /// The members of a room, as an audience; this client need not be one of them.
    pub fn room(&self, name: &str) -> Audience {
        Audience::new(&self.shared, Some(name))
    }

    /// Every client, as an audience.
    pub fn everyone(&self) -> Audience {
        Audience::new(&self.shared, None)
    }

    /// Sends a message to every client, this one too.
    pub fn broadcast(&self, message: impl Into<Message>) {
        self.everyone().broadcast(message);
    }

    pub(crate) fn new(link: Arc<Link>, socket: Arc<TcpStream>, shared: Arc<Shared>) -> Client {
        Client {
            connection: Connection::new(Arc::clone(&shared.settings.config)),
            link,
            shared,
            socket,
            began: Instant::now(),
            appetite: REST,
            closed: None,
            finished: false,
        }
    }

    /// Goes through the handshake.
    pub(crate) fn open(&mut self) -> Result<(), Error> {
        loop {
            match self.step(None) {
                Step::Event(Event::Request) => self.answer_request(),
                Step::Event(Event::Refused(refusal)) => {
                    self.emit();
                    self.shared.totals.refused(refusal.name());
                    let (id, peer, status) = (self.link.id, self.link.peer, refusal.status());
                    info!("client {id} {peer}: refused with {status}: {refusal}");
                    return Err(Error::Refused(refusal));
                }
                Step::Event(Event::Open) => {
                    self.opened();
                    return Ok(());
                }
                Step::Event(_) | Step::Late => {}
                Step::Over if self.connection.state() == State::Rejected => {
                    self.shared.totals.answered.fetch_add(1, Relaxed);
                    return Err(Error::Answered);
                }
                Step::Over => {
                    let loss = self.link.outbox.loss().unwrap_or(Loss::EndOfStream);
                    return Err(Error::Lost(loss));
                }
            }
        }
    }

    /// Runs the handler, whatever it does, and then the end.
    pub(crate) fn serve(mut self, handler: &(impl Fn(&mut Client) -> Outcome + Sync)) {
        let opened = catch_unwind(AssertUnwindSafe(|| self.open()));
        let outcome = match opened {
            Ok(Ok(())) => catch_unwind(AssertUnwindSafe(|| handler(&mut self))),
            Ok(Err(_)) => Ok(Ok(())),
            Err(panic) => Err(panic),
        };
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("panicked".to_owned()),
        };
        self.finish(failure);
    }

    /// The next event. Sends what there is to send before it waits for more input.
    fn step(&mut self, until: Option<Instant>) -> Step {
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
                if !wait_until(&self.socket, PollFlags::IN, wait) {
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
            Err(rustix::io::Errno::INTR) => return,
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

    fn answer_request(&mut self) {
        let Some(request) = self.connection.request() else {
            return;
        };
        trace!("client {}: < {}", self.link.id, request.head().escape_ascii());
        let reply = match &self.shared.settings.on_request {
            Some(hook) => catch_unwind(AssertUnwindSafe(|| hook(request))).unwrap_or_else(|_| {
                error!("client {}: on_request panicked", self.link.id);
                Reply::refuse(500, "this server made a mistake")
            }),
            None => Reply::accept(),
        };
        let answered = match reply {
            Reply::Accept(accept) => self.connection.accept(accept),
            Reply::Refuse(refusal) => self.connection.refuse(refusal),
            Reply::Respond(response) => self.connection.respond(response),
        };
        if let Err(unsupported) = answered {
            debug!("client {}: answer: {unsupported}", self.link.id);
        }
    }

    /// The handshake is done, and its last bytes wait in the outbox: no broadcast comes before
    /// them, and none that is posted after the client has read them is missed.
    fn opened(&mut self) {
        let version = self.version();
        let target = self.request().target().into();
        let _ = self.link.identity.set(Identity { version, target });
        if !version.has_ping() {
            self.probe_with_tcp();
        }
        self.shared.totals.opened(version);
        self.link.enter(Stage::Open);
        self.shared.post(Post::Enter(Arc::clone(&self.link)));
        self.flush();
    }

    /// Keepalive for versions that cannot ping: TCP's own. Where the system does not let us, the
    /// idle deadline is what remains.
    fn probe_with_tcp(&self) {
        let deadlines = &self.shared.settings.deadlines;
        let Some(idle) = deadlines.ping else {
            return;
        };
        let _ = sockopt::set_socket_keepalive(&*self.socket, true);
        #[cfg(not(any(target_os = "openbsd", target_os = "haiku", target_os = "nto")))]
        {
            let second = Duration::from_secs(1);
            let _ = sockopt::set_tcp_keepidle(&*self.socket, idle.max(second));
            let _ = sockopt::set_tcp_keepintvl(&*self.socket, (deadlines.pong / 4).max(second));
            let _ = sockopt::set_tcp_keepcnt(&*self.socket, 4);
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Message(message) => {
                self.link.received_message();
                if log_enabled!(log::Level::Trace) {
                    trace!("client {}: < {}", self.link.id, Frame(message));
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
    fn emit(&mut self) {
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
            let (_, push) = self.link.outbox.goodbye(&output);
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

    fn reply(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, crate::protocol::Unsupported>,
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
    fn verdict(&self) -> Result<(), Error> {
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
    fn finish(&mut self, failure: Option<String>) {
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
            let _ = self.connection.close(Some(CloseFrame { code, reason: String::new() }));
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
    fn linger(&mut self) {
        self.link.enter(Stage::Lingering);
        if self.link.outbox.loss().is_some() || self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut scrap = [0; 4096];
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
        let Departure { id, closed, duration, messages_in, messages_out } = &departure;
        self.shared.totals.closed(closed.code);
        info!(
            "client {id} {} {} {}: closed after {duration:.1?}, {messages_in} in, {messages_out} \
             out, {closed}",
            self.link.peer,
            self.version(),
            self.request().target().escape_debug(),
        );
        if let Some(hook) = &self.shared.settings.on_close
            && catch_unwind(AssertUnwindSafe(|| hook(&departure))).is_err()
        {
            error!("client {id}: on_close panicked");
        }
    }
}

/// For streams that are served without a server's loop: the end of the value is the end of the
/// conversation.
impl Drop for Client {
    fn drop(&mut self) {
        let failure = std::thread::panicking().then(|| "panicked".to_owned());
        self.finish(failure);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id())
            .field("version", &self.connection.version())
            .field("peer", &self.peer_addr())
            .field("state", &self.state())
            .finish()
    }
}

/// A message in a log: its kind, and not all of a long one; hostile bytes are escaped.
struct Frame<'a>(&'a Message);

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 200;
        let bytes = self.0.as_bytes();
        let kind = if self.0.is_binary() { "binary" } else { "text" };
        let shown = &bytes[..bytes.len().min(MOST)];
        write!(f, "{kind} of {} bytes: {}", bytes.len(), shown.escape_ascii())
    }
}
