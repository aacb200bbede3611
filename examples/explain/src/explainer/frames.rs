//! The readers of frames.

use stentor::Version;
use stentor::protocol::framing::Framing;

use super::agreed::Agreed;
use super::hixie::Hixie;
use super::hybi::Hybi;
use super::sink::Sink;
use crate::note::Side;

/// Reads the frames of one direction, after the handshake.
pub(crate) trait FrameReader: Send {
    /// Reads bytes, of which the first is at `at` in the stream. Returns how many were used; the others
    /// are passed again, with further bytes after them. A reader uses all that it can, and keeps a large
    /// frame itself: otherwise each read would go through its bytes once more.
    fn read(&mut self, at: u64, bytes: &[u8], sink: &mut Sink) -> usize;

    /// The stream has ended after these bytes, which were not used. The reader explains them, and adds
    /// the note [`Part::End`].
    fn end(&mut self, at: u64, rest: &[u8], sink: &mut Sink);
}

/// Returns the reader for the frames that this side sends.
pub(crate) fn reader(version: Version, from: Side, agreed: &Agreed) -> Box<dyn FrameReader> {
    match version.framing() {
        Framing::Hixie => Box::new(Hixie::new(version, from, agreed)),
        Framing::Hybi => Box::new(Hybi::new(version, from, agreed)),
    }
}
