//! The shared rooms that this server uses: their entries come from the engine, in the order of the rooms' logs.
//!
//! A room is attached when it is used first: the hub then learns its newest entries, and receives all later ones.
//! Requests for the room wait until then. It stays attached as long as it has members, or its messages are in
//! memory.

use std::sync::Arc;

use crate::protocol::Message;
use crate::server::history::position::Position;
use crate::server::journal::{Newest, Order};

use super::Hub;
use super::batch::{Batch, Target};
use super::history::{Ask, Memory};
use super::rooms::{Rooms, Tables};

/// The shared rooms that are attached, or are to be.
#[derive(Default)]
pub(super) struct Attachments {
    rooms: Tables<Attachment>,
}

enum Attachment {
    /// Requests that wait for the room.
    Waiting(Vec<Ask>),
    Attached,
}

impl Memory {
    /// Returns whether the room is shared with other servers.
    pub(super) fn is_shared(&self, room: &str) -> bool {
        let desk = self.desk.as_ref();
        desk.is_some_and(|desk| desk.is_shared() && desk.covers(room))
    }

    /// Lets the engine attach a room, if it is shared; returns the requests that wait for it.
    fn attach(&mut self, room: &Arc<str>) -> Option<&mut Vec<Ask>> {
        if !self.is_shared(room) {
            return None;
        }
        let table = self.attachments.rooms.of(room);
        if !table.contains_key(room) {
            if let Some(desk) = &self.desk {
                desk.order(Order::Attach(Arc::clone(room)));
            }
            table.insert(Arc::clone(room), Attachment::Waiting(Vec::new()));
        }
        match table.get_mut(room) {
            Some(Attachment::Waiting(waiting)) => Some(waiting),
            _ => None,
        }
    }

    /// Notes that a client has left a room whose ring is gone: a new ring ends the attachment in time.
    pub(super) fn has_left(&mut self, room: &Arc<str>) {
        if self.attachments.rooms.get(room).is_some() {
            self.rings.open(room);
        }
    }

    /// Detaches the rooms whose rings were removed, unless they have members.
    pub(super) fn detach(&mut self, rooms: &Rooms) {
        for room in std::mem::take(&mut self.rings.dropped) {
            let is_used = rooms.get(&room).is_some() || self.rings.get(&room).is_some();
            if is_used {
                continue;
            }
            self.rings.detach(&room);
            if let (Some(_), Some(desk)) = (self.attachments.rooms.remove(&room), &self.desk) {
                desk.order(Order::Detach(room));
            }
        }
    }
}

impl Ask {
    /// Returns the room that must be attached before the request is executed.
    fn needs(&self) -> Option<&Arc<str>> {
        match self {
            Ask::Attach(room, _) | Ask::Page(room, ..) => Some(room),
            Ask::Resume { room, .. } | Ask::Follow { room, .. } => Some(room),
            _ => None,
        }
    }

    fn is_awaited(&self) -> bool {
        match self {
            Ask::Attach(_, answer) => answer.is_awaited(),
            Ask::Page(_, _, _, answer) => answer.is_awaited(),
            Ask::Resume { answer, .. } => answer.is_awaited(),
            Ask::Follow { answer, .. } => answer.is_awaited(),
            _ => true,
        }
    }
}

impl Hub {
    /// Attaches a room that a client joins.
    pub(super) fn attach(&mut self, room: &Arc<str>) {
        if let Some(memory) = &mut self.memory {
            memory.attach(room);
        }
    }

    /// Returns the request, unless it waits until its room is attached.
    pub(super) fn or_wait(&mut self, ask: Ask) -> Option<Ask> {
        let memory = self.memory.as_mut();
        let Some((memory, room)) = memory.zip(ask.needs()) else {
            return Some(ask);
        };
        let Some(waiting) = memory.attach(room) else {
            return Some(ask);
        };
        // While Redis is down, threads give up, and ask again.
        let mut given_up = 0;
        if waiting.len().is_power_of_two() {
            waiting.retain(|ask| {
                given_up += if ask.is_awaited() { 0 } else { ask.weight() };
                ask.is_awaited()
            });
        }
        waiting.push(ask);
        if given_up > 0 {
            self.admission.give_back(given_up);
        }
        None
    }

    /// Notes that entries of a room are missing up to a position, and sends the members the message about that.
    pub(super) fn missing(
        &mut self,
        room: Arc<str>,
        after: Position,
        notice: Option<Message>,
        batch: &mut Batch,
    ) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        memory.rings.restart(&room, after);
        let (room, except) = (Some(room), Vec::new());
        if let Some(notice) = notice {
            self.send_unweighed(Target { room, except }, notice, batch);
        }
    }

    /// Notes that a room is attached, and executes the requests that waited for that.
    pub(super) fn attached(&mut self, room: &Arc<str>, newest: Newest, batch: &mut Batch) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        let table = memory.attachments.rooms.of(room);
        let Some(attachment) = table.get_mut(room) else {
            return;
        };
        let before = std::mem::replace(attachment, Attachment::Attached);
        if memory.rings.attach(room, newest) {
            memory.is_followed(room);
        }
        if let Attachment::Waiting(waiting) = before {
            for ask in waiting {
                self.ask(ask, batch);
            }
        }
    }
}
