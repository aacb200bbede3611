//! Compresses messages into deflate streams.

use std::fmt;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::Negotiated;
use crate::protocol::message::Message;

/// The end of every compressed message, which is left out (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Room that is always reserved in addition: with less, zlib might repeat its flush (zlib.h,
/// `deflate`).
const ROOM: usize = 64;

/// Compresses one message after the other.
pub(crate) struct Deflater {
    stream: Compress,
    bits: u8,
    level: u8,
}

impl Deflater {
    /// Creates a compressor for peers with these negotiated parameters.
    pub(crate) fn new(negotiated: &Negotiated) -> Deflater {
        let level = Compression::new(negotiated.level.into());
        Deflater {
            stream: Compress::new_with_window_bits(level, false, negotiated.send.bits),
            bits: negotiated.send.bits,
            level: negotiated.level,
        }
    }

    /// Returns whether the compressor fits these negotiated parameters.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn fits(&self, negotiated: &Negotiated) -> bool {
        (self.bits, self.level) == (negotiated.send.bits, negotiated.level)
    }

    /// Drops the context: the next message refers to nothing but itself.
    pub(crate) fn reset(&mut self) {
        self.stream.reset();
    }

    /// Returns the payload of a compressed message that refers to nothing but itself; `None` if it
    /// would not be shorter.
    pub(crate) fn compress_alone(&mut self, message: &Message) -> Option<Vec<u8>> {
        self.reset();
        let payload = self.compress(message.as_bytes())?;
        (payload.len() < message.len()).then_some(payload)
    }

    /// Returns the payload of a compressed message, which may refer to all messages since the last
    /// [reset](Deflater::reset). `None` if zlib fails, which it has no reason to; later messages must
    /// then not refer to earlier ones.
    pub(crate) fn compress(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        if payload.is_empty() {
            // The rest of the one empty block; zlib would flush nothing (RFC 7692 §7.2.3.6).
            return Some(vec![TAIL[0]]);
        }
        let mut out = Vec::new();
        let mut rest = payload;
        loop {
            out.reserve(rest.len() / 2 + ROOM);
            let before = self.stream.total_in();
            let flushed = self
                .stream
                .compress_vec(rest, &mut out, FlushCompress::Sync);
            let used = usize::try_from(self.stream.total_in() - before).ok()?;
            rest = &rest[used..];
            match flushed.ok()? {
                Status::StreamEnd => return None,
                Status::Ok if !rest.is_empty() || out.len() == out.capacity() => {}
                Status::Ok | Status::BufError => break,
            }
        }
        if !rest.is_empty() || !out.ends_with(&TAIL) {
            return None;
        }
        out.truncate(out.len() - TAIL.len());
        Some(out)
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("bits", &self.bits)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}
