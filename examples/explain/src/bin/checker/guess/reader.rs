//! Servers that read frames wrongly: each plausible mistake, played on the bytes that were sent.

use crate::diagnoses::{cuts, frames, lengths};
use crate::diagnosis::Diagnosis;
use crate::wire::{self, Frame, opcode};

/// A way to read frames.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) mistake: Option<&'static Diagnosis>,
    /// The mistake in words, to be put after "Your bytes fit a server that".
    pub(crate) words: &'static str,
    length: Length,
    mask: Mask,
    buffer: Buffer,
}

/// How the length is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Right,
    /// 126 and 127 are lengths themselves.
    Seven,
    /// The extended length is skipped, and 126 or 127 used as the length.
    Skipped,
    Little,
    Signed,
    /// This many bytes of the eight.
    Short(usize),
}

/// How the payload is unmasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mask {
    Right,
    None,
    /// The key is taken for the start of the payload.
    KeyInPayload,
    /// As above, and the payload is four bytes longer, so that no byte is lost.
    KeyBeforePayload,
    Reversed,
    /// The index begins with this.
    Shifted(usize),
    FirstFour,
    FirstByte,
    /// The key of the first frame is used for all frames.
    Cached,
}

/// How reads are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buffer {
    Right,
    /// Each read is a frame; bytes after the frame are dropped, missing bytes ignored.
    OneRead,
    /// Each read is a frame, and the payload goes to the end of the read.
    ToEnd,
    /// After a frame the rest of its read is dropped.
    RestLost,
    /// The mask's index begins anew with each read.
    MaskRestarts,
}

/// The result of a reader.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// The messages, the pongs and the close frames that the server sends, without a mask.
    pub(crate) replies: Vec<Frame>,
    /// The number of bytes that the server waits for, inside a frame.
    pub(crate) waits: u64,
}

/// The reader without a mistake.
pub(crate) const RIGHT: Reader = Reader {
    mistake: None,
    words: "",
    length: Length::Right,
    mask: Mask::Right,
    buffer: Buffer::Right,
};

const fn length(mistake: &'static Diagnosis, length: Length, words: &'static str) -> Reader {
    Reader {
        mistake: Some(mistake),
        words,
        length,
        ..RIGHT
    }
}

const fn mask(mistake: &'static Diagnosis, mask: Mask, words: &'static str) -> Reader {
    Reader {
        mistake: Some(mistake),
        words,
        mask,
        ..RIGHT
    }
}

const fn buffer(mistake: &'static Diagnosis, buffer: Buffer, words: &'static str) -> Reader {
    Reader {
        mistake: Some(mistake),
        words,
        buffer,
        ..RIGHT
    }
}

/// All wrong readers.
pub(crate) const WRONG: &[Reader] = &[
    mask(
        &frames::NOT_UNMASKED,
        Mask::None,
        "does not unmask the payload",
    ),
    mask(
        &frames::KEY_IN_PAYLOAD,
        Mask::KeyInPayload,
        "takes the masking key for the first four bytes of the payload",
    ),
    mask(
        &frames::KEY_IN_PAYLOAD,
        Mask::KeyBeforePayload,
        "puts the masking key before the payload",
    ),
    mask(
        &frames::MASK_INDEX,
        Mask::Reversed,
        "uses the four bytes of the key in reverse order",
    ),
    mask(
        &frames::MASK_INDEX,
        Mask::Shifted(1),
        "begins with the second byte of the key",
    ),
    mask(
        &frames::MASK_INDEX,
        Mask::Shifted(2),
        "begins with the third byte of the key",
    ),
    mask(
        &frames::MASK_INDEX,
        Mask::Shifted(3),
        "begins with the last byte of the key",
    ),
    mask(
        &frames::MASK_INDEX,
        Mask::FirstFour,
        "unmasks only the first four bytes",
    ),
    mask(
        &frames::MASK_INDEX,
        Mask::FirstByte,
        "unmasks each byte with the first byte of the key",
    ),
    mask(
        &frames::KEY_CACHED,
        Mask::Cached,
        "unmasks each frame with the key of the first frame",
    ),
    length(
        &lengths::SEVEN_BITS,
        Length::Seven,
        "reads 126 and 127 as lengths",
    ),
    length(
        &lengths::SEVEN_BITS,
        Length::Skipped,
        "skips the extended length and uses 126 or 127 instead",
    ),
    length(
        &lengths::BYTE_ORDER,
        Length::Little,
        "reads the extended length with the lowest byte first",
    ),
    length(
        &lengths::FOUR_BYTES,
        Length::Short(4),
        "reads only four of the eight bytes of the length",
    ),
    length(
        &lengths::FOUR_BYTES,
        Length::Short(2),
        "reads only two of the eight bytes of the length",
    ),
    length(
        &lengths::FOUR_BYTES,
        Length::Short(6),
        "reads only six of the eight bytes of the length",
    ),
    length(
        &lengths::SIGNED,
        Length::Signed,
        "reads the 16 bits of the length as a signed number",
    ),
    buffer(
        &cuts::ONE_READ,
        Buffer::OneRead,
        "takes each read for one whole frame",
    ),
    buffer(
        &cuts::GLUED_JOINED,
        Buffer::ToEnd,
        "takes all bytes of a read for the payload of one frame",
    ),
    buffer(
        &cuts::GLUED_LOST,
        Buffer::RestLost,
        "drops the bytes of a read that come after the first frame",
    ),
    buffer(
        &cuts::MASK_RESTARTS,
        Buffer::MaskRestarts,
        "begins again with the first byte of the key after each read",
    ),
];

