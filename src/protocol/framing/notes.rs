//! Notes of a decoder for a log, about input that causes no event.

use super::Framing;

/// A note that is worth a line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// The header of a frame, as received.
    Frame(Vec<u8>),
    /// Draft-75 and draft-76: the first byte of a frame of a type that has no meaning, and that `FF`
    /// ends. Most likely it is text without a frame. Noted once.
    Unframed(u8),
}

/// The notes since the last call.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Whether headers are recorded.
    pub(crate) frames: bool,
    unframed: bool,
    notes: Vec<Note>,
}

impl Notes {
    /// Records the header of a frame.
    #[inline]
    pub(super) fn frame(&mut self, header: &[u8]) {
        if self.frames {
            self.notes.push(Note::Frame(header.to_vec()));
        }
    }

    /// Records a frame of version 7 and later with a header that breaks a rule.
    pub(super) fn broken(&mut self, frame: &[u8]) {
        self.frame(&frame[..Framing::Hybi.header_len_of(frame)]);
    }

    /// Records one more byte of the last header.
    pub(super) fn more(&mut self, byte: u8) {
        if let Some(Note::Frame(header)) = self.notes.last_mut() {
            header.push(byte);
        }
    }

    /// Records the start of a frame of a type that has no meaning.
    pub(super) fn unframed(&mut self, first: u8) {
        if !std::mem::replace(&mut self.unframed, true) {
            self.notes.push(Note::Unframed(first));
        }
    }

    /// Moves the notes out.
    #[inline]
    pub(crate) fn move_to(&mut self, all: &mut Vec<Note>) {
        if !self.notes.is_empty() {
            all.append(&mut self.notes);
        }
    }
}
