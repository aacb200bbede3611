//! A client's socket: what a conversation asks of the kernel, and nothing else.

use std::io::IoSlice;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Result, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg, sockopt};

use super::tls::TlsSession;

use super::stream::Stream;
use super::sync::Instant;

/// A connected stream, shared by the client's thread, its outbox, and the warden.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// Where what is sent is encrypted.
    tls: Option<Box<TlsSession>>,
}

/// How much of the connection a peer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    /// Nothing, as far as is known.
    None,
    /// Its stream: all that it has sent before can be read.
    OfStream,
    /// The connection: it has been reset.
    Reset,
}

/// Never blocks, and never raises SIGPIPE where that is not a socket's own setting.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
pub(crate) const FLAGS: SendFlags = SendFlags::DONTWAIT;

/// Tells that the peer has ended its stream, where there is such a flag.
#[cfg(all(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    not(target_arch = "sparc64")
))]
const READ_END: PollFlags = PollFlags::RDHUP;
#[cfg(not(all(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    not(target_arch = "sparc64")
)))]
const READ_END: PollFlags = PollFlags::empty();

impl Socket {
    pub(crate) fn new(stream: impl Into<Stream>) -> Socket {
        Socket {
            stream: stream.into(),
            tls: None,
        }
    }

    /// The same, with TLS around it.
    pub(crate) fn secured(stream: impl Into<Stream>, tls: TlsSession) -> Socket {
        Socket {
            stream: stream.into(),
            tls: Some(Box::new(tls)),
        }
    }

    /// The TLS around it, where there is some.
    pub(crate) fn tls(&self) -> Option<&TlsSession> {
        self.tls.as_deref()
    }

    /// Sends what the kernel takes at once; how many bytes those are. What is left must come first
    /// the next time, as far as it is [committed](Socket::committed).
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize> {
        match &self.tls {
            Some(tls) => tls.send(self.as_fd(), &[IoSlice::new(bytes)]),
            None => retry_on_intr(|| send(self, bytes, FLAGS)),
        }
    }

    /// As [`send`](Socket::send), for bytes that lie in several places.
    pub(crate) fn send_vectored(&self, vectors: &[IoSlice<'_>]) -> Result<usize> {
        match &self.tls {
            Some(tls) => tls.send(self.as_fd(), vectors),
            None => {
                retry_on_intr(|| sendmsg(self, vectors, &mut SendAncillaryBuffer::default(), FLAGS))
            }
        }
    }

    /// How many bytes of what was not taken are encrypted already, and can be nothing else.
    pub(crate) fn committed(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.committed())
    }

    /// One blocking read, into the buffer's spare room; 0 at the end of the stream.
    pub(crate) fn receive(&self, buffer: &mut Vec<u8>) -> Result<usize> {
        if let Some(tls) = &self.tls {
            return tls.receive(self.as_fd(), buffer);
        }
        let spare = rustix::buffer::spare_capacity(buffer);
        recv(self, spare, RecvFlags::empty()).map(|(read, _)| read)
    }

    /// One blocking read of bytes that nobody wants, encrypted or not; how many they were.
    pub(crate) fn discard(&self, scrap: &mut [u8]) -> Result<usize> {
        recv(self, scrap, RecvFlags::empty()).map(|(read, _)| read)
    }

    /// As [`discard`](Socket::discard), of what is there already.
    pub(crate) fn discard_at_once(&self, scrap: &mut [u8]) -> Result<usize> {
        recv(self, scrap, RecvFlags::DONTWAIT).map(|(read, _)| read)
    }

    /// Ends one direction, or both, and wakes whoever waits for it. TLS announces the end of what it
    /// says: `WouldBlock` where that waits for the socket, and is to be tried again.
    pub(crate) fn shutdown(&self, how: Shutdown) -> std::io::Result<()> {
        match (&self.tls, &self.stream) {
            (Some(tls), _) if how == Shutdown::Write => tls.shut_write(self.as_fd()),
            (_, Stream::Tcp(stream)) => stream.shutdown(how),
            (_, Stream::Unix(stream)) => stream.shutdown(how),
        }
    }

