//! The system calls that a socket and a TLS session share.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::SendFlags;

use super::sync::Instant;

/// Never blocks, and never raises SIGPIPE, unless that is a setting of the socket itself (Apple).
#[cfg(not(target_vendor = "apple"))]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT;

/// The most pieces that leave in one system call.
pub(crate) const VECTORS: usize = 16;

/// Blocks until a socket is ready, or until `end` if there is one; returns `false` if the socket is
/// not ready.
pub(crate) fn poll_until(socket: BorrowedFd<'_>, flags: PollFlags, end: Option<Instant>) -> bool {
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&socket, flags)], timeout.as_ref()) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return false,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            // The next read or write returns the socket's error.
            _ => return true,
        }
    }
}
