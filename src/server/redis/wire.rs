//! Commands in bytes, and bytes in replies: RESP2, as Redis and Valkey speak it.

use std::fmt;

use redis_protocol::resp2::decode::decode_range;
use redis_protocol::resp2::types::RangeFrame;

use super::Position;
use super::scan::{Bounds, Scan, ScanFault};

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status, such as `OK`.
    Status(String),
    /// An error, with its code.
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
    Nil,
}

/// The reason why bytes are no reply. The connection is of no use then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DecodeFault {
    Scan(ScanFault),
    /// The decoder rejects what the scan has accepted.
    Decode(String),
}

/// Replies out of the bytes of one connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    bounds: Bounds,
    scan: Scan,
    bytes: Vec<u8>,
    /// The beginning of the next reply.
    start: usize,
}

/// The memory that is kept for the next replies.
const KEPT: usize = 256 * 1024;

/// A reply on a connection that has subscribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Push {
    /// The confirmation of one channel, with the number of channels of the connection.
    Subscribed(Vec<u8>, u64),
    Unsubscribed(Vec<u8>, u64),
    /// A channel and its message.
    Message(Vec<u8>, Vec<u8>),
    /// The answer to `PING`, with its text.
    Pong(Vec<u8>),
}

/// Appends a command to bytes: an array of bulk strings.
pub(crate) fn encode<A: AsRef<[u8]>>(parts: &[A], into: &mut Vec<u8>) {
    begin(parts.len(), into);
    for part in parts {
        part_of(part.as_ref(), into);
    }
}

/// Appends the beginning of a command that has so many parts.
pub(crate) fn begin(parts: usize, into: &mut Vec<u8>) {
    line(b'*', parts, into);
}

/// Appends one part of a command.
pub(crate) fn part_of(part: &[u8], into: &mut Vec<u8>) {
    line(b'$', part.len(), into);
    into.extend_from_slice(part);
    into.extend_from_slice(b"\r\n");
}

fn line(kind: u8, number: usize, into: &mut Vec<u8>) {
    into.push(kind);
    into.extend_from_slice(number.to_string().as_bytes());
    into.extend_from_slice(b"\r\n");
}

impl Decoder {
    pub(crate) fn new(bounds: Bounds) -> Decoder {
        Decoder {
            bounds,
            scan: Scan::new(bounds),
            bytes: Vec::new(),
            start: 0,
        }
    }

    /// Adds bytes that were received. Take all replies with [`next`](Decoder::next) before the next bytes: so the
    /// memory is limited to one reply and one piece.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEPT);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next whole reply, or `None` if it is incomplete.
    ///
    /// # Errors
    /// If the bytes are no reply within the limits. The connection must be closed then.
    pub(crate) fn next(&mut self) -> Result<Option<Reply>, DecodeFault> {
        let bytes = &self.bytes[self.start..];
        let Some(len) = self.scan.advance(bytes).map_err(DecodeFault::Scan)? else {
            return Ok(None);
        };
        let reply = decode(&bytes[..len])?;
        self.start += len;
        self.scan = Scan::new(self.bounds);
        Ok(Some(reply))
    }

    /// Returns the number of bytes that wait for the rest of their reply.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.start
    }
}

/// Decodes exactly one reply, which was scanned.
fn decode(bytes: &[u8]) -> Result<Reply, DecodeFault> {
    match decode_range(bytes) {
        Ok(Some((frame, len))) if len == bytes.len() => Ok(reply(&frame, bytes)),
        Ok(Some((_, len))) => {
            let text = format!("a reply has {len} bytes, or {}", bytes.len());
            Err(DecodeFault::Decode(text))
        }
        Ok(None) => Err(DecodeFault::Decode("a reply is incomplete".to_owned())),
        Err(error) => Err(DecodeFault::Decode(error.to_string())),
    }
}

fn reply(frame: &RangeFrame, bytes: &[u8]) -> Reply {
    let part = |range: &(usize, usize)| bytes.get(range.0..range.1).unwrap_or_default();
    let text = |range| String::from_utf8_lossy(part(range)).into_owned();
    match frame {
        RangeFrame::SimpleString(range) => Reply::Status(text(range)),
        RangeFrame::Error(range) => Reply::Error(text(range)),
        RangeFrame::Integer(number) => Reply::Integer(*number),
        RangeFrame::BulkString(range) => Reply::Bulk(part(range).to_vec()),
        RangeFrame::Array(frames) => {
            Reply::Array(frames.iter().map(|frame| reply(frame, bytes)).collect())
        }
        RangeFrame::Null => Reply::Nil,
    }
}

impl Reply {
    /// Returns the text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Returns the position that is the text of a string.
    pub(super) fn position(&self) -> Option<Position> {
        self.text()?.parse().ok()
    }

