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

mod fragments;
pub(crate) mod frames;
pub(crate) mod queue;
mod room;
#[cfg(feature = "server")]
pub(crate) mod shared;
pub(crate) mod total;

use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::Arc;

use super::client_id::ClientId;
use super::parker::Parker;
use super::socket::Socket;
use super::sync::atomic::Ordering::Relaxed;
use super::sync::atomic::{AtomicBool, AtomicU64};
use super::sync::{Mutex, MutexGuard, PoisonError};
use super::watcher::Watcher;
use crate::error::DisconnectReason;
use frames::Frames;
use queue::{Queue, Tally};
#[cfg(feature = "server")]
use shared::SharedFrames;

/// The policy for a slow consumer. It applies to a client whose send queue is full when a broadcast or a
/// [`ClientHandle`](crate::ClientHandle) sends one more message to it. The client's own handler waits
/// instead, in [`Client::send`](crate::Client::send).
///
/// ```
/// use stentor::{Server, SlowClient};
///
/// // The members of a room that shows live positions need only the newest ones.
/// let server = Server::builder()
///     .send_queue_limit(64 * 1024)
///     .slow_client(SlowClient::DropOldest);
/// ```
#[cfg(feature = "server")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[doc(alias = "slow consumer")]
#[doc(alias = "backpressure")]
#[doc(alias = "evict")]
pub enum SlowClient {
    /// Disconnects the client with [`DisconnectReason::Evicted`](crate::DisconnectReason::Evicted), without a
    /// close frame. The client counts as [`evicted`](crate::server::Counters::evicted), and the log has a
    /// line about it.
    #[default]
    Close,
    /// Drops the new message for this client. The message counts as
    /// [`dropped`](crate::server::Counters::dropped).
    DropNewest,
    /// Drops the oldest messages of broadcasts and handles that still wait whole in the client's queue, as
    /// many as necessary for the new message. It keeps the replies of the client's own handler. If there is
    /// still no room, it drops the new message. Each dropped message counts as
    /// [`dropped`](crate::server::Counters::dropped).
    DropOldest,
}

/// The result of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    /// The socket has taken it, or it is a reply that waits for the next flush.
    Sent,
    /// It waits for the socket; the watchdog sends it.
    Queued,
    /// The queue is over its limit. The client's own thread waits for room. For all other threads, the
    /// policy was applied: the messages were dropped and counted, or the client was disconnected.
    Full,
    /// Nothing can be sent any more.
    Closed,
}

/// The send queue of one client.
#[derive(Debug)]
pub(crate) struct SendQueue {
    id: ClientId,
    inside: Mutex<Inside>,
    limit: usize,
    /// For messages of other threads. A `WebSocket` has none: its senders wait for room.
    #[cfg(feature = "server")]
    policy: SlowClient,
    /// Sends what the socket does not take at once.
    watcher: Arc<dyn Watcher>,
    /// How often other threads have sent something. Only changed under the lock.
    pushes: AtomicU64,
    /// How often a full socket has taken more. Only the peer can make that room.
    relieved: AtomicU64,
    /// A message is sent in pieces.
    is_in_pieces: AtomicBool,
    /// Counts the writes to messages that are sent in pieces.
    writes: AtomicU64,
    /// Threads wait here until held messages are released.
    released: Parker,
}

#[derive(Debug)]
struct Inside {
    queue: Queue,
    /// The close frame is written, or the client is disconnected: no message follows.
    closed: bool,
    /// The write side is shut once nothing waits any more: so a version without a close frame closes.
    ends_stream: bool,
    /// How many bytes will have been sent when the close frame has.
    close_ends_at: u64,
    /// Nothing follows the close frame, not even pongs.
    no_pongs: bool,
    watch: Watch,
    /// How much of the queue's memory is counted in the total of all clients.
    counted: usize,
}

/// Whether the watchdog watches the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    Off,
    /// The watchdog is notified once the lock is released.
    Begins,
    On,
}

/// Replies are sent without waiting for the next read once they are at least this many bytes.
const FLUSHED_AT: usize = 16 * 1024;

/// A message, or the body of a response, of at least this many bytes gets an entry of its own in the
/// queue, and is not copied.
pub(crate) const NOT_COPIED_FROM: usize = 16 * 1024;

impl SendQueue {
    pub(crate) fn new(
        id: ClientId,
        socket: Arc<Socket>,
        limit: usize,
        watcher: Arc<dyn Watcher>,
    ) -> SendQueue {
        let inside = Inside {
            queue: Queue::new(socket),
            closed: false,
            ends_stream: false,
            close_ends_at: 0,
            no_pongs: false,
            watch: Watch::Off,
            counted: 0,
        };
        SendQueue {
            id,
            inside: Mutex::new(inside),
            limit,
            #[cfg(feature = "server")]
            policy: SlowClient::default(),
            watcher,
            pushes: AtomicU64::new(0),
            relieved: AtomicU64::new(0),
            is_in_pieces: AtomicBool::new(false),
            writes: AtomicU64::new(0),
            released: Parker::default(),
        }
    }

