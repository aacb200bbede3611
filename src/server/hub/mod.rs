//! The broadcast thread: who is in which room, and every message to many.
//!
//! Clients and handles post to it over one bounded channel, so all members of an audience see its
//! broadcasts in the same order. It takes all that waits, joins what each client hears of it, encoded
//! once for all who hear the same ([`turn`](batch)), and pushes the shared bytes to each
//! client's outbox, which never makes it wait. It runs no code of the user's, logs nothing, and never
//! waits for a channel: it cannot be blocked, and so neither can those who post to it, for longer than
//! it takes to work off a queue.

pub(super) mod admission;
pub(super) mod batch;
mod rooms;

use std::sync::Arc;

use crate::net::counters::Totals;
use crate::net::link::{ClientId, Link};
use crate::net::send_queue::Push;
use crate::net::send_queue::total::Backlog;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::channel::{Receiver, Sender};
use crate::net::watchdog::Warden;
use crate::protocol::Message;

use super::membership::Memberships;
use admission::Budget;
use batch::{Encoded, Target, Turn};
use rooms::{Crowd, Names, Rooms};

/// What is posted to the hub.
#[derive(Debug)]
pub(crate) enum Post {
    /// The client's handshake is done: broadcasts reach it from now on.
    Enter(Arc<Link>),
    /// The client is gone. It leaves its rooms by [`Part`](Post::Part).
    Leave(ClientId),
    Join(ClientId, Arc<str>),
    /// The client leaves these rooms: no more of them at a time than take a fraction of a
    /// millisecond. Answered, where more are to follow.
    Part(ClientId, Vec<Arc<str>>, Option<Sender<()>>),
    Broadcast(Target, Message),
    /// Who is in a room, in no order.
    Members(Arc<str>, Sender<Vec<ClientId>>),
    /// Which rooms there are: some of them, from a place on.
    Rooms(usize, Sender<Names>),
    /// The server is going down: everybody is told, behind all that was posted before, and so is
    /// who enters from now on. Answered when all are.
    Farewell(Sender<()>),
    Stop,
}

impl Post {
    /// The bytes that it brings along: of a message, of a room's name, of exceptions.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Post::Broadcast(target, message) => target.weight(message),
            Post::Join(_, room) | Post::Members(room, _) => room.len(),
            Post::Part(_, rooms, _) => rooms.iter().map(|room| room.len()).sum(),
            Post::Enter(_) | Post::Leave(_) => 0,
            Post::Rooms(..) | Post::Farewell(_) | Post::Stop => 0,
        }
    }
}

/// The most posts that wait. Who posts more is held back until the hub has caught up.
pub(crate) const QUEUE: usize = 1024;

/// The most posts that are worked off before their messages leave.
const TURN: usize = 1024;

/// The hub's own side, on its thread.
pub(crate) struct Hub {
    posts: Receiver<Post>,
    budget: Arc<Budget>,
    backlog: Arc<Backlog>,
    warden: Arc<Warden>,
    totals: Arc<Totals>,
    everybody: Crowd,
    rooms: Rooms,
    memberships: Arc<Memberships>,
    /// The farewell was said.
    farewell: bool,
}

impl Hub {
    pub(crate) fn new(
        posts: Receiver<Post>,
        budget: Arc<Budget>,
        backlog: Arc<Backlog>,
        warden: Arc<Warden>,
        totals: Arc<Totals>,
        memberships: Arc<Memberships>,
    ) -> Hub {
        Hub {
            posts,
            budget,
            backlog,
            warden,
            totals,
            everybody: Crowd::default(),
            rooms: Rooms::default(),
            memberships,
            farewell: false,
        }
    }

    /// Runs until [`Post::Stop`], or until nobody is left who could post.
    pub(crate) fn run(mut self) {
        let posts = self.posts.clone();
        let mut turn = Turn::default();
        while let Ok(first) = posts.recv() {
            for post in std::iter::once(first).chain(posts.try_iter()).take(TURN) {
                if let Post::Stop = post {
                    self.deliver(&mut turn);
                    return;
                }
                self.work_off(post, &mut turn);
            }
            self.deliver(&mut turn);
        }
    }

    fn work_off(&mut self, post: Post, turn: &mut Turn) {
        let post = match post {
            Post::Broadcast(target, message) => return self.broadcast(target, message, turn),
            post => post,
        };
        // Whoever comes or goes must not change what was said before.
        self.deliver(turn);
        let weight = post.weight();
        match post {
            Post::Enter(link) => {
                if self.farewell {
                    link.send_away(&self.warden);
                }
                self.everybody.insert(link);
            }
            Post::Leave(id) => {
                self.everybody.remove(id);
            }
            Post::Join(id, room) => {
                let link = self.everybody.get(id);
                if !link.is_some_and(|link| self.rooms.enter(room, link)) {
                    self.memberships.give_back(1);
                }
            }
            Post::Part(id, rooms, answer) => {
                let rooms = rooms.iter();
                let left = rooms.filter(|room| self.rooms.leave(room, id)).count();
                self.memberships.give_back(left);
                if let Some(answer) = answer {
                    let _ = answer.try_send(());
                }
            }
            Post::Members(room, answer) => {
                let ids = self.rooms.get(&room).map(Crowd::ids);
                // The channel has room for the one answer; nobody may wait for it any more.
                let _ = answer.try_send(ids.unwrap_or_default());
            }
            Post::Rooms(from, answer) => {
                let _ = answer.try_send(self.rooms.names(from));
            }
            Post::Farewell(told) => {
                self.farewell = true;
                for link in self.everybody.links() {
                    link.send_away(&self.warden);
                }
                let _ = told.try_send(());
            }
            Post::Broadcast(..) | Post::Stop => {}
        }
        if weight > 0 {
            self.budget.give_back(weight);
        }
    }

    fn broadcast(&mut self, target: Target, message: Message, turn: &mut Turn) {
        if !turn.has_room(message.len()) {
            self.deliver(turn);
        }
        turn.add(target, message);
    }

    fn deliver(&mut self, turn: &mut Turn) {
        if turn.is_empty() {
            return;
        }
        let turn = std::mem::take(turn);
        let members = |room: Option<&Arc<str>>| match room {
            None => self.everybody.links(),
            Some(room) => self.rooms.members(room),
        };
        let mut waits = false;
        turn.deliver(members, &self.backlog, |link, encoded| {
            waits |= self.push(link, encoded);
        });
        if waits {
            self.warden.relieve();
        }
        self.budget.give_back(turn.weight());
    }

    /// Whether it waits.
    fn push(&self, link: &Arc<Link>, encoded: &Encoded) -> bool {
        if encoded.skipped > 0 {
            self.totals.skipped.fetch_add(encoded.skipped, Relaxed);
        }
        if encoded.messages == 0 {
            return false;
        }
        match link.outbox.push(&encoded.bytes, encoded.messages) {
            Push::Evicted => {
                link.evicted(&self.totals);
                false
            }
            push => self.warden.mind_one_of_many(push, link),
        }
    }
}

impl Drop for Hub {
    /// What is posted from now on is for nobody, and what was is let go of: handles that live
    /// longer would keep it.
    fn drop(&mut self) {
        self.budget.close();
        self.posts.try_iter().for_each(drop);
    }
}
