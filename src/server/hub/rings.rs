//! The newest messages of each room, in memory: what the hub needs for resumes, pages and followers.
//!
//! Three bounds hold for each room: messages, bytes and age. One holds for the memory of all rooms; beyond it,
//! rooms that were not used recently lose their messages. All rooms stand in one round. The hub
//! looks at a few of them now and then, and drops those that are old and in which nobody is. So the hub
//! never spends much time on that at once.

use std::collections::VecDeque;
use std::collections::hash_map::Entry as HashEntry;
use std::sync::Arc;
use std::time::Duration;

use crate::net::client_id::ClientId;
use crate::net::sync::Instant;
use crate::protocol::Message;
use crate::server::history::Bounds;
use crate::server::history::page::Page;
use crate::server::history::position::Position;
use crate::server::history::publication::Publication;
use crate::server::journal::{Desk, Epochs, Tip};

use super::ring::{Follower, Ring};
use super::rooms::{Rooms, Tables};

/// The histories of all rooms.
pub(crate) struct Rings {
    bounds: Bounds,
    tables: Tables<Ring>,
    /// Each room with a ring once; the first is checked next.
    round: VecDeque<Arc<str>>,
    /// The memory of all rings.
    bytes: usize,
    epochs: Arc<Epochs>,
    /// The journal, if there is one.
    desk: Option<Arc<Desk>>,
    /// The rooms of the journal that have no ring.
    tips: Tables<Tip>,
    /// Shared rooms whose ring was removed.
    #[cfg(feature = "redis")]
    pub(super) dropped: Vec<Arc<str>>,
    /// The time at the begin of the batch.
    now: Instant,
    checked: Instant,
}

/// A message that was added.
pub(crate) struct Appended {
    pub(crate) position: Position,
    pub(crate) message: Message,
    /// Followers wait for it.
    pub(crate) is_followed: bool,
}

/// The newest messages before a position, and the older ones of the page that the journal has.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) page: Page,
    pub(crate) older: Option<Older>,
}

/// Entries that only the journal has: those after `floor`, up to `until`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Older {
    pub(crate) epoch: u64,
    pub(crate) floor: u64,
    pub(crate) until: u64,
}

/// The memory of a ring beside its messages and two times its name: its place in a table that is half
/// full, and in the round.
const RING: usize = 2 * size_of::<Ring>() + 64;

/// The smallest limit of the memory of all rings.
const SMALLEST: usize = 64 * 1024;

/// The parts of a full round: one of them is checked in a 64th of the time for which messages are kept.
const PARTS: usize = 64;

/// The shortest time between two of these checks.
const SHORTEST: Duration = Duration::from_millis(10);

/// The most rings that are passed over at once to find one that was not used recently.
const PASSED: usize = 32;

impl Rings {
    pub(crate) fn new(
        mut bounds: Bounds,
        epochs: Arc<Epochs>,
        desk: Option<Arc<Desk>>,
        known: Vec<(Arc<str>, Tip)>,
    ) -> Rings {
        let mut tips = Tables::default();
        for (room, tip) in known {
            tips.of(&room).insert(room, tip);
        }
        let now = Instant::now();
        bounds.total = bounds.total.max(SMALLEST);
        // A room alone must not exceed the total.
        bounds.bytes = bounds.bytes.min(bounds.total / 2);
        Rings {
            bounds,
            tables: Tables::default(),
            round: VecDeque::new(),
            bytes: 0,
            epochs,
            desk,
            tips,
            #[cfg(feature = "redis")]
            dropped: Vec::new(),
            now,
            checked: now,
        }
    }

    /// Returns the memory of all rings, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how long the hub may sleep; `None` while there is nothing to check.
    pub(crate) fn sleep(&self) -> Option<Duration> {
        (!self.round.is_empty()).then(|| self.interval())
    }

    /// Notes the time, and drops what is old in some of the rings.
    pub(crate) fn tick(&mut self, rooms: &Rooms) {
        self.now = Instant::now();
        self.relieve();
        if self.now.saturating_duration_since(self.checked) < self.interval() {
            return;
        }
        self.checked = self.now;
        for _ in 0..self.round.len().div_ceil(PARTS) {
            if let Some(room) = self.round.pop_front() {
                self.check(room, rooms);
            }
        }
    }

