//! Conversations over TLS: the same as without, in every version, and together with plain ones.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::ProtocolVersion;
use stentor::protocol::version::Closing;
use stentor::{Received, Version};

use crate::support::{
    Head, Heard, Identity, Loopback, PATIENCE, Peer, Secure, becomes, close_frame, dial, echo,
    secure, secure_as, text,
};

use super::{open, open_on, over_tls};

fn open_directly(server: &Loopback, version: Version) -> Secure {
    open_on(dial(server.address), version)
}

#[test]
fn every_version_talks_over_tls_as_without() {
    let server = Loopback::echo(over_tls());
    let sizes = [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_536, 1_000_000];
    for version in Version::ALL {
        let mut peer = open(&server, version);
        for size in sizes {
            peer.expect_echo(&"x".repeat(size));
        }
        peer.leave();
    }
    let counters = server.wait_until_empty();
    assert_eq!(counters.opened.values().sum::<u64>(), 5);
    assert!(counters.disconnected.is_empty());
    assert_eq!(counters.closes.get(&1006), None);
}

#[test]
fn many_messages_that_come_at_once_are_all_answered_in_order() {
    let server = Loopback::echo(over_tls());
    for version in Version::ALL {
        let mut peer = open(&server, version);
        let words: Vec<String> = (0..2000)
            .map(|number| format!("message {number}"))
            .collect();
        let burst: Vec<u8> = words
            .iter()
            .flat_map(|words| text(version, words))
            .collect();
        peer.write(&burst);
        assert_eq!(peer.hear_texts(words.len()), words);
        peer.leave();
    }
}

#[test]
fn clients_with_and_without_tls_are_in_one_room() {
    let builder = over_tls().listen("127.0.0.1:0");
    let server = builder.listen_plain("127.0.0.1:0").build().unwrap();
    let plain = match server.endpoints().unwrap()[1] {
        stentor::server::Endpoint::Net(address) => address,
        ref other => panic!("{other}"),
    };
    let server = Loopback::start(server, echo);
    let mut peers: Vec<Peer> = Version::ALL
        .into_iter()
        .flat_map(|version| [open(&server, version), Peer::open(plain, version)])
        .collect();
    becomes(&10, || server.handle.count());
    server.handle.broadcast("to all");
    for peer in &mut peers {
        peer.expect_text("to all");
    }
    // And the other port's clients see the right scheme for their connection.
    for (peer, scheme) in peers.iter().zip(["wss", "ws"].into_iter().cycle()) {
        let location = peer.answer.header("WebSocket-Location");
        let location = location.or(peer.answer.header("Sec-WebSocket-Location"));
        if let Some(location) = location {
            assert_eq!(
                location,
                format!("{scheme}://example.com/demo"),
                "{}",
                peer.version
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_beside_tls_stays_plain() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let acceptor = over_tls().acceptor().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| acceptor.serve(theirs, echo).unwrap());
        let mut ours = ours;
        ours.write_all(&Head::of(Version::Rfc6455).bytes()).unwrap();
        let mut answer = [0; 12];
        ours.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        drop(ours);
    });
}

#[test]
fn the_servers_own_origin_is_https() {
    let server = Loopback::echo(over_tls().same_origin());
    for version in Version::ALL {
        let field = match version {
            Version::Hybi07 | Version::Hybi08 => "Sec-WebSocket-Origin",
            _ => "Origin",
        };
        let from = |origin: &str| {
            let head = Head::of(version).without(field).with(field, origin);
            let mut stream = secure(dial(server.address));
            stream.write_all(&head.bytes()).unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).unwrap();
            status
        };
        assert_eq!(&from("https://example.com"), b"HTTP/1.1 101", "{version}");
        assert_eq!(&from("http://example.com"), b"HTTP/1.1 403", "{version}");
    }
}

/// Reads to the end, which is announced, or cut short.
fn read_to_end(stream: &mut Secure) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.kind()),
    }
}

#[test]
fn the_servers_end_is_announced_in_every_version() {
    let server = Loopback::echo(over_tls());
    for version in Version::ALL {
        let mut stream = open_directly(&server, version);
        match version.closing() {
            Closing::CloseTcp => stream.conn.send_close_notify(),
            Closing::Marker => stream.write_all(&[0xff, 0x00]).unwrap(),
            Closing::Frame => stream.write_all(&close_frame(1000, b"")).unwrap(),
        }
        stream.flush().unwrap();
        let bytes = read_to_end(&mut stream);
        assert!(bytes.is_ok(), "{version}: {bytes:?}");
    }
    // A response's end too.
    let mut stream = secure(dial(server.address));
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
        .unwrap();
    let bytes = read_to_end(&mut stream).unwrap();
    assert!(
        bytes.starts_with(b"HTTP/1.1 400"),
        "{}",
        bytes.escape_ascii()
    );
}

