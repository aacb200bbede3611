//! The connecting side, against Stentor's own servers and against misbehaving ones.

#[cfg(feature = "server")]
mod every_version;

#[cfg(feature = "server")]
mod handshake;

#[cfg(feature = "server")]
mod timeouts;

mod keepalive;

#[cfg(feature = "server")]
mod ending;

#[cfg(feature = "server")]
mod aborting;

#[cfg(feature = "server")]
mod sending;

#[cfg(feature = "server")]
mod proxies;

#[cfg(feature = "server")]
mod socks;

#[cfg(feature = "server")]
mod redirects;

mod reconnect;

#[cfg(feature = "server")]
mod transports;

#[cfg(feature = "server")]
mod bad_transports;

#[cfg(feature = "server")]
mod hostile;

use std::time::{Duration, Instant};

#[cfg(feature = "server")]
use stentor::{Connector, Version, WebSocket};

#[cfg(feature = "server")]
use crate::support::Loopback;

/// A timeout that is tested.
const SOON: Duration = Duration::from_millis(50);

/// Much longer than any timeout that is tested.
const LONG: Duration = Duration::from_secs(5);

/// Opens a connection of a version to a Stentor server.
#[cfg(feature = "server")]
fn open(server: &Loopback, version: Version) -> WebSocket {
    let connector = Connector::new().version(version);
    connector.connect(&url(server)).unwrap()
}

#[cfg(feature = "server")]
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
