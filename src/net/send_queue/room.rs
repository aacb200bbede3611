//! A thread that sends waits for room in the queue.

use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use super::SendQueue;
use super::queue::Queue;
use crate::error::DisconnectReason;

impl SendQueue {
    /// Blocks the client's own thread until no more than `limit` bytes wait.
    ///
    /// # Errors
    /// The disconnect reason, once the socket took nothing for as long as `timeout`.
    pub(crate) fn wait_for_room(
        &self,
        limit: usize,
        timeout: Duration,
    ) -> Result<(), DisconnectReason> {
        self.wait_while(|queue| queue.queued() > limit, timeout)
    }

    /// Blocks the thread that has sent a fragment until the queue has no more than its limit, or until only
    /// held messages wait: these leave after the message.
    ///
    /// # Errors
    /// The disconnect reason, once the socket took nothing for as long as `timeout`.
    #[inline]
    pub(crate) fn wait_for_fragment(&self, timeout: Duration) -> Result<(), DisconnectReason> {
        let limit = self.limit;
        self.wait_while(
            |queue| queue.waiting() > 0 && queue.queued() > limit,
            timeout,
        )
    }

    /// Blocks the client's own thread until nothing but held messages waits.
    ///
    /// # Errors
    /// The disconnect reason, once the socket took nothing for as long as `timeout`.
    #[cfg(feature = "server")]
    pub(crate) fn wait_for_socket(&self, timeout: Duration) -> Result<(), DisconnectReason> {
        self.wait_while(|queue| queue.waiting() > 0, timeout)
    }

    /// Waits while the queue `is_full`, as long as the socket or a writer makes progress.
    fn wait_while(
        &self,
        is_full: impl Fn(&Queue) -> bool,
        timeout: Duration,
    ) -> Result<(), DisconnectReason> {
        let mut waited = Duration::ZERO;
        let (mut before, mut writes) = (None, 0);
        loop {
            let attempt = self.locked(|inside| {
                inside.queue.send();
                if let Some(reason) = inside.queue.disconnect_reason() {
                    return Err(reason);
                }
                let sent = inside.queue.tally().bytes;
                let full = is_full(&inside.queue);
                let waits = inside.queue.waiting() > 0;
                self.note_relief(before, sent);
                match inside.queue.socket() {
                    Some(socket) if full => Ok(Err((sent, waits.then(|| Arc::clone(socket))))),
                    _ => Ok(Ok(inside.sent())),
                }
            })?;
            let (sent, socket) = match attempt {
                Ok(push) => {
                    self.relieved_after(push);
                    return Ok(());
                }
                Err(full) => full,
            };
            if (before, writes) != (Some(sent), self.writes()) {
                (before, writes) = (Some(sent), self.writes());
                waited = Duration::ZERO;
            }
            if waited >= timeout {
                return Err(DisconnectReason::WriteTimeout);
            }
            // A socket counts as writable only when a good part of its buffer is free: a slow
            // reader makes room long before, so the socket is tried again and again. The time that
            // the whole process is stopped must not count, so each of these waits counts for no
            // longer than it was meant to take.
            let slice = (timeout / 10).max(Duration::from_millis(1));
            let clock = self.watcher.clock();
            let since = clock.now();
            clock.wait(self.id, slice, |slice| match &socket {
                Some(socket) => socket.wait_until(PollFlags::OUT, slice),
                None => self.wait_for_release(slice),
            });
            waited += (clock.now() - since).min(slice);
        }
    }

    /// Waits until no messages are held any more, but at most for `time`. Returns whether that is so.
    fn wait_for_release(&self, time: Duration) -> bool {
        let is_over = || self.locked(|inside| !inside.queue.is_in_pieces());
        self.released.wait(time, is_over);
        is_over()
    }
}
