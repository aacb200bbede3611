//! Slow consumers: their cost for other clients (none) and for the server (a bounded queue).
//!
//! The servers here have small send buffers, so that unread bytes are soon in the send queue.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use log::Level;
use stentor::server::Counters;
use stentor::{DisconnectReason, Error, Server, ServerBuilder, SlowClient, Version};

use crate::support::{
    HYBI, Head, Heard, Loopback, PATIENCE, Peer, becomes, dial_from, echo, eventually,
    keep_logbook, logged, masked, text,
};

const OUTBOX: usize = 64 * 1024;

/// A client with a small receive buffer, so that it is full as soon as it does not read.
fn open_small(server: &Loopback, version: Version) -> Peer {
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let stream = dial_from(server.address, home, Some(8 * 1024));
    Peer::on(stream, version, &Head::of(version).bytes())
}

/// Returns a message of about that length, of which no part looks like a part of another.
fn numbered(number: usize, len: usize) -> String {
    let word = format!("{number:08} ");
    word.repeat(len / word.len() + number % 7)
}

/// Returns the number of such a message, which must be complete.
fn number_of(text: &str) -> usize {
    let (word, _) = text.split_at(9);
    let repeated = text
        .as_bytes()
        .chunks(9)
        .all(|chunk| chunk == word.as_bytes());
    assert!(repeated, "a message is broken: {text}");
    word.trim_end().parse().expect("a number")
}

#[test]
fn readers_get_everything_while_slow_consumers_are_evicted() {
    const READERS: usize = 45;
    const SLEEPERS: usize = 5;
    const ROUNDS: usize = 30;
    const A_ROUND: usize = 20;
    keep_logbook();
    // The clients are evicted, and do not reach the write timeout: however long the machine takes
    // for all of this.
    let builder = Server::builder()
        .send_queue_limit(OUTBOX)
        .write_timeout(PATIENCE * 10);
    let server = Loopback::run_with_send_buffer(0, builder, echo);
    let versions = Version::ALL.into_iter().cycle();
    let readers: Vec<Peer> = versions
        .clone()
        .take(READERS)
        .map(|version| server.open(version))
        .collect();
    let sleepers: Vec<Peer> = versions
        .take(SLEEPERS)
        .map(|version| open_small(&server, version))
        .collect();
    assert_eq!(server.handle.count(), READERS + SLEEPERS);

    // Each round begins when all readers have received the one before: this does not test their
    // speed.
    let received = AtomicUsize::new(0);
    let slowest = thread::scope(|scope| {
        for mut reader in readers {
            let received = &received;
            scope.spawn(move || {
                for number in 0..ROUNDS * A_ROUND {
                    assert_eq!(number_of(&reader.hear_text()), number, "{}", reader.version);
                    received.fetch_add(1, SeqCst);
                }
            });
        }
        let mut slowest = Duration::ZERO;
        for round in 0..ROUNDS {
            let since = Instant::now();
            for number in round * A_ROUND..(round + 1) * A_ROUND {
                server.handle.broadcast(numbered(number, 1000));
            }
            let all = (round + 1) * A_ROUND * READERS;
            eventually("all readers", || {
                (received.load(SeqCst) == all).then_some(())
            });
            slowest = slowest.max(since.elapsed());
        }
        slowest
    });
    // No client has waited for the write timeout, or for anything else.
    assert!(slowest < PATIENCE, "{slowest:?}");

    becomes(&SLEEPERS as &usize, || {
        server.handle.counters().evicted as usize
    });
    let counters = server.handle.counters();
    assert_eq!(
        counters.disconnected,
        [(DisconnectReason::Evicted, 5)].into()
    );
    assert_eq!(counters.dropped, 0);
    for sleeper in sleepers {
        let address = sleeper.local_addr().to_string();
        becomes(&vec![Level::Info], || {
            let lines = logged(&[&address, "evicted"]).into_iter();
            lines.map(|(level, _)| level).collect()
        });
    }
}

fn dropping(policy: SlowClient) -> ServerBuilder {
    Server::builder()
        .send_queue_limit(4 * OUTBOX)
        .slow_client(policy)
}

/// Each is more than a socket takes at a time.
const LARGE: usize = 20_000;

/// Broadcasts until this many messages were dropped; `sent` counts the messages sent.
fn broadcast_until_dropped(server: &Loopback, dropped: u64, sent: &mut usize) {
    eventually("drops", || {
        server.handle.broadcast(numbered(*sent, LARGE));
        *sent += 1;
        (server.handle.counters().dropped >= dropped).then_some(())
    });
}

/// Waits until the hub has processed everything posted to it.
fn settled(server: &Loopback) -> Counters {
    server.handle.room("nobody").members();
    server.handle.counters()
}

