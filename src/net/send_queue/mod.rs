//! The send queue, the only way bytes leave: bounded, non-blocking, shared between threads.
//!
//! A thread that sends to a client puts whole frames here, under a short lock that is never held
//! across a call that can block: so frames never interleave, and no thread waits for another
//! client's socket. Bytes that the socket does not take at once stay in a queue that is limited
//! in bytes; the watchdog drains such queues, and nothing else has to.
//!
//! The limit: a message enters if the queue is empty, or if it fits. So a message that is larger
//! than the limit can be sent, and a queue holds at most the limit, or one message.
//!
//! Two kinds of senders meet a full queue differently. The client's own thread waits
//! ([`SendQueue::wait_for_room`]), as with a blocking socket: TCP then slows down a peer that sends
//! faster than it reads (backpressure). All other threads never wait; for them the [`SlowClient`]
//! policy decides.

pub(crate) mod queue;
pub(crate) mod total;

mod signs;

use std::io::ErrorKind;
use std::net::Shutdown;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use super::socket::Socket;
use super::sync::atomic::AtomicU64;
use super::sync::atomic::Ordering::Relaxed;
use super::sync::{Instant, Mutex, MutexGuard, PoisonError};
use crate::error::DisconnectReason;
use queue::{Queue, Tally};
use total::{SharedFrames, TotalQueued};

/// The policy for a slow consumer: a client whose send queue is full when a broadcast, or a handle,
/// sends it more.
///
/// ```
/// use stentor::{Server, SlowClient};
///
/// // The members of a room that shows live positions need only the newest ones.
/// let server = Server::builder()
///     .send_queue_limit(64 * 1024)
///     .slow_client(SlowClient::DropOldest);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[doc(alias = "slow consumer")]
#[doc(alias = "backpressure")]
pub enum SlowClient {
    /// The client is disconnected, counted as evicted, and logged.
    #[default]
    Close,
    /// The client does not get the new message. Counted as dropped.
    DropNewest,
    /// The client does not get the oldest broadcasts that still wait whole in its queue, as many
    /// as necessary; replies of its own handler are kept. Counted as dropped.
    DropOldest,
}

/// The result of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    /// The socket has taken it.
    Done,
    /// It waits in a queue that the watchdog watches already.
    Waits,
    /// It waits in a queue that is not watched yet: the caller notifies the watchdog.
    Stalled,
    /// It waits in a queue that is over its limit: the caller, which is the client's own thread,
    /// waits for room.
    Full,
    /// Nothing can be sent any more.
    Over,
    /// The queue was full: the messages were dropped, and counted.
    Dropped,
    /// The queue was full, and this call has disconnected the client.
    Evicted,
}

/// The send queue of one client.
#[derive(Debug)]
pub(crate) struct SendQueue {
    inside: Mutex<Inside>,
    limit: usize,
    policy: SlowClient,
    total_queued: Arc<TotalQueued>,
    /// How often other threads have sent something. Only changed under the lock.
    pushes: AtomicU64,
    /// How often a full socket has taken more. Only the peer can make that room.
    relieved: AtomicU64,
}

/// The inside, locked; the memory of its queue is counted when the lock is released.
struct Locked<'a> {
    inside: MutexGuard<'a, Inside>,
    total_queued: &'a TotalQueued,
}

#[derive(Debug)]
struct Inside {
    queue: Queue,
    /// The close frame is written, or the client is disconnected: no message follows.
    over: bool,
    /// The write side is shut once nothing waits any more: so a version without a close frame closes.
    ends_stream: bool,
    /// How many bytes will have been sent when the close frame has.
    close_ends_at: u64,
    /// Nothing follows the close frame, not even pongs.
    mute: bool,
    /// The watchdog was notified, and polls.
    watched: bool,
    /// How much of the queue's memory is counted in the total of all clients.
    counted: usize,
}

/// Replies are sent without waiting for the next read once they are at least this many bytes.
const LARGE: usize = 16 * 1024;

impl SendQueue {
    pub(crate) fn new(
        socket: Arc<Socket>,
        limit: usize,
        policy: SlowClient,
        total_queued: Arc<TotalQueued>,
    ) -> SendQueue {
        let inside = Inside {
            queue: Queue::new(socket),
            over: false,
            ends_stream: false,
            close_ends_at: 0,
            mute: false,
            watched: false,
            counted: 0,
        };
        SendQueue {
            inside: Mutex::new(inside),
            limit,
            policy,
            total_queued,
            pushes: AtomicU64::new(0),
            relieved: AtomicU64::new(0),
        }
    }

