//! Messages on their way to the logs: stop and wait. A round has a batch for each room; the next round begins when all
//! batches are answered, and takes everything that came meanwhile. So batches grow with the load, no pipeline can
//! change the order, and what was not answered before a cut is sent again, and stored once.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::net::sync::Instant;
use crate::server::history::publication::{Publication, PublishError};
use crate::server::journal::{Draft, Pending, Report};
use crate::server::redis::fault::ErrorKind;
use crate::server::redis::header::{Header, Payload};
use crate::server::redis::scripts::NoAnswer;
use crate::server::redis::scripts::log::{self, Appended, Outgoing};
use crate::server::redis::wire::Reply;

use super::catch_up::Awaited;
use super::lines::{Expected, LARGEST};
use super::{Line, Output, Session, pop_if};

/// A message that was not sent yet.
#[derive(Debug)]
struct Waiting {
    room: Arc<str>,
    /// Without one, its effect happens in the order of the messages.
    publication: Option<Publication>,
    pending: Pending,
    since: Instant,
}

/// A message of a batch.
#[derive(Debug)]
struct Sent {
    header: Header,
    publication: Publication,
    /// `None` once its entry was seen.
    pending: Option<Pending>,
}

/// The batch of one room.
#[derive(Debug)]
struct Batch {
    /// The number of its first message.
    first: u64,
    messages: Vec<Sent>,
    is_sent: bool,
    /// A connection was lost after it was sent: so it may be stored.
    is_doubtful: bool,
}

#[derive(Debug, Default)]
pub(super) struct Rounds {
    waiting: VecDeque<Waiting>,
    /// The batches that are not answered, by room.
    round: HashMap<Arc<str>, Batch>,
    /// The number of the newest message of this server. Redis stores no number twice, in any room.
    last: u64,
    /// The messages that are stored, and whose entries were not seen yet.
    pub(super) awaited: usize,
    /// Redis has refused the newest batch.
    pub(super) is_refused: bool,
    /// Rooms with such messages, by the time at which they are looked at, and their generation.
    checks: BTreeMap<(Instant, u64), Arc<str>>,
}

/// The most bytes of a round, beside its last message.
const BYTES: usize = 1024 * 1024;

/// The most messages of a round.
pub(super) const DRAFTS: usize = 1024;

impl Rounds {
    /// Returns whether all messages are stored and seen, or refused.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.round.is_empty() && self.awaited == 0
    }

    /// All batches are sent again.
    pub(super) fn disconnected(&mut self) {
        for batch in self.round.values_mut() {
            batch.is_doubtful |= batch.is_sent;
            batch.is_sent = false;
        }
    }

    /// Returns when the oldest message that was not sent is refused.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.since + timeout)
    }

    pub(super) fn next_check(&self) -> Option<Instant> {
        self.checks.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn take_unsent(&mut self) -> Vec<Pending> {
        let waiting = self.waiting.drain(..);
        waiting.map(|waiting| waiting.pending).collect()
    }
}

impl Session {
    /// Takes a message from the hub.
    pub(super) fn publish(&mut self, draft: Draft, now: Instant) {
        let pending = Pending {
            except: draft.except,
            effect: draft.effect,
            charge: draft.charge,
        };
        let len = draft.publication.as_ref().map_or(0, Publication::len);
        if len > LARGEST {
            self.numbers.refused += 1;
            let error = PublishError::LargeMessage(len);
            return self.report(Report::Refused(vec![pending], error));
        }
        self.rounds.waiting.push_back(Waiting {
            room: draft.room,
            publication: draft.publication,
            pending,
            since: now,
        });
    }

    /// Sends the batches that are to be sent again, or the next round.
    pub(super) fn send_round(&mut self, now: Instant) {
        if self.rounds.round.is_empty() {
            self.begin_round();
        }
        let unsent = self.rounds.round.iter();
        let unsent = unsent.filter(|(_, batch)| !batch.is_sent);
        let rooms: Vec<_> = unsent.map(|(room, _)| Arc::clone(room)).collect();
        let context = self.context();
        for room in rooms {
            let Some(batch) = self.rounds.round.get_mut(&room) else {
                continue;
            };
            batch.is_sent = true;
            let messages: Vec<_> = batch
                .messages
                .iter()
                .map(|sent| Outgoing {
                    header: &sent.header,
                    payload: sent.publication.payload(),
                })
                .collect();
            let half = self.lines.of(Line::Commands);
            log::append(&context, &room, batch.first, &messages, &mut half.out);
            half.await_reply(Expected::Append(room), now);
            self.numbers.batches += 1;
        }
    }

