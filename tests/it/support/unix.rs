//! Sockets that are no TCP port of the server: Unix sockets with a folder for their files, and connected pairs.

#[cfg(windows)]
use std::net::TcpListener;
use std::net::TcpStream;
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{env, fs, process};

#[cfg(unix)]
use stentor::Version;

#[cfg(unix)]
use super::peer::Peer;
use super::waiting::PATIENCE;
#[cfg(unix)]
use super::wire::Head;

/// One end of a pair: a Unix socket, or on Windows, which has none in the standard library, TCP.
#[cfg(unix)]
pub(crate) type LocalStream = UnixStream;
#[cfg(windows)]
pub(crate) type LocalStream = TcpStream;

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

/// Returns two streams that are connected with each other.
#[cfg(unix)]
pub(crate) fn local_pair() -> (LocalStream, LocalStream) {
    UnixStream::pair().unwrap()
}

#[cfg(windows)]
pub(crate) fn local_pair() -> (LocalStream, LocalStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Connects to the server, and sends nothing yet. The type is that of any other stream: all
/// functions used work on any connected socket.
#[cfg(unix)]
pub(crate) fn dial_unix(path: &Path) -> TcpStream {
    as_tcp(UnixStream::connect(path).unwrap())
}

/// One end of a pair as any other stream, with timeouts.
pub(crate) fn as_tcp(stream: LocalStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    #[cfg(unix)]
    let stream = TcpStream::from(OwnedFd::from(stream));
    stream
}

/// Opens a client whose handshake has succeeded.
#[cfg(unix)]
pub(crate) fn open_unix(path: &Path, version: Version) -> Peer {
    Peer::on(dial_unix(path), version, &Head::of(version).bytes())
}
