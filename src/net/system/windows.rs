//! The system calls on Windows.
//!
//! A blocked `recv` or `WSAPoll` does not return when another thread shuts the socket down. So the sockets of
//! connections never block: a read that finds nothing polls, and looks for the flag that the other thread has
//! set, at first soon, then once a second. A wait for a timeout, or for a byte, is exact; a wait that another
//! thread ends lasts up to a second longer.

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use rustix::buffer::Buffer;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::{Errno, Result, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use socket2::{Domain, Socket, Type};

use super::Resource;
use crate::net::sync::Instant;

/// A socket that is in use for one call.
#[derive(Clone, Copy)]
pub(crate) struct SocketRef<'a> {
    pub(crate) stream: &'a TcpStream,
    pub(crate) shut: &'a Shut,
}

/// One end of a connected pair of sockets of this process.
pub(crate) type LocalStream = TcpStream;

/// The directions that this side has shut down, for the threads that wait.
///
/// To shut down the reading side is a flag only. Winsock would drop the bytes that have arrived, and would
/// reset the connection if more came: then the peer might not get our last bytes.
#[derive(Debug, Default)]
pub(crate) struct Shut {
    reads: AtomicBool,
    both: AtomicBool,
}

/// Errors that other systems have: a socket that sends nothing more, a violation of a protocol, and a stream
/// that failed.
#[cfg(feature = "tls")]
pub(crate) const PIPE: Errno = Errno::SHUTDOWN;
#[cfg(feature = "tls")]
pub(crate) const PROTO: Errno = Errno::CONNABORTED;
pub(crate) const IO: Errno = Errno::CONNABORTED;

/// `WSAPoll` reports the end of the peer's stream without a request.
pub(crate) const READ_END: PollFlags = PollFlags::empty();

/// The first and the longest wait before the next look at the flags; each is twice as long as the last. So a
/// silent client costs one call a second.
const FIRST_LOOK: Duration = Duration::from_millis(16);
const LOOK: Duration = Duration::from_secs(1);

/// How long a connection to the process itself may take.
const LOCAL: Duration = Duration::from_secs(5);

impl Shut {
    /// Shuts down one direction of a stream, or both.
    pub(crate) fn shut(&self, stream: &TcpStream, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Write {
            self.reads.store(true, SeqCst);
        }
        if how == Shutdown::Both {
            self.both.store(true, SeqCst);
        }
        match how {
            Shutdown::Read => Ok(()),
            Shutdown::Write | Shutdown::Both => stream.shutdown(Shutdown::Write),
        }
    }

    /// Whether a wait for these events is over: on Unix, `poll(2)` would return.
    fn ends(&self, flags: PollFlags) -> bool {
        self.both.load(SeqCst) || flags.contains(PollFlags::IN) && self.reads.load(SeqCst)
    }
}

/// Creates a connected pair of sockets. Both block.
///
/// It is a connection over TCP on the loopback address, for a moment with a port on which another program
/// of this machine can connect: only a connection that comes from our own socket is taken.
pub(crate) fn local_pair() -> io::Result<(LocalStream, LocalStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect_timeout(&listener.local_addr()?, LOCAL)?;
    let own = near.local_addr()?;
    listener.set_nonblocking(true)?;
    let end = Instant::now() + LOCAL;
    while Instant::now() < end {
        match listener.accept() {
            Ok((far, peer)) if peer == own => {
                far.set_nonblocking(false)?;
                far.set_nodelay(true)?;
                near.set_nodelay(true)?;
                return Ok((near, far));
            }
            // Another program's connection is closed.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let _ = poll_for(&listener, PollFlags::IN, LOOK);
            }
            Err(error) => return Err(error),
        }
    }
    let words =
        "the process cannot connect to itself on 127.0.0.1: allow such connections in the firewall";
    Err(io::Error::new(io::ErrorKind::TimedOut, words))
}

/// Prepares an end of a pair for [`receive_local`]: each call follows the mode of the socket, which is
/// non-blocking from here on.
pub(crate) fn prepare_at_once(far: &LocalStream) {
    // If this fails, the socket is gone, and a receive returns the error.
    let _ = far.set_nonblocking(true);
}

/// Reads once, blocking, into the buffer's spare capacity; returns 0 at the end of the stream.
pub(crate) fn receive(socket: SocketRef<'_>, buffer: &mut Vec<u8>) -> Result<usize> {
    blocking(socket, || {
        let spare = rustix::buffer::spare_capacity(buffer);
        at_once(socket, spare, RecvFlags::empty())
    })
}

