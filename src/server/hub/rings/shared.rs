//! The rings of shared rooms: other servers write to their logs as well.

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
