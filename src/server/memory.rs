//! The memory that the system allows this process, and whether it is enough for one more client.
//!
//! If a thread's stack cannot be allocated, that is an error, and the client receives 503. If a thread has
//! started and its signal stack cannot be allocated, or if any other allocation fails, the process aborts.
//! So the server keeps a reserve below each limit. It compares the memory of the process with the limits
//! whenever it starts a thread, since the rest of the program takes more or less over time. Without a
//! limit, that is two system calls.

use std::fs;

use crate::net::log::{SERVER, warn};
use crate::net::system;
use crate::net::system::Resource;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The memory of a client's thread beside its stack: guards, a signal stack, and its share of the heap.
const BESIDE: usize = 256 * KIB;

/// The least reserve for everything except threads; a 32nd of the limit if that is more.
const RESERVE: usize = 12 * MIB;

/// The bytes that a connected client may read at a time.
const READ: usize = 64 * KIB;

/// The address space that glibc reserves at once when a thread allocates for the first time. If less is
/// left, it works without the reservation.
const ARENA: usize = if cfg!(all(target_env = "gnu", target_pointer_width = "64")) {
    64 * MIB
} else {
    0
};

/// At least a page of memory, on every system.
const PAGE: usize = 64 * KIB;

/// One of the two limits, and how much of it is in use.
#[derive(Debug, Clone, Copy)]
struct Limit {
    name: &'static str,
    most: usize,
    taken: usize,
    /// The bytes that a thread may take at once, by itself.
    arena: usize,
    /// How many clients are there already, each of which may read more any time.
    clients: usize,
}

impl Limit {
    fn reserve(self) -> usize {
        let reads = self.clients.saturating_mul(READ);
        (self.most / 32).max(RESERVE).saturating_add(reads)
    }

    /// Returns the bytes that are left, without the reserve.
    fn free(self) -> usize {
        self.most
            .saturating_sub(self.taken)
            .saturating_sub(self.reserve())
    }

    /// Returns the size of the stack of one more thread, if `stack` bytes are required; `None` if
    /// there is no room for it.
    ///
    /// The thread may take an arena before the next check. If the arena would use a part of the
    /// reserve, a larger stack, which is never touched, leaves too little space for an arena.
    fn stack(self, stack: usize) -> Option<usize> {
        let rest = self.free().checked_sub(stack.checked_add(BESIDE)?)?;
        if self.arena == 0 || rest >= self.arena {
            return Some(stack);
        }
        // All that is left beside the stack: the thread need not take its share of the heap before.
        match (rest + BESIDE + self.reserve()).checked_sub(self.arena) {
            None => Some(stack),
            // A larger stack would use a part of the reserve, and so would an arena.
            Some(_) if self.reserve() + PAGE > self.arena => None,
            Some(surplus) => Some(stack + surplus + PAGE),
        }
    }
}

/// Returns the size of the stack of one more client's thread, if `stack` bytes are required.
///
/// # Errors
/// The name of the limit that leaves no room for it.
pub(super) fn stack(stack: usize, clients: impl Fn() -> usize) -> Result<usize, &'static str> {
    let with = |stack, limit: Limit| {
        let clients = clients();
        let limit = Limit { clients, ..limit };
        limit.stack(stack).ok_or(limit.name)
    };
    limits().try_fold(stack, with)
}

/// Returns whether there is a limit at all. If so, threads start one after the other, so that the memory of
/// each is counted before the next one.
pub(super) fn is_limited() -> bool {
    limits().next().is_some()
}

/// `wanted` bytes for what waits of all clients, or one of so many `shares` of the reserve, where that is
/// less.
pub(super) fn at_most(wanted: usize, shares: usize, what: &str) -> usize {
    let smallest = limits().min_by_key(|limit| limit.free());
    match smallest.map(|limit| (limit.name, limit.reserve() / shares)) {
        Some((name, room)) if room < wanted => {
            warn!(target: SERVER, "{name} leaves room for {room} bytes of {what}, not for {wanted}");
            room
        }
        _ => wanted,
    }
}

/// Warns if the process has a limit that the server cannot keep: it knows the memory of the process from `/proc` only.
pub(super) fn warn_of_unknown() {
    let limit = space_limit().or(system::limit(Resource::Data));
    if let (Some(limit), false) = (limit, is_limited()) {
        warn!(
            target: SERVER,
            "the memory of this process is limited to {limit} bytes, and /proc/self/status does not say how much is in \
             use: too many clients would abort the process, so set max_clients and the limits of memory for it"
        );
    }
}

