//! A message that is sent in pieces: while it is under way, control frames pass between its fragments,
//! and other messages are held, within the limit of the queue.

use super::{Inside, Push, SendQueue};
use crate::net::sync::atomic::Ordering::Relaxed;

impl SendQueue {
    /// Sends a fragment of the client's own thread at once. The first one, unless it is the last too,
    /// begins to hold all other messages; the last one ends that.
    pub(crate) fn fragment(&self, bytes: Vec<u8>, is_last: bool) -> Push {
        self.send(|inside| {
            if inside.is_closed() {
                self.writes.store(0, Relaxed);
                return Push::Closed;
            }
            inside.queue.send_fragment(bytes, is_last);
            let writes = if is_last { 0 } else { self.writes() + 1 };
            self.writes.store(writes, Relaxed);
            inside.sent_within(self.limit)
        })
    }

    /// Notes that the writer of the present message has got more bytes, which may not fill a fragment.
    pub(crate) fn note_write(&self) {
        let writes = self.writes();
        if writes > 0 {
            self.writes.store(writes + 1, Relaxed);
        }
    }

    /// Returns a number that grows with each write to the message that is sent in pieces; 0 if there is
    /// none.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    /// Returns whether bytes wait for the socket: the write timeout of a stalled queue runs.
    pub(crate) fn is_stalled(&self) -> bool {
        self.locked(|inside| inside.queue.waiting() > 0)
    }
}

impl Inside {
    /// Sends a reply while a message is sent in pieces: a control frame passes between two of them, a
    /// message is held.
    #[cold]
    pub(super) fn reply_between<E>(
        &mut self,
        limit: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, E>,
    ) -> Result<Push, E> {
        let mut bytes = Vec::new();
        match write(&mut bytes)? {
            0 => {
                self.queue.replies().extend_from_slice(&bytes);
                self.queue.send();
            }
            _ => self.queue.hold_owned([bytes]),
        }
        Ok(self.sent_within(limit))
    }
}
