//! TLS clients that do not read, or read slowly: the same policies and timeouts, and no partial
//! records.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use stentor::protocol::framing::Framing;
use stentor::{DisconnectReason, SlowClient, Version};

use crate::support::{
    Loopback, PATIENCE, Peer, Secure, becomes, dial_from, echo, eventually, text,
};

use super::{open, open_on, over_tls};

const OUTBOX: usize = 64 * 1024;

/// A client with a small receive buffer and nothing in between, whose response is read.
fn open_small(server: &Loopback, version: Version) -> Secure {
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    open_on(dial_from(server.address, home, Some(8 * 1024)), version)
}

#[test]
fn clients_that_do_not_read_delay_no_other_and_are_evicted() {
    const ROUNDS: usize = 100;
    let builder = over_tls().send_queue_limit(OUTBOX);
    let server = Loopback::run_with_send_buffer(0, builder, echo);
    let mut readers: Vec<Peer> = Version::ALL.map(|version| open(&server, version)).into();
    let sleepers: Vec<Secure> = Version::ALL
        .map(|version| open_small(&server, version))
        .into();
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        let since = Instant::now();
        let words = format!("{round:04} ").repeat(800);
        server.handle.broadcast(words.as_str());
        for reader in &mut readers {
            reader.expect_text(&words);
        }
        slowest = slowest.max(since.elapsed());
    }
    // The write timeout is ten seconds. No client has waited for it, or for anything else.
    assert!(slowest < Duration::from_secs(8), "{slowest:?}");
    becomes(&5, || server.handle.counters().evicted);
    assert_eq!(
        server.handle.counters().disconnected,
        [(DisconnectReason::Evicted, 5)].into()
    );
    drop(sleepers);
}

#[test]
fn a_client_that_floods_and_never_reads_is_ended_by_the_write_timeout() {
    let limit = Duration::from_millis(200);
    let builder = over_tls().send_queue_limit(OUTBOX).write_timeout(limit);
    let server = Loopback::run_with_send_buffer(0, builder, echo);
    let mut flooder = open_small(&server, Version::Rfc6455);
    flooder.sock.set_write_timeout(Some(limit)).unwrap();
    let mut healthy = open(&server, Version::Rfc6455);
    let frame = text(Version::Rfc6455, &"x".repeat(10_000));
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(SeqCst) {
                // Only writing: reading would let the server go on. Stopped by backpressure, or
                // rejected.
                let _ = flooder.conn.writer().write(&frame);
                let _ = flooder.conn.write_tls(&mut flooder.sock);
            }
        });
        let since = Instant::now();
        while server.handle.counters().disconnected.is_empty() {
            assert!(since.elapsed() < PATIENCE, "it goes on for ever");
            healthy.expect_echo("not my business");
        }
        ended.store(true, SeqCst);
    });
    assert_eq!(
        server.handle.counters().disconnected,
        [(DisconnectReason::WriteTimeout, 1)].into()
    );
}

/// Within each timeout it takes something, and never a whole record. TCP asks a peer with a small
/// window every 200 ms or so whether it has room again, which the timeouts must be longer than.
#[test]
fn a_client_that_reads_less_than_a_record_per_timeout_is_not_disconnected() {
    let limit = Duration::from_millis(800);
    let builder = over_tls()
        .send_queue_limit(OUTBOX)
        .write_timeout(limit)
        .ping_interval(Some(limit))
        .pong_timeout(limit)
        .idle_timeout(Some(limit * 2));
    let server = Loopback::run_with_send_buffer(0, builder, |client| {
        client.recv()?;
        client.handle().send("x".repeat(1_000_000))?;
        echo(client)
    });
    let mut slow = open_small(&server, Version::Rfc6455);
    slow.write_all(&text(Version::Rfc6455, "go")).unwrap();
    let since = Instant::now();
    while since.elapsed() < limit * 3 {
        let read = slow.sock.read(&mut [0; 1200]).unwrap();
        assert!(read > 0, "cut off after {:?}", since.elapsed());
        thread::sleep(Duration::from_millis(40));
    }
    assert_eq!(server.handle.counters().disconnected, [].into());
}

