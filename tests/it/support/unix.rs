//! Unix sockets: a folder for their files, and the client's end of one.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{env, fs, process};

use stentor::Version;

use super::loopback::PATIENCE;
use super::peer::Peer;
use super::wire::Head;

/// A folder of its own, removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("stentor-{}-{}", process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Connects to the server, and sends nothing yet. The type is that of any other stream: all
/// functions used work on any connected socket.
pub(crate) fn dial_unix(path: &Path) -> TcpStream {
    as_tcp(UnixStream::connect(path).unwrap())
}

pub(crate) fn as_tcp(stream: UnixStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    TcpStream::from(OwnedFd::from(stream))
}

/// Opens a client whose handshake has succeeded.
pub(crate) fn open_unix(path: &Path, version: Version) -> Peer {
    Peer::on(dial_unix(path), version, &Head::of(version).bytes())
}
