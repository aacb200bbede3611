//! Servers that write frames wrongly: each plausible mistake, as the bytes of one frame.

use crate::diagnoses::{frames, lengths};
use crate::diagnosis::Diagnosis;
use crate::wire::{Frame, LengthForm, low_byte, opcode, shortest};

/// A way to write a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) mistake: &'static Diagnosis,
    /// The mistake in words, to be put after "Your bytes fit a server that".
    pub(crate) words: &'static str,
    pub(crate) encode: fn(&Frame) -> Vec<u8>,
}

/// All wrong writers. A frame that a writer writes rightly is no evidence for its mistake.
pub(crate) const WRONG: &[Writer] = &[
    Writer {
        mistake: &frames::NO_FRAME,
        words: "sends the text without a frame",
        encode: |frame| frame.payload.clone(),
    },
    Writer {
        mistake: &frames::NO_FRAME,
        words: "sends the text with a line end and without a frame",
        encode: |frame| [&frame.payload[..], b"\n"].concat(),
    },
    Writer {
        mistake: &frames::HIXIE_FRAME,
        words: "sends a frame of draft-75 or draft-76",
        encode: |frame| [&[0x00], &frame.payload[..], &[0xff]].concat(),
    },
    Writer {
        mistake: &frames::MASK_BIT,
        words: "sets the bit MASK and sends no key",
        encode: |frame| {
            let mut bytes = frame.encode();
            bytes[1] |= 0x80;
            bytes
        },
    },
    Writer {
        mistake: &frames::FIN_MISSING,
        words: "leaves the bit FIN clear",
        encode: |frame| frame.clone().unfinished().encode(),
    },
    Writer {
        mistake: &frames::OPCODE_BINARY,
        words: "sends text with the opcode of binary messages",
        encode: |frame| with_opcode(frame, opcode::TEXT, opcode::BINARY),
    },
    Writer {
        mistake: &frames::OPCODE_TEXT,
        words: "sends binary messages with the opcode of text",
        encode: |frame| with_opcode(frame, opcode::BINARY, opcode::TEXT),
    },
    Writer {
        mistake: &frames::OPCODE_ZERO,
        words: "sends a message with opcode 0",
        encode: |frame| match frame.opcode {
            opcode::TEXT => with_opcode(frame, opcode::TEXT, 0),
            _ => with_opcode(frame, opcode::BINARY, 0),
        },
    },
    Writer {
        mistake: &frames::BYTES_AS_TEXT,
        words: "converts bytes to text with their quotes",
        encode: |frame| changed(frame, |text| [b"b'", text, b"'"].concat()),
    },
    Writer {
        mistake: &frames::NOT_ECHO,
        words: "puts the text in quotes",
        encode: |frame| changed(frame, |text| [b"\"", text, b"\""].concat()),
    },
    Writer {
        mistake: &frames::NOT_ECHO,
        words: "puts the text in single quotes, as repr() of Python does",
        encode: |frame| changed(frame, |text| [b"'", text, b"'"].concat()),
    },
    Writer {
        mistake: &frames::NOT_ECHO,
        words: "adds a line end to the text",
        encode: |frame| changed(frame, |text| [text, b"\n"].concat()),
    },
    Writer {
        mistake: &frames::NOT_ECHO,
        words: "adds a zero byte to the text",
        encode: |frame| changed(frame, |text| [text, b"\0"].concat()),
    },
    Writer {
        mistake: &frames::ECHO_TWICE,
        words: "sends each message twice",
        encode: |frame| frame.encode().repeat(2),
    },
    Writer {
        mistake: &lengths::WITH_HEADER,
        words: "counts the two bytes of the header too",
        encode: |frame| seven(frame, |len| low_byte(len + 2) & 0x7f),
    },
    Writer {
        mistake: &lengths::WITH_HEADER,
        words: "counts the four bytes of the received key too",
        encode: |frame| seven(frame, |len| low_byte(len + 4) & 0x7f),
    },
    Writer {
        mistake: &lengths::WITH_HEADER,
        words: "counts the header and the key of the received frame too",
        encode: |frame| seven(frame, |len| low_byte(len + 6) & 0x7f),
    },
    Writer {
        mistake: &lengths::SEVEN_BITS,
        words: "writes the length into one byte",
        encode: |frame| seven(frame, low_byte),
    },
    Writer {
        mistake: &lengths::SEVEN_BITS,
        words: "writes the lowest seven bits of the length",
        encode: |frame| seven(frame, |len| low_byte(len) & 0x7f),
    },
    Writer {
        mistake: &lengths::SEVEN_BITS,
        words: "writes 125 for all larger lengths",
        encode: |frame| seven(frame, |len| low_byte(len.min(125))),
    },
    Writer {
        mistake: &lengths::SEVEN_BITS,
        words: "writes 126 and no extended length",
        encode: |frame| seven(frame, |len| low_byte(len.min(126))),
    },
    Writer {
        mistake: &lengths::SEVEN_BITS,
        words: "writes 127 and no extended length",
        encode: |frame| seven(frame, |len| low_byte(len.min(127))),
    },
    Writer {
        mistake: &lengths::BYTE_ORDER,
        words: "writes the length with the lowest byte first",
        encode: |frame| extended(frame, |bytes| bytes.iter().rev().copied().collect()),
    },
    Writer {
        mistake: &lengths::FOUR_BYTES,
        words: "writes the 64-bit length into four bytes",
        encode: |frame| cut_64(frame, |bytes| bytes[4..].to_vec()),
    },
    Writer {
        mistake: &lengths::FOUR_BYTES,
        words: "writes the 64-bit length into four bytes, the lowest byte first",
        encode: |frame| cut_64(frame, |bytes| bytes[4..].iter().rev().copied().collect()),
    },
    Writer {
        mistake: &lengths::FOUR_BYTES,
        words: "writes the 64-bit length into six bytes",
        encode: |frame| cut_64(frame, |bytes| bytes[2..].to_vec()),
    },
    Writer {
        mistake: &lengths::FOUR_BYTES,
        words: "writes the 64-bit length into two bytes",
        encode: |frame| cut_64(frame, |bytes| bytes[6..].to_vec()),
    },
    Writer {
        mistake: &lengths::NO_64,
        words: "uses 16 bits for all larger lengths",
        encode: |frame| {
            if shortest(frame.payload.len() as u64) != LengthForm::Bits64 {
                return frame.encode();
            }
            in_form(frame, LengthForm::Bits16)
        },
    },
    Writer {
        mistake: &lengths::LONG_FORM,
        words: "always writes the 16-bit form",
        encode: |frame| in_form(frame, LengthForm::Bits16),
    },
    Writer {
        mistake: &lengths::LONG_FORM,
        words: "always writes the 64-bit form",
        encode: |frame| in_form(frame, LengthForm::Bits64),
    },
    Writer {
        mistake: &lengths::LONG_FORM,
        words: "writes 125 with 16 bits",
        encode: |frame| match frame.payload.len() {
            125 => in_form(frame, LengthForm::Bits16),
            _ => frame.encode(),
        },
    },
    Writer {
        mistake: &lengths::LONG_FORM,
        words: "writes all lengths above 125 with 64 bits",
        encode: |frame| match frame.payload.len() {
            126.. => in_form(frame, LengthForm::Bits64),
            _ => frame.encode(),
        },
    },
    Writer {
        mistake: &lengths::LONG_FORM,
        words: "writes 65535 with 64 bits",
        encode: |frame| match frame.payload.len() {
            65535 => in_form(frame, LengthForm::Bits64),
            _ => frame.encode(),
        },
    },
    Writer {
        mistake: &lengths::CHARACTERS,
        words: "writes the number of characters as the length",
        encode: |frame| counted(frame, |text| text.chars().count(), false),
    },
    Writer {
        mistake: &lengths::CHARACTERS,
        words: "writes the number of UTF-16 units as the length",
        encode: |frame| counted(frame, |text| text.encode_utf16().count(), false),
    },
    Writer {
        mistake: &lengths::CHARACTERS,
        words: "sends as many bytes as the text has characters",
        encode: |frame| counted(frame, |text| text.chars().count(), true),
    },
    Writer {
        mistake: &lengths::CHARACTERS,
        words: "sends as many bytes as the text has UTF-16 units",
        encode: |frame| counted(frame, |text| text.encode_utf16().count(), true),
    },
    Writer {
        mistake: &frames::ENCODING,
        words: "sends the text in ISO 8859-1",
        encode: |frame| {
            recoded(frame, |text| {
                let byte = |c: char| u8::try_from(u32::from(c)).unwrap_or(b'?');
                text.chars().map(byte).collect()
            })
        },
    },
    Writer {
        mistake: &frames::ENCODING,
        words: "replaces each character outside ASCII by a question mark",
        encode: |frame| {
            recoded(frame, |text| {
                let byte = |c: char| {
                    if c.is_ascii() {
                        low_byte(c as usize)
                    } else {
                        b'?'
                    }
                };
                text.chars().map(byte).collect()
            })
        },
    },
    Writer {
        mistake: &frames::ENCODING,
        words: "removes each character outside ASCII",
        encode: |frame| recoded(frame, |text| text.bytes().filter(u8::is_ascii).collect()),
    },
    Writer {
        mistake: &frames::ENCODING,
        words: "reads the bytes of UTF-8 as characters of ISO 8859-1",
        encode: |frame| {
            recoded(frame, |text| {
                let text: String = text.bytes().map(char::from).collect();
                text.into_bytes()
            })
        },
    },
    Writer {
        mistake: &frames::ENCODING,
        words: "reads each byte outside ASCII as an invalid character",
        encode: |frame| {
            recoded(frame, |text| {
                let each = |b: u8| {
                    if b.is_ascii() {
                        char::from(b)
                    } else {
                        '\u{fffd}'
                    }
                };
                text.bytes().map(each).collect::<String>().into_bytes()
            })
        },
    },
    Writer {
        mistake: &frames::ENCODING,
        words: "sends the text in UTF-16",
        encode: |frame| {
            recoded(frame, |text| {
                text.encode_utf16().flat_map(u16::to_le_bytes).collect()
            })
        },
    },
    Writer {
        mistake: &frames::ENCODING,
        words: "sends the text in UTF-16",
        encode: |frame| {
            recoded(frame, |text| {
                text.encode_utf16().flat_map(u16::to_be_bytes).collect()
            })
        },
    },
    Writer {
        mistake: &frames::ENCODING,
        words: "sends the text in UTF-16, with a byte order mark",
        encode: |frame| {
            recoded(frame, |text| {
                let units = std::iter::once(0xfeff).chain(text.encode_utf16());
                units.flat_map(u16::to_le_bytes).collect()
            })
        },
    },
];

