//! The hub: the thread that owns the rooms and sends all broadcasts.
//!
//! Clients and handles send commands to it over one bounded channel, so all members of an audience
//! receive its broadcasts in the same order. The hub takes all commands that wait, joins the messages
//! for each client, encoded once for all clients that receive the same ([`batch`](batch)), and pushes
//! the shared bytes to each client's send queue, which never makes the hub wait. It runs no code of the
//! user's, logs nothing, and never waits for a channel: it cannot be blocked. So a thread that sends a
//! command waits no longer than the hub needs for its queue.

pub(super) mod admission;
#[cfg(feature = "redis")]
mod attachments;
pub(super) mod batch;
mod groups;
#[cfg(feature = "history")]
pub(super) mod history;
#[cfg(feature = "history")]
mod members;
#[cfg(feature = "history")]
pub(super) mod presence;
#[cfg(feature = "history")]
pub(super) mod replay;
#[cfg(feature = "history")]
pub(super) mod ring;
#[cfg(feature = "history")]
pub(super) mod rings;
mod rooms;
#[cfg(feature = "history")]
mod stored;
#[cfg(feature = "history")]
pub(super) mod tails;

use std::sync::Arc;

use crate::net::answer::Answer;
use crate::net::client_id::ClientId;
use crate::net::link::Link;
use crate::net::send_queue::Push;
use crate::net::send_queue::total::TotalQueued;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::channel::Receiver;
use crate::net::watchdog::Watchdog;
use crate::net::watcher::Watcher;
use crate::protocol::Message;

use super::counters::Totals;
use super::membership::Memberships;
use admission::Admission;
use batch::{Batch, Encoded, Target};
use rooms::{Members, Names, Rooms};

/// The names of rooms, each with the number of its members; in no order.
pub(crate) type RoomCounts = Vec<(Arc<str>, usize)>;

/// A command to the hub.
#[derive(Debug)]
pub(crate) enum Command {
    /// The client's handshake is done: broadcasts reach it from now on.
    Enter(Arc<Link>),
    /// The client has left. It leaves its rooms by [`Part`](Command::Part).
    Leave(ClientId),
    Join(ClientId, Arc<str>),
    /// The client leaves these rooms: at a time only as many as take a fraction of a millisecond.
    /// The hub answers if more are to follow.
    Part(ClientId, Vec<Arc<str>>, Option<Answer<()>>),
    Broadcast(Target, Message),
    /// Asks for the members of a room, in no order.
    Members(Arc<str>, Answer<Vec<ClientId>>),
    /// Asks for names of rooms: some of them, from a place on.
    Rooms(usize, Answer<Names>),
    /// A request to the history of a room. In a box: all other commands are small.
    #[cfg(feature = "history")]
    History(Box<history::Ask>),
    /// Asks for all rooms with the number of their members, at one moment.
    RoomCounts(Answer<RoomCounts>),
    /// Shows that the hub answers: with the number of rooms.
    Probe(Answer<usize>),
    /// The server shuts down: the hub starts the close of each client, after all earlier commands, and of
    /// each client that enters from now on. The hub answers when all closes are queued.
    Shutdown(Answer<()>),
    Stop,
}

impl Command {
    /// Returns the bytes that the command holds: of a message, of a room's name, of exceptions.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Command::Broadcast(target, message) => target.weight(message.len()),
            Command::Join(_, room) | Command::Members(room, _) => room.len(),
            Command::Part(_, rooms, _) => rooms.iter().map(|room| room.len()).sum(),
            #[cfg(feature = "history")]
            Command::History(ask) => ask.weight(),
            Command::Enter(_) | Command::Leave(_) => 0,
            Command::Rooms(..) | Command::RoomCounts(_) | Command::Probe(_) => 0,
            Command::Shutdown(_) | Command::Stop => 0,
        }
    }
}

/// The most commands that wait. A thread that sends more waits for the hub (backpressure).
pub(crate) const QUEUE: usize = 1024;

/// The most commands that are processed before their messages are sent.
const BATCH: usize = 1024;

/// The hub's own side, on its thread.
pub(crate) struct Hub {
    commands: Receiver<Command>,
    admission: Arc<Admission>,
    total_queued: Arc<TotalQueued>,
    watchdog: Arc<Watchdog>,
    totals: Arc<Totals>,
    everybody: Members,
    rooms: Rooms,
    memberships: Arc<Memberships>,
    /// All clients were closed, because the server shuts down.
    shutting_down: bool,
    /// The history of the rooms, if the server keeps one.
    #[cfg(feature = "history")]
    memory: Option<Box<history::Memory>>,
}

impl Hub {
    pub(crate) fn new(
        commands: Receiver<Command>,
        admission: Arc<Admission>,
        total_queued: Arc<TotalQueued>,
        watchdog: Arc<Watchdog>,
        totals: Arc<Totals>,
        memberships: Arc<Memberships>,
    ) -> Hub {
        Hub {
            commands,
            admission,
            total_queued,
            watchdog,
            totals,
            everybody: Members::default(),
            rooms: Rooms::default(),
            memberships,
            shutting_down: false,
            #[cfg(feature = "history")]
            memory: None,
        }
    }

    /// Keeps a history of the rooms from now on, if there are options for it.
    #[cfg(feature = "history")]
    pub(crate) fn remembering(mut self, memory: Option<history::Memory>) -> Hub {
        self.memory = memory.map(Box::new);
        self
    }

