//! What a decoder sees that is no event, and that a log may want.

use super::Framing;

/// Something worth a line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// The header of a frame, as it came.
    Frame(Vec<u8>),
    /// Draft-75 and draft-76: the first byte of a frame of a type that has no meaning, and that `FF`
    /// ends. Most likely it is text without a frame. Noted once.
    Unframed(u8),
}

/// What was noted since the last look.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Whether headers are noted.
    pub(crate) frames: bool,
    unframed: bool,
    notes: Vec<Note>,
}

impl Notes {
    /// A frame begins with this header.
    #[inline]
    pub(super) fn frame(&mut self, header: &[u8]) {
        if self.frames {
            self.notes.push(Note::Frame(header.to_vec()));
        }
    }

    /// A frame of version 7 and later that breaks a rule with its header.
    pub(super) fn broken(&mut self, frame: &[u8]) {
        self.frame(&frame[..Framing::Hybi.header_len_of(frame)]);
    }

    /// One more byte of the header that was noted last.
    pub(super) fn more(&mut self, byte: u8) {
        if let Some(Note::Frame(header)) = self.notes.last_mut() {
            header.push(byte);
        }
    }

    /// A frame of a type that has no meaning begins.
    pub(super) fn unframed(&mut self, first: u8) {
        if !std::mem::replace(&mut self.unframed, true) {
            self.notes.push(Note::Unframed(first));
        }
    }

    /// Moves what was noted.
    #[inline]
    pub(crate) fn move_to(&mut self, all: &mut Vec<Note>) {
        if !self.notes.is_empty() {
            all.append(&mut self.notes);
        }
    }
}
