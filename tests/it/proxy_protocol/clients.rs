//! Valid headers: the client that they name, in all ways in which the bytes can arrive.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[cfg(all(feature = "unix", unix))]
use stentor::server::Peer as From;
use stentor::server::{Handover, TrustedProxies};
use stentor::{Server, Version};

use super::{IPV4, TEXT, behind_a_proxy, binary, ipv6, names_peer, run};
#[cfg(all(feature = "unix", unix))]
use crate::support::{Folder, Loopback, dial_unix};
use crate::support::{
    Head, PATIENCE, Peer, becomes, dial, dial_from, keep_logbook, logged, read_answer, read_end,
};

/// Opens a client behind a header, all in one write.
fn open(stream: TcpStream, header: &[u8], version: Version) -> Peer {
    let bytes = [header, &Head::of(version).bytes()].concat();
    Peer::on(stream, version, &bytes)
}

/// Valid headers, each with the client that it names.
fn valid() -> Vec<(Vec<u8>, Option<&'static str>)> {
    // An extension of a type that is for anybody's own use, and one without content.
    let extensions = [0xe0, 0, 3, 1, 2, 3, 0x04, 0, 0];
    let with_extensions = [&IPV4[..], &extensions].concat();
    let longest = [&IPV4[..], &[0xe0; 4096 - 16 - 12]].concat();
    let four = Some("203.0.113.9:4242");
    let mut junk = [b'x'; 107];
    junk[..14].copy_from_slice(b"PROXY UNKNOWN ");
    junk[105..].copy_from_slice(b"\r\n");
    let text = |line: &str| line.as_bytes().to_vec();
    vec![
        (TEXT.0.to_vec(), Some(TEXT.1)),
        (
            text("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"),
            Some("255.255.255.255:65535"),
        ),
        (
            text("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"),
            Some("[2001:db8::1]:1"),
        ),
        (
            text(
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            ),
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        (
            text("PROXY TCP6 ::ffff:192.0.2.7 ::1 4711 80\r\n"),
            Some(TEXT.1),
        ),
        (text("PROXY UNKNOWN\r\n"), None),
        (text("PROXY UNKNOWN 192.0.2.7 not-checked\r\n"), None),
        (junk.to_vec(), None),
        (binary(0x21, 0x11, &IPV4), four),
        (binary(0x21, 0x11, &with_extensions), four),
        (binary(0x21, 0x11, &longest), four),
        (binary(0x21, 0x21, &ipv6()), Some("[2001:db8::7]:4242")),
        (
            binary(0x21, 0x21, &[&ipv6()[..], &extensions].concat()),
            Some("[2001:db8::7]:4242"),
        ),
        // LOCAL, whatever follows.
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, &IPV4), None),
        (binary(0x20, 0xff, &extensions), None),
        // No address, addresses of UDP, paths.
        (binary(0x21, 0x00, &[]), None),
        (binary(0x21, 0x00, &extensions), None),
        (binary(0x21, 0x12, &IPV4), None),
        (binary(0x21, 0x22, &ipv6()), None),
        (binary(0x21, 0x31, &[b'/'; 216]), None),
        (
            binary(0x21, 0x32, &[&[b'/'; 216][..], &extensions].concat()),
            None,
        ),
    ]
}

#[test]
fn header_names_the_client_in_every_version() {
    let server = run(behind_a_proxy());
    for (header, client) in valid() {
        for version in Version::ALL {
            let mut peer = open(dial(server.address), &header, version);
            let own = peer.local_addr().to_string();
            peer.expect_text(client.unwrap_or(&own));
            peer.expect_echo("hello");
            peer.leave();
        }
    }
    let counters = server.wait_until_empty();
    assert!(counters.rejected.is_empty(), "{counters:?}");
    // The header counts as bytes of the handshake.
    assert!(counters.bytes_in > 5 * 4096, "{counters:?}");
}

