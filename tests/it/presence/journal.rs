//! Members of rooms in a journal: the list changes with the entries that are stored, and only with them.

use stentor::server::JournalLimits;

use super::*;
use crate::history::journal::store::Memory;

fn start(memory: &Memory, history: History) -> Loopback {
    let limits = JournalLimits::new().timeout(Duration::from_millis(300));
    serve(history.journal(memory.clone()).journal_limits(limits))
}

#[test]
fn a_member_is_in_the_list_when_its_entry_is_stored() {
    let memory = Memory::default();
    let server = start(&memory, plenty());
    let mut watcher = server.open(Version::Draft75);
    watcher.watch("lobby");
    for (number, version) in Version::ALL.into_iter().enumerate() {
        let mut peer = server.open(version);
        let welcome = peer.enter("lobby", number, "here");
        assert_eq!(
            welcome.list,
            list(&[(number, "here")]),
            "it is in its own list"
        );
        assert_eq!(watcher.expect_joined(number, "here"), welcome.at);
        assert_eq!(present(&server, "lobby"), (welcome.list, 0, welcome.at));
        peer.leave_room("lobby");
        let left = watcher.expect_left(number, "here");
        assert_eq!(present(&server, "lobby"), (List::new(), 0, left));
    }
    drop(server);
    let server = start(&memory, plenty());
    assert_eq!(entries(&server, "lobby").len(), 2 * Version::ALL.len());
    assert_eq!(present(&server, "lobby").0, List::new());
}

#[test]
fn a_refused_join_is_an_error_and_leaves_no_trace() {
    let memory = Memory::default();
    let server = start(&memory, plenty());
    let mut peer = server.open(Version::Rfc6455);
    memory.fail();
    peer.say(&format!("enter|lobby|last 0|{}|one", key(1)));
    peer.expect_text("error: Entry(Journal)");
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(server.handle.counters().members, 0);
    assert_eq!(entries(&server, "lobby"), Vec::<String>::new());
    let welcome = peer.enter("lobby", 1, "one");
    assert_eq!(
        (welcome.at.number(), welcome.list),
        (1, list(&[(1, "one")]))
    );
    peer.leave_room("lobby");
    eventually("the leave", || {
        (kinds(&server, "lobby", 1) == ["joined", "left"]).then_some(())
    });
}

#[test]
fn a_refused_leave_is_tried_again_and_leaves_no_ghost() {
    let memory = Memory::default();
    let server = start(&memory, plenty());
    let mut watcher = server.open(Version::Hybi08);
    let mut peer = server.open(Version::Rfc6455);
    watcher.watch("lobby");
    peer.enter("lobby", 1, "one");
    watcher.expect_joined(1, "one");
    memory.fail();
    peer.leave_room("lobby");
    eventually("the refusal", || {
        (server.handle.counters().journal_errors == 1).then_some(())
    });
    assert_eq!(present(&server, "lobby").0, list(&[(1, "one")]));
    watcher.expect_left(1, "one");
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"]);
}

#[test]
fn a_member_that_comes_back_after_a_refused_leave_stays_in_the_list() {
    let memory = Memory::default();
    let server = start(&memory, plenty());
    let mut peer = server.open(Version::Rfc6455);
    peer.enter("lobby", 1, "one");
    memory.fail();
    peer.leave_room("lobby");
    eventually("the refusal", || {
        (server.handle.counters().journal_errors == 1).then_some(())
    });
    let welcome = peer.enter("lobby", 1, "two");
    assert_eq!(welcome.list, list(&[(1, "two")]));
    // Longer than the time after which the leave would be tried again.
    let mut other = server.open(Version::Draft76);
    other.enter("lobby", 2, "other");
    peer.expect_joined(2, "other");
    memory.fail();
    other.leave_room("lobby");
    peer.expect_left(2, "other");
    assert_eq!(present(&server, "lobby").0, list(&[(1, "two")]));
    peer.leave_room("lobby");
    eventually("the last leave", || {
        present(&server, "lobby").0.is_empty().then_some(())
    });
}

#[test]
fn an_enter_that_waits_for_a_blocked_journal_ends_with_an_error_and_no_ghost() {
    let memory = Memory::default();
    let server = start(&memory, plenty());
    let mut peer = server.open(Version::Rfc6455);
    let gate = memory.block();
    peer.say(&format!("enter|lobby|last 0|{}|one", key(1)));
    peer.expect_text("error: Entry(Pending)");
    let error = server.handle.present("lobby").unwrap_err();
    assert_eq!(error, stentor::server::HistoryError::Journal);
    drop(gate);
    eventually("the leave behind the join", || {
        (kinds(&server, "lobby", 1) == ["joined", "left"]).then_some(())
    });
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(peer.enter("lobby", 1, "one").list, list(&[(1, "one")]));
}

#[test]
fn a_refused_leave_behind_a_late_join_is_tried_again_with_its_entry() {
    let memory = Memory::default();
    let server = start(&memory, plenty());
    let mut peer = server.open(Version::Rfc6455);
    let gate = memory.block();
    memory.fail_on(" left ");
    peer.say(&format!("enter|lobby|last 0|{}|one", key(1)));
    peer.expect_text("error: Entry(Pending)");
    // The hub has executed the leave when it answers.
    server.handle.rooms();
    drop(gate);
    eventually("the refusal", || {
        (server.handle.counters().journal_errors == 1).then_some(())
    });
    eventually("the leave behind the join", || {
        (kinds(&server, "lobby", 1) == ["joined", "left"]).then_some(())
    });
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(server.handle.counters().members, 0);
    assert_eq!(peer.enter("lobby", 1, "one").list, list(&[(1, "one")]));
}

#[test]
fn a_member_that_leaves_before_its_join_is_refused_leaves_no_entry() {
    let memory = Memory::default();
    let server = start(&memory, plenty());
    let mut peer = server.open(Version::Rfc6455);
    let gate = memory.block();
    memory.fail();
    peer.say(&format!("enter|lobby|last 0|{}|one", key(1)));
    peer.expect_text("error: Entry(Pending)");
    // The hub has executed the leave when it answers.
    server.handle.rooms();
    drop(gate);
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(entries(&server, "lobby"), Vec::<String>::new());
    assert_eq!(server.handle.counters().members, 0);
    assert_eq!(peer.enter("lobby", 1, "one").list, list(&[(1, "one")]));
}

#[test]
fn a_late_refusal_does_not_end_the_next_enter_of_the_same_client() {
    let memory = Memory::default();
    let server = start(&memory, plenty());
    let mut peer = server.open(Version::Rfc6455);
    let gate = memory.block();
    memory.fail();
    let enter = format!("enter|lobby|last 0|{}|one", key(1));
    peer.say(&enter);
    peer.expect_text("error: Entry(Pending)");
    peer.say(&enter);
    eventually("the second enter", || {
        (server.handle.counters().members == 1).then_some(())
    });
    drop(gate);
    let welcome = peer.hear_text();
    assert!(welcome.starts_with("at "), "{welcome}");
    assert_eq!(present(&server, "lobby").0, list(&[(1, "one")]));
    assert_eq!(server.handle.counters().members, 1);
    peer.leave_room("lobby");
    eventually("the leave", || {
        (kinds(&server, "lobby", 1) == ["joined", "left"]).then_some(())
    });
}
