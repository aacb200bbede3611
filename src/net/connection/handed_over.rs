//! The parts of a connection that only one that was handed over needs: bytes that were read before, a
//! response that another server sends, and a stream that only this thread can write.

#[cfg(feature = "server")]
use std::time::Duration;

use super::super::send_queue::Push;
use super::Conversation;
#[cfg(feature = "server")]
use super::{Deadline, Step, Wait};
use crate::error::Error;
#[cfg(feature = "server")]
use crate::protocol::Values;

/// The mark of a connection whose request another server has parsed.
#[cfg(feature = "server")]
#[derive(Debug, Default)]
pub(crate) struct HandedOver {
    /// The values of its acceptance, if the request is accepted already.
    pub(crate) accepted: Option<Values>,
}

#[cfg(feature = "server")]
impl Conversation {
    /// Receives bytes before any that the socket has: `own` bytes at their end were read from the stream, and
    /// count as received.
    #[inline]
    pub(crate) fn receive_first(&mut self, bytes: &[u8], own: usize) {
        self.connection.receive_data(bytes);
        if own > 0 {
            self.link.received(own);
        }
        self.count_held();
    }

    /// Returns the next event, as [`step`](Conversation::step) does, but reads nothing: without an event, the
    /// result is [`Step::Late`].
    #[inline]
    pub(crate) fn step_now(&mut self) -> Step {
        self.step_within(&mut Wait::until(Deadline::after(Duration::ZERO)))
    }

    /// Continues the connection of another conversation, whose request is answered. This one has its socket.
    #[inline]
    pub(crate) fn take_over(&mut self, other: &mut Conversation) {
        std::mem::swap(&mut self.connection, &mut other.connection);
        self.began = other.began;
        self.count_held();
    }
}

impl Conversation {
    /// Waits for room, as a push requires, and carries the bytes on if only this thread can do so.
    #[inline]
    pub(super) fn settle(&self, push: Push) -> Result<(), Error> {
        self.link.settle(push)?;
        self.flush_relay();
        Ok(())
    }

    #[inline]
    pub(crate) fn flush_relay(&self) {
        #[cfg(feature = "server")]
        if self.socket.is_relayed() {
            self.carry_out();
        }
    }

    /// Carries all that waits to the stream: nobody else does, once this thread waits in a read.
    #[cfg(feature = "server")]
    #[inline(never)]
    fn carry_out(&self) {
        // If this fails, the connection has ended: the next read reports why.
        let _ = self.link.wait_for_socket();
        self.socket.flush_relay();
    }
}
