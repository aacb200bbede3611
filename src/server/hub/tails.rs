//! The rest for followers when the hub ends: they still receive all messages that were added before.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use super::ring::{Follower, Ring};
use super::rings::Rings;

/// A follower's part of the hub's end: the ring of its room, once the hub has ended.
pub(crate) type Tail = OnceLock<Arc<Ring>>;

/// The followers of all rooms, whether they wait for a message or not.
#[derive(Default)]
pub(super) struct Tails {
    all: Vec<(Arc<str>, Weak<Tail>)>,
    /// The number of followers at which those that are gone are removed.
    most: usize,
}

/// The fewest followers at which those that are gone are removed.
const FEW: usize = 16;

impl Tails {
    pub(super) fn add(&mut self, room: &Arc<str>, tail: Weak<Tail>) {
        if self.all.len() >= self.most {
            self.all.retain(|(_, tail)| tail.strong_count() > 0);
            self.most = (2 * self.all.len()).max(FEW);
        }
        self.all.push((Arc::clone(room), tail));
    }

    /// Gives the rings to the followers. Those that wait learn of the end by that their requests are dropped: which
    /// happens last.
    pub(super) fn end(&mut self, rings: &mut Rings) {
        let mut waiting: Vec<Follower> = Vec::new();
        let mut taken: HashMap<Arc<str>, Option<Arc<Ring>>> = HashMap::new();
        for (room, tail) in self.all.drain(..) {
            let Some(tail) = tail.upgrade() else {
                continue;
            };
            let ring = taken.entry(room).or_insert_with_key(|room| {
                let mut ring = rings.take(room)?;
                waiting.append(&mut ring.followers);
                Some(Arc::new(ring))
            });
            if let Some(ring) = ring {
                // It has none yet: a follower is here once.
                let _ = tail.set(Arc::clone(ring));
            }
        }
    }
}
