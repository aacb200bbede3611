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
    /// Reads all bytes, of which the first is at `at` in the stream. A reader keeps an incomplete frame itself:
    /// otherwise each read would go through its bytes once more.
    fn read(&mut self, at: u64, bytes: &[u8], sink: &mut Sink) {
        let end = at + bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.step(end - rest.len() as u64, rest, sink);
        }
    }

    /// Reads up to the end of a part of a frame, and returns the bytes after it. `at` is the place of the
    /// first byte.
    fn step<'a>(&mut self, at: u64, bytes: &'a [u8], sink: &mut Sink) -> &'a [u8];

    /// The stream has ended after these bytes, which were not read. The reader explains them, and adds
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
