//! Large messages in pieces: as fragments while they are produced, and as a stream while they arrive.

mod engine;

#[cfg(all(feature = "server", feature = "client"))]
mod receiving;

#[cfg(feature = "server")]
mod sending;

#[cfg(feature = "server")]
mod between;

#[cfg(feature = "server")]
mod holding;

#[cfg(all(feature = "server", feature = "client"))]
mod both_ways;

#[cfg(feature = "server")]
use std::time::Duration;

/// A timeout that is tested.
#[cfg(feature = "server")]
const SOON: Duration = Duration::from_millis(300);

/// The most bytes of a fragment.
#[cfg(feature = "server")]
const FRAGMENT: usize = 16 * KIB;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bytes of which no part looks like a part of another.
#[cfg(feature = "server")]
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

/// A text of that many characters, of one to four bytes.
fn wording(characters: usize) -> String {
    "aä€😀".chars().cycle().take(characters).collect()
}
