//! The hub's part of the history: requests that need the messages that rooms keep.
//!
//! Resumes are executed after the other commands of a batch, and only for 100 µs, and at most 64 of them: so a thousand clients
//! that come back together delay nobody's messages for long, nor do their threads all run at once. Clients of one framing that miss the
//! same messages share their bytes, which are encoded once for all resumes of a batch. They are not kept for
//! longer: they would count as waiting as long as one client has not read them. They are not compressed, since
//! that would cost the hub more than all other work together.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::net::answer::Answer;
use crate::net::client_id::ClientId;
use crate::net::send_queue::shared::SharedFrames;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::channel::{Receiver, RecvTimeoutError};
use crate::net::sync::thread::yield_now;
use crate::protocol::Message;
use crate::server::history::Bounds;
use crate::server::history::member::{Listed, Member};
use crate::server::history::page::Entry;
use crate::server::history::position::Position;
use crate::server::history::publication::{Publication, PublishError};
use crate::server::history::resume::{Gap, Resumed, Since};
use crate::server::journal::{Desk, Epochs, Order, Report, Tip};
use crate::server::membership::LONGEST_NAME;

#[cfg(feature = "redis")]
use super::attachments::Attachments;
use super::batch::{Batch, Target};
use super::presence::{About, Call, Presence, Unentered};
use super::replay::RUN;
use super::ring::Follower;
use super::rings::{Found, Rings};
use super::tails::{Tail, Tails};
use super::{Command, Hub};

/// A request to the history of a room.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The answer is the position, when the message is in the members' send queues.
    Publish(Target, Publication, Published),
    Resume {
        id: ClientId,
        room: Arc<str>,
        since: Since,
        mode: Mode,
        /// The answer has the list of members.
        listed: bool,
        answer: Answer<Replay>,
    },
    /// Enters a connection of a member into a room. The answer comes when the entry about it is in the history; it
    /// is the reason, if the member did not enter.
    Enter {
        id: ClientId,
        room: Arc<str>,
        member: Member,
        answer: Answer<Result<(), Unentered>>,
    },
    /// Ends a connection's presence in a room that it has not joined: after the grace period, or at once.
    Exit {
        id: ClientId,
        room: Arc<str>,
        at_once: bool,
    },
    /// Asks for the members of a room.
    Call(Arc<str>, Answer<Called>),
    /// The newest messages before a position, at most so many.
    Page(
        Arc<str>,
        Option<Position>,
        usize,
        Answer<Result<Found, Position>>,
    ),
    /// Drops the messages of a room up to a position.
    Forget(Arc<str>, Position, Answer<Result<(), PublishError>>),
    /// Answers with the newest position when the room is attached, if it is shared.
    #[cfg(feature = "redis")]
    Attach(Arc<str>, Answer<Position>),
    /// The engine has stored messages, or has removed some.
    Report(Report),
    /// Messages for a thread of the program. The answer comes when there are some: or at once, if the follower is
    /// new and still has a `tail` to give.
    Follow {
        room: Arc<str>,
        since: Since,
        tail: Option<Weak<Tail>>,
        answer: Answer<Piece>,
    },
}

/// The answer to a publisher.
pub(crate) type Published = Answer<Result<Position, PublishError>>;

/// What happens in the moment in which an entry is added to its room, or when the journal has refused it.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A broadcast: nobody waits for it, and a refusal is counted.
    Count,
    /// The publisher is answered when the message is in the members' send queues.
    Answer(Published),
    /// The list of members changes, and a connection that has entered is answered.
    Member(Box<About>),
}

/// A client's place in a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It only receives the first messages.
    Look,
    /// It joins, unless messages are left that do not fit into its send queue. It is counted as a member.
    Join,
    /// The same after some messages, unless one is missing behind them.
    Continue,
}

/// The members of a room, at this position.
pub(crate) type Called = (Listed, Position);

/// The missed messages of a client, or the first of them.
#[derive(Debug)]
pub(crate) struct Replay {
    /// The start of the replay, as the client's program learns it.
    pub(crate) resumed: Resumed,
    /// The client is a member, and the frames are in its send queue. If not, its own thread sends them.
    pub(crate) joined: bool,
    pub(crate) frames: Option<Arc<SharedFrames>>,
    /// The number of messages in the frames.
    pub(crate) messages: u64,
    /// The number of entries, including those that the client's version cannot carry.
    pub(crate) entries: u64,
    /// The position of the last entry.
    pub(crate) upto: Position,
    /// The journal has the entries after `upto`, up to this number; the memory does not.
    pub(crate) older: Option<u64>,
    /// The members at `resumed.at`, if they were requested.
    pub(crate) members: Option<Listed>,
}

