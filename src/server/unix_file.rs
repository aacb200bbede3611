//! The file of a Unix socket: taken over from a server that died, and removed with the server.
//!
//! Nothing removes the file of a server that was killed, and no socket can be bound to a path with a
//! file. So a server that finds a file tries to connect: if no server listens, it removes the file.
//! Stentor servers that start and stop in one folder at the same time take turns at that, by a lock on
//! the folder: between the attempt and the removal, the file might become another server's.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};

use crate::net::process::Process;

/// The file of a bound socket; removed when the value is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode number: they show whether the file at that path is still this one.
    identity: (u64, u64),
    /// The process that owns the file: in a forked child, the parent.
    process: Process,
}

/// How often, and how long each time, a server waits for the lock; then it goes on without, since every
/// user that can read the folder could hold the lock for ever.
const ATTEMPTS: usize = 1000;
const PAUSE: Duration = Duration::from_millis(1);

/// Binds a listener to a path.
///
/// # Errors
/// [`AddrInUse`](io::ErrorKind::AddrInUse) if there is a file already that is not a dead server's.
pub(crate) fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    // The program may change its working directory.
    let absolute = std::path::absolute(path)?;
    let _turn = wait_for_turn(&absolute);
    if is_socket(path) && !is_listening(path)? {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile {
        identity: identity(&fs::symlink_metadata(path)?),
        process: Process::current(),
        path: absolute,
    };
    Ok((listener, file))
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        let _turn = wait_for_turn(&self.path);
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| identity(&metadata) == self.identity);
        if is_ours {
            // If it cannot be removed, the next server takes it over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Returns whether a server accepts connections there, or may do so.
fn is_listening(path: &Path) -> io::Result<bool> {
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    // A connect to a server with a full queue would block.
    ioctl_fionbio(&socket, true)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => Ok(false),
        _ => Ok(true),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Waits for the lock on the folder, released when it is dropped; returns none if it is not available.
fn wait_for_turn(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    for _ in 0..ATTEMPTS {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) => thread::sleep(PAUSE),
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Process, bind};

    #[test]
    fn only_the_process_that_has_bound_it_removes_the_file() -> std::io::Result<()> {
        let path = std::env::temp_dir().join(format!("stentor-{}-fork", std::process::id()));
        let (listener, mut file) = bind(&path)?;
        file.process = Process::another();
        drop(file);
        assert!(path.exists());
        drop(listener);
        // No server listens there any more: the file is taken over, and removed.
        drop(bind(&path)?);
        assert!(!path.exists());
        Ok(())
    }
}
