//! Commands in bytes, and bytes in replies: RESP2, as Redis and Valkey speak it.

use std::fmt;

use redis_protocol::resp2::decode::decode_range;
use redis_protocol::resp2::types::RangeFrame;

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

impl Push {
    /// Reads a reply on a connection that has subscribed; gives back any other reply, such as an error.
    pub(crate) fn read(reply: Reply) -> Result<Push, Reply> {
        Err(reply)
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
