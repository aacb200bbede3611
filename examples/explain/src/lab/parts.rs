//! The parts of the protocol in plain words.

use crate::note::Part;

/// The letter that stands beside a part, so that its kind is not told by colour alone.
pub(super) fn letter(part: Part) -> &'static str {
    match part {
        Part::Length7 | Part::Length16 | Part::Length64 | Part::LengthDigit => "L",
        Part::MaskingKey | Part::Key3 | Part::KeyDigits | Part::KeySpaces | Part::KeyNoise => "K",
        Part::Payload
        | Part::Text
        | Part::CloseCode
        | Part::CloseReason
        | Part::DeflateBlock
        | Part::Body => "P",
        Part::Unread | Part::Skipped => "?",
        _ => "H",
    }
}

/// One sentence for each part.
pub(super) fn about(part: Part) -> &'static str {
    match part {
        Part::Request => "The request of the client, up to the blank line.",
        Part::Response => "The response of the server, up to the blank line.",
        Part::RequestLine => "The first line of the request: method, target, version of HTTP.",
        Part::StatusLine => "The first line of the response: version of HTTP, status, reason.",
        Part::Method => "The method. A WebSocket begins with GET.",
        Part::Target => "The target: path and query of the URL.",
        Part::HttpVersion => "The version of HTTP.",
        Part::Status => "The status. 101 means: from here on, another protocol is spoken.",
        Part::Reason => "The reason, a text for people: programs ignore it.",
        Part::Header => "A header line.",
        Part::HeaderName => "The name of a header. Upper and lower case mean the same.",
        Part::HeaderValue => "The value of a header.",
        Part::Separator => "The bytes between two parts of a line.",
        Part::LineEnd => "The end of a line: CR LF.",
        Part::BlankLine => "The empty line: the header block ends here.",
        Part::Body => "The body of a response that is no upgrade.",
        Part::KeyDigits => "Draft-76: digits of a key. Joined, they are a number.",
        Part::KeySpaces => {
            "Draft-76: spaces of a key. The number is divided by how many there are."
        }
        Part::KeyNoise => "Draft-76: characters of a key that mean nothing.",
        Part::Key3 => "Draft-76: the third key, eight bytes after the request.",
        Part::Proof => {
            "Draft-76: sixteen bytes that prove that the server has read all three keys."
        }
        Part::Frame => "A frame: a header, and a payload.",
        Part::Fin => "The bit FIN. 1: the frame is the last one of its message.",
        Part::Rsv1 => "The first reserved bit. With permessage-deflate: the message is compressed.",
        Part::Rsv2 => "The second reserved bit: 0, unless an extension uses it.",
        Part::Rsv3 => "The third reserved bit: 0, unless an extension uses it.",
        Part::Opcode => "The opcode: the kind of the frame.",
        Part::MaskBit => "The bit MASK. 1: a masking key follows.",
        Part::Length7 => "The length of the payload in 7 bits. 126 and 127 announce a longer form.",
        Part::Length16 => "The length of the payload in 16 bits, the most significant byte first.",
        Part::Length64 => "The length of the payload in 64 bits, the most significant byte first.",
        Part::MaskingKey => {
            "The masking key: each byte of the payload is combined with one of its four bytes by XOR."
        }
        Part::Payload => "The payload.",
        Part::CloseCode => "The code of a close frame, two bytes, the most significant one first.",
        Part::CloseReason => "The reason of a close frame: a text for a log.",
        Part::HixieFrame => "A frame of draft-75 or draft-76.",
        Part::FrameType => "The type of the frame. 00: text follows, up to a byte FF.",
        Part::LengthDigit => {
            "Seven bits of a length. The first bit says whether another digit follows."
        }
        Part::Text => "The text. UTF-8 has no byte FF, so none can occur in it.",
        Part::TextEnd => "The byte FF ends the text.",
        Part::Skipped => "Bytes that a receiver skips.",
        Part::CloseMarker => "FF 00: it starts the closing handshake, or answers it.",
        Part::DeflateBlock => "A block of compressed data.",
        Part::DeflateTail => {
            "The four bytes 00 00 FF FF: the sender removes them, the receiver adds them."
        }
        Part::Unread => "Bytes that are not explained.",
        Part::Cut => "A read ended here.",
        Part::End => "The stream ends here.",
    }
}
