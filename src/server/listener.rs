//! The listening sockets of a server, TCP or Unix: collected by its builder, then bound.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixListener;
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
#[cfg(all(feature = "unix", unix))]
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;

use crate::net::peer::Peer;
use crate::net::stream::Stream;
use crate::net::system::{listen_on, listens};

#[cfg(all(feature = "systemd", unix))]
use super::systemd;
#[cfg(all(feature = "unix", unix))]
use super::unix_file;
#[cfg(all(feature = "unix", unix))]
use super::unix_file::SocketFile;

/// A listening socket of the operating system, for
/// [`ServerBuilder::listener`](crate::ServerBuilder::listener).
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// A TCP listener, over IPv4, IPv6, or both.
    Tcp(TcpListener),
    /// A listener on a Unix socket. Not on Windows.
    #[cfg(unix)]
    Unix(UnixListener),
}

/// An address or a path on which a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A TCP address and port.
    Net(SocketAddr),
    /// The path of a Unix socket. `None` if the socket has no path, but an abstract name or no name at all.
    /// Not on Windows.
    #[cfg(unix)]
    Unix(Option<PathBuf>),
}

/// The listeners of a server that is not built yet, in their order.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Vec<Source>);

/// The way to get one listener, or all those that were passed to the process.
#[derive(Debug)]
pub(super) enum Source {
    /// The addresses of a name, or the error of resolving it.
    Tcp(io::Result<Vec<SocketAddr>>),
    /// The same, without TLS even if the server has TLS.
    #[cfg(feature = "tls")]
    Plain(io::Result<Vec<SocketAddr>>),
    #[cfg(all(feature = "unix", unix))]
    Unix(PathBuf),
    Existing(Listener),
    #[cfg(all(feature = "systemd", unix))]
    Systemd,
}

/// A listening socket, and the file that goes with it.
#[derive(Debug)]
pub(crate) struct BoundListener {
    /// Before the listener, so that the file is removed first: no other file can have its number until
    /// the socket is closed.
    #[cfg(all(feature = "unix", unix))]
    file: Option<SocketFile>,
    listener: Listener,
    /// There is no TLS on this listener, even if the server has TLS.
    is_plain: bool,
}

/// The number of connections that the kernel keeps until they are accepted. The standard library
/// requests 128, which a burst of clients fills: the others would try again a second later. The
/// system may allow less than this.
const BACKLOG: i32 = 4096;

impl Listeners {
    pub(super) fn add(&mut self, source: Source) {
        self.0.push(source);
    }

    /// Binds all of them.
    ///
    /// # Errors
    /// The error of the first that cannot be bound, and an error if there is none.
    pub(super) fn bind(self) -> io::Result<Vec<BoundListener>> {
        #[cfg(all(feature = "systemd", unix))]
        if self
            .0
            .iter()
            .filter(|one| matches!(one, Source::Systemd))
            .count()
            > 1
        {
            return Err(invalid(
                "systemd was called more than once: it adds all sockets that were passed to this \
                 process, so call it once",
            ));
        }
        if self.0.is_empty() {
            return Err(invalid(
                "a server needs a listener: call listen, listen_unix or listener before build, or \
                 acceptor instead of build",
            ));
        }
        let mut bound = Vec::new();
        for source in self.0 {
            source.bind(&mut bound)?;
        }
        Ok(bound)
    }

    /// # Errors
    /// If there is a listener.
    pub(crate) fn check_none(&self) -> io::Result<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(invalid(
                "an acceptor has no listeners: remove listen, listen_unix and listener, or call \
                 build instead of acceptor",
            )),
        }
    }
}

impl Source {
    pub(super) fn tcp(address: impl ToSocketAddrs) -> Source {
        Source::Tcp(resolve(address))
    }

    #[cfg(feature = "tls")]
    pub(super) fn plain(address: impl ToSocketAddrs) -> Source {
        Source::Plain(resolve(address))
    }

    fn bind(self, bound: &mut Vec<BoundListener>) -> io::Result<()> {
        bound.push(match self {
            Source::Tcp(addresses) => BoundListener::tcp(&addresses?)?,
            #[cfg(feature = "tls")]
            Source::Plain(addresses) => BoundListener::tcp(&addresses?)?.plain(),
            #[cfg(all(feature = "unix", unix))]
            Source::Unix(path) => BoundListener::unix(&path)?,
            Source::Existing(listener) => BoundListener::given(listener)?,
            #[cfg(all(feature = "systemd", unix))]
            Source::Systemd => {
                for listener in systemd::listeners()? {
                    bound.push(BoundListener::existing(listener)?);
                }
                return Ok(());
            }
        });
        Ok(())
    }
}

