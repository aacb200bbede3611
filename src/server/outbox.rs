//! The only way bytes leave: bounded, non-blocking, shared.
//!
//! Whoever has something to say to a client puts it here, whole frames at a time, under a short
//! lock that is never held across a call that can block: so frames never interleave and nobody
//! waits for somebody else's socket. What the socket does not take at once stays in a queue that
//! is bounded in bytes; the warden drains such queues, and nothing else has to.
//!
//! The bound: a message enters when the queue is empty, or when it fits. So one that is larger
//! than the bound can be sent, and a queue holds at most the bound, or one message.
//!
//! Two kinds of senders meet a full queue differently. The client's own thread waits
//! ([`Outbox::wait_for_room`]), as a blocking socket would let it: the peer that sends faster than
//! it reads is held back by TCP. Everybody else is never made to wait; for them a full queue is
//! the [`SlowClient`] policy's case.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};

use super::error::Loss;

/// What happens to a client whose queue is full when a broadcast, or a handle, has more for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SlowClient {
    /// It is disconnected, counted as evicted, and logged.
    #[default]
    Close,
    /// It does not get the new message. Counted as dropped.
    DropNewest,
    /// It does not get the oldest broadcasts that still wait whole in its queue, as many as it
    /// takes; replies of its own handler are kept. Counted as dropped.
    DropOldest,
}

/// How a push went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    /// The socket has it, or it waits in a queue that is being watched already.
    Done,
    /// It waits in a queue that nobody watches yet: the caller tells the warden.
    Stalled,
    /// It waits in a queue that is over its bound: the caller, who is the client's own thread,
    /// waits for room.
    Full,
    /// Nothing can be sent any more.
    Over,
    /// The queue was full: this was dropped, and counted.
    Dropped,
    /// The queue was full and the client has been cut off, by this very call.
    Evicted,
}

/// How far a queue has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    Empty,
    Some,
    Nothing,
}

/// Frames for one client, or for many.
#[derive(Debug)]
enum Chunk {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>, u64),
}

#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<Inside>,
    limit: usize,
    policy: SlowClient,
}

#[derive(Debug)]
struct Inside {
    /// `None` once the connection is closed for good: the file descriptor is free again, whoever
    /// else still holds a handle.
    socket: Option<Arc<TcpStream>>,
    /// The client's own replies that were not tried yet; they leave together.
    replies: Vec<u8>,
    queue: VecDeque<Chunk>,
    /// Bytes in the queue, without those of its first chunk that are sent.
    queued: usize,
    /// Bytes of the queue's first chunk that are sent.
    head_sent: usize,
    /// The goodbye is written, or the client is cut off: nothing follows.
    over: bool,
    /// The warden has been told, and polls.
    watched: bool,
    loss: Option<Loss>,
    tally: Tally,
}

/// What has left.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
}

/// Replies are sent without waiting for the next read once they are this many bytes.
const LARGE: usize = 16 * 1024;

/// A buffer that is larger than this is given back once it is empty.
const REST: usize = 4 * 1024;

/// The most chunks that leave in one system call.
const VECTORS: usize = 64;

impl Outbox {
    pub(crate) fn new(socket: Arc<TcpStream>, limit: usize, policy: SlowClient) -> Outbox {
        Outbox {
            state: Mutex::new(Inside {
                socket: Some(socket),
                replies: Vec::new(),
                queue: VecDeque::new(),
                queued: 0,
                head_sent: 0,
                over: false,
                watched: false,
                loss: None,
                tally: Tally::default(),
            }),
            limit,
            policy,
        }
    }

    /// The client's own thread says something: `write` appends whole frames and says how many
    /// messages they are. Unless `at_once`, or when there is much of it, it stays here until
    /// [`flush`](Outbox::flush).
    pub(crate) fn reply<E>(
        &self,
        at_once: bool,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, E>,
    ) -> Result<Push, E> {
        let mut inside = self.lock();
        if inside.over {
            return Ok(Push::Over);
        }
        inside.tally.messages += write(&mut inside.replies)?;
        if !at_once && inside.replies.len() < LARGE {
            return Ok(Push::Done);
        }
        inside.send();
        if inside.queued > self.limit {
            return Ok(Push::Full);
        }
        Ok(inside.watch())
    }

    /// Sends what the socket takes at once.
    pub(crate) fn flush(&self) -> Push {
        self.lock().flush()
    }

