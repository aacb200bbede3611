//! Properties of the parser of headers, which is compiled here once more: of any bytes, it takes a header
//! or nothing.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;

use super::{SIGNATURE, binary};
use crate::properties::always_the_same;

#[path = "../../../src/server/proxy_protocol/header.rs"]
mod header;

use header::{Header, LONGEST_BINARY, LONGEST_TEXT, parse};

/// Bytes that are nearly a header, or something else.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let words = prop_oneof![
        "PROXY (TCP4|TCP6|UNKNOWN)[0-9a-f.: ]{0,90}\r?\n?",
        "PROXY [ -~]{0,110}\r\n"
    ];
    let text = words.prop_map(String::into_bytes);
    let parts = (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..300));
    let short = parts.prop_map(|(command, family, behind)| {
        let families = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32, 0x41];
        let family = families[usize::from(family) % families.len()];
        binary(0x20 | command & 3, family, &behind)
    });
    let fixed = vec(any::<u8>(), 0..40).prop_map(|behind| [SIGNATURE, &behind].concat());
    prop_oneof![text, short, fixed, vec(any::<u8>(), 0..200)]
}

/// Checks one input: cut anywhere, and with anything behind it, the verdict is the same.
fn judge(bytes: &[u8]) {
    let mut first = None;
    for len in 0..=bytes.len() {
        let verdict = parse(&bytes[..len]);
        match (&first, verdict) {
            (None, Ok(Header::Incomplete)) => assert!(len < LONGEST_BINARY),
            (None, Ok(Header::Complete { length, client })) => {
                assert_eq!(length, len, "it read beyond the header, or too late");
                let most = match bytes[0] {
                    b'P' => LONGEST_TEXT,
                    _ => LONGEST_BINARY,
                };
                assert!(length <= most);
                first = Some(Ok((length, client)));
            }
            (None, Err(fault)) => first = Some(Err(fault)),
            (Some(Ok(before)), Ok(Header::Complete { length, client })) => {
                assert_eq!(*before, (length, client));
            }
            // The fault may have another name, once more is known.
            (Some(Err(_)), Err(_)) => {}
            (Some(before), verdict) => panic!("{before:?} became {verdict:?} at {len}"),
        }
    }
}

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn any_bytes_are_a_header_or_not_wherever_they_are_cut(bytes in bytes()) {
        judge(&bytes);
    }

    #[test]
    fn spoilt_header_is_judged_the_same_wherever_it_is_cut(
        bytes in bytes(),
        spoilt in vec((any::<Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = bytes;
        for (at, byte) in spoilt {
            if let Some(place) = at.index(bytes.len().max(1)).checked_rem(bytes.len().max(1))
                && let Some(old) = bytes.get_mut(place)
            {
                *old = byte;
            }
        }
        judge(&bytes);
    }

    #[test]
    fn written_header_is_read_as_it_was_written(
        address in prop_oneof![
            any::<(Ipv4Addr, u16)>().prop_map(SocketAddr::from),
            any::<(Ipv6Addr, u16)>().prop_map(SocketAddr::from),
        ],
        behind in vec(any::<u8>(), 0..50),
    ) {
        let (source, port) = (address.ip(), address.port());
        let word = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let text = format!("PROXY {word} {source} {source} {port} 1\r\n").into_bytes();
        let octets = match source {
            std::net::IpAddr::V4(source) => source.octets().to_vec(),
            std::net::IpAddr::V6(source) => source.octets().to_vec(),
        };
        let family = if source.is_ipv4() { 0x11 } else { 0x21 };
        let body = [&octets[..], &octets, &port.to_be_bytes(), &[0, 1], &behind].concat();
        for header in [text, binary(0x21, family, &body)] {
            let expected = Header::Complete { length: header.len(), client: Some(address) };
            assert_eq!(parse(&header), Ok(expected.clone()));
            assert_eq!(parse(&[&header[..], &behind].concat()), Ok(expected));
            judge(&header);
        }
    }
}
