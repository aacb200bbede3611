//! Unpredictable bytes for keys and masks.
//!
//! Every frame of a client has a fresh mask that nobody can predict (RFC 6455 §10.3). One system
//! call for each would cost more than the frame: so each thread keeps a pool of the system's bytes,
//! uses each byte once, and fetches more when they are used up. A forked child has a copy of its
//! parent's pool, and fetches new bytes with its first connection; connections that its parent has
//! opened belong to the parent.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::net::process::Process;

/// Bytes that are fetched at a time: the masks of 256 frames.
const POOL: usize = 1024;

struct Pool {
    bytes: [u8; POOL],
    /// The number of bytes, at the front, that are unused.
    left: usize,
    /// The process that has fetched them.
    process: u32,
}

/// The process that last opened a connection: reading this costs less than a system call.
static PROCESS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static UNUSED: RefCell<Pool> = const {
        RefCell::new(Pool {
            bytes: [0; POOL],
            left: 0,
            process: 0,
        })
    };
}

/// Checks that the system has unpredictable bytes: once per connection, before the first of them is
/// needed.
///
/// # Errors
/// If it has none.
pub(crate) fn check() -> io::Result<()> {
    PROCESS.store(Process::current().id(), Relaxed);
    UNUSED.with_borrow_mut(|pool| {
        pool.forget_the_parents();
        match pool.left {
            0 => pool.fetch(),
            _ => Ok(()),
        }
    })
}

/// Fills `bytes`, for the keys and masks of a connection that has passed [`check`].
///
/// A system that has had such bytes once does not run out of them. If it does nevertheless, the
/// standard library's hasher replaces it, whose keys came from the system too: a connection that cannot
/// send a close frame would be worse.
pub(crate) fn fill(bytes: &mut [u8]) {
    UNUSED.with_borrow_mut(|pool| {
        pool.forget_the_parents();
        for byte in bytes {
            *byte = pool.next();
        }
    });
}

impl Pool {
    /// Forgets bytes that were fetched before a fork: the parent uses them too.
    fn forget_the_parents(&mut self) {
        let process = PROCESS.load(Relaxed);
        if self.process != process {
            self.process = process;
            self.left = 0;
        }
    }

    fn next(&mut self) -> u8 {
        if self.left == 0 && self.fetch().is_err() {
            let [byte, ..] = RandomState::new().hash_one(()).to_ne_bytes();
            return byte;
        }
        self.left -= 1;
        // Used bytes are erased.
        std::mem::take(&mut self.bytes[self.left])
    }

    fn fetch(&mut self) -> io::Result<()> {
        getrandom::fill(&mut self.bytes)?;
        self.left = POOL;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{POOL, Pool, Process, UNUSED, check, fill};
    use std::collections::HashSet;

    #[test]
    fn masks_do_not_repeat() {
        assert!(check().is_ok());
        // Four masks in ten thousand being equal by chance is one run in many millions.
        let masks: HashSet<[u8; 4]> = (0..10_000)
            .map(|_| {
                let mut mask = [0; 4];
                fill(&mut mask);
                mask
            })
            .collect();
        assert!(masks.len() > 9_996, "{}", masks.len());
    }

    #[test]
    fn threads_get_different_bytes() {
        let sixteen = || {
            let mut bytes = [0; 16];
            fill(&mut bytes);
            bytes
        };
        let here = sixteen();
        assert_ne!(here, sixteen());
        let there = std::thread::spawn(sixteen).join();
        assert_ne!(there.ok(), Some(here));
    }

    /// A real fork needs `unsafe`: instead, the recorded process of the pool is changed.
    #[test]
    fn a_forked_child_does_not_give_out_its_parents_bytes() {
        let parents = || {
            UNUSED.with_borrow_mut(|pool| {
                pool.bytes = [7; POOL];
                pool.left = POOL;
                pool.process = Process::another().id();
            });
        };
        let mut bytes = [0; 64];
        assert!(check().is_ok());
        parents();
        // On a thread that continues a connection of another thread.
        fill(&mut bytes);
        assert_ne!(bytes, [7; 64]);
        parents();
        assert!(check().is_ok());
        fill(&mut bytes);
        assert_ne!(bytes, [7; 64]);
        // The process's own bytes are not fetched twice.
        let left = UNUSED.with_borrow(|pool| pool.left);
        assert!(check().is_ok());
        assert_eq!(UNUSED.with_borrow(|pool| pool.left), left);
    }

    #[test]
    fn used_bytes_are_erased() {
        let mut pool = Pool {
            bytes: [7; POOL],
            left: POOL,
            process: 0,
        };
        assert!((0..POOL).all(|_| pool.next() == 7));
        assert_eq!(pool.bytes, [0; POOL]);
    }
}
