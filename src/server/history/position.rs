//! The position of a message in the history of its room.

use std::fmt;
use std::str::FromStr;

use crate::protocol::http::text::Escaped;

/// The position of a message in the history of its room.
///
/// The text of a position, such as `1795944294201974-17`, is short and opaque: clients keep it and send it
/// back. In JSON it must be a string, since its numbers exceed the numbers of JavaScript. The messages of a
/// room have consecutive numbers as long as the epoch is the same. A room gets a new epoch when the
/// server starts, and when it is used again after it was forgotten; a room in a
/// [`Journal`](crate::server::Journal) keeps its epoch. No two rooms have the same epoch.
///
/// A position is no permission: a client that knows one can only compare it. The program decides which client may
/// join which room.
///
/// ```
/// use stentor::server::Position;
///
/// let position: Position = "1795944294201974-17".parse()?;
/// assert_eq!(position.to_string(), "1795944294201974-17");
/// assert_eq!(position.number(), 17);
/// assert!("17".parse::<Position>().is_err());
/// # Ok::<(), stentor::server::InvalidPosition>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "offset")]
#[doc(alias = "cursor")]
pub struct Position {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
}

/// The error for text that is not a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPosition {
    /// Escaped and shortened.
    text: String,
}

/// The most bytes of a position's text.
pub(crate) const LONGEST: usize = 41;

impl Position {
    /// Creates a position, for a [`Journal`](crate::server::Journal) that reads it from its store. Programs
    /// otherwise use the positions that the server returns.
    #[must_use]
    pub fn new(epoch: u64, number: u64) -> Position {
        Position { epoch, number }
    }

    /// Returns the epoch: the life of the room in which the message was published.
    #[must_use]
    pub fn epoch(self) -> u64 {
        self.epoch
    }

    /// Returns the number of the message within the epoch. The first message has 1; 0 is the position before
    /// it.
    #[must_use]
    pub fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    /// Reads a position exactly as `Display` writes it.
    fn from_str(text: &str) -> Result<Position, InvalidPosition> {
        let parsed = || {
            let (epoch, number) = text.split_once('-').filter(|_| text.len() <= LONGEST)?;
            Some(Position {
                epoch: decimal(epoch)?,
                number: decimal(number)?,
            })
        };
        parsed().ok_or_else(|| InvalidPosition {
            text: Escaped::Text(text).to_string(),
        })
    }
}

/// Reads digits without a sign and without zeros before them.
fn decimal(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain && is_short)
}

impl fmt::Display for InvalidPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not the position of a message: \"{}\": send back the text that came with the message",
            self.text
        )
    }
}

impl std::error::Error for InvalidPosition {}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Position};

    #[test]
    fn a_position_is_read_only_as_it_is_written() {
        for (epoch, number) in [(0, 0), (1, 10), (u64::MAX, u64::MAX)] {
            let position = Position { epoch, number };
            let text = position.to_string();
            assert!(text.len() <= LONGEST);
            assert_eq!(text.parse(), Ok(position));
        }
        let long = "1".repeat(10 * 1024 * 1024);
        let wrong = [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "+1-2",
            "1-+2",
            "01-2",
            "1-02",
            " 1-2",
            "1-2\n",
            "1-2\0",
            "x-2",
            "\u{661}-2",
            "18446744073709551616-1",
            long.as_str(),
        ];
        for text in wrong {
            let error = text.parse::<Position>().err();
            let error = error.map_or_else(String::new, |error| error.to_string());
            assert!((1..500).contains(&error.len()), "{error}");
            assert!(!error.contains(['\0', '\n']), "{error}");
        }
    }
}
