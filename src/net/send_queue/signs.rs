//! Signs of life on the sending side: a full socket that takes more, and a ping that has left.

use std::sync::Arc;

use super::{Push, SendQueue};
use crate::net::socket::Socket;
use crate::net::sync::atomic::Ordering::Relaxed;

impl SendQueue {
    /// Sends a ping at once or, if something waits already, not at all: the write timeout is
    /// running then. If it is sent, returns how many bytes will have been sent once it has.
    pub(crate) fn ping(&self, frame: &[u8]) -> (Push, Option<u64>) {
        let mut inside = self.lock();
        let goes = !inside.is_over() && inside.queue.waiting() == 0;
        if goes {
            inside.queue.replies().extend_from_slice(frame);
            inside.queue.send();
        }
        let end = goes.then(|| inside.queue.end());
        (inside.watch(), end)
    }

    /// Returns whether so many bytes have been sent.
    pub(crate) fn has_sent(&self, bytes: u64) -> bool {
        self.lock().queue.tally().bytes >= bytes
    }

    /// Returns how often a full socket has taken more.
    pub(crate) fn relieved(&self) -> u64 {
        self.relieved.load(Relaxed)
    }

    /// Counts one such case: something waited when `before` bytes had been sent, and more are sent now.
    pub(crate) fn note_relief(&self, before: Option<u64>, sent: u64) {
        if before.is_some_and(|before| before < sent) {
            self.relieved.fetch_add(1, Relaxed);
        }
    }

    /// Returns the socket, and whether the kernel still holds bytes before our close frame: the peer
    /// cannot have received it then. No pongs follow from now on, or the kernel might hold only those.
    pub(crate) fn kernel_holds_close_frame(&self) -> Option<(bool, Arc<Socket>)> {
        let socket = {
            let mut inside = self.lock();
            inside.mute = true;
            inside.queue.socket().cloned()?
        };
        Some((socket.holds_unsent(), socket))
    }

    /// Sends more, for the watchdog: the socket is ready, or is checked. Returns `None` when nothing
    /// waits any more, or else how many bytes have been sent in all, by any thread; at the watchdog's
    /// last look, if there was one since the socket was full, those were `before`.
    pub(crate) fn drain(&self, before: Option<u64>) -> Option<u64> {
        let mut inside = self.lock();
        inside.queue.send();
        let sent = inside.queue.tally().bytes;
        if inside.watch() != Push::Done {
            self.note_relief(before, sent);
            return Some(sent);
        }
        inside.watched = false;
        // The socket has taken all that waited.
        self.note_relief(Some(0), sent);
        None
    }
}
