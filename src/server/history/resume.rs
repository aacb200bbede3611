//! Resumes: a client receives the messages that it has missed, and then the live ones.
//!
//! The hub enters a client into a room in the moment in which the last missed message is in its send queue:
//! so no message is missed, and none comes twice. What does not fit into the queue then is sent before, by
//! the client's own thread, piece by piece; it waits for room as for any reply.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::net::answer::Answer;
use crate::net::connection::Conversation;
use crate::net::link::Link;
use crate::protocol::Message;
use crate::server::hub::Command;
use crate::server::hub::history::{Ask, Mode, Replay};
use crate::server::membership::{self, JoinError};
use crate::server::shared::Shared;

use super::member::Listed;
use super::older::{self, NotSent};
use super::position::Position;

/// The place in a room's history from which a client or a [`Follow`](crate::server::Follow) receives
/// messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Since {
    /// All messages after this position: it is the last that the client has received.
    Position(Position),
    /// The newest messages, at most so many. With 0, only those that are still to come.
    Last(usize),
}

/// A place in the order of a room's messages where some are missing, since the room no longer keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// So many messages after the client's position exceeded a bound of the [`History`](super::History), and
    /// were dropped.
    Trimmed(u64),
    /// The position is not one of this room's present epoch, or it is from the future: the server was
    /// restarted, the room was forgotten, or the position is of another room. The number of missing messages is
    /// unknown, and may be 0. The client receives all messages that the room keeps.
    Reset,
}

/// The result of [`Client::resume`](crate::Client::resume).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resumed {
    /// The position of the last message before the live ones. A client that receives no further message
    /// resumes from here.
    pub at: Position,
    /// Messages that are missing before the first replayed one, if there are any.
    pub gap: Option<Gap>,
    /// The number of messages from the history, including those that the client's version cannot carry.
    pub replayed: u64,
}

/// The reason why a client did not enter a room with [`Client::resume`](crate::Client::resume). The client
/// stays in its other rooms, and no other client is affected.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResumeError {
    /// The server keeps no history, since [`ServerBuilder::history`](crate::ServerBuilder::history) was not
    /// called.
    NoHistory,
    /// A limit does not allow the client to join the room.
    Join(JoinError),
    /// The client is in the room already. It would receive messages twice: leave the room first.
    Member,
    /// The room's messages exceeded its history, or came, faster than the client has read them. The client has
    /// received all messages up to this position.
    Lagging(Position),
    /// The room's older messages are in the journal, and could not be read, or not within the
    /// [timeout](crate::server::JournalLimits::timeout). The client has received all messages up to this
    /// position. The server has logged the reason.
    Journal(Position),
    /// The room is shared through Redis, which has not answered within the
    /// [timeout](crate::server::JournalLimits::timeout). The client has received nothing.
    Unavailable,
    /// The connection ended meanwhile.
    Connection(Error),
}

impl Since {
    pub(crate) fn position(self) -> Option<Position> {
        match self {
            Since::Position(position) => Some(position),
            Since::Last(_) => None,
        }
    }
}

impl Gap {
    /// Returns the number of missing messages, if it is known.
    #[must_use]
    pub fn missed(self) -> Option<u64> {
        match self {
            Gap::Trimmed(missed) => Some(missed),
            Gap::Reset => None,
        }
    }
}

/// After this many pieces beyond the position that was the room's last, the client is too slow for the room.
const PIECES: u32 = 256;

/// Returns a message for the client about a replay that begins, or goes on behind a gap. It gets the members of
/// the room at that position, if they were requested.
pub(crate) type Report<'a> = &'a mut dyn FnMut(&Resumed, Option<Listed>) -> Option<Message>;

/// One request to the hub for the messages of a room.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) room: &'a Arc<str>,
    pub(crate) since: Since,
    pub(crate) mode: Mode,
    /// Whether the answer has the members of the room.
    pub(crate) listed: bool,
}

/// Replays the messages after `since`, and enters the client into the room. Before the first of them, it
/// sends the message that `report` returns.
#[inline(never)]
pub(crate) fn resume(
    conversation: &mut Conversation,
    shared: &Shared,
    room: &str,
    since: Since,
    report: Option<Report<'_>>,
) -> Result<Resumed, ResumeError> {
    may_resume(conversation, shared, room, since)?;
    let room = room.into();
    let (resumed, _) = replay(conversation, shared, &room, since, (report, false))?;
    Ok(resumed)
}

/// Checks that the client may resume in this room.
pub(crate) fn may_resume(
    conversation: &Conversation,
    shared: &Shared,
    room: &str,
    since: Since,
) -> Result<(), ResumeError> {
    if shared.settings.history.is_none() {
        return Err(ResumeError::NoHistory);
    }
    membership::may_join(&conversation.link, room, shared)?;
    match shared.attach(&room.into(), since.position()) {
        true => Ok(()),
        false => Err(ResumeError::Unavailable),
    }
}

