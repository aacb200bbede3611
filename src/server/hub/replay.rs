//! Resumes in the hub: the missed messages of clients, encoded once for all that miss the same.

use std::sync::Arc;
use std::time::Duration;

use crate::net::client_id::ClientId;
use crate::net::link::Link;
use crate::net::send_queue::Push;
use crate::net::send_queue::frames::Frames;
use crate::net::send_queue::shared::SharedFrames;
use crate::net::send_queue::total::TotalQueued;
use crate::net::sync::Instant;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::watcher::Watcher;
use crate::protocol::Framing;
use crate::server::history::member::Listed;
use crate::server::history::position::Position;
use crate::server::history::resume::{Resumed, Since};

use super::Hub;
use super::history::{Ask, Memory, Mode, Replay};
use super::presence::Presence;
use super::ring::Ring;

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

/// The time after which no further resume is executed in one batch: a few of the usual size.
const TURN: Duration = Duration::from_micros(100);

/// The most bytes that are encoded at once for a resume, unless one message is larger.
pub(crate) const RUN: usize = 64 * 1024;

impl Hub {
    pub(super) fn resume_some(&mut self, memory: &mut Memory) {
        let (mut runs, mut lists) = (Vec::new(), Vec::new());
        let mut waits = false;
        let begin = Instant::now();
        for _ in 0..REPLAYS {
            let Some(ask) = memory.resumes.pop_front() else {
                break;
            };
            let weight = ask.weight();
            if let Ask::Resume {
                id,
                room,
                since,
                mode,
                listed,
                answer,
            } = ask
            {
                match self.everybody.get(id) {
                    Some(link) => {
                        let ring = memory.rings.open(&room);
                        let run = match ring.start(since) {
                            (after, _) if after < ring.oldest() => Run::none(ring.position(after)),
                            _ => run(&mut runs, ring, since, &link, &self.total_queued),
                        };
                        let replay = self.replay(&link, ring, since, run, (mode, &room));
                        waits |= replay.joined && replay.frames.is_some();
                        // The list is only needed where a report begins, and at the end.
                        let listed = listed
                            && (replay.joined
                                || mode == Mode::Look
                                || replay.resumed.gap.is_some());
                        let presence = &memory.presence;
                        answer.send(Replay {
                            // Those that are in the send queue already are not sent again.
                            frames: replay.frames.filter(|_| !replay.joined),
                            members: listed.then(|| list(&mut lists, presence, &room)),
                            ..replay
                        });
                    }
                    None if mode != Mode::Look => self.memberships.give_back(1),
                    None => {}
                }
            }
            self.admission.give_back(weight);
            if begin.elapsed() >= TURN {
                break;
            }
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
            members: None,
            older: (after < ring.oldest()).then(|| ring.oldest()),
        }
    }
}

impl Run {
    /// Returns a run without messages.
    fn none(after: Position) -> Run {
        Run {
            framing: Framing::Hybi,
            after,
            frames: None,
            messages: 0,
            skipped: 0,
            entries: 0,
        }
    }
}

/// Returns the members of a room, which all resumes of the batch share.
fn list(lists: &mut Vec<(Arc<str>, Listed)>, presence: &Presence, room: &Arc<str>) -> Listed {
    if let Some((_, list)) = lists.iter().find(|(name, _)| name == room) {
        return list.clone();
    }
    let list = presence.list(room);
    lists.push((Arc::clone(room), list.clone()));
    list
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