/// Reads on, slowly, until a certain message comes; returns the numbers of those before it.
fn numbers_until(peer: &mut Peer, last: &str) -> Vec<usize> {
    let mut numbers = Vec::new();
    loop {
        thread::sleep(Duration::from_millis(1));
        match peer.hear_text() {
            text if text == last => return numbers,
            text => numbers.push(number_of(&text)),
        }
    }
}

/// The client stops reading, reads again while there is still too much for it, and finds gaps but
/// neither disorder nor broken frames; the missing messages were counted. Returns the messages it
/// has received, and the number sent.
fn sleep_and_recover(policy: SlowClient, version: Version) -> (Vec<usize>, usize) {
    let what = format!("{policy:?} {version}");
    let server = Loopback::run_with_send_buffer(0, dropping(policy), echo);
    let mut sleeper = open_small(&server, version);
    let mut sent = 0;
    broadcast_until_dropped(&server, 50, &mut sent);
    let handle = server.client(&sleeper);
    let waking = thread::spawn(move || {
        let numbers = numbers_until(&mut sleeper, "awake");
        (numbers, sleeper)
    });
    broadcast_until_dropped(&server, 150, &mut sent);
    let counters = settled(&server);
    assert_eq!(
        counters.messages_out + counters.dropped,
        sent as u64,
        "{what}"
    );
    // Its queue is full now, and has room as soon as it has read enough.
    eventually("room", || match handle.send("awake") {
        Ok(()) => Some(()),
        Err(Error::Dropped) => None,
        Err(other) => panic!("{what}: {other}"),
    });
    let (numbers, mut sleeper) = waking.join().unwrap();
    assert!(
        numbers.is_sorted_by(|one, two| one < two),
        "{what}: {numbers:?}"
    );
    let missing = (sent - numbers.len()) as u64;
    let later = settled(&server).dropped;
    match policy {
        // The others that were dropped were attempts to send the wake-up message.
        SlowClient::DropNewest => assert_eq!(missing, counters.dropped, "{what}"),
        _ => assert_eq!(missing, later, "{what}"),
    }
    // And the connection works again.
    sleeper.expect_echo("hello");
    server.handle.broadcast("to all");
    sleeper.expect_text("to all");
    sleeper.leave();
    assert!(server.wait_until_empty().disconnected.is_empty());
    (numbers, sent)
}

#[test]
fn a_sleeper_may_miss_the_newest_and_recovers() {
    for version in Version::ALL {
        let (numbers, _) = sleep_and_recover(SlowClient::DropNewest, version);
        assert!(
            numbers.starts_with(&[0, 1, 2]),
            "{version}: the oldest are kept"
        );
    }
}

#[test]
fn a_sleeper_may_miss_the_oldest_and_recovers() {
    for version in Version::ALL {
        let (numbers, sent) = sleep_and_recover(SlowClient::DropOldest, version);
        let newest = [sent - 3, sent - 2, sent - 1];
        assert!(numbers.ends_with(&newest), "{version}: the newest are kept");
    }
}

#[test]
fn a_handle_gets_the_result_of_its_message() {
    let fill = |server: &Loopback, peer: &Peer| {
        let client = server.client(peer);
        eventually("a full queue", || client.send(numbered(0, 4000)).err())
    };
    let server = Loopback::run_with_send_buffer(0, dropping(SlowClient::DropNewest), echo);
    let peer = open_small(&server, Version::Rfc6455);
    assert!(matches!(fill(&server, &peer), Error::Dropped));
    becomes(&1, || server.handle.counters().dropped);
    assert!(server.client(&peer).is_open());

    let server = Loopback::run_with_send_buffer(0, dropping(SlowClient::Close), echo);
    let peer = open_small(&server, Version::Rfc6455);
    let client = server.client(&peer);
    assert!(matches!(
        fill(&server, &peer),
        Error::Disconnected(DisconnectReason::Evicted)
    ));
    assert!(matches!(
        client.send("more"),
        Err(Error::Closed | Error::Disconnected(DisconnectReason::Evicted))
    ));
    server.wait_until_empty();
    becomes(&1, || server.handle.counters().evicted);

    let server = Loopback::run_with_send_buffer(0, dropping(SlowClient::DropOldest), echo);
    let peer = open_small(&server, Version::Rfc6455);
    let client = server.client(&peer);
    eventually("a full queue", || {
        client.send(numbered(0, 4000)).unwrap();
        (server.handle.counters().dropped > 0).then_some(())
    });
}