/// Encrypted bytes must be sent, whatever the policy: otherwise the stream would break.
#[test]
fn a_sleeper_that_misses_the_oldest_receives_whole_messages_when_it_wakes() {
    for version in Version::ALL {
        let builder = over_tls()
            .send_queue_limit(4 * OUTBOX)
            .slow_client(SlowClient::DropOldest);
        let server = Loopback::run_with_send_buffer(0, builder, echo);
        let mut peer = open_small(&server, version);
        let mut sent = 0;
        // Of many sizes, so that records end anywhere in them; many fit into one record.
        let broadcast = |sent: &mut usize| {
            let words = format!("{sent:08} ").repeat(1 + *sent * 37 % 500);
            server.handle.broadcast(words);
            *sent += 1;
        };
        eventually("drops", || {
            broadcast(&mut sent);
            (server.handle.counters().dropped >= 200).then_some(())
        });
        let handle = server.handle.clients().remove(0);
        let last = thread::scope(|scope| {
            let received = scope.spawn(|| hear_until_goodbye(&mut peer, version));
            (0..500).for_each(|_| broadcast(&mut sent));
            server.handle.room("nobody").members();
            handle.close(stentor::CloseCode::NORMAL, "").unwrap();
            received.join().unwrap()
        });
        assert_eq!(last, sent - 1, "{version}: the newest are kept");
    }
}

/// Returns the number of the last message; each is complete, and newer than the one before.
fn hear_until_goodbye(peer: &mut Secure, version: Version) -> usize {
    let mut bytes = Vec::new();
    let mut last = None;
    loop {
        let mut chunk = [0; 1000];
        let read = peer.read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        while let Some((message, rest)) = split(&bytes, version) {
            let words: Vec<&str> = message.split_ascii_whitespace().collect();
            let number: usize = words[0].parse().unwrap();
            assert_eq!(words.len(), 1 + number * 37 % 500, "{version}: broken");
            assert!(
                words.iter().all(|word| *word == words[0]),
                "{version}: mixed"
            );
            assert!(last < Some(number), "{version}: {number} behind {last:?}");
            last = Some(number);
            bytes = rest;
        }
        if read == 0 || bytes.starts_with(&[0x88]) || bytes.starts_with(&[0xff]) {
            return last.unwrap();
        }
    }
}

/// Returns the first of the messages, and the bytes behind it.
fn split(bytes: &[u8], version: Version) -> Option<(String, Vec<u8>)> {
    let (start, len, end) = match (version.framing(), bytes) {
        (Framing::Hixie, [0x00, rest @ ..]) => (1, rest.iter().position(|byte| *byte == 0xff)?, 1),
        (Framing::Hybi, [0x81, 126, high, low, ..]) => {
            (4, u16::from_be_bytes([*high, *low]).into(), 0)
        }
        (Framing::Hybi, [0x81, len @ ..=125, ..]) => (2, (*len).into(), 0),
        _ => return None,
    };
    let message = String::from_utf8(bytes.get(start..start + len)?.to_vec()).unwrap();
    Some((message, bytes[start + len + end..].to_vec()))
}

#[test]
fn messages_of_all_sizes_arrive_through_small_buffers() {
    let server = Loopback::run_with_send_buffer(0, over_tls(), echo);
    let mut peer = open(&server, Version::Rfc6455);
    for size in (0..30).map(|number| number * number * 100) {
        peer.expect_echo(&"x".repeat(size));
        server.handle.broadcast("y".repeat(size / 2));
        peer.expect_text(&"y".repeat(size / 2));
    }
    peer.leave();
    assert!(server.wait_until_empty().disconnected.is_empty());
}
