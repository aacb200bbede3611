//! Bytes as they stand on the wire: frames of versions 7, 8 and 13, hex, and random bytes with a seed.

use std::fmt::Write as _;

/// Opcodes of versions 7, 8 and 13 (RFC 6455, section 5.2).
pub(crate) mod opcode {
    pub(crate) const CONTINUATION: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;

    /// Whether an opcode is one of the six that exist.
    pub(crate) fn is_known(opcode: u8) -> bool {
        matches!(opcode, CONTINUATION..=BINARY | CLOSE..=PONG)
    }

    /// The name of an opcode, as the texts use it.
    pub(crate) fn name(opcode: u8) -> &'static str {
        match opcode {
            CONTINUATION => "continuation",
            TEXT => "text",
            BINARY => "binary",
            CLOSE => "close",
            PING => "ping",
            PONG => "pong",
            _ => "reserved opcode",
        }
    }
}

/// A frame of version 7, 8 or 13. The payload is plain: it is masked on its way out, if there is a mask.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// The three reserved bits as a number: RSV1 is 4, RSV2 is 2, RSV3 is 1.
    pub(crate) rsv: u8,
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
    /// The form of the length, for frames that are wrong on purpose. `None` is the shortest.
    pub(crate) form: Option<LengthForm>,
}

/// The three forms of a frame's length (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LengthForm {
    Bits7,
    Bits16,
    Bits64,
}

impl Frame {
    /// A whole message or a control frame, without a mask.
    pub(crate) fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Frame {
        Frame {
            fin: true,
            rsv: 0,
            opcode,
            mask: None,
            payload: payload.into(),
            form: None,
        }
    }

    /// A text message in one frame.
    pub(crate) fn text(text: &str) -> Frame {
        Frame::new(opcode::TEXT, text)
    }

    /// A close frame with a code and a reason.
    pub(crate) fn close(code: u16, reason: &str) -> Frame {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Frame::new(opcode::CLOSE, payload)
    }

    /// The same frame with the bit FIN clear: more fragments follow.
    pub(crate) fn unfinished(mut self) -> Frame {
        self.fin = false;
        self
    }

    /// The same frame with these reserved bits: RSV1 is 4, RSV2 is 2, RSV3 is 1.
    pub(crate) fn reserved(mut self, rsv: u8) -> Frame {
        self.rsv = rsv;
        self
    }

    /// The same frame with a mask.
    pub(crate) fn masked(mut self, mask: [u8; 4]) -> Frame {
        self.mask = Some(mask);
        self
    }

    /// The same frame with its length in another form than the shortest.
    pub(crate) fn with_form(mut self, form: LengthForm) -> Frame {
        self.form = Some(form);
        self
    }

    /// Whether a right server may send this frame at any time: a ping, or an unsolicited pong (RFC 6455,
    /// sections 5.5.2 and 5.5.3).
    pub(crate) fn is_keepalive(&self) -> bool {
        let is_ping_or_pong = matches!(self.opcode, opcode::PING | opcode::PONG);
        let is_plain = self.rsv == 0 && self.mask.is_none() && self.form.is_none();
        is_ping_or_pong && self.fin && is_plain && self.payload.len() <= 125
    }