    /// Sets the policy for a slow consumer.
    #[cfg(feature = "server")]
    pub(crate) fn with_policy(self, policy: SlowClient) -> SendQueue {
        SendQueue { policy, ..self }
    }

    /// Sends replies of the client's own thread: `write` appends whole frames and returns how many
    /// messages they are. Unless `at_once`, or if there are many bytes, they stay here until
    /// [`flush`](SendQueue::flush).
    pub(crate) fn reply<E>(
        &self,
        at_once: bool,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, E>,
    ) -> Result<Push, E> {
        let push = self.locked(|inside| {
            if inside.is_closed() {
                return Ok(Push::Closed);
            }
            if inside.queue.is_in_pieces() {
                return inside.reply_between(self.limit, write);
            }
            let messages = write(inside.queue.replies())?;
            inside.queue.tally().messages += messages;
            if !at_once && inside.queue.replies().len() < FLUSHED_AT {
                return Ok(Push::Sent);
            }
            inside.queue.send();
            Ok(inside.sent_within(self.limit))
        })?;
        Ok(self.relieved_after(push))
    }

    /// As [`reply`](SendQueue::reply), for one large message whose bytes are ready: no thread waits
    /// while a client masks megabytes. They are not copied.
    pub(crate) fn reply_owned(&self, frames: Frames) -> Push {
        self.send(|inside| {
            if inside.is_closed() {
                return Push::Closed;
            }
            if inside.queue.is_in_pieces() {
                inside.queue.hold_owned(frames);
                return inside.sent_within(self.limit);
            }
            inside.queue.tally().messages += 1;
            inside.queue.send_owned(frames);
            inside.sent_within(self.limit)
        })
    }

    /// Sends frames that other clients may be sent as well, from the client's own thread, which waits for room
    /// after that. They are released here before clients are evicted.
    #[cfg(feature = "history")]
    pub(crate) fn reply_shared(&self, frames: Arc<SharedFrames>, messages: u64) -> Push {
        self.send(move |inside| {
            if inside.is_closed() {
                return Push::Closed;
            }
            inside.queue.send_shared(&frames, messages);
            inside.sent_within(self.limit)
        })
    }

