//! Frames and bodies for many clients, which the [total](super::total) counts once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use crate::net::sync::atomic::AtomicBool;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::sync::{MutexGuard, PoisonError};
use crate::protocol::{Binary, Body};

use super::frames::Frames;
use super::total::TotalQueued;

/// The large payloads that wait now, and the bodies of HTTP responses that are being sent.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    /// The number of frames that count each payload: its memory is counted once.
    counts: HashMap<Place, usize>,
    pages: HashMap<Place, Weak<SharedFrames>>,
}

/// A place in memory: the address and the length of the bytes.
type Place = (usize, usize);

/// Whole frames for many clients, or the body of a response, counted once even if they wait in many
/// queues. A large payload that is in several of them, such as the frames of two framings, counts once too.
#[derive(Debug)]
pub(crate) struct SharedFrames {
    frames: Frames,
    /// The place of the body of a response.
    page: Option<Place>,
    counted: AtomicBool,
    total_queued: Arc<TotalQueued>,
}

impl TotalQueued {
    /// Returns the body of a response, for one more client. It is counted from now on, once for all
    /// clients that are sent the same one; `None` if it would exceed the limit.
    pub(crate) fn page(self: &Arc<TotalQueued>, body: &Body) -> Option<Arc<SharedFrames>> {
        let body = body.as_binary();
        let place = place(body);
        let mut payloads = self.payloads();
        if let Some(frames) = payloads.pages.get(&place).and_then(Weak::upgrade) {
            return Some(frames);
        }
        // It may be the payload of a message that waits.
        let is_counted = payloads.counts.contains_key(&place);
        let memory = if is_counted { 0 } else { body.memory() };
        let more = |waiting: usize| {
            let after = waiting.saturating_add(memory);
            (after <= self.most).then_some(after)
        };
        self.waiting.fetch_update(Relaxed, Relaxed, more).ok()?;
        *payloads.counts.entry(place).or_default() += 1;
        let frames = Arc::new(SharedFrames {
            frames: body.clone().into(),
            page: Some(place),
            counted: AtomicBool::new(true),
            total_queued: Arc::clone(self),
        });
        payloads.pages.insert(place, Arc::downgrade(&frames));
        Some(frames)
    }

    /// Counts the memory of a large payload, unless other frames do already.
    fn count(&self, payload: &Binary) {
        let mut payloads = self.payloads();
        let count = payloads.counts.entry(place(payload)).or_default();
        *count += 1;
        if *count == 1 {
            self.adjust(0, payload.memory());
        }
    }

    /// Takes back one [`count`](TotalQueued::count) of this payload.
    fn release(&self, payload: &Binary) {
        let mut payloads = self.payloads();
        if let Entry::Occupied(mut entry) = payloads.counts.entry(place(payload)) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
                self.adjust(payload.memory(), 0);
            }
        }
    }

    /// Removes a page that its last client has released. Another may have requested it meanwhile.
    fn forget(&self, page: Place) {
        let mut payloads = self.payloads();
        let known = payloads.pages.get(&page);
        if known.is_some_and(|frames| frames.strong_count() == 0) {
            payloads.pages.remove(&page);
        }
    }

    fn payloads(&self) -> MutexGuard<'_, Payloads> {
        self.payloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedFrames {
    pub(crate) fn new(frames: Frames, total_queued: &Arc<TotalQueued>) -> Arc<SharedFrames> {
        Arc::new(SharedFrames {
            frames,
            page: None,
            counted: AtomicBool::new(false),
            total_queued: Arc::clone(total_queued),
        })
    }

    /// Counts them as waiting, from now on until the last queue has released them.
    pub(crate) fn wait(&self) {
        if !self.counted.load(Relaxed) && !self.counted.swap(true, Relaxed) {
            self.total_queued.adjust(0, self.frames.own_memory());
            for payload in self.frames.payloads() {
                self.total_queued.count(payload);
            }
        }
    }
}

fn place(bytes: &[u8]) -> Place {
    (bytes.as_ptr().addr(), bytes.len())
}

impl Deref for SharedFrames {
    type Target = Frames;

    fn deref(&self) -> &Frames {
        &self.frames
    }
}

impl Drop for SharedFrames {
    fn drop(&mut self) {
        if *self.counted.get_mut() {
            self.total_queued.adjust(self.frames.own_memory(), 0);
            for payload in self.frames.payloads() {
                self.total_queued.release(payload);
            }
        }
        if let Some(place) = self.page {
            self.total_queued.forget(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, SharedFrames, TotalQueued};
    use crate::protocol::{Framing, Message};
    use std::sync::Arc;

    #[test]
    fn frames_count_once_and_only_while_they_wait() {
        let total_queued = TotalQueued::new(1000);
        let frames = SharedFrames::new(vec![0; 100].into(), &total_queued);
        assert_eq!(total_queued.waiting(), 0);
        let queues = [Arc::clone(&frames), Arc::clone(&frames)];
        queues.iter().for_each(|frames| frames.wait());
        assert_eq!(total_queued.waiting(), 100);
        drop(frames);
        assert_eq!(total_queued.waiting(), 100);
        drop(queues);
        assert_eq!(total_queued.waiting(), 0);
    }

    #[test]
    fn a_large_payload_counts_once_however_many_frames_have_it() {
        let total_queued = TotalQueued::new(100_000);
        let message = Message::from(vec![b'x'; 50_000]);
        let frames = || {
            let mut frames = Frames::default();
            assert_eq!(frames.message(Framing::Hybi, &message), Ok(()));
            SharedFrames::new(frames, &total_queued)
        };
        let all = [frames(), frames(), frames()];
        all.iter().for_each(|frames| frames.wait());
        let waiting = total_queued.waiting();
        assert!((50_000..50_200).contains(&waiting), "{waiting}");
        let [first, second, third] = all;
        drop((first, third));
        let waiting = total_queued.waiting();
        assert!((50_000..50_100).contains(&waiting), "{waiting}");
        // The same bytes as a page.
        let page = total_queued.page(&message.clone().into_payload().into());
        assert_eq!(total_queued.waiting(), waiting);
        drop(second);
        assert_eq!(total_queued.waiting(), 50_000);
        drop(page);
        assert_eq!(total_queued.waiting(), 0);
        assert!(total_queued.payloads().counts.is_empty());
        assert!(total_queued.payloads().pages.is_empty());
    }

    #[test]
    fn frames_that_never_waited_are_not_subtracted() {
        let total_queued = TotalQueued::new(1000);
        total_queued.adjust(0, 10);
        drop(SharedFrames::new(vec![0; 100].into(), &total_queued));
        assert_eq!(total_queued.waiting(), 10);
        total_queued.adjust(10, 3);
        assert_eq!(total_queued.waiting(), 3);
    }
}