/// Reads once, blocking, and leaves the bytes in the socket; returns 0 at the end of the stream.
pub(crate) fn peek(socket: SocketRef<'_>, room: &mut [u8]) -> Result<usize> {
    blocking(socket, || at_once(socket, &mut *room, RecvFlags::PEEK))
}

/// Reads once, blocking; returns 0 at the end of the stream.
pub(crate) fn receive_slice(socket: SocketRef<'_>, room: &mut [u8]) -> Result<usize> {
    blocking(socket, || at_once(socket, &mut *room, RecvFlags::empty()))
}

/// Reads once, and never blocks; returns 0 at the end of the stream, and once this side has shut it down.
pub(crate) fn receive_at_once(socket: SocketRef<'_>, room: &mut [u8]) -> Result<usize> {
    at_once(socket, room, RecvFlags::empty())
}

/// As [`receive_at_once`], for an end of a pair.
pub(crate) fn receive_local(far: &LocalStream, room: &mut [u8]) -> Result<usize> {
    recv(far, room, RecvFlags::empty()).map(|(_, read)| read)
}

/// As [`receive_local`], and leaves the bytes in the socket.
pub(crate) fn peek_local(far: &LocalStream, room: &mut [u8]) -> Result<usize> {
    recv(far, room, RecvFlags::PEEK).map(|(_, read)| read)
}

/// Sends the bytes that the kernel takes at once, and returns how many.
pub(crate) fn send_at_once(socket: SocketRef<'_>, bytes: &[u8]) -> Result<usize> {
    retry_on_intr(|| send(socket, bytes, SendFlags::empty()))
}

/// As [`send_at_once`], for bytes that lie in several places.
pub(crate) fn send_vectored(socket: SocketRef<'_>, vectors: &[IoSlice<'_>]) -> Result<usize> {
    retry_on_intr(|| {
        let mut stream = socket.stream;
        let sent = stream.write_vectored(vectors);
        sent.map_err(|error| Errno::from_io_error(&error).unwrap_or(IO))
    })
}

/// Sends, blocking.
pub(crate) fn send_local(mut far: &LocalStream, bytes: &[u8]) -> io::Result<usize> {
    far.write(bytes)
}

/// Blocks until a socket is ready, until another thread has shut it down, or until `end` if there is one;
/// returns `false` if the socket is not ready.
pub(crate) fn poll_until(socket: SocketRef<'_>, flags: PollFlags, end: Option<Instant>) -> bool {
    let mut look = FIRST_LOOK;
    while !socket.shut.ends(flags) {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let wait = left.map_or(look, |left| left.min(look));
        look = LOOK.min(2 * look);
        match poll_for(&socket, flags, wait) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return false,
            Ok(0) | Err(Errno::INTR) => {}
            // The next read or write returns the socket's error.
            _ => return true,
        }
    }
    true
}

