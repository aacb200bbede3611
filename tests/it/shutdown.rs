//! The shutdown of a server: every client gets a close frame, and no client delays it beyond the
//! timeout.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use stentor::{CloseCode, DisconnectReason, Error, Reply, Server, Version};

use crate::support::{
    Head, Heard, Loopback, PATIENCE, Peer, becomes, dial, echo, read_answer, read_end,
};

const REASON: &str = "the server is going down";

/// Asserts that no server accepts at that address any more, or that the connection is closed at
/// once.
fn assert_closed(address: SocketAddr) {
    match TcpStream::connect(address) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
        Ok(mut stream) => {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer);
            let turned_away = answer.is_empty() || answer.starts_with(b"HTTP/1.1 503 ");
            assert!(turned_away, "{read:?}, {}", answer.escape_ascii());
        }
    }
}

#[test]
fn every_version_is_closed_in_its_own_way() {
    let mut server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    let since = Instant::now();
    server.handle.shutdown(PATIENCE);
    assert_closed(server.address);
    for peer in &mut peers {
        peer.answer_goodbye(1001, REASON);
    }
    drop(peers);
    server.join();
    // It has waited for the last of them, and no longer.
    assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
    let counters = server.handle.counters();
    assert_eq!(counters.closes, [(1001, 5)].into());
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn every_version_is_closed_with_the_code_of_the_application() {
    let mut server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    let code = CloseCode::SERVICE_RESTART;
    let shutdown_with = |code, reason| server.handle.shutdown_with(code, reason, PATIENCE);
    shutdown_with(code, "soon back").unwrap();
    for peer in &mut peers {
        peer.answer_goodbye(1012, "soon back");
    }
    drop(peers);
    server.join();
    assert_eq!(server.handle.counters().closes, [(1012, 5)].into());
}

#[test]
fn a_shutdown_with_a_frame_that_may_not_be_sent_is_none() {
    let server = Loopback::echo(Server::builder());
    let mut peer = server.open(Version::Rfc6455);
    let long = "a".repeat(124);
    for (code, reason) in [
        (CloseCode::NO_CODE, ""),
        (CloseCode::TOO_LARGE_BEFORE_13, ""),
        (CloseCode::new(999), ""),
        (CloseCode::NORMAL, long.as_str()),
    ] {
        let result = server.handle.shutdown_with(code, reason, Duration::ZERO);
        assert!(matches!(result, Err(Error::Send(_))), "{result:?}");
    }
    peer.expect_echo("still here");
    server.open(Version::Rfc6455).expect_echo("and open");
}

#[test]
fn a_client_that_enters_during_the_shutdown_is_closed_with_its_code() {
    let (step, steps) = bounded::<()>(0);
    let builder = Server::builder().on_request(move |_| {
        // The request is here; the shutdown has begun.
        steps.recv().unwrap();
        steps.recv().unwrap();
        Reply::accept()
    });
    let mut server = Loopback::echo(builder);
    let address = server.address;
    let peer = thread::spawn(move || {
        let mut peer = Peer::open(address, Version::Rfc6455);
        peer.expect_goodbye(1012, "soon back");
    });
    step.send(()).unwrap();
    let (code, reason) = (CloseCode::SERVICE_RESTART, "soon back");
    let shut_down = server.handle.shutdown_with(code, reason, PATIENCE);
    shut_down.unwrap();
    step.send(()).unwrap();
    peer.join().unwrap();
    server.join();
}

#[test]
fn a_server_without_clients_ends_at_once() {
    let since = Instant::now();
    let mut server = Loopback::echo(Server::builder());
    server.handle.shutdown(Duration::MAX);
    server.join();
    assert!(since.elapsed() < PATIENCE / 2);
    assert_closed(server.address);
}

#[test]
fn a_server_that_is_shut_down_before_it_runs_ends_at_once() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let handle = server.handle();
    handle.shutdown(PATIENCE);
    let mut early = dial(server.local_addr().unwrap());
    let _ = early.write_all(&Head::of(Version::Rfc6455).bytes());
    let since = Instant::now();
    server.run(echo).unwrap();
    assert!(since.elapsed() < PATIENCE / 2);
    assert!(matches!(early.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn a_server_that_never_runs_releases_its_address() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let handle = server.handle();
    drop(server);
    assert_closed(address);
    handle.broadcast("to nobody");
    assert!(handle.room("lobby").members().is_empty());
}

#[test]
fn clients_in_their_handshake_get_503() {
    let mut server = Loopback::echo(Server::builder());
    let mut silent = dial(server.address);
    let mut half = dial(server.address);
    half.write_all(b"GET / HTTP/1.1\r\nHost: exam").unwrap();
    let mut no_key3 = Peer::without_key3(server.address);
    becomes(&3, || server.handle.counters().connections);
    server.handle.shutdown(PATIENCE);
    for stream in [&mut silent, &mut half] {
        let answer = read_answer(stream);
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.body, format!("{REASON}\n").as_bytes());
    }
    // Its 101 is sent: only TCP can be closed.
    assert_eq!(read_end(&mut no_key3.stream), Heard::End);
    drop((silent, half, no_key3));
    server.join();
    let counters = server.handle.counters();
    assert_eq!(counters.rejected, [("shutting down", 2)].into());
}

#[test]
fn clients_that_do_not_answer_are_aborted_after_the_timeout() {
    let limit = Duration::from_millis(200);
    let mut server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    let since = Instant::now();
    server.handle.shutdown(limit);
    server.join();
    let took = since.elapsed();
    assert!(took >= limit && took < Duration::from_secs(3), "{took:?}");
    for peer in &mut peers {
        peer.expect_goodbye(1001, REASON);
        assert!(matches!(peer.hear(), Heard::End | Heard::Reset));
    }
    let counters = server.handle.counters();
    // Draft-75 has only the end of TCP, which need not be answered.
    let cut = counters
        .disconnected
        .get(&DisconnectReason::ShutdownTimeout)
        .copied()
        .unwrap_or_default();
    assert!(cut == 4 || cut == 5, "{counters:?}");
    assert_eq!(counters.connections, 0);
}

#[test]
fn a_timeout_of_zero_is_enough_to_send_close_frames() {
    let mut server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    let since = Instant::now();
    server.handle.shutdown(Duration::ZERO);
    server.join();
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "{:?}",
        since.elapsed()
    );
    for peer in &mut peers {
        peer.expect_goodbye(1001, REASON);
    }
}

