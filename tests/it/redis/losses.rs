//! Redis has lost messages that it had confirmed: each server that has seen them reports a gap, and nothing comes twice.

use stentor::Version;
use stentor::server::Gap;

use super::*;

/// A server whose members are told of gaps.
fn serve_with_notice(address: &str) -> Loopback {
    let notice = |room: &str, gap: Gap| Some(format!("0-0 {room}: {gap}").into());
    serve(options(address).on_gap(notice))
}

/// Two servers, each with a client of another version, which both are in the room.
fn two_with_peers(address: &str) -> ([Loopback; 2], [Peer; 2]) {
    let servers = [(); 2].map(|()| serve_with_notice(address));
    let versions = [Version::Rfc6455, Version::Draft76];
    let mut peers = [0, 1].map(|place| servers[place].open(versions[place]));
    for peer in &mut peers {
        assert_eq!(peer.resume("lobby", "last 0").gap, None);
    }
    (servers, peers)
}

/// The next messages of each client: a gap, and then these.
fn expect_gap_and(peers: &mut [Peer; 2], texts: &[String]) {
    for peer in peers {
        assert_eq!(peer.said().1, "lobby: messages may be missing");
        assert_eq!(peer.texts(texts.len()), texts);
    }
}

#[test]
fn a_restart_that_loses_the_newest_messages_is_a_gap_for_all_that_have_seen_them() {
    let Some(mut redis) = redis(&[]) else { return };
    let (servers, mut peers) = two_with_peers(&redis.address());
    let kept = publish(&servers[0], "lobby", numbers(0..5));
    let length = redis.log_length();
    let lost = publish(&servers[1], "lobby", numbers(5..8));
    peers
        .iter_mut()
        .for_each(|peer| assert_eq!(peer.texts(8), numbers(0..8)));
    redis.kill();
    redis.truncate_log(length);
    redis.start();
    let new = publish(&servers[0], "lobby", numbers(8..10));
    expect_gap_and(&mut peers, &numbers(8..10));
    assert!(new[0].epoch() > lost[2].epoch());
    for server in &servers {
        assert_eq!(server.handle.counters().redis.gaps, 1);
    }
    // A client that comes back from a position that is lost learns of it.
    let mut late = servers[1].open(Version::Rfc6455);
    let welcome = late.resume("lobby", lost[2]);
    assert_eq!((welcome.gap, welcome.replayed), (Some(None), 2));
    assert_eq!(late.texts(2), numbers(8..10));
    // Nothing of what is left was changed.
    let log = redis.execute(&["XLEN", "stentor:1:room:{lobby}:log"]);
    assert_eq!(log, format!(":{}", kept.len() + 2));
}

#[test]
fn a_replica_that_lags_and_takes_over_is_a_gap_for_all_that_have_seen_more() {
    let Some(old) = redis(&[]) else { return };
    let replication = Tube::to(&old.socket());
    let port = replication.address.port().to_string();
    let Some(new) = redis(&["--replicaof", "127.0.0.1", &port]) else {
        return;
    };
    is_connected(&new);
    let front = Tube::to(&old.socket());
    let (servers, mut peers) = two_with_peers(&front.redis());
    publish(&servers[0], "lobby", numbers(0..5));
    let length = |redis: &RedisServer| redis.execute(&["XLEN", "stentor:1:room:{lobby}:log"]);
    eventually("the replica", || (length(&new) == ":5").then_some(()));
    replication.swallow(true);
    publish(&servers[1], "lobby", numbers(5..8));
    peers
        .iter_mut()
        .for_each(|peer| assert_eq!(peer.texts(8), numbers(0..8)));
    assert_eq!((length(&old), length(&new)), (":8".into(), ":5".into()));
    new.execute(&["REPLICAOF", "NO", "ONE"]);
    front.lead_to(&new.socket());
    publish(&servers[1], "lobby", numbers(8..10));
    expect_gap_and(&mut peers, &numbers(8..10));
    assert_eq!(length(&new), ":7");
    // What somebody still writes to the old one reaches nobody.
    assert_eq!(length(&old), ":8");
}

/// Waits until a replica has the data of its primary.
fn is_connected(replica: &RedisServer) {
    eventually("the replica", || {
        let facts = replica.execute(&["INFO", "replication"]);
        facts.contains("master_link_status:up").then_some(())
    });
}

/// A primary takes another replication id for its first replica. Servers that were connected before do not know it.
#[test]
fn the_first_replica_of_a_primary_does_not_begin_an_epoch_with_each_message() {
    let Some(primary) = redis(&[]) else { return };
    let (servers, mut peers) = two_with_peers(&primary.address());
    publish(&servers[0], "lobby", numbers(0..1));
    let tube = Tube::to(&primary.socket());
    let port = tube.address.port().to_string();
    let Some(replica) = redis(&["--replicaof", "127.0.0.1", &port]) else {
        return;
    };
    is_connected(&replica);
    let third = serve(options(&primary.address()));
    let mut epochs = std::collections::BTreeSet::new();
    for number in 0..40 {
        for server in servers.iter().chain([&third]) {
            epochs.extend(
                publish(server, "lobby", numbers(number..number + 1))
                    .iter()
                    .map(|at| at.epoch()),
            );
        }
    }
    assert!(epochs.len() < 10, "{epochs:?}");
    let orders = peers
        .each_mut()
        .map(|peer| (0..121).map(|_| peer.said()).collect::<Vec<_>>());
    assert_eq!(orders[0], orders[1]);
    for server in &servers {
        assert_eq!(server.handle.counters().redis.gaps, 0);
    }
}

#[test]
fn messages_on_their_way_while_the_newest_are_lost_are_stored_once() {
    let Some(mut redis) = redis(&[]) else { return };
    let (servers, mut peers) = two_with_peers(&redis.address());
    publish(&servers[0], "lobby", numbers(0..5));
    let length = redis.log_length();
    publish(&servers[0], "lobby", numbers(5..8));
    peers
        .iter_mut()
        .for_each(|peer| assert_eq!(peer.texts(8), numbers(0..8)));
    redis.kill();
    redis.truncate_log(length);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| publish(&servers[0], "lobby", numbers(8..12)));
        redis.start();
        assert_eq!(waiting.join().unwrap().len(), 4);
    });
    expect_gap_and(&mut peers, &numbers(8..12));
}
