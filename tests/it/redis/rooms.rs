//! Two servers are one room.

use std::thread;

use stentor::Version;
use stentor::server::{Followed, Member, MemberKey, Publication, Since};

use super::*;

#[test]
fn two_servers_are_one_room_for_clients_of_all_versions_in_one_order() {
    let Some(redis) = redis(&[]) else { return };
    let servers = two(&redis);
    let mut peers: Vec<Peer> = servers.iter().flat_map(Loopback::open_all).collect();
    for peer in &mut peers {
        let welcome = peer.resume("lobby", "last 0");
        assert_eq!((welcome.gap, welcome.replayed), (None, 0));
    }
    // Both servers publish at the same time.
    thread::scope(|scope| {
        for (server, name) in servers.iter().zip(["a", "b"]) {
            let texts = (0..50).map(move |number| format!("{name}{number}"));
            scope.spawn(move || publish(server, "lobby", texts));
        }
    });
    let orders: Vec<_> = peers.iter_mut().map(|peer| peer.texts(100)).collect();
    for order in &orders {
        assert_eq!(order, &orders[0]);
    }
    for name in ["a", "b"] {
        let own = orders[0].iter().filter(|text| text.starts_with(name));
        let expected: Vec<_> = (0..50).map(|number| format!("{name}{number}")).collect();
        assert!(own.eq(expected.iter()));
    }
    let counters = servers[0].handle.counters();
    assert_eq!((counters.redis.gaps, counters.redis.refused), (0, 0));
}

#[test]
fn a_client_resumes_on_the_other_server() {
    let Some(redis) = redis(&[]) else { return };
    let [one, other] = two(&redis);
    for version in Version::ALL {
        let room = version.to_string();
        let mut peer = one.open(version);
        peer.resume(&room, "last 0");
        publish(&one, &room, numbers(0..3));
        let last = (0..3).map(|_| peer.said()).last().unwrap();
        drop(peer);
        publish(&one, &room, numbers(3..6));
        let mut peer = other.open(version);
        let welcome = peer.resume(&room, last.0);
        assert_eq!((welcome.gap, welcome.replayed), (None, 3), "{version}");
        assert_eq!(peer.texts(3), numbers(3..6));
        other.wait_for_members(&room, 1);
        publish(&one, &room, ["live".to_owned()]);
        assert_eq!(peer.texts(1), ["live"]);
    }
}

#[test]
fn a_client_ahead_of_its_server_resumes_without_a_gap() {
    let Some(redis) = redis(&[]) else { return };
    let tube = Tube::to(&redis.socket());
    let one = serve(options(&redis.address()));
    let behind = serve(options(&tube.redis()));
    let mut old = behind.open(Version::Rfc6455);
    old.resume("lobby", "last 0");
    tube.swallow_answers(true);
    let positions = publish(&one, "lobby", numbers(0..3));
    // The notification about each of them is lost.
    eventually("the notifications", || {
        (tube.swallowed("message") == positions.len()).then_some(())
    });
    tube.swallow_answers(false);
    let mut new = behind.open(Version::Rfc6455);
    let welcome = new.resume("lobby", positions[1]);
    assert_eq!((welcome.gap, welcome.replayed), (None, 1));
    assert_eq!(new.texts(1), numbers(2..3));
    assert_eq!(old.texts(3), numbers(0..3));
    assert_eq!(behind.handle.counters().redis.gaps, 0);
}

