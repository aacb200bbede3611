//! The server: sockets, threads, channels, time. It knows no header field, no opcode and no
//! version; all that is in [`protocol`](crate::protocol).
//!
//! ```text
//!  listener ──accept──> one thread per client ──post──> hub ──push──> every member's outbox ──> sockets
//!                        │  reads, decodes,                              │
//!                        │  runs the handler ──reply──> its own outbox ──┘ what a socket does not take
//!                        │                                               │
//!                        └──────────── woken at a deadline by ─── warden ┘ is drained by
//! ```
//!
//! Beside the clients' threads there are three: the listener, which is the thread that calls
//! [`Server::run`]; the hub; and the warden. One owner per mutable thing: the client's thread owns
//! its input and its state, the outbox the way out, the hub the rooms, the warden the time. They
//! meet in bounded queues, and no lock is held across a call that can block.

mod outbox;

mod link;

mod client;

mod hub;

mod warden;

mod registry;

mod counters;

mod handle;

mod builder;

mod error;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Scope};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use log::{error, info, warn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use builder::{Departure, Reply, ServerBuilder};
pub use client::{Client, Outcome, Received};
pub use counters::Counters;
pub use error::{Error, Loss};
pub use handle::{Audience, ClientHandle, ServerHandle};
pub use link::ClientId;
pub use outbox::SlowClient;

use crate::protocol::{CloseCode, Refusal, refusal_bytes};
use builder::Settings;
use counters::Totals;
use hub::{Hub, Post};
use link::Link;
use registry::Registry;
use warden::Warden;

/// A server that is bound to its address and ready to [`run`](Server::run).
///
/// ```no_run
/// stentor::Server::bind("127.0.0.1:8000")?.run(|client| {
///     client.join("lobby");
///     while let Some(message) = client.recv()? {
///         client.room("lobby").broadcast(message);
///     }
///     Ok(())
/// })
/// # ; Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    listener: TcpListener,
    woken: UnixStream,
    crew: Crew,
}

/// A server without a listener, for programs with a loop of their own. Its clients have deadlines,
/// rooms and counters like any others.
pub struct Detached {
    crew: Crew,
}

/// What all threads of a server share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) totals: Arc<Totals>,
    pub(crate) registry: Registry,
    pub(crate) warden: Arc<Warden>,
    posts: Sender<Post>,
    stopping: AtomicBool,
    /// How long the clients may take to leave.
    patience: Mutex<Duration>,
    waker: UnixStream,
    next_id: AtomicU64,
}

/// The hub's and the warden's threads; dropping this ends both.
struct Crew {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// How long the listener waits when the system has no descriptor, or no memory, for one more
/// connection. What is waiting in the kernel's queue stays there.
const EXHAUSTED: Duration = Duration::from_millis(100);

impl Server {
    /// Binds to an address, with the default options.
    ///
    /// # Errors
    /// Where the address cannot be bound, or a thread cannot be started.
    pub fn bind(address: impl std::net::ToSocketAddrs) -> io::Result<Server> {
        Server::builder().bind(address)
    }

    /// Serves the clients of a listener that exists already, with the default options.
    ///
    /// # Errors
    /// Where the listener cannot be made non-blocking, or a thread cannot be started.
    pub fn attach(listener: TcpListener) -> io::Result<Server> {
        Server::builder().attach(listener)
    }

    /// The options, all of them at their defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The address that the server listens on, with the port that the system chose for port 0.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// A handle that can be cloned and used from any thread, before and while the server runs.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { shared: Arc::clone(&self.crew.shared) }
    }

    /// Serves clients until [`ServerHandle::shutdown`], each on a thread of its own, with a copy
    /// of nothing: the handler may borrow. When it returns, so have all handlers, and all threads
    /// of the server are gone. This very thread is the listener.
    ///
    /// # Errors
    /// Where the listener is broken for good. Running out of descriptors, memory or threads is
    /// no such thing: it waits, or turns the client away with 503.
    pub fn run<F>(self, handler: F) -> io::Result<()>
    where
        F: Fn(&mut Client) -> Outcome + Sync,
    {
        let Server { listener, woken, crew } = self;
        let shared = &crew.shared;
        let address = listener.local_addr()?;
        info!("listening on {address}, speaking {}", shared.settings.config.versions);
        let result = thread::scope(|scope| {
            let result = listen(&listener, &woken, shared, scope, &handler);
            // Nobody is let in any more, from this line on.
            drop(listener);
            shared.see_off();
            result
        });
        info!("stopped listening on {address}");
        result
    }
}

