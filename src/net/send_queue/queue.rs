//! The bytes that wait for one socket: replies that leave together, and frames that the socket has
//! not taken yet.

mod held;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::Shutdown;
use std::sync::Arc;

use rustix::io::Errno;

use super::frames::Frames;
#[cfg(feature = "server")]
use super::shared::SharedFrames;
use crate::error::DisconnectReason;
use crate::net::socket::Socket;
use crate::net::system::VECTORS;
use held::Held;

/// The queue of one client. A thread that holds the send queue's lock may do anything with it;
/// nothing here blocks.
#[derive(Debug)]
pub(crate) struct Queue {
    /// `None` once the connection is closed for good: the file descriptor is free again, even if
    /// another thread still holds a handle.
    socket: Option<Arc<Socket>>,
    /// The client's own replies that were not tried yet; they leave together.
    replies: Vec<u8>,
    chunks: VecDeque<Chunk>,
    /// Bytes in the chunks, without those that are sent.
    waiting: usize,
    /// The memory of the chunks that belong to this client alone, sent or not.
    own: usize,
    /// Bytes of the first chunk that are sent.
    head_sent: usize,
    /// Why the client was disconnected, if it was.
    disconnect_reason: Option<DisconnectReason>,
    tally: Tally,
    /// The messages that wait while another one is sent in pieces.
    held: Option<Box<Held>>,
    /// Held messages were released or dropped: threads that wait for that are notified.
    is_released: bool,
}

/// Whole frames: this client's own, or, on a server, frames of many clients, with the number of their messages.
#[derive(Debug)]
enum Chunk {
    Own(Frames),
    #[cfg(feature = "server")]
    Shared(Arc<SharedFrames>, u64),
}

/// Counts of messages and bytes that have left, and of messages that were dropped.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    #[cfg(feature = "server")]
    pub(crate) dropped: u64,
}

/// A reply buffer that is larger than this is shrunk to it once it is empty.
const REPLIES_AT_REST: usize = 4 * 1024;

/// The memory of a chunk beside its bytes: its place in the queue, and its allocations.
const CHUNK: usize = 128;

impl Queue {
    pub(crate) fn new(socket: Arc<Socket>) -> Queue {
        Queue {
            socket: Some(socket),
            replies: Vec::new(),
            chunks: VecDeque::new(),
            waiting: 0,
            own: 0,
            head_sent: 0,
            disconnect_reason: None,
            tally: Tally::default(),
            held: None,
            is_released: false,
        }
    }

    /// Returns the bytes of memory that wait for the socket: a tiny message takes more than its length. 0
    /// only if none do.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting + self.chunks.len() * CHUNK
    }

    /// Returns how many bytes will have been sent once none wait for the socket any more.
    pub(crate) fn end(&self) -> u64 {
        self.tally.bytes + self.waiting as u64
    }

    /// Returns the memory that this queue alone takes.
    pub(crate) fn memory(&self) -> usize {
        let held = self.held.as_ref().map_or(0, |held| held.memory());
        self.own + self.chunks.len() * CHUNK + held
    }

    /// Returns the memory that it takes; of frames shared with other queues, only its share.
    pub(crate) fn weight(&self) -> usize {
        let share = |chunk: &Chunk| match chunk {
            Chunk::Own(_) => 0,
            #[cfg(feature = "server")]
            Chunk::Shared(frames, _) => frames.len() / Arc::strong_count(frames),
        };
        let held = self.held.iter().flat_map(|held| held.chunks());
        self.memory() + self.chunks.iter().chain(held).map(share).sum::<usize>()
    }

    /// Returns the reply buffer, to append whole frames to.
    pub(crate) fn replies(&mut self) -> &mut Vec<u8> {
        &mut self.replies
    }

    pub(crate) fn disconnect_reason(&self) -> Option<DisconnectReason> {
        self.disconnect_reason
    }

    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    pub(crate) fn socket(&self) -> Option<&Arc<Socket>> {
        self.socket.as_ref()
    }

    /// Sends the bytes that the socket takes: first the chunks that wait, then the replies.
    pub(crate) fn send(&mut self) {
        if self.chunks.is_empty() && !self.replies.is_empty() {
            return self.send_replies();
        }
        self.enqueue_replies();
        while !self.chunks.is_empty() {
            let sent = self.send_chunks();
            if sent == 0 {
                break;
            }
            self.forget(sent);
        }
    }

    /// Sends the client's own frames behind everything that waits.
    pub(crate) fn send_owned(&mut self, frames: Frames) {
        self.enqueue_own(frames);
        self.send();
    }

    /// Disconnects the client: nothing more is sent, nothing more is read. Only the first reason
    /// counts; returns whether it was this one.
    pub(crate) fn disconnect(&mut self, reason: DisconnectReason) -> bool {
        self.clear();
        if let Some(socket) = &self.socket {
            if !matches!(
                reason,
                DisconnectReason::CloseTimeout | DisconnectReason::EndOfStream
            ) {
                socket.forget_unsent();
            }
            let _ = socket.shutdown(Shutdown::Both);
        }
        let first = self.disconnect_reason.is_none();
        self.disconnect_reason.get_or_insert(reason);
        first
    }

    /// Releases the socket and everything that waits.
    pub(crate) fn release_socket(&mut self) {
        self.clear();
        self.socket = None;
    }

    fn clear(&mut self) {
        self.replies = Vec::new();
        self.chunks = VecDeque::new();
        self.drop_held();
        self.waiting = 0;
        self.own = 0;
        self.head_sent = 0;
    }

    fn send_replies(&mut self) {
        let mut replies = std::mem::take(&mut self.replies);
        let sent = self.send_now(&replies);
        if sent == replies.len() {
            replies.clear();
            replies.shrink_to(REPLIES_AT_REST);
            self.replies = replies;
        } else if self.disconnect_reason.is_none() {
            self.head_sent = sent;
            self.waiting = replies.len() - sent;
            self.own = replies.capacity();
            self.chunks.push_back(Chunk::Own(replies.into()));
        }
    }

    fn enqueue_own(&mut self, frames: Frames) {
        self.enqueue_replies();
        self.waiting += frames.len();
        self.own += frames.memory();
        self.chunks.push_back(Chunk::Own(frames));
    }

    fn enqueue_replies(&mut self) {
        if !self.replies.is_empty() {
            let replies = std::mem::take(&mut self.replies);
            self.waiting += replies.len();
            self.own += replies.capacity();
            self.chunks.push_back(Chunk::Own(replies.into()));
        }
    }

    /// Calls `send` once; returns how many bytes were taken.
    fn send_now(&mut self, bytes: &[u8]) -> usize {
        let Some(socket) = &self.socket else {
            return 0;
        };
        let result = socket.send(bytes);
        self.sent(result)
    }

    /// Calls `sendmsg` once, with the front of the queue; returns how many bytes were taken.
    fn send_chunks(&mut self) -> usize {
        let Some(socket) = &self.socket else {
            return 0;
        };
        let mut vectors = [IoSlice::new(&[]); VECTORS];
        let mut count = 0;
        let mut sent = self.head_sent;
        let pieces = self.chunks.iter().flat_map(|chunk| chunk.frames().pieces());
        let unsent = pieces.filter_map(|piece| {
            let here = sent.min(piece.len());
            sent -= here;
            (here < piece.len()).then(|| &piece[here..])
        });
        for (vector, piece) in vectors.iter_mut().zip(unsent) {
            *vector = IoSlice::new(piece);
            count += 1;
        }
        let result = socket.send_vectored(&vectors[..count]);
        self.sent(result)
    }

    /// Counts the bytes that were sent. An error ends the connection.
    fn sent(&mut self, result: rustix::io::Result<usize>) -> usize {
        match result {
            Ok(sent) => {
                self.tally.bytes += sent as u64;
                sent
            }
            Err(Errno::AGAIN) => 0,
            Err(_) => {
                self.disconnect(DisconnectReason::EndOfStream);
                0
            }
        }
    }

    /// Removes sent bytes from the front.
    fn forget(&mut self, sent: usize) {
        self.waiting -= sent;
        self.head_sent += sent;
        while let Some(chunk) = self.chunks.front() {
            let len = chunk.frames().len();
            if self.head_sent < len {
                return;
            }
            self.head_sent -= len;
            if let Some(Chunk::Own(frames)) = self.chunks.pop_front() {
                self.own -= frames.memory();
            }
        }
        // A queue that was long gives its memory back.
        self.chunks = VecDeque::new();
    }
}

