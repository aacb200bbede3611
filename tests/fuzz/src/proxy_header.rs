//! The header of the PROXY protocol, as the server's own parser reads it, which is compiled here once
//! more; and a second one, which reads a whole header at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[path = "../../../src/server/proxy_protocol/header.rs"]
mod header;

use header::{Header, parse};

/// Checks any bytes: cut anywhere, the verdict is the same, no byte behind the header changes it, and the
/// second parser agrees.
pub fn judge(bytes: &[u8]) {
    let mut verdict = None;
    for len in 0..=bytes.len() {
        let next = parse(&bytes[..len]);
        match (&verdict, next) {
            (None, Ok(Header::Incomplete)) => assert!(len < 4096, "no limit"),
            (None, Ok(Header::Complete { length, client })) => {
                assert_eq!(length, len, "read too far, or noticed too late");
                verdict = Some(Some((length, client)));
            }
            (None, Err(_)) => verdict = Some(None),
            (Some(Some(before)), Ok(Header::Complete { length, client })) => {
                assert_eq!(*before, (length, client), "changed by what follows");
            }
            (Some(None), Err(_)) => {}
            (before, next) => panic!("{before:?} became {next:?} at {len}"),
        }
        // What follows changes nothing, wherever it ends: this is tried for a while only.
        if verdict.is_some() && len > 600 {
            break;
        }
    }
    assert_eq!(verdict.flatten(), read(bytes), "{}", bytes.escape_ascii());
}

/// Reads a valid header that is there as a whole: its length, and the client.
fn read(bytes: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    match bytes.first()? {
        b'P' => read_line(bytes),
        _ => read_binary(bytes),
    }
}

fn read_line(bytes: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = &bytes[..end];
    if end + 2 > 107 || line.contains(&b'\n') {
        return None;
    }
    if line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ") {
        return Some((end + 2, None));
    }
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let family = (words.next()? == "PROXY").then(|| words.next())??;
    let mut address = || {
        let address: IpAddr = words.next()?.parse().ok()?;
        let is_right = match family {
            "TCP4" => address.is_ipv4(),
            "TCP6" => address.is_ipv6(),
            _ => false,
        };
        is_right.then_some(address)
    };
    let (source, _) = (address()?, address()?);
    let mut port = || {
        let word = words.next()?;
        let port: u16 = word.parse().ok()?;
        (port.to_string() == word).then_some(port)
    };
    let (source_port, _) = (port()?, port()?);
    match words.next() {
        None => Some((end + 2, Some((source, source_port).into()))),
        Some(_) => None,
    }
}

fn read_binary(bytes: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    let behind = bytes.strip_prefix(b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a")?;
    let length = usize::from(*behind.get(2)?) * 256 + usize::from(*behind.get(3)?);
    let body = behind.get(4..4 + length)?;
    let port = |at: usize| u16::from(body[at]) * 256 + u16::from(body[at + 1]);
    let client = match (behind[0], behind[1]) {
        (0x20, _) | (0x21, 0x00) => None,
        (0x21, 0x11) if length >= 12 => {
            let address = Ipv4Addr::new(body[0], body[1], body[2], body[3]);
            Some((address, port(8)).into())
        }
        (0x21, 0x21) if length >= 36 => {
            let mut address = [0; 16];
            address.copy_from_slice(&body[..16]);
            Some((Ipv6Addr::from(address), port(32)).into())
        }
        (0x21, 0x12) if length >= 12 => None,
        (0x21, 0x22) if length >= 36 => None,
        (0x21, 0x31 | 0x32) if length >= 216 => None,
        _ => return None,
    };
    (length + 16 <= 4096).then_some((length + 16, client))
}