    /// Holds the client's own thread back until no more than `limit` bytes wait.
    ///
    /// # Errors
    /// The loss, once nothing was taken for as long as `deadline`.
    pub(crate) fn wait_for_room(&self, limit: usize, deadline: Duration) -> Result<Push, Loss> {
        let mut since = Instant::now();
        let mut before = usize::MAX;
        loop {
            let (left, socket) = {
                let mut inside = self.lock();
                inside.send();
                if inside.queued <= limit && inside.loss.is_none() {
                    return Ok(inside.watch());
                }
                (inside.queued, inside.socket.clone())
            };
            let (Some(socket), None) = (socket, self.loss()) else {
                return Err(self.loss().unwrap_or(Loss::EndOfStream));
            };
            if left != before {
                (since, before) = (Instant::now(), left);
            }
            let wait = deadline.saturating_sub(since.elapsed());
            if wait.is_zero() || !wait_until(&socket, PollFlags::OUT, wait) {
                return Err(Loss::Write);
            }
        }
    }

    /// The most bytes that may wait.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Something for this client and others: `messages` whole messages.
    pub(crate) fn push(&self, bytes: &Arc<Vec<u8>>, messages: u64) -> Push {
        let mut inside = self.lock();
        if inside.over {
            return Push::Over;
        }
        let waiting = inside.queued + inside.replies.len();
        if waiting > 0 && waiting + bytes.len() > self.limit {
            inside.send();
            match self.make_room(&mut inside, bytes.len()) {
                Push::Done => {}
                Push::Dropped => {
                    inside.tally.dropped += messages;
                    return Push::Dropped;
                }
                refused => return refused,
            }
        }
        inside.tally.messages += messages;
        if inside.queue.is_empty() && inside.replies.is_empty() {
            let sent = inside.send_now(bytes);
            if sent == bytes.len() || inside.loss.is_some() {
                return Push::Done;
            }
            inside.head_sent = sent;
            inside.queued = bytes.len() - sent;
            inside.queue.push_back(Chunk::Shared(Arc::clone(bytes), messages));
            return inside.watch();
        }
        inside.enqueue_replies();
        inside.queued += bytes.len();
        inside.queue.push_back(Chunk::Shared(Arc::clone(bytes), messages));
        inside.flush()
    }

    /// A ping: sent at once or, where something waits already, not at all: the write deadline is
    /// running then.
    pub(crate) fn ping(&self, frame: &[u8]) -> Push {
        let mut inside = self.lock();
        if inside.over {
            return Push::Over;
        }
        if inside.queue.is_empty() {
            inside.replies.extend_from_slice(frame);
        }
        inside.flush()
    }

    /// The last bytes: a goodbye, or an HTTP answer. Only the first goodbye is written; `false`
    /// for all others, of which nothing is.
    pub(crate) fn goodbye(&self, bytes: &[u8]) -> (bool, Push) {
        let mut inside = self.lock();
        if inside.over {
            return (false, Push::Over);
        }
        inside.replies.extend_from_slice(bytes);
        let push = inside.flush();
        inside.over = true;
        (true, push)
    }

    /// The warden found the socket ready, or wants to know.
    pub(crate) fn drain(&self) -> Drained {
        let mut inside = self.lock();
        let before = inside.queued;
        inside.send();
        if inside.queued == 0 {
            inside.watched = false;
            return Drained::Empty;
        }
        if inside.queued < before { Drained::Some } else { Drained::Nothing }
    }

    /// Cuts the client off: nothing more is sent, nothing more is read. Only the first cause
    /// counts; whether this was it is returned.
    pub(crate) fn cut(&self, loss: Loss) -> bool {
        self.lock().cut(loss)
    }

