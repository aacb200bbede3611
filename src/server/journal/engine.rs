//! The engine's own side, on its thread: it calls the program's journal.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::net::answer::Answer;
use crate::net::catch_panic::catch_panic;
use crate::net::log::{SERVER, error, info};
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::channel::Sender;
use crate::protocol::http::text::Escaped;
use crate::server::counters::Totals;
use crate::server::history::journal::{Journal, JournalEntry};
use crate::server::history::position::Position;
use crate::server::history::publication::{Publication, PublishError};
use crate::server::hub::Command;

use super::{Draft, EngineSide, Epochs, Opened, Order, Pending, Report, Table};

pub(crate) struct Engine {
    side: EngineSide,
    journal: Box<dyn Journal>,
    table: Table,
    epochs: Arc<Epochs>,
    totals: Arc<Totals>,
    drafts: Vec<Draft>,
    /// The bytes of the drafts.
    size: usize,
    /// Requests for entries, which wait until the messages are stored.
    reads: VecDeque<Order>,
}

/// The most bytes of one commit, beside its last message.
const BYTES: usize = 1024 * 1024;

/// The most messages of one commit.
const MESSAGES: usize = 1024;

/// The most requests for entries between two commits.
const READS: usize = 16;

/// The most bytes of an answer to such a request, unless one entry is larger.
const PIECE: usize = 64 * 1024;

impl Engine {
    pub(super) fn new(
        opened: Opened,
        epochs: Arc<Epochs>,
        hub: Sender<Command>,
        totals: Arc<Totals>,
    ) -> Engine {
        Engine {
            side: EngineSide::new(opened.desk, opened.orders, hub),
            journal: opened.journal,
            table: opened.table,
            epochs,
            totals,
            drafts: Vec::new(),
            size: 0,
            reads: VecDeque::new(),
        }
    }

    /// Runs until [`Order::Stop`].
    pub(crate) fn run(mut self) {
        let orders = self.side.orders.clone();
        loop {
            let first = match self.reads.is_empty() {
                true => match orders.recv() {
                    Ok(order) => Some(order),
                    Err(_) => return,
                },
                false => None,
            };
            for order in first.into_iter().chain(orders.try_iter()) {
                match order {
                    Order::Append(draft) => {
                        self.size += draft.publication.as_ref().map_or(0, Publication::len);
                        self.drafts.push(draft);
                        if self.size >= BYTES || self.drafts.len() >= MESSAGES {
                            break;
                        }
                    }
                    read @ Order::Read { .. } => self.reads.push_back(read),
                    Order::Forget(room, up_to, answer) => {
                        self.commit();
                        self.forget(room, up_to, answer);
                    }
                    Order::Flush(answer) => {
                        self.commit();
                        self.side.report(Report::Flushed(answer));
                    }
                    #[cfg(feature = "redis")]
                    Order::Attach(_) | Order::Detach(_) | Order::CatchUp(..) => {}
                    Order::Stop => return self.commit(),
                }
            }
            self.commit();
            for _ in 0..READS.min(self.reads.len()) {
                if let Some(read) = self.reads.pop_front() {
                    self.read(read);
                }
            }
        }
    }

    /// Stores all drafts, or refuses them.
    fn commit(&mut self) {
        if self.drafts.is_empty() {
            return;
        }
        self.size = 0;
        let time = SystemTime::now();
        let mut tips: HashMap<Arc<str>, Position> = HashMap::new();
        let drafts = std::mem::take(&mut self.drafts);
        let mut entries = Vec::with_capacity(drafts.len());
        let mut pending = Vec::with_capacity(drafts.len());
        let mut has_entry = Vec::with_capacity(drafts.len());
        for draft in drafts {
            has_entry.push(draft.publication.is_some());
            if let Some(publication) = draft.publication {
                let tip = tips.entry(Arc::clone(&draft.room));
                let tip = tip.or_insert_with_key(|room| self.tip(room, draft.tip));
                tip.number += 1;
                let message = publication.at(*tip);
                entries.push(JournalEntry::new(draft.room, *tip, time, message));
            }
            pending.push(Pending {
                except: draft.except,
                effect: draft.effect,
                charge: draft.charge,
            });
        }
        if !entries.is_empty() && self.call(|journal| journal.append(&entries)).is_none() {
            return self
                .side
                .report(Report::Refused(pending, PublishError::Journal));
        }
        entries.iter().for_each(|entry| self.table.add(entry));
        let mut entries = entries.into_iter();
        let stored = has_entry
            .into_iter()
            .zip(pending)
            .map(|(has_entry, pending)| {
                let entry = if has_entry { entries.next() } else { None };
                (entry, pending)
            });
        self.side.report(Report::Stored(stored.collect()));
        for room in tips.into_keys() {
            self.trim(&room);
        }
        self.remove_some();
    }

