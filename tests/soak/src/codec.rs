//! permessage-deflate (RFC 7692), in an implementation that is not the library's.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::manner::Deflate;

/// The bytes at the end of every message, which are left out.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The most that a message may inflate to.
const MOST: usize = 1024 * 1024;

/// Both directions of one client.
pub(crate) struct Codec {
    takeover: bool,
    compress: Compress,
    decompress: Decompress,
}

/// Returns the payload of a compressed message that refers to no other.
pub(crate) fn alone(message: &[u8]) -> Vec<u8> {
    Codec::of(Deflate::Alone).map_or_else(Vec::new, |mut codec| codec.deflated(message))
}

impl Codec {
    /// Returns `None` for a client that does not compress.
    pub(crate) fn of(deflate: Deflate) -> Option<Codec> {
        let codec = |takeover| Codec {
            takeover,
            compress: Compress::new(Compression::fast(), false),
            decompress: Decompress::new(false),
        };
        match deflate {
            Deflate::No => None,
            Deflate::Alone => Some(codec(false)),
            Deflate::Takeover => Some(codec(true)),
        }
    }

    /// Returns the payload of a compressed message.
    pub(crate) fn deflated(&mut self, message: &[u8]) -> Vec<u8> {
        if !self.takeover {
            self.compress.reset();
        }
        // Incompressible data grows by a few bytes; with room to spare one call is enough.
        let mut out = Vec::with_capacity(message.len() + message.len() / 8 + 64);
        let _ = self
            .compress
            .compress_vec(message, &mut out, FlushCompress::Sync);
        out.truncate(out.len().saturating_sub(TAIL.len()));
        out
    }

    /// Returns the message of a compressed payload.
    pub(crate) fn inflated(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        if !self.takeover {
            self.decompress.reset(false);
        }
        let mut out = Vec::with_capacity(payload.len() * 4 + 64);
        for mut rest in [payload, &TAIL] {
            loop {
                let before = self.decompress.total_in();
                let step = self
                    .decompress
                    .decompress_vec(rest, &mut out, FlushDecompress::Sync);
                step.map_err(|error| format!("a message that is not compressed: {error}"))?;
                rest = &rest[(self.decompress.total_in() - before) as usize..];
                // All output is written once there is room left.
                match out.len() < out.capacity() {
                    true if rest.is_empty() => break,
                    true => return Err("a compressed message that ends too early".to_owned()),
                    false if out.len() > MOST => return Err("a message without an end".to_owned()),
                    false => out.reserve(out.len()),
                }
            }
        }
        Ok(out)
    }
}
