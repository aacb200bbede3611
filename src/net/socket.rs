//! A client's socket: the system calls that a connection needs, and nothing else.

use std::io::IoSlice;
use std::net::Shutdown;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
#[cfg(feature = "server")]
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Result;
use rustix::net::sockopt;

#[cfg(feature = "server")]
use super::relay::FarEnd;
use super::stream::Stream;
use super::sync::Instant;
use super::system;
#[cfg(feature = "server")]
use super::system::{LocalStream, READ_END};
use super::system::{Shut, SocketRef, poll_until};
use super::tls::TlsSession;

/// A connected stream, shared by the client's thread, its send queue, and the watchdog.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    layer: Layer,
    shut: Shut,
}

/// The layer between the stream and the connection.
#[derive(Debug)]
enum Layer {
    None,
    /// The connection is encrypted.
    Tls(Box<TlsSession>),
    /// The stream is the near end of a pair of sockets, and behind it is a stream that only the client's own
    /// thread reads and writes.
    #[cfg(feature = "server")]
    Relay(Arc<dyn FarEnd>),
}

/// How much of the connection a peer has ended.
#[cfg(feature = "server")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    /// Nothing, as far as is known.
    None,
    /// Its stream: all bytes that it sent before can be read.
    OfStream,
    /// The connection: it has been reset.
    Reset,
}

impl Socket {
    pub(crate) fn new(stream: impl Into<Stream>) -> Socket {
        Socket::on(stream.into(), Layer::None)
    }

    /// As [`new`](Socket::new), with TLS around the stream.
    pub(crate) fn secured(stream: impl Into<Stream>, tls: TlsSession) -> Socket {
        Socket::on(stream.into(), Layer::Tls(Box::new(tls)))
    }

    fn on(stream: Stream, layer: Layer) -> Socket {
        // Here a call has no flag for that. If this fails, the first read returns the error.
        #[cfg(windows)]
        let _ = stream.set_never_blocks();
        Socket {
            stream,
            layer,
            shut: Shut::default(),
        }
    }

