//! The file of the chat's store: it is locked, and read before anything in it is changed.
//!
//! `redb` writes to each file that it opens, and repairs one that a crash has left. Therefore the store opens a
//! file twice: first as a preview, which checks every page, and in which everything that the database writes
//! stays in memory; and then for good. A file that fails the preview is as it was, byte for byte.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
#[cfg(unix)]
use std::os::unix::fs::{FileExt, OpenOptionsExt};
#[cfg(windows)]
use std::os::windows::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// The first bytes of each file of `redb`.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// The reasons for which a file cannot be the chat's store.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Another process has the lock of the file.
    Locked,
    /// The user may not write to the file or to its folder.
    NotWritable(io::Error),
    /// It is not the chat's, or damaged, or cannot be read. The text names the file, the fault and a remedy.
    Error(io::Error),
}

/// An open file with its lock: the storage of a database.
#[derive(Debug, Clone)]
pub(crate) struct StoreFile(Arc<File>);

/// The same file, with changes that stay in memory.
#[derive(Debug)]
pub(crate) struct Preview(Arc<File>, Mutex<Changes>);

#[derive(Debug)]
struct Changes {
    length: u64,
    /// The bytes of the file that still count; those behind them are zeros.
    original: u64,
    /// Everything that was written, with its place, the oldest first.
    written: Vec<(u64, Vec<u8>)>,
}

impl StoreFile {
    /// Opens a file that begins as a database does, and locks it; `None` if there is no file.
    pub(crate) fn open(path: &Path) -> Result<Option<StoreFile>, Refusal> {
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // To open a pipe could wait for ever.
            Ok(found) if !found.is_file() => return Err(not_ours(path, "not a regular file")),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = locked(path, file)?;
        let mut first = [0; MAGIC.len()];
        match read_exact_at(&file, &mut first, 0) {
            Ok(()) if first == MAGIC => Ok(Some(StoreFile(Arc::new(file)))),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(unopened(path, error)),
            _ => Err(not_ours(path, "not a store of the chat")),
        }
    }

    /// Creates a file without a name, in the folder of `path`: no crash leaves a half of a store there.
    pub(crate) fn create(path: &Path) -> Result<(StoreFile, Unnamed), Refusal> {
        let unnamed = Unnamed::beside(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        // The messages are nobody's but the chat's. On Windows, the folder decides: there are no modes.
        #[cfg(unix)]
        options.mode(0o600);
        let file = locked(path, options.open(&unnamed.0))?;
        Ok((StoreFile(Arc::new(file)), unnamed))
    }

    pub(crate) fn preview(&self) -> io::Result<Preview> {
        let length = self.0.metadata()?.len();
        let changes = Changes {
            length,
            original: length,
            written: Vec::new(),
        };
        Ok(Preview(Arc::clone(&self.0), Mutex::new(changes)))
    }
}

/// The name of a new file until it is complete; removed when this is dropped.
pub(crate) struct Unnamed(PathBuf);

impl Unnamed {
    fn beside(path: &Path) -> Unnamed {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        Unnamed(name.into())
    }

    /// Gives the file its name, durably. If there is a file meanwhile, another chat has created it.
    pub(crate) fn name(self, path: &Path) -> Result<(), Refusal> {
        let named = match fs::hard_link(&self.0, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(Refusal::Locked),
            Ok(()) => Ok(()),
            // Some file systems have no links.
            Err(_) => fs::rename(&self.0, path),
        };
        let durable = named.and_then(|()| sync_folder_of(path));
        durable.map_err(|error| unopened(path, error))
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the name of a file durable.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A program cannot request that: the file system keeps a journal of its names.
#[cfg(windows)]
fn sync_folder_of(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(out, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !out.is_empty() {
        match file.seek_read(out, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                out = &mut out[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(data, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        match file.seek_write(data, offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                data = &data[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the file when it has the lock, which lasts as long as the file is open.
fn locked(path: &Path, opened: io::Result<File>) -> Result<File, Refusal> {
    let file = opened.map_err(|error| unopened(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Refusal::Locked),
        Err(TryLockError::Error(error)) => Err(unopened(path, error)),
    }
}

fn unopened(path: &Path, error: io::Error) -> Refusal {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            return Refusal::NotWritable(error);
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => "create its folder first",
        _ => "name a file on a local disk with --data FILE, or use --data none",
    };
    let text = format!("{}: {error}: {remedy}", path.display());
    Refusal::Error(io::Error::new(error.kind(), text))
}

/// Returns the refusal of a file that is not the chat's, or is damaged.
pub(crate) fn not_ours(path: &Path, fault: &str) -> Refusal {
    let text = format!(
        "{}: {fault}: the file is unchanged; move it away, or name another file with --data FILE",
        path.display()
    );
    Refusal::Error(io::Error::new(ErrorKind::InvalidData, text))
}

/// The lock is the store's own, so the database takes none.
impl StorageBackend for StoreFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.0, out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_all_at(&self.0, data, offset)
    }
}

impl StorageBackend for Preview {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if offset.saturating_add(size(out)) > changes.length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let original = changes.original.saturating_sub(offset).min(size(out));
        let (original, zeros) = out.split_at_mut(index(original));
        read_exact_at(&self.0, original, offset)?;
        zeros.fill(0);
        for (at, data) in &changes.written {
            let begin = offset.max(*at);
            let end = (offset + size(out)).min(at + size(data));
            if begin < end {
                let part = &data[index(begin - at)..index(end - at)];
                out[index(begin - offset)..index(end - offset)].copy_from_slice(part);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changes = self.changes();
        changes.length = length;
        changes.original = changes.original.min(length);
        for (at, data) in &mut changes.written {
            data.truncate(index(length.saturating_sub(*at)));
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.changes().written.push((offset, data.to_vec()));
        Ok(())
    }
}

impl Preview {
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

/// Returns the length of a part of a buffer in memory.
fn index(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
