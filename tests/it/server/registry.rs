//! The server's handle: the list of clients, and the ways to disconnect them.

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use stentor::protocol::SendError;
use stentor::{CloseCode, Error, Server, Version};

use crate::support::{Heard, Loopback, PATIENCE, becomes, echo, text};

#[test]
fn clients_are_listed_in_the_order_of_their_arrival() {
    let server = Loopback::echo(Server::builder());
    assert_eq!(server.handle.count(), 0);
    assert!(server.handle.clients().is_empty());
    let mut peers = server.open_all();
    assert_eq!(server.handle.count(), 5);

    let clients = server.handle.clients();
    let seen: Vec<_> = clients.iter().map(|client| client.peer().addr()).collect();
    let own: Vec<_> = peers.iter().map(|peer| Some(peer.local_addr())).collect();
    assert_eq!(seen, own);
    assert!(clients.is_sorted_by(|one, two| one.id() < two.id()));
    assert!(
        clients
            .iter()
            .map(|client| client.version())
            .eq(Version::ALL)
    );
    assert!(clients.iter().all(|client| client.target() == "/demo"));
    let everyone = server.handle.everyone().members();
    assert!(clients.iter().map(|client| client.id()).eq(everyone));

    for (peer, client) in peers.iter_mut().zip(&clients) {
        let found = server.handle.client(client.id()).expect("it is open");
        assert_eq!(found.peer(), client.peer());
        assert!(client.is_open());
        found.send("for you alone").unwrap();
        peer.expect_text("for you alone");
    }

    peers[2].leave();
    becomes(&4, || server.handle.count());
    assert!(!clients[2].is_open());
    assert!(server.handle.client(clients[2].id()).is_none());
    assert!(matches!(clients[2].send("too late"), Err(Error::Closed)));
    clients[2].close(CloseCode::NORMAL, "too late").unwrap();

    // A number is never used again.
    let peer = server.open(Version::Rfc6455);
    let newcomer = server.client(&peer).id();
    assert!(clients.iter().all(|client| client.id() < newcomer));
}

#[test]
fn a_handle_keeps_no_connection_open() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut peer = server.open(version);
        let _handle = server.client(&peer);
        peer.leave();
    }
    server.wait_until_empty();
}

#[test]
fn all_are_disconnected_in_their_own_way() {
    let server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    server
        .handle
        .disconnect_all(CloseCode::new(4000), "so long")
        .unwrap();
    for peer in &mut peers {
        peer.answer_goodbye(4000, "so long");
    }
    let counters = server.wait_until_empty();
    assert_eq!(counters.closes.get(&4000), Some(&5));
    assert!(counters.disconnected.is_empty(), "{counters:?}");
    // New clients are accepted.
    server.open(Version::Rfc6455).expect_echo("hello");
}

#[test]
fn a_code_that_may_not_be_sent_is_an_error_and_disconnects_nobody() {
    let server = Loopback::echo(Server::builder());
    for code in [1005, 1006, 999, 2000, 5000] {
        let result = server.handle.disconnect_all(CloseCode::new(code), "");
        assert!(
            matches!(result, Err(Error::Send(SendError::CloseCode(_)))),
            "{code}"
        );
    }
    let mut peers = server.open_all();
    let too_long = server
        .handle
        .disconnect_all(CloseCode::NORMAL, &"x".repeat(124));
    assert!(matches!(
        too_long,
        Err(Error::Send(SendError::TooLong(124)))
    ));
    for peer in &mut peers {
        let reserved = server.client(peer).close(CloseCode::NO_CODE, "");
        assert!(reserved.is_err(), "{}", peer.version);
        peer.expect_echo("still here");
    }
}

#[test]
fn of_two_close_frames_the_first_is_sent() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut peer = server.open(version);
        let handle = server.client(&peer);
        handle.close(CloseCode::new(4001), "first").unwrap();
        handle.close(CloseCode::new(4002), "second").unwrap();
        assert!(!handle.is_open());
        assert!(
            matches!(handle.send("more"), Err(Error::Closed)),
            "{version}"
        );
        peer.answer_goodbye(4001, "first");
    }
    let counters = server.wait_until_empty();
    assert_eq!(counters.closes, [(4001, 5)].into());
}

