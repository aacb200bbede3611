//! Replaces crossbeam-channel: a bounded queue with its interface, and with so little room that it
//! is full most of the time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::{Mutex, MutexGuard};

use super::clock::{Condvar, Instant};

/// The most that any bounded channel of the model holds.
const ROOM: usize = 2;

pub(crate) struct Sender<T>(Arc<Channel<T>>);

pub(crate) struct Receiver<T>(Arc<Channel<T>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecvTimeoutError {
    Timeout,
    Disconnected,
}

struct Channel<T> {
    inside: Mutex<Inside<T>>,
    room: usize,
    changed: Condvar,
}

struct Inside<T> {
    queue: VecDeque<T>,
    senders: usize,
    receivers: usize,
}

pub(crate) fn bounded<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    with_room(room.min(ROOM))
}

/// Returns a channel that never makes a sender wait.
pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    with_room(usize::MAX)
}

fn with_room<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel {
        inside: Mutex::new(Inside {
            queue: VecDeque::new(),
            senders: 1,
            receivers: 1,
        }),
        room,
        changed: Condvar::default(),
    });
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, value: T) -> Result<(), T> {
        let mut inside = self.0.lock();
        loop {
            if inside.receivers == 0 {
                return Err(value);
            }
            if inside.queue.len() < self.0.room {
                inside.queue.push_back(value);
                self.0.changed.notify_all();
                return Ok(());
            }
            inside = self.0.changed.wait(inside).unwrap();
        }
    }

    pub(crate) fn try_send(&self, value: T) -> Result<(), T> {
        let mut inside = self.0.lock();
        if inside.receivers == 0 || inside.queue.len() >= self.0.room {
            return Err(value);
        }
        inside.queue.push_back(value);
        self.0.changed.notify_all();
        Ok(())
    }
}

impl<T> Receiver<T> {
    pub(crate) fn recv(&self) -> Result<T, RecvTimeoutError> {
        let mut inside = self.0.lock();
        loop {
            if let Some(value) = inside.queue.pop_front() {
                self.0.changed.notify_all();
                return Ok(value);
            }
            if inside.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            inside = self.0.changed.wait(inside).unwrap();
        }
    }

    pub(crate) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let end = Instant::now() + timeout;
        let mut inside = self.0.lock();
        loop {
            if let Some(value) = inside.queue.pop_front() {
                self.0.changed.notify_all();
                return Ok(value);
            }
            if inside.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            if Instant::now() >= end {
                return Err(RecvTimeoutError::Timeout);
            }
            inside = self.0.changed.wait_timeout(inside, timeout).unwrap().0;
        }
    }

    pub(crate) fn try_iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| {
            let mut inside = self.0.lock();
            let value = inside.queue.pop_front()?;
            self.0.changed.notify_all();
            Some(value)
        })
    }
}

impl<T> Channel<T> {
    fn lock(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.lock().receivers += 1;
        Receiver(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.changed.notify_all();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let orphans = {
            let mut inside = self.0.lock();
            inside.receivers -= 1;
            match inside.receivers {
                0 => std::mem::take(&mut inside.queue),
                _ => VecDeque::new(),
            }
        };
        drop(orphans);
        self.0.changed.notify_all();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}
