//! The newest messages of one room, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::net::answer::Answer;
use crate::net::client_id::ClientId;
use crate::net::sync::Instant;
use crate::protocol::Message;
use crate::server::history::Bounds;
use crate::server::history::page::Entry;
use crate::server::history::position::Position;
use crate::server::history::resume::{Gap, Since};

use super::history::Piece;
use super::rooms::Rooms;

/// The history of one room.
pub(crate) struct Ring {
    pub(super) epoch: u64,
    /// The number of the newest message, whether it is kept or not.
    pub(super) last: u64,
    pub(super) entries: VecDeque<Kept>,
    /// The memory of the entries.
    pub(super) bytes: usize,
    /// When it was used last.
    pub(super) used: Instant,
    /// It was used since the round came by.
    pub(super) is_recent: bool,
    /// The number after which the journal has all entries, if the room is in it.
    pub(super) floor: Option<u64>,
    /// The last position of the epoch before, if no message is missing between that and this epoch's first.
    #[cfg(feature = "redis")]
    pub(super) before: Option<Position>,
    /// Followers that have received all messages.
    pub(crate) followers: Vec<Follower>,
}

/// A follower that waits for the next message.
pub(crate) struct Follower {
    /// The position of the last message that it has received.
    pub(crate) after: Position,
    pub(crate) answer: Answer<Piece>,
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

impl Ring {
    pub(super) fn new(newest: Position, floor: Option<u64>, now: Instant) -> Ring {
        Ring {
            epoch: newest.epoch,
            last: newest.number,
            entries: VecDeque::new(),
            bytes: 0,
            used: now,
            is_recent: true,
            floor,
            #[cfg(feature = "redis")]
            before: None,
            followers: Vec::new(),
        }
    }

    /// Begins anew behind a position, without messages.
    pub(super) fn reset(&mut self, epoch: u64, last: u64) {
        self.entries = VecDeque::new();
        (self.bytes, self.epoch, self.last) = (0, epoch, last);
        self.floor = Some(last);
        #[cfg(feature = "redis")]
        self.forget_epoch();
    }

    /// Keeps the message with the newest position.
    pub(super) fn keep(
        &mut self,
        message: &Message,
        except: &[ClientId],
        bounds: &Bounds,
        now: Instant,
    ) {
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

    pub(super) fn has(&self, position: Position) -> bool {
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
            #[cfg(feature = "redis")]
            Since::Position(position) if self.before == Some(position) => self.start(self.begin()),
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

    pub(super) fn entries(&self, places: std::ops::Range<usize>) -> Vec<Entry> {
        let first = self.oldest() + 1 + places.start as u64;
        let kept = (first..).zip(self.entries.range(places));
        kept.map(|(number, kept)| Entry {
            position: self.position(number),
            message: kept.message.clone(),
        })
        .collect()
    }

    /// Drops messages until all bounds hold.
    pub(super) fn trim(&mut self, bounds: &Bounds, now: Instant) {
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

    pub(super) fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.weight();
        }
    }

    pub(super) fn is_unused(&self, room: &Arc<str>, rooms: &Rooms) -> bool {
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
