//! Redis stands still for a while: messages are late, and nothing else happens.

use std::thread;

use stentor::Version;

use super::*;

/// Options with which a Redis that stands still is noticed at once.
fn impatient(redis: &RedisServer) -> Redis {
    let options = options(&redis.address());
    let options = options.answer_timeout(Duration::from_millis(300));
    let options = options.connect_timeout(Duration::from_millis(300));
    options.check_interval(Duration::from_millis(300))
}

/// Publishes on both servers while Redis stands still, lets it go on once both have noticed, and checks what the
/// clients have received.
fn outlast(redis: &RedisServer, stops: impl FnOnce(), goes_on: impl FnOnce()) {
    let servers = [(); 2].map(|()| serve(impatient(redis)));
    let mut peers = [0, 1].map(|place| servers[place].open(Version::Rfc6455));
    for peer in &mut peers {
        assert_eq!(peer.resume("lobby", "last 0").gap, None);
    }
    publish(&servers[0], "lobby", numbers(0..1));
    stops();
    thread::scope(|scope| {
        let servers = &servers;
        let publishers = [0, 1].map(|place| {
            let texts = numbers(1 + 5 * place..6 + 5 * place);
            scope.spawn(move || publish(&servers[place], "lobby", texts))
        });
        for server in servers {
            let is_degraded = || server.handle.health().degraded.then_some(());
            eventually("the outage", is_degraded);
            assert!(server.handle.health().ready);
        }
        goes_on();
        for publisher in publishers {
            assert_eq!(publisher.join().unwrap().len(), 5);
        }
    });
    // An epoch may begin between them.
    let orders = peers
        .each_mut()
        .map(|peer| [(); 11].map(|()| peer.said().1));
    assert_eq!(orders[0], orders[1]);
    let mut sorted: Vec<usize> = orders[0].iter().map(|text| text.parse().unwrap()).collect();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..11));
    for server in &servers {
        let counters = server.handle.counters().redis;
        assert_eq!((counters.gaps, counters.refused), (0, 0));
        assert!(counters.reconnects > 0);
        becomes(&false, || server.handle.health().degraded);
    }
    let length = redis.execute(&["XLEN", "stentor:1:room:{lobby}:log"]);
    assert_eq!(length, ":11");
}

#[test]
fn a_frozen_redis_delays_messages_only() {
    let Some(redis) = redis(&[]) else { return };
    outlast(&redis, || redis.freeze(true), || redis.freeze(false));
}

/// It answers READONLY, and is a primary again later.
#[test]
fn a_redis_that_is_a_replica_for_a_while_delays_messages_only() {
    let Some(redis) = redis(&[]) else { return };
    let replicate = |host: &str, port: &str| drop(redis.execute(&["REPLICAOF", host, port]));
    // Nobody listens there.
    outlast(
        &redis,
        || replicate("127.0.0.1", "1"),
        || replicate("NO", "ONE"),
    );
}

#[test]
fn a_redis_that_holds_all_writes_delays_messages_only() {
    let Some(redis) = redis(&[]) else { return };
    let stops = || drop(redis.execute(&["CLIENT", "PAUSE", "60000", "WRITE"]));
    outlast(&redis, stops, || {
        drop(redis.execute(&["CLIENT", "UNPAUSE"]))
    });
}

#[test]
fn a_redis_that_executes_one_long_script_delays_messages_only() {
    let Some(redis) = redis(&["--lua-time-limit", "50"]) else {
        return;
    };
    let address = redis.socket();
    let stops = || {
        thread::spawn(move || {
            let mut stream = std::os::unix::net::UnixStream::connect(address).unwrap();
            let script = "EVAL \"while true do end\" 0\r\n";
            std::io::Write::write_all(&mut stream, script.as_bytes()).unwrap();
            // Until the script is ended.
            let _ = std::io::Read::read(&mut stream, &mut [0]);
        });
        eventually("the script", || {
            redis.execute(&["PING"]).starts_with("-BUSY").then_some(())
        });
    };
    outlast(&redis, stops, || drop(redis.execute(&["SCRIPT", "KILL"])));
}

/// Redis closes a connection that reads notifications too slowly, in the middle of one.
#[test]
fn notifications_that_exceed_the_limit_of_redis_are_read_from_the_log() {
    let limit = ["--client-output-buffer-limit", "pubsub", "20kb", "0", "0"];
    let Some(redis) = redis(&limit) else { return };
    let tube = Tube::to(&redis.socket());
    let history = || History::new().max_bytes(2 * 1024 * 1024);
    let one = serve_with(history().redis(options(&redis.address())));
    let other = serve_with(history().redis(options(&tube.redis())));
    let mut peer = other.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    let before = other.handle.counters().redis.reconnects;
    tube.hold(true);
    // More than the kernel's buffers take.
    let texts: Vec<_> = (0..150).map(|number| format!("{number:0>6000}")).collect();
    publish(&one, "lobby", texts.clone());
    tube.hold(false);
    assert_eq!(peer.texts(texts.len()), texts);
    assert!(other.handle.counters().redis.reconnects > before);
    assert_eq!(other.handle.counters().redis.gaps, 0);
}
