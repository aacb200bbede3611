//! Rooms with a journal: messages and positions outlive the server, and nothing else waits for the journal.

mod failing;

pub(crate) mod store;

use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::SystemTime;

use super::*;
use crate::support::eventually;
use stentor::server::{
    Followed, HistoryError, Journal, JournalEntry, JournalLimits, JournalRoom, PublishError,
};
use store::Memory;

/// Limits that no test reaches, and a short timeout.
fn limits() -> JournalLimits {
    JournalLimits::new().timeout(Duration::from_millis(300))
}

/// A server whose memory has four messages of each room, and whose journal has all.
fn start(memory: &Memory, limits: JournalLimits) -> Loopback {
    let history = plenty().max_entries(4).journal(memory.clone());
    serve(history.journal_limits(limits).local_prefix("local/"))
}

fn position(of: Position, number: u64) -> Position {
    Position::new(of.epoch(), number)
}

#[test]
fn positions_survive_a_restart_and_clients_of_all_versions_resume_across_it() {
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new());
    let before = publish(&server, "lobby", numbers(0..20));
    assert!(before[0].number() == 1 && before[19].number() == 20);
    drop(server);
    let server = start(&memory, JournalLimits::new());
    let after = publish(&server, "lobby", numbers(20..30));
    assert_eq!(after[0], position(before[0], 21));
    for version in Version::ALL {
        for since in [0, 5, 19, 24] {
            let mut peer = server.open(version);
            let since = position(before[0], since);
            let welcome = peer.resume("lobby", since);
            let missed = 30 - since.number();
            assert_eq!((welcome.at, welcome.gap), (after[9], None));
            assert_eq!(welcome.replayed, missed);
            let count = usize::try_from(missed).unwrap();
            assert_eq!(peer.texts(count), numbers(30 - count..30));
        }
    }
}

#[test]
fn a_room_that_was_not_used_since_the_start_has_its_old_messages() {
    let memory = Memory::default();
    let positions = publish(
        &start(&memory, JournalLimits::new()),
        "lobby",
        numbers(0..10),
    );
    let server = start(&memory, JournalLimits::new());
    let page = server.handle.history("lobby", None, 3).unwrap();
    let found: Vec<_> = page.entries.iter().map(|entry| entry.position).collect();
    assert_eq!((found, page.more), (positions[7..].to_vec(), true));
    let mut peer = server.open(Version::Draft76);
    assert_eq!(peer.resume("lobby", "last 5").replayed, 5);
    assert_eq!(peer.texts(5), numbers(5..10));
    let never = server.handle.history("never", None, 3).unwrap();
    assert_eq!((never.entries.len(), never.more), (0, false));
}

#[test]
fn pages_and_followers_go_on_beyond_the_memory() {
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new());
    let positions = publish(&server, "lobby", numbers(0..1000));
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = server.handle.history("lobby", before, 70).unwrap();
        let numbers = page.entries.iter().map(|entry| entry.position);
        seen.splice(0..0, numbers);
        before = seen.first().copied();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, positions);
    let follow = server
        .handle
        .follow("lobby", position(positions[0], 0))
        .unwrap();
    let followed: Vec<_> = follow.take(1000).collect();
    for (followed, position) in followed.iter().zip(&positions) {
        assert!(matches!(followed, Followed::Entry(entry) if entry.position == *position));
    }
}

#[test]
fn a_follower_that_the_end_of_its_server_stops_goes_on_after_the_restart_without_a_gap() {
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new());
    let positions = publish(&server, "lobby", numbers(0..1000));
    let begin = position(positions[0], 0);
    let behind = server.handle.follow("lobby", begin).unwrap();
    let mut inside = server.handle.follow("lobby", begin).unwrap();
    assert!(matches!(inside.next(), Some(Followed::Entry(_))));
    drop(server);
    // The memory has the last four messages only, and the journal is closed.
    let mut seen = vec![positions[0]];
    for (mut follow, read) in [(behind, 0), (inside, 1)] {
        let entries = follow.by_ref().map(|followed| match followed {
            Followed::Entry(entry) => entry.position,
            other => panic!("{other:?} at the end of the server"),
        });
        let entries: Vec<_> = entries.collect();
        let at = read + entries.len();
        assert!(at < 1000, "the journal was read after its end");
        let before = |at: usize| at.checked_sub(1).map_or(begin, |last| positions[last]);
        assert_eq!(follow.position(), before(at));
        if read == 1 {
            seen.extend(entries);
        }
    }
    let server = start(&memory, JournalLimits::new());
    let last = *seen.last().unwrap();
    let rest = server.handle.follow("lobby", last).unwrap();
    for followed in rest.take(1000 - seen.len()) {
        match followed {
            Followed::Entry(entry) => seen.push(entry.position),
            other => panic!("{other:?} after the restart"),
        }
    }
    assert_eq!(seen, positions);
}

