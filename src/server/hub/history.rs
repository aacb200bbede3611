//! The hub's part of the history: requests that need the messages that rooms keep.
//!
//! Resumes are executed after the other commands of a batch, and at most [`REPLAYS`] of them: so a thousand
//! clients that come back together delay nobody's messages for long. Clients of one framing that miss the
//! same messages share their bytes, which are encoded once for all resumes of a batch. They are not kept for
//! longer: they would count as waiting as long as one client has not read them. They are not compressed, since
//! that would cost the hub more than all other work together.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::net::client_id::ClientId;
use crate::net::link::Link;
use crate::net::send_queue::Push;
use crate::net::send_queue::frames::Frames;
use crate::net::send_queue::total::{SharedFrames, TotalQueued};
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::channel::{Receiver, RecvTimeoutError, Sender};
use crate::net::watcher::Watcher;
use crate::protocol::{Framing, Message};
use crate::server::history::History;
use crate::server::history::page::{Entry, Page};
use crate::server::history::position::Position;
use crate::server::history::publication::Publication;
use crate::server::history::resume::{Gap, Resumed, Since};
use crate::server::membership::LONGEST_NAME;

use super::batch::{Batch, Target};
use super::rings::{Follower, Ring, Rings};
use super::{Command, Hub};

/// A request to the history of a room.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The answer is the position, when the message is in the members' send queues.
    Publish(Target, Publication, Sender<Position>),
    Resume {
        id: ClientId,
        room: Arc<str>,
        since: Since,
        mode: Mode,
        answer: Sender<Replay>,
    },
    /// The newest messages before a position, at most so many.
    Page(
        Arc<str>,
        Option<Position>,
        usize,
        Sender<Result<Page, Position>>,
    ),
    /// Messages for a thread of the program. If it `waits`, the answer comes when there are some.
    Follow {
        room: Arc<str>,
        since: Since,
        waits: bool,
        answer: Sender<Piece>,
    },
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
}

/// Consecutive messages for a thread of the program.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Messages are missing before these.
    pub(crate) gap: Option<Gap>,
    pub(crate) entries: Vec<Entry>,
    /// The position of the last of them.
    pub(crate) at: Position,
}

/// The state of a hub that keeps a history.
pub(crate) struct Memory {
    rings: Rings,
    /// Resumes that wait for the end of the batch.
    resumes: VecDeque<Ask>,
    /// Publishers, which wait until their message is sent.
    publishers: Vec<(Sender<Position>, Position)>,
    /// Rooms with followers, and a new message.
    followed: Vec<Arc<str>>,
}

/// Consecutive messages, encoded for one framing.
#[derive(Clone)]
struct Run {
    framing: Framing,
    /// The position before the first message.
    after: Position,
    frames: Option<Arc<SharedFrames>>,
    messages: u64,
    skipped: u64,
    entries: u64,
}

/// The most resumes that are executed in one batch.
const REPLAYS: usize = 64;

/// The most bytes that are encoded at once for a resume, unless one message is larger.
const RUN: usize = 64 * 1024;

/// The most bytes of a page, unless one message is larger.
const PAGE: usize = 1024 * 1024;

impl Ask {
    /// Returns the bytes that the request holds.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Ask::Publish(target, publication, _) => target.weight(publication.len()),
            Ask::Resume { room, .. } | Ask::Page(room, ..) | Ask::Follow { room, .. } => room.len(),
        }
    }
}

impl Memory {
    pub(crate) fn new(history: History) -> Memory {
        Memory {
            rings: Rings::new(history),
            resumes: VecDeque::new(),
            publishers: Vec::new(),
            followed: Vec::new(),
        }
    }

    /// Adds a message to a room's history; returns its position, and the message with the position in it.
    fn append(
        &mut self,
        room: &Arc<str>,
        publication: Publication,
        except: &[ClientId],
    ) -> (Position, Message) {
        let appended = self.rings.append(room, publication, except);
        if appended.is_followed && self.followed.last() != Some(room) {
            self.followed.push(Arc::clone(room));
        }
        (appended.position, appended.message)
    }

