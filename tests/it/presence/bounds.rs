//! The bounds: announced members, memory, and enters that fail.

use super::*;

#[test]
fn announced_is_decided_at_the_enter_and_kept() {
    let server = serve(plenty().max_announced(2));
    let mut peers: Vec<_> = (0..4).map(|_| server.open(Version::Rfc6455)).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        let welcome = peer.enter("lobby", number, "m");
        assert_eq!(welcome.unannounced, number.saturating_sub(1));
        assert_eq!(welcome.list.len(), (number + 1).min(2));
    }
    // There is a place again, and the others stay unannounced.
    peers[0].expect_joined(1, "m");
    peers[0].leave_room("lobby");
    peers[3].expect_left(0, "m");
    peers[3].leave_room("lobby");
    let (members, unannounced, _) = present(&server, "lobby");
    assert_eq!((members, unannounced), (list(&[(1, "m")]), 1));
    assert_eq!(kinds(&server, "lobby", 3), [""; 0]);
    assert_eq!(peers[3].enter("lobby", 3, "m").list.len(), 2);
}

#[test]
fn an_enter_that_fails_leaves_no_ghost() {
    let builder = Server::builder().history(plenty()).max_memberships(1);
    let server = Loopback::run(builder, obey);
    let mut first = server.open(Version::Rfc6455);
    first.enter("other", 1, "Ann");
    let mut second = server.open(Version::Draft75);
    assert_eq!(second.enter("lobby", 2, "Bob").list, list(&[(2, "Bob")]));
    second.expect_text("error: Resume(Join(TooManyMemberships(1)))");
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(kinds(&server, "lobby", 2), ["joined", "left"]);
    first.say(&format!("enter|other|last 0|{}|Ann", key(1)));
    first.expect_text("error: Resume(Member)");
    assert_eq!(present(&server, "other").0, list(&[(1, "Ann")]));
}

#[test]
fn the_members_of_all_rooms_have_one_bound() {
    const LIMIT: usize = 20_000;
    let server = serve(plenty().max_member_bytes(LIMIT));
    let mut peer = server.open(Version::Rfc6455);
    let mut count = 0;
    loop {
        peer.say(&format!("enter|room {count}|last 0|{}|m", key(count)));
        let text = peer.hear_text();
        if text == format!("error: TooManyMembers({LIMIT})") {
            break;
        }
        assert!(text.starts_with("at "), "{text}");
        count += 1;
        assert!(count < 1000);
    }
    assert!(count > 5, "{count}");
    assert_eq!(server.handle.counters().members, count);
    // Members in their grace period make room for one that comes.
    drop(peer);
    server.wait_for_members("room 0", 0);
    let mut peer = server.open(Version::Draft76);
    eventually("the last leave", || {
        server.handle.rooms().is_empty().then_some(())
    });
    // The first takes what the connections that ended have left.
    for number in 5000..5004 {
        peer.enter(&format!("lobby {number}"), number, "m");
    }
    assert_eq!(kinds(&server, "room 0", 0), ["joined", "left"]);
}

#[test]
fn a_displaced_history_keeps_the_list_and_gets_a_new_epoch() {
    let server = serve(plenty().total_limit(64 * 1024));
    let mut peer = server.open(Version::Rfc6455);
    let at = peer.enter("lobby", 1, "Ann").at;
    for number in 0..500 {
        let room = server.handle.room(&format!("room {number}"));
        room.publish("x".repeat(1000)).unwrap();
    }
    let (members, _, now) = present(&server, "lobby");
    assert_eq!(members, list(&[(1, "Ann")]));
    assert!(now.epoch() > at.epoch());
    peer.leave_room("lobby");
    assert_eq!(present(&server, "lobby").0, List::new());
}

#[test]
fn a_report_that_panics_leaves_no_ghost() {
    let server = serve(plenty());
    let mut peer = server.open(Version::Hybi07);
    peer.say(&format!("panic|lobby|{}", key(1)));
    peer.expect_goodbye(1011, "");
    eventually("the leave", || {
        present(&server, "lobby").0.is_empty().then_some(())
    });
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"]);
}

#[test]
fn a_shutdown_reports_no_leaves() {
    let mut server = serve(plenty().grace_period(Duration::ZERO));
    let follow = server.handle.follow("lobby", Since::Last(0)).unwrap();
    let follower = std::thread::spawn(move || follow.map(|item| format!("{item:?}")).collect());
    let mut peers = server.open_all();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.enter("lobby", number, "m");
    }
    server.handle.shutdown(Duration::from_secs(5));
    drop(peers);
    server.join();
    let entries: Vec<String> = follower.join().unwrap();
    assert!(
        !entries.iter().any(|entry| entry.contains(" left ")),
        "{entries:?}"
    );
}