    /// Returns an integer that is not negative.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Reply::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

impl Push {
    /// Reads a reply on a connection that has subscribed; gives back any other reply, such as an error.
    pub(crate) fn read(reply: Reply) -> Result<Push, Reply> {
        let items = match reply {
            Reply::Array(items) => items,
            Reply::Status(text) if text == "PONG" => return Ok(Push::Pong(Vec::new())),
            Reply::Bulk(text) => return Ok(Push::Pong(text)),
            reply => return Err(reply),
        };
        match <[Reply; 3]>::try_from(items) {
            Ok(
                [
                    Reply::Bulk(kind),
                    Reply::Bulk(channel),
                    Reply::Bulk(message),
                ],
            ) if kind == b"message" => Ok(Push::Message(channel, message)),
            Ok(
                [
                    Reply::Bulk(kind),
                    Reply::Bulk(channel),
                    Reply::Integer(count),
                ],
            ) => {
                let number = u64::try_from(count).unwrap_or(0);
                match &kind[..] {
                    b"subscribe" => Ok(Push::Subscribed(channel, number)),
                    b"unsubscribe" => Ok(Push::Unsubscribed(channel, number)),
                    _ => Err(Reply::Array(vec![
                        Reply::Bulk(kind),
                        Reply::Bulk(channel),
                        Reply::Integer(count),
                    ])),
                }
            }
            Ok(items) => Err(Reply::Array(items.into())),
            Err(items) => match <[Reply; 2]>::try_from(items) {
                Ok([Reply::Bulk(kind), Reply::Bulk(text)]) if kind == b"pong" => {
                    Ok(Push::Pong(text))
                }
                Ok(items) => Err(Reply::Array(items.into())),
                Err(items) => Err(Reply::Array(items)),
            },
        }
    }
}

impl fmt::Display for DecodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis has sent an invalid reply, and the connection is closed: ")?;
        match self {
            DecodeFault::Scan(fault) => fault.fmt(f),
            DecodeFault::Decode(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for DecodeFault {}

#[cfg(test)]
mod tests {
    use super::super::scan::{Bounds, ScanFault};
    use super::{DecodeFault, Decoder, Push, Reply, encode};

    const BOUNDS: Bounds = Bounds {
        line: 100,
        bulk: 1000,
        items: 50,
        reply: 2000,
    };

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.into())
    }

    #[test]
    fn a_command_is_an_array_of_its_parts() {
        let mut bytes = Vec::new();
        encode(&[&b"SET"[..], b"", b"a\r\n\0"], &mut bytes);
        encode(&["PING"], &mut bytes);
        let expected = b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\n\0\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn replies_are_the_same_in_pieces_of_any_size() {
        let bytes = b"+OK\r\n-ERR no\r\n:-5\r\n$3\r\na\0\n\r\n$-1\r\n*-1\r\n*2\r\n*0\r\n*1\r\n:7\r\n+end\r\n";
        let expected = [
            Reply::Status("OK".to_owned()),
            Reply::Error("ERR no".to_owned()),
            Reply::Integer(-5),
            bulk("a\0\n"),
            Reply::Nil,
            Reply::Nil,
            Reply::Array(vec![
                Reply::Array(Vec::new()),
                Reply::Array(vec![Reply::Integer(7)]),
            ]),
            Reply::Status("end".to_owned()),
        ];
        for size in 1..=bytes.len() {
            let mut decoder = Decoder::new(BOUNDS);
            let mut replies = Vec::new();
            for piece in bytes.chunks(size) {
                decoder.feed(piece);
                while let Some(reply) = decoder.next().unwrap_or_else(|fault| panic!("{fault}")) {
                    replies.push(reply);
                }
            }
            assert_eq!(replies, expected, "{size}");
            assert_eq!(decoder.waiting(), 0);
        }
    }

    #[test]
    fn an_invalid_reply_is_a_fault_with_a_text() {
        let mut decoder = Decoder::new(BOUNDS);
        decoder.feed(b"+OK\r\n$1001\r\n");
        assert_eq!(decoder.next(), Ok(Some(Reply::Status("OK".to_owned()))));
        let fault = DecodeFault::Scan(ScanFault::LargeBulk(1001, 1000));
        assert_eq!(decoder.next(), Err(fault.clone()));
        assert!(fault.to_string().contains("1001"), "{fault}");
    }

    #[test]
    fn notifications_confirmations_and_pongs_are_read() {
        let three = |kind, channel, last| Reply::Array(vec![bulk(kind), bulk(channel), last]);
        let pushes = [
            (
                three("subscribe", "a", Reply::Integer(1)),
                Push::Subscribed(b"a".to_vec(), 1),
            ),
            (
                three("unsubscribe", "a", Reply::Integer(0)),
                Push::Unsubscribed(b"a".to_vec(), 0),
            ),
            (
                three("message", "a", bulk("hi")),
                Push::Message(b"a".to_vec(), b"hi".to_vec()),
            ),
            (
                Reply::Array(vec![bulk("pong"), bulk("7")]),
                Push::Pong(b"7".to_vec()),
            ),
            (bulk("7"), Push::Pong(b"7".to_vec())),
            (Reply::Status("PONG".to_owned()), Push::Pong(Vec::new())),
        ];
        for (reply, push) in pushes {
            assert_eq!(Push::read(reply), Ok(push));
        }
        let others = [
            Reply::Error("ERR".to_owned()),
            Reply::Nil,
            three("psubscribe", "a", Reply::Integer(1)),
            three("message", "a", Reply::Nil),
            Reply::Array(vec![bulk("gong"), bulk("7")]),
            Reply::Array(Vec::new()),
        ];
        for reply in others {
            assert_eq!(Push::read(reply.clone()), Err(reply));
        }
    }
}