/// Replays the messages and enters the client into the room. Also returns the members, if it is to be `listed`, at
/// the moment in which the client has entered.
pub(crate) fn replay(
    conversation: &mut Conversation,
    shared: &Shared,
    room: &Arc<str>,
    since: Since,
    (mut report, listed): (Option<Report<'_>>, bool),
) -> Result<(Resumed, Option<Listed>), ResumeError> {
    let link = Arc::clone(&conversation.link);
    let step = |since, mode| Step {
        room,
        since,
        mode,
        listed,
    };
    let mut replay = match &mut report {
        None => first(&link, step(since, Mode::Join), shared)?,
        Some(report) => {
            let mut replay = first(&link, step(since, Mode::Look), shared)?;
            send_report(conversation, report, &mut replay)?;
            replay
        }
    };
    let start = replay.resumed;
    let mut replayed = replay.entries;
    let mut pieces = 0;
    while !replay.joined {
        let mut upto = replay.upto;
        pieces += u32::from(upto >= start.at);
        match replay.older {
            Some(until) => {
                let sent = older::send(&link, shared, room, upto, until);
                let at = sent.map_err(|error| match error {
                    NotSent::Journal => ResumeError::Journal(upto),
                    NotSent::Connection(error) => ResumeError::Connection(error),
                })?;
                replayed += at.number - upto.number;
                upto = at;
            }
            None => send(&link, replay)?,
        }
        let since = Since::Position(upto);
        replay = membership::resume(&link, step(since, Mode::Continue), shared)?;
        if !replay.joined && pieces > PIECES {
            return Err(ResumeError::Lagging(upto));
        }
        if replay.resumed.gap.is_some() {
            let report = report.as_mut().ok_or(ResumeError::Lagging(upto))?;
            send_report(conversation, report, &mut replay)?;
        }
        replayed += replay.entries;
    }
    let resumed = Resumed {
        at: replay.upto,
        gap: start.gap,
        replayed,
    };
    Ok((resumed, replay.members))
}

fn send_report(
    conversation: &mut Conversation,
    report: &mut Report<'_>,
    replay: &mut Replay,
) -> Result<(), ResumeError> {
    match report(&replay.resumed, replay.members.take()) {
        Some(message) => Ok(conversation.send(message)?),
        None => Ok(()),
    }
}

/// The most attempts to find the beginning of a shared room's log.
const ATTEMPTS: u32 = 4;

/// Returns the first missed messages. Other servers trim the log of a shared room as well: only a read shows whether it
/// still has the first of them. If not, the hub knows that now, and returns the gap.
fn first(link: &Link, step: Step<'_>, shared: &Shared) -> Result<Replay, ResumeError> {
    let ask = || match step.mode {
        Mode::Look => look(link, step, shared),
        _ => membership::resume(link, step, shared),
    };
    let mut replay = ask()?;
    for _ in 1..ATTEMPTS {
        let older = replay.older.filter(|_| shared.is_shared(step.room));
        let Some(until) = older else {
            break;
        };
        match older::read(shared, step.room, replay.upto, until) {
            Ok(entries) if entries.is_empty() => replay = ask()?,
            _ => break,
        }
    }
    Ok(replay)
}

/// Returns the first missed messages; the client stays outside the room.
fn look(link: &Link, step: Step<'_>, shared: &Shared) -> Result<Replay, ResumeError> {
    let replay = shared.ask_hub(|answer| step.command(link, answer), Duration::MAX);
    replay.ok_or(ResumeError::Join(JoinError::Closed))
}

impl Step<'_> {
    /// Returns the command for the hub.
    pub(crate) fn command(self, link: &Link, answer: Answer<Replay>) -> Command {
        Command::History(Box::new(Ask::Resume {
            id: link.id,
            room: Arc::clone(self.room),
            since: self.since,
            mode: self.mode,
            listed: self.listed,
            answer,
        }))
    }
}

/// Sends a piece, and waits until half of the send queue is free again.
fn send(link: &Link, replay: Replay) -> Result<(), ResumeError> {
    if let Some(frames) = replay.frames {
        let push = link.send_queue.reply_shared(frames, replay.messages);
        link.settle(push)?;
        link.wait_for_room(link.send_queue.limit() / 2)?;
    }
    Ok(())
}

impl From<Position> for Since {
    fn from(position: Position) -> Since {
        Since::Position(position)
    }
}

impl From<JoinError> for ResumeError {
    fn from(error: JoinError) -> ResumeError {
        ResumeError::Join(error)
    }
}

impl From<Error> for ResumeError {
    fn from(error: Error) -> ResumeError {
        ResumeError::Connection(error)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::Trimmed(1) => f.write_str("1 message is missing"),
            Gap::Trimmed(missed) => write!(f, "{missed} messages are missing"),
            Gap::Reset => f.write_str("messages may be missing"),
        }
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResumeError::NoHistory => f.write_str(
                "not resumed: the server keeps no history unless ServerBuilder::history is called",
            ),
            ResumeError::Join(_) => f.write_str("not resumed: the room was not joined"),
            ResumeError::Member => {
                f.write_str("not resumed: the client is in the room already: leave it first")
            }
            ResumeError::Lagging(position) => write!(
                f,
                "not resumed: the client read more slowly than the room's messages came: resume after {position}"
            ),
            ResumeError::Journal(position) => write!(
                f,
                "not resumed: the journal could not be read: resume later, after {position}"
            ),
            ResumeError::Unavailable => f.write_str(
                "not resumed: the room is shared, and Redis does not answer: resume later",
            ),
            ResumeError::Connection(_) => f.write_str("not resumed: the connection ended"),
        }
    }
}

impl std::error::Error for ResumeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ResumeError::Join(error) => Some(error),
            ResumeError::Connection(error) => Some(error),
            ResumeError::NoHistory | ResumeError::Member | ResumeError::Unavailable => None,
            ResumeError::Lagging(_) | ResumeError::Journal(_) => None,
        }
    }
}
