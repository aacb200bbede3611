//! The rooms of the journal, and their sizes, as the engine counts them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use crate::server::history::journal::{JournalEntry, JournalLimits, JournalRoom};
use crate::server::history::position::Position;

use super::{Tip, invalid};

/// The bytes that an entry counts beside its payload.
const ENTRY: u64 = 64;

pub(crate) struct Table {
    limits: JournalLimits,
    rooms: HashMap<Arc<str>, Room>,
    /// The rooms in the order of their newest entries.
    order: BTreeMap<u64, Arc<str>>,
    stamp: u64,
    total: u64,
    /// The newest epoch of all rooms that were removed.
    removed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Room {
    newest: Position,
    floor: u64,
    bytes: u64,
    stamp: u64,
}

impl Room {
    fn count(&self) -> u64 {
        self.newest.number - self.floor
    }

    fn size(&self) -> u64 {
        self.bytes + ENTRY * self.count()
    }
}

impl Table {
    pub(super) fn new(limits: JournalLimits) -> Table {
        Table {
            limits,
            rooms: HashMap::new(),
            order: BTreeMap::new(),
            stamp: 0,
            total: 0,
            removed: 0,
        }
    }

    /// Adds a room of the journal at the start.
    pub(super) fn insert(&mut self, room: &JournalRoom) -> io::Result<()> {
        if self.rooms.contains_key(&room.room) {
            return Err(invalid(&room.room, "it is there twice"));
        }
        self.stamp += 1;
        let entry = Room {
            newest: room.newest,
            floor: room.oldest - 1,
            bytes: room.bytes,
            stamp: self.stamp,
        };
        self.total = self.total.saturating_add(entry.size());
        self.order.insert(self.stamp, Arc::clone(&room.room));
        self.rooms.insert(Arc::clone(&room.room), entry);
        Ok(())
    }

    pub(super) fn tips(&self) -> Vec<(Arc<str>, Tip)> {
        let rooms = self.rooms.keys();
        rooms
            .filter_map(|room| Some((Arc::clone(room), self.tip(room)?)))
            .collect()
    }

    pub(super) fn tip(&self, room: &str) -> Option<Tip> {
        let room = self.rooms.get(room)?;
        Some(Tip {
            newest: room.newest,
            floor: room.floor,
        })
    }

    /// Returns whether a new room may have this epoch.
    pub(super) fn is_new(&self, epoch: u64) -> bool {
        epoch > self.removed
    }

    /// Returns how many entries of a room have about so many bytes.
    pub(super) fn entries_in(&self, room: &str, bytes: u64) -> usize {
        let Some(room) = self.rooms.get(room) else {
            return 1;
        };
        let average = (room.bytes / room.count().max(1)).max(1);
        usize::try_from((bytes / average).clamp(1, 256)).unwrap_or(1)
    }

    /// Counts an entry that was stored.
    pub(super) fn add(&mut self, entry: &JournalEntry) {
        let len = entry.message.len() as u64;
        self.stamp += 1;
        let room = self.rooms.entry(Arc::clone(&entry.room));
        let room = room.or_insert(Room {
            newest: entry.position,
            floor: entry.position.number - 1,
            bytes: 0,
            stamp: self.stamp,
        });
        self.order.remove(&room.stamp);
        self.order.insert(self.stamp, Arc::clone(&entry.room));
        (room.newest, room.stamp) = (entry.position, self.stamp);
        room.bytes += len;
        self.total += len + ENTRY;
    }

    /// Returns the position up to which a room is to forget entries next, if it exceeds its limits.
    pub(super) fn surplus(&self, room: &str) -> Option<Position> {
        let room = self.rooms.get(room)?;
        let is_over = room.count() > self.limits.entries || room.size() > self.limits.bytes;
        let some = (room.count() / 8).max(1);
        (is_over && room.count() > 0).then_some(Position {
            number: room.floor + some,
            ..room.newest
        })
    }

    /// Counts that entries were forgotten; returns the number after which there are still some.
    pub(super) fn forgotten(&mut self, room: &str, up_to: Position, bytes: u64) -> Option<u64> {
        let room = self.rooms.get_mut(room)?;
        let before = room.size();
        room.floor = up_to.number.clamp(room.floor, room.newest.number);
        room.bytes = match room.count() {
            0 => 0,
            _ => room.bytes.saturating_sub(bytes),
        };
        self.total = self.total.saturating_sub(before - room.size());
        Some(room.floor)
    }

    /// Returns the room that is to be removed next, if all rooms together exceed a limit.
    pub(super) fn excess(&self) -> Option<Arc<str>> {
        let is_over = self.total > self.limits.total || self.rooms.len() > self.limits.rooms;
        let oldest = self.order.values().next();
        oldest.filter(|_| is_over).cloned()
    }

    pub(super) fn remove(&mut self, room: &str) {
        if let Some(room) = self.rooms.remove(room) {
            self.order.remove(&room.stamp);
            self.total -= room.size().min(self.total);
            self.removed = self.removed.max(room.newest.epoch);
        }
    }
}
