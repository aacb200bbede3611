//! The memory that the system allows this process, and whether it is enough for one more client.
//!
//! A thread whose stack cannot be had is an error, which is answered with 503. A thread that has started
//! and cannot have its signal stack, and an allocation that fails, abort the process. So the server
//! stays away from either limit, by a reserve: it compares what the process takes with what it may
//! take whenever it starts a thread: what the rest of the program takes changes. Where there is no limit,
//! that is two system calls.

use std::fs;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

use crate::net::log::warn;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a client's thread takes beside its stack: guards, a signal stack, and its share of the heap.
const BESIDE: usize = 256 * KIB;

/// The least that is kept for everything that is no thread; a 32nd of the limit where that is more.
const RESERVE: usize = 12 * MIB;

/// What glibc reserves of the address space, at once, when a thread allocates for the first time.
/// It does without where there is less.
const ARENA: usize = if cfg!(all(target_env = "gnu", target_pointer_width = "64")) {
    64 * MIB
} else {
    0
};

/// One of the two limits, and how much of it is taken.
#[derive(Debug, Clone, Copy)]
struct Limit {
    name: &'static str,
    most: usize,
    taken: usize,
    /// What a thread may take at once, without being asked to.
    arena: usize,
}

impl Limit {
    fn reserve(self) -> usize {
        (self.most / 32).max(RESERVE)
    }

    /// What is left, and not kept.
    fn free(self) -> usize {
        self.most
            .saturating_sub(self.taken)
            .saturating_sub(self.reserve())
    }

    /// How large the stack is to be of one more thread, where `stack` bytes were asked for; `None`
    /// where there is no room for it.
    ///
    /// The thread may take an arena before it is even asked what is left. Where that would eat into
    /// the reserve, a larger stack, which is never touched, leaves too little for an arena.
    fn stack(self, stack: usize) -> Option<usize> {
        let rest = self.free().checked_sub(stack.checked_add(BESIDE)?)?;
        if self.arena == 0 || rest >= self.arena {
            return Some(stack);
        }
        match (rest + self.reserve()).checked_sub(self.arena) {
            None => Some(stack),
            // With that it would not leave the reserve, and without it neither.
            Some(_) if self.reserve() >= self.arena => None,
            Some(surplus) => Some(stack + surplus + page_size()),
        }
    }
}

/// How large the stack is to be of one more client's thread, where `stack` bytes were asked for.
///
/// # Errors
/// The name of the limit that leaves no room for it.
pub(super) fn stack(stack: usize) -> Result<usize, &'static str> {
    let with = |stack, limit: Limit| limit.stack(stack).ok_or(limit.name);
    limits().try_fold(stack, with)
}

/// Whether there is a limit at all: threads are then started one after the other, so that each shows
/// what it takes before the next one.
pub(super) fn is_limited() -> bool {
    limits().next().is_some()
}

/// `wanted` bytes for what waits of all clients, or less, where the process may take less.
pub(super) fn at_most(wanted: usize, what: &str) -> usize {
    let smallest = limits().min_by_key(|limit| limit.free());
    match smallest.map(|limit| (limit.name, limit.reserve() / 4)) {
        Some((name, room)) if room < wanted => {
            warn!("{name} leaves room for {room} bytes of {what}, not for {wanted}");
            room
        }
        _ => wanted,
    }
}

/// Address space first: it decides how large a stack is to be.
fn limits() -> impl Iterator<Item = Limit> {
    let space = soft(Resource::As).or(narrow());
    let data = soft(Resource::Data);
    // Sizes in pages: of all that is mapped, and, as the sixth, of data and stacks.
    let taken = (space.is_some() || data.is_some()).then(|| fs::read_to_string("/proc/self/statm"));
    let taken = taken.and_then(Result::ok).unwrap_or_default();
    let pages = |place| taken.split_whitespace().nth(place)?.parse::<usize>().ok();
    let limit = |name, most: Option<usize>, place, arena| {
        let taken = pages(place)?.saturating_mul(page_size());
        Some(Limit {
            name,
            most: most?,
            taken,
            arena,
        })
    };
    let space = limit("the limit of address space", space, 0, ARENA);
    let data = limit("the limit of data", data, 5, 0);
    space.into_iter().chain(data)
}

fn soft(resource: Resource) -> Option<usize> {
    getrlimit(resource)
        .current
        .map(|most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// What a pointer can address, where that is little.
fn narrow() -> Option<usize> {
    cfg!(target_pointer_width = "32").then_some(usize::MAX / 4 * 3)
}

#[cfg(test)]
mod tests {
    use super::{BESIDE, Limit, MIB, RESERVE};

    fn limit(most: usize, taken: usize, arena: usize) -> Limit {
        let name = "a limit";
        Limit {
            name,
            most,
            taken,
            arena,
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

    /// Whatever is left: with the thread, and with an arena where one fits, there is the reserve.
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
                let left = if left - BESIDE >= 64 * MIB {
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
