//! Failures of Redis, and of the connections to it: nothing is lost without a gap, and nothing comes twice.

use std::thread;

use stentor::Version;
use stentor::server::{Gap, PublishError};

use super::*;

#[test]
fn a_killed_redis_loses_and_doubles_nothing() {
    let Some(mut redis) = redis(&[]) else { return };
    let servers = two(&redis);
    let mut peers = servers
        .each_ref()
        .map(|server| server.open(Version::Rfc6455));
    for peer in &mut peers {
        peer.resume("lobby", "last 0");
    }
    publish(&servers[0], "lobby", numbers(0..10));
    redis.kill();
    thread::scope(|scope| {
        let publisher = scope.spawn(|| publish(&servers[0], "lobby", numbers(10..20)));
        let other = scope.spawn(|| publish(&servers[1], "lobby", numbers(20..30)));
        redis.start();
        assert!(publisher.join().is_ok() && other.join().is_ok());
    });
    let mut orders = peers.each_mut().map(|peer| -> Vec<_> {
        (0..30)
            .map(|_| peer.said().1.parse::<u64>().unwrap())
            .collect()
    });
    assert_eq!(orders[0], orders[1]);
    orders[0].sort_unstable();
    assert!(orders[0].iter().copied().eq(0..30), "{orders:?}");
    for server in &servers {
        let counters = server.handle.counters().redis;
        assert_eq!((counters.gaps, counters.refused), (0, 0));
        assert!(counters.reconnects > 0);
    }
}

#[test]
fn a_client_at_the_last_position_resumes_behind_a_restart_without_a_gap() {
    let Some(mut redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()));
    let mut member = server.open(Version::Rfc6455);
    member.resume("lobby", "last 0");
    let positions = publish(&server, "lobby", numbers(0..5));
    redis.kill();
    redis.start();
    let later = publish(&server, "lobby", numbers(5..7));
    assert!(later[0].epoch() > positions[4].epoch());
    let mut peer = server.open(Version::Draft76);
    let welcome = peer.resume("lobby", positions[4]);
    assert_eq!((welcome.gap, welcome.replayed), (None, 2));
    assert_eq!(peer.texts(2), numbers(5..7));
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_and_the_message_is_stored_once() {
    let Some(redis) = redis(&[]) else { return };
    let tube = Tube::to(&redis.socket());
    let server = serve(options(&tube.redis()));
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    publish(&server, "lobby", numbers(0..1));
    let reconnected = server.handle.counters().redis.reconnects;
    tube.swallow_answers(true);
    thread::scope(|scope| {
        let publisher = scope.spawn(|| publish(&server, "lobby", numbers(1..4)));
        // The first of them is in the log, and nobody knows it.
        eventually("the message", || {
            (redis.execute(&["XLEN", "stentor:1:room:{lobby}:log"]) == ":2").then_some(())
        });
        tube.swallow_answers(false);
        tube.cut();
        reconnects(&server, reconnected);
        publisher.join().unwrap();
    });
    assert_eq!(peer.texts(4), numbers(0..4));
    assert_eq!(redis.execute(&["XLEN", "stentor:1:room:{lobby}:log"]), ":4");
}

#[test]
fn a_room_that_redis_refuses_to_read_stops_no_other_room() {
    let Some(redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()));
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    let state = "stentor:1:room:{other}:state";
    redis.execute(&["SET", state, "of another program"]);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut peer = server.open(Version::Rfc6455);
            peer.resume("other", "last 0");
        });
        let is_degraded = || server.handle.health().degraded.then_some(());
        eventually("the refusal", is_degraded);
        publish(&server, "lobby", numbers(0..5));
        assert_eq!(peer.texts(5), numbers(0..5));
        assert!(server.handle.health().degraded);
        assert_eq!(server.handle.counters().redis.reconnects, 0);
        redis.execute(&["DEL", state]);
        other.join().unwrap();
    });
    let is_well = || (!server.handle.health().degraded).then_some(());
    eventually("the end of the refusal", is_well);
}