    /// Runs until [`Command::Stop`], or until all senders of the channel are dropped.
    pub(crate) fn run(mut self) {
        let commands = self.commands.clone();
        let mut batch = Batch::default();
        while let Ok(first) = self.next_command(&commands) {
            #[cfg(feature = "history")]
            self.begin_batch();
            for command in first.into_iter().chain(commands.try_iter()).take(BATCH) {
                if let Command::Stop = command {
                    self.deliver(&mut batch);
                    return;
                }
                self.execute(command, &mut batch);
            }
            #[cfg(feature = "history")]
            self.end_members(&mut batch);
            self.deliver(&mut batch);
            #[cfg(feature = "history")]
            self.end_batch();
        }
    }

    #[cfg(not(feature = "history"))]
    fn next_command(&self, commands: &Receiver<Command>) -> Result<Option<Command>, ()> {
        commands.recv().map(Some).map_err(drop)
    }

    fn execute(&mut self, command: Command, batch: &mut Batch) {
        match command {
            Command::Broadcast(target, message) => self.broadcast(target, message, batch),
            #[cfg(feature = "history")]
            Command::History(ask) => self.ask(*ask, batch),
            command => {
                // Clients that enter or leave must not change the receivers of earlier messages.
                self.deliver(batch);
                self.execute_now(command);
            }
        }
    }

    fn execute_now(&mut self, command: Command) {
        let weight = command.weight();
        match command {
            Command::Enter(link) => {
                if self.shutting_down {
                    let _ = link.start_close(self.watchdog.shutdown_frame());
                }
                self.everybody.insert(link);
            }
            Command::Leave(id) => {
                self.everybody.remove(id);
            }
            Command::Join(id, room) => {
                #[cfg(feature = "redis")]
                self.attach(&room);
                let link = self.everybody.get(id);
                if !link.is_some_and(|link| self.rooms.enter(room, link)) {
                    self.memberships.give_back(1);
                }
            }
            Command::Part(id, rooms, answer) => {
                let rooms = rooms.iter();
                let left = rooms.filter(|room| self.leave(room, id)).count();
                self.memberships.give_back(left);
                if let Some(answer) = answer {
                    answer.send(());
                }
            }
            Command::Members(room, answer) => {
                let ids = self.rooms.get(&room).map(Members::ids);
                answer.send(ids.unwrap_or_default());
            }
            Command::Rooms(from, answer) => {
                answer.send(self.rooms.names(from));
            }
            Command::RoomCounts(answer) => {
                answer.send(self.rooms.counts());
            }
            Command::Probe(answer) => {
                answer.send(self.rooms.len());
            }
            Command::Shutdown(answer) => {
                self.shutting_down = true;
                #[cfg(feature = "history")]
                let Some(answer) = self.flush(answer) else {
                    return;
                };
                self.start_closes(answer);
            }
            #[cfg(feature = "history")]
            Command::History(_) => {}
            Command::Broadcast(..) | Command::Stop => {}
        }
        if weight > 0 {
            self.admission.give_back(weight);
        }
    }

    /// Starts the close of each client, because the server shuts down.
    fn start_closes(&self, answer: Answer<()>) {
        let frame = self.watchdog.shutdown_frame();
        for link in self.everybody.links() {
            let _ = link.start_close(frame.clone());
        }
        answer.send(());
    }

    /// Removes a client from a room; returns whether it was a member.
    fn leave(&mut self, room: &Arc<str>, id: ClientId) -> bool {
        #[cfg(feature = "history")]
        if let Some(memory) = &mut self.memory {
            memory.left(room);
            // A client that has to leave is still here; one whose connection has ended is not.
            let at_once = self.everybody.get(id).is_some();
            self.leave_member(room, id, at_once);
        }
        self.rooms.leave(room, id)
    }

    #[cfg(not(feature = "history"))]
    fn broadcast(&mut self, target: Target, message: Message, batch: &mut Batch) {
        self.send(target, message, batch);
    }

    fn send(&mut self, target: Target, message: Message, batch: &mut Batch) {
        if !batch.has_room(message.len()) {
            self.deliver(batch);
        }
        batch.add(target, message);
    }

    fn deliver(&mut self, batch: &mut Batch) {
        if batch.is_empty() {
            return;
        }
        let members = |room: Option<&Arc<str>>| match room {
            None => self.everybody.links(),
            Some(room) => self.rooms.members(room),
        };
        let mut waits = false;
        batch.deliver(members, &self.total_queued, |link, encoded| {
            waits |= self.push(link, encoded);
        });
        // The batch has released its frames by now, and eviction frees them.
        if waits {
            self.watchdog.relieve();
        }
        self.admission.give_back(batch.weight());
        batch.clear();
        #[cfg(feature = "history")]
        if let Some(memory) = &mut self.memory {
            memory.sent();
        }
    }

    /// Pushes bytes to one client; returns whether they wait in its send queue.
    fn push(&self, link: &Arc<Link>, encoded: &Encoded) -> bool {
        if encoded.skipped > 0 {
            self.totals.skipped.fetch_add(encoded.skipped, Relaxed);
        }
        if encoded.messages == 0 {
            return false;
        }
        link.push(&encoded.bytes, encoded.messages) == Push::Queued
    }
}

impl Drop for Hub {
    /// Refuses further commands, and drops those that wait: handles that live longer would keep them.
    fn drop(&mut self) {
        #[cfg(feature = "history")]
        if let Some(memory) = &mut self.memory {
            memory.end_followers();
        }
        self.admission.close();
        self.commands.try_iter().for_each(drop);
    }
}
