//! A room that one server forgets is forgotten by all.

use stentor::Version;
use stentor::server::{Followed, Position, PublishError, Since};

use super::*;

/// The numbers of the messages that a page of this server has.
fn kept(server: &Loopback) -> Vec<u64> {
    let page = server.handle.history("lobby", None, 100).unwrap();
    assert!(!page.more);
    let entries = page.entries.iter();
    entries.map(|entry| entry.position.number()).collect()
}

#[test]
fn all_servers_forget_and_a_resume_gets_the_exact_gap() {
    let Some(redis) = redis(&[]) else { return };
    let servers = two(&redis);
    let positions = publish(&servers[0], "lobby", numbers(0..10));
    for server in &servers {
        assert_eq!(kept(server).len(), 10);
    }
    servers[0].handle.forget("lobby", positions[5]).unwrap();
    for (server, version) in servers.iter().zip([Version::Draft75, Version::Rfc6455]) {
        eventually("the notification", || {
            (kept(server) == [7, 8, 9, 10]).then_some(())
        });
        let mut peer = server.open(version);
        let welcome = peer.resume("lobby", positions[1]);
        assert_eq!((welcome.gap, welcome.replayed), (Some(Some(4)), 4));
        assert_eq!(peer.texts(4), numbers(6..10));
        let mut peer = server.open(version);
        assert_eq!(peer.resume("lobby", positions[5]).gap, None);
    }
    // Numbers go on, and members notice nothing.
    let next = publish(&servers[1], "lobby", numbers(10..11));
    assert_eq!(
        (next[0].epoch(), next[0].number()),
        (positions[0].epoch(), 11)
    );
}

#[test]
fn a_member_notices_nothing_and_a_follower_that_is_behind_gets_the_gap() {
    let Some(redis) = redis(&[]) else { return };
    let servers = two(&redis);
    let mut peer = servers[1].open(Version::Hybi08);
    peer.resume("lobby", "last 0");
    let mut followed = servers[1].handle.follow("lobby", Since::Last(0)).unwrap();
    let positions = publish(&servers[0], "lobby", numbers(0..5));
    assert_eq!(peer.texts(5), numbers(0..5));
    servers[0].handle.forget("lobby", positions[4]).unwrap();
    eventually("the notification", || {
        kept(&servers[1]).is_empty().then_some(())
    });
    publish(&servers[0], "lobby", numbers(5..6));
    assert_eq!(peer.texts(1), numbers(5..6));
    match followed.next() {
        Some(Followed::Gap(gap)) => assert_eq!(gap, stentor::server::Gap::Trimmed(5)),
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(followed.next(), Some(Followed::Entry(entry)) if entry.position.number() == 6)
    );
    assert_eq!(servers[1].handle.counters().redis.gaps, 0);
}

#[test]
fn a_server_that_was_cut_off_forgets_when_it_is_back() {
    let Some(redis) = redis(&[]) else { return };
    let tube = Tube::to(&redis.socket());
    let one = serve(options(&redis.address()));
    let other = serve(options(&tube.redis()));
    let positions = publish(&one, "lobby", numbers(0..4));
    assert_eq!(kept(&other).len(), 4);
    let before = other.handle.counters().redis.reconnects;
    tube.swallow(true);
    one.handle.forget("lobby", positions[2]).unwrap();
    assert_eq!(kept(&other).len(), 4, "it cannot know it yet");
    tube.swallow(false);
    tube.cut();
    reconnects(&other, before);
    eventually("the position", || (kept(&other) == [4]).then_some(()));
}

#[test]
fn a_server_that_has_not_used_the_room_can_forget_it() {
    let Some(redis) = redis(&[]) else { return };
    let [one, other] = two(&redis);
    let positions = publish(&one, "lobby", numbers(0..3));
    other.handle.forget("lobby", positions[1]).unwrap();
    eventually("the notification", || (kept(&one) == [3]).then_some(()));
    // It is no message of the room, and a position of a later epoch changes nothing.
    let later = Position::new(positions[0].epoch() + 1, 100);
    other.handle.forget("lobby", later).unwrap();
    other.handle.forget("unknown", positions[0]).unwrap();
    assert_eq!((kept(&one), kept(&other)), (vec![3], vec![3]));
}

#[test]
fn a_redis_that_is_down_refuses_to_forget_and_works_again() {
    let Some(mut redis) = redis(&[]) else { return };
    let redis_options = options(&redis.address()).timeout(Duration::from_millis(500));
    let server = serve(redis_options);
    let positions = publish(&server, "lobby", numbers(0..2));
    assert_eq!(kept(&server), [1, 2]);
    redis.kill();
    eventually("the loss", || server.handle.health().degraded.then_some(()));
    let error = server.handle.forget("lobby", positions[0]).unwrap_err();
    assert_eq!(error, PublishError::Unavailable);
    assert_eq!(kept(&server), [1, 2]);
    redis.start();
    becomes(&false, || server.handle.health().degraded);
    server.handle.forget("lobby", positions[0]).unwrap();
    assert_eq!(kept(&server), [2]);
}
