//! Limits per address, before the request is read and behind a proxy that names the address.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::Duration;

use stentor::{Response, Server, ServerBuilder, Version};

use crate::support::{
    HandshakeResponse, Head, Loopback, Peer, ask, becomes, dial, dial_from, eventually,
    keep_logbook, logged, read_answer,
};

const HOUR: Duration = Duration::from_secs(3600);
const FORWARDED: &str = "X-Forwarded-For";

fn home(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 81, last))
}

fn refused_to(mut stream: TcpStream, head: &Head) -> HandshakeResponse {
    // The server may have answered it before the request.
    let _ = stream.write_all(&head.bytes());
    read_answer(&mut stream)
}

fn behind_a_proxy() -> ServerBuilder {
    Server::builder().trust_forwarded_headers(true)
}

#[test]
fn an_address_above_its_rate_gets_a_retry_after() {
    for version in Version::ALL {
        let server = Loopback::echo(Server::builder().handshakes_per_address(3, HOUR));
        let head = Head::of(version);
        for _ in 0..3 {
            Peer::on(dial(server.address), version, &head.bytes()).leave();
        }
        for _ in 0..2 {
            let answer = refused_to(dial(server.address), &head);
            assert_eq!(answer.status(), 429, "{version}");
            let wait: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
            assert!((1100..=1200).contains(&wait), "{version}: {wait}");
            assert!(!answer.body.is_empty(), "{version}");
        }
        let other = dial_from(server.address, home(1), None);
        Peer::on(other, version, &head.bytes()).expect_echo("hello");
        becomes(&[("too many handshakes", 2)].into(), || {
            server.handle.counters().rejected
        });
    }
}

#[test]
fn after_a_while_new_handshakes_are_accepted() {
    let time = Duration::from_millis(200);
    let server = Loopback::echo(Server::builder().handshakes_per_address(2, time));
    let mut rejected = 0;
    for _ in 0..6 {
        eventually("being let in", || {
            let mut stream = dial(server.address);
            stream
                .write_all(&Head::of(Version::Rfc6455).bytes())
                .unwrap_or_default();
            let mut status = [0; 12];
            std::io::Read::read_exact(&mut stream, &mut status).unwrap();
            match &status {
                b"HTTP/1.1 101" => Some(()),
                b"HTTP/1.1 429" => {
                    rejected += 1;
                    None
                }
                other => panic!("{}", other.escape_ascii()),
            }
        });
    }
    assert!(rejected > 0, "six came in the time of two");
}

