//! A connection that stays connected: it connects again whenever the connection ends.
//!
//! The thread that reads owns the loop: connect, read, note the end, wait, connect again. A thread of
//! its own waits and connects, so that the reading thread can stop waiting at any time. Messages that
//! are sent meanwhile wait in a queue.
//!
//! ```text
//!  recv ──> connecting thread: delay, Connector::connect ──> Connected ──> Message … ──> Disconnected ─┐
//!   ^                                                                                                  │
//!   └──────────────────────────────────── the next recv ───────────────────────────────────────────────┘
//! ```

mod backoff;

mod options;

mod queue;

mod sender;

mod shared;

mod update;

mod verdict;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::net::deadline::Deadline;
use crate::net::log::{CLIENT, info};
use crate::net::received::Received;
use crate::net::sync::{Instant, thread};
use crate::protocol::{CloseCode, Closed, Initiator, Message};

use super::connector::Connector;
use super::entropy;
use super::redirects::shown;
use super::websocket::WebSocket;

use backoff::Failures;
pub use options::Reconnect;
pub use sender::ReconnectingSender;
pub(crate) use shared::Destination;
use shared::{Shared, Waited};
pub use update::{Outage, Update};

/// A connection that stays connected, made by
/// [`Connector::stay_connected`](crate::Connector::stay_connected).
///
/// One thread calls [`recv`](Reconnecting::recv) in a loop. That call connects, waits between two attempts,
/// and returns messages. Other threads send through a [`ReconnectingSender`], whether there is a connection
/// or not.
///
/// ```no_run
/// use stentor::Connector;
/// use stentor::client::{Update, Reconnect};
///
/// let mut feed = Connector::new().stay_connected("ws://127.0.0.1:8000/", Reconnect::new())?;
/// while let Some(update) = feed.recv()? {
///     match update {
///         // After each connection: the server has forgotten the subscriptions of the last one.
///         Update::Connected { .. } => feed.send("subscribe prices")?,
///         Update::Message(message) => println!("{message}"),
///         Update::Disconnected { outage, retry_in, .. } => {
///             eprintln!("{outage}; next attempt in {retry_in:?}");
///         }
///         _ => {}
///     }
/// }
/// # Ok::<(), stentor::Error>(())
/// ```
///
/// **Delays.** The first attempt has no delay. After each failure in a row, the delay doubles, from 1 s to
/// 60 s, and is then drawn at random between 0 and that value. A connection that was open for 10 s ends the
/// row. If a response has a header `Retry-After`, its time is added, up to the longest delay. All values are
/// options: see [`Reconnect`]. Each attempt resolves the host's name anew, follows redirects from the first
/// URL, and has the timeouts of the [`Connector`].
///
/// **Lost messages.** There is no guarantee of delivery. A message that the connection has accepted is lost if
/// the connection ends before the message has arrived, and nothing reports that: the system accepts megabytes
/// for a server that is gone. A message that still waits for a connection is lost only if all ends. If each
/// message matters, number them, let the server acknowledge the numbers, and send the rest again after
/// [`Update::Connected`]. Messages that the server sent while there was no connection are lost, too.
///
/// **A silent server** is noticed while a thread waits in `recv`: after 20 s the client pings, and after 20 s
/// more it disconnects and connects again
/// ([`ping_interval`](crate::Connector::ping_interval), [`pong_timeout`](crate::Connector::pong_timeout)).
///
/// **Permanent errors.** Some failures repeat until the program or the server is changed. `recv` returns them
/// as `Err`, and so ends a loop that uses `?`:
///
/// - a response with another status than 101, 408, 425, 429 and 500 to 599, also of a proxy; a redirect that
///   is not followed;
/// - a response that breaks the rules of the handshake;
/// - a certificate that does not prove the server's name, and other failures of TLS, except an alert;
/// - wrong settings: an invalid proxy URL, a SOCKS5 proxy that rejects the login or forbids the request.
///
/// All other failures are temporary, such as a name that is not found, a refused connection, a timeout, and a
/// server that breaks a rule after the handshake. A program that wants to go on after a permanent error calls
/// `recv` again: the next attempt follows after the usual delay. Before that, it can
/// [change](Reconnecting::set_connector) the headers, for example to log in with a new token.
///
/// **The end.** `recv` returns `Ok(None)` after [`close`](Reconnecting::close), which any thread can call at
/// any time with a sender, and after a close by the server with one of the
/// [final codes](Reconnect::final_codes), by default 1000, 1008, 3000 and 3003. Dropping the value closes the
/// connection as for a [`WebSocket`], and drops the messages that wait.
#[must_use = "nothing is connected until `recv` is called"]
#[doc(alias = "reconnect")]
pub struct Reconnecting {
    shared: Arc<Shared>,
    options: Reconnect,
    phase: Phase,
    /// The connection, or the last one, until the next attempt begins.
    socket: Option<WebSocket>,
    since: Instant,
    failures: Failures,
    /// Since the last connection.
    attempts: u32,
    has_been_connected: bool,
    /// For the log.
    url: String,
}

