//! Starts servers on one or more listening sockets, with the clients of all of them in the same rooms.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use super::listener::{BoundListener, Endpoint, Listener};
#[cfg(feature = "systemd")]
use super::systemd;
use super::{Acceptor, Server, ServerBuilder};

/// Methods that start a server. Each starts the hub and the watchdog; clients wait in the kernel's queue
/// until [`Server::run`].
impl ServerBuilder {
    /// Binds to an address; if a name has several addresses, to the first that is free.
    ///
    /// `[::]` accepts IPv4 too, on every system that allows it, independent of the system's default: so
    /// `[::]:80` and `0.0.0.0:80` cannot both be bound.
    ///
    /// # Errors
    /// If the address cannot be bound, or a thread cannot be started.
    pub fn bind(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        Server::new(vec![BoundListener::tcp(address)?], self.settings)
    }

    /// Binds to the path of a Unix socket, for clients on this machine, such as a proxy.
    ///
    /// The file is removed when the server ends. A file that a dead server has left is replaced; the
    /// file of a running server, and any other file, is left unchanged. (On systems other than Linux,
    /// a server with a full queue looks the same as a dead one.)
    ///
    /// Every user with write permission for the file may connect. The process's umask (and the folder)
    /// decide that; often only the process's own user may. Exclude other users by the folder or the
    /// umask: a later change of the file's permissions is too late for clients that have connected.
    ///
    /// Nginx in front needs these lines; with the last of them, and
    /// [`trust_local_proxy`](ServerBuilder::trust_local_proxy), clients have addresses.
    ///
    /// ```text
    /// proxy_pass http://unix:/run/chat/socket;
    /// proxy_http_version 1.1;
    /// proxy_set_header Host $http_host;
    /// proxy_set_header Upgrade $http_upgrade;
    /// proxy_set_header Connection $http_connection;
    /// proxy_set_header X-Forwarded-For $remote_addr;
    /// proxy_set_header X-Forwarded-Proto $scheme;
    /// ```
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if there is a file at that path that is not a dead
    /// server's; also if the path cannot be bound, above all when it is longer than the system allows
    /// (107 bytes on Linux), or a thread cannot be started.
    pub fn bind_unix(self, path: impl AsRef<Path>) -> io::Result<Server> {
        Server::new(vec![BoundListener::unix(path.as_ref())?], self.settings)
    }

    /// Serves the clients of an existing listener: a `TcpListener` or a `UnixListener`. A Unix socket's
    /// file is not removed.
    ///
    /// # Errors
    /// If the listener cannot be made non-blocking, or a thread cannot be started.
    pub fn attach(self, listener: impl Into<Listener>) -> io::Result<Server> {
        Server::new(vec![BoundListener::attach(listener.into())?], self.settings)
    }

    /// Serves the clients of all listeners that systemd, or another program with the same protocol, has
    /// passed to this process: those of a unit such as `chat.socket`, for `chat.service`.
    ///
    /// ```text
    /// [Socket]
    /// ListenStream=80
    /// ListenStream=/run/chat/socket
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    ///
    /// Call this before the program starts threads that read its environment, since this changes the
    /// environment: a process can take the listeners only once. The files of Unix sockets are not
    /// removed: they belong to systemd, and clients wait there while the service restarts.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if no sockets were passed to this process,
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if one of the sockets is not a listener for
    /// streams; also if a thread cannot be started.
    #[cfg(feature = "systemd")]
    pub fn attach_systemd(self) -> io::Result<Server> {
        let listeners = systemd::listeners()?.into_iter().map(BoundListener::attach);
        Server::new(listeners.collect::<io::Result<_>>()?, self.settings)
    }

    /// Creates a server without a listener, for programs with their own accept loop, which pass accepted
    /// streams one by one.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn acceptor(self) -> io::Result<Acceptor> {
        Acceptor::new(self.settings)
    }
}

/// Methods for more than one listener. One thread serves all of them in turn: none can starve another.
///
/// ```no_run
/// stentor::Server::bind("[::]:8000")?
///     .and_bind_unix("/run/chat/socket")?
///     .run(|client| {
///         println!("{} has connected", client.peer());
///         Ok(())
///     })
/// # ; Ok::<(), std::io::Error>(())
/// ```
impl Server {
    /// Listens on one more address, as with [`ServerBuilder::bind`].
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn and_bind(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        Ok(self.and(BoundListener::tcp(address)?))
    }

    /// Listens on one more Unix socket, as with [`ServerBuilder::bind_unix`].
    ///
    /// # Errors
    /// The same as [`ServerBuilder::bind_unix`].
    pub fn and_bind_unix(self, path: impl AsRef<Path>) -> io::Result<Server> {
        Ok(self.and(BoundListener::unix(path.as_ref())?))
    }

    /// Listens on one more address without TLS, on a server with [TLS](ServerBuilder::tls): for
    /// browsers that are older than TLS 1.2, in the same rooms as today's.
    ///
    /// # Errors
    /// If the address cannot be bound.
    #[cfg(feature = "tls")]
    pub fn and_bind_plain(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        Ok(self.and(BoundListener::tcp(address)?.plain()))
    }

    /// Serves the clients of one more listener, as with [`ServerBuilder::attach`].
    ///
    /// # Errors
    /// If the listener cannot be made non-blocking.
    pub fn and_attach(self, listener: impl Into<Listener>) -> io::Result<Server> {
        Ok(self.and(BoundListener::attach(listener.into())?))
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

    fn and(mut self, bound: BoundListener) -> Server {
        self.listeners.push(bound);
        self
    }
}
