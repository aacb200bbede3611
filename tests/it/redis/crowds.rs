//! Many rooms at once.

use std::time::Instant;

use super::*;

const ROOMS: usize = 10_000;

/// A server whose client is in many rooms, and confirms that.
fn serve_many(redis: &RedisServer) -> Loopback {
    let redis = Redis::at(&redis.address()).unwrap();
    let redis = redis.max_pause(Duration::from_millis(200));
    let builder = Server::builder().history(History::new().redis(redis));
    let builder = builder.max_rooms_per_client(ROOMS).ping_interval(None);
    Loopback::run(builder, |client| {
        for number in 0..ROOMS {
            client.try_join(&room(number))?;
        }
        client.send("in all rooms")?;
        while client.recv()?.is_some() {}
        Ok(())
    })
}

fn room(number: usize) -> String {
    format!("room {number}")
}

/// Waits until the server has read all rooms. The first ones are read first.
fn wait_until_attached(server: &Loopback) {
    for number in (0..ROOMS).rev() {
        server.handle.history(&room(number), None, 1).unwrap();
    }
}

#[test]
fn ten_thousand_rooms_are_attached_and_read_again_in_few_commands() {
    let Some(redis) = redis(&["--appendfsync", "no"]) else {
        return;
    };
    let server = serve_many(&redis);
    // No script runs until the client is in all rooms, however long that takes.
    redis.execute(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let mut peer = server.open(stentor::Version::Rfc6455);
    peer.expect_text("in all rooms");
    redis.execute(&["CLIENT", "UNPAUSE"]);
    let began = Instant::now();
    wait_until_attached(&server);
    let reads = redis.calls("evalsha");
    println!("{ROOMS} rooms: {:?}, {reads} reads", began.elapsed());
    assert!(reads <= ROOMS as u64 / 20, "{reads} reads");

    let began = Instant::now();
    redis.execute(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    reconnects(&server, 0);
    let last = server.handle.room(&room(ROOMS - 1));
    last.publish("all is well").unwrap();
    peer.expect_text("all is well");
    let again = eventually("all reads", || {
        let again = redis.calls("evalsha") - reads;
        (again >= ROOMS as u64 / 64).then_some(again)
    });
    println!("again: {:?}, {again} reads", began.elapsed());
    assert!(again <= ROOMS as u64 / 20, "{again} reads");
}
