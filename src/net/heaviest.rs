//! The order in which clients are closed while all clients together hold too much memory.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::link::Link;

/// A client and the bytes that it holds. The greatest is closed first: the one that holds most, and of equals
/// the oldest.
pub(super) struct Weighed {
    pub(super) bytes: usize,
    pub(super) link: Arc<Link>,
}

/// Returns the clients from the heaviest on. A heap finds the few that are closed without sorting the others.
pub(super) fn heaviest_first(clients: Vec<Weighed>) -> impl Iterator<Item = Weighed> {
    let mut heap = BinaryHeap::from(clients);
    std::iter::from_fn(move || heap.pop())
}

impl Ord for Weighed {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |weighed: &Weighed| (weighed.bytes, Reverse(weighed.link.id));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Weighed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Weighed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Weighed {}