impl Reader {
    /// Whether the mistake is in reading lengths: it often comes with the same mistake in writing.
    pub(crate) fn is_about_length(&self) -> bool {
        self.length != Length::Right
    }

    /// Plays an echo server that reads in this way.
    pub(crate) fn play(&self, reads: &[Vec<u8>]) -> Played {
        let mut server = Server::default();
        match self.buffer {
            Buffer::Right | Buffer::MaskRestarts => {
                self.stream(&reads.concat(), &ends(reads), &mut server);
            }
            Buffer::OneRead | Buffer::ToEnd => {
                for read in reads {
                    if !self.one(read, &mut server) {
                        break;
                    }
                }
            }
            Buffer::RestLost => self.rest_lost(reads, &mut server),
        }
        server.played
    }

    /// Reads frame after frame from a stream; `ends` are the places where reads ended.
    fn stream(&self, stream: &[u8], ends: &[usize], server: &mut Server) {
        let mut at = 0;
        while at < stream.len() {
            let (frame, len) = match self.frame(&stream[at..], at, ends, server.key) {
                Ok(found) => found,
                Err(waits) => {
                    server.played.waits = waits;
                    return;
                }
            };
            server.key = server.key.or(frame.mask);
            at += len;
            if !server.receive(frame) {
                return;
            }
        }
    }

    /// Reads one frame at the start of `bytes`; the error is the number of bytes that are missing.
    fn frame(
        &self,
        bytes: &[u8],
        at: usize,
        ends: &[usize],
        first_key: Option<[u8; 4]>,
    ) -> Result<(Frame, usize), u64> {
        let missing = |needed: u64| needed.saturating_sub(bytes.len() as u64);
        let [first, second, ..] = *bytes else {
            return Err(missing(2));
        };
        let (size, len) = self.length(second & 0x7f, &bytes[2..]).ok_or(missing(10))?;
        let is_masked = second & 0x80 != 0;
        let key_len = match self.mask {
            Mask::KeyInPayload | Mask::KeyBeforePayload => 0,
            _ if is_masked => 4,
            _ => 0,
        };
        let start = 2 + size + key_len;
        let extra = u64::from(self.mask == Mask::KeyBeforePayload && is_masked) * 4;
        let end = (start as u64).saturating_add(len).saturating_add(extra);
        if end > bytes.len() as u64 {
            return Err(missing(end));
        }
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let mut payload = bytes[start..end].to_vec();
        let key: Option<[u8; 4]> = bytes[2 + size..start].try_into().ok();
        if let Some(key) = key {
            let pieces = ends.iter().map(|end| end.saturating_sub(at + start));
            self.unmask(&mut payload, key, first_key, pieces);
        }
        let frame = Frame {
            fin: first & 0x80 != 0,
            rsv: first >> 4 & 7,
            mask: key,
            ..Frame::new(first & 0x0f, payload)
        };
        Ok((frame, end))
    }

