//! The framing of draft-75 and draft-76 (draft-76 §5.3).
//!
//! ```text
//! 00  text, in UTF-8  FF          a message; FF cannot occur in UTF-8
//! 01..7F  anything but FF  FF     no meaning: skipped
//! 80..FE  length  bytes           no meaning: skipped, by count
//! FF 00                           draft-76: the close; draft-75: an empty frame, skipped
//! ```
//!
//! A length is written in base 128, big-endian, with the top bit set on all digits but the last:
//! `81 00` is 128. Inside a frame that has a length, `FF` and `00` mean nothing.

use super::pieces;
use super::{Assembler, Decoded, Notes, Pieces};
use crate::protocol::config::Config;
use crate::protocol::error::ProtocolError;
use crate::protocol::role::Role;
use crate::protocol::version::{Closing, Version};
#[cfg(any(feature = "server", feature = "client"))]
use crate::protocol::{message::Message, payload::text::Text};

/// Draft-76's half of the closing handshake (draft-76 §5.3, §5.4).
pub const CLOSE_FRAME: [u8; 2] = [0xff, 0x00];

const TEXT: u8 = 0x00;
const END: u8 = 0xff;
const HAS_LENGTH: u8 = 0x80;

/// The most digits a length may have: ten hold 70 bits. Leading zeros are legal, an endless sequence
/// of them is an attack.
const MAX_DIGITS: u8 = 10;

/// The most bytes of a text that the fast path searches.
#[cfg(any(feature = "server", feature = "client"))]
const SHORT: usize = 256;

/// Reads frames byte by byte: where the stream is cut never matters.
#[derive(Debug)]
pub(crate) struct Decoder {
    close_frame: bool,
    role: Role,
    place: Place,
    text: Assembler,
    /// The present message, or the next one, is delivered in pieces. In a box, since that is rare.
    pub(super) pieces: Option<Box<Pieces>>,
    /// How many bytes of the last message were not delivered before its end, as received.
    rest: usize,
    pub(super) notes: Notes,
}

/// The decoder's position in a frame.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Before a frame.
    Type,
    /// In a frame that `FF` ends; the bytes so far are counted by the text.
    Text,
    /// In a frame that `FF` ends, of no meaning: how many bytes so far.
    Skipped(usize),
    /// In a length: the frame's type, the value so far, the digits so far.
    Length(u8, usize, u8),
    /// In a frame with a length: how many bytes were received, and how many are left.
    Counted(usize, usize),
}

impl Decoder {
    pub(crate) fn new(version: Version, role: Role) -> Decoder {
        Decoder {
            close_frame: version.closing() == Closing::Marker,
            role,
            place: Place::Type,
            text: Assembler::default(),
            pieces: None,
            rest: 0,
            notes: Notes::default(),
        }
    }

    pub(crate) fn is_between_frames(&self) -> bool {
        matches!(self.place, Place::Type)
    }

    /// See [`super::Decoder::unfinished`].
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn unfinished(&self) -> usize {
        match self.place {
            Place::Type => 0,
            Place::Text => 1 + self.delivered() + self.text.len(),
            Place::Length(..) => 1,
            Place::Skipped(bytes) | Place::Counted(bytes, _) => 1 + bytes,
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.text.capacity()
    }

    /// See [`super::Decoder::short_message`].
    #[cfg(any(feature = "server", feature = "client"))]
    #[inline(always)]
    pub(crate) fn short_message(&self, input: &[u8], limit: usize) -> Option<(usize, Message)> {
        let (first, rest) = input.split_first()?;
        if *first != TEXT || !self.is_between_frames() {
            return None;
        }
        let (piece, ended) = until_end(&rest[..rest.len().min(SHORT.min(limit) + 1)]);
        let text = ended.then(|| std::str::from_utf8(piece).ok())??;
        Some((piece.len() + 2, Message::Text(Text::short(text.to_owned()))))
    }

    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        config: &Config,
    ) -> (usize, Result<Option<Decoded>, ProtocolError>) {
        let mut used = 0;
        while used < input.len() {
            let (step, result) = self.step(&input[used..], config);
            used += step;
            match result {
                Ok(None) => {}
                done => return (used, done),
            }
        }
        (used, Ok(None))
    }

    /// Makes a piece of a message that is delivered in pieces.
    #[inline(never)]
    pub(super) fn in_pieces(
        &mut self,
        decoded: Result<Option<Decoded>, ProtocolError>,
        config: &Config,
    ) -> Result<Option<Decoded>, ProtocolError> {
        let fail = self.fails_on_invalid_text(config);
        let (Some(pieces), Place::Text) = (&mut self.pieces, self.place) else {
            // The message has ended, or none has begun.
            return match decoded {
                Ok(Some(Decoded::Message(rest))) => {
                    pieces::last(self.pieces.take(), rest, Some(self.rest))
                }
                decoded => decoded,
            };
        };
        let (received, bytes) = match fail {
            true => {
                let bytes = self.text.take_piece(true);
                (bytes.len(), bytes)
            }
            false => {
                let (received, text) = self.text.take_replaced();
                (received, text.into_bytes())
            }
        };
        pieces.next((true, received), bytes, decoded)
    }