/// Consecutive messages for a thread of the program.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Messages are missing before these.
    pub(crate) gap: Option<Gap>,
    pub(crate) entries: Vec<Entry>,
    /// The position of the last of them.
    pub(crate) at: Position,
    /// The journal has the entries after `at`, up to this number; the memory does not.
    pub(crate) older: Option<u64>,
}

/// The state of a hub that keeps a history.
pub(crate) struct Memory {
    pub(super) rings: Rings,
    pub(super) presence: Presence,
    /// Requests for the members of rooms, which wait for the end of the batch.
    calls: Vec<Call>,
    /// Resumes that wait for the end of the batch.
    pub(super) resumes: VecDeque<Ask>,
    /// Publishers, which wait until their message is sent.
    publishers: Vec<(Published, Position)>,
    /// Rooms with followers, and a new message.
    followed: Vec<Arc<str>>,
    /// All followers, for the end of the hub.
    tails: Tails,
    /// The journal's engine, if there is one.
    pub(super) desk: Option<Arc<Desk>>,
    #[cfg(feature = "redis")]
    pub(super) attachments: Attachments,
}

/// The most bytes of a page, unless one message is larger.
const PAGE: usize = 1024 * 1024;

impl Effect {
    /// Returns whether the entry came with a command, and so has taken from the budgets of messages that wait for
    /// the hub and for the journal.
    pub(super) fn is_admitted(&self) -> bool {
        matches!(self, Effect::Count | Effect::Answer(_))
    }
}

impl Ask {
    /// Returns the bytes that the request holds.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Ask::Publish(target, publication, _) => target.weight(publication.len()),
            Ask::Enter { room, member, .. } => room.len() + member.weight(),
            Ask::Resume { room, .. } | Ask::Page(room, ..) | Ask::Follow { room, .. } => room.len(),
            Ask::Forget(room, ..) => room.len(),
            Ask::Report(_) => 0,
            Ask::Exit { room, .. } | Ask::Call(room, _) => room.len(),
            // It may wait for long.
            #[cfg(feature = "redis")]
            Ask::Attach(..) => 0,
        }
    }
}

impl Memory {
    pub(crate) fn new(
        bounds: Bounds,
        epochs: Arc<Epochs>,
        desk: Option<Arc<Desk>>,
        tips: Vec<(Arc<str>, Tip)>,
    ) -> Memory {
        Memory {
            presence: Presence::new(&bounds),
            calls: Vec::new(),
            rings: Rings::new(bounds, epochs, desk.clone(), tips),
            desk,
            #[cfg(feature = "redis")]
            attachments: Attachments::default(),
            resumes: VecDeque::new(),
            publishers: Vec::new(),
            followed: Vec::new(),
            tails: Tails::default(),
        }
    }

    /// Notes that followers of a room wait for a message that was added.
    pub(super) fn is_followed(&mut self, room: &Arc<str>) {
        if self.followed.last() != Some(room) {
            self.followed.push(Arc::clone(room));
        }
    }

    /// Returns the journal's engine, if the room is in the journal.
    fn desk_of(&self, room: &str) -> Option<&Arc<Desk>> {
        self.desk.as_ref().filter(|desk| desk.covers(room))
    }

    /// Returns whether the room is shared with other servers.
    #[cfg(not(feature = "redis"))]
    pub(super) fn is_shared(&self, _: &str) -> bool {
        false
    }

    pub(super) fn is_journaled(&self, room: &str) -> bool {
        self.desk.is_some() && self.desk_of(room).is_some()
    }

    /// Drops the messages of a room up to a position: in the order of the journal, if the room is in it.
    fn forget(
        &mut self,
        room: Arc<str>,
        up_to: Position,
        answer: Answer<Result<(), PublishError>>,
    ) {
        match self.desk_of(&room) {
            Some(desk) => desk.order(Order::Forget(room, up_to, answer)),
            None => {
                self.rings.forget(&room, up_to);
                answer.send(Ok(()));
            }
        }
    }

