//! Chapter 6: turns bytes into messages and back. There have only ever been two framings.

mod assembler;
mod encoder;
pub mod hixie;
pub mod hybi;
pub mod mask;
mod notes;
mod pieces;

pub(crate) use assembler::Assembler;
pub use encoder::Encoder;
pub(crate) use notes::{Note, Notes};
use pieces::Pieces;

use super::close::CloseFrame;
use super::config::Config;
use super::deflate::Negotiated;
use super::error::ProtocolError;
use super::message::Message;
use super::piece::Piece;
use super::role::Role;
use super::version::Version;

/// The two families of frames.
///
/// Complete: the five versions share these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// `00` text `FF`: draft-75 and draft-76, by Ian Hickson ("Hixie").
    Hixie,
    /// Opcode, length, mask: versions 7, 8 and RFC 6455, by the IETF's working group HyBi ("BiDirectional or
    /// Server-Initiated HTTP").
    Hybi,
}

/// A message or a control frame that a decoder has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decoded {
    Message(Message),
    /// A part of a message that is received in pieces.
    Piece(Piece),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The peer's close frame or `FF 00`, with the code and the reason if it has them.
    Close(Option<CloseFrame>),
}

/// Decodes the other side's frames, once the version is known.
#[derive(Debug)]
pub(crate) enum Decoder {
    Hixie(hixie::Decoder),
    Hybi(hybi::Decoder),
}

impl Decoder {
    /// Creates a decoder for a version; `role` is the side that reads.
    pub(crate) fn new(version: Version, role: Role) -> Decoder {
        match version.framing() {
            Framing::Hixie => Decoder::Hixie(hixie::Decoder::new(version, role)),
            Framing::Hybi => Decoder::Hybi(hybi::Decoder::new(version, role)),
        }
    }

    /// Adds decompression, for a peer that may compress.
    pub(crate) fn inflating(self, negotiated: Option<Negotiated>) -> Decoder {
        match (self, negotiated) {
            (Decoder::Hybi(decoder), Some(negotiated)) => {
                Decoder::Hybi(decoder.inflating(&negotiated))
            }
            (decoder, _) => decoder,
        }
    }

    /// Delivers the present message, or the next one if none has begun, in pieces instead of whole: at
    /// most `limit` bytes in all.
    pub(crate) fn begin_pieces(&mut self, limit: usize) {
        *self.pieces() = Some(Box::new(Pieces::new(limit)));
    }

    /// Returns whether a message is delivered in pieces, and its last piece was not.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn is_in_pieces(&self) -> bool {
        match self {
            Decoder::Hixie(decoder) => decoder.pieces.is_some(),
            Decoder::Hybi(decoder) => decoder.pieces.is_some(),
        }
    }

    /// Returns the notes for a log.
    #[inline]
    pub(crate) fn notes(&mut self) -> &mut Notes {
        match self {
            Decoder::Hixie(decoder) => &mut decoder.notes,
            Decoder::Hybi(decoder) => &mut decoder.notes,
        }
    }

    /// Returns whether the last frame is complete and none has begun.
    pub(crate) fn is_between_frames(&self) -> bool {
        match self {
            Decoder::Hixie(decoder) => decoder.is_between_frames(),
            Decoder::Hybi(decoder) => decoder.is_between_frames(),
        }
    }

    /// Returns the memory that the decoder holds for messages.
    pub(crate) fn held(&self) -> usize {
        match self {
            Decoder::Hixie(decoder) => decoder.held(),
            Decoder::Hybi(decoder) => decoder.held(),
        }
    }

    /// Returns how many bytes of an unfinished message, or of an unfinished frame without a meaning,
    /// were received; 0 if none has begun.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn unfinished(&self) -> usize {
        match self {
            Decoder::Hixie(decoder) => decoder.unfinished(),
            Decoder::Hybi(decoder) => decoder.unfinished(),
        }
    }

    /// Returns the buffer into which the rest of a large frame can be read directly, about `most`
    /// bytes at a time; only while no input is left.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn direct(&mut self, most: usize) -> Option<&mut Vec<u8>> {
        match self {
            Decoder::Hixie(_) => None,
            Decoder::Hybi(decoder) => decoder.direct(most),
        }
    }

    /// Returns the bytes that were read that way and belong to the next frame.
    pub(crate) fn overshoot(&mut self) -> Option<Vec<u8>> {
        match self {
            Decoder::Hixie(_) => None,
            Decoder::Hybi(decoder) => decoder.overshoot(),
        }
    }

    /// Returns a short message of one frame that has arrived completely, and the number of bytes it
    /// used: the fast path for the usual case. `None` decides nothing: call
    /// [`decode`](Decoder::decode) then.
    #[cfg(any(feature = "server", feature = "client"))]
    #[inline(always)]
    pub(crate) fn short_message(&self, input: &[u8], limit: usize) -> Option<(usize, Message)> {
        match self {
            Decoder::Hixie(decoder) => decoder.short_message(input, limit),
            Decoder::Hybi(decoder) => decoder.short_message(input, limit),
        }
    }

    /// Takes bytes from the front of `input` until something is complete or they are used up.
    /// Returns how many were used; `None` with all of them used, or with the start of a header or
    /// a control frame left (at most 130 bytes), means that more are needed.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        config: &Config,
    ) -> (usize, Result<Option<Decoded>, ProtocolError>) {
        let pieces = self.pieces();
        let is_in_pieces = pieces.is_some();
        if let Some(behind) = pieces.as_deref_mut().and_then(Pieces::take_behind) {
            return (0, behind);
        }
        let (used, decoded) = match self {
            Decoder::Hixie(decoder) => decoder.decode(input, config),
            Decoder::Hybi(decoder) => decoder.decode(input, config),
        };
        if !is_in_pieces {
            return (used, decoded);
        }
        let decoded = match self {
            Decoder::Hixie(decoder) => decoder.in_pieces(decoded, config),
            Decoder::Hybi(decoder) => decoder.in_pieces(decoded),
        };
        (used, decoded)
    }

    /// Returns the state of a message that is delivered in pieces, if one is.
    #[inline]
    fn pieces(&mut self) -> &mut Option<Box<Pieces>> {
        match self {
            Decoder::Hixie(decoder) => &mut decoder.pieces,
            Decoder::Hybi(decoder) => &mut decoder.pieces,
        }
    }
}

