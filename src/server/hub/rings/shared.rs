//! The rings of shared rooms: other servers write to their logs as well.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::server::history::position::Position;
use crate::server::history::resume::Since;
use crate::server::hub::ring::Ring;
use crate::server::journal::Newest;

use super::Rings;

impl Rings {
    /// Begins a ring with the newest entries of the room's log; returns whether followers wait for one.
    pub(in crate::server::hub) fn attach(&mut self, room: &Arc<str>, newest: Newest) -> bool {
        self.restart(room, newest.after);
        let mut is_followed = false;
        for (entry, except) in &newest.entries {
            is_followed = self.store(room, entry.position, &entry.message, except);
        }
        self.trimmed(room, newest.floor);
        is_followed
    }

    /// Begins a ring anew behind a position, since entries are missing there.
    pub(in crate::server::hub) fn restart(&mut self, room: &Arc<str>, after: Position) {
        let ring = self.open(room);
        let before = ring.bytes;
        ring.reset(after.epoch, after.number);
        self.bytes -= before;
    }

    /// Forgets the newest position of a room that is no longer attached.
    pub(in crate::server::hub) fn detach(&mut self, room: &str) {
        self.tips.remove(room);
    }

    /// Drops the messages that all servers forget: those up to a position, and those of earlier epochs.
    pub(in crate::server::hub) fn forget_shared(&mut self, room: &str, up_to: Position) {
        let Some(ring) = self.tables.of(room).get_mut(room) else {
            return;
        };
        let last = match ring.epoch.cmp(&up_to.epoch) {
            Ordering::Less => ring.last,
            Ordering::Equal => up_to.number.min(ring.last),
            Ordering::Greater => return,
        };
        let before = ring.bytes;
        while ring.oldest() < last {
            ring.drop_oldest();
        }
        ring.floor = ring.floor.max(Some(last));
        self.bytes -= before - ring.bytes;
    }

    pub(super) fn note_dropped(&mut self, room: &Arc<str>) {
        let desk = self.desk.as_ref();
        if desk.is_some_and(|desk| desk.is_shared() && desk.covers(room)) {
            self.dropped.push(Arc::clone(room));
        }
    }
}

impl Ring {
    /// Notes that the present epoch follows this position of the one before, without a gap.
    pub(super) fn follows(&mut self, before: Position) {
        if self.last == 0 && before.epoch < self.epoch {
            self.before = Some(before);
        }
    }

    pub(in crate::server::hub) fn forget_epoch(&mut self) {
        self.before = None;
    }

    /// Returns the position before the first entry of the present epoch.
    pub(in crate::server::hub) fn begin(&self) -> Since {
        Since::Position(self.position(0))
    }
}
