//! A hand-written client: its connection, and its buffers.

use std::io::ErrorKind;

use stentor::Version;
use stentor::protocol::framing::Framing;
use stentor::protocol::version::Closing;

use crate::client::{Class, End};
use crate::codec::{self, Codec};
use crate::line::Line;
use crate::manner::Deflate;
use crate::wire::{self, Head, masked};

pub(crate) struct ByHand {
    pub(crate) line: Line,
    version: Version,
    pub(crate) codec: Option<Codec>,
    pub(crate) input: Vec<u8>,
    output: Vec<u8>,
    /// The write side is shut down once all output is sent.
    shuts: bool,
    /// TLS holds what the socket has not taken.
    stuck: bool,
    /// The poller's current interests.
    pub(crate) reads: bool,
    pub(crate) waits: bool,
}

impl ByHand {
    /// A client with its request on the way.
    pub(crate) fn new(
        line: Line,
        class: Class,
        version: Version,
        deflate: Deflate,
        room: usize,
    ) -> ByHand {
        let request = Head::of(version).line(&format!("GET /{room}/{class:?} HTTP/1.1"));
        let offer = match deflate {
            Deflate::No => None,
            Deflate::Alone => {
                Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
            }
            Deflate::Takeover => Some("permessage-deflate; client_max_window_bits"),
        };
        let whole = match offer {
            Some(offer) => request.with("Sec-WebSocket-Extensions", offer).bytes(),
            None => request.bytes(),
        };
        let output = match class {
            Class::BadRequest => Head::of(version).line("GET nowhere").bytes(),
            Class::HalfRequest => whole[..whole.len() / 2].to_vec(),
            Class::Page => b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_vec(),
            _ => whole,
        };
        ByHand {
            line,
            version,
            codec: Codec::of(deflate),
            input: Vec::new(),
            output,
            shuts: false,
            stuck: false,
            reads: true,
            waits: false,
        }
    }

    pub(crate) fn say(&mut self, payload: &[u8], binary: bool) {
        match (self.version.framing(), binary) {
            (Framing::Hixie, _) => {
                self.output.push(0x00);
                self.output.extend_from_slice(payload);
                self.output.push(0xff);
            }
            (Framing::Hybi, binary) => {
                let first = if binary { 0x82 } else { 0x81 };
                self.output.extend(match &mut self.codec {
                    Some(codec) => masked(first | 0x40, &codec.deflated(payload)),
                    None => masked(first, payload),
                });
            }
        }
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.output.extend(masked(0x8a, payload));
    }

    pub(crate) fn start_close(&mut self) {
        match self.version.closing() {
            Closing::CloseTcp => self.shuts = true,
            Closing::Marker => self.output.extend([0xff, 0x00]),
            Closing::Frame => self.output.extend(wire::close_frame(1000, b"")),
        }
    }

    pub(crate) fn shut(&mut self) {
        self.shuts = true;
    }

    /// Writes the beginning of a message.
    pub(crate) fn say_half(&mut self) {
        match self.version.framing() {
            Framing::Hixie => self.output.extend(b"\x00half a mess"),
            Framing::Hybi => self.output.extend(&masked(0x81, &[b'x'; 500])[..200]),
        }
    }

    /// Writes something that no version knows, one of several kinds.
    pub(crate) fn say_garbage(&mut self, which: usize) {
        // More than the server takes, and none of it meaningful.
        let endless = vec![b'x'; 70 * 1024];
        match self.version.framing() {
            Framing::Hixie => {
                self.output.push(0x00);
                self.output.extend(endless);
            }
            Framing::Hybi => self.output.extend(match which % 6 {
                0 => b"\x81\x05hello".to_vec(),
                1 => masked(0x83, b"reserved"),
                2 => masked(0x81, b"\xc0\xaf"),
                3 => masked(0x82, &endless),
                // Few bytes, which inflate without end for clients that negotiated compression.
                4 => masked(0xc2, &codec::alone(&endless)),
                _ => [&[0x82, 0xff, 0x80][..], &[0; 11]].concat(),
            }),
        }
    }

    /// Sends as much as the socket takes.
    pub(crate) fn flush(&mut self) {
        while !self.output.is_empty() {
            match self.line.write(&self.output) {
                Ok(sent) => {
                    self.output.drain(..sent);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The next read reports how it ended.
                Err(_) => self.output.clear(),
            }
        }
        let shuts = self.shuts && self.output.is_empty();
        if shuts {
            self.line.announce_end();
        }
        let flushed = self.line.flush();
        self.stuck = matches!(&flushed, Err(error) if error.kind() == ErrorKind::WouldBlock);
        if shuts && !self.stuck {
            self.shuts = false;
            self.line.hush();
        }
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty() || self.stuck
    }

    /// Reads the available bytes, but not for ever; returns how the connection ended, if it has.
    pub(crate) fn fill(&mut self, scratch: &mut [u8]) -> Option<End> {
        match self.line.read(scratch, &mut self.input) {
            Ok(0) => Some(End::Stream),
            Ok(_) => None,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => None,
                _ => Some(End::Reset),
            },
        }
    }
}
