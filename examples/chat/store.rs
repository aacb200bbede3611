//! The chat's messages in a file: a [`Journal`] on top of `redb`, a database in Rust.
//!
//! Each batch of the server is one transaction, which is on the disk before a member receives a message of it.
//! If the disk is full, the batch is refused, and the store goes on when there is room again. A file that is
//! not the chat's, or is damaged, is reported and not changed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition,
    TableError, WriteTransaction,
};
use stentor::Message;
use stentor::server::{Journal, JournalEntry, JournalRoom, Position};

#[path = "store_file.rs"]
mod file;

pub(crate) use file::Refusal;
use file::StoreFile;

/// The file in which the chat keeps its messages by default.
pub(crate) const DEFAULT: &str = "./chat.redb";

/// The mark of the chat's files: the program, and the version of the tables below.
const ABOUT: TableDefinition<&str, &str> = TableDefinition::new("about");
const PROGRAM: &str = "stentor chat";
const FORMAT: &str = "1";

/// A room by its name: epoch, number of the newest entry, number of the oldest, bytes of all payloads, time of
/// the newest append. All times are nanoseconds since 1970.
const ROOMS: TableDefinition<&str, RoomRow> = TableDefinition::new("rooms");
type RoomRow = (u64, u64, u64, u64, u64);

/// An entry by the name of its room and its number: time, kind of the message, payload.
const ENTRIES: TableDefinition<(&str, u64), (u64, u8, &[u8])> = TableDefinition::new("entries");
const TEXT: u8 = 0;
const BINARY: u8 = 1;

/// The memory for pages of the file, in bytes.
const CACHE: usize = 16 * 1024 * 1024;
/// The longest pause after an error; see [`Store::write`].
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The messages of all rooms, in one file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    file: StoreFile,
    /// `None` after an error: a database of `redb` must then be opened again.
    database: Option<Database>,
    /// Until then, nothing is written.
    pause: Option<Instant>,
}

/// Opens the file that `--data` names. Returns `None` for `none`, and with a warning if another chat uses the
/// file, or if the user may not write there: then the messages are kept in memory only.
///
/// # Errors
/// If the file is not the chat's, is damaged, or cannot be read. It is unchanged then.
pub(crate) fn open(data: &str) -> io::Result<Option<Store>> {
    if data == "none" {
        return Ok(None);
    }
    let reason = match Store::open(Path::new(data)) {
        Ok(store) => return Ok(Some(store)),
        Err(Refusal::Error(error)) => return Err(error),
        Err(Refusal::Locked) => "another chat uses it".to_owned(),
        Err(Refusal::NotWritable(error)) => error.to_string(),
    };
    eprintln!(
        "chat: {data}: {reason}: the messages are kept in memory, and are lost when the chat ends; \
         name another file with --data FILE"
    );
    Ok(None)
}

impl Store {
    /// Opens the file, after a check of all that is in it, or creates it.
    pub(crate) fn open(path: &Path) -> Result<Store, Refusal> {
        let failed = |error: io::Error| Refusal::Error(named(path, &error));
        let (file, database) = match StoreFile::open(path)? {
            Some(file) => {
                let preview = file.preview().map_err(failed)?;
                let mut builder = builder();
                builder.set_check_integrity_on_open(true);
                let checked = caught(|| check(&builder.create_with_backend(preview)?));
                checked.map_err(|error| match error.kind() {
                    ErrorKind::InvalidData => file::not_ours(path, &error.to_string()),
                    _ => failed(error),
                })?;
                let database = open_database(&file).map_err(failed)?;
                (file, database)
            }
            None => {
                let (file, unnamed) = StoreFile::create(path)?;
                let database = open_database(&file).map_err(failed)?;
                caught(|| mark(&database)).map_err(failed)?;
                unnamed.name(path)?;
                (file, database)
            }
        };
        Ok(Store {
            path: path.to_owned(),
            file,
            database: Some(database),
            pause: None,
        })
    }

