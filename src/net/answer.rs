//! The answer to a request between threads: one value, for one thread that waits for it.
//!
//! A channel could carry it too. But each type that a channel carries is compiled with all kinds of
//! channels, about 12 KiB; this is a tenth of that. So channels are for queues only.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::sync::atomic::AtomicBool;
use super::sync::atomic::Ordering::SeqCst;
use super::sync::thread::yield_now;
use super::sync::{Condvar, Instant, Mutex, MutexGuard, PoisonError};

/// The side of the thread that answers. Dropping it without an answer ends the wait as well.
pub(crate) struct Answer<T>(Arc<Slot<T>>);

/// The side of the thread that waits.
pub(crate) struct Answered<T>(Arc<Slot<T>>);

/// The reason for which there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Not yet.
    Timeout,
    /// Never: the request was dropped.
    Dropped,
}

struct Slot<T> {
    value: Mutex<Option<T>>,
    end: End,
}

/// The end of the wait: for all types of answers the same code.
#[derive(Default)]
struct End {
    is_reached: AtomicBool,
    /// Whether the thread that waits sleeps, or is about to.
    sleeps: Mutex<bool>,
    changed: Condvar,
}

/// How often the thread that waits looks before it sleeps: most answers come within microseconds, and to sleep and to
/// be woken takes ten times as long. First it looks again at once, a few times longer each time, then it lets other
/// threads run in between. The model checker has no use for that.
const LOOKS: u32 = if cfg!(stentor_model) { 0 } else { 11 };
const LOOKS_AT_ONCE: u32 = 7;

/// Returns the two sides of one answer.
pub(crate) fn answer<T>() -> (Answer<T>, Answered<T>) {
    let slot = Arc::new(Slot {
        value: Mutex::new(None),
        end: End::default(),
    });
    (Answer(Arc::clone(&slot)), Answered(slot))
}

impl<T> Answer<T> {
    /// Answers, and never blocks; returns whether the other side was still there to receive it.
    pub(crate) fn send(self, value: T) -> bool {
        let is_awaited = self.is_awaited();
        *lock(&self.0.value) = Some(value);
        is_awaited
    }

    /// Returns whether the other side still waits.
    pub(crate) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl<T> Answered<T> {
    /// Waits for the answer, no longer than `limit`, and takes it.
    pub(crate) fn recv_timeout(&self, limit: Duration) -> Result<T, Unanswered> {
        match self.0.end.wait(limit) {
            true => lock(&self.0.value).take().ok_or(Unanswered::Dropped),
            false => Err(Unanswered::Timeout),
        }
    }

    /// Returns whether this is the other side.
    #[cfg(feature = "server")]
    pub(crate) fn is_from(&self, answer: &Answer<T>) -> bool {
        Arc::ptr_eq(&self.0, &answer.0)
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.0.end.reach();
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

impl End {
    fn reach(&self) {
        self.is_reached.store(true, SeqCst);
        // A thread that sleeps later finds the end first.
        if *lock(&self.sleeps) {
            self.changed.notify_one();
        }
    }

    /// Returns whether the end was reached within this time.
    fn wait(&self, limit: Duration) -> bool {
        for look in 0..LOOKS {
            if self.is_reached.load(SeqCst) || limit.is_zero() {
                break;
            }
            match look {
                ..LOOKS_AT_ONCE => (0..1 << look).for_each(|_| std::hint::spin_loop()),
                _ => yield_now(),
            }
        }
        self.is_reached.load(SeqCst) || self.sleep(limit)
    }

    /// As [`wait`](End::wait), asleep.
    fn sleep(&self, limit: Duration) -> bool {
        let since = Instant::now();
        let mut sleeps = lock(&self.sleeps);
        *sleeps = true;
        loop {
            let left = limit.saturating_sub(since.elapsed());
            if self.is_reached.load(SeqCst) || left.is_zero() {
                *sleeps = false;
                return self.is_reached.load(SeqCst);
            }
            let waited = self.changed.wait_timeout(sleeps, left);
            sleeps = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Unanswered, answer};
    use std::thread;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn the_answer_arrives_once_from_another_thread() {
        let (answer, answered) = answer();
        let thread = thread::spawn(move || answer.send("yes"));
        assert_eq!(answered.recv_timeout(LONG), Ok("yes"));
        assert_eq!(answered.recv_timeout(LONG), Err(Unanswered::Dropped));
        assert!(thread.join().is_ok_and(|was_awaited| was_awaited));
    }

    #[test]
    fn a_dropped_request_ends_the_wait() {
        let (request, answered) = answer::<()>();
        assert_eq!(
            answered.recv_timeout(Duration::ZERO),
            Err(Unanswered::Timeout)
        );
        let thread = thread::spawn(move || drop(request));
        assert_eq!(answered.recv_timeout(LONG), Err(Unanswered::Dropped));
        assert!(thread.join().is_ok());
    }

    #[test]
    fn an_answer_that_nobody_awaits_is_reported() {
        let (answer, answered) = answer();
        drop(answered);
        assert!(!answer.send(1));
    }
}
