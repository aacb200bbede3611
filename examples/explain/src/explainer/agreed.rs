//! The result of the handshake, as far as the frames depend on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stentor::Version;

use crate::note::Side;

/// The parameters of `permessage-deflate`, as both sides have agreed on them (RFC 7692 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// Whether the client compresses a message with the data of its earlier ones: context takeover
    /// (§7.1.1.2).
    pub client_takeover: bool,
    /// The same for the server (§7.1.1.1).
    pub server_takeover: bool,
    /// The size of the client's window, as a power of two: 8 to 15 (§7.1.2.2).
    pub client_window_bits: u8,
    /// The size of the server's window (§7.1.2.1).
    pub server_window_bits: u8,
}

/// The result of a handshake. Clones share the state of the closing handshake.
#[derive(Debug, Clone)]
pub(crate) struct Agreed {
    pub(crate) version: Version,
    pub(crate) compression: Option<Compression>,
    /// The other extensions, which this program does not know: they may use the reserved bits.
    pub(crate) unknown: Option<Arc<str>>,
    pub(crate) subprotocol: Option<String>,
    closing: Arc<[AtomicBool; 2]>,
}

impl Compression {
    /// Whether the frames of this side are compressed with the data of its earlier messages.
    pub fn takeover(&self, from: Side) -> bool {
        match from {
            Side::Client => self.client_takeover,
            Side::Server => self.server_takeover,
        }
    }

    /// The size of the window of this side, as a power of two.
    pub fn window_bits(&self, from: Side) -> u8 {
        match from {
            Side::Client => self.client_window_bits,
            Side::Server => self.server_window_bits,
        }
    }
}

/// Without parameters: context takeover on both sides, windows of 32 KiB (RFC 7692 §7.1).
impl Default for Compression {
    fn default() -> Compression {
        Compression {
            client_takeover: true,
            server_takeover: true,
            client_window_bits: 15,
            server_window_bits: 15,
        }
    }
}

impl Agreed {
    /// The version alone, without a subprotocol.
    pub(crate) fn new(version: Version, compression: Option<Compression>) -> Agreed {
        Agreed {
            version,
            compression,
            unknown: None,
            subprotocol: None,
            closing: Arc::default(),
        }
    }

    /// Records that this side has sent its close frame, or draft-76's `FF 00`.
    pub(crate) fn record_close(&self, from: Side) {
        self.closing[from as usize].store(true, Ordering::Relaxed);
    }

    /// Whether this side has sent its close frame, in the order in which the bytes were fed.
    pub(crate) fn has_sent_close(&self, from: Side) -> bool {
        self.closing[from as usize].load(Ordering::Relaxed)
    }
}