impl Framing {
    /// Returns the length of a server's frame that carries a message of `len` bytes.
    #[cfg(feature = "server")]
    pub(crate) fn frame_len(self, len: usize) -> usize {
        match self {
            Framing::Hixie => len + 2,
            Framing::Hybi => len + hybi::header_len(len),
        }
    }

    /// Returns how many bytes of `frame` are its header, as far as it is complete; for a log.
    pub(crate) fn header_len_of(self, frame: &[u8]) -> usize {
        let len = match self {
            Framing::Hixie if frame.starts_with(&hixie::CLOSE_FRAME) => hixie::CLOSE_FRAME.len(),
            Framing::Hixie => 1,
            Framing::Hybi => hybi::split::header_len(frame),
        };
        len.min(frame.len())
    }

    /// Splits `bytes`, which this side has written, into the header of the first frame, its payload
    /// (with the end of a text), and the bytes after it; for a log.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn split(self, bytes: &[u8]) -> (&[u8], &[u8], &[u8]) {
        let (header, behind) = bytes.split_at(self.header_len_of(bytes));
        let len = match self {
            Framing::Hixie if header == hixie::CLOSE_FRAME => Some(0),
            Framing::Hixie => memchr::memchr(0xff, behind).map(|at| at + 1),
            Framing::Hybi => hybi::split::payload_len(header),
        };
        let all = behind.len();
        let (payload, rest) = behind.split_at(len.map_or(all, |len| len.min(all)));
        (header, payload, rest)
    }

    /// Appends the frame that carries `message`, with a mask if the framing has masks and the
    /// sender is a client; an error names the kind of message that the framing cannot carry.
    pub(crate) fn encode(
        self,
        message: &Message,
        mask: Option<[u8; 4]>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        match (self, message) {
            (Framing::Hixie, Message::Text(text)) => hixie::encode(text, out),
            (Framing::Hixie, Message::Binary(_)) => return Err("binary messages"),
            (Framing::Hybi, message) => hybi::encode(message, mask, out),
        }
        Ok(())
    }

    /// Appends the bytes before the payload of a server's frame that carries `message`, and returns those
    /// after it; an error names the kind of message that the framing cannot carry.
    #[cfg(feature = "server")]
    pub(crate) fn encode_around(
        self,
        message: &Message,
        out: &mut Vec<u8>,
    ) -> Result<&'static [u8], &'static str> {
        match (self, message) {
            (Framing::Hixie, Message::Text(_)) => Ok(hixie::encode_around(out)),
            (Framing::Hixie, Message::Binary(_)) => Err("binary messages"),
            (Framing::Hybi, message) => {
                hybi::encode_header(hybi::Opcode::of(message), message.len(), None, out);
                Ok(b"")
            }
        }
    }
}

#[cfg(all(test, any(feature = "server", feature = "client")))]
mod tests {
    use super::{Decoded, Decoder};
    use crate::protocol::{Config, Message, Role, Version};

