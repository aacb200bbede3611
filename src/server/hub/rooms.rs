//! The members of each room: the hub's own tables. No single change takes long, even with very many
//! rooms.
//!
//! A table that grows or shrinks moves all its entries. So the rooms are in many small tables, and
//! each moves alone; all of them shrink when they have become nearly empty. A long list of the rooms
//! is returned in pieces, and the thread that asked for it sorts it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::net::client_id::ClientId;
use crate::net::link::Link;

/// The number of tables: with a million rooms, each table has four thousand.
const TABLES: usize = 256;

/// Up to this many members are searched one by one; more members have a table.
const FEW: usize = 8;

/// The most names in a piece of the list, beside the rest of the last table in it.
const PIECE: usize = 1024;

/// A table with no more capacity than this is not worth shrinking.
const SMALL: usize = 64;

/// All rooms that have members.
#[derive(Default)]
pub(crate) struct Rooms {
    tables: Tables<Members>,
}

/// A value for each room that has one.
pub(crate) struct Tables<V> {
    tables: Vec<HashMap<Arc<str>, V>>,
    hasher: RandomState,
}

/// Names of rooms, in no order.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) names: Vec<Arc<str>>,
    /// The table with the next names, if there are more.
    pub(crate) next: Option<usize>,
}

/// A list of clients, with a way to find each of them.
#[derive(Default)]
pub(crate) struct Members {
    links: Vec<Arc<Link>>,
    /// The place of each in the list, if there are many.
    // In a box, since most rooms have none.
    #[allow(clippy::box_collection)]
    places: Option<Box<HashMap<ClientId, usize>>>,
}