impl Writer {
    /// Whether the mistake is in lengths: it often comes with the same mistake in reading.
    pub(crate) fn is_about_length(&self) -> bool {
        self.mistake.id.starts_with("D13-LENGTH")
    }
}

fn is_data(frame: &Frame) -> bool {
    matches!(frame.opcode, opcode::TEXT | opcode::BINARY)
}

fn first_byte(frame: &Frame) -> u8 {
    frame.header()[0]
}

fn with_opcode(frame: &Frame, from: u8, to: u8) -> Vec<u8> {
    let opcode = if frame.opcode == from {
        to
    } else {
        frame.opcode
    };
    Frame {
        opcode,
        ..frame.clone()
    }
    .encode()
}

/// The frame with another payload, if it is a message.
fn changed(frame: &Frame, change: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    if !is_data(frame) {
        return frame.encode();
    }
    Frame {
        payload: change(&frame.payload),
        ..frame.clone()
    }
    .encode()
}

/// The frame with its text in another encoding, if it is text.
fn recoded(frame: &Frame, change: fn(&str) -> Vec<u8>) -> Vec<u8> {
    match std::str::from_utf8(&frame.payload) {
        Ok(text) if frame.opcode == opcode::TEXT => Frame {
            payload: change(text),
            ..frame.clone()
        }
        .encode(),
        _ => frame.encode(),
    }
}

/// The frame with this as its second byte, and no extended length.
fn seven(frame: &Frame, second: fn(usize) -> u8) -> Vec<u8> {
    let header = [first_byte(frame), second(frame.payload.len())];
    [&header, &frame.payload[..]].concat()
}

/// The frame with its extended length changed, if it has one.
fn extended(frame: &Frame, change: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let header = frame.header();
    let changed = change(&header[2..]);
    [&header[..2], &changed, &frame.payload[..]].concat()
}

/// The frame with its 64-bit length changed, if it has one.
fn cut_64(frame: &Frame, change: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    match shortest(frame.payload.len() as u64) {
        LengthForm::Bits64 => extended(frame, change),
        _ => frame.encode(),
    }
}

fn in_form(frame: &Frame, form: LengthForm) -> Vec<u8> {
    frame.clone().with_form(form).encode()
}

/// The frame with another length. With `cut` the payload ends there too.
fn counted(frame: &Frame, count: fn(&str) -> usize, cut: bool) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&frame.payload) else {
        return frame.encode();
    };
    let len = count(text);
    let header = Frame::new(frame.opcode, vec![0; len]).header();
    let end = if cut { len } else { frame.payload.len() };
    [&header, &frame.payload[..end]].concat()
}