/// The place of the loop.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// There is no connection; the next attempt may begin at that time.
    Waiting(Deadline),
    /// The connecting thread runs.
    Connecting,
    /// The caller knows of the connection; the messages that waited are not sent yet.
    Connected,
    Open,
    Over,
}

impl Reconnecting {
    pub(super) fn new(destination: Destination, options: Reconnect) -> Reconnecting {
        let url = shown(&destination.url);
        Reconnecting {
            shared: Arc::new(Shared::new(destination, options.queue_limit)),
            options,
            phase: Phase::Waiting(Deadline::after(Duration::ZERO)),
            socket: None,
            since: Instant::now(),
            failures: Failures::default(),
            attempts: 0,
            has_been_connected: false,
            url,
        }
    }

    /// Waits for the next event, and returns it. This call connects, if there is no connection. After
    /// [`Update::Connected`], the next call sends the messages that wait.
    ///
    /// `Ok(None)` is final: this side or the server has ended all. [`closed`](Reconnecting::closed) has the
    /// server's code.
    ///
    /// # Errors
    /// - A permanent error of the attempt to connect: see [`Reconnecting`].
    /// - The last failure, if the client gives up: see [`max_attempts`](Reconnect::max_attempts) and
    ///   [`give_up_after`](Reconnect::give_up_after). If that failure is a close by the server, the result is
    ///   `Ok(None)`.
    ///
    /// After an error, the next call waits for the usual delay, and tries again.
    pub fn recv(&mut self) -> Result<Option<Update>, Error> {
        loop {
            match self.next(Deadline::NEVER)? {
                Some(Update::Nothing) => {}
                update => return Ok(update),
            }
        }
    }

