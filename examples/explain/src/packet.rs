//! The TCP segment in a captured packet.

use std::net::SocketAddr;

use etherparse::{EtherType, LaxIpSlice, LaxNetSlice, LaxSlicedPacket, LenSource, TransportSlice};
use pcap_parser::Linktype;

/// A TCP segment. Its sums are not checked: captures of sent packets have none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The sender.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// The sequence number of its first byte.
    pub sequence: u32,
    /// The sequence number that the sender expects next.
    pub acknowledged: Option<u32>,
    /// Whether it begins a connection.
    pub syn: bool,
    /// Whether the sender sends no more.
    pub fin: bool,
    /// Whether it resets the connection.
    pub rst: bool,
    /// The bytes of the stream.
    pub payload: &'a [u8],
    /// Bytes at the end of the payload that were not captured.
    pub lacking: u32,
}

/// A packet without a segment that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Another protocol than TCP.
    Other,
    /// A fragment of an IP packet, or a packet of which not even the headers were captured.
    Cut,
    /// A kind of link that is not known here.
    Link(i32),
}

/// Reads a packet of this kind of link; `length` is its length before it was captured.
///
/// # Errors
///
/// [`Skip`] for a packet without a segment.
pub fn read(link: Linktype, data: &[u8], length: usize) -> Result<Segment<'_>, Skip> {
    let lacking = length.saturating_sub(data.len());
    let packet = match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).map_err(|_| Skip::Cut)?,
        Linktype::NULL | Linktype::LOOP => internet(data.get(4..))?,
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => {
            internet(Some(data))?
        }
        Linktype::LINUX_SLL => cooked(data, 14, 16)?,
        Linktype::LINUX_SLL2 => cooked(data, 0, 20)?,
        Linktype(other) => return Err(Skip::Link(other)),
    };
    segment(packet, lacking)
}

/// The segment in bytes that were pasted as a dump, if they are a whole packet: of IP, or of Ethernet.
pub fn from_dump(data: &[u8]) -> Option<Segment<'_>> {
    let is_whole = |bytes: &[u8]| match bytes.first()? >> 4 {
        4 => Some(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]) as usize == bytes.len()),
        6 => {
            Some(u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]) as usize + 40 == bytes.len())
        }
        _ => None,
    };
    let links = [(Linktype::RAW, 0), (Linktype::ETHERNET, 14)];
    links.into_iter().find_map(|(link, header)| {
        let inner = data.get(header..)?;
        is_whole(inner).filter(|is_whole| *is_whole)?;
        read(link, data, data.len()).ok()
    })
}

/// Linux writes the type of the next header into one of its own.
fn cooked(data: &[u8], at: usize, header: usize) -> Result<LaxSlicedPacket<'_>, Skip> {
    let kind = data.get(at..at + 2).ok_or(Skip::Cut)?;
    let rest = data.get(header..).ok_or(Skip::Cut)?;
    let kind = EtherType(u16::from_be_bytes([kind[0], kind[1]]));
    Ok(LaxSlicedPacket::from_ether_type(kind, rest))
}

fn internet(data: Option<&[u8]>) -> Result<LaxSlicedPacket<'_>, Skip> {
    LaxSlicedPacket::from_ip(data.ok_or(Skip::Cut)?).map_err(|_| Skip::Cut)
}

fn segment(packet: LaxSlicedPacket<'_>, lacking: usize) -> Result<Segment<'_>, Skip> {
    let ip = match packet.net {
        Some(LaxNetSlice::Ipv4(slice)) => LaxIpSlice::Ipv4(slice),
        Some(LaxNetSlice::Ipv6(slice)) => LaxIpSlice::Ipv6(slice),
        _ => return Err(Skip::Other),
    };
    let tcp = match packet.transport {
        Some(TransportSlice::Tcp(tcp)) => tcp,
        Some(_) => return Err(Skip::Other),
        None if ip.payload().ip_number == etherparse::ip_number::TCP => return Err(Skip::Cut),
        None => return Err(Skip::Other),
    };
    let is_cut = ip.payload().incomplete || ip.payload().len_source == LenSource::Slice;
    Ok(Segment {
        from: SocketAddr::new(ip.source_addr(), tcp.source_port()),
        to: SocketAddr::new(ip.destination_addr(), tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        payload: tcp.payload(),
        lacking: if is_cut {
            u32::try_from(lacking).unwrap_or(u32::MAX)
        } else {
            0
        },
    })
}
