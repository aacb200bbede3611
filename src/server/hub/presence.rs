//! The members of rooms, and their connections: the hub's part of presence.
//!
//! Two things are kept apart. The *state* of a member, with its connections and its grace period, changes with the
//! commands. The *list* of a room's announced members changes only together with an entry of the room's history,
//! by [`Hub::record`](super::Hub): so the list is true at the position of that entry.
//!
//! A member whose last connection has ended stays for the grace period. A member that has to leave at once departs at
//! the end of the batch, so that the entries of many are sent together. No batch ends more than [`ENDS`] of them:
//! the rest waits for the next one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::net::answer::Answer;
use crate::net::client_id::ClientId;
use crate::net::sync::Instant;
use crate::server::history::Bounds;
use crate::server::history::member::{Listed, Member, MemberId, MemberKey, Present};
use crate::server::history::publication::{Publication, PublishError};

use super::members::ENDS;
use super::rooms::{Tables, shrink};

/// The members of all rooms.
pub(crate) struct Presence {
    grace: Duration,
    most_announced: usize,
    /// The limit of `bytes`.
    pub(super) limit: usize,
    rooms: Tables<Room>,
    /// Members without a connection, by the number of their leave. The grace period of all is the same: so the
    /// first one ends first.
    pub(super) graces: BTreeMap<u64, Leave>,
    /// Members that leave at the end of the batch, or of a later one.
    pub(super) departures: VecDeque<Leave>,
    /// The number of the newest leave.
    last: u64,
    /// The memory of all members.
    pub(super) bytes: usize,
    pub(super) members: usize,
    /// Leaves that the journal has refused: the members are still in the list.
    refused: HashMap<(Arc<str>, MemberId), Notice>,
    /// When each of them is tried again.
    pub(super) retries: VecDeque<(Instant, (Arc<str>, MemberId))>,
    /// The number of entries that were handed to the journal, and of those that came back.
    pub(super) handed: u64,
    pub(super) settled: u64,
    /// Leaves of members whose join is on its way to the journal.
    parked: VecDeque<Notice>,
    /// The number of leaves that were ever parked, and of those that are no longer.
    parks: u64,
    unparked: u64,
}

/// An entry about a member, which is due.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(super) room: Arc<str>,
    pub(super) key: MemberKey,
    /// `None` if the member has none: only the list changes.
    pub(super) publication: Option<Publication>,
    pub(super) change: Change,
    /// It waits until so many entries came back from the journal: the member's join is the last of them.
    pub(super) after: u64,
}

/// The change of a room's list of members in the moment in which the entry about it is in the room's history.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// The member is new, or its metadata is.
    Insert(Present),
    Remove(MemberId),
}

/// The effect of an entry about a member: the list changes, and the connection that has entered is answered.
#[derive(Debug)]
pub(crate) struct About {
    pub(super) notice: Notice,
    pub(super) entrant: Option<Entrant>,
}

/// A connection that waits for the entry about its member.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) client: ClientId,
    pub(super) answer: Answer<Result<(), Unentered>>,
}

/// The reason why a connection of a member did not enter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unentered {
    /// The limit of the memory of all members.
    Memory(usize),
    /// The entry was not stored.
    Entry(PublishError),
    /// The client has left, or the server shuts down.
    Gone,
}

/// A request for the members of a room. It is answered when the departures up to this one are executed, and the
/// journal has answered for their entries.
pub(super) struct Call {
    pub(super) room: Arc<str>,
    pub(super) answer: Answer<super::history::Called>,
    after: u64,
    /// The number of parked leaves that it waits for, once the departures are executed.
    parks: Option<u64>,
    /// The number of the last entry that it waits for, once these leaves are executed.
    until: Option<u64>,
}

/// The end of a leave, for a member that may come back before.
pub(super) struct Leave {
    number: u64,
    /// `None` if it never comes.
    deadline: Option<Instant>,
    room: Arc<str>,
    key: MemberKey,
}

#[derive(Default)]
struct Room {
    members: HashMap<MemberKey, State>,
    connections: HashMap<ClientId, MemberKey>,
    /// The announced members at the newest position of the room's history.
    list: HashMap<MemberId, Arc<str>>,
    /// The number of members that are announced; the list can be behind.
    announced: usize,
}

struct State {
    id: MemberId,
    meta: Arc<str>,
    left: Option<Publication>,
    connections: usize,
    is_announced: bool,
    /// The number of its leave, while it has no connection.
    leaving: Option<u64>,
    /// The number of its newest entry that was handed to the journal.
    joining: u64,
}

