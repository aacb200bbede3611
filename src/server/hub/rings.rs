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

use crate::net::answer::Answer;
use crate::net::client_id::ClientId;
use crate::net::sync::Instant;
use crate::protocol::Message;
use crate::server::history::Bounds;
use crate::server::history::page::{Entry, Page};
use crate::server::history::position::Position;
use crate::server::history::publication::Publication;
use crate::server::history::resume::{Gap, Since};
use crate::server::journal::{Desk, Epochs, Tip};

use super::history::Piece;
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
    /// The number after which the journal has all entries, if the room is in it.
    floor: Option<u64>,
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
    /// The position of the last message that it has received.
    pub(crate) after: Position,
    pub(crate) answer: Answer<Piece>,
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
            ring.reset(position.epoch, position.number - 1);
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
        }
    }

    fn interval(&self) -> Duration {
        // Duration::MAX must stay a time that a clock can add.
        let age = self.bounds.age.min(Duration::from_secs(24 * 3600));
        (age / 64).max(SHORTEST)
    }
}

impl Ring {
    fn new(newest: Position, floor: Option<u64>, now: Instant) -> Ring {
        Ring {
            epoch: newest.epoch,
            last: newest.number,
            entries: VecDeque::new(),
            bytes: 0,
            used: now,
            is_recent: true,
            floor,
            followers: Vec::new(),
        }
    }

    /// Begins anew behind a position, without messages.
    fn reset(&mut self, epoch: u64, last: u64) {
        self.entries = VecDeque::new();
        (self.bytes, self.epoch, self.last) = (0, epoch, last);
        self.floor = Some(last);
    }

    /// Keeps the message with the newest position.
    fn keep(&mut self, message: &Message, except: &[ClientId], bounds: &Bounds, now: Instant) {
        let kept = Kept {
            at: now,
            message: compact(message),
            except: except.into(),
        };
        if self.entries.len() >= bounds.entries {
            self.drop_oldest();
        }
        self.bytes += kept.weight();
        self.entries.push_back(kept);
        self.trim(bounds, now);
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

    /// Returns the number of the message after which a replay begins, and the gap before it. If it is before
    /// [`oldest`](Ring::oldest), the journal has the first messages.
    pub(crate) fn start(&self, since: Since) -> (u64, Option<Gap>) {
        let oldest = self.floor.unwrap_or(u64::MAX).min(self.oldest());
        match since {
            Since::Last(count) => {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                (self.last - count.min(self.last - oldest), None)
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
        if after < self.oldest() {
            return Piece {
                gap,
                entries: Vec::new(),
                at: self.position(after),
                older: Some(self.oldest()),
            };
        }
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
        Piece {
            gap,
            entries,
            at,
            older: None,
        }
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
    fn trim(&mut self, bounds: &Bounds, now: Instant) {
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

impl Default for Found {
    fn default() -> Found {
        let (entries, more) = (Vec::new(), false);
        Found {
            page: Page { entries, more },
            older: None,
        }
    }
}