#[test]
fn a_room_beyond_its_bytes_loses_its_oldest_messages_first() {
    const BYTES: u64 = 20_000;
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new().max_bytes(20_000));
    let text = "x".repeat(100);
    let positions: Vec<_> = (0..10)
        .flat_map(|_| {
            let positions = publish(&server, "lobby", (0..100).map(|_| text.clone()));
            // The journal's thread trims the room before it stores the next messages.
            let size = eventually("the trim", || {
                let store = memory.store();
                let (_, kept) = &store.rooms["lobby"];
                let size: u64 = kept.iter().map(|kept| kept.message.len() as u64 + 64).sum();
                (size <= BYTES).then_some(size)
            });
            assert!(
                size >= BYTES * 3 / 4,
                "{size}: more than needed was removed"
            );
            positions
        })
        .collect();
    let (room, kept) = memory.store().rooms["lobby"].clone();
    assert_eq!(room.oldest, kept[0].position.number());
    let kept: Vec<_> = kept.iter().map(|entry| entry.position).collect();
    assert_eq!(kept, positions[positions.len() - kept.len()..]);
    // Another room has bytes of its own.
    publish(&server, "other", [text.clone()]);
    assert_eq!(memory.store().rooms["lobby"].1.len(), kept.len());
    let mut peer = server.open(Version::Draft75);
    let welcome = peer.resume("lobby", positions[0]);
    assert_eq!(welcome.gap, Some(Some(room.oldest - 2)));
    assert_eq!(welcome.replayed, kept.len() as u64);
    // A message that alone is beyond the limit is sent, and not kept.
    publish(&server, "lobby", ["x".repeat(20_000)]);
    eventually("the trim", || {
        memory.store().rooms["lobby"].1.is_empty().then_some(())
    });
}

#[test]
fn a_page_of_large_messages_is_cut_at_its_old_end() {
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new());
    let positions = publish(&server, "lobby", (0..20).map(|_| "x".repeat(100_000)));
    let page = server.handle.history("lobby", None, 1000).unwrap();
    let count = page.entries.len();
    assert!((5..=11).contains(&count) && page.more, "{count}");
    let last = page.entries.last().map(|entry| entry.position);
    assert_eq!(last, Some(positions[19]));
}

#[test]
fn a_page_that_the_memory_fills_has_more_in_the_journal() {
    let memory = Memory::default();
    let history = plenty().max_entries(10).max_bytes(8 * 1024 * 1024);
    let server = serve(history.journal(memory.clone()));
    let positions = publish(&server, "lobby", (0..15).map(|_| "x".repeat(100_000)));
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = server.handle.history("lobby", before, 1000).unwrap();
        assert!(!page.entries.is_empty());
        let found = page.entries.iter().map(|entry| entry.position);
        seen.splice(0..0, found);
        before = seen.first().copied();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, positions);
}

#[test]
fn a_replay_from_the_journal_that_is_larger_than_the_send_queue_is_complete() {
    let memory = Memory::default();
    let builder = Server::builder().send_queue_limit(128 * 1024);
    let history = plenty().max_entries(4).journal(memory.clone());
    let server = Loopback::run(builder.history(history), obey);
    let positions = publish(&server, "lobby", (0..300).map(|_| "x".repeat(10_000)));
    let mut peer = server.open(Version::Draft75);
    let welcome = peer.resume("lobby", positions[0]);
    assert_eq!((welcome.gap, welcome.replayed), (None, 299));
    assert_eq!(peer.texts(299).len(), 299);
}

#[test]
fn a_room_beyond_its_limits_loses_its_oldest_messages_and_the_gap_is_exact() {
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new().max_entries(80));
    let positions = publish(&server, "lobby", numbers(0..200));
    let oldest = eventually("the trim", || {
        let oldest = memory.store().rooms["lobby"].0.oldest;
        (oldest > 120).then_some(oldest)
    });
    assert!(200 - oldest < 80, "{oldest}");
    let mut peer = server.open(Version::Hybi07);
    let welcome = peer.resume("lobby", positions[9]);
    assert_eq!(welcome.gap, Some(Some(oldest - 11)));
    assert_eq!(welcome.replayed, 201 - oldest);
    let first = usize::try_from(oldest).unwrap() - 1;
    assert_eq!(peer.texts(200 - first), numbers(first..200));
}

