//! A server for one test.

use std::any::Any;
use std::fmt;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::connector::Connector;
use crate::client::websocket::WebSocket;
use crate::error::Error;
use crate::net::client_id::ClientId;
use crate::net::link::Link;
use crate::net::peer::Peer;
use crate::net::socket::Socket;
use crate::net::system::{LocalStream, local_pair};
use crate::protocol::Version;
use crate::server::CloseReport;
use crate::server::builder::ServerBuilder;
use crate::server::client::{Client, HandlerResult};
use crate::server::handles::ServerHandle;
use crate::server::record::Record;
use crate::server::shared::{ServerThreads, Shared};

use super::clock::TestClock;
use super::peer::RawPeer;
use super::settling::{FarEnd, PATIENCE};

/// A server for one test. It has no port: a test connects each client by a call. The handler runs on a
/// thread of its own for each client, as with [`Server::run`](crate::Server::run).
///
/// ```
/// use std::time::Duration;
/// use stentor::testing::TestServer;
/// use stentor::{Received, Server};
///
/// let server = TestServer::new(Server::builder(), |client| Ok(client.send("welcome")?))?;
/// let mut socket = server.connect()?;
/// let received = socket.recv_timeout(Duration::from_secs(5))?;
/// assert_eq!(received, Received::Message("welcome".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The end of a test
///
/// Dropping the value shuts the server down, and waits for all handlers. It sets the clock forward for
/// that, so a client that does not answer costs no time. The drop panics, and so fails the test,
///
/// - if a handler has failed or panicked, unless [`failures`](TestServer::failures) has returned the failure;
/// - if a handler still runs after 5 s: it waits for something other than its client.
///
/// It does not panic while the thread panics already. A test that declares its clients after the server drops
/// them first. Then each closes in the regular way, with 1000.
#[must_use = "dropping a server shuts it down"]
pub struct TestServer {
    threads: ServerThreads,
    handler: Arc<Handler>,
    clock: TestClock,
    record: Arc<Record>,
    /// Each thread of the server has a clone; the value itself is dropped at the end.
    running: Option<Sender<()>>,
    ended: Mutex<Receiver<()>>,
}

/// The error or the panic of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct HandlerFailure {
    /// The client of the failed handler.
    pub id: ClientId,
    /// The error, or the message of the panic.
    pub error: String,
}

type Handler = dyn Fn(&mut Client) -> HandlerResult + Send + Sync;

/// The resource that a client requests if the test names none.
const URL: &str = "ws://localhost/";

impl TestServer {
    /// Starts a server with the options of a builder. The handler may not borrow from the test: clone an
    /// `Arc` or a sender into it.
    ///
    /// All clients connect over Unix sockets (on Windows, over TCP on 127.0.0.1). So the server has no [TLS](ServerBuilder), and its clients
    /// have no address, unless [`trust_local_proxy`](ServerBuilder::trust_local_proxy) is set and a client
    /// sends `X-Forwarded-For`.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the builder has a listener: give the test a builder
    /// from before [`listen`](ServerBuilder::listen). Also if a thread cannot be started.
    pub fn new<F>(builder: ServerBuilder, handler: F) -> io::Result<TestServer>
    where
        F: Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
    {
        let ServerBuilder {
            listeners,
            mut settings,
        } = builder;
        listeners.check_none()?;
        let record = Arc::new(Record::default());
        settings.record = Some(Arc::clone(&record));
        let (threads, woken) = ServerThreads::new(settings)?;
        let (running, ended) = channel();
        let server = TestServer {
            clock: TestClock::new(&threads.shared),
            threads,
            handler: Arc::new(handler),
            record,
            running: Some(running),
            ended: Mutex::new(ended),
        };
        let shared = Arc::clone(server.shared());
        server.spawn("stentor shutdown", None, move || {
            finish_shutdown(woken, &shared)
        })?;
        Ok(server)
    }

    /// Connects a client in the version of RFC 6455, which requests `/`.
    ///
    /// # Errors
    /// The same as [`connect_with`](TestServer::connect_with).
    pub fn connect(&self) -> Result<WebSocket, Error> {
        self.connect_with(&Connector::new(), URL)
    }

    /// Connects a client with the options of a connector: its version, subprotocols, headers, cookies. The
    /// URL names the host and the resource: `ws://localhost/chat?token=5f3a`.
    ///
    /// # Errors
    /// The same as [`Connector::connect_over`]: above all [`Error::Handshake`] if the server rejects the
    /// client.
    pub fn connect_with(&self, connector: &Connector, url: &str) -> Result<WebSocket, Error> {
        let (near, far) = local_pair()?;
        let link = self.serve(far)?;
        let socket = connector.connect_over(near, url)?;
        if let Some(link) = link {
            let end = FarEnd::Client(socket.sender().link);
            self.clock.settle_also(link, end);
        }
        Ok(socket)
    }

    /// Connects a peer of any version, which requests `/` and is accepted. From then on it does nothing by
    /// itself: see [`RawPeer`].
    ///
    /// # Errors
    /// If the server rejects the peer, or does not answer within 5 s.
    pub fn peer(&self, version: Version) -> io::Result<RawPeer> {
        let mut peer = self.peer_before_handshake()?;
        peer.shake_hands(version, URL)?;
        Ok(peer)
    }

