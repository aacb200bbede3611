//! Invalid headers, and headers from peers that are not trusted: each costs its own connection only.

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown};

use log::Level;
use stentor::server::TrustedProxies;
use stentor::{Server, Version};

use super::{IPV4, SIGNATURE, TEXT, behind_a_proxy, binary, ipv6, run};
use crate::support::{
    HandshakeResponse, Head, Loopback, Peer, becomes, dial, dial_from, keep_logbook, logged,
    read_answer,
};

const NEITHER: &str = "it begins with neither";
const WORDS: &str = "its line does not have six words";
const FAMILY: &str = "its second word is not";
const ADDRESS: &str = "it has an invalid address";
const PORT: &str = "it has an invalid port";
const END: &str = "its line does not end in CR LF";
const LONG: &str = "its line is longer than 107 bytes";
const COMMAND: &str = "its version is not 2, or its command";
const KIND: &str = "its family or its transport is unknown";
const SHORT: &str = "its length is too short";
const HUGE: &str = "it is longer than 4096 bytes";

/// Lines that are no headers of version 1, each with its fault.
const LINES: [(&str, &str); 49] = [
    ("GET / HTTP/1.1", NEITHER),
    ("POST / HTTP/1.1", NEITHER),
    ("proxy TCP4 192.0.2.7 192.0.2.1 1 2", NEITHER),
    (" PROXY TCP4 192.0.2.7 192.0.2.1 1 2", NEITHER),
    ("PROXY", NEITHER),
    ("PROXYTCP4 192.0.2.7 192.0.2.1 1 2", NEITHER),
    ("PROXY\tTCP4 192.0.2.7 192.0.2.1 1 2", NEITHER),
    ("PROXY ", WORDS),
    ("PROXY TCP4", WORDS),
    ("PROXY  TCP4 192.0.2.7 192.0.2.1 1 2", WORDS),
    ("PROXY TCP4  192.0.2.7 192.0.2.1 1 2", WORDS),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 1", WORDS),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 1 2 ", WORDS),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3", WORDS),
    ("PROXY UNKNOWNS", WORDS),
    ("PROXY UNKNOWN\t", WORDS),
    ("PROXY unknown", WORDS),
    ("PROXY TCP 192.0.2.7 192.0.2.1 1 2", FAMILY),
    ("PROXY TCP5 192.0.2.7 192.0.2.1 1 2", FAMILY),
    ("PROXY tcp4 192.0.2.7 192.0.2.1 1 2", FAMILY),
    ("PROXY UDP4 192.0.2.7 192.0.2.1 1 2", FAMILY),
    ("PROXY TCP4\0 192.0.2.7 192.0.2.1 1 2", FAMILY),
    ("PROXY TCP4 ::1 ::1 1 2", ADDRESS),
    ("PROXY TCP4 192.0.2.7 ::1 1 2", ADDRESS),
    ("PROXY TCP6 192.0.2.7 192.0.2.1 1 2", ADDRESS),
    ("PROXY TCP6 ::1 192.0.2.1 1 2", ADDRESS),
    ("PROXY TCP6 [::1] ::1 1 2", ADDRESS),
    ("PROXY TCP6 fe80::1%eth0 ::1 1 2", ADDRESS),
    ("PROXY TCP6 2001:db8:::1 ::1 1 2", ADDRESS),
    ("PROXY TCP4 192.0.2.07 192.0.2.1 1 2", ADDRESS),
    ("PROXY TCP4 192.0.2.256 192.0.2.1 1 2", ADDRESS),
    ("PROXY TCP4 192.0.2 192.0.2.1 1 2", ADDRESS),
    ("PROXY TCP4 3221225991 192.0.2.1 1 2", ADDRESS),
    ("PROXY TCP4 0xc0.0.2.7 192.0.2.1 1 2", ADDRESS),
    ("PROXY TCP4 192.0.2.7 localhost 1 2", ADDRESS),
    ("PROXY TCP4 192.0.2.7\t192.0.2.1 192.0.2.1 1 2", ADDRESS),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 70000 2", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 65536 2", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 1 65536", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 01 2", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 00 2", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 +1 2", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 -1 2", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 1 0x2", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1  2", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r", PORT),
    ("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n", END),
    ("PROXY UNKNOWN\n", END),
    ("PROXY \u{e9} 192.0.2.7 192.0.2.1 1 2", FAMILY),
];

