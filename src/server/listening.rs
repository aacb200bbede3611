//! Where a server listens: on as many sockets as it is given, with the same clients in the same
//! rooms.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use super::listener::{BoundListener, Endpoint, Listener};
#[cfg(feature = "systemd")]
use super::systemd;
use super::{Acceptor, Server, ServerBuilder};

/// Starting. Each of these starts the hub and the warden; clients wait in the kernel's queue until
/// [`Server::run`].
impl ServerBuilder {
    /// Binds to an address: of several, as a name may have, to the first that can be had.
    ///
    /// `[::]` takes IPv4 too, on every system that allows it, whatever its defaults are: both
    /// `[::]:80` and `0.0.0.0:80` cannot be had then.
    ///
    /// # Errors
    /// Where the address cannot be bound, or a thread cannot be started.
    pub fn bind(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        Server::new(vec![BoundListener::tcp(address)?], self.settings)
    }

    /// Binds to the path of a Unix socket, for clients on this machine: a proxy, most likely.
    ///
    /// The file is removed when the server ends. One that a dead server has left is replaced;
    /// where a server listens, or where there is any other file, it is left alone. (Elsewhere than
    /// on Linux, a server whose queue is full cannot be told from a dead one.)
    ///
    /// Who may write to the file may connect: everybody, as far as the process's umask (or the
    /// folder) allows, often only its own user. Keep others out by the folder or by the umask:
    /// changed later, the file's permissions come too late for those who have connected.
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
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) where there is something at that path already that
    /// is not a dead server's; where it cannot be bound, above all when it is longer than the
    /// system allows (107 bytes on Linux); where a thread cannot be started.
    pub fn bind_unix(self, path: impl AsRef<Path>) -> io::Result<Server> {
        Server::new(vec![BoundListener::unix(path.as_ref())?], self.settings)
    }

    /// Serves the clients of a listener that exists already: a `TcpListener`, a `UnixListener`. A
    /// Unix socket's file is not removed.
    ///
    /// # Errors
    /// Where the listener cannot be made non-blocking, or a thread cannot be started.
    pub fn attach(self, listener: impl Into<Listener>) -> io::Result<Server> {
        Server::new(vec![BoundListener::attach(listener.into())?], self.settings)
    }

    /// Serves the clients of all listeners that systemd, or anybody who speaks its protocol, has
    /// handed over to this process: those of a unit such as `chat.socket`, for `chat.service`.
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
    /// To be called before the program starts threads that read its environment, since it is
    /// changed: the listeners can be had only once. The files of Unix sockets are not removed:
    /// they are systemd's, and clients wait there while the service is started again.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) where nothing was handed over to this process,
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) where one of the sockets is no listener for
    /// streams; where a thread cannot be started.
    #[cfg(feature = "systemd")]
    pub fn attach_systemd(self) -> io::Result<Server> {
        let listeners = systemd::listeners()?.into_iter().map(BoundListener::attach);
        Server::new(listeners.collect::<io::Result<_>>()?, self.settings)
    }

    /// A server without a listener, for those who bring their own loop and hand over accepted
    /// streams one by one.
    ///
    /// # Errors
    /// Where a thread cannot be started.
    pub fn acceptor(self) -> io::Result<Acceptor> {
        Acceptor::new(self.settings)
    }
}

/// More than one listener. One thread serves them all, in turns: none can starve another.
///
/// ```no_run
/// stentor::Server::bind("[::]:8000")?
///     .and_bind_unix("/run/chat/socket")?
///     .run(|client| {
///         println!("{} has come", client.peer());
///         Ok(())
///     })
/// # ; Ok::<(), std::io::Error>(())
/// ```
impl Server {
    /// Listens on one more address, as with [`ServerBuilder::bind`].
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub fn and_bind(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        Ok(self.and(BoundListener::tcp(address)?))
    }

    /// Listens on one more Unix socket, as with [`ServerBuilder::bind_unix`].
    ///
    /// # Errors
    /// As there.
    pub fn and_bind_unix(self, path: impl AsRef<Path>) -> io::Result<Server> {
        Ok(self.and(BoundListener::unix(path.as_ref())?))
    }

    /// Listens on one more address without TLS, on a server that has [some](ServerBuilder::tls): for
    /// browsers that are older than TLS 1.2, in the same rooms as today's.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    #[cfg(feature = "tls")]
    pub fn and_bind_plain(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        Ok(self.and(BoundListener::tcp(address)?.plain()))
    }

    /// Serves the clients of one more listener, as with [`ServerBuilder::attach`].
    ///
    /// # Errors
    /// Where the listener cannot be made non-blocking.
    pub fn and_attach(self, listener: impl Into<Listener>) -> io::Result<Server> {
        Ok(self.and(BoundListener::attach(listener.into())?))
    }

    /// The first TCP address that the server listens on, with the port that the system chose for
    /// port 0.
    ///
    /// # Errors
    /// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) where there is none, but Unix sockets
    /// only.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        for bound in &self.listeners {
            if let Endpoint::Net(address) = bound.endpoint()? {
                return Ok(address);
            }
        }
        let words = "this server listens on no address, but on Unix sockets only";
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, words))
    }

    /// All that the server listens on, in the order in which it was added.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn endpoints(&self) -> io::Result<Vec<Endpoint>> {
        self.listeners.iter().map(BoundListener::endpoint).collect()
    }

    fn and(mut self, bound: BoundListener) -> Server {
        self.listeners.push(bound);
        self
    }
}