    /// Runs a transaction, and makes it durable. After an error nothing of it is stored, and the database is
    /// opened again for the next one. That reads the whole file, and so the store refuses all that is to be
    /// written until ten times the time for it has passed.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> io::Result<T> {
        if self.pause.is_some_and(|until| Instant::now() < until) {
            let kept = "it could not be written to a moment ago";
            return Err(named(&self.path, &io::Error::other(kept)));
        }
        let began = Instant::now();
        let reopened = self.database.is_none();
        let result = self.attempt(|database| {
            let transaction = database.begin_write()?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        });
        let pause = (began.elapsed() * 10).min(LONGEST_PAUSE);
        self.pause = (result.is_err() && reopened).then(|| Instant::now() + pause);
        result
    }

    fn read<T>(
        &mut self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> io::Result<T> {
        self.attempt(|database| work(&database.begin_read()?))
    }

    /// Closes the database after an error or a panic, and opens it before the next call.
    fn attempt<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> io::Result<T> {
        let database = match self.database.take() {
            Some(database) => Ok(database),
            None => open_database(&self.file),
        };
        let result = database.and_then(|database| {
            caught(move || {
                let result = work(&database)?;
                Ok((result, database))
            })
        });
        let (result, database) = result.map_err(|error| named(&self.path, &error))?;
        self.database = Some(database);
        Ok(result)
    }
}

impl Journal for Store {
    fn rooms(&mut self) -> io::Result<Vec<JournalRoom>> {
        self.read(|transaction| {
            let table = transaction.open_table(ROOMS)?;
            let rooms = table.iter()?.map(|row| {
                let (name, row) = row?;
                let (epoch, newest, oldest, bytes, written) = row.value();
                let newest = Position::new(epoch, newest);
                let written = time(written);
                Ok(JournalRoom::new(
                    name.value().into(),
                    newest,
                    oldest,
                    bytes,
                    written,
                ))
            });
            rooms.collect()
        })
    }

    fn append(&mut self, entries: &[JournalEntry]) -> io::Result<()> {
        self.write(|transaction| {
            let mut rooms = transaction.open_table(ROOMS)?;
            let mut stored = transaction.open_table(ENTRIES)?;
            let mut changed = BTreeMap::new();
            for entry in entries {
                let (name, message) = (&*entry.room, &entry.message);
                let (epoch, number) = (entry.position.epoch(), entry.position.number());
                let row = match changed.get(name) {
                    Some(row) => Some(*row),
                    None => rooms.get(name)?.map(|row| row.value()),
                };
                let (_, newest, oldest, mut bytes, _) = match row {
                    Some(row) if row.0 == epoch => row,
                    // A new epoch: the room begins anew.
                    Some(_) => {
                        drop_entries(&mut stored, name, 0, u64::MAX)?;
                        (epoch, 0, number, 0, 0)
                    }
                    None => (epoch, 0, number, 0, 0),
                };
                if number <= newest {
                    // They are of a batch that was stored, and yet refused.
                    bytes -= drop_entries(&mut stored, name, number, newest)?;
                }
                let written = nanoseconds(entry.time);
                let kind = if message.is_text() { TEXT } else { BINARY };
                let payload = message.as_bytes();
                stored.insert((name, number), (written, kind, payload))?;
                bytes += size(payload);
                changed.insert(name, (epoch, number, oldest.min(number), bytes, written));
            }
            for (name, row) in changed {
                rooms.insert(name, row)?;
            }
            Ok(())
        })
    }

    fn read(&mut self, room: &str, after: u64, most: usize) -> io::Result<Vec<JournalEntry>> {
        let Some(first) = after.checked_add(1) else {
            return Ok(Vec::new());
        };
        Store::read(self, |transaction| {
            let rooms = transaction.open_table(ROOMS)?;
            let Some(row) = rooms.get(room)?.map(|row| row.value()) else {
                return Ok(Vec::new());
            };
            let stored = transaction.open_table(ENTRIES)?;
            let name: Arc<str> = room.into();
            let entries = stored.range((room, first)..=(room, u64::MAX))?;
            let entries = entries.take(most).map(|entry| {
                let (key, entry) = entry?;
                let (written, kind, payload) = entry.value();
                let position = Position::new(row.0, key.value().1);
                let message = message(kind, payload)?;
                Ok(JournalEntry::new(
                    Arc::clone(&name),
                    position,
                    time(written),
                    message,
                ))
            });
            entries.collect()
        })
    }