#[test]
fn header_may_come_byte_by_byte_and_delays_no_other_client() {
    let server = run(behind_a_proxy());
    for (header, client) in valid().into_iter().filter(|(header, _)| header.len() < 300) {
        let version = Version::Draft76;
        let request = Head::of(version).bytes();
        let mut stream = dial(server.address);
        let (last, first) = header.split_last().unwrap();
        for byte in first {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut other = open(dial(server.address), TEXT.0, Version::Rfc6455);
        other.expect_text(TEXT.1);
        other.leave();
        stream.write_all(&[*last]).unwrap();
        for byte in &request[..request.len() - 1] {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut peer = Peer::on(stream, version, &request[request.len() - 1..]);
        let own = peer.local_addr().to_string();
        peer.expect_text(client.unwrap_or(&own));
        peer.leave();
    }
}

/// All bytes of a proxy's client come behind the proxy's header: a second header is not a header.
#[test]
fn second_header_is_not_trusted() {
    let server = run(behind_a_proxy());
    for second in [TEXT.0.to_vec(), binary(0x21, 0x11, &IPV4)] {
        for version in Version::ALL {
            let mut stream = dial(server.address);
            let request = Head::of(version).bytes();
            let bytes = [TEXT.0, &second, &request].concat();
            stream.write_all(&bytes).unwrap();
            assert_eq!(read_answer(&mut stream).status(), 400, "{version}");
        }
    }
}

#[test]
fn peers_that_are_no_proxies_connect_without_a_header() {
    let server = run(behind_a_proxy());
    let home = IpAddr::V4(Ipv4Addr::new(127, 0, 83, 1));
    for version in Version::ALL {
        let stream = dial_from(server.address, home, None);
        let mut peer = Peer::on(stream, version, &Head::of(version).bytes());
        let own = peer.local_addr().to_string();
        peer.expect_text(&own);
        peer.leave();
    }
}

#[test]
fn reports_handles_and_the_log_have_the_client() {
    keep_logbook();
    let (reports, reported) = mpsc::channel();
    let builder = behind_a_proxy().on_close(move |report| reports.send(report.peer).unwrap());
    let server = run(builder);
    for (number, version) in Version::ALL.into_iter().enumerate() {
        let header = format!("PROXY TCP4 192.0.2.81 127.0.0.1 {} 80\r\n", 5000 + number);
        let client = format!("192.0.2.81:{}", 5000 + number);
        let mut peer = open(dial(server.address), header.as_bytes(), version);
        peer.expect_text(&client);
        assert_eq!(server.handle.clients()[0].peer().to_string(), client);
        peer.leave();
        let report = reported.recv_timeout(PATIENCE).unwrap();
        assert_eq!(report.to_string(), client);
        becomes(&1, || {
            logged(&[&format!(" {client} "), "closed after"]).len()
        });
        server.wait_until_empty();
    }
}

#[test]
fn acceptor_receives_headers_too() {
    let acceptor = behind_a_proxy().acceptor().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let client = acceptor.accept(listener.accept().unwrap().0).unwrap();
            assert_eq!(client.peer().to_string(), TEXT.1);
            drop(client);
            let stream = listener.accept().unwrap().0;
            acceptor.serve(stream, names_peer).unwrap();
            assert!(acceptor.accept(listener.accept().unwrap().0).is_err());
        });
        open(dial(address), TEXT.0, Version::Rfc6455).answer_goodbye(1000, "");
        let mut peer = open(dial(address), &binary(0x21, 0x11, &IPV4), Version::Draft75);
        peer.expect_text("203.0.113.9:4242");
        peer.leave();
        let mut stream = dial(address);
        stream
            .write_all(&Head::of(Version::Rfc6455).bytes())
            .unwrap();
        assert_eq!(read_answer(&mut stream).status(), 400);
    });
}

/// Other code has read the header, and the client that it names may have the address of a trusted proxy.
#[test]
fn peer_that_other_code_has_named_sends_no_header() {
    let acceptor = behind_a_proxy().acceptor().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let named = ["192.0.2.7:4711", "127.0.0.1:1"];
    thread::spawn(move || {
        for name in named {
            let peer: SocketAddr = name.parse().unwrap();
            let stream = Handover::new(listener.accept().unwrap().0).peer(peer);
            acceptor.serve(stream, names_peer).unwrap();
        }
        let (stream, own) = listener.accept().unwrap();
        let stream = Handover::new(stream).peer(own);
        acceptor.serve(stream, names_peer).unwrap();
    });
    for name in named {
        let mut peer = open(dial(address), b"", Version::Rfc6455);
        peer.expect_text(name);
        peer.leave();
    }
    // The name is the proxy's own: nothing was read.
    let mut peer = open(dial(address), TEXT.0, Version::Rfc6455);
    peer.expect_text(TEXT.1);
    peer.leave();
}

