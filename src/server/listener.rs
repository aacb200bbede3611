//! The listening sockets of a server: bound sockets, TCP or Unix.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::net::peer::Peer;
use crate::net::stream::Stream;

use super::unix_file;
use super::unix_file::SocketFile;

/// A listening socket of the system, of any kind that clients can connect to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// TCP, over IPv4, IPv6, or both.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// An address or path on which a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A TCP port.
    Net(SocketAddr),
    /// A Unix socket; `None` if it has no path, but an abstract name or no name at all.
    Unix(Option<PathBuf>),
}

/// A listening socket, and the file that goes with it.
#[derive(Debug)]
pub(crate) struct BoundListener {
    /// Before the listener, so that the file is removed first: no other file can have its number until
    /// the socket is closed.
    file: Option<SocketFile>,
    listener: Listener,
    /// There is no TLS on this listener, even if the server has TLS.
    is_plain: bool,
}

/// The number of connections that the kernel keeps until they are accepted. The standard library
/// requests 128, which a burst of clients fills: the others would try again a second later. The
/// system may allow less than this.
const TOTAL_QUEUED: i32 = 4096;

#[cfg(not(target_vendor = "apple"))]
const CLOEXEC: SocketFlags = SocketFlags::CLOEXEC;
#[cfg(target_vendor = "apple")]
const CLOEXEC: SocketFlags = SocketFlags::empty();

impl BoundListener {
    /// Binds to the first of the addresses that is free.
    pub(crate) fn tcp(addresses: impl ToSocketAddrs) -> io::Result<BoundListener> {
        let mut failed = io::Error::new(
            io::ErrorKind::InvalidInput,
            "no address to listen on: the name has none",
        );
        for address in addresses.to_socket_addrs()? {
            match listen_on(&address) {
                Ok(listener) => return BoundListener::attach(listener.into()),
                Err(error) => failed = cannot_listen(&address, &error),
            }
        }
        Err(failed)
    }

    /// Binds to a path.
    pub(crate) fn unix(path: &Path) -> io::Result<BoundListener> {
        let failed = |error| cannot_listen(&path.display(), &error);
        let (listener, file) = unix_file::bind(path).map_err(failed)?;
        let _ = listen(&listener, TOTAL_QUEUED);
        let mut bound = BoundListener::attach(listener.into())?;
        bound.file = Some(file);
        Ok(bound)
    }

    /// Uses an existing listener.
    pub(crate) fn attach(listener: Listener) -> io::Result<BoundListener> {
        match &listener {
            Listener::Tcp(listener) => listener.set_nonblocking(true)?,
            Listener::Unix(listener) => listener.set_nonblocking(true)?,
        }
        Ok(BoundListener {
            listener,
            file: None,
            is_plain: false,
        })
    }

    /// Turns TLS off, for clients that cannot use it.
    #[cfg(feature = "tls")]
    pub(crate) fn plain(self) -> BoundListener {
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
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((stream.into(), Peer::Local))
            }
        }
    }

    pub(crate) fn endpoint(&self) -> io::Result<Endpoint> {
        match (&self.listener, &self.file) {
            (Listener::Tcp(listener), _) => listener.local_addr().map(Endpoint::Net),
            (Listener::Unix(_), Some(file)) => Ok(Endpoint::Unix(Some(file.path().to_owned()))),
            (Listener::Unix(listener), None) => {
                let address = listener.local_addr()?;
                Ok(Endpoint::Unix(address.as_pathname().map(Path::to_owned)))
            }
        }
    }
}

/// Creates a listening socket with its options: in the standard library, they cannot be set before it is
/// bound.
fn listen_on(address: &SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, SocketType::STREAM, CLOEXEC, None)?;
    // For systems that cannot create a socket with this flag.
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    // A restarted server need not wait until the system has forgotten the old server's connections.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // If the system allows one family only, it is IPv6.
        let _ = sockopt::set_ipv6_v6only(&socket, false);
    }
    bind(&socket, address)?;
    listen(&socket, TOTAL_QUEUED)?;
    Ok(socket.into())
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

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Listener {
        Listener::Unix(listener)
    }
}

impl AsFd for BoundListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
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
            Endpoint::Unix(Some(path)) => path.display().fmt(f),
            Endpoint::Unix(None) => f.write_str("a Unix socket without a path"),
        }
    }
}
