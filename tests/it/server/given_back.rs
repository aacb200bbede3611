//! The sums over all clients: each ends where it began, in whatever way clients come and go.

use stentor::protocol::framing::Framing;
use stentor::{Client, HandlerResult, Server, Version};

use crate::support::{Loopback, Peer, becomes, eventually, masked};

const KIB: usize = 1024;

/// Joins two rooms, and ends as it is told: `err`, `panic`, or anything else for the usual way.
fn handler(client: &mut Client) -> HandlerResult {
    let alone = format!("of {} alone", client.id());
    client.join("one for all");
    client.join(&alone);
    while let Some(message) = client.recv()? {
        match message.as_text() {
            Some("err") => return Err("as told".into()),
            Some("panic") => panic!("as told"),
            Some("page") => client.room(&alone).broadcast("x".repeat(300 * KIB)),
            _ => client.send(message)?,
        }
    }
    Ok(())
}

/// Has one client more come and go.
fn come_and_go(server: &Loopback, version: Version, way: usize) {
    let mut peer = server.open(version);
    match way {
        0 => peer.leave(),
        1 => peer.say("err"),
        2 => peer.say("panic"),
        // It does not read, and goes with all of it on its way.
        3 => {
            for _ in 0..3 {
                peer.say("page");
            }
        }
        4 => begin(&mut peer, 200 * KIB),
        // A reset in the middle of a message: unread bytes wait for the peer.
        _ => {
            peer.say(&"y".repeat(100));
            begin(&mut peer, 100 * KIB);
        }
    }
}

/// A message that is not finished.
fn begin(peer: &mut Peer, len: usize) {
    let payload = vec![b'x'; len];
    let bytes = match peer.version.framing() {
        Framing::Hixie => [b"\0", payload.as_slice()].concat(),
        Framing::Hybi => masked(0x01, &payload),
    };
    peer.write(&bytes);
}

#[test]
fn what_clients_hold_is_given_back_in_whatever_way_they_go() {
    let builder = Server::builder()
        .total_incoming_limit(1000 * KIB)
        .max_memberships(40);
    let server = Loopback::run(builder, handler);
    for _ in 0..4 {
        for version in Version::ALL {
            for way in 0..6 {
                come_and_go(&server, version, way);
            }
        }
        server.wait_until_empty();
    }
    becomes(&0, || server.handle.counters().incoming);
    becomes(&0, || server.handle.counters().waiting);
    becomes(&Vec::<String>::new(), || server.handle.rooms());
    // All memberships that there may be are free: two for each client.
    let before = server.handle.counters().not_joined;
    let mut peers: Vec<Peer> = (0..20).map(|_| server.open(Version::Rfc6455)).collect();
    for peer in &mut peers {
        peer.expect_echo("it is inside");
    }
    assert_eq!(server.handle.counters().not_joined, before);
    let room = server.handle.room("one for all");
    eventually("all of them", || {
        (room.members().len() == peers.len()).then_some(())
    });
}