    /// Decodes up to the next boundary: the end of a part of a frame, or of the input, which is not
    /// empty.
    fn step(
        &mut self,
        input: &[u8],
        config: &Config,
    ) -> (usize, Result<Option<Decoded>, ProtocolError>) {
        match self.place {
            Place::Type => (1, self.read_type(input[0], config)),
            Place::Text => self.read_text(input, config),
            Place::Skipped(before) => self.skip_to_end(input, before, config.limits.message),
            Place::Length(kind, before, digits) => {
                let length = (kind, before, digits);
                (1, self.read_length(input[0], length, config))
            }
            Place::Counted(before, left) => {
                let here = left.min(input.len());
                self.place = match left - here {
                    0 => Place::Type,
                    left => Place::Counted(before + here, left),
                };
                (here, Ok(None))
            }
        }
    }

    fn read_type(&mut self, kind: u8, config: &Config) -> Result<Option<Decoded>, ProtocolError> {
        self.notes.frame(&[kind]);
        if kind != TEXT && kind != END && self.fails_on_unknown(config) {
            return Err(ProtocolError::UnknownFrameType(kind));
        }
        self.place = match kind {
            TEXT => Place::Text,
            kind if kind < HAS_LENGTH => {
                self.notes.unframed(kind);
                Place::Skipped(0)
            }
            kind => Place::Length(kind, 0, 0),
        };
        Ok(None)
    }

    fn read_text(
        &mut self,
        input: &[u8],
        config: &Config,
    ) -> (usize, Result<Option<Decoded>, ProtocolError>) {
        let limit = config.limits.message;
        let limit = self.pieces.as_deref().map_or(limit, Pieces::limit);
        let (piece, ended) = until_end(input);
        let fail = self.fails_on_invalid_text(config);
        // The bytes within the limit are checked first, as they are if they arrive alone.
        let room = limit.saturating_sub(self.delivered() + self.text.len());
        let within = piece.len().min(room);
        self.text.push(&piece[..within]);
        if within < piece.len() {
            let judged = self.text.accept(fail);
            let too_large = Err(ProtocolError::MessageTooLarge(limit));
            return (piece.len(), judged.and(too_large));
        }
        if !ended {
            return (piece.len(), self.text.accept(fail).map(|()| None));
        }
        self.place = Place::Type;
        self.rest = self.text.received();
        let text = match self.text.take_text() {
            Ok(text) => Ok(text),
            Err(_) if fail => Err(ProtocolError::InvalidUtf8),
            Err(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        };
        let message = text.map(|text| Some(Decoded::Message(text.into())));
        (piece.len() + 1, message)
    }

    fn skip_to_end(
        &mut self,
        input: &[u8],
        before: usize,
        limit: usize,
    ) -> (usize, Result<Option<Decoded>, ProtocolError>) {
        let (piece, ended) = until_end(input);
        if before + piece.len() > limit {
            return (piece.len(), Err(ProtocolError::SkipTooLarge(limit)));
        }
        self.place = match ended {
            true => Place::Type,
            false => Place::Skipped(before + piece.len()),
        };
        (piece.len() + usize::from(ended), Ok(None))
    }

    /// Reads a digit of a length: `before` is the value so far, of `digits` digits.
    fn read_length(
        &mut self,
        digit: u8,
        (kind, before, digits): (u8, usize, u8),
        config: &Config,
    ) -> Result<Option<Decoded>, ProtocolError> {
        self.notes.more(digit);
        let limit = config.limits.message;
        // Checked before it is multiplied: `before` is at most the limit.
        let length = before
            .checked_mul(128)
            .and_then(|length| length.checked_add(usize::from(digit & 0x7f)));
        let length = match length {
            Some(length) if length <= limit && digits < MAX_DIGITS => length,
            _ => return Err(ProtocolError::SkipTooLarge(limit)),
        };
        if digit & 0x80 != 0 {
            self.place = Place::Length(kind, length, digits + 1);
            return Ok(None);
        }
        self.place = match length {
            0 => Place::Type,
            length => Place::Counted(0, length),
        };
        match (kind, length) {
            (END, 0) if self.close_frame => Ok(Some(Decoded::Close(None))),
            (END, 1..) if self.fails_on_unknown(config) => {
                Err(ProtocolError::UnknownFrameType(kind))
            }
            _ => Ok(None),
        }
    }

    /// Returns how many bytes of the present message were delivered in pieces.
    fn delivered(&self) -> usize {
        self.pieces.as_deref().map_or(0, Pieces::delivered)
    }

    /// Returns whether text that is not UTF-8 fails the connection; otherwise it is replaced.
    fn fails_on_invalid_text(&self, config: &Config) -> bool {
        self.role == Role::Server && config.fail_on_invalid_hixie_text
    }

    /// Returns whether a frame without a meaning fails the connection. The drafts leave the server's
    /// reaction open; a client must skip it (draft-76 §4.2).
    fn fails_on_unknown(&self, config: &Config) -> bool {
        self.role == Role::Server && config.fail_on_unknown_frames
    }
}

/// Appends a text frame.
pub(crate) fn encode(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(TEXT);
    out.extend_from_slice(text.as_bytes());
    out.push(END);
}

/// Appends the byte before a text, and returns the byte after it.
pub(crate) fn encode_around(out: &mut Vec<u8>) -> &'static [u8] {
    out.push(TEXT);
    &[END]
}

/// Returns the bytes before the next `FF`, and whether there is one.
fn until_end(input: &[u8]) -> (&[u8], bool) {
    match memchr::memchr(END, input) {
        Some(at) => (&input[..at], true),
        None => (input, false),
    }
}