#[test]
fn a_stream_that_may_have_been_truncated_is_not_a_clean_end() {
    let (update, told) = crossbeam_channel::unbounded();
    let server = Loopback::echo(over_tls().on_close(move |report| {
        let _ = update.send(report.closed.clean);
    }));
    // Draft-75 has no close except the end of the stream.
    let mut announced = open_directly(&server, Version::Draft75);
    announced.conn.send_close_notify();
    announced.flush().unwrap();
    announced.sock.shutdown(Shutdown::Write).unwrap();
    assert!(told.recv_timeout(PATIENCE).unwrap());
    let cut = open_directly(&server, Version::Draft75);
    cut.sock.shutdown(Shutdown::Write).unwrap();
    assert!(!told.recv_timeout(PATIENCE).unwrap());
}

/// Returns the bytes that the client has encrypted and not sent.
fn record(stream: &mut Secure, bytes: &[u8]) -> Vec<u8> {
    stream.conn.writer().write_all(bytes).unwrap();
    let mut record = Vec::new();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut record).unwrap();
    }
    record
}

#[test]
fn half_a_record_is_not_waited_for_beyond_the_timeout_and_not_lost() {
    let server = Loopback::run(over_tls(), |client| {
        loop {
            match client.recv_timeout(Duration::from_millis(20))? {
                Received::Message(message) => client.send(message)?,
                Received::Nothing => client.send("nothing")?,
                Received::Closed => return Ok(()),
            }
        }
    });
    let mut stream = open_directly(&server, Version::Rfc6455);
    let record = record(&mut stream, &text(Version::Rfc6455, "whole"));
    let hear = |stream: &mut Secure| {
        let mut frame = [0; 2];
        stream.read_exact(&mut frame).unwrap();
        let mut payload = vec![0; frame[1].into()];
        stream.read_exact(&mut payload).unwrap();
        String::from_utf8(payload).unwrap()
    };
    // With its last byte it is complete.
    let (last, rest) = record.split_last().unwrap();
    for (index, byte) in rest.iter().enumerate() {
        stream.sock.write_all(&[*byte]).unwrap();
        // Only a few at a time: the handler's loop runs in between.
        if index % 16 == 0 {
            assert_eq!(hear(&mut stream), "nothing");
        }
    }
    stream.sock.write_all(&[*last]).unwrap();
    while hear(&mut stream) != "whole" {}
}

#[test]
fn decrypted_messages_are_found_although_the_socket_is_silent() {
    let server = Loopback::run(over_tls(), |client| {
        // One read brings the first two; the third is left for calls that look at the socket.
        while let Received::Message(message) = client.recv_timeout(PATIENCE)? {
            client.send(message)?;
        }
        Ok(())
    });
    let mut peer = open(&server, Version::Rfc6455);
    for round in 1..25 {
        let words: Vec<String> = (0..round).map(|number| "x".repeat(number * 50)).collect();
        let burst: Vec<u8> = words
            .iter()
            .flat_map(|words| text(peer.version, words))
            .collect();
        peer.write(&burst);
        assert_eq!(peer.hear_texts(words.len()), words);
    }
}

#[test]
fn a_client_may_change_its_keys_and_request_new_ones() {
    let server = Loopback::echo(over_tls());
    let mut stream = open_directly(&server, Version::Rfc6455);
    for number in 0..20 {
        stream.conn.refresh_traffic_keys().unwrap();
        let words = format!("after change {number:02}");
        stream.write_all(&text(Version::Rfc6455, &words)).unwrap();
        let mut frame = [0; 17];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!(&frame[2..], words.as_bytes());
    }
}

#[test]
fn both_versions_of_tls_are_spoken_and_http_1_1_is_agreed_on() {
    let server = Loopback::echo(over_tls());
    let versions = [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ];
    for (offered, expected) in versions {
        let mut config = Identity::common().believer_with(&[offered]);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut stream = secure_as(dial(server.address), config);
        stream
            .write_all(&Head::of(Version::Rfc6455).bytes())
            .unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(expected));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}

#[test]
fn a_session_is_resumed_on_reconnection() {
    let server = Loopback::echo(over_tls());
    let config = Arc::new(Identity::common().believer());
    let connect = || {
        let mut stream = secure_as(dial(server.address), rustls::ClientConfig::clone(&config));
        stream
            .write_all(&Head::of(Version::Rfc6455).bytes())
            .unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        stream.conn.handshake_kind()
    };
    assert_eq!(connect(), Some(rustls::HandshakeKind::Full));
    assert_eq!(connect(), Some(rustls::HandshakeKind::Resumed));
}

#[test]
fn a_shutdown_sends_close_frames_over_tls_too() {
    let server = Loopback::echo(over_tls());
    let peers: Vec<Peer> = Version::ALL.map(|version| open(&server, version)).into();
    // A client that is still in its TLS handshake gets an alert.
    let mut late: TcpStream = dial(server.address);
    late.write_all(&[0x16, 0x03, 0x01]).unwrap();
    becomes(&6, || server.handle.counters().connections);
    server.handle.shutdown(Duration::from_secs(5));
    for mut peer in peers {
        peer.answer_goodbye(1001, "the server is going down");
        if peer.version == Version::Draft75 {
            continue;
        }
        assert_eq!(peer.hear(), Heard::End);
    }
    let mut told = Vec::new();
    late.read_to_end(&mut told).unwrap();
    assert_eq!(told, [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50]);
}
