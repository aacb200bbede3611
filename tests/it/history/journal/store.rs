//! A journal in memory that can fail, panic, and wait at a gate. Several servers can use it one after the other.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::*;

#[derive(Clone, Default)]
pub(crate) struct Memory {
    inside: Arc<Inside>,
}

#[derive(Default)]
struct Inside {
    store: Mutex<Store>,
    /// So many gates are closed.
    gates: Mutex<usize>,
    opened: Condvar,
    /// The next call of `append` with an entry that contains this text fails with it.
    error: Mutex<Option<(&'static str, io::Error)>>,
    /// So many calls of `append` panic.
    pub(crate) panics: AtomicUsize,
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) rooms: BTreeMap<Arc<str>, (JournalRoom, Vec<JournalEntry>)>,
    pub(crate) commits: usize,
}

/// Keeps all calls of the journal waiting until it is dropped.
pub(crate) struct Gate(Memory);

impl Memory {
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.inside.store.lock().unwrap()
    }

    pub(crate) fn block(&self) -> Gate {
        *self.inside.gates.lock().unwrap() += 1;
        Gate(self.clone())
    }

    /// The next call of `append` fails.
    pub(crate) fn fail(&self) {
        self.fail_with(io::Error::other("the disk is full on purpose"));
    }

    /// The next call of `append` fails with this error.
    pub(crate) fn fail_with(&self, error: io::Error) {
        *self.inside.error.lock().unwrap() = Some(("", error));
    }

    /// The next call of `append` with an entry that contains this text fails.
    pub(crate) fn fail_on(&self, text: &'static str) {
        let error = io::Error::other("the disk is full on purpose");
        *self.inside.error.lock().unwrap() = Some((text, error));
    }

    /// The next call of `append` panics.
    pub(crate) fn panic(&self) {
        self.inside.panics.store(1, SeqCst);
    }

    fn wait(&self) {
        let gates = self.inside.gates.lock().unwrap();
        drop(self.inside.opened.wait_while(gates, |gates| *gates > 0));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        *self.0.inside.gates.lock().unwrap() -= 1;
        self.0.inside.opened.notify_all();
    }
}

fn bytes(kept: &[JournalEntry]) -> u64 {
    kept.iter().map(|entry| entry.message.len() as u64).sum()
}

impl Journal for Memory {
    fn rooms(&mut self) -> io::Result<Vec<JournalRoom>> {
        let store = self.store();
        Ok(store.rooms.values().map(|(room, _)| room.clone()).collect())
    }

    fn append(&mut self, entries: &[JournalEntry]) -> io::Result<()> {
        self.wait();
        let texts = || entries.iter().filter_map(|entry| entry.message.as_text());
        let mut error = self.inside.error.lock().unwrap();
        if let Some((_, error)) =
            error.take_if(|(part, _)| texts().any(|text| text.contains(*part)))
        {
            return Err(error);
        }
        drop(error);
        assert_eq!(
            self.inside.panics.swap(0, SeqCst),
            0,
            "panicking on purpose"
        );
        let mut store = self.store();
        store.commits += 1;
        for entry in entries {
            let (name, at) = (Arc::clone(&entry.room), entry.position);
            let place = store.rooms.entry(name);
            let (room, kept) = place.or_insert_with_key(|name| {
                let room = JournalRoom::new(Arc::clone(name), at, at.number(), 0, entry.time);
                (room, Vec::new())
            });
            let next = Position::new(room.newest.epoch(), room.newest.number() + 1);
            assert!(
                at == next || kept.is_empty(),
                "{at} follows {}",
                room.newest
            );
            kept.push(entry.clone());
            (room.newest, room.written) = (at, entry.time);
            room.bytes += entry.message.len() as u64;
        }
        Ok(())
    }

    fn read(&mut self, room: &str, after: u64, most: usize) -> io::Result<Vec<JournalEntry>> {
        self.wait();
        let store = self.store();
        let kept = store.rooms.get(room).map_or(&[][..], |(_, kept)| kept);
        let later = kept.iter().filter(|entry| entry.position.number() > after);
        Ok(later.take(most).cloned().collect())
    }

    fn forget(&mut self, room: &str, up_to: Position) -> io::Result<u64> {
        self.wait();
        let mut store = self.store();
        let (room, kept) = store.rooms.get_mut(room).unwrap();
        kept.retain(|entry| entry.position.number() > up_to.number());
        let left = bytes(kept);
        let oldest = kept.first().map(|entry| entry.position.number());
        room.oldest = oldest.unwrap_or(room.newest.number() + 1);
        Ok(std::mem::replace(&mut room.bytes, left) - left)
    }

    fn remove(&mut self, room: &str) -> io::Result<()> {
        self.wait();
        self.store().rooms.remove(room);
        Ok(())
    }
}