    /// Sends replies of the client's own thread: `write` appends whole frames and returns how many
    /// messages they are. Unless `at_once`, or if there are many bytes, they stay here until
    /// [`flush`](SendQueue::flush).
    pub(crate) fn reply<E>(
        &self,
        at_once: bool,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, E>,
    ) -> Result<Push, E> {
        let mut inside = self.lock();
        if inside.is_over() {
            return Ok(Push::Over);
        }
        let messages = write(inside.queue.replies())?;
        inside.queue.tally().messages += messages;
        if !at_once && inside.queue.replies().len() < LARGE {
            return Ok(Push::Done);
        }
        inside.queue.send();
        Ok(self.sent(&mut inside))
    }

    /// As [`reply`](SendQueue::reply), for one large message whose bytes are ready: no thread waits
    /// while a client masks megabytes. The bytes after `head` are not copied.
    pub(crate) fn reply_owned(&self, head: &[u8], rest: Vec<u8>) -> Push {
        let mut inside = self.lock();
        if inside.is_over() {
            return Push::Over;
        }
        inside.queue.replies().extend_from_slice(head);
        inside.queue.tally().messages += 1;
        inside.queue.send_owned(rest);
        self.sent(&mut inside)
    }

    /// Sends the bytes that the socket takes at once.
    pub(crate) fn flush(&self) -> Push {
        let mut inside = self.lock();
        inside.queue.send();
        inside.watch()
    }

    /// Blocks the client's own thread until no more than `limit` bytes wait.
    ///
    /// # Errors
    /// The disconnect reason, once the socket took nothing for as long as `deadline`.
    pub(crate) fn wait_for_room(
        &self,
        limit: usize,
        deadline: Duration,
    ) -> Result<Push, DisconnectReason> {
        let mut waited = Duration::ZERO;
        let mut before = None;
        loop {
            let (sent, socket) = {
                let mut inside = self.lock();
                inside.queue.send();
                if let Some(disconnect_reason) = inside.queue.disconnect_reason() {
                    return Err(disconnect_reason);
                }
                let sent = inside.queue.tally().bytes;
                let full = inside.queue.waiting() > limit;
                self.note_relief(before, sent);
                match inside.queue.socket() {
                    Some(socket) if full => (sent, Arc::clone(socket)),
                    _ => return Ok(inside.watch()),
                }
            };
            if before != Some(sent) {
                (waited, before) = (Duration::ZERO, Some(sent));
            }
            if waited >= deadline {
                return Err(DisconnectReason::Write);
            }
            // A socket counts as writable only when a good part of its buffer is free: a slow
            // reader makes room long before, so the socket is tried again and again. The time that
            // the whole process is stopped must not count, so each of these waits counts for no
            // longer than it was meant to take.
            let slice = (deadline / 10).max(Duration::from_millis(1));
            let since = Instant::now();
            socket.wait_until(PollFlags::OUT, slice);
            waited += since.elapsed().min(slice);
        }
    }

    /// Returns the most bytes that may wait.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Sends frames for this client and others: `messages` whole messages.
    pub(crate) fn push(&self, bytes: &Arc<SharedFrames>, messages: u64) -> Push {
        let mut inside = self.lock();
        self.pushes.store(self.pushes() + 1, Relaxed);
        let fits = |queue: &Queue| {
            let waiting = queue.waiting();
            waiting == 0 || waiting + bytes.len() <= self.limit
        };
        if !inside.is_over() && !fits(&inside.queue) {
            // The socket may have room by now.
            inside.queue.send();
            if self.policy == SlowClient::DropOldest {
                inside.queue.drop_oldest(fits);
            }
        }
        match self.policy {
            _ if inside.is_over() => Push::Over,
            _ if fits(&inside.queue) => {
                inside.queue.send_shared(bytes, messages);
                inside.watch()
            }
            SlowClient::Close => {
                inside.over = true;
                inside.queue.cut(DisconnectReason::Evicted);
                Push::Evicted
            }
            SlowClient::DropNewest | SlowClient::DropOldest => {
                inside.queue.tally().dropped += messages;
                Push::Dropped
            }
        }
    }

    /// Returns how often other threads have sent something. Does not change while a reply is written.
    pub(crate) fn pushes(&self) -> u64 {
        self.pushes.load(Relaxed)
    }

    /// Sends the last bytes: a close frame, or an HTTP response. Only the first close frame is
    /// written; nothing of any later one is.
    pub(crate) fn close_frame(&self, bytes: &[u8]) -> Push {
        self.close_frame_with(bytes, None)
    }

    /// As [`close_frame`](SendQueue::close_frame), with a body behind it that other clients may be
    /// sent as well.
    pub(crate) fn close_frame_with(&self, bytes: &[u8], page: Option<&Arc<SharedFrames>>) -> Push {
        let mut inside = self.lock();
        if inside.is_over() {
            return Push::Over;
        }
        inside.queue.replies().extend_from_slice(bytes);
        if let Some(page) = page {
            inside.queue.enqueue_page(page);
        }
        inside.end();
        inside.watch()
    }

