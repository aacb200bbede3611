//! The connecting side, against servers of ours and against such as no one should have to do with.

mod every_version;

mod handshake;

mod deadlines;

mod keepalive;

mod ending;

mod aborting;

mod sending;

mod proxies;

mod transports;

mod bad_transports;

mod hostile;

use std::time::{Duration, Instant};

use stentor::{Connector, Version, WebSocket};

use crate::support::Loopback;

/// A deadline that is tested.
const SOON: Duration = Duration::from_millis(50);

/// Longer than any deadline that is tested, by far.
const LONG: Duration = Duration::from_secs(5);

/// A connection of a version to a server of ours.
fn open(server: &Loopback, version: Version) -> WebSocket {
    let connector = Connector::new().version(version);
    connector.connect(&url(server)).unwrap()
}

fn url(server: &Loopback) -> String {
    format!("ws://{}/chat?room=1", server.address)
}

/// Fails where `wait` does not take about as long as `SOON`, to a tick of the warden's, or where it
/// takes as long as what is not tested would.
fn takes_soon<T>(wait: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let result = wait();
    let took = since.elapsed();
    assert!((SOON * 4 / 5..LONG).contains(&took), "{took:?}");
    result
}
