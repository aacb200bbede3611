//! What the library's own shell needs of the engine beside the loop that every shell runs: to read
//! without a copy, to see what is left to do, and to know what a log may want.

use super::connection::{Connection, Phase};
use super::framing::Note;

impl Connection {
    /// Whether there is neither output nor a change of state to be taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.output.is_empty() && self.transitions.is_empty()
    }

    /// Whether the headers of frames are noted from now on, for [`notes`](Connection::notes).
    pub(crate) fn note_frames(&mut self, noting: bool) {
        self.noting = noting;
        if let Phase::Frames(decoder) = &mut self.phase {
            decoder.notes().frames = noting;
        }
    }

    /// What a log may want, since the last call.
    pub(crate) fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Whether there is something that a log may want.
    pub(crate) fn has_notes(&self) -> bool {
        !self.notes.is_empty()
    }

    /// Whether bytes have come that no event was made of yet.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// The buffer behind [`receive_data`](Connection::receive_data), with room for about `most`
    /// bytes: a shell that reads into it directly saves a copy. Bytes may only be appended.
    pub(crate) fn input_buffer(&mut self, most: usize) -> &mut Vec<u8> {
        let Connection { input, phase, .. } = self;
        match phase {
            Phase::Frames(decoder) if input.is_empty() => match decoder.direct(most) {
                Some(buffer) => buffer,
                None => input.buffer(most),
            },
            _ => input.buffer(most),
        }
    }

    /// Takes bytes as a shell does that reads into [`input_buffer`](Connection::input_buffer): what
    /// is cut and copied differently must not be read differently, and the fuzzer compares the two.
    #[cfg(fuzzing)]
    pub fn read_data(&mut self, most: usize, data: &[u8]) {
        self.input_buffer(most).extend_from_slice(data);
    }
}