    /// Returns messages to a follower, or lets it wait for the next one.
    fn follow(
        &mut self,
        room: &Arc<str>,
        since: Since,
        tail: Option<Weak<Tail>>,
        answer: Answer<Piece>,
    ) {
        let waits = tail.is_none();
        if let Some(tail) = tail {
            self.tails.add(room, tail);
        }
        let ring = self.rings.open(room);
        let piece = ring.piece(since, RUN);
        let is_empty = piece.entries.is_empty() && piece.older.is_none();
        if waits && is_empty && piece.gap.is_none() {
            let after = piece.at;
            ring.followers.push(Follower { after, answer });
        } else {
            answer.send(piece);
        }
    }

    /// Gives followers the messages that they have not received yet, since the hub ends.
    pub(super) fn end_followers(&mut self) {
        self.tails.end(&mut self.rings);
    }

    /// Answers the publishers whose messages are sent.
    pub(super) fn sent(&mut self) {
        for (publisher, position) in self.publishers.drain(..) {
            publisher.send(Ok(position));
        }
    }

    /// Answers the requests for members that wait for no departure any more.
    fn answer_calls(&mut self) {
        let Memory {
            calls,
            presence,
            rings,
            desk,
            ..
        } = self;
        let presence = &*presence;
        for mut call in std::mem::take(calls) {
            let is_journaled = desk.as_ref().is_some_and(|desk| desk.covers(&call.room));
            if !presence.is_due(&mut call, is_journaled) {
                calls.push(call);
                continue;
            }
            let Call { room, answer, .. } = call;
            // A room without members gets no history by that.
            let at = match presence.has(&room) {
                true => rings.open(&room).tip(),
                false => rings.tip(&room),
            };
            answer.send((presence.list(&room), at));
        }
    }

    /// Notes that a client has left a room.
    pub(super) fn left(&mut self, room: &Arc<str>) {
        self.rings.touch(room);
        #[cfg(feature = "redis")]
        self.has_left(room);
    }
}

impl Hub {
    /// Waits for the next command; `None` without one, if it is time to check the histories, or if
    /// resumes wait.
    pub(super) fn next_command(
        &self,
        commands: &Receiver<Command>,
    ) -> Result<Option<Command>, Stopped> {
        let Some(memory) = &self.memory else {
            return commands.recv().map(Some).map_err(|_| Stopped);
        };
        if !memory.resumes.is_empty() {
            // The threads that have a message for the hub, and those that have just resumed, run first: a thread
            // that has used a processor for long is otherwise in their way.
            yield_now();
            return Ok(None);
        }
        let sleeps = [memory.rings.sleep(), self.next_leave()];
        match sleeps.into_iter().flatten().min() {
            None => commands.recv().map(Some).map_err(|_| Stopped),
            Some(time) => match commands.recv_timeout(time) {
                Ok(command) => Ok(Some(command)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(Stopped),
            },
        }
    }

    /// Notes the time at the begin of a batch.
    pub(super) fn begin_batch(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.rings.tick(&self.rooms);
        }
    }

    /// Executes the resumes of a batch, and answers followers.
    pub(super) fn end_batch(&mut self) {
        let Some(mut memory) = self.memory.take() else {
            return;
        };
        self.count(&memory);
        #[cfg(feature = "redis")]
        match memory.detach(&self.rooms) {
            0 => {}
            given_up => self.admission.give_back(given_up),
        }
        for room in memory.followed.drain(..) {
            let followers = memory.rings.followers(&room);
            let ring = memory.rings.open(&room);
            for follower in followers {
                let since = Since::Position(follower.after);
                follower.answer.send(ring.piece(since, RUN));
            }
        }
        if !memory.resumes.is_empty() {
            self.resume_some(&mut memory);
            self.count(&memory);
        }
        memory.answer_calls();
        self.memory = Some(memory);
    }

    /// Updates the counters. This is before the answers at the end of a batch, so that they agree with these.
    fn count(&self, memory: &Memory) {
        let (bytes, members) = (memory.rings.bytes(), memory.presence.members());
        self.totals.history.store(bytes, Relaxed);
        self.totals.members.store(members, Relaxed);
    }

