//! Compressed messages behind a handshake: which are inflated, which are rejected, and that the
//! reply carries the same message.

use std::sync::Arc;

use arbitrary::Arbitrary;
use stentor::Deflate;
use stentor::protocol::{Config, Connection, Event, ProtocolError};
use stentor::{Accept, Message, Version};
use stentor_explain::reference::deflate::{Fault, inflate};

use crate::wire::{self, Frame};

/// The payloads of messages. Fields of fixed size come first, so that the rest of an input is the
/// first payload.
#[derive(Debug, Arbitrary)]
pub struct Compressed<'a> {
    /// The message limit as a power of two.
    limit: u8,
    /// Context takeover in both directions, and the level: two bits and four.
    settings: u8,
    /// The number of bytes in a fragment, and in a piece that is read.
    fragment: u8,
    piece: u8,
    /// The number of payload bytes of each of the first messages.
    messages: [u8; 3],
    payload: &'a [u8],
}

/// The masking key, where it does not matter.
const KEY: [u8; 4] = [1, 2, 3, 4];

/// Compares the library's results with those of the reference inflater.
pub fn judge(compressed: &Compressed) {
    let limit = 4096 >> (compressed.limit % 13);
    let (send, receive) = (compressed.settings & 1 != 0, compressed.settings & 2 != 0);
    let deflate = Deflate::new().threshold(0).level(compressed.settings >> 2);
    let mut config = Config::default();
    config.deflate = Some(deflate.send_takeover(send).receive_takeover(receive));
    config.limits.message = limit;
    let mut connection = ready(config);

    let (mut received, mut said) = (Vec::new(), Vec::new());
    for payload in compressed.payloads() {
        let expected = inflate(&received, payload, limit);
        // Too long, whatever it inflates to. In fragments, an error may be found before.
        let too_long = payload.len() > 2 * limit + 1024;
        let found = compressed.receive(&mut connection, payload);
        let message = match (found, expected) {
            (Ok(message), Ok(expected)) if !too_long => {
                assert_eq!(message, expected);
                message
            }
            (Err(ProtocolError::MessageTooLarge(most)), Err(Fault::TooLarge)) => {
                return assert_eq!(most, limit);
            }
            (Err(ProtocolError::MessageTooLarge(_)), _) if too_long => return,
            (Err(ProtocolError::InvalidCompression), Err(Fault::Broken)) => return,
            (found, expected) => panic!("{found:?} instead of {expected:?}: {payload:x?}"),
        };
        let sent = echoed(&mut connection, &message, &said);
        assert_eq!(sent, message);
        if receive {
            received.extend(&message);
        }
        if send {
            said.extend(&message);
        }
    }
}

/// Returns a connection that has negotiated compression.
fn ready(config: Config) -> Connection {
    let mut connection = Connection::new(Arc::new(config));
    let head = wire::handshake(Version::Rfc6455).trim_ascii_end();
    connection.receive_data(head);
    connection.receive_data(b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    assert_eq!(connection.next_event(), Some(Event::Request));
    assert_eq!(connection.accept(Accept::new()), Ok(()));
    assert_eq!(connection.next_event(), Some(Event::Open));
    let answer = String::from_utf8(connection.data_to_send()).expect("an answer");
    assert!(answer.contains("permessage-deflate"), "{answer}");
    connection
}

impl Compressed<'_> {
    fn payloads(&self) -> Vec<&[u8]> {
        let mut rest = self.payload;
        let mut payloads: Vec<&[u8]> = Vec::new();
        for len in self.messages.iter().filter(|len| **len > 0) {
            let (payload, behind) = rest.split_at(rest.len().min(usize::from(*len)));
            payloads.push(payload);
            rest = behind;
        }
        payloads.push(rest);
        payloads
    }

    /// Sends a payload in fragments, and those in pieces; returns the message or the protocol
    /// error.
    fn receive(
        &self,
        connection: &mut Connection,
        payload: &[u8],
    ) -> Result<Vec<u8>, ProtocolError> {
        let mut bytes = Vec::new();
        let fragments: Vec<&[u8]> = match self.fragment {
            0 => vec![payload],
            len if payload.len() / usize::from(len) < 1000 => {
                payload.chunks(usize::from(len)).collect()
            }
            _ => vec![payload],
        };
        let last = fragments.len().saturating_sub(1);
        for (number, fragment) in fragments.into_iter().enumerate() {
            let first = if number == 0 { 0x42 } else { 0x00 };
            let fin = if number == last { 0x80 } else { 0x00 };
            let frame = Frame {
                first: first | fin,
                payload: fragment.to_vec(),
            };
            frame.masked(KEY, &mut bytes);
        }
        if bytes.is_empty() {
            let payload = Vec::new();
            Frame {
                first: 0xc2,
                payload,
            }
            .masked(KEY, &mut bytes);
        }
        for piece in bytes.chunks(1 + usize::from(self.piece)) {
            connection.receive_data(piece);
            match connection.next_event() {
                None => {}
                Some(Event::Message(Message::Binary(message))) => return Ok(message.into_vec()),
                Some(Event::Closed(closed)) => {
                    return Err(closed.protocol_error.expect("a violation"));
                }
                Some(other) => panic!("{other:?}"),
            }
        }
        panic!("nothing came of {payload:x?}");
    }
}

/// Sends a message, which may refer to `said`, and returns it as the peer inflates it.
fn echoed(connection: &mut Connection, message: &[u8], said: &[u8]) -> Vec<u8> {
    let sent = connection.send(&Message::from(message));
    assert_eq!(sent, Ok(()));
    let bytes = connection.data_to_send();
    let payload = match bytes[1] {
        126 => &bytes[4..],
        127 => &bytes[10..],
        _ => &bytes[2..],
    };
    match bytes[0] {
        0xc2 => inflate(said, payload, message.len()).expect("a message"),
        first => {
            assert_eq!(first, 0x82);
            payload.to_vec()
        }
    }
}
