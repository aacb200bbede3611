//! The newest messages of each room, in memory: what the hub needs for resumes, pages and followers.
//!
//! Three bounds hold for each room: messages, bytes and age. One holds for the memory of all rooms; beyond it,
//! rooms that were not used recently lose their messages. All rooms stand in one round. The hub
//! looks at a few of them now and then, and drops those that are old and in which nobody is. So the hub
//! never spends much time on that at once.

use std::collections::VecDeque;
use std::collections::hash_map::Entry as HashEntry;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::net::client_id::ClientId;
use crate::net::sync::Instant;
use crate::net::sync::channel::Sender;
use crate::protocol::Message;
use crate::server::history::History;
use crate::server::history::page::{Entry, Page};
use crate::server::history::position::Position;
use crate::server::history::publication::Publication;
use crate::server::history::resume::{Gap, Since};

use super::history::Piece;
use super::rooms::{Rooms, Tables};

/// The histories of all rooms.
pub(crate) struct Rings {
    bounds: History,
    tables: Tables<Ring>,
    /// Each room with a ring once; the first is checked next.
    round: VecDeque<Arc<str>>,
    /// The memory of all rings.
    bytes: usize,
    /// The epoch of the newest ring.
    epoch: u64,
    /// The time at the begin of the batch.
    now: Instant,
    checked: Instant,
}

/// The history of one room.
pub(crate) struct Ring {
    epoch: u64,
    /// The number of the newest message, whether it is kept or not.
    last: u64,
    entries: VecDeque<Kept>,
    /// The memory of the entries.
    bytes: usize,
    /// When it was used last.
    used: Instant,
    /// It was used since the round came by.
    is_recent: bool,
    /// Followers that have received all messages.
    pub(crate) followers: Vec<Follower>,
}

/// A message that was added.
pub(crate) struct Appended {
    pub(crate) position: Position,
    pub(crate) message: Message,
    /// Followers wait for it.
    pub(crate) is_followed: bool,
}

/// A follower that waits for the next message.
pub(crate) struct Follower {
    /// The number of the last message that it has received.
    pub(crate) after: u64,
    pub(crate) answer: Sender<Piece>,
}

/// One message.
pub(crate) struct Kept {
    at: Instant,
    pub(crate) message: Message,
    /// Connections that do not receive it.
    pub(crate) except: Box<[ClientId]>,
}

/// The memory of a message beside its payload: its place in the ring, and its allocation.
const ENTRY: usize = size_of::<Kept>() + 32;

