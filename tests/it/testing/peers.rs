//! The peers that behave badly.

use std::io::ErrorKind;

use stentor::protocol::Event;
use stentor::testing::TestServer;
use stentor::{DisconnectReason, Server, SlowClient, Version};

use super::{SECOND, echo, expect_disconnect, in_no_time};
use crate::support::Head;

#[test]
fn a_peer_that_stalls_is_evicted_by_the_policy() {
    for version in Version::ALL {
        let builder = Server::builder().send_queue_limit(10_000);
        let server = TestServer::new(builder, echo).unwrap();
        let mut peer = server.peer(version).unwrap();
        peer.stall();
        // Far fewer bytes than a socket usually takes.
        for _ in 0..10 {
            server.handle().broadcast("x".repeat(2_000));
            server.settle();
        }
        expect_disconnect(&server, DisconnectReason::Evicted);
        assert_eq!(server.handle().counters().evicted, 1, "{version}");
    }
}

#[test]
fn a_peer_that_stalls_misses_what_the_policy_drops() {
    for version in Version::ALL {
        let builder = Server::builder().slow_client(SlowClient::DropOldest);
        let server = TestServer::new(builder.send_queue_limit(10_000), echo).unwrap();
        let mut peer = server.peer(version).unwrap();
        peer.stall();
        for number in 0..20 {
            server.handle().broadcast(format!("{number:02000}"));
            server.settle();
        }
        let dropped = server.handle().counters().dropped;
        assert!(dropped > 10, "{version}: {dropped}");
        peer.resume();
        let mut received = Vec::new();
        loop {
            let Some(Event::Message(message)) = peer.recv().unwrap() else {
                panic!("no message");
            };
            received.push(message.as_text().unwrap().parse::<u64>().unwrap());
            if received.last() == Some(&19) {
                break;
            }
        }
        assert_eq!(received.len() as u64, 20 - dropped, "{version}");
        assert_eq!(received[0], 0, "{version}");
    }
}

#[test]
fn a_peer_that_stalls_cannot_read_but_send() {
    let server = TestServer::new(Server::builder(), echo).unwrap();
    let mut peer = server.peer(Version::Rfc6455).unwrap();
    peer.stall();
    peer.send("hello").unwrap();
    assert_eq!(peer.recv().unwrap_err().kind(), ErrorKind::InvalidInput);
    let read = peer.read_to_end().unwrap_err();
    assert!(read.to_string().contains("`resume`"), "{read}");
    peer.resume();
    assert_eq!(peer.recv().unwrap(), Some(Event::Message("hello".into())));
}

#[test]
fn a_peer_that_drips_its_message_is_disconnected() {
    in_no_time(|| {
        for version in Version::ALL {
            let builder = Server::builder().min_message_rate(10, 5 * SECOND);
            let server = TestServer::new(builder, echo).unwrap();
            let mut peer = server.peer(version).unwrap();
            let frame = peer.frame("x".repeat(100)).unwrap();
            let written = peer.drip(&frame, SECOND).unwrap();
            assert!((5..20).contains(&written), "{version}: {written}");
            expect_disconnect(&server, DisconnectReason::UnfinishedMessage);
        }
    });
}

/// Without a minimum rate, only silence counts.
#[test]
fn a_message_that_drips_without_a_minimum_rate_arrives() {
    in_no_time(|| {
        for version in Version::ALL {
            let server = TestServer::new(Server::builder(), echo).unwrap();
            let mut peer = server.peer(version).unwrap();
            let frame = peer.frame("hello").unwrap();
            assert_eq!(peer.drip(&frame, 30 * SECOND).unwrap(), frame.len());
            assert_eq!(next_message(&mut peer), Some("hello".into()), "{version}");
            assert_eq!(peer.drip(&frame[..3], 41 * SECOND).unwrap(), 1);
            expect_disconnect(&server, DisconnectReason::UnfinishedMessage);
        }
    });
}

