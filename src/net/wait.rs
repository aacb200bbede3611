//! How long one call may wait for the next event, and how much it may read.

use std::time::Duration;

use super::deadline::Deadline;
use super::link::Link;
use super::socket::Socket;

/// How long the steps of one call may wait.
pub(super) struct Wait {
    pub(super) deadline: Deadline,
    /// There was a read already: bytes that arrive after the deadline are for the next call.
    has_read: bool,
    /// The call never blocks: not for messages, and not for room in the send queue.
    pub(super) never_blocks: bool,
    /// The call reads until the connection has received as many bytes as this: all that had arrived when
    /// it began.
    arrived: u64,
}

impl Wait {
    pub(super) fn until(deadline: Deadline) -> Wait {
        Wait {
            deadline,
            has_read: false,
            never_blocks: false,
            arrived: 0,
        }
    }

    /// Returns the wait of a call that never blocks, and takes all bytes that have arrived.
    pub(super) fn none() -> Wait {
        Wait {
            never_blocks: true,
            ..Wait::until(Deadline::after(Duration::ZERO))
        }
    }

    /// Returns whether the call reads nothing more. A peer may keep the socket readable without ever
    /// sending a message; but no byte may stay in the TLS session, where `poll` does not see it. A read of
    /// a relayed stream can block at any time.
    pub(super) fn is_over(&self, left: Duration, link: &Link, socket: &Socket) -> bool {
        #[cfg(feature = "server")]
        if self.never_blocks && socket.is_relayed() {
            return true;
        }
        let has_more = || link.bytes() < self.arrived || socket.holds_plaintext();
        self.has_read && left.is_zero() && !has_more()
    }

    /// Notes that the call is about to read.
    pub(super) fn reads(&mut self, link: &Link, socket: &Socket) {
        if self.never_blocks && !self.has_read {
            self.arrived = link.bytes().saturating_add(socket.unread());
        }
        self.has_read = true;
    }

    /// Returns whether reading on could make this call block: a reply might have to wait for room in the
    /// send queue, or the read for other clients to give memory back.
    #[inline]
    pub(super) fn would_block(&self, link: &Link, lacks_memory: impl FnOnce() -> bool) -> bool {
        self.never_blocks && (link.send_queue.is_full() || lacks_memory())
    }
}
