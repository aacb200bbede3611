//! The messages that wait while another message is sent in pieces: no message may stand between its
//! fragments (RFC 6455 §5.4). They follow its last fragment, in their order.

use std::collections::VecDeque;
#[cfg(feature = "server")]
use std::sync::Arc;

use super::{CHUNK, Chunk, Queue};
use crate::net::send_queue::frames::Frames;
#[cfg(feature = "server")]
use crate::net::send_queue::shared::SharedFrames;

/// Whole messages, which count as waiting like the chunks of the queue.
#[derive(Debug, Default)]
pub(super) struct Held {
    chunks: VecDeque<Chunk>,
    /// Bytes in the chunks.
    bytes: usize,
    /// The memory of the chunks that belong to this client alone.
    own: usize,
    /// The number of messages in those.
    own_messages: u64,
}

impl Held {
    /// Returns the memory that the queue alone takes for them.
    pub(super) fn memory(&self) -> usize {
        self.own + self.chunks.len() * CHUNK
    }

    /// Returns the waiting bytes of memory.
    pub(super) fn waiting(&self) -> usize {
        self.bytes + self.chunks.len() * CHUNK
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter()
    }

    #[cfg(feature = "server")]
    pub(super) fn hold_shared(&mut self, bytes: &Arc<SharedFrames>, messages: u64) {
        self.bytes += bytes.len();
        self.chunks
            .push_back(Chunk::Shared(Arc::clone(bytes), messages));
        bytes.wait();
    }

    fn hold_own(&mut self, frames: Frames) {
        self.bytes += frames.len();
        self.own += frames.memory();
        self.chunks.push_back(Chunk::Own(frames));
        self.own_messages += 1;
    }

    /// Returns how many messages they are.
    fn messages(&self) -> u64 {
        let shared = self.chunks.iter().map(|chunk| match chunk {
            Chunk::Own(_) => 0,
            #[cfg(feature = "server")]
            Chunk::Shared(_, messages) => *messages,
        });
        self.own_messages + shared.sum::<u64>()
    }
}

impl Queue {
    /// Returns whether a message is being sent in pieces: other messages are held.
    pub(crate) fn is_in_pieces(&self) -> bool {
        self.held.is_some()
    }

    /// Returns the waiting bytes of memory, with those of held messages; 0 only if nothing waits.
    pub(crate) fn queued(&self) -> usize {
        self.waiting() + self.held.as_ref().map_or(0, |held| held.waiting())
    }

    /// Returns whether messages are held.
    pub(crate) fn holds(&self) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| !held.chunks.is_empty())
    }

    /// Sends a fragment behind everything that waits. The last one ends its message, and the held messages
    /// follow it.
    #[inline]
    pub(crate) fn send_fragment(&mut self, bytes: Vec<u8>, is_last: bool) {
        self.enqueue_own(bytes.into());
        if is_last {
            self.tally.messages += 1;
            self.release_held();
        } else {
            self.held.get_or_insert_default();
        }
        self.send();
    }

    /// Holds one message of the client's own.
    #[inline]
    pub(crate) fn hold_owned(&mut self, frames: Frames) {
        self.tally.messages += 1;
        self.held.get_or_insert_default().hold_own(frames);
    }

    /// Drops the held messages: the message before them will not be finished.
    pub(crate) fn drop_held(&mut self) {
        if let Some(held) = self.held.take() {
            self.tally.messages -= held.messages();
            self.is_released = true;
        }
    }

    /// Drops held messages of other threads, the oldest first, until `enough`.
    #[cfg(feature = "server")]
    pub(super) fn drop_oldest_held(&mut self, enough: impl Fn(&Queue) -> bool) {
        let mut at = 0;
        while !enough(self) {
            let Some(held) = &mut self.held else {
                return;
            };
            match held.chunks.get(at) {
                Some(Chunk::Shared(bytes, messages)) => {
                    held.bytes -= bytes.len();
                    self.tally.messages -= messages;
                    self.tally.dropped += messages;
                    held.chunks.remove(at);
                }
                Some(Chunk::Own(_)) => at += 1,
                None => return,
            }
        }
    }

    /// Returns whether held messages were released or dropped since the last call.
    pub(crate) fn take_released(&mut self) -> bool {
        std::mem::take(&mut self.is_released)
    }

    #[inline]
    fn release_held(&mut self) {
        if let Some(mut held) = self.held.take() {
            self.waiting += held.bytes;
            self.own += held.own;
            self.chunks.append(&mut held.chunks);
            self.is_released = true;
        }
    }
}
