//! Resumes: what was missed comes first, then what is live, in every version.

use std::thread;

use super::*;

#[test]
fn every_version_receives_what_it_has_missed_and_then_live_messages() {
    for version in Version::ALL {
        let server = serve(plenty());
        let positions = publish(&server, "lobby", numbers(0..10));
        let mut peer = server.open(version);
        let welcome = peer.resume("lobby", positions[3]);
        let at = positions[9];
        let expected = Welcome {
            at,
            gap: None,
            replayed: 6,
        };
        assert_eq!(welcome, expected, "{version}");
        assert_eq!(peer.texts(6), numbers(4..10));
        server.wait_for_members("lobby", 1);
        // A broadcast is a part of the history, too.
        server.handle.room("lobby").broadcast("no position");
        peer.expect_text("no position");
        peer.say("leave|lobby");
        peer.expect_text("left");
        let again = peer.resume("lobby", at);
        assert_eq!((again.gap, again.replayed), (None, 1), "{version}");
        peer.expect_text("no position");
    }
}

#[test]
fn positions_are_consecutive_and_the_same_for_publisher_members_and_pages() {
    let server = serve(plenty());
    let mut peer = server.open(Version::Rfc6455);
    let welcome = peer.resume("lobby", "last 0");
    assert_eq!(
        (welcome.at.number(), welcome.gap, welcome.replayed),
        (0, None, 0)
    );
    let positions = publish(&server, "lobby", numbers(0..5));
    let received: Vec<_> = (0..5).map(|_| peer.said().0).collect();
    assert_eq!(received, positions);
    assert_eq!(positions[0].number(), 1);
    assert_eq!(positions[0].epoch(), welcome.at.epoch());
    let page = server.handle.history("lobby", None, 3).unwrap();
    let on_page: Vec<_> = page.entries.iter().map(|entry| entry.position).collect();
    assert_eq!((on_page, page.more), (positions[2..].to_vec(), true));
    let page = server
        .handle
        .history("lobby", Some(positions[2]), 3)
        .unwrap();
    let texts: Vec<_> = page
        .entries
        .iter()
        .map(|entry| entry.message.to_string())
        .collect();
    assert_eq!(
        texts,
        [format!("{} 0", positions[0]), format!("{} 1", positions[1])]
    );
    assert!(!page.more);
}

#[test]
fn another_room_has_another_epoch() {
    let server = serve(plenty());
    let [a, b] = ["a", "b"].map(|room| publish(&server, room, numbers(0..3)));
    assert_ne!(a[0].epoch(), b[0].epoch());
    let mut peer = server.open(Version::Draft76);
    let welcome = peer.resume("b", a[2]);
    let expected = Welcome {
        at: b[2],
        gap: Some(None),
        replayed: 3,
    };
    assert_eq!(welcome, expected);
    assert_eq!(peer.texts(3), numbers(0..3));
}

/// Draft-75 and draft-76 have no binary messages: they are counted in the positions, and skipped.
#[test]
fn binary_messages_are_skipped_and_counted_where_they_cannot_be_sent() {
    let server = serve(plenty());
    let room = server.handle.room("lobby");
    for number in 0..3u8 {
        room.publish(vec![number]).unwrap();
        room.publish(said(&number.to_string())).unwrap();
    }
    for version in Version::ALL {
        let before = server.handle.counters().skipped;
        let mut peer = server.open(version);
        assert_eq!(peer.resume("lobby", "last 6").replayed, 6);
        for number in 0..3u8 {
            if version >= Version::Hybi07 {
                assert_eq!(peer.hear(), Heard::Binary(vec![number]));
            }
            assert_eq!(peer.said().1, number.to_string());
        }
        let skipped = server.handle.counters().skipped - before;
        assert_eq!(
            skipped > 0,
            version < Version::Hybi07,
            "{version}: {skipped}"
        );
    }
}

/// Much more than the send queue and the kernel hold, for a client that reads only later.
#[test]
fn a_replay_larger_than_the_send_queue_is_paced_by_it() {
    const COUNT: usize = 400;
    let builder = Server::builder()
        .history(plenty())
        .send_queue_limit(100_000);
    let server = Loopback::run_with_send_buffer(0, builder, obey);
    let text = |number: usize| format!("{number} {}", "x".repeat(10_000));
    let positions = publish(&server, "lobby", (0..COUNT).map(text));
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.say(&format!("resume|lobby|{}", positions[0]));
    }
    let live = thread::spawn({
        let room = server.handle.room("lobby");
        move || (0..50).all(|number| room.publish(said(&format!("live {number}"))).is_ok())
    });
    for peer in &mut peers {
        let welcome = welcome(&peer.hear_text());
        assert!(welcome.gap.is_none());
        for (number, expected) in positions.iter().enumerate().skip(1) {
            let (position, said) = peer.said();
            assert_eq!(position, *expected, "{}", peer.version);
            assert_eq!(said, text(number));
        }
        let first = positions[COUNT - 1].number() + 1;
        for (expected, number) in (first..).zip(0..50) {
            let (position, text) = peer.said();
            let live = format!("live {number}");
            assert_eq!((position.number(), text), (expected, live));
        }
    }
    assert!(live.join().unwrap());
    let counters = server.handle.counters();
    assert_eq!((counters.evicted, counters.dropped), (0, 0));
}