/// A message of so many bytes is not checked for a buffer that is too large.
const SHORT: usize = 256;

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
    pub(crate) fn new(mut bounds: History) -> Rings {
        let now = Instant::now();
        bounds.total = bounds.total.max(SMALLEST);
        // A room alone must not exceed the total.
        bounds.bytes = bounds.bytes.min(bounds.total / 2);
        Rings {
            bounds,
            tables: Tables::default(),
            round: VecDeque::new(),
            bytes: 0,
            epoch: 0,
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
        let (now, bounds) = (self.now, self.bounds.clone());
        let ring = self.open(room);
        let before = ring.bytes;
        ring.last += 1;
        let position = ring.tip();
        let message = publication.at(position);
        let kept = Kept {
            at: now,
            message: compact(&message),
            except: except.into(),
        };
        if ring.entries.len() >= bounds.entries {
            ring.drop_oldest();
        }
        ring.bytes += kept.weight();
        ring.entries.push_back(kept);
        ring.trim(&bounds, now);
        let (after, is_followed) = (ring.bytes, !ring.followers.is_empty());
        self.bytes = self.bytes + after - before;
        self.relieve();
        Appended {
            position,
            message,
            is_followed,
        }
    }

    /// Returns the ring of a room, without messages that are too old. If there is none yet, it is made.
    pub(crate) fn open(&mut self, room: &Arc<str>) -> &mut Ring {
        let (now, bounds) = (self.now, &self.bounds);
        let ring = match self.tables.of(room).entry(Arc::clone(room)) {
            HashEntry::Occupied(ring) => ring.into_mut(),
            HashEntry::Vacant(place) => {
                self.epoch = new_epoch(self.epoch);
                self.round.push_back(Arc::clone(room));
                self.bytes += RING + 2 * room.len();
                place.insert(Ring::new(self.epoch, now))
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
    ) -> Result<Page, Position> {
        // A room without a ring gets none by that.
        if self.get(room).is_none() {
            return match before {
                Some(position) => Err(position),
                None => Ok(Page {
                    entries: Vec::new(),
                    more: false,
                }),
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
        Ok(Page {
            entries: ring.entries(from..place),
            more: from > 0,
        })
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
        }
    }

    fn interval(&self) -> Duration {
        // Duration::MAX must stay a time that a clock can add.
        let age = self.bounds.age.min(Duration::from_secs(24 * 3600));
        (age / 64).max(SHORTEST)
    }
}

impl Ring {
    fn new(epoch: u64, now: Instant) -> Ring {
        Ring {
            epoch,
            last: 0,
            entries: VecDeque::new(),
            bytes: 0,
            used: now,
            is_recent: true,
            followers: Vec::new(),
        }
    }

    /// Returns the position of the newest message.
    pub(crate) fn tip(&self) -> Position {
        self.position(self.last)
    }

    pub(crate) fn position(&self, number: u64) -> Position {
        Position {
            epoch: self.epoch,
            number,
        }
    }

    /// Returns the number after which messages are kept.
    pub(crate) fn oldest(&self) -> u64 {
        self.last - self.entries.len() as u64
    }

    fn has(&self, position: Position) -> bool {
        position.epoch == self.epoch && position.number <= self.last
    }

    /// Returns the number of the message after which a replay begins, and the gap before it.
    pub(crate) fn start(&self, since: Since) -> (u64, Option<Gap>) {
        let oldest = self.oldest();
        match since {
            Since::Last(count) => {
                let count = count.min(self.entries.len()) as u64;
                (self.last - count, None)
            }
            Since::Position(position) if !self.has(position) => (oldest, Some(Gap::Reset)),
            Since::Position(position) => match oldest.checked_sub(position.number) {
                None | Some(0) => (position.number, None),
                Some(missed) => (oldest, Some(Gap::Trimmed(missed))),
            },
        }
    }

    /// Returns the messages after a number, as far as they are kept, each with its number.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &Kept)> {
        let oldest = self.oldest();
        let place = usize::try_from(number.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let kept = self.entries.range(place.min(self.entries.len())..);
        let first = oldest + place as u64 + 1;
        (first..).zip(kept)
    }

    /// Returns the messages after a number for a follower, at most so many bytes or one message.
    pub(crate) fn piece(&self, since: Since, bytes: usize) -> Piece {
        let (after, gap) = self.start(since);
        let mut entries = Vec::new();
        let mut left = bytes;
        for (number, kept) in self.after(after) {
            if kept.message.len() > left && !entries.is_empty() {
                break;
            }
            left = left.saturating_sub(ENTRY + kept.message.len());
            let (position, message) = (self.position(number), kept.message.clone());
            entries.push(Entry { position, message });
        }
        let at = self.position(after + entries.len() as u64);
        Piece { gap, entries, at }
    }

    fn entries(&self, places: std::ops::Range<usize>) -> Vec<Entry> {
        let first = self.oldest() + 1 + places.start as u64;
        let kept = (first..).zip(self.entries.range(places));
        kept.map(|(number, kept)| Entry {
            position: self.position(number),
            message: kept.message.clone(),
        })
        .collect()
    }

    /// Drops messages until all bounds hold.
    fn trim(&mut self, bounds: &History, now: Instant) {
        while let Some(oldest) = self.entries.front() {
            let is_old = now.saturating_duration_since(oldest.at) >= bounds.age;
            let is_many = self.entries.len() > bounds.entries;
            if !is_old && !is_many && self.bytes <= bounds.bytes {
                break;
            }
            self.drop_oldest();
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.weight();
        }
    }

    fn is_unused(&self, room: &Arc<str>, rooms: &Rooms) -> bool {
        self.followers.is_empty() && rooms.get(room).is_none()
    }
}

impl Kept {
    fn weight(&self) -> usize {
        ENTRY + self.message.len() + size_of_val(&*self.except)
    }
}

/// Returns a message for the ring: a clone, or a copy if the message's buffer is much larger than itself.
fn compact(message: &Message) -> Message {
    let (kept, len) = (message.clone(), message.len());
    // The clone of a short one has a buffer of its own.
    if len <= SHORT || kept.clone().into_payload().memory() <= len + len / 8 {
        return kept;
    }
    match message.as_text() {
        Some(text) => Message::from(text),
        None => Message::from(message.as_bytes()),
    }
}

/// Returns an epoch after `last`: the time in microseconds, if that is later. So an epoch of an earlier
/// process does not come again, unless the clock was set back.
fn new_epoch(last: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(0));
    micros.max(last + 1)
}