/// Returns the limits, address space first: it decides the size of a stack. Without `/proc`, there are none.
fn limits() -> impl Iterator<Item = Limit> {
    let space = space_limit();
    let data = system::limit(Resource::Data);
    let status = (space.is_some() || data.is_some()).then(|| fs::read("/proc/self/status"));
    let status = status.and_then(Result::ok).unwrap_or_default();
    let limit = |name, most: Option<usize>, taken: &[&str], arena| {
        let taken = taken
            .iter()
            .map(|field| bytes_of(&status, field))
            .sum::<Option<usize>>()?;
        Some(Limit {
            name,
            most: most?,
            taken,
            arena,
            clients: 0,
        })
    };
    let space = limit("the limit of address space", space, &["VmSize:"], ARENA);
    let data = limit("the limit of data", data, &["VmData:", "VmStk:"], 0);
    space.into_iter().chain(data)
}

/// Returns the value of a field of `/proc/self/status`, whose unit is KiB. The text as a whole need not be
/// UTF-8: it begins with the name of the process.
fn bytes_of(status: &[u8], field: &str) -> Option<usize> {
    let mut lines = status.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(field.as_bytes()))?;
    let value = std::str::from_utf8(value).ok()?;
    let kib: usize = value.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(KIB))
}

fn space_limit() -> Option<usize> {
    // The address space of a 32-bit process.
    let narrow = cfg!(target_pointer_width = "32").then_some(usize::MAX / 4 * 3);
    system::limit(Resource::AddressSpace).or(narrow)
}

#[cfg(test)]
mod tests {
    use super::{BESIDE, Limit, MIB, RESERVE, bytes_of};

    fn limit(most: usize, taken: usize, arena: usize) -> Limit {
        let name = "a limit";
        Limit {
            name,
            most,
            taken,
            arena,
            clients: 0,
        }
    }

    #[test]
    fn a_thread_leaves_the_reserve() {
        let most = 100 * MIB;
        for taken in [0, 10 * MIB, most - RESERVE - MIB - BESIDE] {
            assert_eq!(limit(most, taken, 0).stack(MIB), Some(MIB), "{taken}");
        }
        for taken in [most - RESERVE - MIB - BESIDE + 1, most, 2 * most] {
            assert_eq!(limit(most, taken, 0).stack(MIB), None, "{taken}");
        }
        assert_eq!(limit(most, 0, 0).stack(usize::MAX), None);
    }

    /// With the thread, and with an arena if one fits, the reserve is always left.
    #[test]
    fn a_thread_and_its_arena_leave_the_reserve() {
        for most in [200 * MIB, 400 * MIB, 4096 * MIB] {
            let mut enlarged = 0;
            for taken in (0..=most).step_by(MIB / 4) {
                let limit = limit(most, taken, 64 * MIB);
                let Some(stack) = limit.stack(MIB) else {
                    continue;
                };
                enlarged += usize::from(stack > MIB);
                let left = most - taken - stack;
                let left = if left >= 64 * MIB {
                    left - 64 * MIB
                } else {
                    left
                };
                assert!(left >= limit.reserve(), "{most} {taken}: {left}");
            }
            assert_eq!(enlarged > 0, limit(most, 0, 64 * MIB).reserve() < 64 * MIB);
        }
    }

    #[test]
    fn sizes_are_read_from_the_status_of_the_process() {
        let status =
            b"Name:\t\xe9cho\nVmSize:\t    2060 kB\nVmData:\t      12 kB\nVmStk:\t   many kB\n";
        assert_eq!(bytes_of(status, "VmSize:"), Some(2060 * 1024));
        assert_eq!(bytes_of(status, "VmData:"), Some(12 * 1024));
        assert_eq!(bytes_of(status, "VmStk:"), None);
        assert_eq!(bytes_of(status, "VmSwap:"), None);
    }

    #[test]
    fn no_number_overflows() {
        for number in [0, 1, usize::MAX] {
            for taken in [0, 1, usize::MAX] {
                for stack in [0, 1, usize::MAX] {
                    limit(number, taken, 0).stack(stack);
                    limit(number, taken, 64 * MIB).stack(stack);
                }
            }
        }
    }
}
