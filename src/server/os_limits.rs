//! The number of clients for which the system has room.
//!
//! The server can handle a lack of descriptors, but not a lack of memory mappings: a thread that has
//! started and cannot map its signal stack aborts the whole process. So the server stays below both
//! limits. Limits of memory are checked for each client: see [`memory`](super::memory).

use std::fs;

use crate::net::log::{SERVER, warn};
use crate::net::system::{Resource, limit};

/// The mappings of a thread: its stack, its signal stack, and a guard for each.
const MAPPINGS: usize = 4;

/// Descriptors for everything except clients.
const DESCRIPTORS: usize = 64;

/// Returns `wanted`, or less if the system allows less.
pub(crate) fn at_most(wanted: usize) -> usize {
    let smallest = limits().into_iter().min_by_key(|(_, room)| *room);
    match smallest {
        Some((name, room)) if room < wanted => {
            warn!(target: SERVER, "{name} leaves room for {room} clients, not for {wanted}");
            room
        }
        _ => wanted,
    }
}

/// Returns each limit's name and the clients that it leaves room for; a tenth is kept for the rest of
/// the program.
fn limits() -> Vec<(&'static str, usize)> {
    let mut limits = Vec::new();
    if let Some(files) = limit(Resource::Files) {
        limits.push(("the limit of open files", files.saturating_sub(DESCRIPTORS)));
    }
    let system = [
        ("vm.max_map_count", "/proc/sys/vm/max_map_count", MAPPINGS),
        ("kernel.pid_max", "/proc/sys/kernel/pid_max", 1),
        ("kernel.threads-max", "/proc/sys/kernel/threads-max", 1),
    ];
    for (name, path, each) in system {
        // Systems other than Linux do not have these files.
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Ok(value) = text.trim().parse::<usize>() {
            limits.push((name, (value - value / 10) / each));
        }
    }
    limits
}