    /// Makes batches of the messages that wait. A room that is about to be attached holds its messages back: so they
    /// come back as its first entries. If Redis refuses the room, they must not take the places of other rooms'
    /// messages: so they are refused at once.
    fn begin_round(&mut self) {
        let mut left = VecDeque::new();
        let mut refused = Vec::new();
        let (mut bytes, mut count) = (0, 0);
        let mut batches: Vec<(Arc<str>, Vec<Waiting>)> = Vec::new();
        let mut places: HashMap<Arc<str>, Option<usize>> = HashMap::new();
        while let Some(waiting) = self.rounds.waiting.pop_front() {
            let room = &waiting.room;
            if self.is_attaching(room) && self.reads.refused.contains(room) {
                refused.push(waiting.pending);
                continue;
            }
            let place = match places.get(room) {
                Some(place) => *place,
                None if self.is_attaching(room) => None,
                None => {
                    batches.push((Arc::clone(room), Vec::new()));
                    Some(batches.len() - 1)
                }
            };
            let is_full = bytes >= BYTES || count >= DRAFTS;
            let is_awaited = || {
                self.rooms
                    .get(room)
                    .is_some_and(|room| !room.awaited.is_empty())
            };
            let batch = place
                .filter(|_| !is_full)
                .map(|place| &mut batches[place].1);
            let place = match (batch, &waiting.publication) {
                (Some(batch), None) if batch.is_empty() && !is_awaited() => {
                    places.insert(Arc::clone(room), place);
                    self.report_stored(None, waiting.pending);
                    continue;
                }
                (Some(batch), Some(publication)) => {
                    bytes += publication.len();
                    count += 1;
                    places.insert(Arc::clone(room), place);
                    batch.push(waiting);
                    continue;
                }
                _ => None,
            };
            // All that follow in this room wait, too.
            places.insert(Arc::clone(room), place);
            left.push_back(waiting);
        }
        self.rounds.waiting = left;
        if !refused.is_empty() {
            self.numbers.refused += refused.len() as u64;
            self.report(Report::Refused(refused, PublishError::Journal));
        }
        for (room, batch) in batches {
            if !batch.is_empty() {
                self.add_batch(room, batch);
            }
        }
    }

    fn add_batch(&mut self, room: Arc<str>, batch: Vec<Waiting>) {
        let first = self.rounds.last + 1;
        let numbers = first..;
        let messages = numbers.zip(batch).filter_map(|(number, waiting)| {
            let publication = waiting.publication?;
            let mut header = Header::message(self.config.machine, number, kind(&publication));
            header.except = waiting.pending.except.iter().map(|id| id.0).collect();
            header.stamp = publication.stamp().and_then(|at| u32::try_from(at).ok());
            Some(Sent {
                header,
                publication,
                pending: Some(waiting.pending),
            })
        });
        let messages: Vec<_> = messages.collect();
        self.rounds.last += messages.len() as u64;
        let batch = Batch {
            first,
            messages,
            is_sent: false,
            is_doubtful: false,
        };
        self.rounds.round.insert(room, batch);
    }

    /// Executes the reply to the batch of a room.
    pub(super) fn appended(&mut self, room: &Arc<str>, reply: Reply, now: Instant) {
        match log::appended(reply) {
            Ok(appended) => self.is_stored(room, appended, now),
            Err(error) => {
                let Some(reason) = self.is_lasting(error, now) else {
                    if let Some(batch) = self.rounds.round.get_mut(room) {
                        batch.is_sent = false;
                        self.numbers.retried += 1;
                    }
                    return;
                };
                if let Some(batch) = self.rounds.round.remove(room) {
                    let pending = batch.messages.into_iter().filter_map(|sent| sent.pending);
                    let pending: Vec<_> = pending.collect();
                    self.rounds.is_refused = true;
                    self.numbers.refused += pending.len() as u64;
                    self.outputs.push_back(Output::Refused(reason));
                    let error = match batch.is_doubtful {
                        true => PublishError::Pending,
                        false => PublishError::Journal,
                    };
                    self.report(Report::Refused(pending, error));
                }
            }
        }
    }