    /// Executes a request. All earlier broadcasts are sent before, unless it is one itself.
    pub(super) fn ask(&mut self, ask: Ask, batch: &mut Batch) {
        let ask = match ask {
            Ask::Publish(target, publication, answer) => {
                return self.append(target, publication, Effect::Answer(answer), batch);
            }
            Ask::Report(report) => return self.report(report, batch),
            ask => ask,
        };
        #[cfg(feature = "redis")]
        let Some(ask) = self.or_wait(ask) else {
            return;
        };
        if let Ask::Page(..) = ask {
            // The entries of members that were told to leave before are part of the page.
            self.end_members(batch);
        }
        // An entry about a member does not change the receivers of others.
        if !matches!(ask, Ask::Enter { .. } | Ask::Exit { .. }) {
            self.deliver(batch);
        }
        let weight = ask.weight();
        let Some(memory) = &mut self.memory else {
            return self.admission.give_back(weight);
        };
        match ask {
            Ask::Publish(..) | Ask::Report(_) => {}
            #[cfg(feature = "redis")]
            Ask::Attach(room, answer) => drop(answer.send(memory.rings.open(&room).tip())),
            Ask::Forget(room, up_to, answer) => memory.forget(room, up_to, answer),
            resume @ Ask::Resume { .. } => return memory.resumes.push_back(resume),
            Ask::Enter {
                id,
                room,
                member,
                answer,
            } => self.enter_member(id, &room, member, answer, batch),
            Ask::Exit { id, room, at_once } => self.leave_member(&room, id, at_once),
            Ask::Call(room, answer) => {
                let call = memory.presence.call(room, answer);
                memory.calls.push(call);
            }
            Ask::Page(room, before, most, answer) => {
                let page = memory.rings.page(&room, before, most, PAGE);
                answer.send(page);
            }
            Ask::Follow {
                room,
                since,
                tail,
                answer,
            } => memory.follow(&room, since, tail, answer),
        }
        self.admission.give_back(weight);
    }

    /// Sends a broadcast. If it is for a room with a history, it is an entry of the room.
    #[inline]
    pub(super) fn broadcast(&mut self, target: Target, message: Message, batch: &mut Batch) {
        match (&self.memory, &target.room) {
            (Some(_), Some(room)) if room.len() > LONGEST_NAME => {
                self.totals.not_published.fetch_add(1, Relaxed);
                self.send(target, message, batch);
            }
            (Some(_), Some(_)) => self.append(target, message.into(), Effect::Count, batch),
            _ => self.send(target, message, batch),
        }
    }

    /// Adds an entry to its room: all entries of all rooms pass here. In memory, it is added and sent at once. In
    /// the journal, it is stored first, and [`report`](Hub::report) does the rest in the order of the journal.
    /// `effect` happens when the entry is added, or when it is refused.
    pub(super) fn append(
        &mut self,
        target: Target,
        publication: Publication,
        effect: Effect,
        batch: &mut Batch,
    ) {
        let weight = match effect.is_admitted() {
            true => target.weight(publication.len()),
            false => 0,
        };
        let (Some(memory), Some(room)) = (&mut self.memory, &target.room) else {
            return self.admission.give_back(weight);
        };
        if memory.is_journaled(room) {
            self.hand_over(target, Some(publication), effect);
            return self.admission.give_back(weight);
        }
        let appended = memory.rings.append(room, publication, &target.except);
        if appended.is_followed {
            memory.is_followed(room);
        }
        if effect.is_admitted() {
            let kept = target.weight(appended.message.len());
            self.send(target, appended.message, batch);
            // What is left of the room for the position is given back now, the rest with the batch.
            if weight > kept {
                self.admission.give_back(weight - kept);
            }
        } else {
            self.send_unweighed(target, appended.message, batch);
        }
        self.added(effect, appended.position);
    }

    /// Executes the effect of an entry that was added to its ring, and that is in the batch.
    pub(super) fn added(&mut self, effect: Effect, position: Position) {
        match effect {
            Effect::Count => {}
            Effect::Member(about) => self.member_added(*about),
            Effect::Answer(answer) => {
                if let Some(memory) = &mut self.memory {
                    memory.publishers.push((answer, position));
                }
            }
        }
    }

    /// Executes the effect of an entry that the journal has refused.
    pub(super) fn refused(&mut self, effect: Effect, error: PublishError) {
        match effect {
            Effect::Count => {
                self.totals.not_published.fetch_add(1, Relaxed);
            }
            Effect::Answer(answer) => {
                answer.send(Err(error));
            }
            Effect::Member(about) => self.member_refused(*about, error),
        }
    }
}

/// There are no more commands.
pub(super) struct Stopped;