#[test]
fn the_room_whose_newest_message_is_oldest_is_removed_first() {
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new().max_rooms(3));
    let old = publish(&server, "a", numbers(0..2));
    for room in ["b", "c", "a", "d"] {
        publish(&server, room, numbers(2..4));
    }
    eventually("the removal", || {
        let rooms: Vec<String> = memory
            .store()
            .rooms
            .keys()
            .map(|room| room.to_string())
            .collect();
        (rooms == ["a", "c", "d"]).then_some(())
    });
    // Its positions do not come again.
    let again = publish(&server, "b", numbers(0..1));
    assert!(again[0].epoch() > old[0].epoch() && again[0].number() == 1);
    let total = JournalLimits::new().total_limit(300);
    drop(server);
    let server = start(&memory, total);
    assert_eq!(memory.store().rooms.len(), 2, "at the start, too");
    drop(server);
}

#[test]
fn forgotten_messages_are_no_longer_replayed_and_the_position_goes_on() {
    for room in ["lobby", "local/lobby"] {
        let memory = Memory::default();
        let server = serve(plenty().journal(memory.clone()).local_prefix("local/"));
        let positions = publish(&server, room, numbers(0..10));
        assert_eq!(server.handle.forget(room, positions[6]), Ok(()));
        assert_eq!(server.handle.forget(room, Position::new(1, 99)), Ok(()));
        let page = server.handle.history(room, None, 100).unwrap();
        assert_eq!((page.entries.len(), page.more), (3, false));
        let mut peer = server.open(Version::Rfc6455);
        let welcome = peer.resume(room, positions[1]);
        assert_eq!((welcome.gap, welcome.replayed), (Some(Some(5)), 3));
        assert_eq!(peer.texts(3), numbers(7..10));
        assert_eq!(server.handle.forget(room, positions[9]), Ok(()));
        assert_eq!(publish(&server, room, numbers(10..11))[0].number(), 11);
    }
    let server = Loopback::run(Server::builder(), obey);
    let refused = server.handle.forget("lobby", Position::new(1, 1));
    assert_eq!(refused, Err(PublishError::NoHistory));
}

#[test]
fn many_messages_are_stored_by_few_commits() {
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new());
    let gate = memory.block();
    for number in numbers(0..500) {
        server.handle.room("lobby").broadcast(number);
    }
    // When the hub answers, it has handed all of them over.
    server.handle.rooms();
    drop(gate);
    let last = publish(&server, "lobby", numbers(500..501));
    assert_eq!(last[0].number(), 501);
    let commits = memory.store().commits;
    assert!(commits <= 4, "{commits}");
}

#[test]
fn messages_that_were_accepted_before_a_shutdown_are_stored_and_sent() {
    let memory = Memory::default();
    let server = start(&memory, JournalLimits::new());
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.resume("lobby", "last 0");
    }
    server.wait_for_members("lobby", peers.len());
    let gate = memory.block();
    for number in numbers(0..50) {
        server.handle.room("lobby").broadcast(number);
    }
    let handle = server.handle.clone();
    let stopping = thread::spawn(move || handle.shutdown(Duration::from_secs(10)));
    eventually("the shutdown", || {
        (!server.handle.health().ready).then_some(())
    });
    drop(gate);
    stopping.join().unwrap();
    for peer in &mut peers {
        for number in numbers(0..50) {
            peer.expect_text(&number);
        }
        assert!(!matches!(peer.hear(), Heard::Text(_)));
    }
    assert_eq!(memory.store().rooms["lobby"].1.len(), 50);
}

#[test]
fn invalid_rooms_of_a_journal_are_an_error_when_the_server_is_built() {
    let most = u64::MAX / 2 - 1;
    let wrong = [
        (3, 0, 0),
        (3, 5, 0),
        (u64::MAX, 1, 0),
        (most, 1, 0),
        (3, 1, u64::MAX),
    ];
    for (newest, oldest, bytes) in wrong {
        let memory = Memory::default();
        let at = Position::new(1, newest);
        let room = JournalRoom::new("lobby".into(), at, oldest, bytes, SystemTime::now());
        memory
            .store()
            .rooms
            .insert("lobby".into(), (room, Vec::new()));
        let builder = Server::builder().history(History::new().journal(memory.clone()));
        let error = builder.listen("127.0.0.1:0").build().unwrap_err();
        assert!(error.to_string().contains("invalid room"), "{error}");
    }
}

#[test]
fn the_storm_of_a_room_in_a_journal_has_one_order() {
    let memory = Memory::default();
    // As many messages as come while a guest catches up on a busy machine: with fewer, it may be told that it lags.
    let history = plenty().max_entries(4096).journal(memory.clone());
    storms::assert_no_hole(history, 6);
}