    /// Blocks until the socket is ready or `wait` is over; `false` for the latter.
    pub(crate) fn wait_until(&self, flags: PollFlags, wait: Duration) -> bool {
        // Who waits for longer than the clock can tell waits without an end.
        let end = Instant::now().checked_add(wait);
        match &self.tls {
            Some(tls) if flags == PollFlags::IN => tls.wait_for_plaintext(self.as_fd(), end),
            _ => poll_until(self.as_fd(), flags, end),
        }
    }

    /// Closing it will drop what the kernel still holds for the peer: who did not read leaves up
    /// to 4 MiB there, kept for as long as the peer answers.
    pub(crate) fn forget_unsent(&self) {
        let _ = sockopt::set_socket_linger(self, Some(Duration::ZERO));
    }

    /// Whether the kernel still holds more than about two kilobytes that the peer has not taken. Only
    /// for a socket on which nothing more is sent: it gets the smallest buffer there is, since the
    /// kernel calls a socket writable if enough of its buffer is free.
    pub(crate) fn holds_unsent(&self) -> bool {
        let _ = sockopt::set_socket_send_buffer_size(self, 1);
        !poll_until(self.as_fd(), PollFlags::OUT, Some(Instant::now()))
    }

    /// Has the kernel end the connection once the peer has taken nothing for so long (TCP_USER_TIMEOUT).
    /// Returns whether it can.
    pub(crate) fn set_user_timeout(&self, time: Duration) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Stream::Tcp(_) = self.stream {
            // 0 would be the system's own.
            let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1);
            return sockopt::set_tcp_user_timeout(self, millis).is_ok();
        }
        let _ = time;
        false
    }

    /// Whether the peer has ended its stream, or the connection, as far as that shows without reading.
    pub(crate) fn peer_end(&self) -> PeerEnd {
        let mut polled = [PollFd::new(self, READ_END)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let shown = match poll(&mut polled, Some(&now)) {
            Ok(1..) => polled[0].revents(),
            _ => PollFlags::empty(),
        };
        if shown.contains(PollFlags::ERR) {
            PeerEnd::Reset
        } else if shown.intersects(READ_END | PollFlags::HUP) {
            PeerEnd::OfStream
        } else {
            PeerEnd::None
        }
    }

    /// Small writes leave at once, which TCP has to be told.
    pub(crate) fn set_no_delay(&self) {
        if let Stream::Tcp(stream) = &self.stream {
            // Where it fails, the connection is gone, as the first read will find.
            let _ = stream.set_nodelay(true);
        }
    }

    /// TCP's own keepalive: the first probe after `idle`, then four within `limit`. Where the
    /// system does not let us, there is none. When a Unix socket's peer is gone, the system knows.
    pub(crate) fn set_keepalive(&self, idle: Duration, limit: Duration) {
        let Stream::Tcp(_) = self.stream else {
            return;
        };
        let _ = sockopt::set_socket_keepalive(self, true);
        #[cfg(not(any(target_os = "openbsd", target_os = "haiku", target_os = "nto")))]
        {
            let second = Duration::from_secs(1);
            let _ = sockopt::set_tcp_keepidle(self, idle.max(second));
            let _ = sockopt::set_tcp_keepintvl(self, (limit / 4).max(second));
            let _ = sockopt::set_tcp_keepcnt(self, 4);
        }
        // Keepalive is quiet while something is on its way, and that would be sent again and again
        // for a quarter of an hour.
        self.set_user_timeout(idle.saturating_add(limit));
    }
}

/// Blocks until a socket is ready, or until `end`, or without one; `false` where it is not ready.
pub(crate) fn poll_until(socket: BorrowedFd<'_>, flags: PollFlags, end: Option<Instant>) -> bool {
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&socket, flags)], timeout.as_ref()) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return false,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            // An error of the socket is for the next read or write to find.
            _ => return true,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
