//! The end of a TCP connection: the write side is shut, and the peer's last bytes are read.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::Duration;

use rustix::event::PollFlags;

use super::socket::Socket;

/// The most bytes that a peer may send after our last byte: data on its way, and not a flood.
const LINGER_BYTES: usize = 1024 * 1024;

/// Shuts the write side. TLS has to announce that, which may wait for the socket. The watchdog
/// ends the wait, as it ends the lingering that follows.
pub(super) fn shut_write(socket: &Socket) -> io::Result<()> {
    loop {
        match socket.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                socket.wait_until(PollFlags::OUT, Duration::MAX);
            }
            shut => return shut,
        }
    }
}

/// Reads and drops the peer's last bytes, until it closes the connection: received bytes that nobody
/// read would make TCP reset it, and the peer might not get our last bytes. The watchdog ends this when
/// the close timeout has passed.
#[inline(never)]
pub(super) fn linger(socket: &Socket) {
    // Small, and in a stack frame of its own: an idle client keeps all stack that it once used.
    let mut scrap = [0; 512];
    let mut limit = LINGER_BYTES;
    while let Ok(read @ 1..) = socket.discard(&mut scrap) {
        limit = limit.saturating_sub(read);
        if limit == 0 {
            return;
        }
    }
}
