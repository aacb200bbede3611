//! The bytes that clients write and read: as little of each protocol as a load needs, and written
//! separately, so that no server is measured with its own code.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress};

use crate::HandlerResult;

/// The byte with which a floor reports that it is ready.
pub(crate) const WELCOME: &[u8] = b"!";

/// The example of RFC 6455 §1.3, and its response.
const RFC6455: (&str, &str) = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
);
/// The same, with the extension that browsers offer.
const DEFLATE: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
/// The example of draft-76 §1.2, and its proof, which follows the response's header block.
const DRAFT76: (&str, &str) = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
     Origin: http://127.0.0.1\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
     Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U",
    "8jKS'y:G*Co,Wxa-",
);

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const TEXT: u8 = 0x81;
const DEFLATED: u8 = 0xc1;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// No protocol: see the floors.
    Raw,
    Draft76,
    Rfc6455,
    /// The same, but the server may compress.
    Deflate,
}

/// The input of a client: [`Gone`](Heard::Gone) comes from the socket, the others from its bytes.
pub(super) enum Heard<'a> {
    Open,
    Message(Cow<'a, [u8]>),
    Ping(&'a [u8]),
    Other,
    Gone,
}

/// A protocol, and the one message size of a run.
#[derive(Clone, Copy)]
pub(super) struct Wire {
    pub(super) protocol: Protocol,
    pub(super) size: usize,
}

impl Wire {
    /// Returns the request of a client, which may be in a room.
    pub(super) fn hello(self, room: Option<usize>) -> Vec<u8> {
        let request = match self.protocol {
            Protocol::Raw => {
                let room = room.map(|room| (room as u32).to_be_bytes());
                let size = (self.size as u32).to_be_bytes();
                return [&size[..], room.as_slice().as_flattened()].concat();
            }
            Protocol::Draft76 => DRAFT76.0,
            Protocol::Rfc6455 => RFC6455.0,
            Protocol::Deflate => DEFLATE,
        };
        match room {
            Some(room) => request
                .replacen("GET /", &format!("GET /r{room}"), 1)
                .into(),
            None => request.into(),
        }
    }

    /// Returns a message as it is sent: text, or binary if it is large and the protocol has binary
    /// messages.
    pub(super) fn message(self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match self.protocol {
            Protocol::Raw => out.extend_from_slice(payload),
            Protocol::Draft76 => out.extend([b"\x00", payload, b"\xff"].concat()),
            _ if self.size < 1 << 16 => masked(TEXT, payload, &mut out),
            _ => masked(BINARY, payload, &mut out),
        }
        out
    }

    pub(super) fn pong(self, payload: &[u8], out: &mut Vec<u8>) {
        masked(PONG, payload, out);
    }

    /// Appends a close frame; a floor has none, its connection ends with the stream.
    pub(super) fn close_frame(self, out: &mut Vec<u8>) {
        match self.protocol {
            Protocol::Raw => {}
            Protocol::Draft76 => out.extend_from_slice(&[0xff, 0x00]),
            _ => masked(CLOSE, &1000_u16.to_be_bytes(), out),
        }
    }

    /// Reads the server's response to the handshake: its length in bytes, once it is complete.
    pub(super) fn answer(self, bytes: &[u8]) -> HandlerResult<Option<usize>> {
        let (proof, behind) = match self.protocol {
            Protocol::Raw => return Ok(bytes.starts_with(WELCOME).then_some(WELCOME.len())),
            Protocol::Draft76 => (DRAFT76.1, DRAFT76.1.len()),
            Protocol::Rfc6455 => (RFC6455.1, 0),
            Protocol::Deflate => ("permessage-deflate", 0),
        };
        let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else {
            return Ok(None);
        };
        let end = end + 4 + behind;
        let Some(answer) = bytes.get(..end) else {
            return Ok(None);
        };
        let answer = String::from_utf8_lossy(answer);
        if !answer.starts_with("HTTP/1.1 101 ") || !answer.contains(proof) {
            return Err(format!("refused: {}", answer.lines().next().unwrap_or_default()).into());
        }
        Ok(Some(end))
    }

    /// Reads the next item of the server's output, and returns the number of bytes it took.
    pub(super) fn next(self, bytes: &[u8]) -> HandlerResult<Option<(usize, Heard<'_>)>> {
        let (first, start, len, behind) = match (self.protocol, bytes) {
            (_, []) => return Ok(None),
            (Protocol::Raw, _) => (TEXT, 0, self.size, 0),
            (Protocol::Draft76, [0x00, ..]) => (TEXT, 1, self.size, 1),
            (Protocol::Draft76, [0xff, ..]) => (CLOSE, 1, 1, 0),
            (Protocol::Draft76, [first, ..]) => (*first, 1, 0, 0),
            (_, &[first, 126, a, b, ..]) => (first, 4, usize::from(u16::from_be_bytes([a, b])), 0),
            (_, &[first, 127, a, b, c, d, e, f, g, h, ..]) => {
                let len = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                (first, 10, usize::try_from(len)?, 0)
            }
            (_, [_] | [_, 126 | 127, ..]) => return Ok(None),
            (_, &[first, len, ..]) => (first, 2, usize::from(len), 0),
        };
        let Some((payload, behind)) = bytes
            .get(start..start + len + behind)
            .map(|rest| rest.split_at(len))
        else {
            return Ok(None);
        };
        let received = match first {
            TEXT | BINARY if len == self.size && matches!(behind, [] | [0xff]) => {
                Heard::Message(payload.into())
            }
            DEFLATED => Heard::Message(self.inflated(payload)?.into()),
            PING => Heard::Ping(payload),
            CLOSE | PONG => Heard::Other,
            _ => return Err("something that no client has sent".into()),
        };
        Ok(Some((start + len + behind.len(), received)))
    }
}

impl Wire {
    fn inflated(self, payload: &[u8]) -> HandlerResult<Vec<u8>> {
        let mut message = Vec::with_capacity(self.size + 1);
        Decompress::new(false).decompress_vec(payload, &mut message, FlushDecompress::Sync)?;
        match message.len() == self.size {
            true => Ok(message),
            false => Err("a compressed message of another length".into()),
        }
    }
}

fn masked(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let masks = MASK.iter().cycle();
    out.extend(payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask));
}