    /// Returns the socket for a call of the system.
    #[cfg(unix)]
    fn by_ref(&self) -> SocketRef<'_> {
        self.stream.as_fd()
    }

    /// Returns the socket for a call of the system.
    #[cfg(windows)]
    fn by_ref(&self) -> SocketRef<'_> {
        let Stream::Tcp(stream) = &self.stream;
        SocketRef {
            stream,
            shut: &self.shut,
        }
    }

    /// Returns the TLS session, if the connection is encrypted.
    pub(crate) fn tls(&self) -> Option<&TlsSession> {
        match &self.layer {
            Layer::Tls(tls) => Some(tls),
            _ => None,
        }
    }

    /// Sends the bytes that the kernel takes at once, and returns how many. The rest must come first
    /// in the next call, as far as it is [committed](Socket::committed).
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize> {
        match &self.layer {
            Layer::Tls(tls) => tls.send(self.by_ref(), &[IoSlice::new(bytes)]),
            _ => system::send_at_once(self.by_ref(), bytes),
        }
    }

    /// As [`send`](Socket::send), for bytes that lie in several places.
    pub(crate) fn send_vectored(&self, vectors: &[IoSlice<'_>]) -> Result<usize> {
        match &self.layer {
            Layer::Tls(tls) => tls.send(self.by_ref(), vectors),
            _ => system::send_vectored(self.by_ref(), vectors),
        }
    }

    /// Returns how many of the bytes that were not taken are encrypted already, and cannot change.
    #[cfg(feature = "server")]
    pub(crate) fn committed(&self) -> usize {
        self.tls().map_or(0, TlsSession::committed)
    }

    /// Reads once, blocking, into the buffer's spare capacity; returns 0 at the end of the stream.
    pub(crate) fn receive(&self, buffer: &mut Vec<u8>) -> Result<usize> {
        match &self.layer {
            Layer::None => {}
            Layer::Tls(tls) => return tls.receive(self.by_ref(), buffer),
            #[cfg(feature = "server")]
            Layer::Relay(relay) => return relay.receive(self.by_ref(), buffer),
        }
        system::receive(self.by_ref(), buffer)
    }

    /// Returns how many bytes the kernel holds that were not read; 0 if it cannot say.
    pub(crate) fn unread(&self) -> u64 {
        rustix::io::ioctl_fionread(self).unwrap_or(0)
    }

    /// Returns whether decrypted bytes wait in the TLS session, or their end.
    pub(crate) fn holds_plaintext(&self) -> bool {
        self.tls().is_some_and(|tls| tls.holds_plaintext())
    }

    /// Copies the bytes that have arrived, encrypted or not, and leaves them to be read; blocks until there
    /// are some. Returns 0 at the end of the stream.
    #[cfg(feature = "server")]
    pub(crate) fn peek(&self, room: &mut [u8]) -> Result<usize> {
        system::peek(self.by_ref(), room)
    }

    /// Reads once, blocking, and drops the bytes, encrypted or not; returns how many they were. A relayed
    /// stream is not read: nothing could end the wait, and the peer receives its end when it is dropped.
    pub(crate) fn discard(&self, scrap: &mut [u8]) -> Result<usize> {
        #[cfg(feature = "server")]
        if let Layer::Relay(relay) = &self.layer {
            relay.flush(Some(self.by_ref()));
            return Ok(0);
        }
        system::receive_slice(self.by_ref(), scrap)
    }

    /// As [`discard`](Socket::discard), for bytes that have arrived already: never blocks.
    pub(crate) fn discard_at_once(&self, scrap: &mut [u8]) -> Result<usize> {
        system::receive_at_once(self.by_ref(), scrap)
    }

    /// Ends one direction, or both, and wakes the thread that waits for it. TLS announces the end of
    /// its data: `WouldBlock` means that this waits for the socket, and is to be tried again.
    pub(crate) fn shutdown(&self, how: Shutdown) -> std::io::Result<()> {
        match (&self.layer, &self.stream) {
            (Layer::Tls(tls), _) if how == Shutdown::Write => tls.shut_write(self.by_ref()),
            (_, Stream::Tcp(stream)) => self.shut.shut(stream, how),
            #[cfg(unix)]
            (_, Stream::Unix(stream)) => stream.shutdown(how),
        }
    }

    /// Blocks until the socket is ready or `wait` is over; returns `false` for the latter.
    pub(crate) fn wait_until(&self, flags: PollFlags, wait: Duration) -> bool {
        // A wait that is too long for the clock has no end.
        let end = Instant::now().checked_add(wait);
        match &self.layer {
            Layer::Tls(tls) if flags == PollFlags::IN => tls.wait_for_plaintext(self.by_ref(), end),
            #[cfg(feature = "server")]
            Layer::Relay(relay) if flags == PollFlags::IN => {
                relay.wait_for_input(self.by_ref(), end)
            }
            #[cfg(feature = "server")]
            Layer::Relay(relay) => {
                // This makes the room.
                relay.flush(Some(self.by_ref()));
                poll_until(self.by_ref(), flags, end)
            }
            _ => poll_until(self.by_ref(), flags, end),
        }
    }

    /// Makes closing drop the bytes that the kernel still holds for the peer: a peer that does not
    /// read leaves up to 4 MiB there, kept for as long as the peer answers.
    pub(crate) fn forget_unsent(&self) {
        let _ = sockopt::set_socket_linger(self, Some(Duration::ZERO));
    }

    /// Returns whether the kernel still holds more than about two kilobytes that the peer has not
    /// taken; on Windows, whether its buffer is full. Only for a socket on which nothing more is sent: it
    /// gets the smallest buffer there is.
    pub(crate) fn holds_unsent(&self) -> bool {
        system::holds_more_than(self.by_ref(), 1)
    }

    /// As [`holds_unsent`](Socket::holds_unsent), for a socket on which more may be sent. If bytes have
    /// just been sent, `is_busy`, it must hold more than some forty kilobytes: bytes on their way are no
    /// sign that the peer is behind, since a live kernel may acknowledge them up to 40 ms later. The
    /// socket gets its buffer back, as far as the system allows; it does not grow by itself any more.
    pub(crate) fn still_holds_unsent(&self, is_busy: bool) -> bool {
        /// With its overhead, on Linux, for some thirty small messages.
        const UNDER_WAY: usize = 32 * 1024;
        let buffer = if is_busy { UNDER_WAY } else { 1 };
        system::still_holds_more_than(self.by_ref(), buffer)
    }

    /// Makes the kernel end the connection once the peer has taken nothing for `time`. Returns whether the
    /// kernel can.
    pub(crate) fn set_user_timeout(&self, time: Duration) -> bool {
        self.stream.is_tcp() && system::set_user_timeout(self.by_ref(), time)
    }

    /// Turns on TCP_NODELAY: small writes leave at once.
    pub(crate) fn set_no_delay(&self) {
        self.stream.set_no_delay();
    }

    /// Turns on TCP's own keepalive: the first probe after `idle`, then four within `limit`. If the
    /// system refuses, there is no keepalive. A Unix socket needs none: the system knows when its
    /// peer is gone.
    pub(crate) fn set_keepalive(&self, idle: Duration, limit: Duration) {
        if !self.stream.is_tcp() {
            return;
        }
        let _ = sockopt::set_socket_keepalive(self, true);
        #[cfg(not(any(target_os = "openbsd", target_os = "haiku", target_os = "nto")))]
        {
            let second = Duration::from_secs(1);
            let _ = sockopt::set_tcp_keepidle(self, idle.max(second));
            let _ = sockopt::set_tcp_keepintvl(self, (limit / 4).max(second));
            let _ = sockopt::set_tcp_keepcnt(self, 4);
        }
        // Keepalive does not probe while data is on its way, and the kernel would send that data again
        // and again for a quarter of an hour.
        self.set_user_timeout(idle.saturating_add(limit));
    }
}

/// For the clients of a server: streams that only one thread can read and write, and throttled clients.
#[cfg(feature = "server")]
impl Socket {
    /// As [`new`](Socket::new), for the near end of a relay.
    pub(crate) fn relayed(near: LocalStream, relay: Arc<dyn FarEnd>) -> Socket {
        Socket::on(near.into(), Layer::Relay(relay))
    }

    /// Returns whether only the client's own thread can read and write its stream.
    pub(crate) fn is_relayed(&self) -> bool {
        matches!(self.layer, Layer::Relay(_))
    }

    /// Carries the sent bytes on to a relayed stream, which may block. Only for the client's own thread.
    #[inline(never)]
    pub(crate) fn flush_relay(&self) {
        if let Layer::Relay(relay) = &self.layer {
            relay.flush(Some(self.by_ref()));
        }
    }

    /// Closes a relayed stream. Only for the client's own thread.
    pub(crate) fn close_relay(&self) {
        if let Layer::Relay(relay) = &self.layer {
            relay.close();
        }
    }

    /// Returns whether the peer has ended its stream or the connection, as far as the system reports
    /// it without a read.
    pub(crate) fn peer_end(&self) -> PeerEnd {
        use rustix::event::{PollFd, Timespec, poll};

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
}

#[cfg(unix)]
impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(windows)]
impl AsSocket for Socket {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.stream.as_socket()
    }
}