    /// The size of the extended length, and the length. `None` if it is not complete.
    fn length(&self, seven: u8, rest: &[u8]) -> Option<(usize, u64)> {
        let right = match seven {
            126 => 2,
            127 => 8,
            _ => return Some((0, u64::from(seven))),
        };
        let size = match self.length {
            Length::Seven => return Some((0, u64::from(seven))),
            Length::Short(short) if right == 8 => short,
            _ => right,
        };
        let bytes = rest.get(..size)?;
        let big = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let len = match self.length {
            Length::Skipped => u64::from(seven),
            Length::Little => bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            // A negative length: most languages read nothing then.
            Length::Signed if size == 2 && bytes[0] >= 0x80 => 0,
            _ => big(bytes),
        };
        Some((size, len))
    }

    fn unmask(
        &self,
        payload: &mut [u8],
        key: [u8; 4],
        first_key: Option<[u8; 4]>,
        ends: impl Iterator<Item = usize>,
    ) {
        let [first, second, third, fourth] = key;
        match self.mask {
            Mask::None | Mask::KeyInPayload | Mask::KeyBeforePayload => {}
            Mask::Reversed => wire::xor(payload, [fourth, third, second, first], 0),
            Mask::Shifted(by) => wire::xor(payload, key, by),
            Mask::FirstFour => {
                let len = payload.len().min(4);
                wire::xor(&mut payload[..len], key, 0);
            }
            Mask::FirstByte => wire::xor(payload, [first; 4], 0),
            Mask::Cached => wire::xor(payload, first_key.unwrap_or(key), 0),
            Mask::Right if self.buffer == Buffer::MaskRestarts => {
                let mut from = 0;
                for end in ends {
                    let end = end.min(payload.len());
                    if end > from {
                        wire::xor(&mut payload[from..end], key, 0);
                        from = end;
                    }
                }
            }
            Mask::Right => wire::xor(payload, key, 0),
        }
    }

    /// Takes one read for one frame. Returns `false` if the server ends.
    fn one(&self, read: &[u8], server: &mut Server) -> bool {
        let (mut frame, header) = match wire::parse(read) {
            wire::Parsed::Header => return false,
            wire::Parsed::Frame(frame, len) => {
                let header = len - frame.payload.len();
                (frame, header)
            }
            wire::Parsed::Payload { frame, header, .. } => (frame, header),
        };
        if self.buffer == Buffer::ToEnd {
            frame.payload = read[header..].to_vec();
            wire::xor(&mut frame.payload, frame.mask.unwrap_or_default(), 0);
        }
        server.receive(frame)
    }

    fn rest_lost(&self, reads: &[Vec<u8>], server: &mut Server) {
        let mut buffer = Vec::new();
        for read in reads {
            buffer.extend_from_slice(read);
            match self.frame(&buffer, 0, &[], None) {
                Ok((frame, _)) => {
                    buffer.clear();
                    if !server.receive(frame) {
                        return;
                    }
                }
                Err(waits) => server.played.waits = waits,
            }
        }
    }
}

/// An echo server behind a reader.
#[derive(Debug, Default)]
struct Server {
    played: Played,
    message: Option<Frame>,
    /// The key of the first frame.
    key: Option<[u8; 4]>,
}

impl Server {
    /// Takes a frame, and replies. Returns `false` for a frame that a server cannot understand.
    fn receive(&mut self, frame: Frame) -> bool {
        let frame = Frame {
            mask: None,
            form: None,
            ..frame
        };
        let reply = match frame.opcode {
            _ if frame.rsv != 0 => return false,
            opcode::TEXT | opcode::BINARY if frame.fin => frame,
            opcode::TEXT | opcode::BINARY => {
                self.message = Some(frame);
                return true;
            }
            opcode::CONTINUATION => {
                let Some(mut message) = self.message.take() else {
                    return false;
                };
                message.payload.extend(frame.payload);
                message.fin = frame.fin;
                if !frame.fin {
                    self.message = Some(message);
                    return true;
                }
                message
            }
            opcode::PING => Frame {
                opcode: opcode::PONG,
                ..frame
            },
            opcode::PONG => return true,
            opcode::CLOSE => {
                self.played.replies.push(frame);
                return false;
            }
            _ => return false,
        };
        self.played.replies.push(reply);
        true
    }
}

/// The places in the whole stream where reads end.
fn ends(reads: &[Vec<u8>]) -> Vec<usize> {
    let mut at = 0;
    reads
        .iter()
        .map(|read| {
            at += read.len();
            at
        })
        .collect()
}
