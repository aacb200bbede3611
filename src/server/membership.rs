//! Joins rooms, within limits: of the rooms of one client, of the rooms of all clients together, and of
//! the length of a room's name.
//!
//! Each client has the set of its rooms, which its thread and its handles change. So the call that exceeds
//! a limit gets the error, the hub receives only the changes, and at the end a client leaves its rooms in
//! slices, one after the other: no other client waits long for the hub, even with very many rooms.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::net::link::{Link, Stage};
use crate::net::log::log_limited;
use crate::net::log::quota::Kind;
use crate::net::sync::atomic::AtomicUsize;
use crate::net::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::net::sync::{MutexGuard, PoisonError};

#[cfg(feature = "history")]
use super::history::resume::{ResumeError, Step};
use super::hub::Command;
#[cfg(feature = "history")]
use super::hub::history::Replay;
use super::shared::Shared;

/// The most bytes of a room's name.
pub(crate) const LONGEST_NAME: usize = 256;

/// How many rooms a client leaves with one command, when it leaves all of them.
const SLICE: usize = 64;

/// The limit that kept a client from joining a room. The client stays in its other rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The client is in as many rooms as [`max_rooms_per_client`](crate::ServerBuilder::max_rooms_per_client)
    /// allows. The number is that limit.
    TooManyRooms(usize),
    /// All clients together have as many memberships as
    /// [`max_memberships`](crate::ServerBuilder::max_memberships) allows; one client in one room is one
    /// membership. The number is that limit.
    TooManyMemberships(usize),
    /// The room's name is longer than 256 bytes. The number is its length in bytes.
    LongName(usize),
    /// The connection is closed, and the client has left all rooms. Only handles can be this late.
    Closed,
}

/// The number of memberships, and its limit. One client in one room is one membership.
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

    /// Counts one more, if the limit allows it.
    fn take(&self) -> bool {
        let more = |count: usize| (count < self.most).then(|| count + 1);
        self.count.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    #[cfg(feature = "prometheus")]
    pub(super) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Subtracts the memberships that the hub has ended.
    pub(crate) fn give_back(&self, count: usize) {
        self.count.fetch_sub(count, SeqCst);
    }
}

/// Enters an open client into the hub. From now on it can join rooms, also by handles: none that another
/// thread joins reaches the hub before the client does.
pub(super) fn enter(link: &Arc<Link>, shared: &Shared) {
    let mut rooms = lock(link);
    *rooms = Some(HashSet::new());
    // From here on, handles find it.
    link.enter(Stage::Open);
    shared.command(Command::Enter(Arc::clone(link)));
}

/// Joins a room; if a limit does not allow it, logs the reason.
pub(super) fn join(link: &Link, room: &str, shared: &Shared) {
    match try_join(link, room, shared) {
        Ok(()) | Err(JoinError::Closed) => {}
        Err(error) => {
            let (id, peer) = (link.id, link.peer());
            log_limited!(
                shared.watchdog,
                Kind::NotJoined,
                "client {id} {peer}: room not joined: {error}"
            );
        }
    }
}

/// Joins a room; no error if the client is in it already.
pub(super) fn try_join(link: &Link, room: &str, shared: &Shared) -> Result<(), JoinError> {
    let joined = join_within_limits(link, room, shared);
    if joined.is_err_and(|error| error != JoinError::Closed) {
        shared.totals.not_joined.fetch_add(1, Relaxed);
    }
    joined
}

fn join_within_limits(link: &Link, room: &str, shared: &Shared) -> Result<(), JoinError> {
    check_name(room)?;
    let mut rooms = lock(link);
    let rooms = rooms.as_mut().ok_or(JoinError::Closed)?;
    if rooms.contains(room) {
        return Ok(());
    }
    let room: Arc<str> = room.into();
    add(rooms, &room, shared)?;
    // Under this client's own lock: if two threads join and leave the same room, the hub receives
    // their commands in the order in which they have changed the set.
    shared.command(Command::Join(link.id, room));
    Ok(())
}

fn check_name(room: &str) -> Result<(), JoinError> {
    match room.len() {
        ..=LONGEST_NAME => Ok(()),
        long => Err(JoinError::LongName(long)),
    }
}

