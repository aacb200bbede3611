//! The server: a listener, a thread for each client, and a hub. It knows no HTTP header and no
//! opcode, and checks the abilities of a version, never its number; all that is in
//! [`protocol`](crate::protocol). The code that serves one connection is in `net`.
//!
//! ```text
//!  listener ──accept──> one thread per client ──command──> hub ──push──> each member's send queue ──> sockets
//!                        │  reads, decodes,                                  │
//!                        │  runs the handler ──reply──> its own send queue ──┘ the rest, for a full socket,
//!                        │                                                   │
//!                        └──────────── woken at a deadline by ─── watchdog ──┘ is sent later by
//! ```
//!
//! Beside the clients' threads there are three: the listener, which is the thread that calls
//! [`Server::run`] and serves all sockets that the server listens on; the hub; and the watchdog. One
//! owner per mutable thing: the client's thread owns its input and its state, the send queue owns the
//! output, the hub the rooms, the watchdog the time. They meet in bounded queues, and no lock is held
//! across a call that can block, with one exception: the set of a client's own rooms is locked while a
//! join or a leave waits for room in the hub's queue. Only threads that do so for the same client can
//! wait there.

mod builder;

mod settings;

mod registry;

mod addresses;

mod counters;

mod reply;

mod shared;

mod accept_loop;

mod listener;

mod unix_file;

#[cfg(feature = "systemd")]
mod systemd;

mod client;

mod handshake;

mod teardown;

mod hub;

mod membership;

mod os_limits;

mod memory;

mod handles;

#[cfg(all(test, stentor_model))]
#[path = "../../tests/model/src/mod.rs"]
mod model;

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

pub use builder::ServerBuilder;
pub use client::{Client, HandlerResult};
pub use counters::Counters;
pub use handles::{Audience, ClientHandle, ServerHandle};
pub use listener::{Endpoint, Listener};
pub use membership::JoinError;
pub use reply::Reply;
pub use teardown::CloseReport;

use crate::error::Error;
use crate::net::connection::Conversation;
use crate::net::log::{SERVER, info};
use crate::net::stream::Stream;

use listener::BoundListener;
use settings::Settings;
use shared::ServerThreads;

/// A server that is bound to its addresses and ready to [`run`](Server::run).
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
#[must_use = "a server accepts no client until `run` is called"]
pub struct Server {
    listeners: Vec<BoundListener>,
    woken: UnixStream,
    threads: ServerThreads,
}

/// A server without a listener, for programs with an accept loop of their own. Its clients have timeouts,
/// rooms and counters like all others.
///
/// ```no_run
/// let clients = stentor::Server::builder().acceptor()?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:8000")?;
/// std::thread::scope(|scope| {
///     for stream in listener.incoming().flatten() {
///         scope.spawn(|| {
///             clients.serve(stream, |client| {
///                 while let Some(message) = client.recv()? {
///                     client.send(message)?;
///                 }
///                 Ok(())
///             })
///         });
///     }
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "an acceptor serves no client until `accept` or `serve` is called"]
#[doc(alias = "upgrade")]
pub struct Acceptor {
    threads: Arc<ServerThreads>,
}

impl Server {
    /// Binds to an address, with the default options: short for
    /// [`builder`](Server::builder)`().`[`listen`](ServerBuilder::listen)`(address).`[`build`](ServerBuilder::build)`()`.
    ///
    /// # Errors
    /// If the name cannot be resolved, the address cannot be bound, or a thread cannot be started.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Server> {
        Server::builder().listen(address).build()
    }

    /// Returns a builder without listeners, and with all options at their defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Returns a handle that can be cloned and used from any thread, before and while the server runs.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.threads.shared),
        }
    }

    /// Returns the first TCP address that the server listens on, with the port that the system chose for
    /// port 0.
    ///
    /// # Errors
    /// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if it listens on Unix sockets only.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        for bound in &self.listeners {
            if let Endpoint::Net(address) = bound.endpoint()? {
                return Ok(address);
            }
        }
        let words = "this server has no TCP address: it listens on Unix sockets only";
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, words))
    }

    /// Returns all addresses and paths that the server listens on, in the order in which they were added.
    ///
    /// # Errors
    /// If the system does not return an address.
    pub fn endpoints(&self) -> io::Result<Vec<Endpoint>> {
        self.listeners.iter().map(BoundListener::endpoint).collect()
    }

    /// Serves clients until [`ServerHandle::shutdown`], each on a thread of its own while it is
    /// connected. The thread may then serve another client: values that a handler leaves in
    /// thread-locals are visible to the next one. All threads run the same handler, which may borrow
    /// from the caller. This method runs the listener on the calling thread. When it returns, all
    /// handlers have returned, and all threads of the server have ended.
    ///
    /// # Errors
    /// If all listeners are broken permanently. Running out of descriptors, of threads, or of the memory
    /// that the process's limits allow is not an error: the server waits, or rejects the client with 503.
    /// Also in a child that was forked after the server was bound, since the server's threads are in
    /// the parent: a program that forks must fork before it binds.
    pub fn run<F>(self, handler: F) -> io::Result<()>
    where
        F: Fn(&mut Client) -> HandlerResult + Sync,
    {
        self.threads.check_process()?;
        let endpoints: Vec<_> = self
            .listeners
            .iter()
            .map(BoundListener::to_string)
            .collect();
        let endpoints = endpoints.join(" and ");
        let Server {
            listeners,
            woken,
            threads,
        } = self;
        let shared = &threads.shared;
        let Settings {
            connection,
            max_clients,
            ..
        } = &shared.settings;
        info!(
            target: SERVER, "listening on {endpoints}, speaking {}, for up to {max_clients} clients",
            connection.config.versions
        );
        let result = thread::scope(|scope| {
            // When this returns, no more clients are accepted.
            let result = accept_loop::listen(listeners, &woken, shared, scope, &handler);
            shared.finish_shutdown();
            result
        });
        info!(target: SERVER, "stopped; all clients of {endpoints} have left");
        result
    }

    fn new(listeners: Vec<BoundListener>, settings: Settings) -> io::Result<Server> {
        let (threads, woken) = ServerThreads::new(settings)?;
        Ok(Server {
            listeners,
            woken,
            threads,
        })
    }
}