/// More messages than may be on their way to Redis.
#[test]
fn messages_for_a_refused_room_are_refused_at_once_and_delay_no_other_room() {
    let Some(redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()));
    let state = "stentor:1:room:{other}:state";
    redis.execute(&["SET", state, "of another program"]);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut peer = server.open(Version::Rfc6455);
            peer.resume("other", "last 0");
        });
        let is_degraded = || server.handle.health().degraded.then_some(());
        eventually("the refusal", is_degraded);
        let room = server.handle.room("other");
        for _ in 0..2_000 {
            room.broadcast("refused");
        }
        assert_eq!(room.publish("refused"), Err(PublishError::Journal));
        publish(&server, "lobby", numbers(0..1));
        becomes(&2_001, || server.handle.counters().redis.refused);
        redis.execute(&["DEL", state]);
        other.join().unwrap();
    });
}

#[test]
fn notifications_that_are_cut_are_read_from_the_log() {
    let Some(redis) = redis(&[]) else { return };
    let [one, other] = two(&redis);
    let mut peer = other.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    let before = other.handle.counters().redis.reconnects;
    redis.execute(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    publish(&one, "lobby", numbers(0..20));
    assert_eq!(peer.texts(20), numbers(0..20));
    reconnects(&other, before);
    publish(&one, "lobby", numbers(20..22));
    assert_eq!(peer.texts(2), numbers(20..22));
    assert_eq!(other.handle.counters().redis.gaps, 0);
}

#[test]
fn a_partition_shorter_than_the_log_delays_messages_only() {
    let Some(redis) = redis(&[]) else { return };
    let tube = Tube::to(&redis.socket());
    let one = serve(options(&redis.address()));
    let options = options(&tube.redis()).check_interval(Duration::from_millis(300));
    let other = serve(options.answer_timeout(Duration::from_millis(500)));
    let mut peer = other.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    let before = other.handle.counters().redis.reconnects;
    // The other server is not told that its connections are dead.
    tube.swallow(true);
    publish(&one, "lobby", numbers(0..20));
    eventually("the loss", || other.handle.health().degraded.then_some(()));
    tube.swallow(false);
    reconnects(&other, before);
    assert_eq!(peer.texts(20), numbers(0..20));
    assert_eq!(other.handle.counters().redis.gaps, 0);
}

#[test]
fn a_partition_longer_than_the_log_is_a_gap_with_its_exact_number() {
    let Some(redis) = redis(&[]) else { return };
    let tube = Tube::to(&redis.socket());
    let history = |redis: Redis| History::new().max_entries(8).redis(redis);
    let one = serve_with(history(options(&redis.address())));
    let notice = |room: &str, gap: Gap| Some(format!("0-0 {room}: {gap}").into());
    let other = serve_with(history(options(&tube.redis()).on_gap(notice)));
    let mut peer = other.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    publish(&one, "lobby", numbers(0..1));
    assert_eq!(peer.said().1, "0");
    let before = other.handle.counters().redis.reconnects;
    tube.swallow(true);
    publish(&one, "lobby", numbers(1..50));
    tube.cut();
    tube.swallow(false);
    reconnects(&other, before);
    let (_, notice) = peer.said();
    let missed: usize = notice["lobby: ".len()..]
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(peer.texts(49 - missed), numbers(1 + missed..50));
    assert!(missed > 30, "{notice}");
    assert_eq!(other.handle.counters().redis.gaps, 1);
}

#[test]
fn an_emptied_redis_is_a_reset() {
    let Some(redis) = redis(&[]) else { return };
    let notice = |_: &str, gap: Gap| Some(format!("0-0 {gap:?}").into());
    let server = serve(options(&redis.address()).on_gap(notice));
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    let positions = publish(&server, "lobby", numbers(0..3));
    assert_eq!(peer.texts(3), numbers(0..3));
    redis.execute(&["FLUSHALL"]);
    let later = publish(&server, "lobby", numbers(3..4));
    assert!(later[0] > positions[2]);
    assert_eq!(peer.said().1, "Reset");
    assert_eq!(peer.texts(1), numbers(3..4));
    let mut late = server.open(Version::Rfc6455);
    let welcome = late.resume("lobby", positions[2]);
    assert_eq!((welcome.gap, welcome.replayed), (Some(None), 1));
}

/// A setting with which Redis refuses all writes, and the setting with which it does not.
fn refuses_and_recovers(setting: &str, refuses: &str, accepts: &str) {
    let Some(redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()));
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    publish(&server, "lobby", numbers(0..1));
    redis.execute(&["CONFIG", "SET", setting, refuses]);
    let room = server.handle.room("lobby");
    assert_eq!(room.publish("refused"), Err(PublishError::Journal));
    room.broadcast("refused");
    becomes(&1, || server.handle.counters().not_published);
    let health = server.handle.health();
    assert!(health.degraded && health.ready);
    redis.execute(&["CONFIG", "SET", setting, accepts]);
    publish(&server, "lobby", numbers(1..2));
    assert_eq!(peer.texts(2), numbers(0..2));
    becomes(&false, || server.handle.health().degraded);
    assert_eq!(server.handle.counters().redis.refused, 2);
}