    /// Adds a message to a room's history; returns the message with the position in it.
    pub(crate) fn append(
        &mut self,
        room: &Arc<str>,
        publication: Publication,
        except: &[ClientId],
    ) -> Appended {
        let (now, bounds) = (self.now, self.bounds);
        let ring = self.open(room);
        let before = ring.bytes;
        ring.last += 1;
        let position = ring.tip();
        let message = publication.at(position);
        ring.keep(&message, except, &bounds, now);
        let (after, is_followed) = (ring.bytes, !ring.followers.is_empty());
        self.bytes = self.bytes + after - before;
        self.relieve();
        Appended {
            position,
            message,
            is_followed,
        }
    }

    /// Adds a message that the journal has at this position; returns whether followers wait for it.
    pub(crate) fn store(
        &mut self,
        room: &Arc<str>,
        position: Position,
        message: &Message,
        except: &[ClientId],
    ) -> bool {
        let (now, bounds) = (self.now, self.bounds);
        let ring = self.open(room);
        let before = ring.bytes;
        if ring.epoch != position.epoch || ring.last + 1 != position.number {
            // The journal has removed the room, or its ring was forgotten before its first message was stored.
            #[cfg(feature = "redis")]
            let before = ring.tip();
            ring.reset(position.epoch, position.number - 1);
            #[cfg(feature = "redis")]
            ring.follows(before);
        }
        ring.last += 1;
        ring.keep(message, except, &bounds, now);
        let (after, is_followed) = (ring.bytes, !ring.followers.is_empty());
        self.bytes = self.bytes + after - before;
        self.relieve();
        is_followed
    }

    /// Notes that the journal has the entries of a room after this number only.
    pub(crate) fn trimmed(&mut self, room: &str, floor: u64) {
        if let Some(ring) = self.tables.of(room).get_mut(room) {
            ring.floor = Some(floor);
        } else if let Some(tip) = self.tips.of(room).get_mut(room) {
            tip.floor = floor;
        }
    }

    /// Notes that the journal has nothing of a room any more: it begins a new epoch.
    pub(crate) fn removed(&mut self, room: &str) {
        self.tips.remove(room);
        if let Some(ring) = self.tables.of(room).get_mut(room) {
            let before = ring.bytes;
            ring.reset(self.epochs.next(), 0);
            self.bytes -= before;
        }
    }

    /// Drops the messages of a room up to a position.
    pub(crate) fn forget(&mut self, room: &str, up_to: Position) {
        let Some(ring) = self.tables.of(room).get_mut(room) else {
            return;
        };
        let before = ring.bytes;
        while up_to.epoch == ring.epoch && ring.oldest() < up_to.number.min(ring.last) {
            ring.drop_oldest();
        }
        self.bytes -= before - ring.bytes;
    }

    /// Returns the ring of a room, without messages that are too old. If there is none yet, it is made.
    pub(crate) fn open(&mut self, room: &Arc<str>) -> &mut Ring {
        let (now, bounds) = (self.now, &self.bounds);
        let ring = match self.tables.of(room).entry(Arc::clone(room)) {
            HashEntry::Occupied(ring) => ring.into_mut(),
            HashEntry::Vacant(place) => {
                self.round.push_back(Arc::clone(room));
                self.bytes += RING + 2 * room.len();
                let is_stored = self.desk.as_ref().is_some_and(|desk| desk.covers(room));
                let tip = if is_stored {
                    self.tips.remove(room)
                } else {
                    None
                };
                let newest = tip.map_or_else(|| self.epochs.first(), |tip| tip.newest);
                let floor = is_stored.then(|| tip.map_or(0, |tip| tip.floor));
                place.insert(Ring::new(newest, floor, now))
            }
        };
        (ring.used, ring.is_recent) = (now, true);
        let before = ring.bytes;
        ring.trim(bounds, now);
        self.bytes -= before - ring.bytes;
        ring
    }

    /// Returns the ring of a room, if it has one.
    pub(crate) fn get(&self, room: &str) -> Option<&Ring> {
        self.tables.get(room)
    }

    /// Takes the ring of a room out, since the hub ends.
    pub(super) fn take(&mut self, room: &str) -> Option<Ring> {
        self.tables.remove(room)
    }

    /// Returns the position of a room's newest message. If the room has no ring, it gets none: without a journal
    /// that has the room, the position is of an epoch that no room ever has.
    pub(crate) fn tip(&self, room: &str) -> Position {
        let tip = || self.tips.get(room).map(|tip| tip.newest);
        let ring = self.get(room).map(Ring::tip);
        ring.or_else(tip).unwrap_or_else(|| self.epochs.first())
    }

