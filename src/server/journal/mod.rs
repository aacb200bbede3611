//! The journal's engine: the thread that stores the messages of rooms before the hub sends them. The orders to
//! it, and its reports, are also those of the engine that shares rooms through Redis (`server/redis`).
//!
//! ```text
//!  publisher ──budget──> hub ──Append──> engine ──append──> the program's journal
//!                         ^                 │
//!                         └──── Stored ─────┘ the hub adds the messages to the rings, and sends them
//! ```
//!
//! The hub never waits for the engine: its orders go through a channel without a bound. The budget bounds
//! the messages in it, and a thread that publishes waits for the budget before its command goes to the hub.
//! The engine may wait for the hub, which nothing blocks.

mod budget;
mod engine;
mod side;
mod table;
mod threads;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::net::answer::{Answer, answer};
use crate::net::client_id::ClientId;
use crate::net::sync::atomic::AtomicU64;
use crate::net::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::net::sync::channel::{Receiver, Sender, unbounded};
use crate::net::sync::{Instant, Mutex, PoisonError};

use super::history::History;
use super::history::journal::{JournalEntry, JournalRoom};
use super::history::position::Position;
use super::history::publication::{Publication, PublishError};
use super::hub::history::Effect;
use super::membership::LONGEST_NAME;
#[cfg(feature = "redis")]
use crate::net::waker::Waker;
#[cfg(feature = "redis")]
use crate::protocol::Message;

use budget::Budget;
use engine::Engine;
pub(crate) use side::EngineSide;
use table::Table;
pub(crate) use threads::Prepared;

/// What the hub, publishers and readers share of the engine.
pub(crate) struct Desk {
    orders: Sender<Order>,
    pub(crate) budget: Budget,
    local: Option<Box<str>>,
    pub(crate) timeout: Duration,
    /// How long a thread waits for an answer.
    pub(crate) patience: Duration,
    status: Status,
    /// Wakes the engine that shares rooms: it sleeps in a poll of its sockets.
    #[cfg(feature = "redis")]
    waker: Option<Waker>,
}

/// An order to the engine.
pub(crate) enum Order {
    Append(Draft),
    /// Returns consecutive entries; in an error, the journal could not be read.
    Read {
        room: Arc<str>,
        after: Position,
        until: u64,
        answer: Answer<Result<Vec<JournalEntry>, ()>>,
    },
    Forget(Arc<str>, Position, Answer<Result<(), PublishError>>),
    /// Comes back to the hub when all earlier messages are stored.
    Flush(Answer<()>),
    /// Reports the entries of a shared room from now on.
    #[cfg(feature = "redis")]
    Attach(Arc<str>),
    /// Reports them no more.
    #[cfg(feature = "redis")]
    Detach(Arc<str>),
    /// Reads the log of a shared room to its end. The answer comes behind the reports of what was found.
    #[cfg(feature = "redis")]
    CatchUp(Arc<str>, Answer<()>),
    Stop,
}

/// A message that has no position yet.
pub(crate) struct Draft {
    pub(crate) room: Arc<str>,
    pub(crate) except: Vec<ClientId>,
    /// Without one, nothing is stored, and the effect happens in the order of the entries.
    pub(crate) publication: Option<Publication>,
    /// The newest position that the hub knows. Its epoch is used if the room is new.
    pub(crate) tip: Position,
    pub(crate) effect: Effect,
    /// The bytes that it takes from the budget, if it takes any.
    pub(crate) charge: Option<usize>,
}

/// The rest of a message that was stored or refused.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) except: Vec<ClientId>,
    pub(crate) effect: Effect,
    pub(crate) charge: Option<usize>,
}

