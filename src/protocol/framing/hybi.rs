//! The framing of versions 7, 8 and RFC 6455 (RFC 6455 §5.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R|opcode |M|  length     |  126: 16 bits of length       |
//! |I|S|S|S| (4)   |A|    (7)      |  127: 64 bits of length       |
//! |N|V|V|V|       |S|             |                               |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |  masking key, 4 bytes, if MASK is set  |  payload ...         |
//! +----------------------------------------+----------------------+
//! ```
//!
//! FIN is 1 in the last frame of a message. RSV1 to RSV3 are reserved for extensions: 0, unless both sides
//! agreed on one that uses them. The opcode is the kind of the frame. A length of 16 or 64 bits is in network
//! byte order, which is big-endian: the byte with the largest part of the number comes first.
//!
//! Some frames of a server, in hex:
//!
//! ```text
//! 81 05 48656c6c6f              the text "Hello": FIN, opcode 1, no mask, length 5
//! 01 03 48656c  80 02 6c6f      the same text in two fragments: FIN 0, then opcode 0 and FIN 1
//! 82 7e 007e ...                126 bytes, binary: 126 in the length bits says that 2 bytes follow
//! 89 02 6869   8a 02 6869       the ping "hi", and the pong that answers it
//! 88 02 03e8                    a close frame with the code 1000, which is 3×256 + 232
//! ```
//!
//! Frames of a client have a mask, frames of a server do not: the text "Hello" of a client, with the key
//! `37fa213d`, is `81 85 37fa213d 7f9f4d5158`.
//!
//! FIN and opcode 0 mark the frames of one message; control frames may stand between them. A frame
//! header is checked as soon as possible. The declared length of a payload reserves no memory: a
//! payload gets memory as it arrives, or as much as the last large message needed.

mod encode;
pub(super) mod split;

#[cfg(any(feature = "server", feature = "client"))]
pub(crate) use encode::encode_fragment;
pub use encode::encode_frame;
#[cfg(feature = "server")]
pub(crate) use encode::encode_header;
pub(crate) use encode::header_len;
pub(crate) use encode::{encode, encode_close, encode_deflated, encode_owned};

use super::mask::unmask;
use super::pieces;
use super::{Assembler, Decoded, Notes, Pieces};
use crate::protocol::close::{CloseCode, CloseFrame};
use crate::protocol::config::Config;
use crate::protocol::deflate::{Inflater, Negotiated};
use crate::protocol::error::ProtocolError;
use crate::protocol::limits::Limits;
use crate::protocol::message::Message;
#[cfg(any(feature = "server", feature = "client"))]
use crate::protocol::payload::{binary::Binary, text::Text};
use crate::protocol::role::Role;
use crate::protocol::version::Version;

/// The most bytes that a control frame's payload may have (RFC 6455 §5.5).
pub const MAX_CONTROL: usize = 125;

/// From this many missing bytes on, a payload is worth reading directly into its buffer.
/// (A fuzzer, which writes short frames, must get there as well.)
#[cfg(any(feature = "server", feature = "client"))]
const DIRECT: usize = if cfg!(fuzzing) { 32 } else { 16 * 1024 };

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const RSV1: u8 = 0x40;
const MASK: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// The type of a frame (RFC 6455 §11.8).
///
/// Complete: all other numbers are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0x0,
    /// Text, or its first fragment.
    Text = 0x1,
    /// Bytes, or their first fragment.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A ping, to be answered with a pong.
    Ping = 0x9,
    /// The answer to a ping, or an unsolicited sign of life.
    Pong = 0xa,
}