#[test]
fn the_handler_of_an_evicted_client_comes_back_from_recv() {
    let (ends, ended) = crossbeam_channel::bounded(1);
    let builder = Server::builder().send_queue_limit(OUTBOX);
    let server = Loopback::run_with_send_buffer(0, builder, move |client| {
        ends.send(client.recv())?;
        Ok(())
    });
    for version in Version::ALL {
        let _sleeper = open_small(&server, version);
        eventually("its eviction", || {
            server.handle.broadcast(numbered(0, 4000));
            (server.handle.count() == 0).then_some(())
        });
        let end = ended.recv_timeout(PATIENCE).unwrap();
        assert!(
            matches!(end, Err(Error::Disconnected(DisconnectReason::Evicted))),
            "{version}: {end:?}"
        );
    }
    server.wait_until_empty();
    becomes(&5, || server.handle.counters().evicted);
    assert_eq!(server.handle.counters().closes, [(1006, 5)].into());
}

/// It sends all the time, and never reads the replies. Backpressure stops it, the handler waits,
/// and the write timeout ends that.
fn flood(version: Version, frame: &[u8]) {
    let limit = Duration::from_millis(200);
    let builder = Server::builder()
        .send_queue_limit(OUTBOX)
        .write_timeout(limit);
    let server = Loopback::run_with_send_buffer(0, builder, echo);
    let mut flooder = open_small(&server, version);
    let mut healthy = server.open(version);
    flooder.stream.set_write_timeout(Some(limit)).unwrap();
    let since = Instant::now();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(SeqCst) {
                // Stopped by backpressure, or rejected: only the server's reaction counts.
                let _ = flooder.stream.write_all(frame);
            }
        });
        while server.handle.counters().disconnected.is_empty() {
            assert!(since.elapsed() < PATIENCE, "{version}: it goes on for ever");
            healthy.expect_echo("not my business");
        }
        ended.store(true, SeqCst);
    });
    becomes(&1, || server.handle.count());
}

#[test]
fn a_client_that_floods_and_never_reads_is_ended_by_the_write_timeout() {
    for version in Version::ALL {
        flood(version, &text(version, &"x".repeat(10_000)));
    }
}

#[test]
fn a_client_that_pings_and_never_reads_is_ended_by_the_write_timeout() {
    for version in HYBI {
        flood(version, &masked(0x89, &[7; 125]).repeat(100));
    }
}

/// It reads all the time, only slowly: within each timeout it takes something, though much less
/// than the send buffer holds. Tested for its own handler's replies and for messages of others.
#[test]
fn a_client_that_reads_slowly_is_not_evicted() {
    const LARGE: usize = 2_000_000;
    let builder = Server::builder()
        .send_queue_limit(OUTBOX)
        .write_timeout(Duration::from_secs(1));
    let server = Loopback::run_with_send_buffer(400_000, builder, |client| {
        if client
            .recv()?
            .is_some_and(|message| message.as_text() == Some("reply"))
        {
            client.send("x".repeat(LARGE))?;
        } else {
            client.handle().send("x".repeat(LARGE))?;
        }
        echo(client)
    });
    thread::scope(|scope| {
        for whose in ["reply", "handle"] {
            let server = &server;
            scope.spawn(move || {
                let mut peer = open_small(server, Version::Rfc6455);
                peer.say(whose);
                let since = Instant::now();
                while since.elapsed() < Duration::from_millis(2500) {
                    let read = peer.stream.read(&mut [0; 4096]).unwrap();
                    assert!(read > 0, "{whose}: cut off after {:?}", since.elapsed());
                    thread::sleep(Duration::from_millis(30));
                }
                assert_eq!(server.handle.counters().disconnected, [].into(), "{whose}");
            });
        }
    });
}

#[test]
fn a_sleeper_does_not_delay_anothers_replies() {
    let server = Loopback::run_with_send_buffer(0, dropping(SlowClient::DropNewest), echo);
    let _sleepers: Vec<Peer> = Version::ALL
        .into_iter()
        .map(|version| open_small(&server, version))
        .collect();
    broadcast_until_dropped(&server, 100, &mut 0);
    for version in Version::ALL {
        let mut peer = server.open(version);
        let since = Instant::now();
        for number in 0..100 {
            peer.say(&number.to_string());
            loop {
                match peer.hear() {
                    // Messages still being broadcast.
                    Heard::Text(text) if text.len() > 1000 => {}
                    other => break assert_eq!(other, Heard::Text(number.to_string())),
                }
            }
        }
        let took = since.elapsed();
        assert!(took < Duration::from_secs(4), "{version}: {took:?}");
    }
}

#[test]
fn a_message_above_the_limit_reaches_a_client_whose_queue_is_empty() {
    let server = Loopback::run_with_send_buffer(0, Server::builder().send_queue_limit(1000), echo);
    let large = "x".repeat(500_000);
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.expect_echo(&large);
        server.client(&peer).send(large.as_str()).unwrap();
        peer.expect_text(&large);
        server.handle.broadcast(large.as_str());
        peer.expect_text(&large);
        peer.leave();
    }
    assert!(server.wait_until_empty().disconnected.is_empty());
}
