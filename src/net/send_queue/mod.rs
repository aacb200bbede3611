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
//! ([`SendQueue::wait_for_room`]), as a blocking socket would let it: the peer that sends faster than
//! it reads is held back by TCP. Everybody else is never made to wait; for them a full queue is
//! the [`SlowClient`] policy's case.

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
    /// The socket has it.
    Done,
    /// It waits in a queue that is being watched already.
    Waits,
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

/// One client's way out.
#[derive(Debug)]
pub(crate) struct SendQueue {
    inside: Mutex<Inside>,
    limit: usize,
    policy: SlowClient,
    total_queued: Arc<TotalQueued>,
    /// How often others have sent something. Only changed under the lock.
    pushes: AtomicU64,
    /// How often the socket, after it was full, has taken more. Only the peer can make that room.
    relieved: AtomicU64,
}

/// The inside, locked; what its queue takes is counted when it is let go of.
struct Locked<'a> {
    inside: MutexGuard<'a, Inside>,
    total_queued: &'a TotalQueued,
}

#[derive(Debug)]
struct Inside {
    queue: Queue,
    /// The goodbye is written, or the client is cut off: no message follows.
    over: bool,
    /// The write side is shut once nothing waits any more: the goodbye of a version without one.
    ends_stream: bool,
    /// How many bytes will have been sent when the goodbye has.
    close_ends_at: u64,
    /// Nothing follows that, not even pongs.
    mute: bool,
    /// The warden has been told, and polls.
    watched: bool,
    /// What of the queue's memory is counted with everybody's.
    counted: usize,
}

/// Replies are sent without waiting for the next read once they are this many bytes.
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

    /// The client's own thread says something: `write` appends whole frames and says how many
    /// messages they are. Unless `at_once`, or when there is much of it, it stays here until
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

    /// As [`reply`](SendQueue::reply), for one large message, whose bytes are ready: nobody waits while
    /// a client masks megabytes. What follows its `head` is sent from where it lies.
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

    /// Sends what the socket takes at once.
    pub(crate) fn flush(&self) -> Push {
        let mut inside = self.lock();
        inside.queue.send();
        inside.watch()
    }

    /// Holds the client's own thread back until no more than `limit` bytes wait.
    ///
    /// # Errors
    /// The loss, once nothing was taken for as long as `deadline`.
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
            // reader makes room long before, so it is asked again and again. While the whole
            // process is stopped nobody is waited for, so a turn counts for no longer than it was
            // to take.
            let batch = (deadline / 10).max(Duration::from_millis(1));
            let since = Instant::now();
            socket.wait_until(PollFlags::OUT, batch);
            waited += since.elapsed().min(batch);
        }
    }

    /// The most bytes that may wait.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Something for this client and others: `messages` whole messages.
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

    /// How often others have sent something, so far. Does not change while a reply is written.
    pub(crate) fn pushes(&self) -> u64 {
        self.pushes.load(Relaxed)
    }

    /// The last bytes: a goodbye, or an HTTP answer. Only the first goodbye is written; of all
    /// others nothing is.
    pub(crate) fn close_frame(&self, bytes: &[u8]) -> Push {
        self.goodbye_with(bytes, None)
    }

    /// The same, with a body behind it that others may be sent as well.
    pub(crate) fn goodbye_with(&self, bytes: &[u8], page: Option<&Arc<SharedFrames>>) -> Push {
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

    /// As [`close_frame`](SendQueue::close_frame), for a version that can only hang up: nothing more is sent,
    /// and the peer sees the end of the stream behind all that was.
    pub(crate) fn close_tcp(&self) -> Push {
        let mut inside = self.lock();
        if inside.is_over() {
            return Push::Over;
        }
        inside.ends_stream = true;
        inside.end();
        inside.watch()
    }

    /// Pongs that may still follow our goodbye, while the peer's has not come. Where something
    /// waits they are left out: a peer that pings and does not read must not fill the memory.
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

    /// Cuts the client off: nothing more is sent, nothing more is read. Only the first cause
    /// counts; whether this was it is returned.
    pub(crate) fn cut(&self, disconnect_reason: DisconnectReason) -> bool {
        let mut inside = self.lock();
        inside.over = true;
        inside.queue.cut(disconnect_reason)
    }

    /// Closes the TCP connection of a client that had nothing more to do than that. That is no loss.
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

    /// Why the client was cut off, if it was.
    pub(crate) fn disconnect_reason(&self) -> Option<DisconnectReason> {
        self.lock().queue.disconnect_reason()
    }

    /// Whether no message follows: after a goodbye, or once the client is lost.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over()
    }

    pub(crate) fn socket(&self) -> Option<Arc<Socket>> {
        self.lock().queue.socket().cloned()
    }

    pub(crate) fn tally(&self) -> Tally {
        *self.lock().queue.tally()
    }

    /// The memory that waits, of what it shares with others its share.
    pub(crate) fn weight(&self) -> usize {
        self.lock().queue.weight()
    }

    /// Whether the goodbye waits for the socket, or something before it. What may follow it, the
    /// pongs, does not count.
    pub(crate) fn close_is_queued(&self) -> bool {
        let mut inside = self.lock();
        inside.queue.tally().bytes < inside.close_ends_at
    }

    /// Lets go of the socket and of everything that waits.
    pub(crate) fn close(&self) {
        let mut inside = self.lock();
        inside.over = true;
        inside.queue.close();
    }

    /// After a reply: whether its thread must wait, or the warden be told.
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

    /// Sends the last that there is to send.
    fn end(&mut self) {
        self.over = true;
        self.queue.send();
        self.close_ends_at = self.queue.end();
    }

    /// After sending: whether the warden must be told of what waits.
    fn watch(&mut self) -> Push {
        if self.queue.waiting() == 0 && self.stream_is_ended() {
            return Push::Done;
        }
        match std::mem::replace(&mut self.watched, true) {
            true => Push::Waits,
            false => Push::Stalled,
        }
    }

    /// Hangs up, if that is the goodbye; `false` while even that waits for the socket.
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
