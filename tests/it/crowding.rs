//! The queued bytes of all clients together are bounded too: the clients with the fullest queues
//! are evicted first.
//!
//! The servers here have small send buffers, so that unread bytes are soon in the send queue.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use stentor::{DisconnectReason, Server, ServerBuilder, SlowClient, Version};

use crate::support::{
    Head, Loopback, Peer, becomes, dial_from, echo, eventually, keep_logbook, logged, text,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn crowded(bytes: usize) -> ServerBuilder {
    Server::builder()
        .send_queue_limit(2 * MIB)
        .total_send_queue_limit(bytes)
}

/// A client with a small receive buffer, so that it is full as soon as it does not read.
fn open_small(server: &Loopback, version: Version) -> Peer {
    open_small_from(server, Ipv4Addr::LOCALHOST, version)
}

fn open_small_from(server: &Loopback, own: Ipv4Addr, version: Version) -> Peer {
    let stream = dial_from(server.address, IpAddr::V4(own), Some(8 * KIB));
    Peer::on(stream, version, &Head::of(version).bytes())
}

/// Sends this many bytes to a client that does not read, for itself alone.
fn fill(server: &Loopback, peer: &Peer, bytes: usize) {
    let words = "x".repeat(10_000);
    let client = server.client(peer);
    for _ in 0..bytes / words.len() {
        client.send(words.as_str()).unwrap();
    }
}

fn evicted(server: &Loopback) -> u64 {
    let counters = server.handle.counters();
    let crowded = counters
        .disconnected
        .get(&DisconnectReason::TotalSendQueue)
        .copied();
    assert_eq!(counters.evicted, crowded.unwrap_or_default());
    counters.evicted
}

#[test]
fn the_fullest_client_is_evicted_first_and_not_the_next_one() {
    keep_logbook();
    let policies = [
        SlowClient::Close,
        SlowClient::DropNewest,
        SlowClient::DropOldest,
    ];
    let versions = (1..).zip(Version::ALL);
    for ((number, version), policy) in versions.zip(policies.into_iter().cycle()) {
        let builder = crowded(2 * MIB).slow_client(policy);
        let server = Loopback::run_with_send_buffer(0, builder, echo);
        let [small, last] = [(); 2].map(|()| open_small(&server, version));
        // Clients of other tests may have the same port at the same time, so the address differs.
        let fullest = open_small_from(&server, Ipv4Addr::new(127, 0, 72, number), version);
        let reader = server.open(version);
        fill(&server, &small, 400 * KIB);
        fill(&server, &fullest, 1200 * KIB);
        assert_eq!(evicted(&server), 0, "{version}");
        fill(&server, &last, 600 * KIB);
        assert_eq!(evicted(&server), 1, "{version}");
        let still_there = [&small, &last, &reader].map(|peer| server.client(peer).is_open());
        assert_eq!(still_there, [true; 3], "{version}");
        let address = fullest.local_addr().to_string();
        eventually("a line about it", || {
            let lines = logged(&[&address, "evicted: all send queues together were full"]);
            (lines.len() == 1).then_some(())
        });
        let waiting = server.handle.counters().waiting;
        assert!(
            (800 * KIB..1200 * KIB).contains(&waiting),
            "{version}: {waiting}"
        );
    }
}

/// Of equally full clients the older one is evicted.
#[test]
fn the_choice_of_the_evicted_client_is_deterministic() {
    for _ in 0..3 {
        let server = Loopback::run_with_send_buffer(0, crowded(MIB), echo);
        let peers: Vec<Peer> = (0..8)
            .map(|_| open_small(&server, Version::Rfc6455))
            .collect();
        let clients: Vec<_> = peers.iter().map(|peer| server.client(peer)).collect();
        let words = "x".repeat(60_000);
        for _ in 0..3 {
            clients.iter().for_each(|client| {
                let _ = client.send(words.as_str());
            });
        }
        let open = clients.iter().map(|client| client.is_open());
        let gone = open.take_while(|open| !open).count();
        assert!((1..8).contains(&gone), "{gone}");
        assert!(clients[gone..].iter().all(|client| client.is_open()));
        assert_eq!(evicted(&server), gone as u64);
    }
}

#[test]
fn a_broadcast_to_many_counts_once() {
    let server = Loopback::run_with_send_buffer(0, crowded(MIB), echo);
    let versions = Version::ALL.into_iter().cycle().take(20);
    let sleepers: Vec<Peer> = versions
        .map(|version| open_small(&server, version))
        .collect();
    for _ in 0..20 {
        server.handle.broadcast("x".repeat(10_000));
    }
    // Four megabytes, and two framings of two hundred kilobytes.
    becomes(&400, || server.handle.counters().messages_out);
    let waiting = server.handle.counters().waiting;
    assert!(
        (300 * KIB..600 * KIB).contains(&waiting),
        "{waiting} for {}",
        sleepers.len()
    );
    assert_eq!(evicted(&server), 0);
    // And a client with as many bytes for itself alone is fuller than those that share.
    let hoarder = open_small(&server, Version::Rfc6455);
    let client = server.client(&hoarder);
    let taken = (0..100).take_while(|_| client.send("x".repeat(10_000)).is_ok());
    assert!((30..90).contains(&taken.count()));
    assert_eq!(evicted(&server), 1);
    assert_eq!(server.handle.count(), 20);
}

/// Evicting clients that share bytes frees nothing as long as one of them is left.
#[test]
fn only_its_share_of_shared_bytes_counts_against_a_client() {
    let server = Loopback::run_with_send_buffer(0, crowded(MIB), echo);
    let sharing = [(); 6].map(|()| open_small(&server, Version::Rfc6455));
    for _ in 0..60 {
        server.handle.broadcast("x".repeat(10_000));
    }
    becomes(&360, || server.handle.counters().messages_out);
    let hoarder = open_small(&server, Version::Rfc6455);
    let client = server.client(&hoarder);
    while client.send("x".repeat(10_000)).is_ok() {}
    assert_eq!(evicted(&server), 1);
    let open = sharing.iter().map(|peer| server.client(peer).is_open());
    assert!(open.eq([true; 6]));
}

#[test]
fn bytes_that_were_sent_or_discarded_no_longer_count() {
    let server = Loopback::run_with_send_buffer(0, crowded(8 * MIB), echo);
    for version in Version::ALL {
        let mut reader = open_small(&server, version);
        let leaver = open_small(&server, version);
        fill(&server, &reader, 500 * KIB);
        fill(&server, &leaver, 500 * KIB);
        server.handle.broadcast("x".repeat(100_000));
        becomes(&true, || server.handle.counters().waiting > 900 * KIB);
        drop(leaver);
        reader.hear_texts(500 * KIB / 10_000 + 1);
        // And the replies of its own handler.
        let words = "x".repeat(10_000);
        reader.write(&text(version, &words).repeat(20));
        becomes(&true, || server.handle.counters().waiting > 100 * KIB);
        reader.hear_texts(20);
        reader.expect_echo("hello");
        becomes(&0, || server.handle.counters().waiting);
        reader.leave();
    }
    let counters = server.wait_until_empty();
    assert_eq!((counters.waiting, counters.evicted), (0, 0));
}

/// Replies of their own handlers count as well: a client that sends and does not read fills the
/// memory too.
#[test]
fn many_clients_that_do_not_read_stay_below_the_total_limit() {
    const CAP: usize = 2 * MIB;
    let server = Loopback::run_with_send_buffer(0, crowded(CAP), echo);
    let mut reader = server.open(Version::Draft76);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..8 {
            let version = Version::ALL[number % 5];
            let mut peer = open_small(&server, version);
            let done = &done;
            scope.spawn(move || {
                let frame = text(version, &"x".repeat(60_000 + number));
                let time = Some(Duration::from_millis(20));
                peer.stream.set_write_timeout(time).unwrap();
                while !done.load(SeqCst) && peer.stream.write(&frame).is_ok() {}
            });
        }
        eventually("evictions", || {
            let waiting = server.handle.counters().waiting;
            // A message of each client, whose buffer may be twice as large.
            assert!(waiting < CAP + 8 * 2 * 65_000, "{waiting}");
            reader.expect_echo("still here");
            (evicted(&server) > 0).then_some(())
        });
        done.store(true, SeqCst);
    });
    reader.expect_echo("still here");
}

/// Clients whose own send queues are full wait for room: they too ensure that the total limit is
/// kept.
#[test]
fn a_sender_that_waits_for_room_is_counted_while_it_waits() {
    let builder = crowded(256 * KIB).send_queue_limit(16 * KIB);
    let server = Loopback::run_with_send_buffer(0, builder, echo);
    let peers: Vec<Peer> = (0..8)
        .map(|number| {
            let version = Version::ALL[number % 5];
            let mut peer = open_small(&server, version);
            peer.write(&text(version, &"x".repeat(80_000)));
            peer
        })
        .collect();
    eventually("evictions", || (evicted(&server) > 0).then_some(()));
    becomes(&true, || server.handle.counters().waiting <= 256 * KIB);
    assert!(server.handle.count() >= 2);
    drop(peers);
}
