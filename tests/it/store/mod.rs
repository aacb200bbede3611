//! The chat's store, as the server uses it: a journal in one file.
//!
//! The chat as a process, with its store, is in `store/processes.rs`.

use std::fs;
use std::path::Path;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stentor::Message;
use stentor::server::{Journal, JournalEntry, JournalRoom, Position};

use redb::{Database, TableDefinition};

use crate::support::{Folder, eventually};

#[allow(dead_code, reason = "the chat's own start is tested as a process")]
#[path = "../../../examples/chat/store.rs"]
mod chat_store;

use chat_store::{Refusal, Store};

mod processes;

const EPOCH: u64 = 1_795_944_294_201_974;

fn at(number: u64) -> Position {
    Position::new(EPOCH, number)
}

fn entry_at(room: &str, position: Position, message: impl Into<Message>) -> JournalEntry {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(position.number() + 17);
    JournalEntry::new(room.into(), position, time, message.into())
}

fn entry(room: &str, number: u64, message: impl Into<Message>) -> JournalEntry {
    entry_at(room, at(number), message)
}

/// Text and binary messages of all sizes, the empty ones too.
fn entries(room: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<JournalEntry> {
    let one = |number: u64| match number % 4 {
        0 => entry(room, number, ""),
        1 => entry(room, number, format!("message {number}: \u{1F44D}")),
        2 => entry(room, number, Vec::new()),
        _ => entry(room, number, vec![number as u8; 1000 * number as usize]),
    };
    numbers.map(one).collect()
}

/// Opens a file that no store has open. A process that another test starts has this one's files, and their locks,
/// for a moment.
fn opened(path: &Path) -> Result<Store, Refusal> {
    eventually("the lock", || match Store::open(path) {
        Err(Refusal::Locked) => None,
        opened => Some(opened),
    })
}

fn open(path: &Path) -> Store {
    opened(path).unwrap()
}

/// The text of the error with which the store refuses a file.
fn refused(path: &Path) -> String {
    match opened(path) {
        Err(Refusal::Error(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn room(store: &mut Store, name: &str) -> JournalRoom {
    let rooms = store.rooms().unwrap();
    rooms.into_iter().find(|room| &*room.room == name).unwrap()
}

fn payload(entries: &[JournalEntry]) -> u64 {
    entries.iter().map(|entry| entry.message.len() as u64).sum()
}

#[test]
fn entries_are_read_as_they_were_appended_before_and_after_a_restart() {
    let folder = Folder::new();
    let path = folder.file("chat.redb");
    let long = "\u{e9}\0".repeat(64);
    let (lobby, other) = (entries("lobby", 1..=40), entries(&long, 1..=3));
    let mut store = open(&path);
    assert_eq!(store.rooms().unwrap(), []);
    store.append(&lobby[..1]).unwrap();
    store.append(&[&lobby[1..], &other[..]].concat()).unwrap();
    for _ in 0..2 {
        assert_eq!(store.read("lobby", 0, 1000).unwrap(), lobby);
        assert_eq!(store.read("lobby", 30, 1000).unwrap(), lobby[30..]);
        assert_eq!(store.read("lobby", 30, 2).unwrap(), lobby[30..32]);
        assert_eq!(store.read("lobby", 40, 2).unwrap(), []);
        assert_eq!(store.read("lobby", u64::MAX, 2).unwrap(), []);
        assert_eq!(store.read(&long, 0, 1000).unwrap(), other);
        assert_eq!(store.read("lobb", 0, 1000).unwrap(), []);
        let mut expected = [(&lobby, "lobby"), (&other, &long)].map(|(entries, name)| {
            let last = entries.last().unwrap();
            JournalRoom::new(name.into(), last.position, 1, payload(entries), last.time)
        });
        expected.sort_by_key(|room| Arc::clone(&room.room));
        assert_eq!(store.rooms().unwrap(), expected);
        drop(store);
        store = open(&path);
    }
}

#[test]
fn a_number_that_is_appended_again_replaces_the_batch_that_was_refused() {
    let folder = Folder::new();
    let mut store = open(&folder.file("chat.redb"));
    store.append(&entries("lobby", 1..=9)).unwrap();
    let replaced = entry("lobby", 7, "the seventh");
    store.append(slice::from_ref(&replaced)).unwrap();
    let kept = [entries("lobby", 1..=6), vec![replaced]].concat();
    assert_eq!(store.read("lobby", 0, 1000).unwrap(), kept);
    let room = room(&mut store, "lobby");
    assert_eq!(
        (room.newest, room.oldest, room.bytes),
        (at(7), 1, payload(&kept))
    );
}

#[test]
fn forgotten_entries_leave_the_room_and_its_position() {
    let folder = Folder::new();
    let mut store = open(&folder.file("chat.redb"));
    let all = entries("lobby", 1..=9);
    store
        .append(&[all.clone(), entries("lobbyist", 1..=2)].concat())
        .unwrap();
    assert_eq!(
        store.forget("lobby", Position::new(EPOCH - 1, 5)).unwrap(),
        0
    );
    assert_eq!(store.forget("nowhere", at(5)).unwrap(), 0);
    assert_eq!(store.forget("lobby", at(5)).unwrap(), payload(&all[..5]));
    assert_eq!(store.forget("lobby", at(5)).unwrap(), 0);
    assert_eq!(store.read("lobby", 0, 2).unwrap(), all[5..7]);
    let left = room(&mut store, "lobby");
    assert_eq!(
        (left.newest, left.oldest, left.bytes),
        (at(9), 6, payload(&all[5..]))
    );
    assert_eq!(store.forget("lobby", at(100)).unwrap(), payload(&all[5..]));
    let left = room(&mut store, "lobby");
    assert_eq!((left.newest, left.oldest, left.bytes), (at(9), 10, 0));
    assert_eq!(store.read("lobby", 0, 2).unwrap(), []);
    let next = entries("lobby", 10..=11);
    store.append(&next).unwrap();
    assert_eq!(store.read("lobby", 0, 9).unwrap(), next);
    let left = room(&mut store, "lobby");
    assert_eq!(
        (left.newest, left.oldest, left.bytes),
        (at(11), 10, payload(&next))
    );
    assert_eq!(store.read("lobbyist", 0, 9).unwrap().len(), 2);
}

#[test]
fn a_removed_room_is_gone_and_begins_anew() {
    let folder = Folder::new();
    let path = folder.file("chat.redb");
    let mut store = open(&path);
    store
        .append(&[entries("lobby", 1..=9), entries("other", 1..=2)].concat())
        .unwrap();
    store.remove("lobby").unwrap();
    store.remove("nowhere").unwrap();
    let names: Vec<_> = store
        .rooms()
        .unwrap()
        .into_iter()
        .map(|room| room.room)
        .collect();
    assert_eq!(names, ["other".into()]);
    assert_eq!(store.read("lobby", 0, 9).unwrap(), []);
    let anew = entry_at("lobby", Position::new(EPOCH + 1, 1), "anew");
    store.append(slice::from_ref(&anew)).unwrap();
    assert_eq!(store.read("lobby", 0, 9).unwrap(), [anew]);
}

#[test]
fn a_new_epoch_drops_the_entries_of_the_last_one() {
    let folder = Folder::new();
    let mut store = open(&folder.file("chat.redb"));
    store.append(&entries("lobby", 1..=9)).unwrap();
    let anew = entry_at("lobby", Position::new(EPOCH + 1, 1), "anew");
    store.append(slice::from_ref(&anew)).unwrap();
    assert_eq!(store.read("lobby", 0, 9).unwrap(), slice::from_ref(&anew));
    let room = room(&mut store, "lobby");
    assert_eq!(
        (room.newest, room.oldest, room.bytes),
        (anew.position, 1, 4)
    );
}

#[test]
fn only_one_store_has_a_file_at_a_time() {
    let folder = Folder::new();
    let path = folder.file("chat.redb");
    let first = open(&path);
    assert!(matches!(Store::open(&path), Err(Refusal::Locked)));
    drop(first);
    open(&path);
    let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(
        files, 1,
        "the name that a new file has before its own is left"
    );
}

/// A store with ten messages of 1 KiB, and its bytes.
fn filled(path: &Path) -> (Vec<JournalEntry>, Vec<u8>) {
    let line = |number| entry("lobby", number, format!("{number}: {}", "x".repeat(1024)));
    let all: Vec<JournalEntry> = (1..=10).map(line).collect();
    let mut store = open(path);
    for entry in &all {
        store.append(slice::from_ref(entry)).unwrap();
    }
    drop(store);
    (all, fs::read(path).unwrap())
}

/// Fails unless the store refuses these bytes and does not change them, or has all messages.
fn expect_whole_or_refused(path: &Path, bytes: &[u8], all: &[JournalEntry]) -> bool {
    fs::write(path, bytes).unwrap();
    match opened(path) {
        Ok(mut store) => {
            assert_eq!(store.read("lobby", 0, 1000).unwrap(), all);
            assert_eq!(room(&mut store, "lobby").newest, at(10));
            false
        }
        Err(Refusal::Error(error)) => {
            let words = error.to_string();
            assert!(words.starts_with(path.to_str().unwrap()), "{words}");
            assert!(
                words.contains("the file is unchanged; move it away"),
                "{words}"
            );
            assert!(
                fs::read(path).unwrap() == bytes,
                "{words}, but it was changed"
            );
            true
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_file_is_refused_and_unchanged() {
    let folder = Folder::new();
    let path = folder.file("chat.redb");
    let (all, good) = filled(&path);
    let mut refused = 0;
    // Bytes of the two headers, and everywhere else.
    let places = (0..320).step_by(5).chain((320..good.len()).step_by(1021));
    for place in places {
        let mut bytes = good.clone();
        bytes[place] ^= 0x55;
        refused += usize::from(expect_whole_or_refused(&path, &bytes, &all));
    }
    assert!(refused > 20, "{refused}");
    for length in [1, 8, 9, 64, 320, 4096, 8192, good.len() / 2, good.len() - 1] {
        assert!(
            expect_whole_or_refused(&path, &good[..length], &all),
            "{length}"
        );
    }
    for page in (0..good.len()).step_by(4096) {
        let mut bytes = good.clone();
        bytes[page..page + 4096].fill(0);
        expect_whole_or_refused(&path, &bytes, &all);
    }
    assert!(!expect_whole_or_refused(&path, &good, &all));
}

#[test]
fn files_of_other_programs_are_refused_and_unchanged() {
    let folder = Folder::new();
    let path = folder.file("chat.redb");
    let text = "notes of another program\n".repeat(1000);
    let others = [
        &b""[..],
        b"SQLite format 3\0\x10\0\x01\x01\0@  ",
        b"redb",
        text.as_bytes(),
    ];
    for bytes in others {
        fs::write(&path, bytes).unwrap();
        let words = refused(&path);
        assert!(words.contains("not a store of the chat"), "{words}");
        assert!(words.contains("--data FILE"), "{words}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

/// Creates a database with the mark in it.
fn create_marked(path: &Path, mark: &[(&str, &str)]) {
    const ABOUT: TableDefinition<&str, &str> = TableDefinition::new("about");
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    for (name, value) in mark {
        transaction
            .open_table(ABOUT)
            .unwrap()
            .insert(*name, *value)
            .unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn databases_of_other_programs_and_formats_are_refused_and_unchanged() {
    let folder = Folder::new();
    let path = folder.file("chat.redb");
    let program = ("program", "stentor chat");
    for (mark, fault) in [
        (&[][..], "another program"),
        (
            &[("program", "a diary"), ("format", "1")],
            "another program",
        ),
        (
            &[program, ("format", "2")],
            "format \"2\": this chat reads format 1",
        ),
        (&[program], "format \"\""),
    ] {
        create_marked(&path, mark);
        let bytes = fs::read(&path).unwrap();
        let words = refused(&path);
        assert!(words.contains(fault), "{words}");
        assert!(words.contains("the file is unchanged"), "{words}");
        assert!(
            fs::read(&path).unwrap() == bytes,
            "{words}, but it was changed"
        );
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_place_that_is_no_file_is_refused() {
    let folder = Folder::new();
    let words = refused(folder.file("chat.redb").parent().unwrap());
    assert!(words.contains("not a regular file"), "{words}");
    let words = refused(&folder.file("missing/chat.redb"));
    assert!(words.contains("create its folder first"), "{words}");
}