    /// Notes that a room's last member may have left: the ring is kept for a while from now on.
    pub(crate) fn touch(&mut self, room: &str) {
        let now = self.now;
        if let Some(ring) = self.tables.of(room).get_mut(room) {
            ring.used = now;
        }
    }

    /// Returns the waiting followers of a room.
    pub(crate) fn followers(&mut self, room: &str) -> Vec<Follower> {
        let ring = self.tables.of(room).get_mut(room);
        ring.map(|ring| std::mem::take(&mut ring.followers))
            .unwrap_or_default()
    }

    /// Returns the messages before a position, or the newest: at most so many, and so many bytes.
    ///
    /// # Errors
    /// The position, if the room has none like it.
    pub(crate) fn page(
        &mut self,
        room: &Arc<str>,
        before: Option<Position>,
        most: usize,
        bytes: usize,
    ) -> Result<Found, Position> {
        // A room without a ring gets none by that, unless the journal has the room.
        if self.get(room).is_none() && self.tips.get(room).is_none() {
            return match before {
                Some(position) => Err(position),
                None => Ok(Found::default()),
            };
        }
        let ring = self.open(room);
        let end = match before {
            Some(position) if !ring.has(position) => return Err(position),
            Some(position) => position.number.saturating_sub(1),
            None => ring.last,
        };
        let place = usize::try_from(end.saturating_sub(ring.oldest())).unwrap_or(usize::MAX);
        let place = place.min(ring.entries.len());
        let mut left = bytes;
        let older = ring.entries.range(..place).rev().take(most);
        let fitting = older.enumerate().take_while(|(index, kept)| {
            let fits = *index == 0 || kept.message.len() <= left;
            left = left.saturating_sub(kept.message.len());
            fits
        });
        let count = fitting.count();
        let from = place - count;
        let floor = ring.floor.unwrap_or(ring.oldest()).min(ring.oldest());
        let until = end.min(ring.oldest());
        let page = Page {
            entries: ring.entries(from..place),
            more: from > 0 || until > floor,
        };
        let is_short = from == 0 && count < most && until > floor;
        let epoch = ring.epoch;
        let older = is_short.then_some(Older {
            epoch,
            floor,
            until,
        });
        Ok(Found { page, older })
    }

    /// Removes old messages of the next ring in the round, and the ring itself if it was not used for long.
    fn check(&mut self, room: Arc<str>, rooms: &Rooms) {
        let (now, bounds) = (self.now, &self.bounds);
        let Some(ring) = self.tables.of(&room).get_mut(&room) else {
            return;
        };
        let before = ring.bytes;
        ring.trim(bounds, now);
        self.bytes -= before - ring.bytes;
        ring.is_recent = false;
        let is_old = now.saturating_duration_since(ring.used) >= bounds.age;
        if is_old && ring.is_unused(&room, rooms) {
            self.remove(&room);
        } else {
            self.round.push_back(room);
        }
    }

    /// Forgets rooms that were not used recently, while all rings take more memory than they may.
    fn relieve(&mut self) {
        let mut passed = 0;
        while self.bytes > self.bounds.total && passed < 2 * PASSED {
            let Some(room) = self.round.pop_front() else {
                return;
            };
            let Some(ring) = self.tables.of(&room).get_mut(&room) else {
                continue;
            };
            let is_spared = ring.is_recent && passed < PASSED;
            if is_spared || !ring.followers.is_empty() {
                ring.is_recent = false;
                passed += 1;
                self.round.push_back(room);
            } else {
                self.remove(&room);
            }
        }
    }

    /// Removes a ring that is not in the round any more.
    fn remove(&mut self, room: &Arc<str>) {
        if let Some(ring) = self.tables.remove(room) {
            self.bytes -= ring.bytes + RING + 2 * room.len();
            if let (Some(floor), 1..) = (ring.floor, ring.last) {
                // Its epoch and its numbers go on.
                let newest = ring.tip();
                let tip = Tip { newest, floor };
                self.tips.of(room).insert(Arc::clone(room), tip);
            }
            #[cfg(feature = "redis")]
            self.note_dropped(room);
        }
    }

    fn interval(&self) -> Duration {
        // Duration::MAX must stay a time that a clock can add.
        let age = self.bounds.age.min(Duration::from_secs(24 * 3600));
        (age / 64).max(SHORTEST)
    }
}

#[cfg(feature = "redis")]
mod shared;

impl Default for Found {
    fn default() -> Found {
        let (entries, more) = (Vec::new(), false);
        Found {
            page: Page { entries, more },
            older: None,
        }
    }
}
