//! The system calls on Unix.

use std::fmt;
use std::io;
use std::io::IoSlice;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
#[cfg(feature = "redis")]
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, Result, fcntl_setfd, retry_on_intr};
use rustix::net::{AddressFamily, SocketType, bind, connect, listen, sockopt};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use rustix::process::getrlimit;

use super::Resource;
use crate::net::sync::Instant;

/// A socket that is in use for one call.
pub(crate) type SocketRef<'a> = BorrowedFd<'a>;

/// One end of a connected pair of sockets of this process.
pub(crate) type LocalStream = UnixStream;

/// The directions that this side has shut down: the kernel knows them, and wakes the threads that wait.
#[derive(Debug, Default)]
pub(crate) struct Shut {}

impl Shut {
    /// Shuts down one direction of a stream, or both.
    pub(crate) fn shut(&self, stream: &TcpStream, how: Shutdown) -> io::Result<()> {
        stream.shutdown(how)
    }
}

/// Never blocks, and never raises SIGPIPE, unless that is a setting of the socket itself (Apple).
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT;

/// Errors that other systems do not have: a socket that sends nothing more, a violation of a protocol, and
/// a stream that failed.
#[cfg(feature = "tls")]
pub(crate) const PIPE: Errno = Errno::PIPE;
#[cfg(feature = "tls")]
pub(crate) const PROTO: Errno = Errno::PROTO;
pub(crate) const IO: Errno = Errno::IO;

/// Reports that the peer has ended its stream, on systems with such a flag.
#[cfg(all(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    not(target_arch = "sparc64")
))]
pub(crate) const READ_END: PollFlags = PollFlags::RDHUP;
#[cfg(not(all(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    not(target_arch = "sparc64")
)))]
pub(crate) const READ_END: PollFlags = PollFlags::empty();

/// Creates a connected pair of sockets. Both block.
pub(crate) fn local_pair() -> io::Result<(LocalStream, LocalStream)> {
    UnixStream::pair()
}

/// Prepares an end of a pair for [`receive_at_once`]: here, each call has a flag for that.
pub(crate) fn prepare_at_once(_: &LocalStream) {}

/// Reads once, blocking, into the buffer's spare capacity; returns 0 at the end of the stream.
#[inline]
pub(crate) fn receive(socket: SocketRef<'_>, buffer: &mut Vec<u8>) -> Result<usize> {
    let spare = rustix::buffer::spare_capacity(buffer);
    recv(socket, spare, RecvFlags::empty()).map(|(read, _)| read)
}

/// Reads once, blocking, and leaves the bytes in the socket; returns 0 at the end of the stream.
pub(crate) fn peek(socket: SocketRef<'_>, room: &mut [u8]) -> Result<usize> {
    recv(socket, room, RecvFlags::PEEK).map(|(read, _)| read)
}

/// Reads once, blocking; returns 0 at the end of the stream.
pub(crate) fn receive_slice(socket: SocketRef<'_>, room: &mut [u8]) -> Result<usize> {
    recv(socket, room, RecvFlags::empty()).map(|(read, _)| read)
}

/// Reads once, and never blocks; returns 0 at the end of the stream, and once this side has shut it down.
pub(crate) fn receive_at_once(socket: SocketRef<'_>, room: &mut [u8]) -> Result<usize> {
    recv(socket, room, RecvFlags::DONTWAIT).map(|(read, _)| read)
}

/// As [`receive_at_once`], for an end of a pair.
pub(crate) fn receive_local(far: &LocalStream, room: &mut [u8]) -> Result<usize> {
    recv(far, room, RecvFlags::DONTWAIT).map(|(read, _)| read)
}

/// As [`receive_local`], and leaves the bytes in the socket.
pub(crate) fn peek_local(far: &LocalStream, room: &mut [u8]) -> Result<usize> {
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    recv(far, room, flags).map(|(read, _)| read)
}

/// Sends the bytes that the kernel takes at once, and returns how many.
#[inline]
pub(crate) fn send_at_once(socket: SocketRef<'_>, bytes: &[u8]) -> Result<usize> {
    retry_on_intr(|| send(socket, bytes, SEND_FLAGS))
}

/// As [`send_at_once`], for bytes that lie in several places.
#[inline]
pub(crate) fn send_vectored(socket: SocketRef<'_>, vectors: &[IoSlice<'_>]) -> Result<usize> {
    retry_on_intr(|| {
        sendmsg(
            socket,
            vectors,
            &mut SendAncillaryBuffer::default(),
            SEND_FLAGS,
        )
    })
}

/// Sends, blocking, without SIGPIPE (on Apple's systems, a setting of the socket prevents it).
pub(crate) fn send_local(far: &LocalStream, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: SendFlags = SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    const FLAGS: SendFlags = SendFlags::empty();
    Ok(send(far, bytes, FLAGS)?)
}

/// Blocks until a socket is ready, or until `end` if there is one; returns `false` if the socket is
/// not ready.
pub(crate) fn poll_until(socket: SocketRef<'_>, flags: PollFlags, end: Option<Instant>) -> bool {
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&socket, flags)], timeout.as_ref()) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return false,
            Ok(0) | Err(Errno::INTR) => {}
            // The next read or write returns the socket's error.
            _ => return true,
        }
    }
}