/// The answers of the engine to the hub.
#[derive(Debug)]
pub(crate) enum Report {
    Stored(Vec<(Option<JournalEntry>, Pending)>),
    Refused(Vec<Pending>, PublishError),
    /// The room's entries come from now on: the report has the newest ones.
    #[cfg(feature = "redis")]
    Attached(Arc<str>, Newest),
    /// Messages of rooms that are not attached were stored, or their entries are missing behind a gap.
    #[cfg(feature = "redis")]
    Passed(Vec<(Position, Pending)>),
    /// Entries of the room are missing up to this position. The members receive the message.
    #[cfg(feature = "redis")]
    Gap(Arc<str>, Position, Option<Message>),
    /// All servers forget the messages of a shared room up to this position.
    #[cfg(feature = "redis")]
    Forgot(Arc<str>, Position),
    /// All entries were reported that the log of the room had when these threads asked.
    #[cfg(feature = "redis")]
    CaughtUp(Vec<Answer<()>>),
    /// The journal has entries of the room after this number only.
    Trimmed(Arc<str>, u64),
    /// Entries were forgotten on request, or not.
    Forgotten {
        room: Arc<str>,
        up_to: Position,
        result: Result<(), PublishError>,
        answer: Answer<Result<(), PublishError>>,
    },
    /// The journal has no longer anything of the room.
    Removed(Arc<str>),
    Flushed(Answer<()>),
}

/// The newest entries of a shared room.
#[cfg(feature = "redis")]
#[derive(Debug)]
pub(crate) struct Newest {
    /// The position before the first of the entries.
    pub(crate) after: Position,
    /// The number after which the log has all entries.
    pub(crate) floor: u64,
    /// Each with the connections of this server that do not receive it.
    pub(crate) entries: Vec<(JournalEntry, Vec<ClientId>)>,
}

/// The newest position of a room in the journal, and the number after which the journal has its entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tip {
    pub(crate) newest: Position,
    pub(crate) floor: u64,
}

/// Whether the journal works.
#[derive(Default)]
struct Status {
    failed: AtomicU64,
    /// When the call that runs now has begun.
    began: Mutex<Option<Instant>>,
}

/// Epochs, which the hub and the engine both make: no two rooms get the same one.
#[derive(Debug, Default)]
pub(crate) struct Epochs(AtomicU64);

/// What is made of a journal before its engine's thread starts.
struct Opened {
    pub(crate) desk: Arc<Desk>,
    pub(crate) orders: Receiver<Order>,
    pub(crate) journal: Box<dyn super::history::journal::Journal>,
    pub(crate) table: Table,
    pub(crate) tips: Vec<(Arc<str>, Tip)>,
}

impl Epochs {
    /// Returns an epoch that is later than all before: the time in microseconds, if that is later. So an epoch
    /// of an earlier process does not come again, unless the clock was set back.
    pub(crate) fn next(&self) -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let micros = now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(0));
        let later = |last: u64| micros.max(last + 1);
        let last = self
            .0
            .fetch_update(SeqCst, SeqCst, |last| Some(later(last)));
        later(last.unwrap_or_else(|last| last))
    }

    /// Returns the position before the first message of a new epoch.
    pub(crate) fn first(&self) -> Position {
        Position {
            epoch: self.next(),
            number: 0,
        }
    }

    /// Notes an epoch that is in use.
    fn note(&self, epoch: u64) {
        self.0.fetch_max(epoch, SeqCst);
    }
}

/// The most entries and bytes that a room of the journal can have: more are a fault of the journal, and sums of
/// them would overflow.
const MOST: u64 = 1 << 48;

/// Reads the rooms of the journal in these options, if there is one.
///
/// # Errors
/// The journal's own, or if its rooms are invalid.
fn open(history: &mut History, epochs: &Epochs) -> io::Result<Option<Opened>> {
    let Some(mut journal) = history.take_journal() else {
        return Ok(None);
    };
    let mut rooms = journal.rooms()?;
    for room in &rooms {
        check(room)?;
        epochs.note(room.newest.epoch);
    }
    rooms.sort_by_key(|room| room.written);
    let mut table = Table::new(history.limits);
    for room in &rooms {
        table.insert(room)?;
    }
    while let Some(room) = table.excess() {
        journal.remove(&room)?;
        table.remove(&room);
    }
    let (orders, orders_in) = unbounded();
    let desk = Desk {
        orders,
        budget: Budget::default(),
        local: history.local.clone(),
        timeout: history.limits.timeout,
        patience: history.limits.timeout,
        status: Status::default(),
        #[cfg(feature = "redis")]
        waker: None,
    };
    let tips = table.tips();
    Ok(Some(Opened {
        desk: Arc::new(desk),
        orders: orders_in,
        journal,
        table,
        tips,
    }))
}

