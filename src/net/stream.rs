//! The kinds of connections that can be served.

use std::io;
use std::net::TcpStream;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};

use super::peer::Peer;

/// A connected stream of the operating system, on which a WebSocket connection can run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// A TCP stream, over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A stream of a Unix socket. Not on Windows.
    #[cfg(unix)]
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
            #[cfg(unix)]
            Stream::Unix(stream) => stream.peer_addr().map(|_| Peer::Local),
        }
    }

    /// Returns the local address, if there is one.
    #[cfg(feature = "client")]
    pub(crate) fn local_addr(&self) -> Option<std::net::SocketAddr> {
        match self {
            Stream::Tcp(stream) => stream.local_addr().ok(),
            #[cfg(unix)]
            Stream::Unix(_) => None,
        }
    }

    pub(crate) fn is_tcp(&self) -> bool {
        match self {
            Stream::Tcp(_) => true,
            #[cfg(unix)]
            Stream::Unix(_) => false,
        }
    }

    /// Turns on TCP_NODELAY.
    pub(crate) fn set_no_delay(&self) {
        match self {
            Stream::Tcp(stream) => {
                // If this fails, the connection is gone: the first read returns the error.
                let _ = stream.set_nodelay(true);
            }
            #[cfg(unix)]
            Stream::Unix(_) => {}
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
            #[cfg(unix)]
            Stream::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(None)
            }
        }
    }
}

#[cfg(windows)]
impl Stream {
    /// Makes every call return at once.
    pub(crate) fn set_never_blocks(&self) -> io::Result<()> {
        let Stream::Tcp(stream) = self;
        stream.set_nonblocking(true)
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        Stream::Tcp(stream)
    }
}

#[cfg(unix)]
impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Stream {
        Stream::Unix(stream)
    }
}

#[cfg(unix)]
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

#[cfg(windows)]
impl AsSocket for Stream {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        let Stream::Tcp(stream) = self;
        stream.as_socket()
    }
}