    /// Returns whether so many bytes may enter without filling more than half of the queue.
    #[cfg(feature = "history")]
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.locked(|inside| {
            let waiting = inside.queue.queued();
            waiting == 0 || waiting + bytes <= self.limit / 2
        })
    }

    /// Sends the bytes that the socket takes at once.
    pub(crate) fn flush(&self) {
        self.send(|inside| {
            inside.queue.send();
            inside.sent()
        });
    }

    /// Returns whether more bytes wait than the limit: a reply would have to wait for room.
    pub(crate) fn is_full(&self) -> bool {
        self.locked(|inside| inside.queue.queued() > self.limit)
    }

    /// Returns the most bytes that may wait.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns how often other threads have sent something. Does not change while a reply is written.
    pub(crate) fn pushes(&self) -> u64 {
        self.pushes.load(Relaxed)
    }

    /// Sends a ping at once or, if something waits already, not at all: the write timeout is
    /// running then. If it is sent, returns how many bytes will have been sent once it has.
    pub(crate) fn ping(&self, frame: &[u8]) -> Option<u64> {
        let mut end = None;
        self.send(|inside| {
            if !inside.is_closed() && inside.queue.waiting() == 0 {
                inside.queue.replies().extend_from_slice(frame);
                inside.queue.send();
                end = Some(inside.queue.end());
            }
            inside.sent()
        });
        end
    }

    /// Sends the last bytes: a close frame, or an HTTP response. Only the first close frame is written; nothing
    /// of any later one is.
    pub(crate) fn send_close_frame(&self, bytes: &[u8]) -> Push {
        self.send(|inside| {
            if inside.is_closed() {
                return Push::Closed;
            }
            inside.queue.replies().extend_from_slice(bytes);
            inside.send_last()
        })
    }

    /// As [`send_close_frame`](SendQueue::send_close_frame), for an HTTP response with a `page` as its body,
    /// which other clients may be sent as well.
    #[cfg(feature = "server")]
    pub(crate) fn send_page(&self, head: &[u8], page: &Arc<SharedFrames>) -> Push {
        self.send(|inside| {
            if inside.is_closed() {
                return Push::Closed;
            }
            inside.queue.replies().extend_from_slice(head);
            inside.queue.enqueue_page(page);
            inside.send_last()
        })
    }

    /// As [`send_close_frame`](SendQueue::send_close_frame), for a version that can only close TCP: nothing
    /// more is sent, and the peer sees the end of the stream behind all earlier bytes.
    pub(crate) fn send_end_of_stream(&self) -> Push {
        self.send(|inside| {
            if inside.is_closed() {
                return Push::Closed;
            }
            inside.ends_stream = true;
            inside.send_last()
        })
    }

    /// Sends pongs, which may still follow our close frame until the peer's arrives. If something
    /// waits, they are left out: a peer that pings and does not read must not fill the memory.
    pub(crate) fn pongs_after_close(&self, pongs: &[u8]) {
        self.send(|inside| {
            inside.queue.send();
            let may_follow = inside.queue.disconnect_reason().is_none() && !inside.no_pongs;
            if may_follow && inside.queue.waiting() == 0 {
                inside.queue.replies().extend_from_slice(pongs);
                inside.queue.send();
            }
            inside.sent()
        });
    }

    /// Disconnects the client: nothing more is sent, nothing more is read. Only the first reason
    /// counts; returns whether it was this one.
    pub(crate) fn disconnect(&self, reason: DisconnectReason) -> bool {
        self.locked(|inside| {
            inside.closed = true;
            inside.queue.disconnect(reason)
        })
    }

    /// Closes the TCP connection of a client for which only that is left to do. It does not count as
    /// a disconnect.
    pub(crate) fn close_tcp(&self) {
        self.locked(|inside| {
            inside.closed = true;
            inside.shutdown(Shutdown::Both);
        });
    }

    /// Wakes the client's thread out of `read`, as if the peer would send nothing more.
    pub(crate) fn stop_reading(&self) {
        self.locked(|inside| inside.shutdown(Shutdown::Read));
    }

    /// Releases the socket and everything that waits.
    pub(crate) fn release_socket(&self) {
        self.locked(|inside| {
            inside.closed = true;
            inside.queue.release_socket();
        });
    }

    /// Returns why the client was disconnected, if it was.
    pub(crate) fn disconnect_reason(&self) -> Option<DisconnectReason> {
        self.locked(|inside| inside.queue.disconnect_reason())
    }

    /// Returns whether no message follows: after a close frame, or once the client is disconnected.
    pub(crate) fn is_closed(&self) -> bool {
        self.locked(|inside| inside.is_closed())
    }

    pub(crate) fn socket(&self) -> Option<Arc<Socket>> {
        self.locked(|inside| inside.queue.socket().cloned())
    }

    pub(crate) fn tally(&self) -> Tally {
        self.locked(|inside| *inside.queue.tally())
    }

    /// Returns the waiting memory; of frames that are shared with other queues, only this one's share.
    pub(crate) fn weight(&self) -> usize {
        self.locked(|inside| inside.queue.weight())
    }

    /// Returns whether the close frame, or something before it, waits for the socket. The pongs that
    /// may follow it do not count.
    pub(crate) fn close_is_queued(&self) -> bool {
        self.locked(|inside| inside.queue.tally().bytes < inside.close_ends_at)
    }

    /// Returns the socket, and whether the kernel still holds bytes before our close frame: the peer
    /// cannot have received it then. No pongs follow from now on, or the kernel might hold only those.
    pub(crate) fn kernel_holds_close_frame(&self) -> Option<(bool, Arc<Socket>)> {
        let socket = self.locked(|inside| {
            inside.no_pongs = true;
            inside.queue.socket().cloned()
        })?;
        Some((socket.holds_unsent(), socket))
    }

    /// Returns whether so many bytes have been sent.
    pub(crate) fn has_sent(&self, bytes: u64) -> bool {
        self.tally().bytes >= bytes
    }

    /// Returns how often a full socket has taken more: a sign of life, since only the peer can have made
    /// that room.
    pub(crate) fn relieved(&self) -> u64 {
        self.relieved.load(Relaxed)
    }

    /// Sends more, for the watchdog: the socket is ready, or is checked. Returns `None` when nothing
    /// waits any more, or else how many bytes have been sent in all, by any thread; at the watchdog's
    /// last look, if there was one since the socket was full, those were `before`.
    pub(crate) fn drain(&self, before: Option<u64>) -> Option<u64> {
        self.locked(|inside| {
            inside.queue.send();
            let sent = inside.queue.tally().bytes;
            if inside.is_waiting() {
                self.note_relief(before, sent);
                return Some(sent);
            }
            inside.watch = Watch::Off;
            // The socket has taken all that waited.
            self.note_relief(Some(0), sent);
            None
        })
    }

    /// The watchdog, to which the client's other reports go as well.
    pub(crate) fn watcher(&self) -> &dyn Watcher {
        &*self.watcher
    }

    /// Counts that a full socket has taken more: something waited when `before` bytes had been sent, and
    /// more are sent now.
    fn note_relief(&self, before: Option<u64>, sent: u64) {
        if before.is_some_and(|before| before < sent) {
            self.relieved.fetch_add(1, Relaxed);
        }
    }

    /// Runs `change` under the lock, and evicts clients if all queues together exceed their limit by it.
    fn send(&self, change: impl FnOnce(&mut Inside) -> Push) -> Push {
        let push = self.locked(change);
        self.relieved_after(push)
    }

    fn relieved_after(&self, push: Push) -> Push {
        if matches!(push, Push::Queued | Push::Full) {
            self.watcher.relieve();
        }
        push
    }

    /// Runs `change` under the lock. The queue's memory is counted before the lock is released, and the
    /// watchdog is notified after that.
    #[inline]
    fn locked<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> T {
        // Nothing in here panics half-way through a change.
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut inside);
        self.changed(inside);
        result
    }

    /// Counts and notifies after a change, and releases the lock: one function for all changes.
    fn changed(&self, mut inside: MutexGuard<'_, Inside>) {
        let memory = inside.queue.memory();
        if memory != inside.counted {
            self.watcher.adjust(inside.counted, memory);
            inside.counted = memory;
        }
        let is_released = inside.queue.take_released();
        let is_stalled = inside.watch == Watch::Begins;
        if is_stalled {
            inside.watch = Watch::On;
        }
        drop(inside);
        if is_stalled {
            self.watcher.stalled(self.id);
        }
        if is_released {
            self.released.wake();
        }
    }
}