impl Detached {
    pub(crate) fn new(settings: Settings) -> io::Result<Detached> {
        Ok(Detached { crew: Crew::new(settings)?.0 })
    }

    /// Goes through the handshake on a stream that was accepted elsewhere, on this very thread,
    /// and returns the client. Dropping it says goodbye, as leaving a handler does.
    ///
    /// # Errors
    /// [`Error::Refused`] with what the client was told, [`Error::Answered`] when `on_request`
    /// answered with a page, [`Error::Lost`] when the client went away or took too long, and
    /// [`Error::Io`] when the stream is no connected socket.
    pub fn accept(&self, stream: TcpStream) -> Result<Client, Error> {
        let peer = stream.peer_addr()?;
        stream.set_nonblocking(false)?;
        let shared = &self.crew.shared;
        let (socket, link) = shared.welcome(stream, peer);
        if !shared.admit(&link) {
            shared.turn_away(&link, socket);
            return Err(Error::Refused(Refusal::Full));
        }
        let mut client = Client::new(link, socket, Arc::clone(shared));
        client.open()?;
        Ok(client)
    }

    /// A handle that can be cloned and used from any thread. Its `shutdown` refuses new clients
    /// and says 1001 to all others; it cuts nobody off.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { shared: Arc::clone(&self.crew.shared) }
    }
}

/// Goes through the handshake on one accepted stream, without a server, and returns the client:
/// for programs that bring their own loop and need no options.
///
/// Clients that come this way share one [`Detached`] server with the default options: they see
/// each other's broadcasts.
///
/// # Errors
/// As [`Detached::accept`], and [`Error::Io`] where a thread cannot be started.
pub fn accept(stream: TcpStream) -> Result<Client, Error> {
    static DETACHED: OnceLock<Detached> = OnceLock::new();
    let detached = match DETACHED.get() {
        Some(detached) => detached,
        None => {
            // Two at once may make one each; one of them is kept.
            let made = Server::builder().detach()?;
            DETACHED.get_or_init(|| made)
        }
    };
    detached.accept(stream)
}

impl Crew {
    /// Starts the hub and the warden. The other end of the waker is for the listener.
    fn new(settings: Settings) -> io::Result<(Crew, UnixStream)> {
        let totals = Arc::new(Totals::default());
        let (warden, watch) = Warden::new(&settings.deadlines, Arc::clone(&totals))?;
        let (posts, posted) = bounded(hub::QUEUE);
        let (waker, woken) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            settings,
            totals: Arc::clone(&totals),
            registry: Registry::default(),
            warden: Arc::clone(&warden),
            posts,
            stopping: AtomicBool::new(false),
            patience: Mutex::default(),
            waker,
            next_id: AtomicU64::new(1),
        });
        let hub = Hub::new(posted, warden, totals);
        let mut crew = Crew { shared, threads: Vec::new() };
        crew.start("stentor hub", move || hub.run())?;
        crew.start("stentor warden", move || watch.run())?;
        Ok((crew, woken))
    }

    fn start(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let builder = thread::Builder::new().name(name.to_owned());
        self.threads.push(builder.spawn(run)?);
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        self.shared.post(Post::Stop);
        self.shared.warden.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!("a thread of the server panicked");
            }
        }
    }
}

impl Server {
    pub(crate) fn new(listener: TcpListener, settings: Settings) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let (crew, woken) = Crew::new(settings)?;
        Ok(Server { listener, woken, crew })
    }
}

