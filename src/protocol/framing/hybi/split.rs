//! Where frames begin and end, for a log, which judges nothing.

use super::{LENGTH_16, LENGTH_64, MASK};

/// How long the header is that `frame` begins with; more than there is where that is cut short.
pub(crate) fn header_len(frame: &[u8]) -> usize {
    let second = frame.get(1).copied().unwrap_or_default();
    let mask = if second & MASK != 0 { 4 } else { 0 };
    mask + match second & !MASK {
        LENGTH_16 => 4,
        LENGTH_64 => 10,
        _ => 2,
    }
}

/// How long the payload is, by its header; `None` where that is cut short.
pub(crate) fn payload_len(header: &[u8]) -> Option<usize> {
    let short = header.get(1)? & !MASK;
    let length = match short {
        LENGTH_16 => header.get(2..4)?,
        LENGTH_64 => header.get(2..10)?,
        _ => return Some(short.into()),
    };
    let length = length
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    usize::try_from(length).ok()
}