    /// The frame's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.header();
        let start = bytes.len();
        bytes.extend_from_slice(&self.payload);
        if let Some(mask) = self.mask {
            xor(&mut bytes[start..], mask, 0);
        }
        bytes
    }

    /// The bytes before the payload, with the masking key.
    pub(crate) fn header(&self) -> Vec<u8> {
        let len = self.payload.len();
        let bit = if self.mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        match self.form.unwrap_or(shortest(len as u64)) {
            LengthForm::Bits7 => bytes.push(bit | low_byte(len)),
            LengthForm::Bits16 => bytes.extend([bit | 126, low_byte(len >> 8), low_byte(len)]),
            LengthForm::Bits64 => {
                bytes.push(bit | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend(self.mask.into_iter().flatten());
        bytes
    }

    /// A short description, such as `text, 5 bytes`.
    pub(crate) fn words(&self) -> String {
        let mut words = opcode::name(self.opcode).to_owned();
        if self.rsv != 0 {
            let _ = write!(words, ", {} set", reserved(self.rsv));
        }
        if !self.fin {
            words.push_str(", FIN clear");
        }
        if self.mask.is_some() {
            words.push_str(", masked");
        }
        let _ = write!(words, ", {}", count(self.payload.len(), "byte"));
        words
    }
}

/// The names of the reserved bits that are set: RSV1 is 4, RSV2 is 2, RSV3 is 1.
pub(crate) fn reserved(rsv: u8) -> String {
    let names = [(4, "RSV1"), (2, "RSV2"), (1, "RSV3")];
    let set = names.into_iter().filter(|(bit, _)| rsv & bit != 0);
    set.map(|(_, name)| name).collect::<Vec<_>>().join(" and ")
}

/// The start of a stream, read as a frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    /// The first frame, and how many bytes it has.
    Frame(Frame, usize),
    /// The header is complete; the payload has fewer bytes than the header declares.
    Payload {
        /// The header, with the payload as far as it is there.
        frame: Frame,
        /// How many bytes the header has.
        header: usize,
        /// The length that the header declares.
        declared: u64,
    },
    /// Not even the header is complete.
    Header,
}

/// Reads the first frame of `bytes`. Any header is read, a wrong one too.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let (Some(&first), Some(&second)) = (bytes.first(), bytes.get(1)) else {
        return Parsed::Header;
    };
    let extra = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let key_at = 2 + extra;
    let header = key_at + if second & 0x80 != 0 { 4 } else { 0 };
    if bytes.len() < header {
        return Parsed::Header;
    }
    let declared = match extra {
        0 => u64::from(second & 0x7f),
        _ => bytes[2..key_at]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let mask = bytes[key_at..header].try_into().ok();
    let rest = &bytes[header..];
    let complete = usize::try_from(declared)
        .ok()
        .filter(|len| *len <= rest.len());
    let mut payload = rest[..complete.unwrap_or(rest.len())].to_vec();
    if let Some(mask) = mask {
        xor(&mut payload, mask, 0);
    }
    let form = match extra {
        0 => LengthForm::Bits7,
        2 => LengthForm::Bits16,
        _ => LengthForm::Bits64,
    };
    let frame = Frame {
        fin: first & 0x80 != 0,
        rsv: first >> 4 & 7,
        opcode: first & 0x0f,
        mask,
        payload,
        form: (form != shortest(declared)).then_some(form),
    };
    match complete {
        Some(len) => Parsed::Frame(frame, header + len),
        None => Parsed::Payload {
            frame,
            header,
            declared,
        },
    }
}

/// Whether these bytes are pings and pongs only, or nothing.
pub(crate) fn is_keepalive(mut bytes: &[u8]) -> bool {
    while let Parsed::Frame(frame, len) = parse(bytes) {
        if !frame.is_keepalive() {
            break;
        }
        bytes = &bytes[len..];
    }
    bytes.is_empty()
}

/// The shortest form for a length, the one that RFC 6455 requires (section 5.2).
pub(crate) fn shortest(len: u64) -> LengthForm {
    match len {
        0..=125 => LengthForm::Bits7,
        126..=0xffff => LengthForm::Bits16,
        _ => LengthForm::Bits64,
    }
}

/// XORs `bytes` with the masking key, the first byte with the key's byte `at` modulo 4.
pub(crate) fn xor(bytes: &mut [u8], mask: [u8; 4], at: usize) {
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte ^= mask[(at + place) % 4];
    }
}

/// The lowest eight bits of a number.
pub(crate) fn low_byte(number: usize) -> u8 {
    u8::try_from(number & 0xff).unwrap_or(0)
}

/// Bytes in hex, with a blank between two: `81 05 48`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        if !text.is_empty() {
            text.push(' ');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A number with its noun: `1 byte`, `5 bytes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Bytes as text for a reader: printable ASCII as it is, all else escaped, at most `max` bytes.
pub(crate) fn printable(bytes: &[u8], max: usize) -> String {
    let shown = &bytes[..bytes.len().min(max)];
    let mut text: String = shown.escape_ascii().to_string().replace("\\\"", "\"");
    if bytes.len() > max {
        text.push('…');
    }
    text.replace("\\'", "'")
}

/// Random numbers that a seed repeats (splitmix64): keys and masks need no secrecy here.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Random bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| (self.next() & 0xff) as u8)
    }

    /// A masking key whose four bytes differ and are not zero: a mistake with the key is always visible.
    pub(crate) fn mask(&mut self) -> [u8; 4] {
        loop {
            let mask: [u8; 4] = self.bytes();
            let mut sorted = mask;
            sorted.sort_unstable();
            // The top bit is set, so that masked ASCII is no ASCII.
            let distinct = sorted.windows(2).all(|pair| pair[0] != pair[1]);
            if distinct && mask.iter().all(|byte| *byte >= 0x80) {
                return mask;
            }
        }
    }

    /// A word of lower-case letters.
    pub(crate) fn word(&mut self, len: usize) -> String {
        (0..len)
            .map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap_or(0)))
            .collect()
    }
}
