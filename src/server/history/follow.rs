//! Followers: threads of the program that receive the messages of a room, as members do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::server::hub::Command;
use crate::server::hub::history::{Ask, Piece};
use crate::server::shared::Shared;

use super::page::{Entry, HistoryError};
use super::position::Position;
use super::resume::{Gap, Since};

/// The messages of a room, for a bot, an archive or a bridge: an iterator that waits for the next one. See
/// [`ServerHandle::follow`](crate::ServerHandle::follow).
///
/// It receives the messages in the order in which the members receive them, each once. A follower is not a
/// member: it has no send queue, and the room does not wait for it. If it is slower than the room, it finds
/// the messages in the room's history, and a [`Gap`] in the place of those that are no longer there. The
/// iterator ends when the server has ended; the last messages before that may not reach it.
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
        let piece = ask(shared, &room, since, false).ok_or(HistoryError::Closed)?;
        let mut follow = Follow {
            shared: Arc::clone(shared),
            room,
            piece,
            entries: Vec::new(),
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
            let since = Since::Position(self.piece.at);
            self.piece = ask(&self.shared, &self.room, since, true)?;
            self.unpack();
        }
    }
}

/// Returns the next entries, or `None` when the server has ended. If `waits`, the hub answers when there are
/// some.
fn ask(shared: &Shared, room: &Arc<str>, since: Since, waits: bool) -> Option<Piece> {
    let command = |answer| {
        let room = Arc::clone(room);
        Command::History(Box::new(Ask::Follow {
            room,
            since,
            waits,
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