#[test]
fn a_peer_that_drips_its_request_gets_408() {
    in_no_time(|| {
        for version in Version::ALL {
            let server = TestServer::new(Server::builder(), echo).unwrap();
            let mut peer = server.peer_before_handshake().unwrap();
            let request = Head::of(version).bytes();
            let written = peer.drip(&request, SECOND).unwrap();
            assert!((9..=11).contains(&written), "{version}: {written}");
            let response = peer.read_to_end().unwrap();
            assert!(response.starts_with(b"HTTP/1.1 408 "), "{response:?}");
        }
    });
}

#[test]
fn a_peer_that_vanishes_is_disconnected() {
    in_no_time(|| {
        for version in Version::ALL {
            let builder = Server::builder().idle_timeout(Some(100 * SECOND));
            let server = TestServer::new(builder, |client| {
                client.send("welcome")?;
                echo(client)
            });
            let server = server.unwrap();
            let mut peer = server.peer(version).unwrap();
            peer.vanish();
            server.clock().advance(40 * SECOND);
            if !version.has_ping() {
                assert_eq!(server.handle().clients().len(), 1, "{version}");
                server.clock().advance(60 * SECOND);
                expect_disconnect(&server, DisconnectReason::IdleTimeout);
            } else {
                expect_disconnect(&server, DisconnectReason::PongTimeout);
            }
            for error in [peer.write(b"x").err(), peer.recv().err()] {
                assert_eq!(error.unwrap().kind(), ErrorKind::InvalidInput);
            }
        }
    });
}

/// What it has not taken is before the ping: it has the write timeout in addition.
#[test]
fn a_peer_that_vanishes_with_unread_messages_has_the_write_timeout_in_addition() {
    in_no_time(|| {
        let server = TestServer::new(Server::builder(), echo).unwrap();
        let mut peer = server.peer(Version::Rfc6455).unwrap();
        peer.vanish();
        for _ in 0..3 {
            server.handle().broadcast("news");
        }
        server.clock().advance(39 * SECOND);
        assert_eq!(server.handle().clients().len(), 1);
        server.clock().advance(12 * SECOND);
        expect_disconnect(&server, DisconnectReason::PongTimeout);
    });
}

#[test]
fn a_peer_that_is_dropped_ends_its_stream() {
    for version in Version::ALL {
        let server = TestServer::new(Server::builder(), echo).unwrap();
        drop(server.peer(version).unwrap());
        let report = server.next_report().unwrap();
        assert_eq!(report.disconnect_reason, None, "{version}");
        assert!(
            matches!(report.closed.code.get(), 1005 | 1006),
            "{report:?}"
        );
    }
}

#[test]
fn a_peer_writes_frames_that_are_not_valid() {
    let server = TestServer::new(Server::builder(), echo).unwrap();
    let mut peer = server.peer(Version::Rfc6455).unwrap();
    // Not masked.
    peer.write(b"\x81\x05hello").unwrap();
    let Some(Event::Closed(closed)) = peer.recv().unwrap() else {
        panic!("no close frame");
    };
    assert_eq!(closed.code.get(), 1002);
    peer.end_stream();
    assert!(
        server
            .next_report()
            .unwrap()
            .closed
            .protocol_error
            .is_some()
    );
}

#[test]
fn a_message_that_the_version_cannot_carry_is_an_error() {
    let server = TestServer::new(Server::builder(), echo).unwrap();
    let mut peer = server.peer(Version::Draft76).unwrap();
    let error = peer.send(vec![1, 2, 3]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let mut early = server.peer_before_handshake().unwrap();
    for error in [early.send("early").err(), early.recv().err()] {
        assert_eq!(error.unwrap().kind(), ErrorKind::InvalidInput);
    }
}

fn next_message(peer: &mut stentor::testing::RawPeer) -> Option<stentor::Message> {
    loop {
        match peer.recv().unwrap()? {
            Event::Message(message) => return Some(message),
            Event::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