impl Opcode {
    /// Returns the opcode of a number, or `None` if the number is reserved.
    pub const fn from_bits(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            _ => return None,
        })
    }

    /// Returns the opcode of a message's first frame.
    pub(crate) const fn of(message: &Message) -> Opcode {
        match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        }
    }

    /// Returns whether frames of this opcode are control frames: short, whole, and allowed anywhere.
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// Reads the frames of the other side.
#[derive(Debug)]
pub(crate) struct Decoder {
    version: Version,
    role: Role,
    /// The data frame whose payload is being read.
    frame: Option<DataFrame>,
    /// The message whose frames are being read: whether it is text, and how many fragments it has.
    message: Option<(Opcode, usize)>,
    assembler: Assembler,
    /// The decompressor, if compression was agreed on.
    inflater: Option<Box<Inflater>>,
    /// The present message, or the next one, is delivered in pieces. In a box, since that is rare.
    pub(super) pieces: Option<Box<Pieces>>,
    pub(super) notes: Notes,
}

#[derive(Debug)]
struct DataFrame {
    fin: bool,
    key: Option<[u8; 4]>,
    len: usize,
    read: usize,
}

struct Header {
    fin: bool,
    compressed: bool,
    opcode: Opcode,
    len: usize,
    key: Option<[u8; 4]>,
    size: usize,
}

impl Decoder {
    pub(crate) fn new(version: Version, role: Role) -> Decoder {
        Decoder {
            version,
            role,
            frame: None,
            message: None,
            assembler: Assembler::default(),
            inflater: None,
            pieces: None,
            notes: Notes::default(),
        }
    }

    /// See [`super::Decoder::inflating`].
    pub(crate) fn inflating(mut self, negotiated: &Negotiated) -> Decoder {
        self.inflater = Some(Box::new(Inflater::new(negotiated)));
        self
    }

    pub(crate) fn is_between_frames(&self) -> bool {
        self.frame.is_none()
    }

