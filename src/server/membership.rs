//! Joining rooms, within limits: how many a client may be in, how many all of them together, and how
//! long a room's name may be.
//!
//! A client's own side knows its rooms. So a room too many is refused where the mistake is made, the
//! hub is only told of what changes, and at the end a client leaves its rooms in slices, one after the
//! other: nobody else waits for the hub for long, however many rooms there are.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::net::log::log_limited;
use crate::net::log::quota::Kind;
use crate::net::sync::atomic::AtomicUsize;
use crate::net::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::net::sync::{MutexGuard, PoisonError};

use super::hub::Command;
use super::session::Session;

/// The most bytes of a room's name.
pub(crate) const LONGEST_NAME: usize = 256;

/// How many rooms a client leaves with one post, when it leaves all of them.
const SLICE: usize = 64;

/// Why a client was not let into a room. It stays in those that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The client is in as many rooms as
    /// [`max_rooms_per_client`](crate::ServerBuilder::max_rooms_per_client) allows: this many.
    TooManyRooms(usize),
    /// All clients together are in as many rooms as
    /// [`max_memberships`](crate::ServerBuilder::max_memberships) allows: this many.
    TooManyMemberships(usize),
    /// The room's name is longer than 256 bytes: this long.
    LongName(usize),
}

/// How many memberships there are, a client in a room being one, and how many there may be.
#[derive(Debug)]
pub(crate) struct Memberships {
    count: AtomicUsize,
    most: usize,
}

impl Memberships {
    pub(crate) fn new(most: usize) -> Memberships {
        Memberships {
            count: AtomicUsize::new(0),
            most,
        }
    }

    /// Counts one more, if there may be one.
    fn take(&self) -> bool {
        let more = |count: usize| (count < self.most).then(|| count + 1);
        self.count.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    /// The hub has ended so many.
    pub(crate) fn give_back(&self, count: usize) {
        self.count.fetch_sub(count, SeqCst);
    }
}

impl Session {
    /// Joins a room; being in it already is no error.
    pub(crate) fn join(&self, room: &str) -> Result<(), JoinError> {
        let joined = self.try_join(room);
        if joined.is_err() {
            self.shared.totals.not_joined.fetch_add(1, Relaxed);
        }
        joined
    }

    /// The same, with a line in the log where that fails.
    pub(crate) fn join_or_log(&self, room: &str) {
        if let Err(error) = self.join(room) {
            let (id, peer) = (self.link.id, self.link.peer);
            let watchdog = &self.shared.watchdog;
            log_limited!(
                watchdog,
                Kind::NotJoined,
                "client {id} {peer}: room not joined: {error}"
            );
        }
    }

    fn try_join(&self, room: &str) -> Result<(), JoinError> {
        if room.len() > LONGEST_NAME {
            return Err(JoinError::LongName(room.len()));
        }
        let settings = &self.shared.settings;
        let mut rooms = self.rooms();
        if rooms.contains(room) {
            return Ok(());
        }
        if rooms.len() >= settings.max_rooms_per_client {
            return Err(JoinError::TooManyRooms(settings.max_rooms_per_client));
        }
        if !self.shared.memberships.take() {
            return Err(JoinError::TooManyMemberships(settings.max_memberships));
        }
        let room: Arc<str> = room.into();
        rooms.insert(Arc::clone(&room));
        // Under the lock, which is this client's own: two of its threads that join and leave the same
        // room are heard by the hub in the order in which they have changed the set.
        self.shared.command(Command::Join(self.link.id, room));
        Ok(())
    }

    /// Leaves a room; not being in it is no error.
    pub(crate) fn leave(&self, room: &str) {
        let mut rooms = self.rooms();
        if let Some(room) = rooms.take(room) {
            shrink(&mut rooms);
            self.shared
                .command(Command::Part(self.link.id, vec![room], None));
        }
    }

    /// Leaves the server: nothing reaches the client any more, and it is in no room.
    pub(crate) fn leave_all(&self) {
        let rooms = std::mem::take(&mut *self.rooms());
        self.shared.command(Command::Leave(self.link.id));
        let mut rooms = rooms.into_iter();
        while rooms.len() > 0 {
            let slice = rooms.by_ref().take(SLICE).collect();
            let part = |answer| Command::Part(self.link.id, slice, answer);
            match rooms.len() {
                0 => self.shared.command(part(None)),
                // One after the other, so that the posts of others come in between.
                _ => drop(
                    self.shared
                        .ask_hub(|answer| part(Some(answer)), Duration::MAX),
                ),
            }
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives memory back, where three quarters of it are empty.
fn shrink(rooms: &mut HashSet<Arc<str>>) {
    const SMALL: usize = 64;
    if rooms.capacity() > SMALL && rooms.len() < rooms.capacity() / 4 {
        rooms.shrink_to(2 * rooms.len());
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::TooManyRooms(most) => {
                write!(
                    f,
                    "the client is in {most} rooms already, the limit per client: leave one, or raise max_rooms_per_client"
                )
            }
            JoinError::TooManyMemberships(most) => {
                write!(
                    f,
                    "all clients together are in {most} rooms already, the limit: raise max_memberships"
                )
            }
            JoinError::LongName(len) => {
                write!(
                    f,
                    "the room's name has {len} bytes, and the limit is {LONGEST_NAME}: use a shorter one"
                )
            }
        }
    }
}

impl std::error::Error for JoinError {}
