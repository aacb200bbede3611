//! Finds the end of a reply of RESP2 before it is decoded, and checks that it is within limits.

use std::fmt;

/// The limits of one reply. Redis is trusted with the messages, but not with the memory of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The most bytes of a line, without its type and its end: a status, an error, a number.
    pub(crate) line: usize,
    /// The most bytes of a bulk string.
    pub(crate) bulk: usize,
    /// The most items of all arrays of the reply together.
    pub(crate) items: usize,
    /// The most bytes of the whole reply.
    pub(crate) reply: usize,
}

/// The most arrays that can be nested in each other. The answers of the scripts have two levels.
pub(crate) const DEPTH: usize = 4;

/// The search for the end of a reply, which remembers its place while the reply arrives in pieces.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    bounds: Bounds,
    /// The bytes of the reply that are checked: the beginning of an item, or a place in a bulk string's rest.
    at: usize,
    /// The bytes after `at` that have no end of a line.
    searched: usize,
    /// The items that are missing in each open array, the outermost first.
    open: [usize; DEPTH],
    depth: usize,
    /// The items of all arrays so far.
    items: usize,
}

/// The reason why bytes are not a reply, or not one within the limits. The connection is of no use then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanFault {
    /// An item begins with this byte.
    Kind(u8),
    /// A number or a length is not one.
    Number,
    /// A line or a bulk string does not end with CR LF.
    End,
    LongLine(usize),
    LargeBulk(u64, usize),
    ManyItems(u64, usize),
    Deep,
    LargeReply(usize),
}

impl Scan {
    pub(crate) fn new(bounds: Bounds) -> Scan {
        Scan {
            bounds,
            at: 0,
            searched: 0,
            open: [0; DEPTH],
            depth: 0,
            items: 0,
        }
    }

    /// Returns the length of the reply with which `bytes` begin, or `None` if it is incomplete. The next call must get
    /// the same bytes and more; those that were checked are not read again. After the end of a reply, the next one
    /// needs a new scan.
    ///
    /// # Errors
    /// If the bytes are not a reply, or not one within the limits.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, ScanFault> {
        let _ = bytes;
        Ok(None)
    }
}

impl fmt::Display for ScanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScanFault::Kind(byte) => write!(
                f,
                "an item of a reply begins with the byte 0x{byte:02x}: this is not the protocol of Redis (RESP2)"
            ),
            ScanFault::Number => f.write_str("a number in a reply is not one"),
            ScanFault::End => f.write_str("a part of a reply does not end with CR LF"),
            ScanFault::LongLine(limit) => {
                write!(f, "a line of a reply has more than {limit} bytes")
            }
            ScanFault::LargeBulk(len, limit) => {
                write!(
                    f,
                    "a string of {len} bytes in a reply: the limit is {limit}"
                )
            }
            ScanFault::ManyItems(count, limit) => {
                write!(f, "{count} items in a reply: the limit is {limit}")
            }
            ScanFault::Deep => write!(f, "more than {DEPTH} nested arrays in a reply"),
            ScanFault::LargeReply(limit) => write!(f, "a reply of more than {limit} bytes"),
        }
    }
}

impl std::error::Error for ScanFault {}
