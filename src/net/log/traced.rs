//! What a log is told of the bytes themselves: heads without their secrets, and frames with their
//! headers in hex, ready to be pasted.

use std::fmt;

use crate::protocol::http::text::Escaped;
use crate::protocol::{Framing, HandshakeError, Note, Redacted, Role, State, Transition};

use super::{debug, log_enabled, trace};
use crate::net::connection::Conversation;
use crate::net::link::Link;

/// The header of a frame that is written, where the log wants it. Nothing is logged while it is
/// written: that is done under a lock.
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
            wanted: log_enabled!(::log::Level::Trace),
            header: Vec::new(),
        }
    }

    /// Notes what `write` appends: a frame.
    #[inline]
    pub(crate) fn by<T>(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = out.len();
        let result = write(out);
        if self.wanted {
            self.note(&out[start..]);
        }
        result
    }

    /// Notes the header of this frame; what is behind it may be missing.
    pub(crate) fn note(&mut self, frame: &[u8]) {
        if self.wanted {
            // In draft-75 and draft-76 it is the first byte.
            let framing = match frame.first() {
                Some(0) => Framing::Hixie,
                _ => Framing::Hybi,
            };
            self.header = frame[..framing.header_len_of(frame)].to_vec();
        }
    }

    #[inline]
    pub(crate) fn log(&self, link: &Link) {
        if !self.header.is_empty() {
            trace!("{link}: > frame {}", Hex(&self.header));
        }
    }
}

impl Conversation {
    /// What the engine has put out, with the changes of state that it has made of it.
    #[cold]
    pub(crate) fn trace_output(&self, transitions: &[Transition], output: &[u8]) {
        let (link, connection) = (&self.link, &self.connection);
        // The request comes before its answer, whichever of them is ours.
        if transitions
            .iter()
            .any(|change| change.from == State::Opening)
        {
            if let Some(request) = connection.request() {
                trace!("{link}: < {}", Redacted(request.head()));
            }
            if let Some(answer) = connection.answer() {
                trace!("{link}: < {}", Redacted(answer.head().bytes()));
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
            _ if is_head => trace!("{link}: > {}", Redacted(output)),
            Some(version)
                if connection.state() > State::Handshaking && !transitions.iter().any(is_proof) =>
            {
                self.trace_frames(version.framing(), output);
            }
            _ => trace!("{link}: > {}", Escaped::Bytes(output)),
        }
    }

    fn trace_frames(&self, framing: Framing, mut output: &[u8]) {
        let link = &self.link;
        while !output.is_empty() {
            let (header, payload, rest) = framing.split(output);
            trace!(
                "{link}: > frame {}: {}",
                Hex(header),
                Escaped::Bytes(payload)
            );
            output = rest;
        }
    }

    /// The answer of a server that has not accepted.
    pub(crate) fn trace_declined(&self, error: &HandshakeError) {
        if let Some(answer) = error.answer() {
            trace!("{}: < {}", self.link, Redacted(answer.head().bytes()));
        }
    }

    /// What came, where that is no event.
    #[cold]
    pub(crate) fn log_notes(&mut self) {
        for note in self.connection.notes() {
            match note {
                Note::Frame(header) => trace!("{}: < frame {}", self.link, Hex(&header)),
                Note::Unframed(first) => debug!(
                    "{}: bytes outside of a text frame, from {first:#04x} on, are skipped: in {} a \
                     text stands between 0x00 and 0xff",
                    self.link,
                    self.version()
                ),
            }
        }
    }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