#[cfg(all(feature = "unix", unix))]
#[test]
fn local_proxy_is_trusted_by_choice_and_its_client_is_no_local_peer() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let builder = Server::builder()
        .proxy_protocol(TrustedProxies::default().unix_sockets(true))
        .trust_local_proxy(true)
        .listen_unix(&path)
        .listen("127.0.0.1:0");
    let server = Loopback::start(builder.build().unwrap(), |client| {
        let (peer, addr) = (client.peer(), client.addr());
        client.send(format!("{peer} {addr:?}"))?;
        Ok(())
    });
    for version in Version::ALL {
        let request = Head::of(version).with("X-Forwarded-For", "198.51.100.9");
        let request = request.with("X-Forwarded-Proto", "https");
        for (header, words) in [
            (TEXT.0, "192.0.2.7:4711 Some(192.0.2.7)"),
            (b"PROXY UNKNOWN\r\n", "local Some(198.51.100.9)"),
        ] {
            let bytes = [header, &request.bytes()].concat();
            let mut peer = Peer::on(dial_unix(&path), version, &bytes);
            peer.expect_text(words);
            // Only the drafts name the scheme.
            let location = ["WebSocket-Location", "Sec-WebSocket-Location"];
            let location = location.iter().find_map(|name| peer.answer.header(name));
            let is_secure = location.is_some_and(|location| location.starts_with("wss:"));
            let is_draft = location.is_some();
            assert_eq!(
                is_secure,
                is_draft && words.starts_with("local"),
                "{version}"
            );
            assert_eq!(is_draft, !version.has_close_codes(), "{version}");
            peer.answer_goodbye(1000, "");
        }
        // A peer on a port is not trusted.
        let mut peer = server.open(version);
        let own = From::from(peer.local_addr());
        peer.expect_text(&format!("{own} {:?}", own.ip()));
        peer.answer_goodbye(1000, "");
    }
}

#[test]
fn handshake_timeout_includes_the_header() {
    let limit = Duration::from_millis(300);
    let server = run(behind_a_proxy().handshake_timeout(limit));
    for header in [&b""[..], b"P", TEXT.0, &binary(0x21, 0x11, &IPV4)[..20]] {
        let mut stream = dial(server.address);
        stream.write_all(header).unwrap();
        assert_eq!(
            read_answer(&mut stream).status(),
            408,
            "{}",
            header.escape_ascii()
        );
    }
    becomes(&[("timeout", 4)].into(), || {
        server.handle.counters().rejected
    });
}

#[test]
fn shutdown_does_not_wait_for_headers() {
    for header in [
        &b""[..],
        b"PROXY TCP4 192",
        &binary(0x21, 0x11, &IPV4)[..15],
    ] {
        let mut server = run(behind_a_proxy());
        let mut stream = dial(server.address);
        stream.write_all(header).unwrap();
        becomes(&header.len(), || server.handle.counters().bytes_in as usize);
        becomes(&1, || server.handle.counters().connections);
        server.handle.shutdown(Duration::from_secs(600));
        assert_eq!(read_answer(&mut stream).status(), 503);
        server.join();
    }
}

/// As the health checks of some proxies do.
#[test]
fn connection_without_any_byte_is_neither_a_rejection_nor_a_line_in_the_log() {
    keep_logbook();
    let trusted = TrustedProxies::new(["127.0.88.0/24"]).unwrap();
    let server = run(Server::builder().proxy_protocol(trusted));
    let own = Ipv4Addr::new(127, 0, 88, 1);
    let mut stream = dial_from(server.address, own.into(), None);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    read_end(&mut stream);
    becomes(&1, || server.handle.counters().accepted);
    let counters = server.wait_until_empty();
    assert!(counters.rejected.is_empty(), "{counters:?}");
    assert_eq!(logged(&[&own.to_string()]), []);
}

#[cfg(feature = "tls")]
#[test]
fn tls_begins_behind_the_header() {
    use crate::support::{Identity, tunnel_on};
    let server = run(behind_a_proxy().tls(Identity::common().server()));
    for version in Version::ALL {
        for (header, client) in [
            (TEXT.0.to_vec(), TEXT.1),
            (binary(0x21, 0x11, &IPV4), "203.0.113.9:4242"),
            (binary(0x21, 0x21, &ipv6()), "[2001:db8::7]:4242"),
        ] {
            let mut stream = dial(server.address);
            stream.write_all(&header).unwrap();
            let request = Head::of(version).bytes();
            let mut peer = Peer::on(tunnel_on(stream), version, &request);
            peer.expect_text(client);
            peer.expect_echo(&"x".repeat(100_000));
            peer.leave();
        }
    }
}