    /// Returns the newest position of a room. A new room gets the epoch that the hub has given it already, if
    /// no removed room can have had it.
    fn tip(&self, room: &str, known: Position) -> Position {
        match self.table.tip(room) {
            Some(tip) => tip.newest,
            None if known.number == 0 && self.table.is_new(known.epoch) => known,
            None => Position {
                epoch: self.epochs.next(),
                number: 0,
            },
        }
    }

    fn trim(&mut self, room: &Arc<str>) {
        while let Some(up_to) = self.table.surplus(room) {
            let Some(bytes) = self.call(|journal| journal.forget(room, up_to)) else {
                return;
            };
            if let Some(floor) = self.table.forgotten(room, up_to, bytes) {
                self.side.report(Report::Trimmed(Arc::clone(room), floor));
            }
        }
    }

    fn remove_some(&mut self) {
        while let Some(room) = self.table.excess() {
            if self.call(|journal| journal.remove(&room)).is_none() {
                return;
            }
            self.table.remove(&room);
            self.side.report(Report::Removed(room));
        }
    }

    fn forget(
        &mut self,
        room: Arc<str>,
        up_to: Position,
        answer: Answer<Result<(), PublishError>>,
    ) {
        let known = self.table.tip(&room);
        let is_known = known
            .is_some_and(|known| known.newest.epoch == up_to.epoch && known.floor < up_to.number);
        let mut result = Ok(());
        if is_known {
            match self.call(|journal| journal.forget(&room, up_to)) {
                Some(bytes) => {
                    if let Some(floor) = self.table.forgotten(&room, up_to, bytes) {
                        self.side.report(Report::Trimmed(Arc::clone(&room), floor));
                    }
                }
                None => result = Err(PublishError::Journal),
            }
        }
        self.side.report(Report::Forgotten {
            room,
            up_to,
            result,
            answer,
        });
    }

    fn read(&mut self, read: Order) {
        let Order::Read {
            room,
            after,
            until,
            answer,
        } = read
        else {
            return;
        };
        let tip = self.table.tip(&room);
        let tip = tip.filter(|tip| tip.newest.epoch == after.epoch && tip.floor <= after.number);
        let Some(tip) = tip.filter(|tip| tip.newest.number > after.number) else {
            answer.send(Ok(Vec::new()));
            return;
        };
        let until = until.min(tip.newest.number);
        let most = self.table.entries_in(&room, PIECE as u64);
        let most = most.min(usize::try_from(until - after.number).unwrap_or(usize::MAX));
        let entries = self.call(|journal| {
            let mut entries = journal.read(&room, after.number, most)?;
            fit(&mut entries, after, until);
            match entries.is_empty() {
                true => Err(io::Error::other(format!(
                    "the entry after {after} of a room is missing in the journal"
                ))),
                false => Ok(entries),
            }
        });
        answer.send(entries.ok_or(()));
    }

    /// Calls the journal; returns `None` after an error or a panic, which is counted and logged.
    fn call<T>(&mut self, call: impl FnOnce(&mut dyn Journal) -> io::Result<T>) -> Option<T> {
        self.side.desk.begin_call();
        let journal = &mut *self.journal;
        // The error's text and its end are the program's code as well.
        let result = catch_panic(|| call(journal).map_err(|error| error.to_string()));
        let result = result.unwrap_or_else(|| Err("the journal has panicked".to_owned()));
        self.side.desk.end_call(result.is_err());
        match result {
            Ok(result) => {
                if self.side.logs_success() {
                    info!(target: SERVER, "the journal works again");
                }
                Some(result)
            }
            Err(text) => {
                self.totals.journal_errors.fetch_add(1, Relaxed);
                if self.side.logs_fault() {
                    let text = Escaped::Text(&text);
                    error!(
                        target: SERVER,
                        "the journal has failed: {text}: its messages are refused until it works again: check its disk and its program"
                    );
                }
                None
            }
        }
    }
}

/// Keeps the entries that follow a position without a hole, up to a number, and about as many bytes as an answer
/// may have.
fn fit(entries: &mut Vec<JournalEntry>, after: Position, until: u64) {
    let mut left = PIECE;
    let fitting = (after.number + 1..=until)
        .zip(entries.iter())
        .take_while(|(number, entry)| {
            let len = entry.message.len();
            let fits = len <= left || *number == after.number + 1;
            left = left.saturating_sub(len);
            let position = Position {
                number: *number,
                ..after
            };
            fits && entry.position == position
        });
    let count = fitting.count();
    entries.truncate(count);
}
