//! Capture files, pcap and pcapng: the WebSocket conversations in them.

mod flow;
mod flows;
mod tcp;

use std::io::{self, Read, Write};
use std::time::Duration;

use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use stentor_explain::packet;

use super::Failure;
use super::session::Settings;

use flows::Flows;

/// The largest block of a capture file.
const BLOCK: usize = 4 * 1024 * 1024;

/// Whether a file that begins with these bytes is a capture.
pub(crate) fn is_capture(beginning: &[u8]) -> bool {
    let magic = beginning.get(..4).unwrap_or_default();
    matches!(
        magic,
        [0xa1, 0xb2, 0xc3 | 0x3c, 0xd4 | 0x4d]
            | [0xd4 | 0x4d, 0xc3 | 0x3c, 0xb2, 0xa1]
            | [0x0a, 0x0d, 0x0d, 0x0a]
    )
}

/// Explains a capture, of which these bytes are the beginning. Returns how many rules were broken.
pub(crate) fn explain(
    mut beginning: Vec<u8>,
    mut file: impl Read + Send,
    settings: &Settings,
    port: Option<u16>,
    out: &mut dyn Write,
) -> Result<usize, Failure> {
    // The reader wants the first block at once.
    let missing = first_block(&beginning).saturating_sub(beginning.len());
    (&mut file)
        .take(missing as u64)
        .read_to_end(&mut beginning)
        .map_err(|error| Failure::Input(format!("the capture cannot be read: {error}")))?;
    let file = io::Cursor::new(beginning).chain(file);
    let mut reader = create_reader(BLOCK, file).map_err(|error| unreadable(&error))?;
    let mut flows = Flows::new(settings, port);
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut begin = None;
    loop {
        let consumed = match reader.next() {
            Ok((consumed, block)) => {
                if let Some((link, time, data, length)) = frame(&block, &mut interfaces) {
                    let begin = *begin.get_or_insert(time);
                    flows.packet(link, data, length, time.saturating_sub(begin), out)?;
                }
                Some(consumed)
            }
            Err(PcapError::Eof) => break,
            Err(PcapError::Incomplete(_) | PcapError::UnexpectedEof) => None,
            Err(error) => return Err(unreadable(&error)),
        };
        match consumed {
            Some(consumed) => reader.consume(consumed),
            None if reader.reader_exhausted() => {
                flows.cut();
                break;
            }
            None => {
                // A capture that goes on: all that came is visible before the next packet.
                out.flush()?;
                reader.refill().map_err(|error| unreadable(&error))?;
            }
        }
    }
    Ok(flows.finish(out)?)
}

/// Explains packets of a pasted dump.
pub(crate) fn explain_packets(
    packets: &[Vec<u8>],
    settings: &Settings,
    port: Option<u16>,
    out: &mut dyn Write,
) -> io::Result<usize> {
    let mut flows = Flows::new(settings, port);
    for data in packets {
        if let Some(segment) = packet::from_dump(data) {
            flows.segment(&segment, Duration::ZERO, out)?;
        }
    }
    flows.finish(out)
}

/// The length of the first block of a pcapng file: its section header.
fn first_block(beginning: &[u8]) -> usize {
    match beginning {
        [0x0a, 0x0d, 0x0d, 0x0a, length @ ..] if length.len() >= 8 => {
            let number = [length[0], length[1], length[2], length[3]];
            let length = match length[4] {
                0x1a => u32::from_be_bytes(number),
                _ => u32::from_le_bytes(number),
            };
            (length as usize).min(BLOCK)
        }
        _ => 0,
    }
}

/// An interface of a pcapng file, or the only one of a pcap file.
struct Interface {
    link: Linktype,
    /// Fractions of a second in one.
    resolution: u64,
    offset: i64,
}

/// The packet in a block, with its time, and its length before it was captured.
fn frame<'a>(
    block: &'a PcapBlockOwned<'_>,
    interfaces: &mut Vec<Interface>,
) -> Option<(Linktype, Duration, &'a [u8], usize)> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let is_nano = header.is_nanosecond_precision();
            interfaces.push(Interface {
                // The upper bits of the field have other meanings.
                link: Linktype(header.network.0 & 0xffff),
                resolution: if is_nano { 1_000_000_000 } else { 1_000_000 },
                offset: 0,
            });
            None
        }
        PcapBlockOwned::Legacy(packet) => {
            let interface = interfaces.first()?;
            let fraction = u64::from(packet.ts_usec);
            let time = Duration::from_secs(u64::from(packet.ts_sec))
                + fractions(fraction, interface.resolution);
            Some((interface.link, time, packet.data, packet.origlen as usize))
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            None
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
            interfaces.push(Interface {
                link: description.linktype,
                resolution: description.ts_resolution().unwrap_or(1_000_000).max(1),
                offset: description.ts_offset(),
            });
            None
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let interface = interfaces.get(packet.if_id as usize)?;
            let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            let seconds = (ticks / interface.resolution).saturating_add_signed(interface.offset);
            let time = Duration::from_secs(seconds)
                + fractions(ticks % interface.resolution, interface.resolution);
            Some((
                interface.link,
                time,
                packet.packet_data(),
                packet.origlen as usize,
            ))
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            let link = interfaces.first()?.link;
            Some((
                link,
                Duration::ZERO,
                packet.packet_data(),
                packet.origlen as usize,
            ))
        }
        PcapBlockOwned::NG(_) => None,
    }
}

fn fractions(number: u64, in_a_second: u64) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(in_a_second);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn unreadable(error: &PcapError<&[u8]>) -> Failure {
    let words = match error {
        PcapError::BufferTooSmall => "a block of the capture is larger than 4 MiB".to_owned(),
        PcapError::Eof | PcapError::Incomplete(_) => "the capture is empty or cut".to_owned(),
        PcapError::HeaderNotRecognized => "this is no capture: its header is not known".to_owned(),
        error => format!("the capture cannot be read: {error}"),
    };
    Failure::Input(words)
}