#[test]
fn pages_count_as_handshakes() {
    let builder = Server::builder()
        .handshakes_per_address(2, HOUR)
        .on_request(|_| Response::text("fine\n").into());
    let server = Loopback::echo(builder);
    let page = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    let statuses = [200, 200, 429].map(|_| ask(server.address, page).status());
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn behind_a_proxy_the_forwarded_address_counts() {
    let server = Loopback::echo(behind_a_proxy().max_clients_per_address(Some(1)));
    for version in Version::ALL {
        let from = |addresses: &str| Head::of(version).with(FORWARDED, addresses);
        let mut first = Peer::open_with(server.address, version, &from("6.6.6.6, 192.0.2.1"));
        // Addresses that the client has put before the proxy's own change nothing.
        for claimed in ["192.0.2.1", "7.7.7.7, 192.0.2.1", "8.8.8.8,192.0.2.1:4711"] {
            let answer = refused_to(dial(server.address), &from(claimed));
            assert_eq!(answer.status(), 503, "{version}: {claimed}");
            assert_eq!(answer.header("Retry-After"), Some("10"));
        }
        let twice = from("192.0.2.9").with(FORWARDED, "192.0.2.1");
        assert_eq!(refused_to(dial(server.address), &twice).status(), 503);
        let mut other = Peer::open_with(server.address, version, &from("192.0.2.1, 192.0.2.2"));
        // A client that is not named counts as the proxy itself.
        let mut proxy = Peer::open_with(server.address, version, &from("unknown"));
        let plain = Head::of(version);
        assert_eq!(refused_to(dial(server.address), &plain).status(), 503);
        first.leave();
        becomes(&2, || server.handle.counters().connections);
        let mut again = Peer::open_with(server.address, version, &from("192.0.2.1"));
        for peer in [&mut other, &mut proxy, &mut again] {
            peer.leave();
        }
        server.wait_until_empty();
    }
    let rejected = server.handle.counters().rejected;
    assert_eq!(rejected, [("address full", 25)].into());
}

#[test]
fn behind_a_proxy_handshakes_are_counted_too() {
    let server = Loopback::echo(behind_a_proxy().handshakes_per_address(1, HOUR));
    for (number, version) in Version::ALL.into_iter().enumerate() {
        // Of IPv6 the first 64 bits are one address.
        let from = |last: &str| {
            let address = format!("2001:db8:0:{number}::{last}");
            Head::of(version).with(FORWARDED, address)
        };
        Peer::open_with(server.address, version, &from("1")).expect_echo("hello");
        let answer = refused_to(dial(server.address), &from("2"));
        assert_eq!(answer.status(), 429, "{version}");
        assert!(answer.header("Retry-After").is_some(), "{version}");
    }
    let rejected = server.handle.counters().rejected;
    assert_eq!(rejected, [("too many handshakes", 5)].into());
}

#[test]
fn an_untrusted_header_changes_nothing() {
    let server = Loopback::echo(Server::builder().max_clients_per_address(Some(1)));
    let mut first = server.open(Version::Draft76);
    for version in Version::ALL {
        let head = Head::of(version).with(FORWARDED, "192.0.2.1");
        assert_eq!(refused_to(dial(server.address), &head).status(), 503);
    }
    first.expect_echo("hello");
}

#[test]
fn an_address_above_its_rate_cannot_flood_the_log() {
    keep_logbook();
    let mut server = Loopback::echo(Server::builder().handshakes_per_address(1, HOUR));
    for _ in 0..1 + 20 + 141 {
        let stream = dial_from(server.address, home(2), None);
        drop(stream);
    }
    becomes(&Some(161), || {
        let rejected = server.handle.counters().rejected;
        rejected.get("too many handshakes").copied()
    });
    server.handle.shutdown(Duration::ZERO);
    server.join();
    let lines = logged(&["127.0.81.2:", "turned away with 429"]);
    assert_eq!(lines.len(), 20);
    let sum = "connections rejected: … and 141 more like it in the last ";
    assert_eq!(logged(&[sum]).len(), 1);
}

/// A request that is accepted, and requests that break one rule each, with the status of the response.
fn of_each_kind(version: Version, address: &str) -> [(u16, Head); 6] {
    let origin = match version {
        Version::Hybi07 | Version::Hybi08 => "Sec-WebSocket-Origin",
        _ => "Origin",
    };
    let good = || {
        let head = Head::of(version).with(FORWARDED, address);
        head.set("Host", "localhost").set(origin, "https://a.b")
    };
    [
        (101, good()),
        (421, good().set("Host", "elsewhere.example")),
        (403, good().set(origin, "https://evil.example")),
        (400, good().line("GET relative HTTP/1.1")),
        (400, good().set("Upgrade", "smtp")),
        (405, good().line("POST / HTTP/1.1")),
    ]
}

#[test]
fn behind_a_proxy_a_request_counts_also_where_it_is_refused() {
    let builder = || {
        let builder = behind_a_proxy().handshakes_per_address(2, HOUR);
        let builder = builder.allowed_hosts(["localhost"]).unwrap();
        builder.allowed_origins(["https://a.b"]).unwrap()
    };
    for version in Version::ALL {
        let server = Loopback::echo(builder());
        for kind in 0..6 {
            let address = format!("192.0.2.{kind}");
            let heads = of_each_kind(version, &address);
            let (expected, head) = &heads[kind];
            for _ in 0..2 {
                let mut stream = dial(server.address);
                stream.write_all(&head.bytes()).unwrap();
                assert_eq!(status_of(&mut stream), *expected, "{version}");
            }
            // A request of any kind is one too many; and so is a good one.
            for head in [head, &heads[0].1] {
                let answer = refused_to(dial(server.address), head);
                assert_eq!(answer.status(), 429, "{version} after {expected}");
            }
        }
        let [(_, other), ..] = of_each_kind(version, "198.51.100.1");
        Peer::on(dial(server.address), version, &other.bytes()).expect_echo("hello");
    }
}

fn status_of(stream: &mut TcpStream) -> u16 {
    let mut start = [0; 12];
    std::io::Read::read_exact(stream, &mut start).unwrap();
    std::str::from_utf8(&start[9..]).unwrap().parse().unwrap()
}

/// It names no address; and were it the proxy's, one who sends such things could shut out all others
/// whose address is unknown.
#[test]
fn behind_a_proxy_what_is_no_request_counts_for_nobody() {
    let server = Loopback::echo(behind_a_proxy().handshakes_per_address(1, HOUR));
    for junk in [
        &b"GET / HTTP/1.1\r\nX-Forwarded-For : 192.0.2.1\r\n\r\n"[..],
        b"\x16\x03\x01\r\n\r\n",
        b"nonsense\r\n\r\n",
    ] {
        for _ in 0..3 {
            assert_eq!(ask(server.address, junk).status(), 400);
        }
    }
    let head = Head::of(Version::Rfc6455);
    Peer::on(dial(server.address), Version::Rfc6455, &head.bytes()).expect_echo("hello");
    assert_eq!(refused_to(dial(server.address), &head).status(), 429);
}

#[test]
fn so_many_handshakes_ever_is_a_limit() {
    for version in Version::ALL {
        let builder = Server::builder().handshakes_per_address(1, Duration::MAX);
        let server = Loopback::echo(builder);
        let head = Head::of(version);
        Peer::on(dial(server.address), version, &head.bytes()).expect_echo("hello");
        for _ in 0..2 {
            assert_eq!(refused_to(dial(server.address), &head).status(), 429);
        }
        let other = dial_from(server.address, home(3), None);
        Peer::on(other, version, &head.bytes()).expect_echo("hello");
    }
}

/// Bans by address compare what they have noted with what they see.
#[test]
fn an_address_looks_the_same_whichever_way_it_was_written() {
    let server = Loopback::run(behind_a_proxy(), |client| {
        let (own, forwarded) = (client.addr(), client.request().forwarded_for());
        assert_eq!(own, forwarded);
        client.send(own.map(|own| own.to_string()).unwrap_or_default())?;
        Ok(())
    });
    for version in Version::ALL {
        for (written, expected) in [
            ("9.9.9.9", "9.9.9.9"),
            ("::ffff:9.9.9.9", "9.9.9.9"),
            ("::FFFF:909:909", "9.9.9.9"),
            ("[::ffff:9.9.9.9]:4711", "9.9.9.9"),
            ("[::ffff:9.9.9.9]", "9.9.9.9"),
            ("6.6.6.6, ::ffff:9.9.9.9", "9.9.9.9"),
            ("2001:DB8::1", "2001:db8::1"),
        ] {
            let head = Head::of(version).with(FORWARDED, written);
            let mut peer = Peer::on(dial(server.address), version, &head.bytes());
            peer.expect_text(expected);
        }
    }
}