    /// Connects a peer that has sent nothing yet, for a test of the handshake timeout, or of a request that
    /// the test writes byte by byte.
    ///
    /// # Errors
    /// If the system has no resources for one more connection.
    pub fn peer_before_handshake(&self) -> io::Result<RawPeer> {
        let (near, far) = local_pair()?;
        let link = self.serve(far)?;
        let peer = RawPeer::new(near, link.clone(), self.clock())?;
        if let Some(link) = link {
            let end = FarEnd::Raw(peer.written());
            self.clock.settle_also(link, end);
        }
        Ok(peer)
    }

    /// Waits until the server has received all bytes that were sent to it, and has done the work that they and the
    /// handles request: until all its threads wait themselves. See [`TestClock::advance`] for the exact
    /// meaning.
    pub fn settle(&self) {
        self.clock.advance(Duration::ZERO);
    }

    /// Returns the clock of the server's timeouts.
    pub fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    /// Returns a handle of the server, for broadcasts, counters, and a shutdown that the test itself starts.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(self.shared()),
        }
    }

    /// Returns the report of the next client that has closed, in the order of the closes. Waits up to 5 s
    /// for it; `None` if none comes. Each report is returned once.
    #[must_use]
    pub fn next_report(&self) -> Option<CloseReport> {
        self.record.next_report(PATIENCE)
    }

    /// Returns the failures of handlers so far, and marks them as expected: they no longer fail the test. A
    /// failure is recorded before the client's close frame leaves.
    #[must_use = "these failures do not fail the test any more"]
    pub fn failures(&self) -> Vec<HandlerFailure> {
        let failures = self.record.failures().into_iter();
        let failures = failures.map(|(id, error)| HandlerFailure { id, error });
        failures.collect()
    }

    /// Shuts the server down as dropping it does, and returns the reports of all clients that
    /// [`next_report`](TestServer::next_report) has not returned, in the order of the closes.
    ///
    /// # Panics
    /// If a handler has failed and [`failures`](TestServer::failures) has not returned that, or if a handler
    /// still runs after 5 s.
    pub fn shutdown(mut self) -> Vec<CloseReport> {
        self.finish();
        self.record.reports()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.threads.shared
    }

    /// Serves the other end of a stream on a thread of its own. Returns `None` for a client that is rejected
    /// on arrival.
    fn serve(&self, far: LocalStream) -> io::Result<Option<Arc<Link>>> {
        let shared = Arc::clone(self.shared());
        let Ok(conversation) = shared.admit(Socket::new(far), Peer::Local, false) else {
            return Ok(None);
        };
        let link = Arc::clone(&conversation.link);
        let socket = Arc::clone(&conversation.socket);
        let (stack, name) = (shared.settings.stack_size, format!("client {}", link.id));
        let handler = Arc::clone(&self.handler);
        let spawned = self.spawn(&name, Some(stack), move || {
            let handler = move |client: &mut Client| run(&*handler, client);
            Client::serve(conversation, &shared, &handler);
        });
        if let Err(error) = spawned {
            self.shared().reject_without_thread(&link, socket);
            return Err(error);
        }
        Ok(Some(link))
    }

    fn spawn(
        &self,
        name: &str,
        stack: Option<usize>,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let mut builder = thread::Builder::new().name(name.to_owned());
        if let Some(stack) = stack {
            builder = builder.stack_size(stack);
        }
        let running = self.running.clone();
        builder.spawn(move || {
            run();
            drop(running);
        })?;
        Ok(())
    }

    /// Shuts the server down once, and panics if the test must fail.
    fn finish(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        drop(running);
        let all_ended = self.end_all();
        if thread::panicking() {
            return;
        }
        let failures = self.failures();
        assert!(
            failures.is_empty(),
            "handlers have failed: {failures:?}; if a test expects that, it calls `failures`"
        );
        assert!(
            all_ended,
            "a handler still runs 5 s after the shutdown: it must return when its `recv` does"
        );
    }

    /// Closes all clients, and lets the time pass until their threads have ended; returns whether they have.
    fn end_all(&self) -> bool {
        self.shared().shutdown(PATIENCE);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.clock.advance(PATIENCE);
            match ended.recv_timeout(Duration::from_millis(5)) {
                Err(RecvTimeoutError::Disconnected) => return true,
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
        false
    }
}

/// Waits until the server shuts down, then gives its clients the time of the shutdown.
fn finish_shutdown(mut woken: LocalStream, shared: &Shared) {
    let _ = woken.read(&mut [0]);
    shared.finish_shutdown();
}

/// Runs a handler. A panic becomes an error with the panic's message.
fn run(handler: &Handler, client: &mut Client) -> HandlerResult {
    catch_unwind(AssertUnwindSafe(|| handler(client)))
        .unwrap_or_else(|panic| Err(format!("the handler panicked: {}", words_of(&*panic)).into()))
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let fixed = panic.downcast_ref::<&str>().copied();
    let formatted = || panic.downcast_ref::<String>().map(String::as_str);
    fixed.or_else(formatted).unwrap_or("without a message")
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").finish_non_exhaustive()
    }
}