    /// As [`close_frame`](SendQueue::close_frame), for a version that can only close TCP: nothing more
    /// is sent, and the peer sees the end of the stream behind all earlier bytes.
    pub(crate) fn close_tcp(&self) -> Push {
        let mut inside = self.lock();
        if inside.is_over() {
            return Push::Over;
        }
        inside.ends_stream = true;
        inside.end();
        inside.watch()
    }

    /// Sends pongs, which may still follow our close frame until the peer's arrives. If something
    /// waits, they are left out: a peer that pings and does not read must not fill the memory.
    pub(crate) fn pongs_after_close(&self, pongs: &[u8]) -> Push {
        let mut inside = self.lock();
        inside.queue.send();
        let may_follow = inside.queue.disconnect_reason().is_none() && !inside.mute;
        if may_follow && inside.queue.waiting() == 0 {
            inside.queue.replies().extend_from_slice(pongs);
            inside.queue.send();
        }
        inside.watch()
    }

    /// Disconnects the client: nothing more is sent, nothing more is read. Only the first reason
    /// counts; returns whether it was this one.
    pub(crate) fn cut(&self, disconnect_reason: DisconnectReason) -> bool {
        let mut inside = self.lock();
        inside.over = true;
        inside.queue.cut(disconnect_reason)
    }

    /// Closes the TCP connection of a client for which only that is left to do. It does not count as
    /// a disconnect.
    pub(crate) fn close_tcp_now(&self) {
        let mut inside = self.lock();
        inside.over = true;
        if let Some(socket) = inside.queue.socket() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Wakes the client's thread out of `read`, as if the peer would send nothing more.
    pub(crate) fn stop_reading(&self) {
        if let Some(socket) = self.lock().queue.socket() {
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Returns why the client was disconnected, if it was.
    pub(crate) fn disconnect_reason(&self) -> Option<DisconnectReason> {
        self.lock().queue.disconnect_reason()
    }

    /// Returns whether no message follows: after a close frame, or once the client is disconnected.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over()
    }

    pub(crate) fn socket(&self) -> Option<Arc<Socket>> {
        self.lock().queue.socket().cloned()
    }

    pub(crate) fn tally(&self) -> Tally {
        *self.lock().queue.tally()
    }

    /// Returns the waiting memory; of frames that are shared with other queues, only this one's share.
    pub(crate) fn weight(&self) -> usize {
        self.lock().queue.weight()
    }

    /// Returns whether the close frame, or something before it, waits for the socket. The pongs that
    /// may follow it do not count.
    pub(crate) fn close_is_queued(&self) -> bool {
        let mut inside = self.lock();
        inside.queue.tally().bytes < inside.close_ends_at
    }

    /// Releases the socket and everything that waits.
    pub(crate) fn close(&self) {
        let mut inside = self.lock();
        inside.over = true;
        inside.queue.close();
    }

    /// Returns, after a reply, whether its thread must wait, or notify the watchdog.
    fn sent(&self, inside: &mut Inside) -> Push {
        match inside.queue.waiting() > self.limit {
            true => Push::Full,
            false => inside.watch(),
        }
    }

    fn lock(&self) -> Locked<'_> {
        Locked {
            // Nothing in here panics half-way through a change.
            inside: self.inside.lock().unwrap_or_else(PoisonError::into_inner),
            total_queued: &self.total_queued,
        }
    }
}

impl Inside {
    fn is_over(&self) -> bool {
        self.over || self.queue.disconnect_reason().is_some()
    }

    /// Sends the last bytes; no message follows.
    fn end(&mut self) {
        self.over = true;
        self.queue.send();
        self.close_ends_at = self.queue.end();
    }

    /// Returns, after sending, whether the caller must notify the watchdog of waiting bytes.
    fn watch(&mut self) -> Push {
        if self.queue.waiting() == 0 && self.stream_is_ended() {
            return Push::Done;
        }
        match std::mem::replace(&mut self.watched, true) {
            true => Push::Waits,
            false => Push::Stalled,
        }
    }

    /// Shuts the write side, if the version closes that way; returns `false` while TLS has to wait
    /// for the socket.
    fn stream_is_ended(&self) -> bool {
        match self.queue.socket() {
            Some(socket) if self.ends_stream => {
                let shut = socket.shutdown(Shutdown::Write);
                !matches!(shut, Err(error) if error.kind() == ErrorKind::WouldBlock)
            }
            _ => true,
        }
    }
}

impl Deref for Locked<'_> {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.inside
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Inside {
        &mut self.inside
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let memory = self.inside.queue.memory();
        if memory != self.inside.counted {
            self.total_queued.adjust(self.inside.counted, memory);
            self.inside.counted = memory;
        }
    }
}