/// Adds a room to the set of a client, if the limits allow it, and counts one membership more.
fn add(rooms: &mut HashSet<Arc<str>>, room: &Arc<str>, shared: &Shared) -> Result<(), JoinError> {
    check_count(rooms, shared)?;
    if !shared.memberships.take() {
        return Err(JoinError::TooManyMemberships(
            shared.settings.max_memberships,
        ));
    }
    rooms.insert(Arc::clone(room));
    Ok(())
}

/// Checks that a client may be in one room more.
fn check_count(rooms: &HashSet<Arc<str>>, shared: &Shared) -> Result<(), JoinError> {
    match shared.settings.max_rooms_per_client {
        most if rooms.len() >= most => Err(JoinError::TooManyRooms(most)),
        _ => Ok(()),
    }
}

/// Checks, before a client receives the history of a room, that it may join. A refusal is counted.
#[cfg(feature = "history")]
pub(super) fn may_join(link: &Link, room: &str, shared: &Shared) -> Result<(), ResumeError> {
    let check = || {
        check_name(room)?;
        let mut rooms = lock(link);
        let rooms = rooms.as_mut().ok_or(JoinError::Closed)?;
        if rooms.contains(room) {
            return Ok(true);
        }
        check_count(rooms, shared).map(|()| false)
    };
    match check() {
        Ok(false) => Ok(()),
        Ok(true) => Err(ResumeError::Member),
        Err(error) => Err(refused(error, shared)),
    }
}

/// Requests the next messages from the hub, which enters the client into the room unless more of
/// them are left than fit into its send queue.
#[cfg(feature = "history")]
pub(super) fn resume(link: &Link, step: Step<'_>, shared: &Shared) -> Result<Replay, ResumeError> {
    let room = step.room;
    let mut rooms = lock(link);
    let rooms = rooms.as_mut().ok_or(JoinError::Closed)?;
    if rooms.contains(room) {
        return Err(ResumeError::Member);
    }
    add(rooms, room, shared).map_err(|error| refused(error, shared))?;
    // Under this client's own lock until the answer is here: until then no thread knows whether it is a
    // member. The hub answers soon, and never takes this lock.
    let replay = shared.ask_hub(|answer| step.command(link, answer), Duration::MAX);
    if !replay.as_ref().is_some_and(|replay| replay.joined) {
        rooms.remove(room);
    }
    replay.ok_or(ResumeError::Join(JoinError::Closed))
}

#[cfg(feature = "history")]
fn refused(error: JoinError, shared: &Shared) -> ResumeError {
    if error != JoinError::Closed {
        shared.totals.not_joined.fetch_add(1, Relaxed);
    }
    ResumeError::Join(error)
}

/// Leaves a room; no error if the client is not in it.
pub(super) fn leave(link: &Link, room: &str, shared: &Shared) {
    let mut rooms = lock(link);
    if let Some(room) = rooms.as_mut().and_then(|rooms| rooms.take(room)) {
        shared.command(Command::Part(link.id, vec![room], None));
    }
}

/// Leaves the hub and all rooms: no broadcast reaches the client any more.
pub(super) fn leave_all(link: &Link, shared: &Shared) {
    let id = link.id;
    let rooms = lock(link).take();
    shared.command(Command::Leave(id));
    let mut rooms: Vec<Arc<str>> = rooms.unwrap_or_default().into_iter().collect();
    // The order of a set differs from client to client: members leave in the order of the names.
    rooms.sort_unstable();
    let mut rooms = rooms.into_iter();
    while rooms.len() > 0 {
        let slice = rooms.by_ref().take(SLICE).collect();
        let part = |answer| Command::Part(id, slice, answer);
        match rooms.len() {
            0 => shared.command(part(None)),
            // One after the other, so that commands of other clients come in between.
            _ => drop(shared.ask_hub(|answer| part(Some(answer)), Duration::MAX)),
        }
    }
}

/// Locks the rooms of a client. Few programs join on more than one thread; only such threads wait for each
/// other here.
fn lock(link: &Link) -> MutexGuard<'_, Option<HashSet<Arc<str>>>> {
    link.rooms.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for JoinError {
    #[inline]
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
            JoinError::Closed => f.write_str("the client has left"),
        }
    }
}

impl std::error::Error for JoinError {}