impl BoundListener {
    /// Binds to the first of the addresses that is free.
    fn tcp(addresses: &[SocketAddr]) -> io::Result<BoundListener> {
        let mut failed = invalid("no address to listen on: the name has none");
        for address in addresses {
            match listen_on(address, BACKLOG) {
                Ok(listener) => return BoundListener::existing(listener.into()),
                Err(error) => failed = cannot_listen(address, &error),
            }
        }
        Err(failed)
    }

    /// Binds to a path.
    #[cfg(all(feature = "unix", unix))]
    fn unix(path: &Path) -> io::Result<BoundListener> {
        let failed = |error| cannot_listen(&path.display(), &error);
        let (listener, file) = unix_file::bind(path).map_err(failed)?;
        let _ = rustix::net::listen(&listener, BACKLOG);
        let mut bound = BoundListener::existing(listener.into())?;
        bound.file = Some(file);
        Ok(bound)
    }

    /// Uses a listener of the user's, which may be any socket.
    ///
    /// # Errors
    /// If it does not listen.
    fn given(listener: Listener) -> io::Result<BoundListener> {
        let bound = BoundListener::existing(listener)?;
        match listens(&bound) {
            true => Ok(bound),
            false => Err(invalid(&format!(
                "the socket {bound} does not listen: call listen on it, or bind it as a TcpListener or \
                 a UnixListener"
            ))),
        }
    }

    /// Uses an existing listener.
    fn existing(listener: Listener) -> io::Result<BoundListener> {
        match &listener {
            Listener::Tcp(listener) => listener.set_nonblocking(true)?,
            #[cfg(unix)]
            Listener::Unix(listener) => listener.set_nonblocking(true)?,
        }
        Ok(BoundListener {
            listener,
            #[cfg(all(feature = "unix", unix))]
            file: None,
            is_plain: false,
        })
    }

    /// Turns TLS off, for clients that cannot use it.
    #[cfg(feature = "tls")]
    fn plain(self) -> BoundListener {
        BoundListener {
            is_plain: true,
            ..self
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Accepts the next client that waits, if there is one.
    pub(crate) fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.listener {
            Listener::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                Ok((stream.into(), address.into()))
            }
            #[cfg(unix)]
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((stream.into(), Peer::Local))
            }
        }
    }

    pub(crate) fn endpoint(&self) -> io::Result<Endpoint> {
        #[cfg(all(feature = "unix", unix))]
        if let Some(file) = &self.file {
            return Ok(Endpoint::Unix(Some(file.path().to_owned())));
        }
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().map(Endpoint::Net),
            #[cfg(unix)]
            Listener::Unix(listener) => {
                let address = listener.local_addr()?;
                Ok(Endpoint::Unix(address.as_pathname().map(ToOwned::to_owned)))
            }
        }
    }
}

/// Returns the first TCP address.
///
/// # Errors
/// If there is none.
#[inline]
pub(super) fn tcp_address(endpoints: &[Endpoint]) -> io::Result<SocketAddr> {
    let mut addresses = endpoints.iter().filter_map(|endpoint| match endpoint {
        Endpoint::Net(address) => Some(*address),
        #[cfg(unix)]
        Endpoint::Unix(_) => None,
    });
    let words = "this server has no TCP address: it listens on Unix sockets only";
    let none = || io::Error::new(io::ErrorKind::AddrNotAvailable, words);
    addresses.next().ok_or_else(none)
}

fn resolve(address: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    match address.to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => {
            let words = format!("cannot resolve an address to listen on: {error}");
            Err(io::Error::new(error.kind(), words))
        }
    }
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, words)
}

fn cannot_listen(endpoint: &dyn fmt::Display, error: &io::Error) -> io::Error {
    let words = format!("cannot listen on {endpoint}: {error}");
    io::Error::new(error.kind(), words)
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Listener {
        Listener::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Listener {
        Listener::Unix(listener)
    }
}

#[cfg(unix)]
impl AsFd for BoundListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

#[cfg(windows)]
impl AsSocket for BoundListener {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        let Listener::Tcp(listener) = &self.listener;
        listener.as_socket()
    }
}

/// The address or path, for the log.
impl fmt::Display for BoundListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.endpoint() {
            Ok(endpoint) => endpoint.fmt(f),
            Err(error) => write!(f, "a socket without a known address ({error})"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Net(address) => address.fmt(f),
            #[cfg(unix)]
            Endpoint::Unix(Some(path)) => path.display().fmt(f),
            #[cfg(unix)]
            Endpoint::Unix(None) => f.write_str("a Unix socket without a path"),
        }
    }
}
