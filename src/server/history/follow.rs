//! Followers: threads of the program that receive the messages of a room, as members do.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::server::hub::Command;
use crate::server::hub::history::{Ask, Piece};
use crate::server::hub::replay::RUN;
use crate::server::hub::tails::Tail;
use crate::server::shared::Shared;

use super::older;
use super::page::{Entry, HistoryError};
use super::position::Position;
use super::resume::{Gap, Since};

/// The messages of a room, for a bot, an archive or a bridge: an iterator that waits for the next one. See
/// [`ServerHandle::follow`](crate::ServerHandle::follow).
///
/// It receives the messages in the order in which the members receive them, each once. A follower is not a
/// member: it has no send queue, and the room does not wait for it. If it is slower than the room, it finds
/// the messages in the room's history, and a [`Gap`] in the place of those that are no longer there, or that the
/// journal could not return.
///
/// The iterator ends when the server has ended, with no gap for that. Before the end, it returns all messages that
/// were published before: those for which [`publish`](crate::server::Audience::publish) has returned a position,
/// and those that [`shutdown`](crate::ServerHandle::shutdown) has sent. Messages that are no longer in the memory
/// of the room, but only in its journal, cannot be read once the server has ended: a follower so far behind ends
/// before them. [`position`](Follow::position) is the place to go on from, after a restart too.
///
/// ```no_run
/// use stentor::server::{Followed, Since};
///
/// # fn archive(_: &stentor::server::Entry) {}
/// # fn run(server: stentor::ServerHandle) -> Result<(), Box<dyn std::error::Error>> {
/// for followed in server.follow("lobby", Since::Last(0))? {
///     match followed {
///         Followed::Entry(entry) => archive(&entry),
///         Followed::Gap(gap) => eprintln!("the archive is incomplete: {gap}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "an iterator receives nothing unless it is used"]
pub struct Follow {
    shared: Arc<Shared>,
    room: Arc<str>,
    piece: Piece,
    /// The entries of the piece, the next one last.
    entries: Vec<Entry>,
    /// The room's last messages, once the server has ended.
    tail: Arc<Tail>,
}

/// An item of a [`Follow`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Followed {
    /// The next message.
    Entry(Entry),
    /// Messages are missing between the last one and the next one.
    Gap(Gap),
}

impl Follow {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        room: Arc<str>,
        since: Since,
    ) -> Result<Follow, HistoryError> {
        if !shared.attach(&room, since.position()) {
            return Err(HistoryError::Journal);
        }
        let tail = Arc::default();
        let first = Some(Arc::downgrade(&tail));
        let piece = ask(shared, &room, since, first).ok_or(HistoryError::Closed)?;
        let mut follow = Follow {
            shared: Arc::clone(shared),
            room,
            piece,
            entries: Vec::new(),
            tail,
        };
        follow.unpack();
        Ok(follow)
    }

    /// Returns the position up to which all messages were returned; a later follower begins there.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.entries.last() {
            Some(next) => Position {
                number: next.position.number - 1,
                ..next.position
            },
            None => self.piece.at,
        }
    }

    /// Asks the hub for the entries after the last one, and waits until there are some; `None` if the server has
    /// ended, and there are no more.
    fn ask(&self) -> Option<Piece> {
        let since = Since::Position(self.piece.at);
        ask(&self.shared, &self.room, since, None).or_else(|| self.rest(since))
    }

    /// Returns what the hub has left for this follower at its end.
    fn rest(&self, since: Since) -> Option<Piece> {
        let piece = self.tail.get()?.piece(since, RUN);
        (piece.gap.is_some() || !piece.entries.is_empty()).then_some(piece)
    }

    /// Reads entries that only the journal has, or asks the hub if the journal has dropped the first of them
    /// meanwhile. Those that cannot be read are a gap, unless the server ends: then there are no more.
    fn read(&self, until: u64) -> Option<Piece> {
        let after = self.piece.at;
        let end = Position {
            number: until,
            ..after
        };
        let Ok(entries) = older::read(&self.shared, &self.room, after, until) else {
            return (!self.shared.is_stopping()).then_some(Piece {
                gap: Some(Gap::Trimmed(until - after.number)),
                entries: Vec::new(),
                at: end,
                older: None,
            });
        };
        let Some(last) = entries.last() else {
            return self.ask();
        };
        let at = last.position;
        let entries = entries.into_iter().map(|entry| Entry {
            position: entry.position,
            message: entry.message,
        });
        Some(Piece {
            gap: None,
            entries: entries.collect(),
            at,
            older: (at < end).then_some(until),
        })
    }

    fn unpack(&mut self) {
        self.entries = std::mem::take(&mut self.piece.entries);
        self.entries.reverse();
    }
}

impl Iterator for Follow {
    type Item = Followed;

    fn next(&mut self) -> Option<Followed> {
        loop {
            if let Some(gap) = self.piece.gap.take() {
                return Some(Followed::Gap(gap));
            }
            if let Some(entry) = self.entries.pop() {
                return Some(Followed::Entry(entry));
            }
            self.piece = match self.piece.older {
                Some(until) => self.read(until)?,
                None => self.ask()?,
            };
            self.unpack();
        }
    }
}

/// Returns the next entries, or `None` when the server has ended. The hub answers when there are some: or at once,
/// if the follower is new and has a `tail` to give.
fn ask(shared: &Shared, room: &Arc<str>, since: Since, tail: Option<Weak<Tail>>) -> Option<Piece> {
    let command = |answer| {
        let room = Arc::clone(room);
        Command::History(Box::new(Ask::Follow {
            room,
            since,
            tail,
            answer,
        }))
    };
    shared.ask_hub(command, Duration::MAX)
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("room", &self.room)
            .field("position", &self.position())
            .finish()
    }
}