#[test]
fn a_close_by_a_handle_makes_the_handlers_recv_return() {
    let server = Loopback::run(Server::builder(), |client| {
        let handle = client.handle();
        let closing = thread::spawn(move || handle.close(CloseCode::new(4003), "from elsewhere"));
        assert!(client.recv()?.is_none());
        let closed = client.closed().expect("it is").clone();
        assert_eq!((closed.code.get(), closed.clean), (4003, true));
        assert!(matches!(client.send("too late"), Err(Error::Closed)));
        closing.join().unwrap()?;
        Ok(())
    });
    for version in Version::ALL {
        server.open(version).answer_goodbye(4003, "from elsewhere");
    }
    assert_eq!(server.wait_until_empty().failed_handlers, 0);
}

/// The close frame comes from one thread while the client's own is in the middle of its work.
/// Whichever thread is first, the peer gets a close frame.
#[test]
fn a_close_frame_from_another_thread_is_never_lost_in_traffic() {
    const ROUNDS: u64 = 40;
    let server = Loopback::echo(Server::builder());
    for version in [Version::Draft76, Version::Rfc6455] {
        // Many and small: the loop runs quickly.
        let words = text(version, "x").repeat(10_000);
        for round in 0..ROUNDS {
            let mut peer = server.open(version);
            let handle = server.client(&peer);
            let mut stream = peer.stream.try_clone().unwrap();
            thread::scope(|scope| {
                // The server may be gone before all is written.
                scope.spawn(|| stream.write_all(&words));
                thread::sleep(Duration::from_micros(500 * (round % 20)));
                handle.close(CloseCode::new(4000), "enough").unwrap();
                let told = loop {
                    match peer.hear() {
                        Heard::Text(_) => {}
                        other => break other,
                    }
                };
                let expected = match version {
                    Version::Draft76 => Heard::Marker,
                    _ => Heard::Close(4000, "enough".to_owned()),
                };
                assert_eq!(told, expected, "{version}, round {round}");
            });
        }
    }
}

/// The end of TCP is draft-75's close, and everything sent before it must arrive, even if the peer
/// is sending all the time.
#[test]
fn messages_sent_before_a_draft_75_close_arrive() {
    let large = "x".repeat(3_000_000);
    let server = Loopback::run(Server::builder(), |client| {
        while client.recv()?.is_some() {}
        Ok(())
    });
    let mut peer = server.open(Version::Draft75);
    let handle = server.client(&peer);
    let mut stream = peer.stream.try_clone().unwrap();
    let chatter = thread::spawn(move || {
        while stream.write_all(b"\x00\xff").is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    handle.send(large.as_str()).unwrap();
    handle.close(CloseCode::NORMAL, "").unwrap();
    assert!(peer.hear() == Heard::Text(large), "not what was sent");
    peer.expect_end();
    let _ = peer.stream.shutdown(Shutdown::Both);
    chatter.join().unwrap();
    server.wait_until_empty();
}

#[test]
fn a_handler_reaches_its_server() {
    let mut server = Loopback::run(Server::builder(), |client| {
        client.send(client.server().count().to_string())?;
        while client.recv()?.is_some() {
            client.server().shutdown(PATIENCE);
        }
        Ok(())
    });
    let mut peers = server.open_all();
    for (at, peer) in peers.iter_mut().enumerate() {
        // Later clients may be counted already.
        let count: usize = peer.hear_text().parse().unwrap();
        assert!((at + 1..=5).contains(&count), "{count}");
    }
    peers[0].say("that is enough");
    for peer in &mut peers {
        peer.answer_goodbye(1001, "the server is going down");
    }
    server.join();
}

#[test]
fn the_rooms_are_those_with_members() {
    let mut server = Loopback::run(Server::builder(), |client| {
        for room in ["south", "north", "south"] {
            client.join(room);
        }
        // Earlier posts are done by then, also those of this very thread.
        client.send(client.server().rooms().join("+"))?;
        client.leave("north");
        client.send(client.server().rooms().join("+"))?;
        echo(client)
    });
    assert!(server.handle.rooms().is_empty());
    let mut peer = server.open(Version::Draft75);
    peer.expect_text("north+south");
    peer.expect_text("south");
    peer.leave();
    becomes(&0, || server.handle.rooms().len());
    server.handle.shutdown(Duration::ZERO);
    server.join();
    assert!(server.handle.rooms().is_empty(), "the hub is gone");
}