/// Polls several sockets; an interrupted or failed poll ends early.
pub(crate) fn poll_all(polled: &mut [PollFd<'_>], timeout: Option<&Timespec>) {
    let _ = poll(polled, timeout);
}

/// Blocks until the near end of a pair is closed.
pub(crate) fn wait_for_end(far: &LocalStream) {
    // Without requested events, poll returns when both directions of a socket are closed.
    let mut polled = [PollFd::new(far, PollFlags::empty())];
    while matches!(poll(&mut polled, None), Ok(0) | Err(Errno::INTR)) {}
}

/// Returns whether the kernel still holds more than about `buffer` bytes that the peer has not taken.
///
/// The kernel calls a socket writable if enough of its buffer is free: so the answer depends on the
/// size of the buffer, which stays as it is set here.
pub(crate) fn holds_more_than(socket: SocketRef<'_>, buffer: usize) -> bool {
    let _ = sockopt::set_socket_send_buffer_size(socket, buffer);
    !poll_until(socket, PollFlags::OUT, Some(Instant::now()))
}

/// As [`holds_more_than`], and gives the socket its buffer back, as far as the system allows; it does not
/// grow by itself any more.
pub(crate) fn still_holds_more_than(socket: SocketRef<'_>, buffer: usize) -> bool {
    // Linux has room for as much again, for its own purposes, and says so.
    const SHARE: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
        2
    } else {
        1
    };
    let Ok(size) = sockopt::socket_send_buffer_size(socket) else {
        return false;
    };
    let holds = holds_more_than(socket, buffer);
    let _ = sockopt::set_socket_send_buffer_size(socket, size / SHARE);
    holds
}

/// Makes the kernel end a TCP connection once the peer has taken nothing for `time` (TCP_USER_TIMEOUT).
/// Returns whether the kernel can.
pub(crate) fn set_user_timeout(socket: SocketRef<'_>, time: Duration) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // 0 would be the system's own.
        let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1);
        sockopt::set_tcp_user_timeout(socket, millis).is_ok()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (socket, time);
        false
    }
}

/// Creates a listening socket with its options: in the standard library, they cannot be set before it is
/// bound.
pub(crate) fn listen_on(address: &SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = stream_socket(family_of(address))?;
    // For systems that cannot create a socket with this flag.
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    // A restarted server need not wait until the system has forgotten the old server's connections.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // If the system allows one family only, it is IPv6.
        let _ = sockopt::set_ipv6_v6only(&socket, false);
    }
    bind(&socket, address)?;
    listen(&socket, backlog)?;
    Ok(socket.into())
}

/// Returns whether a socket listens.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn listens(socket: impl AsFd) -> bool {
    sockopt::socket_acceptconn(socket) == Ok(true)
}

/// This system cannot report whether a socket listens.
#[cfg(target_vendor = "apple")]
pub(crate) fn listens(_: impl AsFd) -> bool {
    true
}

/// Starts to connect, from the address `local` if one is given, and does not block.
pub(crate) fn start_connect(address: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = stream_socket(family_of(&address))?;
    #[cfg(target_vendor = "apple")]
    sockopt::set_socket_nosigpipe(&socket, true)?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    if let Some(local) = local {
        bind(&stream, &SocketAddr::new(local, 0))?;
    }
    match connect(&stream, &address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(stream),
        Err(error) => Err(error.into()),
    }
}

/// Connects to a Unix socket, and does not block: the standard library waits without a limit while the queue of the
/// socket is full, since its program is stopped, and accepts nobody.
#[cfg(feature = "redis")]
pub(crate) fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let address = rustix::net::SocketAddrUnix::new(path)?;
    let socket = stream_socket(AddressFamily::UNIX)?;
    #[cfg(target_vendor = "apple")]
    sockopt::set_socket_nosigpipe(&socket, true)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    connect(&stream, &address)?;
    Ok(stream)
}

fn family_of(address: &SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

/// Creates a socket that no other program inherits.
fn stream_socket(family: AddressFamily) -> Result<OwnedFd> {
    #[cfg(not(target_vendor = "apple"))]
    {
        let flags = rustix::net::SocketFlags::CLOEXEC;
        rustix::net::socket_with(family, SocketType::STREAM, flags, None)
    }
    #[cfg(target_vendor = "apple")]
    {
        let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        Ok(socket)
    }
}

/// Returns a limit of this process, if there is one.
pub(crate) fn limit(resource: Resource) -> Option<usize> {
    let resource = match resource {
        Resource::Files => rustix::process::Resource::Nofile,
        Resource::AddressSpace => rustix::process::Resource::As,
        Resource::Data => rustix::process::Resource::Data,
    };
    let most = getrlimit(resource).current?;
    Some(usize::try_from(most).unwrap_or(usize::MAX))
}

/// Names the calling thread, for tools that list threads: the name that Rust knows, and that panics print,
/// cannot change. Only Linux and Android can do that.
pub(crate) fn name_thread(name: impl fmt::Display) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = std::fs::write("/proc/thread-self/comm", name.to_string());
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = name;
}