    /// Answers the publishers whose messages are sent.
    pub(super) fn sent(&mut self) {
        for (publisher, position) in self.publishers.drain(..) {
            let _ = publisher.try_send(position);
        }
    }

    /// Notes that a client has left a room.
    pub(super) fn left(&mut self, room: &str) {
        self.rings.touch(room);
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
            return Ok(None);
        }
        match memory.rings.sleep() {
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
        for room in memory.followed.drain(..) {
            let followers = memory.rings.followers(&room);
            let ring = memory.rings.open(&room);
            for follower in followers {
                let since = Since::Position(ring.position(follower.after));
                let _ = follower.answer.try_send(ring.piece(since, RUN));
            }
        }
        if !memory.resumes.is_empty() {
            self.resume_some(&mut memory);
        }
        let bytes = memory.rings.bytes();
        self.totals.history.store(bytes, Relaxed);
        self.memory = Some(memory);
    }

    /// Executes a request. All earlier broadcasts are sent before, unless it is one itself.
    pub(super) fn ask(&mut self, ask: Ask, batch: &mut Batch) {
        if !matches!(ask, Ask::Publish(..)) {
            self.deliver(batch);
        }
        let Some(memory) = &mut self.memory else {
            return;
        };
        let weight = ask.weight();
        match ask {
            Ask::Publish(target, publication, answer) => {
                let Some(room) = &target.room else {
                    return self.admission.give_back(weight);
                };
                let (position, message) = memory.append(room, publication, &target.except);
                let kept = target.weight(message.len());
                self.send(target, message, batch);
                // What is left of the room for the position is given back now, the rest with the batch.
                self.admission.give_back(weight - kept);
                if let Some(memory) = &mut self.memory {
                    memory.publishers.push((answer, position));
                }
                return;
            }
            resume @ Ask::Resume { .. } => return memory.resumes.push_back(resume),
            Ask::Page(room, before, most, answer) => {
                let page = memory.rings.page(&room, before, most, PAGE);
                let _ = answer.try_send(page);
            }
            Ask::Follow {
                room,
                since,
                waits,
                answer,
            } => {
                let ring = memory.rings.open(&room);
                let piece = ring.piece(since, RUN);
                if waits && piece.entries.is_empty() && piece.gap.is_none() {
                    let after = piece.at.number;
                    ring.followers.push(Follower { after, answer });
                } else {
                    let _ = answer.try_send(piece);
                }
            }
        }
        self.admission.give_back(weight);
    }

    /// Adds a broadcast to the history of its room, if it is for a room; returns it.
    #[inline]
    pub(super) fn remember(&mut self, target: &Target, message: Message) -> Message {
        match (&mut self.memory, &target.room) {
            (Some(_), Some(room)) if room.len() > LONGEST_NAME => {
                self.totals.not_published.fetch_add(1, Relaxed);
                message
            }
            (Some(memory), Some(room)) => memory.append(room, message.into(), &target.except).1,
            _ => message,
        }
    }

    fn resume_some(&mut self, memory: &mut Memory) {
        let mut runs = Vec::new();
        let mut waits = false;
        let count = memory.resumes.len().min(REPLAYS);
        for ask in memory.resumes.drain(..count) {
            let weight = ask.weight();
            if let Ask::Resume {
                id,
                room,
                since,
                mode,
                answer,
            } = ask
            {
                match self.everybody.get(id) {
                    Some(link) => {
                        let ring = memory.rings.open(&room);
                        let run = run(&mut runs, ring, since, &link, &self.total_queued);
                        let replay = self.replay(&link, ring, since, run, (mode, &room));
                        waits |= replay.joined && replay.frames.is_some();
                        let _ = answer.try_send(Replay {
                            // Those that are in the send queue already are not sent again.
                            frames: replay.frames.filter(|_| !replay.joined),
                            ..replay
                        });
                    }
                    None if mode != Mode::Look => self.memberships.give_back(1),
                    None => {}
                }
            }
            self.admission.give_back(weight);
        }
        // Frames that nobody needs any more are released before others are evicted for them.
        drop(runs);
        if waits {
            self.watchdog.relieve();
        }
    }

