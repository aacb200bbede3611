//! Encodes frames: of whole messages, and fragments of a message that is sent in pieces.

use super::{FIN, LENGTH_16, LENGTH_64, MASK, Opcode, RSV1, unmask};
use crate::protocol::close::CloseFrame;
use crate::protocol::message::Message;
use crate::protocol::payload::binary::Binary;

/// Appends a whole frame; a client's frame has a `mask`, a server's has none (RFC 6455 §5.1).
pub fn encode_frame(opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    if let (None, Ok(len @ ..LENGTH_16)) = (mask, u8::try_from(payload.len())) {
        // The usual frame of a server.
        out.reserve(2 + payload.len());
        out.extend_from_slice(&[FIN | opcode as u8, len]);
        return out.extend_from_slice(payload);
    }
    out.reserve(header_len(payload.len()) + mask.map_or(0, |key| key.len()) + payload.len());
    encode_header(opcode, payload.len(), mask, out);
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask, 0);
}

/// Appends a message's only frame, with a compressed payload (RFC 7692 §6.1).
#[inline]
pub(crate) fn encode_deflated(
    opcode: Opcode,
    payload: &[u8],
    mask: Option<[u8; 4]>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    encode_frame(opcode, payload, mask, out);
    out[start] |= RSV1;
}

/// Appends a fragment, the last one with FIN; the opcode of all but the first is
/// [`Continuation`](Opcode::Continuation) (RFC 6455 §5.4).
#[cfg(any(feature = "server", feature = "client"))]
#[inline]
pub(crate) fn encode_fragment(
    (opcode, fin): (Opcode, bool),
    payload: &[u8],
    mask: Option<[u8; 4]>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    encode_frame(opcode, payload, mask, out);
    if !fin {
        out[start] &= !FIN;
    }
}

/// Appends the header of a message's only frame, and returns the payload that follows it: in the message's
/// own buffer, unless it is masked and the buffer is shared.
pub(crate) fn encode_owned(message: Message, mask: Option<[u8; 4]>, out: &mut Vec<u8>) -> Binary {
    encode_header(Opcode::of(&message), message.len(), mask, out);
    match mask {
        None => message.into_payload(),
        mask => {
            let mut payload = message.into_data();
            unmask(&mut payload, mask, 0);
            payload.into()
        }
    }
}

/// Appends the header of a frame that is whole, with the length in its shortest form
/// (RFC 6455 §5.2).
pub(crate) fn encode_header(opcode: Opcode, len: usize, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let first = FIN | opcode as u8;
    let masked = if mask.is_some() { MASK } else { 0 };
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len), _) if len < LENGTH_16 => out.extend_from_slice(&[first, masked | len]),
        (_, Ok(len)) => {
            let [high, low] = len.to_be_bytes();
            out.extend_from_slice(&[first, masked | LENGTH_16, high, low]);
        }
        _ => {
            out.extend_from_slice(&[first, masked | LENGTH_64]);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(mask.as_ref().map_or(&[], |key| key));
}

/// Returns the length of that header, without a mask.
pub(crate) fn header_len(len: usize) -> usize {
    match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

#[inline]
pub(crate) fn encode(message: &Message, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let (opcode, payload) = match message {
        Message::Text(text) => (Opcode::Text, text.as_bytes()),
        Message::Binary(bytes) => (Opcode::Binary, bytes.as_bytes()),
    };
    encode_frame(opcode, payload, mask, out);
}

pub(crate) fn encode_close(frame: Option<&CloseFrame>, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    if let Some(frame) = frame {
        body.extend_from_slice(&frame.code.get().to_be_bytes());
        body.extend_from_slice(frame.reason.as_bytes());
    }
    encode_frame(Opcode::Close, &body, mask, out);
}
