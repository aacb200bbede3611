//! Each timeout that the clock moves: none ends before its time, each ends at it.

use std::io::ErrorKind;
use std::time::Duration;

use stentor::protocol::Event;
use stentor::testing::TestServer;
use stentor::{DisconnectReason, RateLimit, Server, Version};

use super::{SECOND, echo, expect_disconnect, in_no_time, message};

/// Sets the clock forward to just before the time, and then to the time; `real` time passes too.
const REAL: Duration = Duration::from_secs(4);

#[test]
fn handshake_timeout() {
    in_no_time(|| {
        let builder = Server::builder().handshake_timeout(60 * SECOND);
        let server = TestServer::new(builder, echo).unwrap();
        let mut peer = server.peer_before_handshake().unwrap();
        peer.write(b"GET / HTTP/1.1\r\n").unwrap();
        server.clock().advance(60 * SECOND - REAL);
        assert_eq!(server.handle().counters().rejected.values().sum::<u64>(), 0);
        server.clock().advance(REAL);
        let response = peer.read_to_end().unwrap();
        assert!(response.starts_with(b"HTTP/1.1 408 "), "{response:?}");
    });
}

#[test]
fn ping_interval_and_pong_timeout() {
    in_no_time(|| {
        for version in Version::ALL.into_iter().filter(|one| one.has_ping()) {
            let builder = Server::builder().ping_interval(Some(30 * SECOND));
            let builder = builder.pong_timeout(50 * SECOND);
            let server = TestServer::new(builder, echo).unwrap();
            let mut peer = server.peer(version).unwrap();
            server.clock().advance(30 * SECOND);
            assert_eq!(peer.recv().unwrap(), Some(Event::Ping(Vec::new())));
            server.clock().advance(50 * SECOND - REAL);
            assert_eq!(server.handle().clients().len(), 1, "{version}");
            server.clock().advance(REAL);
            let lasted = expect_disconnect(&server, DisconnectReason::PongTimeout);
            assert!(lasted >= 80 * SECOND, "{lasted:?}");
            assert!(lasted < 90 * SECOND, "{lasted:?}");
        }
    });
}

#[test]
fn idle_timeout() {
    in_no_time(|| {
        for version in Version::ALL {
            let builder = Server::builder().ping_interval(None);
            let builder = builder.idle_timeout(Some(60 * SECOND));
            let server = TestServer::new(builder, echo).unwrap();
            let _peer = server.peer(version).unwrap();
            server.clock().advance(60 * SECOND - REAL);
            assert_eq!(server.handle().clients().len(), 1, "{version}");
            server.clock().advance(REAL);
            expect_disconnect(&server, DisconnectReason::IdleTimeout);
        }
    });
}

/// The handler's own thread waits for room, and the watchdog watches a broadcast.
#[test]
fn write_timeout() {
    in_no_time(|| {
        for own in [true, false] {
            let builder = Server::builder().write_timeout(60 * SECOND);
            let builder = builder.send_queue_limit(1024);
            let server = TestServer::new(builder, move |client| {
                client.recv()?;
                match own {
                    true => client.send("x".repeat(100_000))?,
                    false => client.server().broadcast("x".repeat(100_000)),
                }
                echo(client)
            });
            let server = server.unwrap();
            let mut peer = server.peer(Version::Rfc6455).unwrap();
            peer.stall();
            peer.send("go").unwrap();
            server.clock().advance(60 * SECOND - REAL);
            assert_eq!(server.handle().clients().len(), 1, "{own}");
            server.clock().advance(REAL);
            expect_disconnect(&server, DisconnectReason::WriteTimeout);
        }
    });
}

#[test]
fn close_timeout() {
    in_no_time(|| {
        let builder = Server::builder().close_timeout(60 * SECOND);
        let server = TestServer::new(builder, |client| {
            client.recv()?;
            Ok(())
        });
        let server = server.unwrap();
        let mut peer = server.peer(Version::Rfc6455).unwrap();
        peer.send("go").unwrap();
        server.clock().advance(60 * SECOND - REAL);
        let Some(Event::Closed(closed)) = peer.recv().unwrap() else {
            panic!("no close frame");
        };
        assert_eq!(closed.code.get(), 1000);
        server.clock().advance(REAL);
        let lasted = expect_disconnect(&server, DisconnectReason::CloseTimeout);
        assert!(lasted >= 60 * SECOND, "{lasted:?}");
    });
}

#[test]
fn minimum_rate_of_a_message() {
    in_no_time(|| {
        let builder = Server::builder().min_message_rate(1, 60 * SECOND);
        let server = TestServer::new(builder, echo).unwrap();
        let mut peer = server.peer(Version::Rfc6455).unwrap();
        let frame = peer.frame("x".repeat(120)).unwrap();
        // The header has no share of the rate: 60 s are over after the sixth byte, or the seventh.
        let written = peer.drip(&frame, 10 * SECOND).unwrap();
        assert!((6..=7).contains(&written), "{written}");
        expect_disconnect(&server, DisconnectReason::UnfinishedMessage);
    });
}

#[test]
fn timeout_of_a_shutdown() {
    in_no_time(|| {
        let builder = Server::builder().close_timeout(super::HOUR);
        let server = TestServer::new(builder, echo).unwrap();
        let _peer = server.peer(Version::Rfc6455).unwrap();
        server.handle().shutdown(60 * SECOND);
        server.clock().advance(60 * SECOND - REAL);
        assert_eq!(server.handle().counters().closes.len(), 0);
        server.clock().advance(REAL);
        expect_disconnect(&server, DisconnectReason::ShutdownTimeout);
    });
}

/// The tokens return, and a throttled client continues.
#[test]
fn rate_limit() {
    in_no_time(|| {
        let rate = RateLimit::per_second().messages(1).burst(30 * SECOND);
        let server = TestServer::new(Server::builder().rate_limit(rate), echo).unwrap();
        let mut peer = server.peer(Version::Rfc6455).unwrap();
        for number in 0..90 {
            peer.send(format!("{number}")).unwrap();
        }
        for number in 0..30 {
            let expected = Event::Message(format!("{number}").into());
            assert_eq!(peer.recv().unwrap(), Some(expected));
        }
        assert_eq!(server.handle().counters().throttled, 1);
        server.clock().advance(60 * SECOND);
        let mut received = 30;
        while received < 90 {
            match peer.recv() {
                Ok(Some(Event::Message(_))) => received += 1,
                Ok(Some(Event::Ping(_))) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("{received}"),
                other => panic!("{other:?}"),
            }
        }
    });
}

/// The rest of the echo in the room of another client is not held up.
#[test]
fn a_stalled_peer_holds_up_no_other_client() {
    in_no_time(|| {
        let server = TestServer::new(Server::builder(), echo).unwrap();
        let mut peer = server.peer(Version::Rfc6455).unwrap();
        peer.stall();
        peer.send("x".repeat(100_000)).unwrap();
        let mut socket = server.connect().unwrap();
        socket.send("hello").unwrap();
        assert_eq!(message(&mut socket), "hello".into());
        server.clock().advance(10 * SECOND);
        expect_disconnect(&server, DisconnectReason::WriteTimeout);
        socket.send("hello").unwrap();
        assert_eq!(message(&mut socket), "hello".into());
    });
}
