//! The clock moves one server, and its time passes as real time would.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use stentor::protocol::Event;
use stentor::testing::TestServer;
use stentor::{Connector, DisconnectReason, Received, Server, Version};

use super::{HOUR, SECOND, echo, expect_disconnect, in_no_time, message};
use crate::support::{Loopback, Peer, eventually};

/// Neither another server of the kit, nor an ordinary one.
#[test]
fn the_clock_of_one_server_moves_no_other() {
    in_no_time(|| {
        let idle = || Server::builder().idle_timeout(Some(60 * SECOND));
        let moved = TestServer::new(idle(), echo).unwrap();
        let other = TestServer::new(idle(), echo).unwrap();
        let ordinary = Loopback::run(idle(), echo);
        let mut clients = [moved.connect().unwrap(), other.connect().unwrap()];
        let mut peer = Peer::open(ordinary.address, Version::Rfc6455);
        moved.clock().advance(HOUR);
        let lasted = expect_disconnect(&moved, DisconnectReason::PongTimeout);
        assert!(lasted >= 40 * SECOND, "{lasted:?}");
        clients[1].send("still here").unwrap();
        assert_eq!(message(&mut clients[1]), "still here".into());
        peer.expect_echo("still here");
        assert_eq!(other.handle().clients().len(), 1);
    });
}

/// It answers each ping in time, although an hour passes at once.
#[test]
fn a_client_that_waits_in_recv_survives_an_hour() {
    for version in Version::ALL {
        in_no_time(|| {
            let builder = Server::builder().idle_timeout(Some(50 * SECOND));
            let server = TestServer::new(builder, echo).unwrap();
            let connector = Connector::new().version(version);
            let socket = server.connect_with(&connector, "ws://localhost/");
            let (mut socket, pings) = (socket.unwrap(), Arc::new(AtomicUsize::new(0)));
            let counted = Arc::clone(&pings);
            let waiting = thread::spawn(move || {
                while let Ok(Some(event)) = socket.recv_event() {
                    counted.fetch_add(usize::from(matches!(event, Event::Ping(_))), SeqCst);
                }
            });
            server.clock().advance(40 * SECOND);
            // The thread may not have been in `recv` before.
            eventually("a ping or none", || {
                (!version.has_ping() || pings.load(SeqCst) > 0).then_some(())
            });
            server.clock().advance(HOUR);
            let reports = server.shutdown();
            match version.has_ping() {
                true => {
                    assert_eq!(reports[0].disconnect_reason, None, "{version}");
                    assert!((100..=181).contains(&pings.load(SeqCst)), "{pings:?}");
                }
                false => {
                    let idle = Some(DisconnectReason::IdleTimeout);
                    assert_eq!(reports[0].disconnect_reason, idle, "{version}");
                }
            }
            waiting.join().unwrap();
        });
    }
}

/// The handler receives a tick for each of its waits, although all of them are over at once.
#[test]
fn each_recv_timeout_of_a_handler_ends_in_its_turn() {
    in_no_time(|| {
        let builder = Server::builder().ping_interval(None);
        let server = TestServer::new(builder, |client| {
            let mut ticks = 0;
            loop {
                match client.recv_timeout(100 * SECOND)? {
                    Received::Nothing => ticks += 1,
                    Received::Message(_) => client.send(format!("{ticks}"))?,
                    Received::Closed => return Ok(()),
                }
            }
        });
        let server = server.unwrap();
        let mut socket = server.connect().unwrap();
        let mut ticks = |by| {
            server.clock().advance(by);
            socket.send("how many").unwrap();
            let ticks = message(&mut socket);
            ticks.as_text().unwrap().parse::<u32>().unwrap()
        };
        assert_eq!(ticks(80 * SECOND), 0);
        // The message has ended a wait: each wait is 100 s from the last message or tick.
        assert_eq!(ticks(80 * SECOND), 0);
        assert_eq!(ticks(1050 * SECOND), 10);
    });
}

/// A byte that has been sent has been read before the time moves: it counts as sent before.
#[test]
fn what_was_sent_before_an_advance_counts_as_earlier() {
    in_no_time(|| {
        for version in Version::ALL {
            let builder = Server::builder().ping_interval(None);
            let builder = builder.idle_timeout(Some(60 * SECOND));
            let server = TestServer::new(builder, echo).unwrap();
            let mut peer = server.peer(version).unwrap();
            for number in 0..20 {
                peer.send(format!("{number}")).unwrap();
                let echo = Event::Message(format!("{number}").into());
                assert_eq!(peer.recv().unwrap(), Some(echo), "{version}");
                // Two of these without a message between them would be too long. Real time passes as well.
                server.clock().advance(40 * SECOND);
            }
            assert_eq!(server.handle().clients().len(), 1, "{version}");
            server.clock().advance(20 * SECOND);
            expect_disconnect(&server, DisconnectReason::IdleTimeout);
        }
    });
}

#[test]
fn a_busy_handler_is_not_the_clients_fault() {
    in_no_time(|| {
        let (release, released) = std::sync::mpsc::channel();
        let released = std::sync::Mutex::new(released);
        let builder = Server::builder().idle_timeout(Some(30 * SECOND));
        let server = TestServer::new(builder, move |client| {
            client.send("busy")?;
            released.lock().unwrap().recv()?;
            echo(client)
        });
        let server = server.unwrap();
        let mut socket = server.connect().unwrap();
        assert_eq!(message(&mut socket), "busy".into());
        server.clock().advance(HOUR);
        release.send(()).unwrap();
        socket.send("still here").unwrap();
        assert_eq!(message(&mut socket), "still here".into());
        server.clock().advance(30 * SECOND);
        expect_disconnect(&server, DisconnectReason::IdleTimeout);
    });
}

#[test]
fn a_clock_outlives_its_server() {
    let server = TestServer::new(Server::builder(), echo).unwrap();
    let clock = server.clock();
    drop(server);
    in_no_time(|| clock.advance(HOUR));
}
