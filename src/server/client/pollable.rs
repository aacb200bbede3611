//! A client's socket for `poll`, under the name that it has on each platform.

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};

use super::Client;

/// For `poll`, and for nothing else: a program that reads, writes or configures the socket breaks the
/// connection. See [`try_recv`](Client::try_recv).
#[cfg(unix)]
impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.conversation.socket.as_fd()
    }
}

/// For `poll`, and for nothing else: a program that reads, writes or configures the socket breaks the
/// connection. See [`try_recv`](Client::try_recv).
#[cfg(windows)]
impl AsSocket for Client {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.conversation.socket.as_socket()
    }
}
