//! The list of members, and the entries that change it.

use super::*;

#[test]
fn every_version_learns_who_is_there_and_who_comes_and_goes() {
    for version in Version::ALL {
        let server = serve(plenty());
        let mut watchers = server.open_all();
        for watcher in &mut watchers {
            watcher.watch("lobby");
        }
        let mut ann = server.open(version);
        let welcome = ann.enter("lobby", 1, "Ann");
        assert_eq!((welcome.gap, welcome.list), (None, list(&[(1, "Ann")])));
        let mut bob = server.open(version);
        assert_eq!(
            bob.enter("lobby", 2, "Bob").list,
            list(&[(1, "Ann"), (2, "Bob")])
        );
        let joined = ann.expect_joined(2, "Bob");
        assert_eq!(joined.number(), welcome.at.number() + 1);
        bob.leave_room("lobby");
        ann.expect_left(2, "Bob");
        ann.say("say|lobby|alone");
        ann.expect_entry("said", "alone");
        for watcher in &mut watchers {
            watcher.expect_joined(1, "Ann");
            watcher.expect_joined(2, "Bob");
            watcher.expect_left(2, "Bob");
            watcher.expect_entry("said", "alone");
        }
        assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
    }
}

#[test]
fn a_client_that_resumes_learns_who_came_and_went_meanwhile() {
    for version in Version::ALL {
        let server = serve(plenty());
        let mut ann = server.open(version);
        let start = ann.enter("lobby", 1, "Ann").at;
        let mut others = [2, 3].map(|number| {
            let mut other = server.open(version);
            other.enter("lobby", number, "other");
            other
        });
        others[0].expect_joined(3, "other");
        others[0].leave_room("lobby");
        drop(ann);
        server.wait_for_members("lobby", 1);
        // Within its grace period, and with all entries behind the position that it knows.
        let mut again = server.open(version);
        let welcome = again.enter_since("lobby", start, 1, "Ann");
        assert_eq!(welcome.list, list(&[(1, "Ann"), (3, "other")]), "{version}");
        let positions = [
            again.expect_joined(2, "other"),
            again.expect_joined(3, "other"),
            again.expect_left(2, "other"),
        ];
        assert_eq!(positions[2], welcome.at);
        assert_eq!(positions[0].number(), start.number() + 1);
    }
}

#[test]
fn the_list_and_its_position_are_of_one_moment() {
    let server = serve(plenty());
    let (empty, _, at) = present(&server, "lobby");
    assert_eq!((empty, at.number()), (List::new(), 0));
    let mut peer = server.open(Version::Rfc6455);
    let welcome = peer.enter("lobby", 1, "Ann");
    assert_eq!(present(&server, "lobby"), (welcome.list, 0, welcome.at));
    let marked = mark(&server, "lobby");
    assert_eq!(present(&server, "lobby").2, marked);
    peer.expect_entry("said", "mark");
    peer.leave_room("lobby");
    let (empty, _, at) = present(&server, "lobby");
    assert_eq!((empty, at.number()), (List::new(), marked.number() + 1));
    assert_eq!(entries(&server, "lobby").len(), 3);
}

#[test]
fn a_member_with_two_connections_joins_and_leaves_once() {
    for version in Version::ALL {
        let server = serve(plenty());
        let mut tabs = [server.open(version), server.open(Version::Rfc6455)];
        for tab in &mut tabs {
            assert_eq!(tab.enter("lobby", 1, "Ann").list, list(&[(1, "Ann")]));
        }
        let [mut first, mut second] = tabs;
        first.leave_room("lobby");
        assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
        second.leave_room("lobby");
        assert_eq!(present(&server, "lobby").0, List::new());
        assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"], "{version}");
    }
}

#[test]
fn other_metadata_is_published_as_an_update_and_the_latest_leave_counts() {
    let server = serve(plenty());
    let mut watcher = server.open(Version::Draft76);
    watcher.watch("lobby");
    let mut tabs = [server.open(Version::Rfc6455), server.open(Version::Draft75)];
    tabs[0].enter("lobby", 1, "Ann");
    assert_eq!(tabs[1].enter("lobby", 1, "Anna").list, list(&[(1, "Anna")]));
    tabs[0].expect_joined(1, "Anna");
    for tab in &mut tabs {
        tab.leave_room("lobby");
    }
    // After a leave at once it is a new member, also if it comes back in the next moment.
    tabs[0].enter("lobby", 1, "Ann");
    watcher.expect_joined(1, "Ann");
    watcher.expect_joined(1, "Anna");
    watcher.expect_left(1, "Anna");
    watcher.expect_joined(1, "Ann");
    assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
}

