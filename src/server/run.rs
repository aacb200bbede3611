//! A server with listeners, from its binding to the end of its last client.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use crate::net::log::{SERVER, info};
use crate::net::system::LocalStream;

use super::accept_loop;
use super::builder::ServerBuilder;
use super::client::{Client, Handler, HandlerResult};
use super::handles::ServerHandle;
use super::listener::{BoundListener, Endpoint, tcp_address};
use super::settings::Settings;
use super::shared::ServerThreads;
use super::spawn::RunningServer;

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
    woken: LocalStream,
    threads: ServerThreads,
}

impl Server {
    /// Binds a server with the default options to an address. The long form is
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

    /// Returns a handle of the server. The handle can be cloned and used from any thread, before and while
    /// the server runs.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.threads.shared),
        }
    }

    /// Returns the first TCP address on which the server listens. For port 0, this is the port that the
    /// system has chosen.
    ///
    /// # Errors
    /// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if the server listens on Unix sockets only.
    #[inline]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        tcp_address(&self.endpoints()?)
    }

    /// Returns all addresses and paths on which the server listens, in the order in which they were added.
    ///
    /// # Errors
    /// If the system does not return an address.
    #[inline]
    pub fn endpoints(&self) -> io::Result<Vec<Endpoint>> {
        self.listeners.iter().map(BoundListener::endpoint).collect()
    }

    /// Accepts clients on the calling thread, and runs the handler for each of them on another thread. It
    /// returns after [`ServerHandle::shutdown`], when all handlers have returned and all threads of the
    /// server have ended.
    ///
    /// A client has its thread as long as it is connected. The thread may then serve another client: values
    /// that a handler leaves in thread-locals are visible to the next one. All threads run the same handler,
    /// which may borrow from the caller. On Linux, tools such as `top` show the thread as `client` and the
    /// client's number.
    ///
    /// # Errors
    /// - If all listeners are broken permanently.
    /// - In a child that was forked after the server was bound, since the server's threads are in the parent.
    ///   A program that forks must fork before it binds.
    ///
    /// If the system has no file descriptor, no thread, or no memory for one more client, this is not an
    /// error: the server waits, or rejects the client with 503.
    pub fn run<F>(self, handler: F) -> io::Result<()>
    where
        F: Fn(&mut Client) -> HandlerResult + Sync,
    {
        self.run_dyn(&handler)
    }

    /// The same for all types of handlers, so that it is compiled once, and not with each program.
    fn run_dyn(self, handler: &Handler<'_>) -> io::Result<()> {
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
            let result = accept_loop::listen(listeners, &woken, shared, scope, handler);
            shared.finish_shutdown();
            result
        });
        info!(target: SERVER, "stopped; all clients of {endpoints} have left");
        result
    }

    /// Runs the server like [`run`](Server::run), but on a thread of its own, named `stentor listener`. The
    /// result has the server's handle and its addresses, and waits for its end
    /// ([`join`](RunningServer::join)). If the result is dropped, the server runs on.
    ///
    /// # Errors
    /// If the system does not return an address, or cannot start a thread. Also in a child that was forked
    /// after the server was bound. The errors of [`run`](Server::run) are those of
    /// [`join`](RunningServer::join).
    #[doc(alias = "thread")]
    #[doc(alias = "background")]
    pub fn spawn<F>(self, handler: F) -> io::Result<RunningServer>
    where
        F: Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
    {
        self.threads.check_process()?;
        let (handle, endpoints) = (self.handle(), self.endpoints()?);
        let builder = thread::Builder::new().name("stentor listener".to_owned());
        let thread = builder.spawn(move || self.run(handler))?;
        Ok(RunningServer::new(handle, endpoints, thread))
    }

    pub(super) fn new(listeners: Vec<BoundListener>, settings: Settings) -> io::Result<Server> {
        let (threads, woken) = ServerThreads::new(settings)?;
        Ok(Server {
            listeners,
            woken,
            threads,
        })
    }
}

impl fmt::Debug for Server {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Server;
    use crate::net::process::Process;
    use std::io;

    /// A real fork needs `unsafe`: so the test changes the process in which the server was bound.
    #[test]
    fn a_server_that_was_bound_before_a_fork_does_not_run_in_the_child() -> io::Result<()> {
        let mut server = Server::bind("127.0.0.1:0")?;
        let handle = server.handle();
        server.threads.process = Process::another();
        let error = server.run(|_| Ok(())).err().map(|error| error.to_string());
        let error = error.unwrap_or_else(|| "it has run".to_owned());
        assert!(error.contains("fork first"), "{error}");
        // The threads, here the parent's, still run and respond.
        assert_eq!(handle.rooms(), Vec::<String>::new());
        Ok(())
    }
}