#[test]
fn a_publisher_outside_the_room_gets_the_position() {
    let Some(redis) = redis(&[]) else { return };
    let [one, other] = two(&redis);
    let positions = publish(&one, "lobby", numbers(0..3));
    assert_eq!(
        positions.iter().map(|at| at.number()).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let page = other.handle.history("lobby", None, 10).unwrap();
    let found: Vec<_> = page.entries.iter().map(|entry| entry.position).collect();
    assert_eq!(found, positions);
}

#[test]
fn a_member_that_joins_first_receives_its_own_message() {
    let Some(redis) = redis(&[]) else { return };
    let server = Loopback::run(
        Server::builder().history(History::new().redis(options(&redis.address()))),
        |client| {
            client.join("lobby");
            client.room("lobby").broadcast("own");
            while client.recv()?.is_some() {}
            Ok(())
        },
    );
    for version in Version::ALL {
        server.open(version).expect_text("own");
    }
}

#[test]
fn a_message_leaves_out_a_client_of_its_own_server_only() {
    let Some(redis) = redis(&[]) else { return };
    let servers = two(&redis);
    let mut peers = servers
        .each_ref()
        .map(|server| server.open(Version::Rfc6455));
    for peer in &mut peers {
        peer.resume("lobby", "last 0");
    }
    // Both have the number 1 on their servers.
    peers[0].say("others|lobby|not me");
    peers[0].say("say|lobby|all");
    let mut texts =
        |place: usize, count| -> Vec<_> { (0..count).map(|_| peers[place].said().1).collect() };
    assert_eq!(texts(0, 1), ["all"]);
    assert_eq!(texts(1, 2), ["not me", "all"]);
}

#[test]
fn a_follower_receives_the_messages_of_the_other_server() {
    let Some(redis) = redis(&[]) else { return };
    let [one, other] = two(&redis);
    publish(&one, "lobby", numbers(0..2));
    let mut followed = other.handle.follow("lobby", Since::Last(2)).unwrap();
    publish(&one, "lobby", numbers(2..4));
    for number in numbers(0..4) {
        match followed.next() {
            Some(Followed::Entry(entry)) => assert!(entry.message.to_string().ends_with(&number)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn rooms_with_the_local_prefix_are_not_shared() {
    let Some(redis) = redis(&[]) else { return };
    let serve = || {
        serve_with(
            History::new()
                .local_prefix("own:")
                .redis(options(&redis.address())),
        )
    };
    let (one, other) = (serve(), serve());
    publish(&one, "own:lobby", numbers(0..3));
    assert_eq!(
        other.handle.history("own:lobby", None, 10).unwrap().entries,
        []
    );
    assert_eq!(redis.execute(&["DBSIZE"]), ":0");
    assert!(
        one.handle
            .forget(
                "own:lobby",
                one.handle.history("own:lobby", None, 1).unwrap().entries[0].position
            )
            .is_ok()
    );
}

#[test]
fn binary_and_large_messages_arrive_as_they_are() {
    let Some(redis) = redis(&[]) else { return };
    let [one, other] = two(&redis);
    let mut peer = other.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    // Small ones are part of the notification, large ones are read from the log.
    let large = vec![7; 100_000];
    for bytes in [b"\x00\xff\r\n".to_vec(), large, b"small".to_vec()] {
        one.handle.room("lobby").publish(bytes.clone()).unwrap();
        assert_eq!(peer.hear(), crate::support::Heard::Binary(bytes));
    }
}

#[test]
fn older_entries_are_read_once_for_all_that_wait_and_gaps_are_counted() {
    let Some(redis) = redis(&[]) else { return };
    let history = || {
        History::new()
            .max_entries(8)
            .redis(options(&redis.address()))
    };
    let (one, other) = (serve_with(history()), serve_with(history()));
    let positions = publish(&one, "lobby", numbers(0..40));
    let mut peer = other.open(Version::Rfc6455);
    let welcome = peer.resume("lobby", positions[0]);
    let missed = welcome.gap.unwrap().unwrap();
    assert_eq!(missed + welcome.replayed, 39);
    let texts = peer.texts(usize::try_from(welcome.replayed).unwrap());
    assert_eq!(texts.last().unwrap(), "39");
    assert!((8..=10).contains(&texts.len()), "{texts:?}");
}

#[test]
fn a_resume_costs_redis_nothing_once_the_room_is_attached() {
    let Some(redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()));
    let positions = publish(&server, "lobby", numbers(0..10));
    server.open(Version::Rfc6455).resume("lobby", positions[0]);
    let before = redis.calls("evalsha");
    for _ in 0..20 {
        let mut peer = server.open(Version::Rfc6455);
        assert_eq!(peer.resume("lobby", positions[2]).replayed, 7);
        assert_eq!(peer.texts(7), numbers(3..10));
    }
    assert_eq!(redis.calls("evalsha"), before);
}

#[test]
fn entries_about_members_reach_all_servers_and_lists_are_local() {
    let Some(redis) = redis(&[]) else { return };
    let serve = || {
        let history = History::new().grace_period(Duration::ZERO);
        let history = history.redis(options(&redis.address()));
        Loopback::run(Server::builder().history(history), |client| {
            let member = Member::new(MemberKey::new()?)
                .joined(Publication::around("joined ", ""))
                .left(Publication::around("left ", ""));
            client.enter("lobby", Since::Last(0), member, |entered| {
                Some(format!("{} member", entered.members.len()).into())
            })?;
            while client.recv()?.is_some() {}
            Ok(())
        })
    };
    let (one, other) = (serve(), serve());
    let mut ann = one.open(Version::Draft76);
    ann.expect_text("1 member");
    one.wait_for_members("lobby", 1);
    let mut bob = other.open(Version::Rfc6455);
    bob.expect_text("1 member");
    assert!(ann.hear_text().starts_with("joined "));
    drop(bob);
    assert!(ann.hear_text().starts_with("left "));
    assert_eq!(one.handle.present("lobby").unwrap().members.len(), 1);
}

#[test]
fn messages_before_a_shutdown_are_stored_and_sent() {
    let Some(redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()));
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    let room = server.handle.room("lobby");
    for number in numbers(0..50) {
        room.broadcast(format!("0-{number} {number}"));
    }
    server.handle.shutdown(Duration::from_secs(10));
    for number in numbers(0..50) {
        assert_eq!(peer.said().1, number);
    }
    assert!(matches!(peer.hear(), crate::support::Heard::Close(1001, _)));
    let length = redis.execute(&["XLEN", "stentor:1:room:{lobby}:log"]);
    assert_eq!(length, ":50");
}
