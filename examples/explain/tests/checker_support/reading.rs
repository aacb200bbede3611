//! Reading, for the programs by hand that make one mistake.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

/// Reads once, at most so many bytes; `None` at the end of the stream.
pub(crate) fn read_once<const MOST: usize>(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Option<()> {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let mut chunk = [0; MOST];
    let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
    buffer.extend_from_slice(&chunk[..count]);
    Some(())
}
