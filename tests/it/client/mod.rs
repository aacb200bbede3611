//! The connecting side, against Stentor's own servers and against misbehaving ones.

mod every_version;

mod handshake;

mod timeouts;

mod keepalive;

mod ending;

mod aborting;

mod sending;

mod proxies;

mod socks;

mod redirects;

mod reconnect;

mod transports;

mod bad_transports;

mod hostile;

use std::time::{Duration, Instant};

use stentor::{Connector, Version, WebSocket};

use crate::support::Loopback;

/// A timeout that is tested.
const SOON: Duration = Duration::from_millis(50);

/// Much longer than any timeout that is tested.
const LONG: Duration = Duration::from_secs(5);

/// Opens a connection of a version to a Stentor server.
fn open(server: &Loopback, version: Version) -> WebSocket {
    let connector = Connector::new().version(version);
    connector.connect(&url(server)).unwrap()
}

fn url(server: &Loopback) -> String {
    format!("ws://{}/chat?room=1", server.address)
}

/// Fails if `wait` does not take about as long as `SOON`, to a tick of the watchdog, or if it takes
/// as long as the timeouts that are not tested would.
fn takes_soon<T>(wait: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let result = wait();
    let took = since.elapsed();
    assert!((SOON * 4 / 5..LONG).contains(&took), "{took:?}");
    result
}
