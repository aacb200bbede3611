//! The state of one client that threads share: its identity, its send queue, and its stage.

mod replies;

#[cfg(feature = "server")]
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

#[cfg(feature = "server")]
use crate::protocol::WeakValues;
use crate::protocol::{CloseCode, CloseFrame, Closing, Encoder, Role, SendError, Version};

use super::client_id::ClientId;
use super::deflate::Context;
use super::log::traced::Written;
use super::parker::Parker;
use super::peer::Peer;
#[cfg(feature = "server")]
use super::send_queue::shared::SharedFrames;
use super::send_queue::{Push, SendQueue};
use super::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use super::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
use super::sync::{Mutex, PoisonError};
use super::timeouts::Timeouts;
use super::watcher::Incident;
use crate::error::DisconnectReason;

/// How far a client is, for the watchdog's timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The header block and key3 of the request arrive: the handshake timeout runs.
    Handshake,
    /// Messages: keepalive and the idle timeout.
    Open,
    /// One half of the closing handshake is done: the close timeout runs.
    Closing,
    /// Nothing more enters the send queue; the bytes that wait there have the write timeout.
    Closed,
    /// The last bytes are sent; the peer may still read them.
    Lingering,
    /// Nothing to watch.
    Gone,
}

impl Stage {
    /// All stages, in their order.
    const ALL: [Stage; 6] = [
        Stage::Handshake,
        Stage::Open,
        Stage::Closing,
        Stage::Closed,
        Stage::Lingering,
        Stage::Gone,
    ];
}

/// Why the server no longer waits for a handshake. The later of two counts.
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
    #[cfg(feature = "server")]
    pub(crate) target: Box<str>,
    /// The values that the server's application has attached; their owner is the client's thread.
    #[cfg(feature = "server")]
    pub(crate) values: WeakValues,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ClientId,
    /// The role of our own side.
    role: Role,
    /// The other end of the connection; with a proxy, the proxy.
    connected: Peer,
    /// The client that a trusted proxy has named. In a box: few clients have one.
    named: OnceLock<Box<Peer>>,
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
    /// The rooms that a server's client is in; `None` before it has entered the hub, and once it has left.
    #[cfg(feature = "server")]
    pub(crate) rooms: Mutex<Option<HashSet<Arc<str>>>>,
    /// The received bytes that it is counted to hold: see [`Incoming`](super::incoming::Incoming).
    pub(crate) held: AtomicUsize,
    /// It was closed because all clients together held too much.
    pub(crate) failed_for_memory: AtomicBool,
    /// The compression context that replies may refer to.
    pub(crate) context: Mutex<Context>,
    /// Its thread waits here while the client is throttled.
    pub(crate) parker: Parker,
    /// The hub's number for the client in the last batch with several audiences.
    #[cfg(feature = "server")]
    place: AtomicUsize,
}

impl Identity {
    pub(crate) fn new(encoder: Encoder) -> Identity {
        Identity {
            encoder,
            #[cfg(feature = "server")]
            target: Box::default(),
            #[cfg(feature = "server")]
            values: WeakValues::default(),
        }
    }

