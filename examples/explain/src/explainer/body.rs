//! The body of a response that is no upgrade.

use crate::note::{Part, Side, Value};

use super::head::Length;
use super::sink::NoteDraft;

/// The most bytes of a body that a note shows.
const SHOWN: usize = 256;

/// The part of a body that has arrived.
#[derive(Debug)]
pub(super) struct Body {
    start: u64,
    length: Length,
    read: u64,
    shown: Vec<u8>,
}

impl Body {
    pub(super) fn new(start: u64, length: Length) -> Body {
        Body {
            start,
            length,
            read: 0,
            shown: Vec::new(),
        }
    }

    /// Reads bytes, and returns how many belong to the body.
    pub(super) fn read(&mut self, bytes: &[u8]) -> usize {
        let left = match self.length {
            Length::Bytes(length) => usize::try_from(length - self.read).unwrap_or(usize::MAX),
            Length::Rest => usize::MAX,
        };
        let used = &bytes[..bytes.len().min(left)];
        let room = SHOWN - self.shown.len();
        self.shown.extend_from_slice(&used[..used.len().min(room)]);
        self.read += used.len() as u64;
        used.len()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.length == Length::Bytes(self.read)
    }

    /// Returns the note about all that was read, if there is any.
    pub(super) fn note(&self) -> Option<NoteDraft> {
        let range = self.start..self.start + self.read;
        let text = String::from_utf8_lossy(&self.shown).into_owned();
        let draft = NoteDraft::new(Part::Body, Side::Server, range);
        (self.read > 0).then(|| draft.value(Value::Text(text)))
    }
}