    /// Wakes the client's thread out of `read`, as if the peer would send nothing more.
    pub(crate) fn stop_reading(&self) {
        if let Some(socket) = &self.lock().socket {
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Why the client was cut off, if it was.
    pub(crate) fn loss(&self) -> Option<Loss> {
        self.lock().loss
    }

    pub(crate) fn socket(&self) -> Option<Arc<TcpStream>> {
        self.lock().socket.clone()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.lock().tally
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Lets go of the socket and of everything that waits.
    pub(crate) fn close(&self) {
        let mut inside = self.lock();
        inside.over = true;
        inside.clear();
        inside.socket = None;
    }

    /// Applies the policy to a queue that had no room for `len` bytes. [`Push::Done`] when it has.
    fn make_room(&self, inside: &mut Inside, len: usize) -> Push {
        let fits = |inside: &Inside| inside.queued == 0 || inside.queued + len <= self.limit;
        if inside.over {
            return Push::Over;
        }
        if !fits(inside) && self.policy == SlowClient::Close {
            inside.cut(Loss::Evicted);
            return Push::Evicted;
        }
        if !fits(inside) && self.policy == SlowClient::DropOldest {
            // A chunk that is partly sent must be finished, and replies are not ours to drop.
            let mut at = usize::from(inside.head_sent > 0);
            while !fits(inside) && at < inside.queue.len() {
                match inside.queue.get(at) {
                    Some(Chunk::Shared(bytes, messages)) => {
                        inside.queued -= bytes.len();
                        inside.tally.messages -= messages;
                        inside.tally.dropped += messages;
                        inside.queue.remove(at);
                    }
                    _ => at += 1,
                }
            }
        }
        if fits(inside) { Push::Done } else { Push::Dropped }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Sends, and says whether the warden must be told of what is left.
    fn flush(&mut self) -> Push {
        self.send();
        self.watch()
    }

    /// Sends what the socket takes: what waits, then the replies.
    fn send(&mut self) {
        if self.queue.is_empty() && !self.replies.is_empty() {
            let mut replies = std::mem::take(&mut self.replies);
            let sent = self.send_now(&replies);
            if sent == replies.len() {
                replies.clear();
                replies.shrink_to(REST);
                self.replies = replies;
            } else if self.socket.is_some() && self.loss.is_none() {
                self.head_sent = sent;
                self.queued = replies.len() - sent;
                self.queue.push_back(Chunk::Own(replies));
            }
            return;
        }
        self.enqueue_replies();
        while !self.queue.is_empty() {
            let sent = self.send_queue();
            if sent == 0 {
                break;
            }
            self.forget(sent);
        }
    }

    fn enqueue_replies(&mut self) {
        if !self.replies.is_empty() {
            let replies = std::mem::take(&mut self.replies);
            self.queued += replies.len();
            self.queue.push_back(Chunk::Own(replies));
        }
    }

    /// One `send`; how many bytes were taken. An error is the end of the connection.
    fn send_now(&mut self, bytes: &[u8]) -> usize {
        let Some(socket) = &self.socket else {
            return 0;
        };
        let result = loop {
            match send(socket, bytes, SEND) {
                Err(rustix::io::Errno::INTR) => {}
                result => break result,
            }
        };
        self.sent(result)
    }

    /// One `sendmsg` with the front of the queue.
    fn send_queue(&mut self) -> usize {
        let Some(socket) = &self.socket else {
            return 0;
        };
        let mut vectors = [IoSlice::new(&[]); VECTORS];
        let mut count = 0;
        for (vector, chunk) in vectors.iter_mut().zip(&self.queue) {
            let skip = if count == 0 { self.head_sent } else { 0 };
            *vector = IoSlice::new(&chunk.bytes()[skip..]);
            count += 1;
        }
        let mut control = SendAncillaryBuffer::default();
        let result = loop {
            match sendmsg(socket, &vectors[..count], &mut control, SEND) {
                Err(rustix::io::Errno::INTR) => {}
                result => break result,
            }
        };
        self.sent(result)
    }

    fn sent(&mut self, result: rustix::io::Result<usize>) -> usize {
        match result {
            Ok(sent) => {
                self.tally.bytes += sent as u64;
                sent
            }
            Err(rustix::io::Errno::AGAIN) => 0,
            Err(_) => {
                self.cut(Loss::EndOfStream);
                0
            }
        }
    }

    /// Takes sent bytes off the front of the queue.
    fn forget(&mut self, sent: usize) {
        self.queued -= sent;
        self.head_sent += sent;
        while let Some(chunk) = self.queue.front() {
            let len = chunk.bytes().len();
            if self.head_sent < len {
                break;
            }
            self.head_sent -= len;
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    fn watch(&mut self) -> Push {
        if self.queue.is_empty() || std::mem::replace(&mut self.watched, true) {
            return Push::Done;
        }
        Push::Stalled
    }

    fn cut(&mut self, loss: Loss) -> bool {
        self.over = true;
        self.clear();
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let first = self.loss.is_none();
        self.loss.get_or_insert(loss);
        first
    }

    fn clear(&mut self) {
        self.replies = Vec::new();
        self.queue = VecDeque::new();
        self.queued = 0;
        self.head_sent = 0;
    }
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(bytes) => bytes,
            Chunk::Shared(bytes, _) => bytes,
        }
    }
}

/// Never blocks, and never raises SIGPIPE where that is not a socket's own setting.
#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::DONTWAIT;

/// Blocks until the socket is ready or `wait` is over; `false` for the latter.
pub(crate) fn wait_until(socket: &TcpStream, flags: PollFlags, wait: Duration) -> bool {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(socket, flags)], timeout.as_ref()) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            // An error of the socket is for the next read or write to find.
            _ => return true,
        }
    }
}
