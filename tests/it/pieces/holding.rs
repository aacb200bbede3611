//! A writer that is held: the bounds of what waits for it, and of how long.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Instant;

use stentor::{DisconnectReason, Error, Server, SlowClient, Version};

use super::SOON;
use super::between::{PART, Step, Steps};
use crate::support::{HYBI, Head, Heard, PATIENCE, Peer, becomes, dial_from, eventually};

const LIMIT: usize = 10_000;

fn is_late(result: Result<(), Error>) -> bool {
    matches!(
        result,
        Err(Error::Disconnected(DisconnectReason::WriteTimeout))
    )
}

/// Whether messages wait for it or not.
#[test]
fn a_writer_that_is_not_used_disconnects_its_client() {
    for waits in [false, true] {
        let steps = Steps::new(Server::builder().write_timeout(SOON));
        let server = &steps.server;
        let since = Instant::now();
        let mut peer = steps.begin(Version::Rfc6455);
        if waits {
            server.handle.broadcast("held");
        }
        assert!(matches!(peer.hear(), Heard::End | Heard::Reset));
        assert!(since.elapsed() >= SOON * 4 / 5, "{:?}", since.elapsed());
        let reason = DisconnectReason::WriteTimeout;
        becomes(&[(reason, 1)].into(), || {
            server.handle.counters().disconnected
        });
        assert_eq!(server.handle.counters().waiting, 0);
        assert!(is_late(steps.fragment()));
        steps.step(Step::Drop);
    }
}

/// Each write counts, even if it fills no fragment.
#[test]
fn a_writer_that_is_used_now_and_then_stays() {
    let steps = Steps::new(Server::builder().write_timeout(SOON));
    let mut peer = steps.begin(Version::Hybi07);
    let since = Instant::now();
    while since.elapsed() < SOON * 4 {
        thread::sleep(SOON / 10);
        steps.fragment().unwrap();
        assert_eq!(peer.hear(), Heard::Fragment(0, PART.into()));
    }
    steps.step(Step::Finish);
    assert_eq!(peer.hear(), Heard::Fragment(0x80, Vec::new()));
    peer.leave();
}

/// No fragment was sent: nothing waits for the writer.
#[test]
fn a_writer_that_has_sent_nothing_holds_nothing_back() {
    let steps = Steps::new(Server::builder().write_timeout(SOON));
    let mut peer = steps.server.open(Version::Rfc6455);
    for _ in 0..3 {
        steps.server.handle.broadcast("passes");
        peer.expect_text("passes");
        thread::sleep(SOON / 2);
    }
    steps.step(Step::Finish);
    assert_eq!(peer.hear(), Heard::Binary(Vec::new()));
    peer.leave();
}

/// Broadcasts texts of 1,000 bytes with their numbers, and waits until the hub has sent each.
fn broadcast(steps: &Steps, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let text = format!("{number:>1000}");
        steps.server.handle.broadcast(text);
        steps.server.handle.room("nobody").members();
    }
}

/// Reads texts up to the end of what comes, and returns their numbers.
fn numbers(peer: &mut Peer, count: usize) -> Vec<usize> {
    let text = |_| peer.hear_text().trim_start().parse().unwrap();
    (0..count).map(text).collect()
}

#[test]
fn a_full_queue_evicts_a_client_whose_writer_is_held() {
    let builder = Server::builder().send_queue_limit(LIMIT);
    let steps = Steps::new(builder);
    let mut peer = steps.begin(Version::Rfc6455);
    broadcast(&steps, 0..20);
    assert!(matches!(peer.hear(), Heard::End | Heard::Reset));
    becomes(&[(DisconnectReason::Evicted, 1)].into(), || {
        steps.server.handle.counters().disconnected
    });
    assert_eq!(steps.server.handle.counters().waiting, 0);
    let error = steps.fragment().unwrap_err();
    let is_evicted = matches!(error, Error::Disconnected(DisconnectReason::Evicted));
    assert!(is_evicted, "{error:?}");
    steps.step(Step::Drop);
}