impl Acceptor {
    /// Performs the handshake on a stream that the caller has accepted, on the calling thread,
    /// and returns the client. Both this and dropping the client can block, for as long as the
    /// handshake, write and close timeouts allow: use one thread for each stream.
    ///
    /// Dropping the client closes the connection with 1000, or with 1011 in a panic; for another code, call
    /// [`Client::close`] before that. Unlike this, [`serve`](Acceptor::serve) knows whether a handler
    /// has failed.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the response that the client received, [`Error::Answered`] when
    /// `on_request` responded with a page, [`Error::Disconnected`] when the client disconnected or took
    /// too long, and [`Error::Io`] when the stream is not a connected socket, or in a child that was
    /// forked after the server was created.
    pub fn accept(&self, stream: impl Into<Stream>) -> Result<Client, Error> {
        Client::open(self.admit(stream.into())?, &self.threads)
    }

    /// Serves one client on the calling thread, from the handshake to the end of the connection,
    /// even if the handler panics, exactly as [`Server::run`] serves each of its clients.
    ///
    /// # Errors
    /// [`Error::Rejected`] if there are too many clients already, of this address or in total, and
    /// [`Error::Io`] when the stream is not a connected socket, or in a forked child, as with
    /// [`accept`](Acceptor::accept). Everything after that is reported by logs, counters and
    /// `on_close`.
    pub fn serve(
        &self,
        stream: impl Into<Stream>,
        handler: impl Fn(&mut Client) -> HandlerResult + Sync,
    ) -> Result<(), Error> {
        let conversation = self.admit(stream.into())?;
        Client::serve(conversation, &self.threads.shared, &handler);
        Ok(())
    }

    fn new(settings: Settings) -> io::Result<Acceptor> {
        let (threads, _) = ServerThreads::new(settings)?;
        Ok(Acceptor {
            threads: Arc::new(threads),
        })
    }

    fn admit(&self, stream: Stream) -> Result<Box<Conversation>, Error> {
        self.threads.check_process()?;
        let peer = stream.peer()?;
        stream.set_blocking()?;
        let shared = &self.threads.shared;
        let socket = shared.secure(stream).map_err(io::Error::other)?;
        shared.admit(socket, peer).map_err(Error::Rejected)
    }

    /// Returns a handle that can be cloned and used from any thread. Its `shutdown` rejects new clients
    /// and closes all others with 1001; it aborts no connection.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.threads.shared),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Server;
    use crate::error::Error;
    use crate::net::process::Process;
    use std::io;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    fn names_the_remedy(error: &io::Error) {
        assert!(error.to_string().contains("fork first"), "{error}");
    }

    /// A real fork needs `unsafe`: so the test changes the process in which the server was bound.
    #[test]
    fn a_server_that_was_bound_before_a_fork_does_not_run_in_the_child() -> io::Result<()> {
        let mut server = Server::bind("127.0.0.1:0")?;
        let handle = server.handle();
        server.threads.process = Process::another();
        let result = server.run(|_| Ok(()));
        names_the_remedy(
            &result
                .err()
                .unwrap_or_else(|| io::Error::other("it has run")),
        );
        // The threads, here the parent's, still run and respond.
        assert_eq!(handle.rooms(), Vec::<String>::new());
        Ok(())
    }

    #[test]
    fn a_detached_server_serves_nobody_in_a_forked_child() -> io::Result<()> {
        let mut acceptor = Server::builder().acceptor()?;
        let threads = Arc::get_mut(&mut acceptor.threads);
        threads.ok_or(io::ErrorKind::Other)?.process = Process::another();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = || TcpStream::connect(listener.local_addr()?);
        let results = [
            acceptor.accept(stream()?).map(drop),
            acceptor.serve(stream()?, |_| Ok(())),
        ];
        for result in results {
            match result {
                Err(Error::Io(error)) => names_the_remedy(&error),
                other => return Err(io::Error::other(format!("{other:?}"))),
            }
        }
        assert_eq!(acceptor.handle().counters().accepted, 0);
        Ok(())
    }
}
