//! Compression (RFC 7692): parameters that a response may not have, and the plausible wrong messages.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// The largest message that the checker decompresses.
const MAX_MESSAGE: usize = 4 << 20;
/// The end of each message, which the sender removes (RFC 7692, section 7.2.1).
pub(crate) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The reason why the value of a response's `Sec-WebSocket-Extensions` breaks RFC 7692, section 7.1.
pub(crate) fn wrong_parameter(value: &str, offer: &str) -> Option<String> {
    let mut seen = Vec::new();
    for parameter in value.split(';').skip(1).map(str::trim) {
        let (name, number) = match parameter.split_once('=') {
            Some((name, number)) => (name.trim(), Some(number.trim().trim_matches('"'))),
            None => (parameter, None),
        };
        let fits = match name {
            "server_no_context_takeover" | "client_no_context_takeover" => number.is_none(),
            "server_max_window_bits" => number.is_some_and(is_window),
            "client_max_window_bits" => number.is_some_and(is_window) && offer.contains(name),
            _ => false,
        };
        if !fits {
            return Some(format!("The parameter {parameter} is not allowed here."));
        }
        if seen.contains(&name) {
            return Some(format!("The parameter {name} is there twice."));
        }
        seen.push(name);
    }
    None
}

fn is_window(bits: &str) -> bool {
    matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

/// Decompresses messages that share a context.
#[derive(Debug)]
pub(crate) struct Inflater(Decompress);

impl Inflater {
    /// A decompressor with an empty context.
    pub(crate) fn new() -> Inflater {
        Inflater(Decompress::new(false))
    }

    /// The next message, or `None` if the bytes cannot be decompressed or are too long.
    pub(crate) fn message(&mut self, packed: &[u8]) -> Option<Vec<u8>> {
        self.raw(&[packed, &TAIL].concat())
    }

    /// Decompresses these bytes without putting the tail back.
    pub(crate) fn raw(&mut self, mut packed: &[u8]) -> Option<Vec<u8>> {
        let mut plain = Vec::with_capacity(1024);
        loop {
            let before = self.0.total_in();
            let done = plain.len();
            let status = self
                .0
                .decompress_vec(packed, &mut plain, FlushDecompress::Sync)
                .ok()?;
            let read = usize::try_from(self.0.total_in() - before).ok()?;
            packed = &packed[read..];
            if status == flate2::Status::StreamEnd {
                // A final block: the next one begins a new stream with the same context.
                return Some(plain);
            }
            if packed.is_empty() && plain.len() < plain.capacity() {
                return Some(plain);
            }
            if plain.len() > MAX_MESSAGE
                || read == 0 && done == plain.len() && plain.len() < plain.capacity()
            {
                return None;
            }
            plain.reserve(plain.len().max(1024));
        }
    }
}

/// Compresses messages that share a context.
#[derive(Debug)]
pub(crate) struct Deflater(Compress);

impl Deflater {
    /// A compressor with an empty context.
    pub(crate) fn new() -> Deflater {
        Deflater(Compress::new(Compression::default(), false))
    }

    /// The payload of a message, without the tail.
    pub(crate) fn message(&mut self, mut plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(plain.len() + 64);
        loop {
            let before = self.0.total_in();
            let status = self.0.compress_vec(plain, &mut packed, FlushCompress::Sync);
            let read = usize::try_from(self.0.total_in() - before).unwrap_or(plain.len());
            plain = &plain[read..];
            if status.is_err() || plain.is_empty() && packed.len() < packed.capacity() {
                break;
            }
            packed.reserve(packed.len().max(64));
        }
        if packed.ends_with(&TAIL) {
            packed.truncate(packed.len() - TAIL.len());
        }
        packed
    }
}