#[test]
fn a_full_queue_drops_the_messages_of_its_policy() {
    for version in HYBI {
        for policy in [SlowClient::DropNewest, SlowClient::DropOldest] {
            let builder = Server::builder()
                .send_queue_limit(LIMIT)
                .slow_client(policy);
            let steps = Steps::new(builder);
            let mut peer = steps.begin(version);
            broadcast(&steps, 0..20);
            let counters = steps.server.handle.counters();
            let kept = 20 - counters.dropped as usize;
            assert!((5..10).contains(&kept), "{kept}");
            assert_eq!(counters.messages_out, kept as u64);
            assert!(counters.waiting <= LIMIT + 3000, "{}", counters.waiting);
            // The writer itself goes on.
            steps.fragment().unwrap();
            steps.step(Step::Finish);
            assert_eq!(peer.hear(), Heard::Fragment(0, PART.into()));
            assert_eq!(peer.hear(), Heard::Fragment(0x80, Vec::new()));
            let expected: Vec<usize> = match policy {
                SlowClient::DropNewest => (0..kept).collect(),
                _ => (20 - kept..20).collect(),
            };
            assert_eq!(numbers(&mut peer, kept), expected, "{version}, {policy:?}");
            peer.leave();
        }
    }
}

/// The queue is over its limit because of a message that came into an empty one: that waits for the writer,
/// so the writer must not wait for it.
#[test]
fn a_writer_does_not_wait_for_the_messages_that_wait_for_it() {
    let builder = Server::builder().send_queue_limit(1000);
    let steps = Steps::new(builder);
    let mut peer = steps.begin(Version::Rfc6455);
    steps.server.handle.broadcast("x".repeat(100_000));
    becomes(&1, || steps.server.handle.counters().messages_out);
    for _ in 0..10 {
        steps.fragment().unwrap();
        assert_eq!(peer.hear(), Heard::Fragment(0, PART.into()));
    }
    steps.step(Step::Finish);
    assert_eq!(peer.hear(), Heard::Fragment(0x80, Vec::new()));
    assert_eq!(peer.hear_text().len(), 100_000);
    peer.leave();
}

/// The total of all queues counts what waits for writers; the client that holds most is evicted.
#[test]
fn held_messages_count_in_the_total_of_all_queues() {
    let builder = Server::builder()
        .send_queue_limit(1 << 20)
        .total_send_queue_limit(100_000);
    let steps = Steps::new(builder);
    let mut peer = steps.begin(Version::Rfc6455);
    for _ in 0..20 {
        steps.server.handle.broadcast("x".repeat(10_000));
    }
    assert!(matches!(peer.hear(), Heard::End | Heard::Reset));
    eventually("the eviction", || {
        let reason = DisconnectReason::TotalSendQueue;
        let counters = steps.server.handle.counters();
        (counters.disconnected == [(reason, 1)].into()).then_some(())
    });
    assert!(steps.fragment().is_err());
    steps.step(Step::Drop);
}

/// A peer that reads nothing has the write timeout of its socket, as always.
#[test]
fn bytes_that_wait_for_the_peer_do_not_count_as_the_writers_silence() {
    let builder = Server::builder().write_timeout(PATIENCE);
    let steps = Steps::with_send_buffer(0, builder);
    let home = Ipv4Addr::LOCALHOST.into();
    let stream = dial_from(steps.server.address, home, Some(8 * 1024));
    let head = Head::of(Version::Rfc6455).bytes();
    let mut peer = Peer::on(stream, Version::Rfc6455, &head);
    steps.server.handle.broadcast("x".repeat(1 << 20));
    becomes(&1, || steps.server.handle.counters().messages_out);
    steps.fragment().unwrap();
    steps.step(Step::Finish);
    assert_eq!(peer.hear_text().len(), 1 << 20);
    assert_eq!(peer.hear(), Heard::Fragment(2, PART.into()));
    assert_eq!(peer.hear(), Heard::Fragment(0x80, Vec::new()));
    peer.leave();
}
