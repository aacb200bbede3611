//! Enters: a client becomes visible as a member of a room, and receives the messages that it has missed.
//!
//! The member enters first, so that its entry is in the room's history. Then the client resumes. Each report has
//! the list of members from the same moment as the position: the list is true there, and the entries that follow
//! change it.

use std::fmt;
use std::sync::Arc;

use crate::net::client_id::ClientId;
use crate::net::connection::Conversation;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::protocol::Message;
use crate::server::hub::Command;
use crate::server::hub::history::Ask;
use crate::server::hub::presence::Unentered;
use crate::server::membership::JoinError;
use crate::server::shared::Shared;

use super::member::{LARGEST, LONGEST_META, Listed, Member, MemberId, Present};
use super::publication::{Publication, PublishError};
use super::resume::{ResumeError, Resumed, Since, may_resume, replay};

/// The result of [`Client::enter`](crate::Client::enter), and the report to its closure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entered {
    /// The public id of the client's own member.
    pub id: MemberId,
    /// The position, the gap before the messages that follow, and their number.
    pub resumed: Resumed,
    /// The announced members of the room at the position [`resumed.at`](Resumed::at), in the order of their ids. The
    /// client's own member is one of them if it is announced. Entries up to that position are applied already.
    pub members: Vec<Present>,
    /// The number of members that are not announced: see
    /// [`max_announced`](crate::server::History::max_announced).
    pub unannounced: usize,
}

/// The reason why a client did not enter a room with [`Client::enter`](crate::Client::enter). The client is not in
/// the room, and this connection is not one of the member's.
#[derive(Debug)]
#[non_exhaustive]
pub enum EnterError {
    /// The metadata is longer than 1 KiB. The number is its length in bytes.
    LongMeta(usize),
    /// A publication about the member is larger than 4 KiB. The number is its length in bytes, including those
    /// that are reserved for the position.
    LargePublication(usize),
    /// The members of all rooms take as much memory as
    /// [`max_member_bytes`](crate::server::History::max_member_bytes) allows. The number is that limit.
    TooManyMembers(usize),
    /// The entry about the member was not published, since the journal has not stored it, or not in time.
    Entry(PublishError),
    /// The client could not join the room or receive its messages.
    Resume(ResumeError),
}

/// A connection of a member in a room that the client has not joined yet. Dropping it ends the presence, also
/// if the program's closure panics.
struct Entrance<'a> {
    shared: &'a Shared,
    id: ClientId,
    /// `None` when the client has joined: its leave ends the presence then.
    room: Option<Arc<str>>,
    at_once: bool,
}

/// Enters a member into a room, and replays the messages after `since`. Before the first of them, it sends the
/// message that `report` returns.
#[inline(never)]
pub(crate) fn enter(
    conversation: &mut Conversation,
    shared: &Shared,
    (room, since): (&str, Since),
    member: Member,
    report: &mut dyn FnMut(&Entered) -> Option<Message>,
) -> Result<Entered, EnterError> {
    check(&member)?;
    may_resume(conversation, shared, room, since)?;
    // There is no entry about a connection that has ended.
    conversation
        .check_connected()
        .map_err(ResumeError::Connection)?;
    let room: Arc<str> = room.into();
    let id = member.id;
    let mut entrance = Entrance::open(conversation.link.id, shared, &room, member)?;
    let mut report = |resumed: &Resumed, listed| report(&Entered::new(id, *resumed, listed));
    match replay(
        conversation,
        shared,
        &room,
        since,
        (Some(&mut report), true),
    ) {
        Ok((resumed, listed)) => {
            entrance.room = None;
            Ok(Entered::new(id, resumed, listed))
        }
        Err(error) => {
            // The end of the connection is no decision to leave: the member has its grace period.
            entrance.at_once = !matches!(error, ResumeError::Connection(_));
            Err(EnterError::Resume(error))
        }
    }
}

fn check(member: &Member) -> Result<(), EnterError> {
    if member.meta.len() > LONGEST_META {
        return Err(EnterError::LongMeta(member.meta.len()));
    }
    for publication in [&member.joined, &member.left].into_iter().flatten() {
        if publication.len() > LARGEST {
            return Err(EnterError::LargePublication(publication.len()));
        }
    }
    Ok(())
}

impl Entrance<'_> {
    fn open<'a>(
        id: ClientId,
        shared: &'a Shared,
        room: &Arc<str>,
        member: Member,
    ) -> Result<Entrance<'a>, EnterError> {
        let member = Member {
            // It may be kept for long.
            left: member.left.map(Publication::compact),
            ..member
        };
        let command = |answer| {
            Command::History(Box::new(Ask::Enter {
                id,
                room: Arc::clone(room),
                member,
                answer,
            }))
        };
        let mut entrance = Entrance {
            shared,
            id,
            room: Some(Arc::clone(room)),
            at_once: true,
        };
        let refused = match shared.ask_hub(command, shared.patience(room)) {
            Some(Ok(())) => return Ok(entrance),
            None if !shared.is_stopping() && shared.may_answer_later(room) => {
                // The entry may still be stored: dropping the entrance ends the presence behind it.
                return Err(EnterError::Entry(PublishError::Pending));
            }
            None => ResumeError::Join(JoinError::Closed).into(),
            Some(Err(Unentered::Memory(limit))) => {
                shared.totals.not_joined.fetch_add(1, Relaxed);
                EnterError::TooManyMembers(limit)
            }
            Some(Err(Unentered::Entry(error))) => EnterError::Entry(error),
            Some(Err(Unentered::Gone)) => ResumeError::Join(JoinError::Closed).into(),
        };
        // The hub has not entered the connection, or has ended its presence.
        entrance.room = None;
        Err(refused)
    }
}

impl Drop for Entrance<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.room.take() {
            let (id, at_once) = (self.id, self.at_once);
            let exit = Ask::Exit { id, room, at_once };
            self.shared.command(Command::History(Box::new(exit)));
        }
    }
}

impl Entered {
    fn new(id: MemberId, resumed: Resumed, listed: Option<Listed>) -> Entered {
        Entered {
            id,
            resumed,
            unannounced: listed.as_ref().map_or(0, |listed| listed.unannounced),
            members: listed.map_or_else(Vec::new, |listed| listed.sorted()),
        }
    }
}

impl From<ResumeError> for EnterError {
    fn from(error: ResumeError) -> EnterError {
        EnterError::Resume(error)
    }
}

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnterError::LongMeta(len) => write!(
                f,
                "not entered: the member's metadata has {len} bytes, and the limit is {LONGEST_META}: use less"
            ),
            EnterError::LargePublication(len) => write!(
                f,
                "not entered: a publication about the member has {len} bytes, and the limit is {LARGEST}: use a smaller one"
            ),
            EnterError::TooManyMembers(limit) => write!(
                f,
                "not entered: the members of all rooms take {limit} bytes already, the limit: raise max_member_bytes"
            ),
            EnterError::Entry(_) => {
                f.write_str("not entered: the entry about the member was not published")
            }
            EnterError::Resume(_) => f.write_str("not entered: the room was not resumed"),
        }
    }
}

impl std::error::Error for EnterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            EnterError::Resume(error) => Some(error),
            EnterError::Entry(error) => Some(error),
            _ => None,
        }
    }
}
