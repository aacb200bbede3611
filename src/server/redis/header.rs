//! The header of an entry: its author, and the meaning of its payload. It is stored beside the payload.

use super::keys::MachineId;

/// The header of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The server that has made the entry.
    pub(crate) machine: MachineId,
    /// The number that this server has given to the entry, in its room; 0 for entries about members.
    pub(crate) counter: u64,
    /// The clients of that server that do not receive the message.
    pub(crate) except: Vec<u64>,
    pub(crate) payload: Payload,
    /// The place in the payload where each server inserts the entry's position.
    pub(crate) stamp: Option<u32>,
    pub(crate) change: Change,
}

/// The kind of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Text,
    Binary,
    /// No message: the entry changes the list of members only.
    Nothing,
}

/// The change of the list of members in the moment of the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// The member is announced, or has other metadata.
    Joined {
        id: [u8; 12],
        meta: String,
    },
    Left {
        id: [u8; 12],
    },
}

/// A header that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadHeader {
    Known(Header),
    /// A newer version, or not a header: the entry has a position and is skipped.
    Skip,
}

impl Header {
    /// Returns the header of a message.
    pub(crate) fn message(machine: MachineId, counter: u64, payload: Payload) -> Header {
        Header {
            machine,
            counter,
            except: Vec::new(),
            payload,
            stamp: None,
            change: Change::Nothing,
        }
    }

    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        let _ = into;
    }

    /// Reads a header of any bytes.
    pub(crate) fn read(bytes: &[u8]) -> ReadHeader {
        let _ = bytes;
        ReadHeader::Skip
    }
}