fn check(room: &JournalRoom) -> io::Result<()> {
    let fault = match room {
        room if room.room.len() > LONGEST_NAME => "its name has more than 256 bytes",
        room if room.newest.number >= u64::MAX / 2 || room.newest.epoch >= u64::MAX / 2 => {
            "its newest position is too high"
        }
        room if room.oldest == 0 || room.oldest > room.newest.number + 1 => {
            "its oldest number is 0, or after the newest one plus 1"
        }
        room if room.bytes > MOST || room.newest.number + 1 - room.oldest > MOST => {
            "it has more entries or bytes than a disk can hold"
        }
        _ => return Ok(()),
    };
    Err(invalid(&room.room, fault))
}

fn invalid(room: &str, fault: &str) -> io::Error {
    let text = format!("the journal has an invalid room {room:?}: {fault}: repair the journal");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl Desk {
    /// Returns whether the messages of this room are in the journal.
    pub(crate) fn covers(&self, room: &str) -> bool {
        let is_local = |prefix: &str| room.starts_with(prefix);
        room.len() <= LONGEST_NAME && !self.local.as_deref().is_some_and(is_local)
    }

    /// Gives an order to the engine, without waiting.
    pub(crate) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
        #[cfg(feature = "redis")]
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }

    /// Returns whether the rooms are shared with other servers: then each is attached before it is used.
    #[cfg(feature = "redis")]
    pub(crate) fn is_shared(&self) -> bool {
        self.waker.is_some()
    }

    /// Returns entries after a position, up to a number, about 64 KiB at most: none if the journal does not have
    /// the first of them any more. In an error, they could not be read, or not in time.
    pub(crate) fn read(
        &self,
        room: &Arc<str>,
        after: Position,
        until: u64,
    ) -> Result<Vec<JournalEntry>, ()> {
        let (answer, answered) = answer();
        self.order(Order::Read {
            room: Arc::clone(room),
            after,
            until,
            answer,
        });
        answered.recv_timeout(self.timeout).map_err(drop)?
    }

    /// Lets the hub learn all entries that the log of a shared room has now; returns whether it has, within the
    /// timeout.
    #[cfg(feature = "redis")]
    fn catch_up(&self, room: &Arc<str>) -> bool {
        let (answer, answered) = answer();
        self.order(Order::CatchUp(Arc::clone(room), answer));
        answered.recv_timeout(self.timeout).is_ok()
    }

    pub(crate) fn is_degraded(&self) -> bool {
        let began = self.began();
        let is_late = began.is_some_and(|began| began.elapsed() > self.timeout);
        is_late || self.status.failed.load(Relaxed) > 0
    }

    /// Makes the desk of the engine of shared rooms.
    #[cfg(feature = "redis")]
    pub(crate) fn shared(
        orders: Sender<Order>,
        waker: Waker,
        local: Option<Box<str>>,
        timeout: Duration,
    ) -> Desk {
        Desk {
            orders,
            budget: Budget::default(),
            local,
            timeout,
            patience: timeout.saturating_mul(2),
            status: Status::default(),
            waker: Some(waker),
        }
    }

    /// Notes whether the engine of shared rooms works.
    #[cfg(feature = "redis")]
    pub(crate) fn set_failed(&self, failed: bool) {
        self.status.failed.store(u64::from(failed), Relaxed);
    }

    fn began(&self) -> Option<Instant> {
        let began = self.status.began.lock();
        *began.unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_call(&self) {
        let began = self.status.began.lock();
        *began.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn end_call(&self, failed: bool) {
        let began = self.status.began.lock();
        *began.unwrap_or_else(PoisonError::into_inner) = None;
        self.status.failed.store(u64::from(failed), Relaxed);
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}
