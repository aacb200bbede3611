//! The shared rooms that this server uses: their entries come from the engine, in the order of the rooms' logs.
//!
//! A room is attached when it is used first: the hub then learns its newest entries, and receives all later ones.
//! Requests for the room wait until then. It stays attached as long as it has members, or its messages are in
//! memory.

use std::collections::HashSet;
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
    /// The rooms that wait: all of them, while Redis is down.
    waiting: HashSet<Arc<str>>,
    /// The number of them at which those that nobody needs are dropped.
    most: usize,
}

/// So many rooms can wait before those that nobody needs are dropped.
const FEW: usize = 1024;

enum Attachment {
    /// Requests that wait for the room.
    Waiting(Vec<Ask>),
    Attached,
}

impl Attachment {
    /// Returns whether a thread waits for the room.
    fn is_awaited(&self) -> bool {
        match self {
            Attachment::Waiting(waiting) => waiting.iter().any(Ask::is_awaited),
            Attachment::Attached => false,
        }
    }
}

impl Attachments {
    /// Adds a room that waits; returns those that no thread waits for, if there are many. Those that have no members
    /// are removed then, and [`have_dropped`](Attachments::have_dropped) is called.
    fn add(&mut self, room: &Arc<str>) -> Vec<Arc<str>> {
        let waiting = Attachment::Waiting(Vec::new());
        self.rooms.of(room).insert(Arc::clone(room), waiting);
        self.waiting.insert(Arc::clone(room));
        if self.waiting.len() <= self.most.max(FEW) {
            return Vec::new();
        }
        let rooms = &self.rooms;
        let is_given_up = |name: &&Arc<str>| {
            let attachment = rooms.get(name);
            *name != room && !attachment.is_some_and(Attachment::is_awaited)
        };
        let given_up: Vec<_> = self.waiting.iter().filter(is_given_up).cloned().collect();
        // Rooms with members stay: so they are looked at again only when there are twice as many.
        self.most = 2 * self.waiting.len();
        given_up
    }

    /// Notes that rooms were removed.
    fn have_dropped(&mut self) {
        self.most = self.most.min(2 * self.waiting.len());
    }

    fn remove(&mut self, room: &str) -> Option<Attachment> {
        self.waiting.remove(room);
        self.rooms.remove(room)
    }
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
        if self.attachments.rooms.get(room).is_none() {
            if let Some(desk) = &self.desk {
                desk.order(Order::Attach(Arc::clone(room)));
            }
            // They have members, perhaps.
            let given_up = self.attachments.add(room);
            self.rings.dropped.extend(given_up);
        }
        match self.attachments.rooms.of(room).get_mut(room) {
            Some(Attachment::Waiting(waiting)) => Some(waiting),
            _ => None,
        }
    }

    /// Notes that a client has left a room whose ring is gone: a new ring ends the attachment in time.
    pub(super) fn has_left(&mut self, room: &Arc<str>) {
        if let Some(Attachment::Attached) = self.attachments.rooms.get(room) {
            self.rings.open(room);
        }
    }

    /// Detaches the rooms whose rings were removed, unless they have members; returns the weight of the requests that
    /// waited for them, and whose threads have given up.
    pub(super) fn detach(&mut self, rooms: &Rooms) -> usize {
        if self.rings.dropped.is_empty() {
            return 0;
        }
        let mut given_up = 0;
        for room in std::mem::take(&mut self.rings.dropped) {
            let attachment = self.attachments.rooms.get(&room);
            let is_awaited = attachment.is_some_and(Attachment::is_awaited);
            if is_awaited || rooms.get(&room).is_some() || self.rings.get(&room).is_some() {
                continue;
            }
            self.rings.detach(&room);
            let attachment = self.attachments.remove(&room);
            if let Some(Attachment::Waiting(waiting)) = &attachment {
                given_up += waiting.iter().map(Ask::weight).sum::<usize>();
            }
            if let (Some(_), Some(desk)) = (attachment, &self.desk) {
                desk.order(Order::Detach(room));
            }
        }
        self.attachments.have_dropped();
        given_up
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
        memory.attachments.waiting.remove(room);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Attachment, Attachments, FEW};
    use crate::net::answer::answer;
    use crate::server::hub::history::Ask;

    #[test]
    fn rooms_that_nobody_waits_for_are_dropped() {
        let mut attachments = Attachments::default();
        let awaited: Arc<str> = "awaited".into();
        assert_eq!(attachments.add(&awaited).len(), 0);
        let (waits, _waiting) = answer();
        let table = attachments.rooms.of(&awaited);
        if let Some(Attachment::Waiting(asks)) = table.get_mut(&awaited) {
            asks.push(Ask::Attach(Arc::clone(&awaited), waits));
        }
        let mut most = 0;
        for number in 0..10 * FEW {
            for room in attachments.add(&number.to_string().into()) {
                assert_ne!(room, awaited);
                assert!(attachments.remove(&room).is_some());
            }
            attachments.have_dropped();
            most = most.max(attachments.waiting.len());
        }
        assert!(attachments.rooms.get(&awaited).is_some());
        assert!((FEW..=FEW + 2).contains(&most), "{most}");
    }

    #[test]
    fn rooms_that_stay_are_seldom_looked_at() {
        let mut attachments = Attachments::default();
        let mut looked_at = 0;
        for number in 0..10 * FEW {
            looked_at += attachments.add(&number.to_string().into()).len();
            attachments.have_dropped();
        }
        assert!((FEW..20 * FEW).contains(&looked_at), "{looked_at}");
    }
}