/// Polls several sockets; an interrupted or failed poll ends early. If the peers of sockets have ended their
/// streams, and nothing else is reported, this pauses: `WSAPoll` reports it to a wait for room too, at once and
/// again and again, as long as the peer takes nothing.
pub(crate) fn poll_all(polled: &mut [PollFd<'_>], timeout: Option<&Timespec>) {
    let ready = poll(polled, timeout).unwrap_or(0);
    let ended = polled
        .iter()
        .filter(|polled| polled.revents() == PollFlags::HUP);
    if ready > 0 && ended.count() == ready {
        thread::sleep(FIRST_LOOK);
    }
}

/// Blocks until the near end of a pair has ended its stream or is closed: Winsock does not tell one from the
/// other. A connection ends its stream after the closing handshake: then its peer sends nothing more.
pub(crate) fn wait_for_end(far: &LocalStream) {
    while matches!(
        poll_for(far, PollFlags::empty(), LOOK),
        Ok(0) | Err(Errno::INTR)
    ) {}
}

/// Returns whether the kernel still holds bytes that the peer has not taken, as far as the system reports it:
/// whether the socket's buffer is full. Winsock does not count bytes, and a buffer that is made small would
/// stay so. So a peer that is behind by less than a buffer counts as one that has taken everything.
pub(crate) fn holds_more_than(socket: SocketRef<'_>, _: usize) -> bool {
    !poll_until(socket, PollFlags::OUT, Some(Instant::now()))
}

/// As [`holds_more_than`]: the buffer keeps its size.
pub(crate) fn still_holds_more_than(socket: SocketRef<'_>, buffer: usize) -> bool {
    holds_more_than(socket, buffer)
}

/// The system has no such timeout that a program can set safely: the caller watches the time by itself.
pub(crate) fn set_user_timeout(_: SocketRef<'_>, _: Duration) -> bool {
    false
}

/// Creates a listening socket with its options: in the standard library, they cannot be set before it is
/// bound.
///
/// SO_REUSEADDR is not set. Here it would let another program bind the same port, and no old connection
/// keeps a restarted server from binding it.
pub(crate) fn listen_on(address: &SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // If the system allows one family only, it is IPv6.
        let _ = socket.set_only_v6(false);
    }
    socket.bind(&(*address).into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Returns whether a socket listens.
pub(crate) fn listens(socket: impl AsFd) -> bool {
    sockopt::socket_acceptconn(socket) == Ok(true)
}

/// Starts to connect, from the address `local` if one is given, and does not block.
pub(crate) fn start_connect(address: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(local) = local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => Ok(socket.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(socket.into()),
        Err(error) => Err(error),
    }
}

/// The system has no limits of this kind.
pub(crate) fn limit(_: Resource) -> Option<usize> {
    None
}

/// A thread keeps the name that it got at its start.
pub(crate) fn name_thread(_: impl fmt::Display) {}

/// Repeats a read until it does not have to wait.
fn blocking(socket: SocketRef<'_>, mut read: impl FnMut() -> Result<usize>) -> Result<usize> {
    loop {
        match read() {
            Err(Errno::AGAIN) => poll_until(socket, PollFlags::IN, None),
            result => return result,
        };
    }
}

/// Reads once. After the reading side was shut down, the bytes that have arrived can still be read, as on
/// Unix.
fn at_once(socket: SocketRef<'_>, room: impl Buffer<u8>, flags: RecvFlags) -> Result<usize> {
    // The connection has ended. A peer that goes on sending must not keep it: on Unix, the kernel would reset it.
    if socket.shut.both.load(SeqCst) {
        return Ok(0);
    }
    match recv(socket, room, flags) {
        Ok((_, read)) => Ok(read),
        Err(Errno::AGAIN) if socket.shut.ends(PollFlags::IN) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Polls once. A wait for room pauses if the peer has ended its stream and has not made room: see [`poll_all`].
/// Then the caller tries to send again: the connection may be reset.
fn poll_for(socket: &impl AsFd, flags: PollFlags, wait: Duration) -> Result<usize> {
    let time = Timespec::try_from(wait).ok();
    let mut polled = [PollFd::new(socket, flags)];
    let ready = poll(&mut polled, time.as_ref())?;
    if flags == PollFlags::OUT && polled[0].revents() == PollFlags::HUP {
        if wait.is_zero() {
            return Ok(0);
        }
        thread::sleep(wait.min(FIRST_LOOK));
    }
    Ok(ready)
}

impl AsSocket for SocketRef<'_> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.stream.as_socket()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        FIRST_LOOK, LOOK, Shut, SocketRef, holds_more_than, local_pair, poll_all, poll_for,
    };
    use crate::net::sync::Instant;
    use rustix::event::{PollFd, PollFlags};
    use std::io::{self, Write};
    use std::net::Shutdown;

    /// Without a pause, the threads that wait for room would use all of a processor.
    #[test]
    fn a_wait_for_room_pauses_if_the_peer_has_ended_its_stream() -> io::Result<()> {
        let (mut near, far) = local_pair()?;
        near.set_nonblocking(true)?;
        while near.write(&[0; 64 * 1024]).is_ok() {}
        far.shutdown(Shutdown::Write)?;
        // The end has arrived.
        assert_eq!(poll_for(&near, PollFlags::IN, LOOK), Ok(1));
        let shut = Shut::default();
        let socket = SocketRef {
            stream: &near,
            shut: &shut,
        };
        assert!(holds_more_than(socket, 1));
        let since = Instant::now();
        assert_eq!(poll_for(&socket, PollFlags::OUT, LOOK), Ok(1));
        assert!(since.elapsed() >= FIRST_LOOK);
        let since = Instant::now();
        poll_all(&mut [PollFd::new(&near, PollFlags::OUT)], None);
        assert!(since.elapsed() >= FIRST_LOOK);
        Ok(())
    }
}
