//! The header of the PROXY protocol, version 1 (text) or version 2 (binary): the parser.
//!
//! The sections are those of the specification, `doc/proxy-protocol.txt` of HAProxy. The parser is strict,
//! since the address that a header names is trusted: two programs must not read different addresses from
//! the same bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The result of parsing the bytes that a connection began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Header {
    /// All of these bytes belong to the header, and more will follow.
    Incomplete,
    /// The first `length` bytes are the header.
    Complete {
        length: usize,
        /// The client's address; `None` if the proxy does not know it, or speaks for itself.
        client: Option<SocketAddr>,
    },
}

/// The most bytes of a header of version 1, its CR LF included (section 2.1).
pub(crate) const LONGEST_TEXT: usize = 107;

/// The most bytes of a header of version 2 that are accepted. The addresses take 232 at most; the rest are
/// the proxy's extensions (TLVs), such as the names in a client's certificate.
pub(crate) const LONGEST_BINARY: usize = 4096;

/// The first bytes of a header of version 1 (section 2.1).
const WORD: &[u8] = b"PROXY ";

/// The first bytes of a header of version 2 (section 2.2).
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of a header of version 2 before its addresses.
const FIXED: usize = 16;

/// Parses the header at the beginning of `bytes`, which are all that the connection has brought so far.
///
/// # Errors
/// The fault, as soon as it is certain that the bytes do not begin with a valid header.
pub(crate) fn parse(bytes: &[u8]) -> Result<Header, &'static str> {
    if agree(bytes, WORD) {
        parse_text(bytes)
    } else if agree(bytes, SIGNATURE) {
        parse_binary(bytes)
    } else {
        Err("it begins with neither \"PROXY \" nor the signature of version 2")
    }
}

/// Returns whether `bytes` begin with all of `start`, or may do so once more bytes have come.
fn agree(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(byte, other)| byte == other)
}

/// Parses a header of version 1: one line of text (section 2.1).
fn parse_text(bytes: &[u8]) -> Result<Header, &'static str> {
    let within = &bytes[..bytes.len().min(LONGEST_TEXT)];
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return match within.len() < LONGEST_TEXT {
            true => Ok(Header::Incomplete),
            false => Err("its line is longer than 107 bytes"),
        };
    };
    // No word contains LF, so the line is longer than the first one.
    let line = within[WORD.len()..end].strip_suffix(b"\r");
    Ok(Header::Complete {
        length: end + 1,
        client: text_client(line.ok_or("its line does not end in CR LF")?)?,
    })
}

/// Returns the client that the words behind `PROXY` name.
fn text_client(words: &[u8]) -> Result<Option<SocketAddr>, &'static str> {
    // Section 2.1: everything between this word and the end of the line is ignored.
    if words == b"UNKNOWN" || words.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let words = std::str::from_utf8(words).map_err(|_| "its line is not text")?;
    let words: Vec<&str> = words.split(' ').collect();
    let [family, source, destination, source_port, destination_port] = words[..] else {
        return Err("its line does not have six words");
    };
    let (source, _) = match family {
        "TCP4" => (
            address::<Ipv4Addr>(source)?,
            address::<Ipv4Addr>(destination)?,
        ),
        "TCP6" => (
            address::<Ipv6Addr>(source)?,
            address::<Ipv6Addr>(destination)?,
        ),
        _ => return Err("its second word is not TCP4, TCP6 or UNKNOWN"),
    };
    let (port, _) = (text_port(source_port)?, text_port(destination_port)?);
    Ok(Some(SocketAddr::new(source, port)))
}

fn address<T: FromStr + Into<IpAddr>>(word: &str) -> Result<IpAddr, &'static str> {
    let address = word.parse::<T>().map(Into::into);
    address.map_err(|_| "it has an invalid address, or one of another family")
}

/// Parses a port: decimal digits without a sign and without leading zeros (section 2.1).
fn text_port(word: &str) -> Result<u16, &'static str> {
    let is_canonical = word == "0" || word.starts_with(|first: char| matches!(first, '1'..='9'));
    let port = word.parse().ok().filter(|_| is_canonical);
    port.ok_or("it has an invalid port")
}

/// Parses a header of version 2: a fixed part, the addresses, and extensions, which are skipped
/// (section 2.2).
fn parse_binary(bytes: &[u8]) -> Result<Header, &'static str> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(Header::Incomplete);
    };
    let [.., command, family, high, low] = *fixed;
    let behind = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + behind > LONGEST_BINARY {
        return Err("it is longer than 4096 bytes");
    }
    let addresses = match command {
        // LOCAL: a connection of the proxy itself, for example a health check. The family is ignored.
        0x20 => Addresses::Ignored(0),
        0x21 => Addresses::of(family)?,
        _ => return Err("its version is not 2, or its command is neither LOCAL nor PROXY"),
    };
    if behind < addresses.len() {
        return Err("its length is too short for its addresses");
    }
    Ok(match rest.get(..behind) {
        Some(rest) => Header::Complete {
            length: FIXED + behind,
            client: addresses.client(rest),
        },
        None => Header::Incomplete,
    })
}

/// The addresses in a header of version 2: source and destination, then their ports.
enum Addresses {
    V4,
    V6,
    /// Not used: that many bytes. The spec then wants the addresses of the connection itself.
    Ignored(usize),
}

impl Addresses {
    /// Returns the addresses for the family and the transport. The spec lists these combinations, and wants
    /// all others rejected.
    fn of(family: u8) -> Result<Addresses, &'static str> {
        Ok(match family {
            0x00 => Addresses::Ignored(0),
            0x11 => Addresses::V4,
            0x21 => Addresses::V6,
            // UDP: this connection is TCP, so the addresses are another connection's.
            0x12 => Addresses::Ignored(Addresses::V4.len()),
            0x22 => Addresses::Ignored(Addresses::V6.len()),
            // Two paths of Unix sockets, of 108 bytes each.
            0x31 | 0x32 => Addresses::Ignored(216),
            _ => return Err("its family or its transport is unknown"),
        })
    }

    fn len(&self) -> usize {
        match self {
            Addresses::V4 => 12,
            Addresses::V6 => 36,
            Addresses::Ignored(len) => *len,
        }
    }

    /// Returns the source; `None` if the addresses are ignored.
    fn client(&self, bytes: &[u8]) -> Option<SocketAddr> {
        let (address, ports): (IpAddr, &[u8]) = match self {
            Addresses::V4 => (Ipv4Addr::from(*bytes.first_chunk()?).into(), &bytes[8..]),
            Addresses::V6 => (Ipv6Addr::from(*bytes.first_chunk()?).into(), &bytes[32..]),
            Addresses::Ignored(_) => return None,
        };
        let port = u16::from_be_bytes(*ports.first_chunk()?);
        Some(SocketAddr::new(address, port))
    }
}