/// Both commands are in one batch of the hub, or in two.
#[test]
fn a_leave_and_a_new_enter_are_two_entries() {
    let server = Loopback::run(Server::builder().history(plenty()), |client| {
        for _ in 0..50 {
            client.enter("lobby", Since::Last(0), member(key(1), "Ann"), |_| None)?;
            client.leave("lobby");
        }
        client.send("done")?;
        while client.recv()?.is_some() {}
        Ok(())
    });
    let mut peer = server.open(Version::Hybi08);
    while peer.hear_text() != "done" {}
    assert_eq!(present(&server, "lobby").0, List::new());
    let kinds = kinds(&server, "lobby", 1);
    assert_eq!(kinds, ["joined", "left"].repeat(50));
}

#[test]
fn a_handle_ends_the_presence_of_its_client_at_once() {
    let server = serve(plenty());
    let mut peer = server.open(Version::Hybi07);
    peer.enter("lobby", 1, "Ann");
    // The welcome comes before the client has joined.
    server.wait_for_members("lobby", 1);
    server.client(&peer).leave("lobby");
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"]);
    server.client(&peer).leave("lobby");
    assert_eq!(peer.enter("lobby", 1, "Ann").list, list(&[(1, "Ann")]));
}

#[test]
fn a_member_of_many_rooms_leaves_each_of_them_once() {
    const ROOMS: usize = 200;
    let server = serve(plenty().grace_period(Duration::ZERO));
    let mut peer = server.open(Version::Rfc6455);
    for room in 0..ROOMS {
        peer.enter(&format!("room {room}"), 1, "Ann");
    }
    assert_eq!(server.handle.counters().members, ROOMS);
    drop(peer);
    eventually("all leaves", || {
        (server.handle.counters().members == 0).then_some(())
    });
    for room in 0..ROOMS {
        let room = format!("room {room}");
        assert_eq!(present(&server, &room).0, List::new());
        assert_eq!(kinds(&server, &room, 1), ["joined", "left"]);
    }
}

/// A member without publications changes the list alone.
#[test]
fn a_member_without_publications_is_in_the_list_without_an_entry() {
    let server = Loopback::run(Server::builder().history(plenty()), |client| {
        let silent = Member::new(key(1)).meta("silent");
        client.enter("lobby", Since::Last(0), silent, |entered| {
            Some(report(entered))
        })?;
        client.recv()?;
        client.leave("lobby");
        client.recv()?;
        Ok(())
    });
    let mut peer = server.open(Version::Rfc6455);
    assert_eq!(welcome(&peer.hear_text()).list, list(&[(1, "silent")]));
    assert_eq!(present(&server, "lobby").0, list(&[(1, "silent")]));
    peer.say("leave");
    eventually("the leave", || {
        present(&server, "lobby").0.is_empty().then_some(())
    });
    assert_eq!(entries(&server, "lobby"), [""; 0]);
}

/// A longer replay is sent by the client's own thread, while others come and go.
#[test]
fn a_client_with_a_long_replay_is_present_from_its_entry_on() {
    const COUNT: usize = 300;
    let builder = Server::builder()
        .history(plenty())
        .send_queue_limit(100_000);
    let server = Loopback::run_with_send_buffer(0, builder, obey);
    let room = server.handle.room("lobby");
    let text = "x".repeat(10_000);
    for _ in 0..COUNT {
        room.publish(entry("said", &text)).unwrap();
    }
    for version in Version::ALL {
        let mut peer = server.open(version);
        let welcome = peer.enter_since("lobby", format!("last {COUNT}"), 1, "Ann");
        // It has not read its replay, and is not in the room yet.
        assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
        assert_eq!(welcome.list, list(&[(1, "Ann")]));
        for _ in 0..COUNT - 1 {
            let heard = peer.hear_text();
            assert!(
                heard.ends_with(&text) || heard.contains(" joined ") || heard.contains(" left ")
            );
        }
        assert_eq!(peer.expect_joined(1, "Ann"), welcome.at);
        peer.leave_room("lobby");
        assert_eq!(present(&server, "lobby").0, List::new());
    }
}
