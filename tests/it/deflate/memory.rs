//! What compressed messages cost before they are finished, and compressors after a client has left.

use std::time::Duration;

use stentor::protocol::Event;
use stentor::{Deflate, RateLimit, Version};

use super::{USUAL, Zip, config, head, ready, server};
use crate::support::{Loopback, Peer, echo, eventually, masked};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn open(server: &Loopback) -> Peer {
    let head = head(Version::Rfc6455, &[USUAL]);
    Peer::open_with(server.address, Version::Rfc6455, &head)
}

/// The first fragment of a compressed message, which is not finished.
fn fragment(len: usize) -> Vec<u8> {
    let payload = Zip::new(15).message(&vec![b'x'; len]);
    assert!(payload.len() < len / 500, "{} bytes", payload.len());
    masked(0x41, &payload)
}

#[test]
fn compressed_messages_that_are_never_finished_are_bounded_together() {
    const CROWD: usize = 40;
    let builder = server(Deflate::new()).total_incoming_limit(8 * MIB);
    let server = Loopback::run(builder, echo);
    let fragment = fragment(MIB);
    let mut peers: Vec<Peer> = Vec::new();
    for _ in 0..CROWD {
        let mut peer = open(&server);
        peer.write(&fragment);
        peers.push(peer);
        // One after the other: so the limit is exceeded by one message at most.
        eventually("its message to be counted", || {
            let counters = server.handle.counters();
            let incoming = counters.incoming;
            assert!(incoming < 10 * MIB, "{incoming}");
            let counted = (incoming / MIB) as u64 + counters.incoming_exceeded;
            (counted >= peers.len() as u64).then_some(())
        });
    }
    eventually("most of them to be ended", || {
        let counters = server.handle.counters();
        (counters.connections < 8 && counters.incoming < 8 * MIB).then_some(())
    });
    assert!(server.handle.counters().incoming_exceeded > 30);
    open(&server).expect_echo("hello");
}

/// A message that is kept takes at most twice its length and 4 KiB, however well it was compressed.
#[test]
fn an_inflated_message_that_is_kept_takes_little_memory() {
    for whole in [true, false] {
        let config = config(Deflate::new());
        let mut zip = Zip::new(15);
        let mut driven = ready(USUAL, &config);
        for len in [0, 1, 300, 5_000, 500_000, 3, 70_000, 1, 300_000] {
            let payload = zip.alone(&vec![b'x'; len]);
            let frames = match whole {
                true => masked(0xc1, &payload),
                false => {
                    let (first, rest) = payload.split_at(payload.len() / 2);
                    [masked(0x41, first), masked(0x80, rest)].concat()
                }
            };
            driven.receive(&frames);
            let Some(Event::Message(message)) = driven.events.pop() else {
                panic!("no message of {len} bytes");
            };
            let buffer = message.into_data();
            let capacity = buffer.capacity();
            assert_eq!(buffer.len(), len);
            assert!(capacity <= 2 * len + 4096, "{capacity} bytes for {len}");
        }
    }
}

/// The inflater of a message that has hardly begun is memory too.
#[test]
fn an_inflater_is_counted() {
    let server = Loopback::run(server(Deflate::new()), echo);
    let mut peer = open(&server);
    peer.write(&masked(0x41, &Zip::new(15).message(b"hello")));
    eventually("it to be counted", || {
        (server.handle.counters().incoming > 40 * KIB).then_some(())
    });
    peer.write(&masked(0x80, b""));
    peer.expect_text("hello");
    eventually("it to be given back", || {
        (server.handle.counters().incoming == 0).then_some(())
    });
}

/// Nothing of it is delivered, but it is owed for.
#[test]
fn a_rate_counts_what_is_inflated_before_the_message_is_finished() {
    let rate = RateLimit::per_second()
        .bytes(100_000)
        .burst(Duration::from_secs(1));
    let server = Loopback::run(server(Deflate::new()).rate_limit(rate), echo);
    let mut peer = open(&server);
    peer.write(&fragment(MIB));
    eventually("it to be held back", || {
        (server.handle.counters().throttled == 1).then_some(())
    });
}
