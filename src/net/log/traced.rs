//! Logs the bytes on the wire: header blocks with their secrets redacted, and frames with their
//! headers in hex, ready to be pasted.

use std::fmt;

use crate::protocol::http::text::Escaped;
use crate::protocol::{
    Connection, Framing, HandshakeError, Note, Redacted, Role, State, Transition, Version,
};

use super::{CONNECTION, debug, log_enabled, trace};

/// Whether the logger accepts traces of connections.
#[inline(always)]
pub(crate) fn is_traced() -> bool {
    log_enabled!(target: CONNECTION, ::log::Level::Trace)
}

/// The header of a written frame, kept if the log level is trace. It is logged after the write, which
/// happens under a lock.
#[derive(Debug)]
pub(crate) struct Written {
    wanted: bool,
    header: Vec<u8>,
}

/// Bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl Written {
    #[inline]
    pub(crate) fn for_log() -> Written {
        Written {
            wanted: is_traced(),
            header: Vec::new(),
        }
    }

    /// Runs `write`, and notes the frame that it appends.
    #[inline]
    pub(crate) fn by<T>(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = out.len();
        let result = write(out);
        if self.wanted {
            self.note(&out[start..]);
        }
        result
    }

    /// Notes the header of this frame; its payload may be missing.
    pub(crate) fn note(&mut self, frame: &[u8]) {
        if self.wanted {
            // In draft-75 and draft-76 the header is the first byte.
            let framing = match frame.first() {
                Some(0) => Framing::Hixie,
                _ => Framing::Hybi,
            };
            self.header = frame[..framing.header_len_of(frame)].to_vec();
        }
    }

    #[inline]
    pub(crate) fn log(&self, link: &impl fmt::Display) {
        if !self.header.is_empty() {
            trace!(target: CONNECTION, "{link}: > frame {}", Hex(&self.header));
        }
    }
}

/// Logs the output of the protocol engine, with the header blocks that these transitions belong to.
#[cold]
pub(crate) fn trace_output(
    link: &impl fmt::Display,
    connection: &Connection,
    transitions: &[Transition],
    output: &[u8],
) {
    // The request is logged before its response, on either side.
    if transitions
        .iter()
        .any(|change| change.from == State::Opening)
    {
        if let Some(request) = connection.request() {
            trace!(target: CONNECTION, "{link}: < {}", Redacted(request.head()));
        }
        if let Some(answer) = connection.response() {
            trace!(target: CONNECTION, "{link}: < {}", Redacted(answer.head().bytes()));
        }
    }
    if output.is_empty() {
        return;
    }
    let is_proof = |change: &Transition| change.from == State::Handshaking;
    let is_head = output.starts_with(match connection.role() {
        Role::Server => b"HTTP/".as_slice(),
        Role::Client => b"GET ",
    });
    match connection.version() {
        _ if is_head => trace!(target: CONNECTION, "{link}: > {}", Redacted(output)),
        Some(version)
            if connection.state() > State::Handshaking && !transitions.iter().any(is_proof) =>
        {
            trace_frames(link, version.framing(), output);
        }
        _ => trace!(target: CONNECTION, "{link}: > {}", Escaped::Bytes(output)),
    }
}

fn trace_frames(link: &impl fmt::Display, framing: Framing, mut output: &[u8]) {
    while !output.is_empty() {
        let (header, payload, rest) = framing.split(output);
        trace!(
            target: CONNECTION,
            "{link}: > frame {}: {}",
            Hex(header),
            Escaped::Bytes(payload)
        );
        output = rest;
    }
}

/// Logs the response of a server that did not accept the handshake.
pub(crate) fn trace_declined(link: &impl fmt::Display, error: &HandshakeError) {
    if let Some(answer) = error.response() {
        trace!(target: CONNECTION, "{link}: < {}", Redacted(answer.head().bytes()));
    }
}

/// Logs received bytes that are not events: frame headers, and bytes outside of frames.
#[cold]
pub(crate) fn log_notes(link: &impl fmt::Display, connection: &mut Connection) {
    let version = connection.version().unwrap_or(Version::Rfc6455);
    for note in std::mem::take(&mut connection.notes) {
        match note {
            Note::Frame(header) => trace!(target: CONNECTION, "{link}: < frame {}", Hex(&header)),
            Note::Unframed(first) => debug!(
                target: CONNECTION,
                "{link}: bytes outside of a text frame, from {first:#04x} on, are skipped: in \
                 {version} a text stands between 0x00 and 0xff"
            ),
        }
    }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
