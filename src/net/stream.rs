//! The kinds of connections that can be served.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::peer::Peer;

/// A connected stream of the operating system, on which a WebSocket connection can run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// A TCP stream, over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A stream of a Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Returns the peer's address.
    ///
    /// # Errors
    /// If the stream is not connected.
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().map(Peer::from),
            Stream::Unix(stream) => stream.peer_addr().map(|_| Peer::Local),
        }
    }

    /// Returns the local address, if there is one.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Stream::Tcp(stream) => stream.local_addr().ok(),
            Stream::Unix(_) => None,
        }
    }

    /// Makes reads block without a timeout, even if one was set before: a timeout would look like the
    /// end of the stream.
    pub(crate) fn set_blocking(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(None)
            }
            Stream::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(None)
            }
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        Stream::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Stream {
        Stream::Unix(stream)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}