    /// Checks that the fast path and the general one agree; returns whether the fast path was used.
    fn compare(
        (version, role): (Version, Role),
        before: &[u8],
        input: &[u8],
        config: &Config,
    ) -> bool {
        let ready = || {
            let mut decoder = Decoder::new(version, role);
            let (used, decoded) = decoder.decode(before, config);
            assert_eq!((used, decoded), (before.len(), Ok(None)));
            decoder
        };
        let Some((used, message)) = ready().short_message(input, config.limits.message) else {
            return false;
        };
        let expected = (used, Ok(Some(Decoded::Message(message))));
        assert_eq!(
            ready().decode(input, config),
            expected,
            "{version}, {role:?}: {input:x?}"
        );
        true
    }

    #[test]
    fn the_fast_path_agrees_with_the_general_one() {
        let mut config = Config::default();
        config.limits.message = 6;
        let tail = [
            1,
            2,
            3,
            4,
            b'a' ^ 1,
            0xc3 ^ 2,
            0xa4 ^ 3,
            0xff ^ 4,
            b'e',
            b'f',
            0xff,
        ];
        let fragments: [(Role, &[u8]); 2] = [
            (Role::Server, &[0x01, 0x81, 0, 0, 0, 0, b'x']),
            (Role::Client, &[0x01, 0x01, b'x']),
        ];
        let mut taken = [0; 2];
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for len in [0, 5, 7, 8, tail.len()] {
                    let input = [&[first, second], &tail[..len]].concat();
                    for (role, fragment) in fragments {
                        let taken = &mut taken[role as usize];
                        for version in Version::ALL {
                            *taken += u32::from(compare((version, role), &[], &input, &config));
                        }
                        let newest = (Version::Rfc6455, role);
                        *taken += u32::from(compare(newest, fragment, &input, &config));
                        let oldest = (Version::Draft76, role);
                        *taken += u32::from(compare(oldest, &[0, b'x'], &input, &config));
                    }
                }
            }
        }
        assert!(
            taken.iter().all(|taken| *taken >= 50),
            "the fast path was used {taken:?} times"
        );
    }

    #[test]
    fn short_messages_take_the_fast_path() {
        let config = Config::default();
        let masked = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2, 0x81];
        let cases: [(Version, Role, &[u8], usize); 4] = [
            (Version::Hybi07, Role::Server, &masked, 8),
            (Version::Hybi07, Role::Client, b"\x81\x02hi\x81", 4),
            (Version::Draft75, Role::Server, b"\0hi\xff\0", 4),
            (Version::Draft75, Role::Client, b"\0hi\xff\0", 4),
        ];
        for (version, role, input, used) in cases {
            let decoder = Decoder::new(version, role);
            let message = decoder.short_message(input, config.limits.message);
            let expected = Some((used, Message::from("hi")));
            assert_eq!(message, expected, "{version}, {role:?}");
        }
    }

    /// Lets `decoder` read a whole message of `len` bytes, 64 KiB at a time; returns how much memory
    /// was reserved after the first piece.
    fn memory_at_first(decoder: &mut Decoder, len: usize) -> usize {
        const PIECE: usize = 64 * 1024;
        let mut config = Config::default();
        config.limits.message = len;
        let mut input = [
            &[0x82, 0xff],
            (len as u64).to_be_bytes().as_slice(),
            &[0; 4],
        ]
        .concat();
        input.resize(input.len() + PIECE, b'x');
        assert_eq!(decoder.decode(&input, &config), (input.len(), Ok(None)));
        let memory = decoder.direct(PIECE).map_or(0, |buffer| buffer.capacity());
        let rest = vec![b'x'; len - PIECE];
        let (used, message) = decoder.decode(&rest, &config);
        assert_eq!(used, rest.len());
        assert_eq!(message, Ok(Some(Decoded::Message(vec![b'x'; len].into()))));
        memory
    }

    #[test]
    fn a_message_gets_as_much_memory_in_advance_as_the_previous_one_needed() {
        const KIB: usize = 1024;
        let mut decoder = Decoder::new(Version::Rfc6455, Role::Server);
        // As much again as has arrived.
        assert_eq!(memory_at_first(&mut decoder, 512 * KIB), 128 * KIB);
        assert_eq!(memory_at_first(&mut decoder, 512 * KIB), 512 * KIB);
        assert_eq!(memory_at_first(&mut decoder, 768 * KIB), 512 * KIB);
        assert_eq!(memory_at_first(&mut decoder, 256 * KIB), 256 * KIB);
        assert_eq!(memory_at_first(&mut decoder, 4096 * KIB), 256 * KIB);
        assert_eq!(memory_at_first(&mut decoder, 4096 * KIB), 1024 * KIB);
    }
}
