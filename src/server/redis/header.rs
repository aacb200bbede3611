//! The header of an entry: its author, and the meaning of its payload. It is stored beside the payload.
//!
//! ```text
//! version 1 | machine (8 bytes) | counter | flags | stamp? | except?
//! ```
//!
//! Numbers without a length have 7 bits in a byte, the lowest first; a list has its length before it.

use super::keys::MachineId;

/// The header of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The server that has made the entry.
    pub(crate) machine: MachineId,
    /// The number that this server has given to the entry, in its room.
    pub(crate) counter: u64,
    /// The clients of that server that do not receive the message.
    pub(crate) except: Vec<u64>,
    pub(crate) payload: Payload,
    /// The place in the payload where each server inserts the entry's position.
    pub(crate) stamp: Option<u32>,
}

/// The kind of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Text,
    Binary,
}

/// A header that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadHeader {
    Known(Header),
    /// A newer version, or not a header: the entry has a position, and is skipped.
    Skip,
}

const VERSION: u8 = 1;

/// The lowest bit of the flags is the kind of the payload.
const BINARY: u8 = 1;
const STAMP: u8 = 1 << 4;
const EXCEPT: u8 = 1 << 5;
const ALL: u8 = BINARY | STAMP | EXCEPT;

impl Header {
    /// Returns the header of a message.
    pub(crate) fn message(machine: MachineId, counter: u64, payload: Payload) -> Header {
        Header {
            machine,
            counter,
            except: Vec::new(),
            payload,
            stamp: None,
        }
    }

    /// Appends the header's bytes.
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        into.push(VERSION);
        into.extend_from_slice(&self.machine.0.to_be_bytes());
        put(self.counter, into);
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let payload = flag(self.payload == Payload::Binary, BINARY);
        let stamp = flag(self.stamp.is_some(), STAMP);
        let except = flag(!self.except.is_empty(), EXCEPT);
        into.push(payload | stamp | except);
        if let Some(stamp) = self.stamp {
            put(stamp.into(), into);
        }
        if !self.except.is_empty() {
            put(self.except.len() as u64, into);
            self.except.iter().for_each(|client| put(*client, into));
        }
    }

    /// Reads a header out of any bytes.
    pub(crate) fn read(bytes: &[u8]) -> ReadHeader {
        let header = match bytes.split_first() {
            Some((&VERSION, rest)) => Reader(rest).header(),
            _ => None,
        };
        header.map_or(ReadHeader::Skip, ReadHeader::Known)
    }
}

/// Appends a number.
fn put(mut number: u64, into: &mut Vec<u8>) {
    while number > 0x7f {
        into.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    into.push(number.to_le_bytes()[0]);
}

/// The bytes that are not yet read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn header(mut self) -> Option<Header> {
        let machine = MachineId(u64::from_be_bytes(self.array()?));
        let counter = self.number()?;
        let [flags] = self.array()?;
        let payload = match flags & BINARY {
            0 => Payload::Text,
            _ => Payload::Binary,
        };
        let stamp = match flags & STAMP {
            0 => None,
            _ => Some(u32::try_from(self.number()?).ok()?),
        };
        let except = match flags & EXCEPT {
            0 => Vec::new(),
            _ => self.numbers()?,
        };
        let header = Header {
            machine,
            counter,
            except,
            payload,
            stamp,
        };
        Some(header).filter(|_| self.0.is_empty() && flags & !ALL == 0)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has one bit, and no number ends with a byte that says nothing.
            if shift == 63 && byte > 1 || shift > 0 && byte == 0 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Reads a list with at least one number, each of which takes a byte or more.
    fn numbers(&mut self) -> Option<Vec<u64>> {
        let count = self.length().filter(|count| *count > 0)?;
        (0..count).map(|_| self.number()).collect()
    }

    /// Reads a length that the rest can have.
    fn length(&mut self) -> Option<usize> {
        let len = usize::try_from(self.number()?).ok()?;
        Some(len).filter(|len| *len <= self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, MachineId, Payload, ReadHeader, put};

    fn headers() -> Vec<Header> {
        let plain = Header::message(MachineId(u64::MAX), 1, Payload::Text);
        vec![
            plain.clone(),
            Header {
                counter: u64::MAX,
                payload: Payload::Binary,
                except: vec![0, 127, 128, u64::MAX],
                stamp: Some(u32::MAX),
                ..plain.clone()
            },
            Header {
                stamp: Some(0),
                ..plain
            },
        ]
    }

    #[test]
    fn a_header_is_read_as_it_was_written_and_not_if_a_byte_is_missing_or_added() {
        for header in headers() {
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            assert_eq!(Header::read(&bytes), ReadHeader::Known(header));
            for len in 0..bytes.len() {
                assert_eq!(Header::read(&bytes[..len]), ReadHeader::Skip);
            }
            bytes.push(0);
            assert_eq!(Header::read(&bytes), ReadHeader::Skip);
        }
    }

    #[test]
    fn another_version_and_unknown_flags_are_skipped() {
        let mut bytes = Vec::new();
        headers()[0].encode(&mut bytes);
        let flags = bytes.len() - 1;
        for unknown in [2, 3, 0b100, 0b1100, 0x40, 0x80] {
            bytes[flags] = unknown;
            assert_eq!(Header::read(&bytes), ReadHeader::Skip, "{unknown}");
        }
        bytes[flags] = 0;
        assert!(matches!(Header::read(&bytes), ReadHeader::Known(_)));
        bytes[0] = 2;
        assert_eq!(Header::read(&bytes), ReadHeader::Skip);
    }

    #[test]
    fn lengths_that_the_rest_cannot_have_take_no_memory() {
        let mut bytes = vec![1];
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&[0, super::EXCEPT]);
        put(u64::MAX, &mut bytes);
        assert_eq!(Header::read(&bytes), ReadHeader::Skip);
    }
}