/// The memory of a member beside its metadata and its stored entry: its places in tables that are half full, its
/// allocations, and its leave.
const MEMBER: usize = 2 * size_of::<(MemberKey, State)>()
    + 2 * size_of::<(MemberId, Arc<str>)>()
    + 2 * size_of::<Leave>()
    + 64;

/// The memory of a connection of a member.
const CONNECTION: usize = 2 * size_of::<(ClientId, MemberKey)>();

/// The memory of a room with members beside two times its name.
const ROOM: usize = 2 * size_of::<(Arc<str>, Room)>() + 64;

/// The time after which an entry about a member that has left is tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Presence {
    pub(super) fn new(bounds: &Bounds) -> Presence {
        Presence {
            grace: bounds.grace,
            most_announced: bounds.announced,
            limit: bounds.member_bytes,
            rooms: Tables::default(),
            graces: BTreeMap::new(),
            departures: VecDeque::new(),
            last: 0,
            bytes: 0,
            members: 0,
            refused: HashMap::new(),
            retries: VecDeque::new(),
            handed: 0,
            settled: 0,
            parked: VecDeque::new(),
            parks: 0,
            unparked: 0,
        }
    }

    /// Returns the number of members of all rooms.
    pub(super) fn members(&self) -> usize {
        self.members
    }

    /// Returns how long the hub may sleep; `None` if no member leaves.
    pub(super) fn sleep(&self, now: impl FnOnce() -> Instant) -> Option<Duration> {
        if !self.departures.is_empty() {
            return Some(Duration::ZERO);
        }
        let first = self.graces.first_key_value();
        let grace = first.and_then(|(_, first)| first.deadline);
        let retry = self.retries.front().map(|(at, _)| *at);
        let next = [grace, retry].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now()))
    }

    /// Returns whether a room has members.
    pub(super) fn has(&self, room: &str) -> bool {
        self.rooms.get(room).is_some()
    }

    /// Returns the list of a room.
    pub(super) fn list(&self, room: &str) -> Listed {
        let Some(room) = self.rooms.get(room) else {
            let (members, unannounced) = (Arc::default(), 0);
            return Listed {
                members,
                unannounced,
            };
        };
        let list = room.list.iter().map(|(id, meta)| Present {
            id: *id,
            meta: Arc::clone(meta),
        });
        Listed {
            members: list.collect(),
            unannounced: room.members.len() - room.announced,
        }
    }

    /// Returns a request that is answered after all departures up to now.
    pub(super) fn call(&self, room: Arc<str>, answer: Answer<super::history::Called>) -> Call {
        let after = self.last;
        Call {
            room,
            answer,
            after,
            parks: None,
            until: None,
        }
    }

    /// Returns whether a request can be answered.
    pub(super) fn is_due(&self, call: &mut Call, is_journaled: bool) -> bool {
        let next = self.departures.front();
        if next.is_some_and(|leave| leave.number <= call.after) {
            return false;
        }
        if !is_journaled {
            return true;
        }
        if self.unparked < *call.parks.get_or_insert(self.parks) {
            return false;
        }
        self.settled >= *call.until.get_or_insert(self.handed)
    }

    /// Counts an entry that is handed to the journal.
    pub(super) fn hand_over(&mut self) {
        self.handed += 1;
    }

    /// Notes that the newest entry that was handed to the journal is about this member, which is here.
    pub(super) fn is_joining(&mut self, name: &Arc<str>, key: MemberKey) {
        let room = self.rooms.of(name).get_mut(name);
        if let Some(state) = room.and_then(|room| room.members.get_mut(&key)) {
            state.joining = self.handed;
        }
    }

    /// Keeps a leave until the journal has stored or refused the join before it: there is no leave without a
    /// join. Returns the notice if it need not wait.
    pub(super) fn park(&mut self, notice: Notice) -> Option<Notice> {
        if notice.after <= self.settled {
            return Some(notice);
        }
        self.parked.push_back(notice);
        self.parks += 1;
        None
    }

    /// Returns the next leave that need not wait any more, if the member is in the list without being here.
    pub(super) fn unpark(&mut self) -> Option<Option<Notice>> {
        let settled = self.settled;
        self.parked
            .front()
            .filter(|notice| notice.after <= settled)?;
        let notice = self.parked.pop_front()?;
        self.unparked += 1;
        Some(self.is_gone(&notice).then_some(notice))
    }

    /// Counts an entry that came back from the journal, stored or refused.
    pub(super) fn settle(&mut self) {
        self.settled += 1;
    }

    /// Ends the departure of a member that comes back after a leave at once, before the departure was
    /// executed.
    pub(super) fn depart(&mut self, name: &Arc<str>, key: MemberKey) -> Option<Notice> {
        let state = self.rooms.get(name)?.members.get(&key)?;
        let number = state.leaving?;
        if self.graces.contains_key(&number) {
            return None;
        }
        self.remove(name, key)
    }

    /// Adds a connection of a member to a room; returns the entry about it, if there is one.
    ///
    /// # Errors
    /// The limit of the memory, if the member exceeds it.
    pub(super) fn enter(
        &mut self,
        name: &Arc<str>,
        client: ClientId,
        member: Member,
    ) -> Result<Option<Notice>, usize> {
        let more = self.growth(name, &member);
        if self.bytes.saturating_add(more) > self.limit {
            return Err(self.limit);
        }
        let table = self.rooms.of(name);
        if !table.contains_key(name) {
            self.bytes += ROOM + 2 * name.len();
        }
        let room = table.entry(Arc::clone(name)).or_default();
        room.connections.insert(client, member.key);
        self.bytes += CONNECTION;
        let is_new = !room.members.contains_key(&member.key);
        let is_announced = room.announced < self.most_announced;
        let state = room.members.entry(member.key).or_insert_with(|| State {
            id: member.id,
            meta: Arc::clone(&member.meta),
            left: None,
            connections: 0,
            is_announced,
            leaving: None,
            joining: 0,
        });
        if is_new {
            self.members += 1;
            self.bytes += state.weight();
            room.announced += usize::from(is_announced);
        }
        if let Some(number) = state.leaving.take() {
            self.graces.remove(&number);
        }
        state.connections += 1;
        self.bytes -= state.weight();
        let is_other = is_new || state.meta != member.meta;
        (state.meta, state.left) = (member.meta, member.left);
        self.bytes += state.weight();
        let notice = (is_other && state.is_announced).then(|| Notice {
            room: Arc::clone(name),
            key: member.key,
            publication: member.joined,
            change: Change::Insert(Present {
                id: state.id,
                meta: Arc::clone(&state.meta),
            }),
            after: 0,
        });
        Ok(notice)
    }

    /// Returns the memory that the member takes in addition.
    pub(super) fn growth(&self, name: &str, member: &Member) -> usize {
        let own = weight(&member.meta, member.left.as_ref());
        match self.rooms.get(name) {
            None => ROOM + 2 * name.len() + CONNECTION + own,
            Some(room) => {
                let known = room.members.get(&member.key).map_or(0, State::weight);
                CONNECTION + own.saturating_sub(known)
            }
        }
    }

    /// Removes a connection from a room. If the member has no other there, it leaves: at the end of the batch,
    /// or after the grace period.
    pub(super) fn leave(
        &mut self,
        name: &Arc<str>,
        client: ClientId,
        at_once: bool,
        now: impl FnOnce() -> Instant,
    ) {
        let Some(room) = self.rooms.of(name).get_mut(name) else {
            return;
        };
        let Some(key) = room.connections.remove(&client) else {
            return;
        };
        shrink(&mut room.connections);
        self.bytes -= CONNECTION;
        let Some(state) = room.members.get_mut(&key) else {
            return;
        };
        state.connections -= 1;
        if state.connections > 0 {
            return;
        }
        self.last += 1;
        state.leaving = Some(self.last);
        let mut leave = Leave {
            number: self.last,
            deadline: None,
            room: Arc::clone(name),
            key,
        };
        if at_once || self.grace.is_zero() {
            self.departures.push_back(leave);
        } else {
            leave.deadline = now().checked_add(self.grace);
            self.graces.insert(leave.number, leave);
        }
    }

    /// Ends the next departure, or the next grace period that is over; `None` if there are no more. The entry
    /// is `None` if the member is not announced.
    pub(super) fn end_next(&mut self, now: Option<Instant>) -> Option<Option<Notice>> {
        while let Some(leave) = self.departures.pop_front() {
            // If not, it has come back, and was removed before that.
            if self.is_leaving(&leave) {
                return Some(self.remove(&leave.room, leave.key));
            }
        }
        self.departures.shrink_to(ENDS);
        let (_, first) = self.graces.first_key_value()?;
        match first.deadline {
            Some(deadline) if Some(deadline) <= now => self.end_oldest(),
            _ => None,
        }
    }

    /// Ends the oldest grace period, even before its time.
    pub(super) fn end_oldest(&mut self) -> Option<Option<Notice>> {
        let (_, leave) = self.graces.pop_first()?;
        Some(self.remove(&leave.room, leave.key))
    }

    fn is_leaving(&self, leave: &Leave) -> bool {
        let room = self.rooms.get(&leave.room);
        let state = room.and_then(|room| room.members.get(&leave.key));
        state.is_some_and(|state| state.leaving == Some(leave.number))
    }

    /// Removes a member without connections; returns the entry about it, if it was announced.
    fn remove(&mut self, name: &Arc<str>, key: MemberKey) -> Option<Notice> {
        let room = self.rooms.of(name).get_mut(name)?;
        let state = room.members.remove(&key)?;
        shrink(&mut room.members);
        room.announced -= usize::from(state.is_announced);
        self.bytes -= state.weight();
        self.members -= 1;
        // An entry that is still on its way to the journal may announce it: the leave waits for that.
        let is_joining = state.joining > self.settled;
        let notice = (state.is_announced || is_joining).then(|| Notice {
            room: Arc::clone(name),
            key,
            publication: state.left,
            change: Change::Remove(state.id),
            after: state.joining,
        });
        self.forget_if_empty(name);
        notice
    }

    /// Changes the list of a room, at the moment in which the entry about it is in the room's history.
    pub(super) fn apply(&mut self, notice: Notice) {
        let name = &notice.room;
        let table = self.rooms.of(name);
        if !table.contains_key(name) && matches!(notice.change, Change::Insert(_)) {
            // All its members have left while the journal stored the entry.
            table.insert(Arc::clone(name), Room::default());
            self.bytes += ROOM + 2 * name.len();
        }
        let Some(room) = self.rooms.of(name).get_mut(name) else {
            return;
        };
        match notice.change {
            Change::Insert(Present { id, meta }) => {
                room.list.insert(id, meta);
                // An earlier entry about it may have been refused. If it has left meanwhile, its leave waits for
                // this entry.
                let state = room.members.get_mut(&notice.key);
                if let Some(state) = state.filter(|state| !state.is_announced) {
                    state.is_announced = true;
                    room.announced += 1;
                }
            }
            Change::Remove(id) => {
                room.list.remove(&id);
                shrink(&mut room.list);
                self.forget_if_empty(name);
            }
        }
    }

    /// Notes that the entry about a member that enters was refused. It is no longer announced, unless it is in
    /// the list already.
    pub(super) fn is_refused(&mut self, name: &Arc<str>, key: MemberKey) {
        let room = self.rooms.of(name).get_mut(name);
        let Some((room, state)) = room.and_then(|room| {
            let state = room
                .members
                .get_mut(&key)
                .filter(|state| state.is_announced)?;
            Some(((&room.list, &mut room.announced), state))
        }) else {
            return;
        };
        let (list, announced) = room;
        match list.get(&state.id) {
            Some(meta) => {
                self.bytes -= state.weight();
                state.meta = Arc::clone(meta);
                self.bytes += state.weight();
            }
            None => {
                state.is_announced = false;
                *announced -= 1;
            }
        }
    }

    /// Tries an entry about a member that has left again, after a while. If an earlier leave of the member waits for
    /// that, this one takes its place.
    pub(super) fn retry(&mut self, notice: Notice, now: Instant) {
        let Change::Remove(id) = notice.change else {
            return;
        };
        let leave = (Arc::clone(&notice.room), id);
        if self.refused.insert(leave.clone(), notice).is_none() {
            self.retries.push_back((now + RETRY, leave));
        }
    }

    /// Returns the next entry that is to be tried again, if the member is still in the list without being here.
    pub(super) fn next_retry(&mut self, now: Instant) -> Option<Option<Notice>> {
        self.retries.front().filter(|(at, _)| *at <= now)?;
        let (_, leave) = self.retries.pop_front()?;
        let notice = self.refused.remove(&leave)?;
        Some(self.is_gone(&notice).then_some(notice))
    }

    /// Returns whether the member of a leave is in the list without being here.
    fn is_gone(&self, notice: &Notice) -> bool {
        let Change::Remove(id) = notice.change else {
            return false;
        };
        self.rooms.get(&notice.room).is_some_and(|room| {
            let state = room.members.get(&notice.key);
            room.list.contains_key(&id) && !state.is_some_and(|state| state.is_announced)
        })
    }

    fn forget_if_empty(&mut self, name: &Arc<str>) {
        let room = self.rooms.get(name);
        if room.is_some_and(|room| room.members.is_empty() && room.list.is_empty()) {
            self.rooms.remove(name);
            self.bytes -= ROOM + 2 * name.len();
        }
    }
}

impl State {
    fn weight(&self) -> usize {
        weight(&self.meta, self.left.as_ref())
    }
}

fn weight(meta: &str, left: Option<&Publication>) -> usize {
    MEMBER + meta.len() + left.map_or(0, Publication::len)
}
