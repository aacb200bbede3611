//! Notes: a span of bytes, and all that is known about it.

use std::fmt;
use std::ops::Range;

use crate::rule::Rule;
use crate::step::Step;

/// The side that has sent bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The client: it sends the request.
    Client,
    /// The server.
    Server,
}

/// One part of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Notes are numbered from 0 in the order in which they are complete; [`Part::Cut`] is not counted,
    /// and has the number of the note that follows.
    pub id: u32,
    /// The note that this one is a part of. A parent comes before its children.
    pub parent: Option<u32>,
    /// The side that has sent the bytes.
    pub from: Side,
    /// The place in that side's stream, counted from its first byte.
    pub bytes: Range<u64>,
    /// The bits, for a part of one byte (`0x80` is the first on the wire); `0xff` for whole bytes.
    pub bits: u8,
    /// The part of the protocol.
    pub part: Part,
    /// The value of the bytes.
    pub value: Value,
    /// The arithmetic that leads to the value, or away from it.
    pub steps: Vec<Step>,
    /// The rules about this part, as far as they can be judged.
    pub verdicts: Vec<Verdict>,
}

/// The parts of the protocol. Their names ([`Part::name`]) are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// The request of the client, from its first byte to the blank line.
    Request,
    /// A response of the server, from its first byte to the blank line.
    Response,
    /// The first line of a request: method, target, version of HTTP (RFC 9112 §3).
    RequestLine,
    /// The first line of a response: version of HTTP, status, reason (RFC 9112 §4).
    StatusLine,
    /// The method of a request, such as `GET`.
    Method,
    /// The target of a request: path and query.
    Target,
    /// The version of HTTP, such as `HTTP/1.1`.
    HttpVersion,
    /// The status of a response, three digits.
    Status,
    /// The reason of a response, the text after its status.
    Reason,
    /// A header line, with its line end.
    Header,
    /// The name of a header.
    HeaderName,
    /// The value of a header.
    HeaderValue,
    /// The bytes between two parts of a line: the colon with blanks, or a space.
    Separator,
    /// The end of a line: CR LF.
    LineEnd,
    /// The empty line that ends a header block.
    BlankLine,
    /// The body of a response that is no upgrade.
    Body,
    /// Draft-76: digits of a key (§4.1 step 17).
    KeyDigits,
    /// Draft-76: spaces of a key (§4.1 step 16).
    KeySpaces,
    /// Draft-76: the other characters of a key, which mean nothing (§4.1 step 21).
    KeyNoise,
    /// Draft-76: the eight bytes after the request (§4.1 step 25).
    Key3,
    /// Draft-76: the sixteen bytes after the response (§5.2 step 15).
    Proof,
    /// A frame of version 7, 8 or 13 (RFC 6455 §5.2).
    Frame,
    /// The bit FIN: the frame is the last of its message.
    Fin,
    /// The first reserved bit: compressed, with permessage-deflate (RFC 7692 §6).
    Rsv1,
    /// The second reserved bit.
    Rsv2,
    /// The third reserved bit.
    Rsv3,
    /// The opcode, four bits.
    Opcode,
    /// The bit MASK: a masking key follows.
    MaskBit,
    /// The first seven bits of the length: the length, or 126 or 127 for a longer form.
    Length7,
    /// A length in 16 bits.
    Length16,
    /// A length in 64 bits.
    Length64,
    /// The masking key, four bytes (RFC 6455 §5.3).
    MaskingKey,
    /// The payload of a frame, or a piece of it.
    Payload,
    /// The code of a close frame, two bytes (RFC 6455 §5.5.1).
    CloseCode,
    /// The reason of a close frame.
    CloseReason,
    /// A frame of draft-75 or draft-76 (draft-76 §5.3).
    HixieFrame,
    /// The first byte of a hixie frame: its type.
    FrameType,
    /// A byte of the length of a hixie frame: seven bits of it.
    LengthDigit,
    /// The text of a hixie frame.
    Text,
    /// The byte `FF` that ends a hixie frame with text.
    TextEnd,
    /// Bytes of a hixie frame that a receiver skips.
    Skipped,
    /// Draft-76: the bytes `FF 00`, which start the closing handshake.
    CloseMarker,
    /// A block of compressed data (RFC 1951 §3.2.3).
    DeflateBlock,
    /// The four bytes `00 00 FF FF`, which a sender removes and a receiver adds (RFC 7692 §7.2): the
    /// span is empty.
    DeflateTail,
    /// Bytes after the end of the conversation, or after bytes that cannot be read.
    Unread,
    /// A read of the stream ended here: the span is empty.
    Cut,
    /// The stream ended here: the span is empty.
    End,
}

/// The value of a part.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing more than its bytes.
    None,
    /// A number, such as a length or a status.
    Number(u64),
    /// A bit.
    Flag(bool),
    /// Bytes, after decoding: unmasked or decompressed. At most the first 64.
    Bytes(Vec<u8>),
    /// Text: a line of a header block, or the text of a message. Bytes that are not UTF-8 are replaced.
    Text(String),
    /// One of a set of names, such as that of an opcode.
    Name(&'static str),
    /// A secret that is not shown, with its length in bytes: see
    /// [`Explainer::show_secrets`](crate::Explainer::show_secrets).
    Hidden(usize),
}

/// A rule, and whether it is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The rule is kept.
    Holds(&'static Rule),
    /// The rule is broken: the text says by which value, in one sentence.
    Broken(&'static Rule, String),
    /// The specification leaves it open; the text says how it was decided here.
    Choice(&'static Rule, String),
}

impl Note {
    /// Whether the note breaks a rule itself.
    pub fn is_broken(&self) -> bool {
        self.verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Broken(..)))
    }
}

impl Side {
    /// Returns the side that receives the bytes.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

impl Part {
    /// Returns the stable name, in lower case, such as `header-name`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Request => "request",
            Part::Response => "response",
            Part::RequestLine => "request-line",
            Part::StatusLine => "status-line",
            Part::Method => "method",
            Part::Target => "target",
            Part::HttpVersion => "http-version",
            Part::Status => "status",
            Part::Reason => "reason",
            Part::Header => "header",
            Part::HeaderName => "header-name",
            Part::HeaderValue => "header-value",
            Part::Separator => "separator",
            Part::LineEnd => "line-end",
            Part::BlankLine => "blank-line",
            Part::Body => "body",
            Part::KeyDigits => "key-digits",
            Part::KeySpaces => "key-spaces",
            Part::KeyNoise => "key-noise",
            Part::Key3 => "key3",
            Part::Proof => "proof",
            Part::Frame => "frame",
            Part::Fin => "fin",
            Part::Rsv1 => "rsv1",
            Part::Rsv2 => "rsv2",
            Part::Rsv3 => "rsv3",
            Part::Opcode => "opcode",
            Part::MaskBit => "mask-bit",
            Part::Length7 => "length7",
            Part::Length16 => "length16",
            Part::Length64 => "length64",
            Part::MaskingKey => "masking-key",
            Part::Payload => "payload",
            Part::CloseCode => "close-code",
            Part::CloseReason => "close-reason",
            Part::HixieFrame => "hixie-frame",
            Part::FrameType => "frame-type",
            Part::LengthDigit => "length-digit",
            Part::Text => "text",
            Part::TextEnd => "text-end",
            Part::Skipped => "skipped",
            Part::CloseMarker => "close-marker",
            Part::DeflateBlock => "deflate-block",
            Part::DeflateTail => "deflate-tail",
            Part::Unread => "unread",
            Part::Cut => "cut",
            Part::End => "end",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Client => "client",
            Side::Server => "server",
        })
    }
}
