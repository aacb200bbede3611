//! Finds the start and the end of frames, for a log, without checking them.

use super::{LENGTH_16, LENGTH_64, MASK};

/// Returns the length of the header of `frame`; more than `frame` has if the header is cut short.
pub(crate) fn header_len(frame: &[u8]) -> usize {
    let second = frame.get(1).copied().unwrap_or_default();
    let mask = if second & MASK != 0 { 4 } else { 0 };
    mask + match second & !MASK {
        LENGTH_16 => 4,
        LENGTH_64 => 10,
        _ => 2,
    }
}

/// Returns the length of the payload, from its header; `None` if the header is cut short.
#[cfg(any(feature = "server", feature = "client"))]
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