impl<V> Default for Tables<V> {
    fn default() -> Tables<V> {
        Tables {
            tables: (0..TABLES).map(|_| HashMap::new()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl<V> Tables<V> {
    pub(crate) fn get(&self, room: &str) -> Option<&V> {
        self.tables[self.table(room)].get(room)
    }

    /// Returns the table in which the room is, or would be.
    pub(crate) fn of(&mut self, room: &str) -> &mut HashMap<Arc<str>, V> {
        let place = self.table(room);
        &mut self.tables[place]
    }

    /// Removes the value of a room.
    pub(crate) fn remove(&mut self, room: &str) -> Option<V> {
        let table = self.of(room);
        let removed = table.remove(room);
        shrink(table);
        removed
    }

    fn table(&self, room: &str) -> usize {
        // No remainder is as large as this.
        usize::try_from(self.hasher.hash_one(room) % TABLES as u64).unwrap_or(0)
    }
}

impl Rooms {
    /// Returns the members of a room.
    pub(crate) fn members(&self, room: &Arc<str>) -> &[Arc<Link>] {
        self.get(room).map_or(&[], Members::links)
    }

    pub(crate) fn get(&self, room: &Arc<str>) -> Option<&Members> {
        self.tables.get(room)
    }

    /// Adds a client to a room; returns whether it was not in the room already.
    pub(crate) fn enter(&mut self, room: Arc<str>, link: Arc<Link>) -> bool {
        self.tables.of(&room).entry(room).or_default().insert(link)
    }

    /// Removes a client from a room; returns whether it was a member. A room without members is removed.
    pub(crate) fn leave(&mut self, name: &Arc<str>, id: ClientId) -> bool {
        let Some(members) = self.tables.of(name).get_mut(name) else {
            return false;
        };
        let was_in = members.remove(id);
        if members.links.is_empty() {
            self.tables.remove(name);
        }
        was_in
    }

    /// Returns the names of some rooms, from one of the tables on.
    pub(crate) fn names(&self, from: usize) -> Names {
        let mut names = Vec::new();
        for (place, table) in self.tables.tables.iter().enumerate().skip(from) {
            if names.len() >= PIECE {
                let next = Some(place);
                return Names { names, next };
            }
            names.extend(table.keys().cloned());
        }
        Names { names, next: None }
    }

    /// Returns the number of rooms.
    pub(crate) fn len(&self) -> usize {
        self.tables.tables.iter().map(HashMap::len).sum()
    }

    /// Returns all rooms with the number of their members, in no order.
    pub(crate) fn counts(&self) -> Vec<(Arc<str>, usize)> {
        let tables = &self.tables.tables;
        let mut counts = Vec::with_capacity(self.len());
        for table in tables {
            let rooms = table.iter();
            counts.extend(rooms.map(|(name, members)| (Arc::clone(name), members.links.len())));
        }
        counts
    }
}

impl Members {
    pub(crate) fn links(&self) -> &[Arc<Link>] {
        &self.links
    }

    /// Adds a client; returns whether it was not there already.
    pub(crate) fn insert(&mut self, link: Arc<Link>) -> bool {
        if self.place(link.id).is_some() {
            return false;
        }
        let place = self.links.len();
        if let Some(places) = &mut self.places {
            places.insert(link.id, place);
        }
        self.links.push(link);
        if self.places.is_none() && self.links.len() > FEW {
            let links = self.links.iter().enumerate();
            let places = links.map(|(place, link)| (link.id, place)).collect();
            self.places = Some(Box::new(places));
        }
        true
    }

    /// Removes a client; returns whether it was there.
    pub(crate) fn remove(&mut self, id: ClientId) -> bool {
        let Some(place) = self.place(id) else {
            return false;
        };
        self.links.swap_remove(place);
        if self.links.capacity() > SMALL && self.links.len() < self.links.capacity() / 4 {
            self.links.shrink_to(2 * self.links.len());
        }
        let Some(places) = &mut self.places else {
            return true;
        };
        places.remove(&id);
        if let Some(moved) = self.links.get(place) {
            places.insert(moved.id, place);
        }
        shrink(places);
        if self.links.len() < FEW / 2 {
            self.places = None;
        }
        true
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<Arc<Link>> {
        self.place(id).map(|place| Arc::clone(&self.links[place]))
    }

    /// Returns the numbers of all members, in no order.
    pub(crate) fn ids(&self) -> Vec<ClientId> {
        match &self.places {
            Some(places) => places.keys().copied().collect(),
            None => self.links.iter().map(|link| link.id).collect(),
        }
    }

    fn place(&self, id: ClientId) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&id).copied(),
            None => self.links.iter().position(|link| link.id == id),
        }
    }
}

/// Gives memory back if three quarters of it are empty.
pub(super) fn shrink<K: Eq + std::hash::Hash, V>(table: &mut HashMap<K, V>) {
    if table.capacity() > SMALL && table.len() < table.capacity() / 4 {
        table.shrink_to(2 * table.len());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{FEW, Members, PIECE, Rooms, SMALL, TABLES};
    use crate::net::client_id::ClientId;
    use crate::net::link::Link;
    use crate::net::peer::Peer;
    use crate::net::send_queue::SendQueue;
    use crate::net::send_queue::total::TotalQueued;
    use crate::net::socket::Socket;
    use crate::net::system::local_pair;
    use crate::protocol::Role;
    use std::sync::Arc;

    /// Links of clients with the numbers from 0 on, which share one socket.
    pub(in crate::server::hub) fn links(count: u64) -> std::io::Result<Vec<Arc<Link>>> {
        let (stream, _) = local_pair()?;
        let socket = Arc::new(Socket::new(stream));
        let link = |id| {
            let (id, socket) = (ClientId(id), Arc::clone(&socket));
            let watcher = TotalQueued::new(0);
            let send_queue = SendQueue::new(id, socket, 0, watcher);
            Arc::new(Link::new(
                id,
                Role::Server,
                Peer::Local,
                send_queue,
                Arc::default(),
            ))
        };
        Ok((0..count).map(link).collect())
    }

    fn name(number: usize) -> Arc<str> {
        format!("room {number}").into()
    }

    /// Returns all names, in order, and the number of pieces.
    fn names(rooms: &Rooms) -> (Vec<String>, usize) {
        let (mut all, mut next, mut pieces) = (Vec::new(), Some(0), 0);
        while let Some(from) = next {
            let piece = rooms.names(from);
            all.extend(piece.names.iter().map(|name| name.to_string()));
            (next, pieces) = (piece.next, pieces + 1);
        }
        all.sort();
        (all, pieces)
    }

    #[test]
    fn members_are_found_in_small_and_large_lists() -> std::io::Result<()> {
        let links = links(100)?;
        let mut members = Members::default();
        for link in &links {
            assert!(members.insert(Arc::clone(link)));
            assert!(!members.insert(Arc::clone(link)), "twice is once");
        }
        for gone in 0..100 {
            let mut ids = members.ids();
            ids.sort_unstable();
            assert_eq!(ids, (gone..100).map(ClientId).collect::<Vec<_>>());
            for id in 0..100 {
                let found = members.get(ClientId(id)).map(|link| link.id);
                assert_eq!(found, (id >= gone).then_some(ClientId(id)));
            }
            assert_eq!(members.places.is_some(), 100 - gone > (FEW / 2 - 1) as u64);
            assert!(members.remove(ClientId(gone)));
            assert!(!members.remove(ClientId(gone)));
        }
        assert!(members.links.capacity() <= SMALL);
        Ok(())
    }

    #[test]
    fn a_room_begins_with_its_first_member_and_ends_with_its_last() -> std::io::Result<()> {
        let links = links(2)?;
        let mut rooms = Rooms::default();
        for number in 0..1000 {
            assert!(rooms.enter(name(number), Arc::clone(&links[0])));
            assert!(rooms.enter(name(number), Arc::clone(&links[1])));
            assert!(!rooms.enter(name(number), Arc::clone(&links[1])));
        }
        // From both ends.
        let mut left: Vec<usize> = (0..1000).collect();
        while let Some(number) = left.pop() {
            assert!(rooms.leave(&name(number), ClientId(0)));
            assert_eq!(rooms.members(&name(number)).len(), 1);
            assert!(rooms.leave(&name(number), ClientId(1)));
            assert!(!rooms.leave(&name(number), ClientId(1)));
            assert_eq!(rooms.members(&name(number)).len(), 0);
            left.reverse();
            if left.len().is_multiple_of(100) {
                let mut expected: Vec<String> = left
                    .iter()
                    .map(|number| name(*number).to_string())
                    .collect();
                expected.sort();
                assert_eq!(names(&rooms), (expected, 1));
            }
        }
        Ok(())
    }

    #[test]
    fn no_table_is_large_and_all_give_back_what_they_do_not_need() -> std::io::Result<()> {
        const MANY: usize = 100_000;
        let links = links(1)?;
        let mut rooms = Rooms::default();
        for number in 0..MANY {
            rooms.enter(name(number), Arc::clone(&links[0]));
        }
        let largest = rooms.tables.tables.iter().map(|table| table.len()).max();
        assert!(largest < Some(4 * MANY / TABLES), "{largest:?}");
        let (all, pieces) = names(&rooms);
        assert_eq!(all.len(), MANY);
        assert!(pieces > MANY / (PIECE + 4 * MANY / TABLES), "{pieces}");
        for number in 0..MANY {
            rooms.leave(&name(number), ClientId(0));
        }
        let left: usize = rooms
            .tables
            .tables
            .iter()
            .map(|table| table.capacity())
            .sum();
        assert!(left <= TABLES * SMALL, "{left}");
        assert_eq!(names(&rooms), (Vec::new(), 1));
        Ok(())
    }
}