impl Shared {
    pub(crate) fn post(&self, post: Post) {
        // The hub is gone once the server has stopped: there is nobody to reach then.
        let _ = self.posts.send(post);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    pub(crate) fn shutdown(&self, patience: Duration) {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience;
        self.stopping.store(true, SeqCst);
        // A full pipe has woken the listener already.
        let _ = io::Write::write(&mut &self.waker, &[1]);
        self.say_goodbye();
    }

    fn say_goodbye(&self) {
        for link in self.registry.all() {
            let frame = crate::protocol::CloseFrame {
                code: CloseCode::GOING_AWAY,
                reason: "the server is going down".to_owned(),
            };
            match link.close(frame) {
                Ok((_, outbox::Push::Stalled)) => self.warden.stalled(&link),
                Ok(_) if link.version().is_none() => link.refuse(),
                _ => {}
            }
        }
    }

    /// Waits for the clients to leave, and then does not wait any longer.
    fn see_off(&self) {
        // Once more: one may have come in while the others were told.
        self.say_goodbye();
        let patience = *self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        if self.registry.wait_until_empty(patience) {
            return;
        }
        for link in self.registry.all() {
            link.lose(Loss::Cut, &self.totals);
        }
    }

    /// Gives an accepted stream its number and its outbox.
    fn welcome(&self, stream: TcpStream, peer: SocketAddr) -> (Arc<TcpStream>, Arc<Link>) {
        self.totals.accepted.fetch_add(1, Relaxed);
        if self.settings.no_delay {
            // Where it fails, the connection is gone, as the first read will find.
            let _ = stream.set_nodelay(true);
        }
        let socket = Arc::new(stream);
        let id = ClientId(self.next_id.fetch_add(1, Relaxed));
        let link = Arc::new(Link::new(id, peer, Arc::clone(&socket), &self.settings));
        (socket, link)
    }

    fn admit(&self, link: &Arc<Link>) -> bool {
        let Settings { max_clients, max_per_address, .. } = self.settings;
        let admitted =
            !self.is_stopping() && self.registry.admit(link, max_clients, max_per_address);
        if admitted {
            self.warden.watch(link);
        }
        admitted
    }

    /// Answers at the door, without a thread and without waiting.
    fn turn_away(&self, link: &Link, socket: Arc<TcpStream>) {
        let refusal = match self.is_stopping() {
            true => Refusal::ShuttingDown,
            false => Refusal::Full,
        };
        info!("client {} {}: turned away with 503: {refusal}", link.id, link.peer);
        self.totals.refused(refusal.name());
        link.outbox.goodbye(&refusal_bytes(&refusal));
        link.enter(link::Stage::Gone);
        link.outbox.close();
        self.warden.turned_away(socket);
    }
}

/// Accepts until the server stops.
fn listen<'scope, 'env, F>(
    listener: &TcpListener,
    woken: &UnixStream,
    shared: &'env Arc<Shared>,
    scope: &'scope Scope<'scope, 'env>,
    handler: &'env F,
) -> io::Result<()>
where
    F: Fn(&mut Client) -> Outcome + Sync,
{
    while !shared.is_stopping() {
        let error = match listener.accept() {
            Ok((stream, peer)) => {
                start(stream, peer, shared, scope, handler);
                continue;
            }
            Err(error) => error,
        };
        let mut polled = [PollFd::new(woken, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                let _ = poll(&mut polled, None);
            }
            // The client was gone before it was accepted, or a signal came.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
            io::ErrorKind::InvalidInput => return Err(error),
            _ => {
                warn!("cannot accept: {error}; trying again in {EXHAUSTED:?}");
                let timeout = Timespec::try_from(EXHAUSTED).ok();
                let _ = poll(&mut polled[..1], timeout.as_ref());
            }
        }
    }
    Ok(())
}

fn start<'scope, 'env, F>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &'env Arc<Shared>,
    scope: &'scope Scope<'scope, 'env>,
    handler: &'env F,
) where
    F: Fn(&mut Client) -> Outcome + Sync,
{
    // Where accepted sockets inherit it from the listener.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream.set_nonblocking(false);
    let (socket, link) = shared.welcome(stream, peer);
    if !shared.admit(&link) {
        return shared.turn_away(&link, socket);
    }
    let builder = thread::Builder::new()
        .name(format!("client {}", link.id))
        .stack_size(shared.settings.stack_size);
    let (its_socket, its_link) = (Arc::clone(&socket), Arc::clone(&link));
    let spawned = builder.spawn_scoped(scope, move || {
        Client::new(its_link, its_socket, Arc::clone(shared)).serve(handler);
    });
    if let Err(error) = spawned {
        warn!("client {}: no thread for it: {error}", link.id);
        shared.registry.remove(&link, &shared.totals);
        shared.turn_away(&link, socket);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").finish_non_exhaustive()
    }
}