    /// Enters the client into the room if all that it has missed fits into its send queue.
    fn replay(
        &mut self,
        link: &Arc<Link>,
        ring: &Ring,
        since: Since,
        run: Run,
        (mode, room): (Mode, &Arc<str>),
    ) -> Replay {
        let (after, gap) = ring.start(since);
        let upto = after + run.entries;
        let len = run.frames.as_ref().map_or(0, |frames| frames.len());
        let may_join = match mode {
            Mode::Look => false,
            Mode::Join => true,
            Mode::Continue => gap.is_none(),
        };
        let is_whole = upto == ring.tip().number;
        let joined = may_join && is_whole && link.send_queue.has_room_for(len);
        if run.skipped > 0 {
            self.totals.skipped.fetch_add(run.skipped, Relaxed);
        }
        if joined {
            if let Some(frames) = &run.frames {
                let _: Push = link.push(frames, run.messages);
            }
            if !self.rooms.enter(Arc::clone(room), Arc::clone(link)) {
                self.memberships.give_back(1);
            }
        } else if mode != Mode::Look {
            self.memberships.give_back(1);
        }
        Replay {
            resumed: Resumed {
                at: ring.tip(),
                gap,
                replayed: ring.tip().number - after,
            },
            joined,
            frames: run.frames,
            messages: run.messages,
            entries: run.entries,
            upto: ring.position(upto),
        }
    }
}

/// Returns the first messages that a client has missed, encoded. Those that another client has missed as
/// well, in the same batch, are encoded already.
fn run(
    runs: &mut Vec<Run>,
    ring: &Ring,
    since: Since,
    link: &Link,
    total_queued: &Arc<TotalQueued>,
) -> Run {
    let (number, _) = ring.start(since);
    let framing = link
        .version()
        .map_or(Framing::Hybi, |version| version.framing());
    let after = ring.position(number);
    // A message from which this connection is excepted: rare, since it has joined again.
    let is_own = || {
        ring.after(number)
            .any(|(_, kept)| kept.except.contains(&link.id))
    };
    if is_own() {
        return encode(ring, after, framing, Some(link.id), total_queued);
    }
    let known = runs
        .iter()
        .find(|run| run.framing == framing && run.after == after);
    if let Some(run) = known {
        return run.clone();
    }
    let run = encode(ring, after, framing, None, total_queued);
    runs.push(run.clone());
    run
}

fn encode(
    ring: &Ring,
    after: Position,
    framing: Framing,
    left_out: Option<ClientId>,
    total_queued: &Arc<TotalQueued>,
) -> Run {
    let (mut size, mut copied, mut entries) = (0, 0, 0);
    for (_, kept) in ring.after(after.number) {
        let len = kept.message.len();
        if size + framing.frame_len(len) > RUN && entries > 0 {
            break;
        }
        size += framing.frame_len(len);
        copied += Frames::copied(framing, len);
        entries += 1;
    }
    let mut frames = Frames::with_capacity(copied);
    let (mut messages, mut skipped) = (0, 0);
    for (_, kept) in ring.after(after.number).take(entries) {
        if left_out.is_some_and(|id| kept.except.contains(&id)) {
            continue;
        }
        match frames.message(framing, &kept.message) {
            Ok(()) => messages += 1,
            Err(_) => skipped += 1,
        }
    }
    Run {
        framing,
        after,
        frames: (messages > 0).then(|| SharedFrames::new(frames, total_queued)),
        messages,
        skipped,
        entries: entries as u64,
    }
}

/// There are no more commands.
pub(super) struct Stopped;
