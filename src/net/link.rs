//! The state of one client that threads share: its identity, its send queue, and its stage.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::protocol::{CloseCode, CloseFrame, Closing, Encoder, Message, Role, SendError, Version};

use super::addresses::AddressGroup;
use super::counters::Totals;
use super::deflate::Context;
use super::log::traced::Written;
use super::parker::Parker;
use super::peer::Peer;
use super::send_queue::{Push, SendQueue};
use super::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use super::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
use super::sync::{Mutex, PoisonError};
use super::timeouts::Timeouts;
use super::watchdog::Watchdog;
use crate::error::{DisconnectReason, Error};

/// A client's number: unique within a server's life, in the order of arrival, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub(crate) u64);

impl ClientId {
    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for ClientId {
    fn from(number: u64) -> Self {
        ClientId(number)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How far a client is, for the watchdog's timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The header block and key3 of the request arrive: the handshake timeout runs.
    Handshake = 0,
    /// Messages: keepalive and the idle timeout.
    Open = 1,
    /// One half of the closing handshake is done: the close timeout runs.
    Closing = 2,
    /// Nothing more enters the send queue; the bytes that wait there have the write timeout.
    Closed = 3,
    /// The last bytes are sent; the peer may still read them.
    Lingering = 4,
    /// Nothing to watch.
    Gone = 5,
}

/// Why the server no longer waits for a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AbortReason {
    /// The handshake timeout has passed.
    Late = 1,
    /// The server shuts down.
    Stopping = 2,
}

/// The facts about a client that are known once its request is accepted.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Writes this side's frames; it knows the version.
    pub(crate) encoder: Encoder,
    pub(crate) target: Box<str>,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ClientId,
    /// The role of our own side.
    role: Role,
    /// The address of the other end; with a proxy, the proxy's.
    pub(crate) peer: Peer,
    /// The address group that counts this client, if the server counts addresses.
    pub(crate) net: OnceLock<AddressGroup>,
    pub(crate) send_queue: SendQueue,
    pub(crate) timeouts: Arc<Timeouts>,
    pub(crate) identity: OnceLock<Identity>,
    stage: AtomicU8,
    /// Counts reads that returned bytes; the watchdog compares.
    reads: AtomicU64,
    /// Counts how often the thread started to read.
    looks: AtomicU64,
    /// Whether the thread waits in `read`, rather than being busy in its handler.
    reading: AtomicBool,
    /// How many bytes of an unfinished message had arrived before that.
    unfinished: AtomicU64,
    pub(crate) messages_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    /// Why another thread stopped the reading, if that is not a disconnect; 0 if none did.
    abort_reason: AtomicU8,
    /// A close frame was sent, or nearly sent: look under the lock.
    has_close: AtomicBool,
    close_frame: Mutex<Option<CloseFrame>>,
    /// The received bytes that it is counted to hold: see [`Incoming`](super::incoming::Incoming).
    pub(crate) held: AtomicUsize,
    /// It was closed because all clients together held too much.
    pub(crate) is_shed: AtomicBool,
    /// The compression context that replies may refer to.
    pub(crate) context: Mutex<Context>,
    /// Its thread waits here while the client is throttled.
    pub(crate) parker: Parker,
}

impl Link {
    pub(crate) fn new(
        id: ClientId,
        role: Role,
        peer: Peer,
        send_queue: SendQueue,
        timeouts: Arc<Timeouts>,
    ) -> Link {
        Link {
            id,
            role,
            peer,
            net: OnceLock::new(),
            send_queue,
            timeouts,
            identity: OnceLock::new(),
            stage: AtomicU8::new(Stage::Handshake as u8),
            reads: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            reading: AtomicBool::new(false),
            unfinished: AtomicU64::new(0),
            messages_in: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            abort_reason: AtomicU8::new(0),
            has_close: AtomicBool::new(false),
            close_frame: Mutex::new(None),
            held: AtomicUsize::new(0),
            is_shed: AtomicBool::new(false),
            context: Mutex::default(),
            parker: Parker::default(),
        }
    }

    /// Returns the version, once the handshake is done.
    pub(crate) fn version(&self) -> Option<Version> {
        self.encoder().map(Encoder::version)
    }

    /// Returns the encoder of its frames, once the handshake is done.
    pub(crate) fn encoder(&self) -> Option<Encoder> {
        self.identity.get().map(|identity| identity.encoder)
    }