/// For messages of other threads.
#[cfg(feature = "server")]
impl SendQueue {
    /// Sends frames for this client and others: `messages` whole messages. If they are
    /// [queued](Push::Queued), the caller calls [`relieve`](Watcher::relieve) once it has released
    /// these frames.
    pub(crate) fn push(&self, bytes: &Arc<SharedFrames>, messages: u64) -> Push {
        self.locked(|inside| {
            self.pushes.store(self.pushes() + 1, Relaxed);
            let fits = |queue: &Queue| {
                let waiting = queue.queued();
                waiting == 0 || waiting + bytes.len() <= self.limit
            };
            if !inside.is_closed() && !fits(&inside.queue) {
                // The socket may have room by now.
                inside.queue.send();
                if self.policy == SlowClient::DropOldest {
                    inside.queue.drop_oldest(fits);
                }
            }
            match self.policy {
                _ if inside.is_closed() => Push::Closed,
                _ if fits(&inside.queue) => {
                    inside.queue.send_shared(bytes, messages);
                    inside.sent()
                }
                SlowClient::Close => {
                    inside.closed = true;
                    inside.queue.disconnect(DisconnectReason::Evicted);
                    Push::Full
                }
                SlowClient::DropNewest | SlowClient::DropOldest => {
                    inside.queue.tally().dropped += messages;
                    Push::Full
                }
            }
        })
    }

    /// Returns whether a push to a full queue disconnects the client.
    pub(crate) fn evicts(&self) -> bool {
        self.policy == SlowClient::Close
    }
}

impl Inside {
    fn is_closed(&self) -> bool {
        self.closed || self.queue.disconnect_reason().is_some()
    }

    /// Sends the last bytes; no message follows.
    fn send_last(&mut self) -> Push {
        self.closed = true;
        self.queue.drop_held();
        self.queue.send();
        self.close_ends_at = self.queue.end();
        self.sent()
    }

    /// Returns the result of a reply: whether its thread has to wait for room.
    fn sent_within(&mut self, limit: usize) -> Push {
        match self.queue.queued() > limit {
            true => Push::Full,
            false => self.sent(),
        }
    }

    /// Returns the result of sending. If bytes wait, the watchdog watches the queue from now on.
    fn sent(&mut self) -> Push {
        if !self.is_waiting() {
            // Held messages wait too, but not for the socket.
            return if self.queue.holds() {
                Push::Queued
            } else {
                Push::Sent
            };
        }
        if self.watch == Watch::Off {
            self.watch = Watch::Begins;
        }
        Push::Queued
    }

    /// Returns whether bytes wait for the socket. If none do, the write side is shut, if the version
    /// closes that way; while TLS has to wait for the socket to announce that, something waits.
    fn is_waiting(&self) -> bool {
        self.queue.waiting() > 0 || !self.stream_is_ended()
    }

    fn stream_is_ended(&self) -> bool {
        match self.queue.socket() {
            Some(socket) if self.ends_stream => {
                let shut = socket.shutdown(Shutdown::Write);
                !matches!(shut, Err(error) if error.kind() == ErrorKind::WouldBlock)
            }
            _ => true,
        }
    }

    fn shutdown(&self, how: Shutdown) {
        if let Some(socket) = self.queue.socket() {
            let _ = socket.shutdown(how);
        }
    }
}