    /// See [`super::Decoder::unfinished`]. Compressed bytes count as inflated.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn unfinished(&self) -> usize {
        match self.message {
            Some(_) => 1 + self.delivered() + self.assembler.len(),
            None => 0,
        }
    }

    pub(crate) fn held(&self) -> usize {
        let inflater = self.inflater.as_ref().map_or(0, |inflater| inflater.held());
        self.assembler.capacity() + inflater
    }

    /// See [`super::Decoder::short_message`].
    #[cfg(any(feature = "server", feature = "client"))]
    #[inline(always)]
    pub(crate) fn short_message(&self, input: &[u8], limit: usize) -> Option<(usize, Message)> {
        const TEXT: u8 = FIN | Opcode::Text as u8;
        const BINARY: u8 = FIN | Opcode::Binary as u8;
        let (first, len, key, rest) = match self.role {
            Role::Server => {
                let (&[first, second, ref key @ ..], rest) = input.split_first_chunk::<6>()?;
                (first, second.checked_sub(MASK)?, Some(*key), rest)
            }
            Role::Client => {
                let (&[first, second], rest) = input.split_first_chunk::<2>()?;
                (first, second, None, rest)
            }
        };
        let len = usize::from(len);
        if self.message.is_some() || len > MAX_CONTROL.min(limit) {
            return None;
        }
        if first != TEXT && first != BINARY {
            return None;
        }
        let mut payload = rest.get(..len)?.to_vec();
        unmask(&mut payload, key, 0);
        let message = match first {
            TEXT => Message::Text(Text::short(String::from_utf8(payload).ok()?)),
            _ => Message::Binary(Binary::short(payload)),
        };
        Some((input.len() - rest.len() + len, message))
    }

    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        config: &Config,
    ) -> (usize, Result<Option<Decoded>, ProtocolError>) {
        let mut used = 0;
        loop {
            if self.frame.is_some() {
                let (piece, message) = match self.is_inflating() {
                    true => self.inflate(&input[used..], self.limit(&config.limits)),
                    false => self.payload(&input[used..]),
                };
                used += piece;
                match message {
                    Ok(None) if self.frame.is_none() || self.goes_on(&input[used..]) => {}
                    done => return (used, done),
                }
            }
            let header = match self.header(&input[used..], config) {
                Ok(Some(header)) => header,
                Ok(None) => return (used, Ok(None)),
                Err(protocol_error) => {
                    self.notes.broken(&input[used..]);
                    return (used, Err(protocol_error));
                }
            };
            let start = used + header.size;
            let end = start + header.len;
            let whole = header.fin && self.message.is_none() && !header.compressed;
            let single = header.opcode.is_control() || whole;
            match input.get(start..end) {
                // The usual case: a whole message or a control frame that has arrived completely.
                Some(payload) if single => {
                    self.notes.frame(&input[used..start]);
                    let mut payload = payload.to_vec();
                    unmask(&mut payload, header.key, 0);
                    return (end, self.single(header.opcode, payload).map(Some));
                }
                None if header.opcode.is_control() => return (used, Ok(None)),
                _ => {}
            }
            self.notes.frame(&input[used..start]);
            self.begin(&header);
            used = start;
        }
    }

    /// Makes a piece of a message that is delivered in pieces.
    #[inline(never)]
    pub(super) fn in_pieces(
        &mut self,
        decoded: Result<Option<Decoded>, ProtocolError>,
    ) -> Result<Option<Decoded>, ProtocolError> {
        let (Some(pieces), Some((opcode, _))) = (&mut self.pieces, self.message) else {
            // The message has ended, or none has begun.
            return match decoded {
                Ok(Some(Decoded::Message(rest))) => pieces::last(self.pieces.take(), rest, None),
                decoded => decoded,
            };
        };
        let is_text = opcode == Opcode::Text;
        let bytes = self.assembler.take_piece(is_text);
        if let Some(inflater) = &mut self.inflater {
            inflater.delivered(&bytes);
        }
        let received = bytes.len();
        pieces.next((is_text, received), bytes, decoded)
    }

    /// Reads and checks a frame header; `None` while it is incomplete.
    fn header(&self, input: &[u8], config: &Config) -> Result<Option<Header>, ProtocolError> {
        let &[first, second, ..] = input else {
            return Ok(None);
        };
        let (opcode, compressed) = self.first_bytes(first, second)?;
        let Some((len, size)) = length(second, input) else {
            return Ok(None);
        };
        if len >> 63 != 0 {
            return Err(ProtocolError::LengthTopBit(len));
        }
        let shortest = usize::try_from(len).map_or(size, header_len);
        if self.version.spec().minimal_lengths && size != shortest {
            return Err(ProtocolError::LengthNotMinimal(len));
        }
        let len = match opcode.is_control() {
            true => usize::try_from(len).unwrap_or(usize::MAX),
            false => self.within_limits(len, compressed, &config.limits)?,
        };
        let (key, size) = match input.get(size..size + 4).map(<[u8; 4]>::try_from) {
            _ if second & MASK == 0 => (None, size),
            Some(Ok(key)) => (Some(key), size + 4),
            _ => return Ok(None),
        };
        Ok(Some(Header {
            fin: first & FIN != 0,
            compressed,
            opcode,
            len,
            key,
            size,
        }))
    }

    /// Checks the first two bytes of a header. Returns the opcode, and whether a compressed message
    /// begins.
    fn first_bytes(&self, first: u8, second: u8) -> Result<(Opcode, bool), ProtocolError> {
        let bits = first & 0xf;
        // RSV1 has a meaning at the start of a message that may be compressed (RFC 7692 §6).
        let compressed = first & RSV1 != 0 && matches!(bits, 1 | 2) && self.inflater.is_some();
        let meant = if compressed { RSV1 } else { 0 };
        let reserved = first & RESERVED & !meant;
        if reserved != 0 {
            return Err(ProtocolError::ReservedBits(reserved >> 4));
        }
        let opcode = Opcode::from_bits(bits).ok_or(ProtocolError::ReservedOpcode(bits))?;
        let is_control = opcode.is_control();
        let masked = second & MASK != 0;
        match (opcode, self.message) {
            _ if !masked && self.role == Role::Server => Err(ProtocolError::Unmasked),
            _ if masked && self.role == Role::Client => Err(ProtocolError::Masked),
            _ if is_control && first & FIN == 0 => Err(ProtocolError::FragmentedControl(bits)),
            _ if is_control && usize::from(second & !MASK) > MAX_CONTROL => {
                Err(ProtocolError::LongControl(bits))
            }
            (Opcode::Continuation, None) => Err(ProtocolError::StrayContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(ProtocolError::MessageInsideMessage),
            _ => Ok((opcode, compressed)),
        }
    }

    /// Checks the length of a data frame, and the number of the message's frames, against the limits.
    fn within_limits(
        &self,
        len: u64,
        compressed: bool,
        limits: &Limits,
    ) -> Result<usize, ProtocolError> {
        let limit = self.limit(limits);
        let room = match &self.inflater {
            Some(inflater) if compressed || inflater.is_reading() => inflater.room(limit),
            _ => limit.saturating_sub(self.delivered() + self.assembler.len()),
        };
        let len = match usize::try_from(len) {
            Ok(len) if len <= room => len,
            _ => return Err(ProtocolError::MessageTooLarge(limit)),
        };
        let most = self.pieces.as_ref();
        let most = most.map_or(limits.fragments, |pieces| pieces.fragments(limits));
        match self.message {
            Some((_, fragments)) if fragments >= most => Err(ProtocolError::TooManyFragments(most)),
            _ => Ok(len),
        }
    }

    /// Returns the size limit of the present message, or of the next one if none has begun.
    fn limit(&self, limits: &Limits) -> usize {
        let pieces = self.pieces.as_deref();
        pieces.map_or(limits.message, Pieces::limit)
    }

    /// Returns how many bytes of the present message were delivered in pieces.
    fn delivered(&self) -> usize {
        self.pieces.as_deref().map_or(0, Pieces::delivered)
    }

    fn begin(&mut self, header: &Header) {
        if let (true, Some(inflater)) = (header.compressed, &mut self.inflater) {
            inflater.begin();
        }
        self.message = Some(match self.message {
            Some((opcode, fragments)) => (opcode, fragments + 1),
            None => (header.opcode, 1),
        });
        self.frame = Some(DataFrame {
            fin: header.fin,
            key: header.key,
            len: header.len,
            read: 0,
        });
    }

    /// Takes the available bytes of the current frame's payload, copied from the input or read
    /// directly.
    fn payload(&mut self, input: &[u8]) -> (usize, Result<Option<Decoded>, ProtocolError>) {
        let (Some(frame), Some((opcode, _))) = (&mut self.frame, self.message) else {
            return (0, Ok(None));
        };
        let left = frame.len - frame.read - self.assembler.raw().len();
        let here = input.len().min(left);
        if self.pieces.is_none() {
            self.assembler.announce(left);
        }
        self.assembler.push(&input[..here]);
        let raw = self.assembler.raw();
        unmask(raw, frame.key, frame.read);
        frame.read += raw.len();
        let ended = frame.read == frame.len;
        let last = ended && frame.fin;
        if ended {
            self.frame = None;
        }
        let text = opcode == Opcode::Text;
        if !last {
            return (here, self.assembler.accept(text).map(|()| None));
        }
        self.message = None;
        let payload = self.assembler.take();
        (here, self.single(opcode, payload).map(Some))
    }

    /// Takes the available bytes of a compressed payload, and decompresses them.
    fn inflate(
        &mut self,
        input: &[u8],
        limit: usize,
    ) -> (usize, Result<Option<Decoded>, ProtocolError>) {
        let (Some(frame), Some((opcode, _)), Some(inflater)) =
            (&mut self.frame, self.message, &mut self.inflater)
        else {
            return (0, Ok(None));
        };
        let most = self.pieces.as_ref().map_or(usize::MAX, |_| pieces::MOST);
        let here = input.len().min(frame.len - frame.read).min(most);
        let mut piece = input[..here].to_vec();
        unmask(&mut piece, frame.key, frame.read);
        let (assembler, mut rest) = (&mut self.assembler, &piece[..]);
        let limits = (limit, most);
        let more = inflater.inflate(&mut rest, assembler, opcode == Opcode::Text, limits);
        let here = here - rest.len();
        frame.read += here;
        let more = match more {
            Ok(more) => more,
            Err(protocol_error) => return (here, Err(protocol_error)),
        };
        let ended = frame.read == frame.len && !more;
        let last = ended && frame.fin;
        if ended {
            self.frame = None;
        }
        if !last {
            return (here, Ok(None));
        }
        let inflated = inflater.finish(assembler, limit);
        self.message = None;
        let payload = self.assembler.take();
        let message = inflated.and_then(|()| self.single(opcode, payload));
        (here, message.map(Some))
    }

    /// Returns whether the rest of the input is decompressed before anything can be delivered.
    fn goes_on(&self, rest: &[u8]) -> bool {
        let is_text = matches!(self.message, Some((Opcode::Text, _)));
        let is_capped = self.pieces.is_some() && self.is_inflating();
        is_capped && !rest.is_empty() && !self.assembler.has_piece(is_text)
    }

    fn is_inflating(&self) -> bool {
        self.inflater
            .as_ref()
            .is_some_and(|inflater| inflater.is_reading())
    }

    /// See [`super::Decoder::direct`]. Reserves room for the next read, or as much again as has
    /// arrived.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn direct(&mut self, most: usize) -> Option<&mut Vec<u8>> {
        let frame = self.frame.as_ref().filter(|_| !self.is_inflating())?;
        let left = frame.len - frame.read;
        let room = left.min(most.max(self.assembler.len()));
        (left >= DIRECT).then(|| self.assembler.buffer(room))
    }

    /// See [`super::Decoder::overshoot`].
    pub(crate) fn overshoot(&mut self) -> Option<Vec<u8>> {
        let frame = self.frame.as_ref()?;
        let left = frame.len - frame.read;
        (self.assembler.raw().len() > left).then(|| self.assembler.split_raw(left))
    }

    /// Decodes a complete payload.
    fn single(&self, opcode: Opcode, payload: Vec<u8>) -> Result<Decoded, ProtocolError> {
        match opcode {
            Opcode::Text => match String::from_utf8(payload) {
                Ok(text) => Ok(Decoded::Message(text.into())),
                Err(_) => Err(ProtocolError::InvalidUtf8),
            },
            // A message's opcode is that of its first frame.
            Opcode::Binary | Opcode::Continuation => Ok(Decoded::Message(payload.into())),
            Opcode::Ping => Ok(Decoded::Ping(payload)),
            Opcode::Pong => Ok(Decoded::Pong(payload)),
            Opcode::Close => self.close_body(&payload).map(Decoded::Close),
        }
    }

    /// Decodes the payload of a close frame (RFC 6455 §5.5.1 and §7.4).
    fn close_body(&self, payload: &[u8]) -> Result<Option<CloseFrame>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::CloseBodyOfOneByte),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let code = CloseCode::new(code);
        if !self.version.may_send(code) {
            return Err(ProtocolError::InvalidCloseCode(code.get()));
        }
        match std::str::from_utf8(reason) {
            Ok(reason) => Ok(Some(CloseFrame {
                code,
                reason: reason.to_owned(),
            })),
            Err(_) => Err(ProtocolError::InvalidUtf8),
        }
    }
}

/// Reads the length of a payload. Returns it with the size of the header so far; `None` while it is
/// incomplete.
fn length(second: u8, input: &[u8]) -> Option<(u64, usize)> {
    match second & !MASK {
        LENGTH_16 => match input.get(2..4).map(<[u8; 2]>::try_from) {
            Some(Ok(bytes)) => Some((u64::from(u16::from_be_bytes(bytes)), 4)),
            _ => None,
        },
        LENGTH_64 => match input.get(2..10).map(<[u8; 8]>::try_from) {
            Some(Ok(bytes)) => Some((u64::from_be_bytes(bytes), 10)),
            _ => None,
        },
        short => Some((u64::from(short), 2)),
    }
}