    /// Waits for the next event like [`recv`](Reconnecting::recv), but no longer than `timeout`. If nothing
    /// happens in that time, the result is [`Update::Nothing`]. An attempt to connect, or the delay before
    /// it, goes on meanwhile.
    ///
    /// # Errors
    /// The same as [`recv`](Reconnecting::recv).
    #[doc(alias = "timeout")]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Update>, Error> {
        self.next(Deadline::after(timeout))
    }

    /// Sends a message, or lets it wait for the next connection, as [`ReconnectingSender::send`].
    ///
    /// Between [`Update::Connected`] and the next call of [`recv`](Reconnecting::recv), a message belongs to
    /// this connection alone: it is sent before all messages that wait. If the connection has ended
    /// already, the message is dropped, since the same follows after the next [`Update::Connected`].
    ///
    /// # Errors
    /// The same as [`ReconnectingSender::send`].
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        match self.phase {
            Phase::Connected => self.shared.send_first(message.into()),
            _ => self.shared.send(message.into()),
        }
    }

    /// Ends all, as [`ReconnectingSender::close`]. [`recv`](Reconnecting::recv) then waits for the server's
    /// close frame, if there is a connection.
    ///
    /// # Errors
    /// The same as [`ReconnectingSender::close`].
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.shared.close(code, reason)
    }

    /// Returns a sender for other threads. It is valid for all connections, and can be cloned.
    pub fn sender(&self) -> ReconnectingSender {
        ReconnectingSender {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Uses other options and another URL from the next attempt on: for a new token, or another server. An
    /// attempt that runs, and a connection that is open, do not change.
    ///
    /// # Errors
    /// The same as [`Connector::stay_connected`](crate::Connector::stay_connected). Nothing changes then.
    pub fn set_connector(&mut self, connector: &Connector, url: &str) -> Result<(), Error> {
        let destination = connector.destination(url)?;
        self.url = shown(&destination.url);
        self.shared.set_destination(destination);
        Ok(())
    }

    /// Drops the messages that wait for the next connection, and returns their number. Useful after
    /// [`Update::Connected`], if they have become stale.
    pub fn discard_waiting(&mut self) -> usize {
        self.shared.discard_waiting()
    }

    /// Returns the connection or, until the next attempt begins, the last one: for its version, its
    /// subprotocol, the server's response, its statistics.
    pub fn connection(&self) -> Option<&WebSocket> {
        self.socket.as_ref()
    }

    /// Returns how the last connection was closed, until the next attempt begins. `None` if it is open, or if
    /// there was none.
    pub fn closed(&self) -> Option<&Closed> {
        self.connection()?.closed()
    }

    /// Returns the next event within a time.
    fn next(&mut self, deadline: Deadline) -> Result<Option<Update>, Error> {
        loop {
            match self.phase {
                Phase::Over => return Ok(None),
                Phase::Waiting(_) if self.shared.is_over() => self.phase = Phase::Over,
                Phase::Waiting(at) => self.start_attempt(at),
                Phase::Connecting => match self.shared.wait_for_result(deadline) {
                    Waited::Connected(socket) => return Ok(Some(self.connected(*socket))),
                    Waited::Failed(error) => {
                        let may_retry = !verdict::is_permanent(&error);
                        return self.retry(Outage::Failed(error), may_retry);
                    }
                    Waited::Late => return Ok(Some(Update::Nothing)),
                    Waited::Over => self.phase = Phase::Over,
                },
                Phase::Connected => {
                    self.shared.send_waiting();
                    self.phase = Phase::Open;
                }
                Phase::Open => return self.read(deadline),
            }
        }
    }

    /// Starts the connecting thread, which begins with the attempt at a given time.
    fn start_attempt(&mut self, at: Deadline) {
        self.phase = Phase::Connecting;
        self.attempts = self.attempts.saturating_add(1);
        let (shared, last) = (Arc::clone(&self.shared), self.socket.take());
        let builder = thread::Builder::new().name("stentor connect".to_owned());
        if builder.spawn(move || shared.connect(last, at)).is_err() {
            // Without a thread, this one waits and connects.
            self.shared.connect(None, at);
        }
    }

    fn connected(&mut self, socket: WebSocket) -> Update {
        self.phase = Phase::Connected;
        self.since = Instant::now();
        let attempts = std::mem::take(&mut self.attempts);
        let first = !std::mem::replace(&mut self.has_been_connected, true);
        info!(target: CLIENT, "{}: connected, attempts: {attempts}", self.url);
        self.socket = Some(socket);
        Update::Connected { first, attempts }
    }

    /// Reads from the connection.
    fn read(&mut self, deadline: Deadline) -> Result<Option<Update>, Error> {
        let Some(socket) = &mut self.socket else {
            return Ok(None);
        };
        let received = match deadline.left() {
            Some(left) => socket.recv_timeout(left),
            None => socket
                .recv()
                .map(|message| message.map_or(Received::Closed, Received::Message)),
        };
        match received {
            Ok(Received::Message(message)) => Ok(Some(Update::Message(message))),
            Ok(Received::Nothing) => Ok(Some(Update::Nothing)),
            Ok(Received::Closed) => self.disconnected(None),
            Err(error) => self.disconnected(Some(error)),
        }
    }

    /// Decides what follows after the end of a connection.
    fn disconnected(&mut self, error: Option<Error>) -> Result<Option<Update>, Error> {
        if self.shared.note_outage() {
            self.phase = Phase::Over;
            return Ok(None);
        }
        if self.since.elapsed() >= self.options.stable_after {
            self.failures.clear();
        }
        let outage = match (error, self.closed().cloned()) {
            (Some(error), _) => Outage::Failed(error),
            (None, Some(closed)) => Outage::Closed(closed),
            (None, None) => Outage::Failed(Error::Closed),
        };
        match &outage {
            Outage::Closed(closed) if self.is_final(closed) => {
                info!(target: CLIENT, "{}: closed for good: {closed}", self.url);
                self.end();
                Ok(None)
            }
            _ => self.retry(outage, true),
        }
    }

    /// Returns whether the peer has closed with a code after which there is no other attempt.
    fn is_final(&self, closed: &Closed) -> bool {
        closed.initiator == Initiator::Peer && self.options.final_codes.contains(&closed.code)
    }

    /// Schedules the next attempt, and reports the outage: as an event or, if there is no sense in another
    /// attempt, as the result of `recv`.
    fn retry(&mut self, outage: Outage, may_retry: bool) -> Result<Option<Update>, Error> {
        let gives_up = self.failures.add(&self.options);
        let retry_after = match &outage {
            Outage::Failed(error) => verdict::retry_after(error),
            Outage::Closed(_) => None,
        };
        let retry_in = self
            .failures
            .delay(&self.options, retry_after, entropy::fill);
        self.phase = Phase::Waiting(Deadline::after(retry_in));
        if may_retry && !gives_up {
            info!(target: CLIENT, "{}: {outage}; next attempt in {retry_in:.1?}", self.url);
            return Ok(Some(Update::Disconnected { outage, retry_in }));
        }
        info!(target: CLIENT, "{}: {outage}; gives up", self.url);
        match outage {
            Outage::Failed(error) => Err(error),
            Outage::Closed(_) => {
                self.end();
                Ok(None)
            }
        }
    }

    fn end(&mut self) {
        self.shared.end();
        self.phase = Phase::Over;
    }
}

impl Drop for Reconnecting {
    fn drop(&mut self) {
        // The connection is closed when the field is dropped.
        self.shared.end();
    }
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("url", &self.url)
            .field("phase", &self.phase)
            .field("connection", &self.socket)
            .finish_non_exhaustive()
    }
}