/// Headers that are invalid, each with its fault.
fn invalid() -> Vec<(Vec<u8>, &'static str)> {
    let lines = LINES.map(|(line, fault)| (format!("{line}\r\n").into_bytes(), fault));
    let mut long = b"PROXY UNKNOWN ".to_vec();
    long.resize(107, b'x');
    let mut huge = binary(0x21, 0x11, &IPV4);
    huge[14..16].copy_from_slice(&(4096_u16 - 15).to_be_bytes());
    let mut largest = huge.clone();
    largest[14..16].copy_from_slice(&[0xff, 0xff]);
    let mut signature = binary(0x21, 0x11, &IPV4);
    signature[11] = b'\r';
    let others = [
        (vec![b'\n'], NEITHER),
        (vec![0x16, 0x03, 0x01], NEITHER),
        (signature, NEITHER),
        (SIGNATURE[1..].to_vec(), NEITHER),
        (long.clone(), LONG),
        ([&long[..], b"\r\n"].concat(), LONG),
        ([&long[..106], b"\r\n"].concat(), LONG),
        (
            b"PROXY \xff 192.0.2.7 192.0.2.1 1 2\r\n".to_vec(),
            "its line is not text",
        ),
        (binary(0x11, 0x11, &IPV4), COMMAND),
        (binary(0x01, 0x11, &IPV4), COMMAND),
        (binary(0x31, 0x11, &IPV4), COMMAND),
        (binary(0x22, 0x11, &IPV4), COMMAND),
        (binary(0x2f, 0x11, &IPV4), COMMAND),
        (binary(0x21, 0x01, &IPV4), KIND),
        (binary(0x21, 0x10, &IPV4), KIND),
        (binary(0x21, 0x13, &IPV4), KIND),
        (binary(0x21, 0x41, &ipv6()), KIND),
        (binary(0x21, 0xff, &ipv6()), KIND),
        (binary(0x21, 0x11, &[]), SHORT),
        (binary(0x21, 0x11, &IPV4[..11]), SHORT),
        (binary(0x21, 0x12, &IPV4[..11]), SHORT),
        (binary(0x21, 0x21, &IPV4), SHORT),
        (binary(0x21, 0x21, &ipv6()[..35]), SHORT),
        (binary(0x21, 0x31, &[b'/'; 215]), SHORT),
        (huge, HUGE),
        (largest, HUGE),
    ];
    lines.into_iter().chain(others).collect()
}

/// Sends bytes from an own address, which is also the way to find the line in the log, and returns the
/// response. The server may have answered before the last of them.
fn answer_to(server: &Loopback, own: Ipv4Addr, bytes: &[u8]) -> HandshakeResponse {
    let mut stream = dial_from(server.address, own.into(), None);
    let _ = stream.write_all(bytes);
    read_answer(&mut stream)
}

/// The one line in the log about the connection from an address.
fn line_about(own: Ipv4Addr) -> String {
    let own = format!(" {own}:");
    becomes(&1, || logged(&[&own]).len());
    let (level, line) = logged(&[&own]).remove(0);
    assert_eq!(level, Level::Info, "{line}");
    line
}

#[test]
fn invalid_header_is_rejected_with_its_fault_and_disturbs_no_other() {
    keep_logbook();
    let request = Head::of(Version::Rfc6455).bytes();
    let mut own = Ipv4Addr::new(127, 0, 84, 1);
    // Few for each server: each may log only some lines.
    for some in invalid().chunks(15) {
        let trusted = TrustedProxies::new(["127.0.0.0/16"]).unwrap();
        let server = run(Server::builder().proxy_protocol(trusted));
        let bytes = [TEXT.0, &request].concat();
        let mut other = Peer::on(dial(server.address), Version::Rfc6455, &bytes);
        other.expect_text(TEXT.1);
        for (header, fault) in some {
            let shown = header.escape_ascii();
            let answer = answer_to(&server, own, &[header, &request[..]].concat());
            assert_eq!(answer.status(), 400, "{shown}");
            let body = String::from_utf8(answer.body).unwrap();
            assert!(body.contains(fault), "{shown}: {body}");
            let line = line_about(own);
            assert!(line.contains("400") && line.contains(fault), "{line}");
            own = Ipv4Addr::from_bits(own.to_bits() + 1);
        }
        let rejected = [("invalid proxy header", some.len() as u64)].into();
        becomes(&rejected, || server.handle.counters().rejected);
        other.expect_echo("hello");
        assert_eq!(server.handle.counters().opened.values().sum::<u64>(), 1);
    }
}

