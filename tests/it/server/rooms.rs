//! How many rooms there may be: of a client, of all together, and how long their names are.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use stentor::server::JoinError;
use stentor::{Client, HandlerResult, Server, ServerBuilder, Version};

use crate::support::{Loopback, Peer, becomes, eventually, keep_logbook, logged};

/// A handler that does what it is told, and answers with the outcome: `try ROOM`, `join ROOM`,
/// `leave ROOM`, `many COUNT`.
fn obey(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        let words = message.as_text().unwrap_or_default();
        let (command, room) = words.split_once(' ').unwrap_or((words, ""));
        let answer = match command {
            "try" => match client.try_join(room) {
                Ok(()) => "inside".to_owned(),
                Err(error) => error.to_string(),
            },
            "join" => {
                client.join(room);
                "done".to_owned()
            }
            "leave" => {
                client.leave(room);
                "done".to_owned()
            }
            _ => {
                let (id, count) = (client.id(), room.parse()?);
                let joined = (0..count).filter(|number| {
                    let room = format!("{id}/{number}");
                    client.try_join(&room).is_ok()
                });
                joined.count().to_string()
            }
        };
        client.send(answer)?;
    }
    Ok(())
}

fn start(builder: ServerBuilder) -> Loopback {
    Loopback::run(builder, obey)
}

fn told(peer: &mut Peer, words: &str) -> String {
    peer.say(words);
    peer.hear_text()
}

#[test]
fn a_client_is_in_no_more_rooms_than_it_may_be() {
    let server = start(Server::builder().max_rooms_per_client(3));
    for version in Version::ALL {
        let mut peer = server.open(version);
        for room in ["a", "b", "a", "c", "b"] {
            assert_eq!(told(&mut peer, &format!("try {room}")), "inside");
        }
        for _ in 0..2 {
            let rejected = told(&mut peer, "try d");
            assert!(rejected.contains("in 3 rooms already"), "{rejected}");
        }
        // It is where it was, and may be where it is.
        assert_eq!(told(&mut peer, "try a"), "inside");
        assert_eq!(server.handle.rooms(), ["a", "b", "c"]);
        for room in ["a", "a", "nowhere"] {
            assert_eq!(told(&mut peer, &format!("leave {room}")), "done");
        }
        assert_eq!(told(&mut peer, "try d"), "inside");
        let rejected = told(&mut peer, "try e");
        assert!(rejected.contains("max_rooms_per_client"), "{rejected}");
        assert_eq!(server.handle.rooms(), ["b", "c", "d"]);
        peer.leave();
        server.wait_until_empty();
        becomes(&Vec::<String>::new(), || server.handle.rooms());
    }
    assert_eq!(server.handle.counters().not_joined, 15);
}

#[test]
fn a_thousand_rooms_are_the_limit_unless_told_otherwise() {
    let server = start(Server::builder());
    let mut peer = server.open(Version::Rfc6455);
    assert_eq!(told(&mut peer, "many 1500"), "1000");
    assert_eq!(server.handle.rooms().len(), 1000);
    assert_eq!(server.handle.counters().not_joined, 500);
}

#[test]
fn all_clients_together_are_in_no_more_rooms_than_they_may_be() {
    let server = start(Server::builder().max_memberships(5));
    let (mut one, mut two) = (server.open(Version::Draft75), server.open(Version::Rfc6455));
    assert_eq!(told(&mut one, "many 3"), "3");
    // Being in the same room is a membership, too.
    assert_eq!(told(&mut two, "try shared"), "inside");
    assert_eq!(told(&mut one, "try shared"), "inside");
    for peer in [&mut one, &mut two] {
        let rejected = told(peer, "try more");
        assert!(rejected.contains("max_memberships"), "{rejected}");
        assert_eq!(told(peer, "try shared"), "inside");
    }
    // One that is left is free as soon as the hub knows.
    assert_eq!(told(&mut one, "leave shared"), "done");
    eventually("room for one", || {
        (told(&mut two, "try more") == "inside").then_some(())
    });
    one.leave();
    becomes(&1, || server.handle.count());
    let mut three = server.open(Version::Hybi08);
    eventually("room for three", || {
        (told(&mut three, "many 3") == "3").then_some(())
    });
    assert_eq!(told(&mut three, "many 4"), "3");
    becomes(&5, || server.handle.rooms().len());
}

#[test]
fn a_rooms_name_has_a_limit() {
    let server = start(Server::builder());
    let mut peer = server.open(Version::Rfc6455);
    let longest = "x".repeat(256);
    assert_eq!(told(&mut peer, &format!("try {longest}")), "inside");
    assert_eq!(told(&mut peer, "try "), "inside");
    // Bytes, not characters.
    for long in ["x".repeat(257), "é".repeat(129), "x".repeat(100_000)] {
        let rejected = told(&mut peer, &format!("try {long}"));
        assert!(rejected.contains("the limit is 256"), "{rejected}");
        assert!(rejected.contains(&long.len().to_string()), "{rejected}");
        assert_eq!(told(&mut peer, &format!("leave {long}")), "done");
    }
    assert_eq!(server.handle.rooms(), [String::new(), longest]);
}