#[test]
fn a_redis_without_memory_refuses_and_recovers() {
    refuses_and_recovers("maxmemory", "1", "0");
}

#[test]
fn a_redis_without_its_replicas_refuses_and_recovers() {
    refuses_and_recovers("min-replicas-to-write", "1", "0");
}

#[test]
fn forgotten_scripts_are_loaded_again() {
    let Some(redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()));
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    for turn in 0..3 {
        redis.execute(&["SCRIPT", "FLUSH"]);
        publish(&server, "lobby", numbers(turn..turn + 1));
    }
    assert_eq!(peer.texts(3), numbers(0..3));
    let counters = server.handle.counters().redis;
    assert_eq!((counters.retried, counters.reconnects), (3, 0));
}

#[test]
fn a_message_that_was_not_sent_in_time_is_refused_and_never_stored() {
    let Some(mut redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()).timeout(Duration::from_millis(300)));
    let mut peer = server.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    redis.kill();
    eventually("the loss", || server.handle.health().degraded.then_some(()));
    let refused = server.handle.room("lobby").publish("late");
    assert_eq!(refused, Err(PublishError::Unavailable));
    assert!(server.handle.health().ready);
    redis.start();
    becomes(&false, || server.handle.health().degraded);
    publish(&server, "lobby", numbers(0..1));
    assert_eq!(peer.texts(1), numbers(0..1));
}

#[test]
fn a_room_that_nobody_has_used_cannot_be_resumed_while_redis_is_down() {
    let Some(mut redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()).timeout(Duration::from_millis(300)));
    let positions = publish(&server, "known", numbers(0..2));
    server.open(Version::Rfc6455).resume("known", positions[0]);
    redis.kill();
    eventually("the loss", || server.handle.health().degraded.then_some(()));
    let mut peer = server.open(Version::Rfc6455);
    // The other room is in memory.
    assert_eq!(peer.resume("known", positions[0]).replayed, 1);
    assert_eq!(peer.said().1, "1");
    peer.say("resume|unknown|last 0");
    peer.expect_text("error: Unavailable");
}

#[test]
fn a_server_shuts_down_in_time_without_redis() {
    let Some(mut redis) = redis(&[]) else { return };
    let server = serve(options(&redis.address()).timeout(Duration::from_millis(200)));
    redis.kill();
    server.handle.room("lobby").broadcast("waits");
    let since = std::time::Instant::now();
    drop(server);
    assert!(since.elapsed() < Duration::from_secs(5));
}