#[test]
fn header_that_ends_too_early_is_rejected() {
    for header in [TEXT.0.to_vec(), binary(0x21, 0x21, &ipv6())] {
        let server = run(behind_a_proxy());
        for len in 1..header.len() {
            let mut stream = dial(server.address);
            stream.write_all(&header[..len]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let answer = read_answer(&mut stream);
            assert_eq!(answer.status(), 400, "{len}");
            let body = String::from_utf8(answer.body).unwrap();
            assert!(body.contains("ends in the middle"), "{len}: {body}");
        }
        let all = header.len() as u64 - 1;
        becomes(&[("invalid proxy header", all)].into(), || {
            server.handle.counters().rejected
        });
    }
}

#[test]
fn header_from_a_peer_that_is_not_trusted_is_rejected_with_the_remedy() {
    keep_logbook();
    let elsewhere = TrustedProxies::new(["192.0.2.0/24", "::1"]).unwrap();
    let builders = [
        Server::builder(),
        Server::builder().proxy_protocol(elsewhere.unix_sockets(true)),
    ];
    let mut own = Ipv4Addr::new(127, 0, 85, 1);
    for server in builders.map(run) {
        let mut other = server.open(Version::Rfc6455);
        let peer = other.local_addr().to_string();
        other.expect_text(&peer);
        let texts = [TEXT.0, b"PROXY TCP6 ::1 ::1 1 2\r\n", b"PROXY UNKNOWN\r\n"];
        let texts = texts.map(|text| (text.to_vec(), "not a trusted proxy"));
        let binaries = [binary(0x21, 0x11, &IPV4), binary(0x20, 0, &[])];
        let binaries = binaries.map(|header| (header, "the PROXY protocol (version 2)"));
        for (header, words) in texts.into_iter().chain(binaries) {
            // With a request, and without: the server does not wait for more.
            for behind in [Head::of(Version::Draft76).bytes(), Vec::new()] {
                let answer = answer_to(&server, own, &[&header[..], &behind].concat());
                assert_eq!(answer.status(), 400);
                let body = String::from_utf8(answer.body).unwrap();
                assert!(body.contains("ServerBuilder::proxy_protocol"), "{body}");
                let line = line_about(own);
                assert!(line.contains(words), "{line}");
                own = Ipv4Addr::from_bits(own.to_bits() + 1);
            }
        }
        let rejected = [
            ("unexpected proxy header", 6),
            ("malformed header block", 4),
        ];
        becomes(&rejected.into(), || server.handle.counters().rejected);
        other.expect_echo("hello");
        assert_eq!(server.handle.counters().opened.values().sum::<u64>(), 1);
    }
}

#[cfg(feature = "tls")]
mod tls {
    use std::io::{Read, Write};
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use stentor::Server;
    use stentor::server::TrustedProxies;

    use super::{IPV4, TEXT, binary, line_about, run};
    use crate::support::{Identity, becomes, dial, dial_from, keep_logbook};

    #[test]
    fn header_from_a_peer_that_is_not_trusted_is_named_in_the_log() {
        keep_logbook();
        let server = run(Server::builder().tls(Identity::common().server()));
        for (last, header) in [(1, TEXT.0.to_vec()), (2, binary(0x21, 0x11, &IPV4))] {
            let own = Ipv4Addr::new(127, 0, 86, last);
            let mut stream = dial_from(server.address, own.into(), None);
            stream.write_all(&header).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            let line = line_about(own);
            assert!(line.contains("ServerBuilder::proxy_protocol"), "{line}");
        }
        becomes(&[("tls", 2)].into(), || server.handle.counters().rejected);
    }

    #[test]
    fn proxy_without_a_header_receives_an_alert_at_the_timeout() {
        let trusted = TrustedProxies::new(["127.0.0.1"]).unwrap();
        let builder = Server::builder().proxy_protocol(trusted);
        let builder = builder.handshake_timeout(Duration::from_millis(300));
        let server = run(builder.tls(Identity::common().server()));
        for header in [&b""[..], &TEXT.0[..20], TEXT.0] {
            let mut stream = dial(server.address);
            stream.write_all(header).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"\x15\x03\x03\x00\x02\x02\x50");
        }
        becomes(&[("timeout", 3)].into(), || {
            server.handle.counters().rejected
        });
    }

    /// A client's hello instead of the header: the trusted proxy sends none.
    #[test]
    fn invalid_header_is_answered_by_an_alert() {
        keep_logbook();
        let trusted = TrustedProxies::new(["127.0.87.0/24"]).unwrap();
        let builder = Server::builder().proxy_protocol(trusted);
        let server = run(builder.tls(Identity::common().server()));
        let hello = &b"\x16\x03\x01\x02\x00\x01"[..];
        for (last, bytes) in [(1, hello), (2, b"GET / HTTP/1.1\r\n\r\n")] {
            let own = Ipv4Addr::new(127, 0, 87, last);
            let mut stream = dial_from(server.address, own.into(), None);
            stream.write_all(bytes).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"\x15\x03\x03\x00\x02\x02\x50");
            assert!(line_about(own).contains("it begins with neither"));
        }
        becomes(&[("invalid proxy header", 2)].into(), || {
            server.handle.counters().rejected
        });
    }
}
