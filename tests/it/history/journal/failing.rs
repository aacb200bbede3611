//! A journal that blocks, fails or panics.

use std::fmt;
use std::io;

use super::*;
use crate::support::hush;

#[test]
fn a_journal_that_blocks_stops_its_rooms_and_nothing_else() {
    let memory = Memory::default();
    let server = start(&memory, limits());
    let (mut member, mut local) = (server.open(Version::Draft75), server.open(Version::Rfc6455));
    member.resume("lobby", "last 0");
    local.resume("local/lobby", "last 0");
    assert!(!server.handle.health().degraded);
    let gate = memory.block();
    let refused = server.handle.room("lobby").publish("late");
    assert_eq!(refused, Err(PublishError::Pending));
    publish(&server, "local/lobby", numbers(0..3));
    assert_eq!(local.texts(3), numbers(0..3));
    server.handle.broadcast("everyone");
    // The member has received nothing of its room before.
    member.expect_text("everyone");
    local.expect_text("everyone");
    let health = eventually("a degraded journal", || {
        let health = server.handle.health();
        health.degraded.then_some(health)
    });
    assert!(health.live && health.ready);
    drop(gate);
    member.expect_text("late");
    eventually("a journal that works", || {
        (!server.handle.health().degraded).then_some(())
    });
}

#[test]
fn the_messages_on_their_way_to_a_blocked_journal_are_bounded() {
    let memory = Memory::default();
    let server = start(&memory, limits());
    let gate = memory.block();
    let room = server.handle.room("lobby");
    for _ in 0..1024 {
        room.broadcast("x");
    }
    assert_eq!(server.handle.counters().not_published, 0);
    assert_eq!(room.publish("x"), Err(PublishError::Unavailable));
    room.broadcast("x");
    assert_eq!(server.handle.counters().not_published, 1);
    drop(gate);
    let position = eventually("free places", || room.publish("x").ok());
    assert_eq!(position.number(), 1025);
}

#[test]
fn an_error_or_a_panic_refuses_its_messages_and_uses_no_position() {
    hush("panicking on purpose");
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new());
    let mut member = server.open(Version::Hybi07);
    member.resume("lobby", "last 0");
    let room = server.handle.room("lobby");
    let first = room.publish(said("0")).unwrap();
    let faults: [fn(&Memory); 2] = [Memory::fail, Memory::panic];
    for (errors, fault) in (1..).zip(faults) {
        fault(&memory);
        assert_eq!(room.publish(said("refused")), Err(PublishError::Journal));
        assert!(server.handle.health().degraded);
        assert_eq!(server.handle.counters().journal_errors, errors);
        let next = room.publish(said("stored")).unwrap();
        assert_eq!(next, position(first, 1 + errors));
        assert!(!server.handle.health().degraded);
    }
    memory.fail();
    room.broadcast("refused");
    eventually("the count", || {
        (server.handle.counters().not_published == 1).then_some(())
    });
    assert_eq!(member.texts(3), ["0", "stored", "stored"]);
}

#[test]
fn reads_of_a_blocked_journal_end_with_an_error() {
    let memory = Memory::default();
    let server = start(&memory, limits());
    let positions = publish(&server, "lobby", numbers(0..10));
    let gate = memory.block();
    let page = server.handle.history("lobby", None, 10);
    assert_eq!(page, Err(HistoryError::Journal));
    let recent = server.handle.history("lobby", None, 4).unwrap();
    assert_eq!(recent.entries.len(), 4, "the memory has them");
    let mut peer = server.open(Version::Rfc6455);
    let welcome = peer.resume("lobby", positions[0]);
    assert_eq!((welcome.gap, welcome.replayed), (None, 9));
    let error = peer.hear_text();
    assert_eq!(
        error,
        format!(
            "error: Journal(Position {{ epoch: {}, number: 1 }})",
            positions[0].epoch()
        )
    );
    drop(gate);
}

#[test]
fn a_server_does_not_wait_for_ever_for_a_journal_that_blocks() {
    let memory = Memory::default();
    let server = start(&memory, limits());
    let gate = memory.block();
    server.handle.room("lobby").broadcast("x");
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("local/lobby", "last 0");
    drop(peer);
    drop(server);
    drop(gate);
    eventually("the message", || {
        memory.store().rooms.get("lobby").map(drop)
    });
}

/// An error whose text panics.
#[derive(Debug)]
struct NoText;

impl fmt::Display for NoText {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no text on purpose")
    }
}

impl std::error::Error for NoText {}

#[test]
fn an_error_whose_text_panics_refuses_its_messages_and_nothing_else() {
    hush("no text on purpose");
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new());
    let room = server.handle.room("lobby");
    memory.fail_with(io::Error::other(NoText));
    assert_eq!(room.publish("refused"), Err(PublishError::Journal));
    assert_eq!(server.handle.counters().journal_errors, 1);
    assert_eq!(room.publish("stored").map(Position::number), Ok(1));
}