#[test]
fn a_room_that_was_not_joined_is_logged_and_counted() {
    keep_logbook();
    let mut server = start(Server::builder().max_rooms_per_client(0));
    let mut peer = server.open(Version::Draft76);
    let id = server.client(&peer).id();
    for _ in 0..20 + 151 {
        assert_eq!(told(&mut peer, "join lobby"), "done");
    }
    assert_eq!(server.handle.counters().not_joined, 171);
    peer.leave();
    server.wait_until_empty();
    server.handle.shutdown(std::time::Duration::ZERO);
    server.join();
    let line = format!("client {id} 127.0.0.1:");
    let lines = logged(&[&line, "room not joined", "in 0 rooms already"]);
    assert_eq!(lines.len(), 20);
    assert_eq!(logged(&["rooms not joined: … and 151 more"]).len(), 1);
}

/// Its rooms are left in slices, behind each other in the hub's queue, and all of them are.
#[test]
fn a_client_that_is_in_many_rooms_leaves_them_all() {
    const MANY: usize = 10_000;
    let builder = Server::builder().max_rooms_per_client(MANY);
    let server = start(builder.max_memberships(MANY + 1));
    let mut listener = server.open(Version::Rfc6455);
    assert_eq!(told(&mut listener, "try lobby"), "inside");
    for version in [Version::Draft76, Version::Rfc6455] {
        let mut peer = server.open(version);
        assert_eq!(told(&mut peer, &format!("many {MANY}")), MANY.to_string());
        assert_eq!(server.handle.rooms().len(), MANY + 1);
        peer.leave();
        server.handle.room("lobby").broadcast("still here");
        listener.expect_text("still here");
        becomes(&1, || server.handle.rooms().len());
    }
    assert_eq!(server.handle.rooms(), ["lobby"]);
}

#[test]
fn a_handle_enters_its_client_into_rooms_and_takes_it_out() {
    let server = start(Server::builder());
    for version in Version::ALL {
        let mut peer = server.open(version);
        let handle = server.client(&peer);
        handle.join("a");
        handle.try_join("b").unwrap();
        assert_eq!(server.handle.room("a").members(), [handle.id()]);
        server.handle.room("a").broadcast("to a");
        peer.expect_text("to a");
        // The client's own thread and its handles change the same set.
        assert_eq!(told(&mut peer, "try c"), "inside");
        handle.leave("c");
        handle.leave("nowhere");
        assert_eq!(told(&mut peer, "leave a"), "done");
        assert_eq!(server.handle.rooms(), ["b"]);
        peer.leave();
        server.wait_until_empty();
        becomes(&Vec::<String>::new(), || server.handle.rooms());
    }
    assert_eq!(server.handle.counters().not_joined, 0);
}

#[test]
fn a_handle_has_the_limits_of_its_client() {
    keep_logbook();
    let server = start(Server::builder().max_rooms_per_client(2));
    let mut peer = server.open(Version::Rfc6455);
    let handle = server.client(&peer);
    assert_eq!(told(&mut peer, "try a"), "inside");
    assert_eq!(handle.try_join("b"), Ok(()));
    assert_eq!(handle.try_join("c"), Err(JoinError::TooManyRooms(2)));
    handle.join("c");
    assert!(told(&mut peer, "try c").contains("in 2 rooms already"));
    let long = "a".repeat(257);
    assert_eq!(handle.try_join(&long), Err(JoinError::LongName(257)));
    assert_eq!(server.handle.counters().not_joined, 4);
    let client = format!("client {} {}: ", handle.id(), handle.peer());
    let lines = logged(&[&client, "room not joined", "in 2 rooms already"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_handle_of_a_client_that_has_left_enters_no_room() {
    let server = start(Server::builder().max_memberships(1));
    let mut peer = server.open(Version::Rfc6455);
    let handle = server.client(&peer);
    handle.join("a");
    peer.leave();
    server.wait_until_empty();
    assert_eq!(handle.try_join("b"), Err(JoinError::Closed));
    handle.join("b");
    handle.leave("a");
    assert_eq!(server.handle.rooms(), Vec::<String>::new());
    assert_eq!(server.handle.counters().not_joined, 0);
    // The one membership is free.
    let mut peer = server.open(Version::Rfc6455);
    assert_eq!(told(&mut peer, "try c"), "inside");
}

/// A handle exists as soon as the client is open, which is before the hub knows it.
#[test]
fn a_room_that_is_entered_at_once_is_not_lost() {
    let server = start(Server::builder());
    let opened = AtomicBool::new(false);
    for number in 0..100 {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut peer = server.open(Version::Rfc6455);
                eventually("the room", || opened.load(SeqCst).then_some(()));
                peer.leave();
            });
            let handle = eventually("the client", || server.handle.clients().pop());
            let room = number.to_string();
            assert_eq!(handle.try_join(&room), Ok(()));
            assert_eq!(server.handle.room(&room).members(), [handle.id()]);
            opened.store(true, SeqCst);
        });
        opened.store(false, SeqCst);
        server.wait_until_empty();
    }
}