    /// Returns the requested target; `/` before the handshake is done.
    pub(crate) fn target(&self) -> &str {
        self.identity.get().map_or("/", |identity| &identity.target)
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Handshake,
            1 => Stage::Open,
            2 => Stage::Closing,
            3 => Stage::Closed,
            4 => Stage::Lingering,
            _ => Stage::Gone,
        }
    }

    /// Moves on to a stage, from any thread. Stages never go back.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Relaxed);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage() == Stage::Open
    }

    /// Notes that the client's own thread begins to read, or has read.
    pub(crate) fn set_reading(&self, reading: bool) {
        self.reading.store(reading, Relaxed);
        if reading {
            self.looks.store(self.looks.load(Relaxed) + 1, Relaxed);
        }
    }

    /// Notes how many bytes of the client's input belong to an unfinished message; 0 for none. Only
    /// the client's own thread calls this.
    pub(crate) fn set_unfinished(&self, bytes: usize) {
        self.unfinished.store(bytes as u64, Relaxed);
    }

    pub(crate) fn unfinished(&self) -> u64 {
        self.unfinished.load(Relaxed)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages_in.load(Relaxed)
    }

    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Relaxed)
    }

    pub(crate) fn is_reading(&self) -> bool {
        self.reading.load(Relaxed)
    }

    /// Notes that a read returned `bytes`. Only the client's own thread calls this, so an atomic
    /// addition is not needed.
    pub(crate) fn received(&self, bytes: usize) {
        self.reads.store(self.reads.load(Relaxed) + 1, Relaxed);
        let before = self.bytes_in.load(Relaxed);
        self.bytes_in.store(before + bytes as u64, Relaxed);
    }

    pub(crate) fn received_message(&self) {
        self.messages_in
            .store(self.messages_in.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    /// Stops the wait for the handshake: the client's thread wakes and sends a rejection.
    pub(crate) fn reject(&self, abort_reason: AbortReason) {
        self.abort_reason.fetch_max(abort_reason as u8, Relaxed);
        self.send_queue.stop_reading();
    }

    pub(crate) fn abort_reason(&self) -> Option<AbortReason> {
        match self.abort_reason.load(Relaxed) {
            0 => None,
            1 => Some(AbortReason::Late),
            _ => Some(AbortReason::Stopping),
        }
    }

    /// Closes in the version's own way, from any thread. Only the first close frame counts.
    pub(crate) fn close(&self, frame: CloseFrame) -> Result<Push, SendError> {
        let Some(encoder) = self.encoder() else {
            return Ok(Push::Over);
        };
        let mut bytes = Vec::new();
        encoder.encode_close(Some(&frame), &mut bytes)?;
        // Under this lock, and announced before: the client's own thread may be waking up with the
        // peer's close frame, and waits here until it is known whether ours was written.
        let mut close_frame = self
            .close_frame
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.has_close.store(true, Release);
        let written = match encoder.version().closing() {
            Closing::CloseTcp => self.send_queue.close_tcp(),
            Closing::Marker | Closing::Frame => self.send_queue.close_frame(&bytes),
        };
        if written != Push::Over {
            *close_frame = Some(frame);
            self.enter(Stage::Closing);
            self.parker.wake();
        }
        Ok(written)
    }

    pub(crate) fn has_close(&self) -> bool {
        self.has_close.load(Acquire)
    }

    /// Closes with 1001, because the server is going down.
    pub(crate) fn close_going_away(self: &Arc<Link>, watchdog: &Watchdog) {
        let frame = CloseFrame {
            code: CloseCode::GOING_AWAY,
            reason: "the server is going down".to_owned(),
        };
        // This frame may always be sent.
        if let Ok(push) = self.close(frame) {
            watchdog.watch_stalled(push, self);
        }
    }

    /// Sends a large message from a thread that may have to wait. It is not copied, and it is masked
    /// before the send queue is locked.
    ///
    /// # Errors
    /// If the version cannot carry the message.
    pub(crate) fn reply_owned(
        &self,
        encoder: Encoder,
        message: Message,
        written: &mut Written,
    ) -> Result<Push, SendError> {
        // A connection that is over reports this first, as it does for short messages.
        if self.send_queue.is_over() {
            return Ok(Push::Over);
        }
        let mut head = Vec::new();
        let rest = encoder.encode_owned(message, &mut head)?;
        written.note(&head);
        Ok(self.send_queue.reply_owned(&head, rest))
    }

    /// Does what a push requires of the sending thread: wait for room, or notify the watchdog.
    ///
    /// # Errors
    /// The disconnect reason, or that the connection is over.
    #[inline]
    pub(crate) fn settle(self: &Arc<Link>, push: Push, watchdog: &Watchdog) -> Result<(), Error> {
        match push {
            Push::Done => Ok(()),
            Push::Over => Err(match self.send_queue.disconnect_reason() {
                Some(disconnect_reason) => Error::Disconnected(disconnect_reason),
                None => Error::Closed,
            }),
            Push::Full => {
                watchdog.relieve();
                self.wait_for_room(self.send_queue.limit(), watchdog)
            }
            push => {
                watchdog.watch_stalled(push, self);
                Ok(())
            }
        }
    }

    /// Waits until no more than `limit` bytes wait for the socket.
    ///
    /// # Errors
    /// The disconnect reason, once the socket took nothing for as long as the write timeout.
    pub(crate) fn wait_for_room(
        self: &Arc<Link>,
        limit: usize,
        watchdog: &Watchdog,
    ) -> Result<(), Error> {
        match self.send_queue.wait_for_room(limit, self.timeouts.write) {
            Ok(push) => {
                watchdog.watch_stalled(push, self);
                Ok(())
            }
            Err(disconnect_reason) => {
                watchdog.disconnect(self, disconnect_reason);
                Err(Error::Disconnected(disconnect_reason))
            }
        }
    }

    /// Returns the close frame that another thread has sent, if one has.
    pub(crate) fn close_frame(&self) -> Option<CloseFrame> {
        if !self.has_close() {
            return None;
        }
        self.close_frame
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Counts that the client was disconnected for a full queue. Its own thread logs it, so that no
    /// broadcast waits for a logger.
    pub(crate) fn evicted(&self, totals: &Totals) {
        self.enter(Stage::Closed);
        totals.disconnected(DisconnectReason::Evicted);
        self.parker.wake();
    }

    /// Disconnects the client. Only the first reason is counted; the client's own thread logs it.
    pub(crate) fn disconnect(&self, disconnect_reason: DisconnectReason, totals: &Totals) {
        self.enter(Stage::Closed);
        if self.send_queue.cut(disconnect_reason) {
            totals.disconnected(disconnect_reason);
        }
        self.parker.wake();
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Server => write!(f, "client {}", self.id),
            Role::Client => write!(f, "connection {}", self.id),
        }
    }
}
