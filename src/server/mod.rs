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

mod builder;

mod crew;

mod listener;

mod client;

mod conversation;

mod handshake;

mod farewell;

mod link;

mod outbox;

mod queue;

mod hub;

mod budget;

mod warden;

mod registry;

mod handle;

mod counters;

mod error;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::thread;

use log::info;

pub use builder::{Reply, ServerBuilder};
pub use client::{Client, Outcome, Received};
pub use counters::Counters;
pub use error::{Error, Loss};
pub use farewell::Departure;
pub use handle::{Audience, ClientHandle, ServerHandle};
pub use link::ClientId;
pub use outbox::SlowClient;

use builder::Settings;
use conversation::Conversation;
use crew::Crew;

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
    crew: Arc<Crew>,
}

impl Server {
    /// Binds to an address, with the default options.
    ///
    /// # Errors
    /// Where the address cannot be bound, or a thread cannot be started.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Server> {
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
        ServerHandle {
            shared: Arc::clone(&self.crew.shared),
        }
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
        let Server {
            listener,
            woken,
            crew,
        } = self;
        let shared = &crew.shared;
        let address = listener.local_addr()?;
        info!(
            "listening on {address}, speaking {}",
            shared.settings.config.versions
        );
        let result = thread::scope(|scope| {
            let result = listener::listen(&listener, &woken, shared, scope, &handler);
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
        let (crew, _) = Crew::new(settings)?;
        Ok(Detached {
            crew: Arc::new(crew),
        })
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
            return Err(Error::Refused(shared.turn_away(&link, socket)));
        }
        let talk = Conversation::new(link, socket, Arc::clone(shared));
        Client::open(talk, &self.crew)
    }

    /// A handle that can be cloned and used from any thread. Its `shutdown` refuses new clients
    /// and says 1001 to all others; it cuts nobody off.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.crew.shared),
        }
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

impl Server {
    pub(crate) fn new(listener: TcpListener, settings: Settings) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let (crew, woken) = Crew::new(settings)?;
        Ok(Server {
            listener,
            woken,
            crew,
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").finish_non_exhaustive()
    }
}