    /// Adds the requested target, and the values of the acceptance.
    #[cfg(feature = "server")]
    pub(crate) fn of_request(self, target: Box<str>, values: WeakValues) -> Identity {
        Identity {
            target,
            values,
            ..self
        }
    }
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
            connected: peer,
            named: OnceLock::new(),
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
            #[cfg(feature = "server")]
            rooms: Mutex::new(None),
            held: AtomicUsize::new(0),
            failed_for_memory: AtomicBool::new(false),
            context: Mutex::default(),
            parker: Parker::default(),
            #[cfg(feature = "server")]
            place: AtomicUsize::new(0),
        }
    }

    /// Returns the client that a trusted proxy has named with the PROXY protocol, or else the other end of
    /// the connection.
    pub(crate) fn peer(&self) -> Peer {
        self.named.get().map_or(self.connected, |named| **named)
    }

    /// Returns the version, once the handshake is done.
    pub(crate) fn version(&self) -> Option<Version> {
        self.encoder().map(Encoder::version)
    }

    /// Returns the encoder of its frames, once the handshake is done.
    pub(crate) fn encoder(&self) -> Option<Encoder> {
        self.identity.get().map(|identity| identity.encoder)
    }

    pub(crate) fn stage(&self) -> Stage {
        let stage = usize::from(self.stage.load(Relaxed));
        Stage::ALL.get(stage).copied().unwrap_or(Stage::Gone)
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

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    /// Stops the wait for the handshake: the client's thread wakes and sends a rejection.
    pub(crate) fn abort_handshake(&self, reason: AbortReason) {
        self.abort_reason.fetch_max(reason as u8, Relaxed);
        self.send_queue.stop_reading();
    }

    pub(crate) fn abort_reason(&self) -> Option<AbortReason> {
        let reasons = [AbortReason::Late, AbortReason::Stopping];
        let stored = self.abort_reason.load(Relaxed);
        reasons.into_iter().find(|reason| *reason as u8 == stored)
    }

    /// Starts the closing handshake in the version's own way, from any thread. Only the first close frame
    /// counts; returns whether it was this one.
    ///
    /// # Errors
    /// If this frame may not be sent.
    pub(crate) fn start_close(&self, frame: CloseFrame) -> Result<bool, SendError> {
        let Some(encoder) = self.encoder() else {
            return Ok(false);
        };
        let mut bytes = Vec::new();
        encoder.encode_close(Some(&frame), &mut bytes)?;
        let mut written = Written::for_log();
        written.note(&bytes);
        // Under this lock, and announced before: the client's own thread may be waking up with the
        // peer's close frame, and waits here until it is known whether ours was written.
        let mut close_frame = self
            .close_frame
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.has_close.store(true, Release);
        let push = match encoder.version().closing() {
            Closing::CloseTcp => self.send_queue.send_end_of_stream(),
            Closing::Marker | Closing::Frame => self.send_queue.send_close_frame(&bytes),
        };
        let is_first = push != Push::Closed;
        if is_first {
            *close_frame = Some(frame);
            self.enter(Stage::Closing);
            self.parker.wake();
        }
        drop(close_frame);
        if is_first {
            written.log(self);
        }
        Ok(is_first)
    }

    pub(crate) fn has_close(&self) -> bool {
        self.has_close.load(Acquire)
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

    /// Fails the connection because all clients together hold too much: with its version's close frame,
    /// if none was sent before. The peer's close frame is not waited for.
    pub(crate) fn fail_for_memory(&self) {
        if !self.failed_for_memory.swap(true, Relaxed) {
            self.count(Incident::IncomingExceeded);
        }
        let reason = "too much memory is held for incoming messages";
        let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, reason);
        match self.is_open() && self.start_close(frame).is_ok() {
            true => self.send_queue.stop_reading(),
            false => self.disconnect(DisconnectReason::TotalIncoming),
        }
    }

    /// Disconnects the client: fails the connection without a close frame. Only the first reason is
    /// counted; the client's own thread logs it.
    pub(crate) fn disconnect(&self, reason: DisconnectReason) {
        self.enter(Stage::Closed);
        if self.send_queue.disconnect(reason) {
            self.count(Incident::Disconnected(reason));
        }
        self.parker.wake();
    }

    /// Returns why the connection ended without a close: the peer's stream ended, unless this side has
    /// disconnected it.
    pub(crate) fn end_reason(&self) -> DisconnectReason {
        let reason = self.send_queue.disconnect_reason();
        reason.unwrap_or(DisconnectReason::EndOfStream)
    }

    /// Returns whether the connection is closing, or is disconnected.
    pub(crate) fn is_ending(&self) -> bool {
        self.has_close() || self.send_queue.disconnect_reason().is_some()
    }

    /// Counts an incident, for the owner of the connection.
    pub(crate) fn count(&self, incident: Incident) {
        self.send_queue.watcher().count(incident);
    }
}

/// For a server's clients.
#[cfg(feature = "server")]
impl Link {
    /// Stores the client that a trusted proxy has named. Only the first counts.
    pub(crate) fn set_peer(&self, named: Peer) {
        let _ = self.named.set(Box::new(named));
    }

    /// Returns the requested target; `/` before the handshake is done.
    pub(crate) fn target(&self) -> &str {
        self.identity.get().map_or("/", |identity| &identity.target)
    }

    /// Returns the client's number in a batch of the hub, which may be an earlier batch.
    pub(crate) fn place(&self) -> usize {
        self.place.load(Relaxed)
    }

    /// Only for the hub's thread.
    pub(crate) fn set_place(&self, place: usize) {
        self.place.store(place, Relaxed);
    }

    /// Sends frames for this client and others, as [`SendQueue::push`] does. If this evicts the client,
    /// that is counted here; its own thread logs it, so that no broadcast waits for a logger.
    pub(crate) fn push(&self, bytes: &Arc<SharedFrames>, messages: u64) -> Push {
        let push = self.send_queue.push(bytes, messages);
        if push == Push::Full && self.send_queue.evicts() {
            self.enter(Stage::Closed);
            self.count(Incident::Disconnected(DisconnectReason::Evicted));
            self.parker.wake();
        }
        push
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
