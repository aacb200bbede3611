//! A message for a room with a history: the hub writes its position into it.

use std::fmt;

use crate::protocol::Message;

use super::position::{LONGEST, Position};
use crate::server::membership::LONGEST_NAME;

/// A message for a room with a history, for [`Audience::publish`](crate::server::Audience::publish).
///
/// Every [`Message`] can be one. Members then receive that message, and do not learn its position. If they
/// are to resume after it, the position must be a part of the message: [`around`](Publication::around) takes
/// the text before and behind the place into which the hub writes the position. All five versions carry
/// such a message.
///
/// ```
/// use stentor::server::Publication;
///
/// // Members receive {"id":"1795944294201974-18","text":"hi"}
/// let said = Publication::around(r#"{"id":""#, r#"","text":"hi"}"#);
/// ```
#[derive(Debug, Clone)]
#[must_use = "pass it to `Audience::publish`"]
pub struct Publication(Content);

#[derive(Debug, Clone)]
enum Content {
    Plain(Message),
    /// The text without the position, and the place of the position in it.
    Stamped(String, usize),
}

/// The error if a message was not published. No member has received it, and none will, except after
/// [`Pending`](PublishError::Pending).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The server keeps no history, since [`ServerBuilder::history`](crate::ServerBuilder::history) was not
    /// called; or the audience is not one room.
    NoHistory,
    /// The room's name is longer than 256 bytes. The number is its length in bytes.
    LongName(usize),
    /// The server shuts down, or has ended.
    Closed,
    /// The messages on their way to the journal were as many as there may be, 1,024 or 4 MiB, for the
    /// [timeout](crate::server::JournalLimits::timeout): the journal is too slow, or blocked. In a room that is
    /// shared through Redis, also if Redis could not be reached in that time.
    Unavailable,
    /// The journal, or Redis, has not answered within the [timeout](crate::server::JournalLimits::timeout). The
    /// message may still be stored and sent later.
    Pending,
    /// The journal has returned an error, or has panicked; or Redis has refused the message. The server has
    /// logged the error.
    Journal,
    /// A message in a room that is shared through Redis has more than 16 MiB. The number is its length in bytes.
    LargeMessage(usize),
}

impl Publication {
    /// Creates a text message of two parts; the position is written between them.
    pub fn around(before: impl AsRef<str>, after: impl AsRef<str>) -> Publication {
        let (before, after) = (before.as_ref(), after.as_ref());
        // With room for the position: so the hub need not reserve memory.
        let mut text = String::with_capacity(before.len() + LONGEST + after.len());
        text.push_str(before);
        text.push_str(after);
        Publication(Content::Stamped(text, before.len()))
    }

    /// Returns the most bytes that the message can have.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Content::Plain(message) => message.len(),
            Content::Stamped(text, _) => text.len() + LONGEST,
        }
    }

    /// Returns the publication in memory of its own size: the message may be a part of a large buffer.
    pub(crate) fn compact(self) -> Publication {
        match self.0 {
            Content::Plain(message) => Publication(Content::Plain(match message.as_text() {
                Some(text) => Message::from(text),
                None => Message::from(message.as_bytes()),
            })),
            stamped => Publication(stamped),
        }
    }

    /// Returns the message without the position.
    #[cfg(feature = "redis")]
    pub(crate) fn payload(&self) -> &[u8] {
        match &self.0 {
            Content::Plain(message) => message.as_bytes(),
            Content::Stamped(text, _) => text.as_bytes(),
        }
    }

    /// Returns the place of the position in the message, if it has one.
    #[cfg(feature = "redis")]
    pub(crate) fn stamp(&self) -> Option<usize> {
        match &self.0 {
            Content::Plain(_) => None,
            Content::Stamped(_, place) => Some(*place),
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn is_text(&self) -> bool {
        match &self.0 {
            Content::Plain(message) => message.is_text(),
            Content::Stamped(..) => true,
        }
    }

    /// Returns the message at this position.
    pub(crate) fn at(self, position: Position) -> Message {
        match self.0 {
            Content::Plain(message) => message,
            Content::Stamped(mut text, place) => {
                text.insert_str(place, &position.to_string());
                Message::from(text)
            }
        }
    }
}

impl<M: Into<Message>> From<M> for Publication {
    fn from(message: M) -> Publication {
        Publication(Content::Plain(message.into()))
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::NoHistory => f.write_str(
                "not published: only a room of a server with ServerBuilder::history has a history",
            ),
            PublishError::LongName(len) => write!(
                f,
                "not published: the room's name has {len} bytes, and the limit is {LONGEST_NAME}"
            ),
            PublishError::Closed => f.write_str("not published: the server shuts down"),
            PublishError::Unavailable => f.write_str(
                "not published: the journal, or Redis, is too slow, or cannot be reached: publish again later, and find out why",
            ),
            PublishError::Pending => f.write_str(
                "not published yet: the journal, or Redis, has not answered in time: the message may still be stored and sent",
            ),
            PublishError::Journal => f.write_str(
                "not published: the journal, or Redis, has not stored the message: the log of the server has the reason",
            ),
            PublishError::LargeMessage(len) => write!(
                f,
                "not published: the message has {len} bytes, and the limit in a shared room is 16 MiB"
            ),
        }
    }
}

impl std::error::Error for PublishError {}
