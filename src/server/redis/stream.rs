//! A connection to Redis, over TCP or a Unix socket, which never blocks once it is open.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use crate::net::sync::Instant;
#[cfg(unix)]
use crate::net::system;
#[cfg(feature = "tls")]
use crate::net::tls::TlsClient;

use super::address::Place;
#[cfg(feature = "tls")]
use super::secure::Secure;

/// The place of Redis, and how to connect to it.
pub(crate) struct Target {
    pub(super) place: Place,
    /// For a connection, and again for its TLS handshake.
    pub(super) timeout: Duration,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsClient>,
}

#[derive(Debug)]
pub(super) enum Stream {
    /// With whether nothing was received yet.
    Tcp(TcpStream, bool),
    #[cfg(feature = "tls")]
    Tls(Secure),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Target {
    /// Connects, and tries all addresses of a host, within the timeout for all of them together. The time for the name's
    /// resolution is the system's.
    pub(super) fn connect(&self) -> io::Result<Stream> {
        match &self.place {
            Place::Tcp { host, port } => {
                let stream = connect_tcp(host, *port, self.timeout)?;
                stream.set_nodelay(true)?;
                #[cfg(feature = "tls")]
                if let Some(tls) = &self.tls {
                    let secure = Secure::connect(tls, host, stream, self.timeout)?;
                    secure.tcp.set_nonblocking(true)?;
                    return Ok(Stream::Tls(secure));
                }
                stream.set_nonblocking(true)?;
                Ok(Stream::Tcp(stream, true))
            }
            #[cfg(unix)]
            Place::Unix(path) => {
                let stream = system::connect_unix(path);
                let stream = stream.map_err(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => io::Error::new(
                        io::ErrorKind::TimedOut,
                        "Redis accepts no connections: it is stopped, or busy",
                    ),
                    _ => error,
                })?;
                Ok(Stream::Unix(stream))
            }
            #[cfg(not(unix))]
            Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Stream {
    /// Sends the bytes that the kernel takes, and removes them.
    pub(super) fn send(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut sent = 0;
        #[cfg(feature = "tls")]
        if let Stream::Tls(stream) = self {
            stream.flush()?;
        }
        let result = loop {
            if sent == out.len() {
                break Ok(());
            }
            match self.write(&out[sent..]) {
                Ok(some) => sent += some,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        out.drain(..sent);
        out.shrink_to(KEPT);
        result
    }

    /// Reads once; returns `None` if there is nothing to read, and an error at the end of the stream.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let read = match self {
            Stream::Tcp(stream, is_first) => {
                let read = stream.read(buffer);
                let is_closed = match &read {
                    Ok(len) => *len == 0,
                    Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
                };
                if *is_first && is_closed {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionReset,
                        "Redis has closed the connection without an answer: if this is its port for TLS, write rediss://",
                    ));
                }
                *is_first &= !matches!(read, Ok(1..));
                read
            }
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.read(buffer),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.read(buffer),
        };
        match read {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "Redis has closed the connection",
            )),
            Ok(len) => Ok(Some(len)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Returns whether there may be bytes that were received, but not read: no poll reports them.
    pub(super) fn may_have_input(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.may_have_input,
            _ => false,
        }
    }

    pub(super) fn polled(&self, writes: bool) -> PollFd<'_> {
        #[cfg(feature = "tls")]
        let writes = match self {
            Stream::Tls(stream) => writes || stream.wants_write(),
            _ => writes,
        };
        let flags = match writes {
            true => PollFlags::IN | PollFlags::OUT,
            false => PollFlags::IN,
        };
        match self {
            Stream::Tcp(stream, _) => PollFd::new(stream, flags),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => PollFd::new(&stream.tcp, flags),
            #[cfg(unix)]
            Stream::Unix(stream) => PollFd::new(stream, flags),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream, _) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.write(bytes),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.write(bytes),
        }
    }
}

/// The memory that an empty buffer keeps.
const KEPT: usize = 64 * 1024;

fn connect_tcp(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let since = Instant::now();
    let mut last = io::Error::new(
        io::ErrorKind::NotFound,
        "the name of the host has no address",
    );
    for address in (host, port).to_socket_addrs()? {
        let left = timeout.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io;
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use super::{Place, Target};

    #[test]
    fn a_redis_that_accepts_nobody_is_an_error_and_does_not_block() -> io::Result<()> {
        let name = format!("stentor-accepts-nobody-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path)?;
        rustix::net::listen(&listener, 0)?;
        let target = Target {
            place: Place::Unix(path.clone()),
            timeout: Duration::from_secs(1),
            #[cfg(feature = "tls")]
            tls: None,
        };
        let connect = |_| target.connect();
        let streams: Vec<_> = (0..8).map(connect).collect();
        std::fs::remove_file(path)?;
        let mut errors = streams.iter().filter_map(|stream| stream.as_ref().err());
        let last = errors.next_back().map(io::Error::kind);
        assert_eq!(last, Some(io::ErrorKind::TimedOut));
        Ok(())
    }
}