/// For messages and pages that other clients are sent as well.
#[cfg(feature = "server")]
impl Queue {
    /// Sends `messages` messages behind everything that waits; bytes that are not taken wait too.
    pub(crate) fn send_shared(&mut self, bytes: &Arc<SharedFrames>, messages: u64) {
        self.tally.messages += messages;
        if let Some(held) = &mut self.held {
            return held.hold_shared(bytes, messages);
        }
        if let (Some(whole), true, true) = (
            bytes.whole(),
            self.chunks.is_empty(),
            self.replies.is_empty(),
        ) {
            let sent = self.send_now(whole);
            if sent < bytes.len() && self.disconnect_reason.is_none() {
                self.head_sent = sent;
                self.waiting = bytes.len() - sent;
                self.chunks
                    .push_back(Chunk::Shared(Arc::clone(bytes), messages));
                bytes.wait();
            }
            return;
        }
        self.enqueue_replies();
        self.waiting += bytes.len();
        self.chunks
            .push_back(Chunk::Shared(Arc::clone(bytes), messages));
        self.send();
        if !self.chunks.is_empty() {
            // These frames are the last that wait.
            bytes.wait();
        }
    }

    /// Puts the body of a response behind everything that waits. It was counted before.
    pub(crate) fn enqueue_page(&mut self, page: &Arc<SharedFrames>) {
        self.enqueue_replies();
        self.waiting += page.len();
        self.chunks.push_back(Chunk::Shared(Arc::clone(page), 0));
    }

    /// Drops shared chunks from the front, one by one, until `enough`. A partly sent chunk must be
    /// finished, and a broadcast must not drop replies.
    pub(crate) fn drop_oldest(&mut self, enough: impl Fn(&Queue) -> bool) {
        let mut at = self.begun();
        while !enough(self) && at < self.chunks.len() {
            match self.chunks.get(at) {
                Some(Chunk::Shared(bytes, messages)) => {
                    self.waiting -= bytes.len();
                    self.tally.messages -= messages;
                    self.tally.dropped += messages;
                    self.chunks.remove(at);
                }
                _ => at += 1,
            }
        }
        self.drop_oldest_held(enough);
    }

    /// Returns how many chunks, from the front, are partly sent, or committed to be sent.
    fn begun(&self) -> usize {
        let committed = self.socket.as_ref().map_or(0, |socket| socket.committed());
        let mut rest = self.head_sent + committed;
        let is_begun = |chunk: &&Chunk| {
            let begun = rest > 0;
            rest = rest.saturating_sub(chunk.frames().len());
            begun
        };
        self.chunks.iter().take_while(is_begun).count()
    }
}

impl Chunk {
    fn frames(&self) -> &Frames {
        match self {
            Chunk::Own(frames) => frames,
            #[cfg(feature = "server")]
            Chunk::Shared(frames, _) => frames,
        }
    }
}
