//! The members of rooms in the hub: what changes them, and the entries about them.

use std::sync::Arc;
use std::time::Duration;

use crate::net::answer::Answer;
use crate::net::client_id::ClientId;
use crate::server::history::member::Member;
use crate::server::history::position::Position;
use crate::server::history::publication::PublishError;

use super::Hub;
use super::batch::{Batch, Target};
use super::history::Effect;
use super::presence::{About, Change, Entrant, Notice, Unentered};

/// The most members that leave in one batch.
pub(super) const ENDS: usize = 1024;

/// The position of an entry that has none.
const NOWHERE: Position = Position {
    epoch: 0,
    number: 0,
};

/// The most entries about members that are on their way to the journal, before further members are refused.
const MOST_HANDED: u64 = 4096;

impl Hub {
    /// Enters a connection of a member into a room: its entry is in the history when the answer comes. The answer
    /// is the limit of the memory, if the member exceeds it.
    pub(super) fn enter_member(
        &mut self,
        client: ClientId,
        name: &Arc<str>,
        member: Member,
        answer: Answer<Result<(), Unentered>>,
        batch: &mut Batch,
    ) {
        if self.shutting_down || self.everybody.get(client).is_none() {
            answer.send(Err(Unentered::Gone));
            return;
        }
        let Some(memory) = &mut self.memory else {
            return;
        };
        let presence = &memory.presence;
        if memory.is_journaled(name) && presence.handed - presence.settled >= MOST_HANDED {
            answer.send(Err(Unentered::Entry(PublishError::Unavailable)));
            return;
        }
        if let Some(notice) = memory.presence.depart(name, member.key) {
            self.record(notice, None, batch);
        }
        self.make_room(name, &member, batch);
        let Some(memory) = &mut self.memory else {
            return;
        };
        let entered = memory.presence.enter(name, client, member);
        match entered {
            Ok(Some(notice)) => self.record(notice, Some(Entrant { client, answer }), batch),
            Ok(None) => drop(answer.send(Ok(()))),
            Err(limit) => drop(answer.send(Err(Unentered::Memory(limit)))),
        }
    }

    /// Removes the members that have left, and then ends the grace periods of members that are away, if a member
    /// that comes would exceed the memory.
    fn make_room(&mut self, name: &Arc<str>, member: &Member, batch: &mut Batch) {
        while let Some(memory) = &mut self.memory {
            let presence = &mut memory.presence;
            let more = presence.growth(name, member);
            if presence.bytes.saturating_add(more) <= presence.limit {
                return;
            }
            match presence.end_next(None).or_else(|| presence.end_oldest()) {
                Some(Some(notice)) => self.record(notice, None, batch),
                Some(None) => {}
                None => return,
            }
        }
    }

    /// Ends a connection's presence in a room: after the grace period, or at the end of the batch.
    pub(super) fn leave_member(&mut self, room: &Arc<str>, client: ClientId, at_once: bool) {
        // A server that shuts down reports no leaves: all clients leave.
        if self.shutting_down {
            return;
        }
        let memory = self.memory.as_mut();
        if let Some(memory) = memory.filter(|memory| memory.presence.members > 0) {
            let clock = &self.watchdog.clock;
            memory.presence.leave(room, client, at_once, || clock.now());
        }
    }

    /// Returns how long the hub may sleep; `None` if no member leaves.
    pub(super) fn next_leave(&self) -> Option<Duration> {
        // A server that shuts down ends no grace periods.
        if self.shutting_down {
            return None;
        }
        let clock = &self.watchdog.clock;
        let leave = self.memory.as_ref()?.presence.sleep(|| clock.now())?;
        Some(clock.slice(leave))
    }

    /// Removes the members that have left.
    pub(super) fn end_members(&mut self, batch: &mut Batch) {
        let Some(memory) = &self.memory else {
            return;
        };
        let presence = &memory.presence;
        let has_graces = !presence.graces.is_empty() || !presence.retries.is_empty();
        let has_graces = has_graces && !self.shutting_down;
        if !has_graces && memory.presence.departures.is_empty() {
            return;
        }
        let now = has_graces.then(|| self.watchdog.clock.now());
        for _ in 0..ENDS {
            let Some(memory) = &mut self.memory else {
                return;
            };
            let retry = now.and_then(|now| memory.presence.next_retry(now));
            match retry.or_else(|| memory.presence.end_next(now)) {
                Some(Some(notice)) => self.record(notice, None, batch),
                Some(None) => {}
                None => return,
            }
        }
    }

    /// Appends an entry about a member to the room's history, changes the list in the same moment, and sends the
    /// entry to the room's members. All entries about members go this way.
    fn record(&mut self, notice: Notice, entrant: Option<Entrant>, batch: &mut Batch) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        let Some(mut notice) = memory.presence.park(notice) else {
            return;
        };
        let is_journaled = memory.is_journaled(&notice.room);
        let publication = match is_journaled {
            // If it is refused, it is tried again.
            true => notice.publication.clone(),
            false => notice.publication.take(),
        };
        let joining = match notice.change {
            Change::Insert(_) if is_journaled => Some((Arc::clone(&notice.room), notice.key)),
            _ => None,
        };
        let (room, except) = (Some(Arc::clone(&notice.room)), Vec::new());
        let target = Target { room, except };
        let effect = Effect::Member(Box::new(About { notice, entrant }));
        match publication {
            Some(publication) => self.append(target, publication, effect, batch),
            // The list changes in the order of the entries.
            None if is_journaled => self.hand_over(target, None, effect),
            None => self.added(effect, NOWHERE),
        }
        if let (Some((room, key)), Some(memory)) = (joining, &mut self.memory) {
            memory.presence.is_joining(&room, key);
        }
    }

    /// Executes the leaves of members whose joins came back from the journal.
    pub(super) fn end_parked(&mut self, batch: &mut Batch) {
        let unpark = |hub: &mut Hub| hub.memory.as_mut()?.presence.unpark();
        while let Some(leave) = unpark(self) {
            if let Some(notice) = leave {
                self.record(notice, None, batch);
            }
        }
    }

    /// Changes the list, since the entry about a member is in the room's history.
    pub(super) fn member_added(&mut self, about: About) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        memory.presence.apply(about.notice);
        if let Some(entrant) = about.entrant {
            entrant.answer.send(Ok(()));
        }
    }

    /// The journal has refused the entry about a member. A connection that enters is refused as well. A leave is
    /// tried again.
    pub(super) fn member_refused(&mut self, about: About, error: PublishError) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        let (notice, presence) = (about.notice, &mut memory.presence);
        let now = self.watchdog.clock.now();
        match notice.change {
            Change::Insert(_) => {
                presence.is_refused(&notice.room, notice.key);
                // A thread that no longer waits has ended the presence itself, and the client may have entered again.
                if let Some(Entrant { client, answer }) = about.entrant {
                    let refused = Err(Unentered::Entry(error));
                    if answer.send(refused) {
                        presence.leave(&notice.room, client, true, || now);
                    }
                }
            }
            Change::Remove(_) => presence.retry(notice, now),
        }
    }
}

#[cfg(test)]
mod tests;
