//! The bounds of a history, and the gaps that they make.

use super::*;
use crate::support::eventually;

#[test]
fn a_gap_has_the_exact_number_of_trimmed_messages() {
    let server = serve(plenty().max_entries(10));
    let positions = publish(&server, "lobby", numbers(0..100));
    let cases = [(0, 89), (50, 39), (88, 1), (89, 0), (95, 0), (99, 0)];
    for (since, missed) in cases {
        let mut peer = server.open(Version::Draft75);
        let welcome = peer.resume("lobby", positions[since]);
        let gap = (missed > 0).then_some(Some(missed));
        let replayed = (99 - since).min(10);
        let at = positions[99];
        assert_eq!(
            welcome,
            Welcome {
                at,
                gap,
                replayed: replayed as u64
            }
        );
        assert_eq!(peer.texts(replayed), numbers(100 - replayed..100));
    }
    let mut peer = server.open(Version::Rfc6455);
    let welcome = peer.resume("lobby", format!("last {}", usize::MAX));
    assert_eq!((welcome.gap, welcome.replayed), (None, 10));
}

#[test]
fn bytes_are_bounded_and_a_message_that_is_too_large_is_sent_but_not_kept() {
    let server = serve(plenty().max_bytes(10_000));
    let mut member = server.open(Version::Rfc6455);
    let start = member.resume("lobby", "last 0").at;
    let positions = publish(&server, "lobby", (0..100).map(|_| "x".repeat(1000)));
    assert_eq!(member.texts(100).len(), 100);
    let mut peer = server.open(Version::Rfc6455);
    let welcome = peer.resume("lobby", start);
    assert!((5..=10).contains(&welcome.replayed), "{welcome:?}");
    assert_eq!(welcome.gap, Some(Some(100 - welcome.replayed)));
    assert!(server.handle.counters().history < 12_000);

    publish(&server, "lobby", ["y".repeat(20_000)]);
    assert_eq!(member.said().1.len(), 20_000);
    let mut late = server.open(Version::Rfc6455);
    let welcome = late.resume("lobby", positions[99]);
    assert_eq!((welcome.gap, welcome.replayed), (Some(Some(1)), 0));
    assert!(server.handle.counters().history < 1000);
}

#[test]
fn old_messages_are_not_replayed_and_leave_nothing_behind() {
    let server = serve(plenty().max_age(Duration::from_millis(50)));
    let old = publish(&server, "lobby", numbers(0..3));
    let mut peer = server.open(Version::Rfc6455);
    let epoch = old[0].epoch();
    // Nobody is in the room: after a while it is forgotten, and so has another epoch.
    let welcome = eventually("the end of the room", || {
        eventually("free memory", || {
            (server.handle.counters().history == 0).then_some(())
        });
        let welcome = peer.resume("lobby", old[2]);
        peer.say("leave|lobby");
        peer.expect_text("left");
        (welcome.at.epoch() != epoch).then_some(welcome)
    });
    assert_eq!((welcome.gap, welcome.replayed), (Some(None), 0));
    // While a client is in the room, the positions stay, and the number of missing ones is known.
    let mut member = server.open(Version::Rfc6455);
    let start = member.resume("lobby", "last 0").at;
    publish(&server, "lobby", numbers(0..3));
    let gap = eventually("the end of the messages", || {
        let welcome = peer.resume("lobby", start);
        for _ in 0..welcome.replayed {
            peer.said();
        }
        peer.say("leave|lobby");
        peer.expect_text("left");
        (welcome.replayed == 0).then_some(welcome.gap)
    });
    assert_eq!(gap, Some(Some(3)));
}

#[test]
fn all_rooms_together_have_one_bound() {
    const TOTAL: usize = 256 * 1024;
    let server = serve(plenty().total_limit(TOTAL));
    let mut member = server.open(Version::Rfc6455);
    member.resume("quiet", "last 0");
    for number in 0..1000 {
        publish(&server, &format!("room {number}"), ["x".repeat(1000)]);
        if number % 10 == 0 {
            publish(&server, "busy", [number.to_string()]);
        }
        let held = server.handle.counters().history;
        assert!(held < TOTAL + 4000, "{held}");
    }
    let page = |room: &str| {
        server
            .handle
            .history(room, None, 1000)
            .unwrap()
            .entries
            .len()
    };
    assert_eq!(page("room 0"), 0);
    assert_eq!(page("room 999"), 1);
    // Rooms without a message, by clients that name many: they are forgotten as well.
    for number in 0..2000 {
        member.resume(&format!("name {number}"), "last 0");
        member.say(&format!("leave|name {number}"));
        member.expect_text("left");
    }
    assert!(server.handle.counters().history < TOTAL + 4000);
    publish(&server, "quiet", numbers(0..1));
    assert_eq!(member.said().1, "0");
}

#[test]
fn a_server_without_history_says_so() {
    let server = Loopback::run(Server::builder(), obey);
    let mut peer = server.open(Version::Rfc6455);
    peer.say("resume|lobby|last 1");
    peer.expect_text("error: NoHistory");
    peer.say("page|lobby||1");
    assert!(peer.hear_text().starts_with("error: no history"));
    let refused = server.handle.room("lobby").publish("text");
    assert_eq!(refused, Err(stentor::server::PublishError::NoHistory));
    assert!(server.handle.follow("lobby", Since::Last(1)).is_err());
}