#[test]
fn clients_that_do_not_read_are_aborted_too() {
    let mut server = Loopback::run_with_send_buffer(0, Server::builder(), echo);
    let peers = server.open_all();
    for peer in &peers {
        // Far more than the sockets take.
        server.client(peer).send("x".repeat(4_000_000)).unwrap();
    }
    let since = Instant::now();
    server.handle.shutdown(Duration::from_millis(200));
    server.join();
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(
        server.handle.counters().disconnected,
        [(DisconnectReason::ShutdownTimeout, 5)].into()
    );
}

#[test]
fn a_handler_may_shut_its_own_server_down() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let handle = server.handle();
    let mut server = Loopback::start(server, move |client| {
        while let Some(message) = client.recv()? {
            if message.as_text() == Some("shut down") {
                handle.shutdown(PATIENCE);
                // The close frame has been sent to this client, too.
                assert!(matches!(client.send("too late"), Err(Error::Closed)));
            }
        }
        Ok(())
    });
    let mut peers = server.open_all();
    peers[3].say("shut down");
    for peer in &mut peers {
        peer.answer_goodbye(1001, REASON);
    }
    drop(peers);
    server.join();
    assert_eq!(server.handle.counters().failed_handlers, 0);
}

#[test]
fn a_handlers_last_messages_arrive_before_the_close_frame() {
    let mut server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.expect_echo("hello");
    }
    for number in 0..100 {
        server.handle.broadcast(number.to_string());
    }
    // Once the hub has processed that.
    server.handle.room("nobody").members();
    server.handle.shutdown(PATIENCE);
    for peer in &mut peers {
        assert_eq!(peer.hear_texts(100)[99], "99");
        peer.answer_goodbye(1001, REASON);
    }
    drop(peers);
    server.join();
}

#[test]
fn fifty_clients_of_all_versions_all_get_a_close_frame() {
    let mut server = Loopback::echo(Server::builder());
    let versions = Version::ALL.into_iter().cycle().take(50);
    let peers: Vec<Peer> = versions.map(|version| server.open(version)).collect();
    let since = Instant::now();
    server.handle.shutdown(PATIENCE);
    thread::scope(|scope| {
        for mut peer in peers {
            scope.spawn(move || peer.answer_goodbye(1001, REASON));
        }
    });
    server.join();
    assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
    let counters = server.handle.counters();
    assert_eq!(counters.closes, [(1001, 50)].into());
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

/// They connect during the shutdown: each is served, closed, or rejected, and none is left open.
#[test]
fn a_client_that_connects_during_the_shutdown_is_not_left_open() {
    for _ in 0..10 {
        let mut server = Loopback::echo(Server::builder());
        let address = server.address;
        let coming: Vec<_> = Version::ALL
            .map(|version| {
                thread::spawn(move || {
                    while let Ok(mut stream) = TcpStream::connect(address) {
                        stream.set_read_timeout(Some(PATIENCE)).unwrap();
                        let _ = stream.write_all(&Head::of(version).bytes());
                        let mut received = Vec::new();
                        let end = stream.read_to_end(&mut received);
                        let waited = end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
                        assert!(!waited, "{version}: {}", received.escape_ascii());
                    }
                })
            })
            .into();
        becomes(&true, || server.handle.count() >= 5);
        server.handle.shutdown(Duration::from_millis(50));
        server.join();
        for coming in coming {
            coming.join().unwrap();
        }
    }
}

#[test]
fn a_second_shutdown_is_harmless() {
    let mut server = Loopback::echo(Server::builder());
    let mut peer = server.open(Version::Rfc6455);
    server.handle.shutdown(PATIENCE);
    server.handle.shutdown(PATIENCE);
    peer.answer_goodbye(1001, REASON);
    drop(peer);
    server.join();
    server.handle.shutdown(PATIENCE);
}

#[test]
fn handles_may_be_used_when_the_server_is_gone() {
    let mut server = Loopback::echo(Server::builder());
    let peer = server.open(Version::Rfc6455);
    let client = server.client(&peer);
    server.handle.shutdown(Duration::ZERO);
    server.join();
    let handle = &server.handle;
    for _ in 0..2000 {
        // More than any queue holds.
        handle.broadcast("to nobody");
        handle.room("lobby").broadcast("to nobody");
    }
    assert_eq!(handle.count(), 0);
    assert!(handle.clients().is_empty());
    assert!(handle.room("lobby").members().is_empty());
    assert!(handle.everyone().members().is_empty());
    assert!(handle.client(client.id()).is_none());
    handle.disconnect_all(CloseCode::NORMAL, "").unwrap();
    assert_eq!(handle.counters().accepted, 1);
    assert!(!client.is_open());
    assert!(matches!(client.send("too late"), Err(Error::Closed)));
    client.close(CloseCode::NORMAL, "").unwrap();
}
