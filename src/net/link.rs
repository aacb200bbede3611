//! What the threads share about one client: who it is, its outbox, and how far it is.

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
    /// The number.
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

/// How far a client is, as the warden needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Request head and key3: the handshake's deadline runs.
    Handshake = 0,
    /// Messages: keepalive and the idle limit.
    Open = 1,
    /// Half a close: the close's deadline runs.
    Closing = 2,
    /// All is said; what waits in the outbox has the write deadline.
    Closed = 3,
    /// The last bytes are out, the peer may still read them.
    Lingering = 4,
    /// Nothing to watch.
    Gone = 5,
}

/// Why a handshake is not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AbortReason {
    /// Its deadline has passed.
    Late = 1,
    /// The server stops.
    Stopping = 2,
}

/// Everything that is known about a client once its request is accepted.
#[derive(Debug)]
pub(crate) struct Identity {
    /// What writes this side's frames; it knows the version.
    pub(crate) encoder: Encoder,
    pub(crate) target: Box<str>,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ClientId,
    /// Our own side.
    role: Role,
    /// Who is at the other end, a proxy where there is one.
    pub(crate) peer: Peer,
    /// Where it was counted, if addresses are.
    pub(crate) net: OnceLock<AddressGroup>,
    pub(crate) send_queue: SendQueue,
    pub(crate) timeouts: Arc<Timeouts>,
    pub(crate) identity: OnceLock<Identity>,
    stage: AtomicU8,
    /// Counts reads that brought something; the warden compares.
    reads: AtomicU64,
    /// Counts the times when it looked for something to read.
    looks: AtomicU64,
    /// Whether the thread waits in `read`, rather than being busy in its handler.
    reading: AtomicBool,
    /// How many bytes had come, before that, of a message that has not ended.
    unfinished: AtomicU64,
    pub(crate) messages_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    /// Why reading was stopped from outside, where that is no loss; 0 where it was not.
    abort_reason: AtomicU8,
    /// There is a goodbye, or there was nearly one: look under the lock.
    has_close: AtomicBool,
    close_frame: Mutex<Option<CloseFrame>>,
    /// What it is counted to hold of what has come in: see [`Incoming`](super::incoming::Incoming).
    pub(crate) held: AtomicUsize,
    /// It was ended because all of them held too much.
    pub(crate) is_shed: AtomicBool,
    /// What compressed replies may refer to.
    pub(crate) context: Mutex<Context>,
    /// Where its thread waits when the client has said too much.
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

    /// The version, once the handshake is done.
    pub(crate) fn version(&self) -> Option<Version> {
        self.encoder().map(Encoder::version)
    }

    /// What writes frames for it, once the handshake is done.
    pub(crate) fn encoder(&self) -> Option<Encoder> {
        self.identity.get().map(|identity| identity.encoder)
    }

    /// The resource that was asked for; `/` before the handshake is done.
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

    /// Stages only ever go forward, whoever sets them.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Relaxed);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage() == Stage::Open
    }

    /// The client's own thread begins to read, or has read.
    pub(crate) fn set_reading(&self, reading: bool) {
        self.reading.store(reading, Relaxed);
        if reading {
            self.looks.store(self.looks.load(Relaxed) + 1, Relaxed);
        }
    }

    /// So many bytes of the client's input belong to a message that has not ended; 0 for none. Only
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

    /// A read brought `bytes`. Only the client's own thread calls this, so it need not be one
    /// indivisible addition.
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

    /// The handshake is not to be waited for any longer: the thread wakes and refuses.
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

    /// Says goodbye in the version's own way, from any thread. Only the first goodbye counts.
    pub(crate) fn close(&self, frame: CloseFrame) -> Result<Push, SendError> {
        let Some(encoder) = self.encoder() else {
            return Ok(Push::Over);
        };
        let mut bytes = Vec::new();
        encoder.encode_close(Some(&frame), &mut bytes)?;
        // Under this lock, and announced before: the client's own thread, which may be waking up with
        // the peer's answer, waits here until it is known whether this one was written.
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

    /// Tells the client that the server is going down.
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

    /// A large message from somebody who may be made to wait. It is not copied, and masked before
    /// the outbox is locked.
    ///
    /// # Errors
    /// Where the version cannot carry it.
    pub(crate) fn reply_owned(
        &self,
        encoder: Encoder,
        message: Message,
        written: &mut Written,
    ) -> Result<Push, SendError> {
        // What is over says so before anything else, as it does of short messages.
        if self.send_queue.is_over() {
            return Ok(Push::Over);
        }
        let mut head = Vec::new();
        let rest = encoder.encode_owned(message, &mut head)?;
        written.note(&head);
        Ok(self.send_queue.reply_owned(&head, rest))
    }

    /// What a thread that has sent something owes the outbox: patience, or word to the warden.
    ///
    /// # Errors
    /// The loss, or that the conversation is over.
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
    /// The loss, once nothing was taken for as long as the write deadline.
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

    /// The goodbye that another thread has said, if one has.
    pub(crate) fn close_frame(&self) -> Option<CloseFrame> {
        if !self.has_close() {
            return None;
        }
        self.close_frame
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Its queue was full, and it has been cut off: counts that. Its own thread logs it, so that
    /// nobody's broadcast waits for a logger.
    pub(crate) fn evicted(&self, totals: &Totals) {
        self.enter(Stage::Closed);
        totals.disconnected(DisconnectReason::Evicted);
        self.parker.wake();
    }

    /// Gives the client up. The first loss is counted, and logged by the client's own thread.
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
