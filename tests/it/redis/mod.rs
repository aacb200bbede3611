//! Rooms that several servers share through a real Redis. Without the program `redis-server`, these tests do nothing,
//! unless `STENTOR_NEEDS_REDIS` is set.

#[cfg(feature = "client")]
mod chat;

mod crowds;

mod failures;

mod forget;

mod losses;

mod outages;

mod rooms;

mod start;

mod strangers;

#[cfg(feature = "tls")]
mod tls;

use std::time::Duration;

use stentor::Server;
use stentor::server::{History, Redis};

use crate::history::{Resuming, numbers, obey, publish};
use crate::support::{Loopback, Peer, RedisServer, Tube, becomes, eventually, redis};

/// Options with which failures are seen soon, and which no busy machine exceeds otherwise.
fn options(address: &str) -> Redis {
    let redis = Redis::at(address).unwrap();
    let redis = redis.max_pause(Duration::from_millis(200));
    redis.timeout(Duration::from_secs(20))
}

/// A server of these shared rooms whose clients give commands.
fn serve(redis: Redis) -> Loopback {
    serve_with(History::new().redis(redis))
}

fn serve_with(history: History) -> Loopback {
    let builder = Server::builder().history(history).ping_interval(None);
    Loopback::run(builder, obey)
}

fn two(redis: &RedisServer) -> [Loopback; 2] {
    [(); 2].map(|()| serve(options(&redis.address())))
}

/// Waits until the server has lost its connections to Redis, and has them again.
fn reconnects(server: &Loopback, before: u64) {
    eventually("a new connection", || {
        let is_back = server.handle.counters().redis.reconnects > before;
        (is_back && !server.handle.health().degraded).then_some(())
    });
}