#[test]
fn a_replay_to_a_client_that_never_reads_ends_that_client_only() {
    let builder = Server::builder()
        .history(plenty())
        .send_queue_limit(100_000);
    let builder = builder.write_timeout(Duration::from_millis(300));
    let server = Loopback::run_with_send_buffer(0, builder, obey);
    let positions = publish(&server, "lobby", (0..2000).map(|_| "x".repeat(10_000)));
    let mut silent = server.open(Version::Rfc6455);
    silent.say(&format!("resume|lobby|{}", positions[0]));
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    publish(&server, "lobby", numbers(0..3));
    assert_eq!(peer.texts(3), numbers(0..3));
    let expected = [(stentor::DisconnectReason::WriteTimeout, 1)].into();
    crate::support::eventually("the end of the silent client", || {
        (server.handle.counters().disconnected == expected).then_some(())
    });
    assert_eq!(server.handle.count(), 1);
}

#[test]
fn a_member_cannot_resume_before_it_leaves() {
    let server = serve(plenty());
    let mut peer = server.open(Version::Hybi08);
    peer.resume("lobby", "last 0");
    peer.say("resume|lobby|last 0");
    peer.expect_text("error: Member");
    publish(&server, "lobby", numbers(0..1));
    assert_eq!(peer.said().1, "0");
}

#[test]
fn a_connection_does_not_receive_messages_from_which_it_was_excepted() {
    let server = serve(plenty());
    let mut peer = server.open(Version::Hybi07);
    let start = peer.resume("lobby", "last 0").at;
    peer.say("others|lobby|not for me");
    peer.say("say|lobby|for all");
    assert_eq!(peer.said().1, "for all");
    peer.say("leave|lobby");
    peer.expect_text("left");
    let again = peer.resume("lobby", start);
    assert_eq!((again.gap, again.replayed), (None, 2));
    assert_eq!(peer.said().1, "for all");
    // A new connection is another client: it receives both.
    let mut other = server.open(Version::Hybi07);
    assert_eq!(other.resume("lobby", start).replayed, 2);
    assert_eq!(other.texts(2), ["not for me", "for all"]);
}

#[test]
fn a_resume_counts_as_a_membership() {
    let builder = Server::builder().history(plenty()).max_rooms_per_client(2);
    let server = Loopback::run(builder, obey);
    let mut peer = server.open(Version::Rfc6455);
    for _ in 0..10 {
        peer.resume("a", "last 0");
        peer.resume("b", "last 0");
        peer.say("resume|c|last 0");
        peer.expect_text("error: Join(TooManyRooms(2))");
        for room in ["a", "b"] {
            peer.say(&format!("leave|{room}"));
            peer.expect_text("left");
        }
    }
    assert_eq!(server.handle.counters().not_joined, 10);
    let builder = Server::builder().history(plenty()).max_memberships(1);
    let server = Loopback::run(builder, obey);
    let (mut one, mut two) = (server.open(Version::Rfc6455), server.open(Version::Draft75));
    for _ in 0..10 {
        one.resume("a", "last 0");
        // It receives the report before it joins.
        server.wait_for_members("a", 1);
        two.say("resume|a|last 0");
        let first = two.hear_text();
        assert!(
            first.starts_with("at "),
            "it looks before it joins: {first}"
        );
        two.expect_text("error: Join(TooManyMemberships(1))");
        one.say("leave|a");
        one.expect_text("left");
    }
}

#[test]
fn the_resume_of_a_server_that_shuts_down_ends() {
    let server = serve(plenty());
    publish(&server, "lobby", numbers(0..100));
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.say("resume|lobby|last 100");
    }
    server.handle.shutdown(Duration::from_secs(5));
    let refused = server.handle.room("lobby").publish("late");
    assert_eq!(refused, Err(stentor::server::PublishError::Closed));
    for mut peer in peers {
        while let Heard::Text(_) = peer.hear() {}
    }
}