    /// The batch is in the log. The messages whose entries were seen are done; others wait for that, if the room is
    /// attached.
    fn is_stored(&mut self, room: &Arc<str>, appended: Appended, now: Instant) {
        let Some(batch) = self.rounds.round.remove(room) else {
            return;
        };
        self.rounds.is_refused = false;
        let mut passed = Vec::new();
        for sent in batch.messages {
            let Some(pending) = sent.pending else {
                continue;
            };
            let counter = sent.header.counter;
            let at = appended.position(counter);
            match self.rooms.get_mut(room) {
                Some(state) if state.seen.is_some_and(|seen| seen < at) => {
                    if !state.has_check {
                        state.has_check = true;
                        let check = (now + self.config.times.notice, state.generation);
                        self.rounds.checks.insert(check, Arc::clone(room));
                    }
                    self.rounds.awaited += 1;
                    state.awaited.push_back(Awaited {
                        at,
                        counter,
                        pending,
                        since: now,
                    });
                }
                _ => passed.push((at, pending)),
            }
        }
        self.report_passed(passed);
    }

    /// Returns the rest of an own message whose entry was seen.
    pub(super) fn take_own(&mut self, room: &Arc<str>, counter: u64) -> Option<Pending> {
        if let Some(state) = self.rooms.get_mut(room) {
            if let Some(own) = pop_if(&mut state.awaited, |own| own.counter == counter) {
                self.rounds.awaited -= 1;
                return Some(own.pending);
            }
        }
        let batch = self.rounds.round.get_mut(room)?;
        let place = usize::try_from(counter.checked_sub(batch.first)?).ok()?;
        batch.messages.get_mut(place)?.pending.take()
    }

    /// Reads the logs of rooms whose notifications did not come. Under load, messages are always awaited, but not for
    /// long.
    pub(super) fn check_awaited(&mut self, now: Instant) {
        let notice = self.config.times.notice;
        while let Some(check) = self.rounds.checks.first_entry() {
            let (at, generation) = *check.key();
            if at > now {
                return;
            }
            let room = check.remove();
            let state = self.rooms.get_mut(&room);
            let Some(state) = state.filter(|state| state.generation == generation) else {
                continue;
            };
            let next = match state.awaited.front() {
                None => {
                    state.has_check = false;
                    continue;
                }
                Some(oldest) if oldest.since + notice > now => oldest.since + notice,
                Some(_) => {
                    self.read_log(&room);
                    now + notice
                }
            };
            self.rounds.checks.insert((next, generation), room);
        }
    }

    /// Refuses the messages that have waited too long without being sent.
    pub(super) fn refuse_late(&mut self, now: Instant) {
        let timeout = self.config.times.publish;
        let mut late = Vec::new();
        let is_late = |waiting: &Waiting| waiting.since + timeout <= now;
        while let Some(waiting) = pop_if(&mut self.rounds.waiting, is_late) {
            late.push(waiting.pending);
        }
        if !late.is_empty() {
            self.numbers.refused += late.len() as u64;
            self.report(Report::Refused(late, PublishError::Unavailable));
        }
    }

    /// Returns the reason for which something is refused for good; `None` if it is to be sent again, on this
    /// connection or on the next one.
    pub(super) fn is_lasting(&mut self, error: NoAnswer, now: Instant) -> Option<String> {
        match error {
            NoAnswer::Unexpected(script) => {
                self.broken(&NoAnswer::Unexpected(script).to_string(), now);
                None
            }
            NoAnswer::Redis(error) => match error.kind {
                ErrorKind::NoScript => {
                    self.load_scripts(now);
                    None
                }
                kind if kind.needs_reconnect() => {
                    self.broken(&error.to_string(), now);
                    None
                }
                kind => Some(format!("{} ({})", error, kind.name())),
            },
        }
    }
}

fn kind(publication: &Publication) -> Payload {
    match publication.is_text() {
        true => Payload::Text,
        false => Payload::Binary,
    }
}