    fn forget(&mut self, room: &str, up_to: Position) -> io::Result<u64> {
        self.write(|transaction| {
            let mut rooms = transaction.open_table(ROOMS)?;
            let row = rooms.get(room)?.map(|row| row.value());
            // A position of another epoch is none of the room's entries.
            let row = row.filter(|row| row.0 == up_to.epoch());
            let Some((epoch, newest, oldest, bytes, written)) = row else {
                return Ok(0);
            };
            let last = up_to.number().min(newest);
            let mut stored = transaction.open_table(ENTRIES)?;
            let removed = drop_entries(&mut stored, room, 0, last)?;
            let row = (
                epoch,
                newest,
                oldest.max(last + 1),
                bytes - removed,
                written,
            );
            rooms.insert(room, row)?;
            Ok(removed)
        })
    }

    fn remove(&mut self, room: &str) -> io::Result<()> {
        self.write(|transaction| {
            transaction.open_table(ROOMS)?.remove(room)?;
            drop_entries(&mut transaction.open_table(ENTRIES)?, room, 0, u64::MAX)?;
            Ok(())
        })
    }
}

/// Removes the entries of a room with these numbers; returns the bytes of their payloads.
fn drop_entries(
    stored: &mut Table<'_, (&str, u64), (u64, u8, &[u8])>,
    room: &str,
    first: u64,
    last: u64,
) -> Result<u64, redb::Error> {
    let mut bytes = 0;
    stored.retain_in((room, first)..=(room, last), |_, (_, _, payload)| {
        bytes += size(payload);
        false
    })?;
    Ok(bytes)
}

fn message(kind: u8, payload: &[u8]) -> Result<Message, redb::Error> {
    let damaged = |fault: &str| redb::Error::Corrupted(fault.to_owned());
    match kind {
        TEXT => match str::from_utf8(payload) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(damaged("a text that is not UTF-8")),
        },
        BINARY => Ok(payload.into()),
        _ => Err(damaged("a message that is neither text nor binary")),
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

fn open_database(file: &StoreFile) -> io::Result<Database> {
    caught(|| Ok(builder().create_with_backend(file.clone())?))
}

/// Creates the tables, with the mark of the chat.
fn mark(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let mut about = transaction.open_table(ABOUT)?;
    about.insert("program", PROGRAM)?;
    about.insert("format", FORMAT)?;
    drop(about);
    transaction.open_table(ROOMS)?;
    transaction.open_table(ENTRIES)?;
    transaction.commit()?;
    Ok(())
}

/// Fails unless the mark and the tables are those of this chat.
fn check(database: &Database) -> Result<(), redb::Error> {
    let fault = |fault: String| redb::Error::Io(io::Error::new(ErrorKind::InvalidData, fault));
    let transaction = database.begin_read()?;
    let about = match transaction.open_table(ABOUT) {
        Ok(about) => about,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Err(fault("a database of another program".to_owned())),
    };
    let program = about.get("program")?;
    if program.is_none_or(|program| program.value() != PROGRAM) {
        return Err(fault("a database of another program".to_owned()));
    }
    let format = about.get("format")?;
    let format = format.map_or_else(String::new, |format| format.value().to_owned());
    if format != FORMAT {
        let other = format!("a store of format {format:?}: this chat reads format {FORMAT} only");
        return Err(fault(other));
    }
    transaction.open_table(ROOMS)?;
    transaction.open_table(ENTRIES)?;
    Ok(())
}

/// Runs a part of the database, and returns a panic as an error: the database trusts its own files, and panics
/// if one was damaged while it is open.
fn caught<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> io::Result<T> {
    let damaged = |fault: &str| io::Error::new(ErrorKind::InvalidData, format!("damaged: {fault}"));
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(redb::Error::Io(error))) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(damaged("a page behind its end"))
        }
        Ok(Err(redb::Error::Io(error))) => Err(error),
        Ok(Err(redb::Error::Corrupted(fault))) => Err(damaged(&fault)),
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_) => Err(damaged("a page that the database cannot read")),
    }
}

/// Returns the error with the file's name and a remedy.
fn named(path: &Path, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free some room for it; the store goes on by itself"
        }
        ErrorKind::InvalidData => "stop the chat, and restore a copy of the file",
        _ => "check the disk; the store goes on by itself if it can",
    };
    io::Error::new(
        error.kind(),
        format!("{}: {error}: {remedy}", path.display()),
    )
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn time(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
