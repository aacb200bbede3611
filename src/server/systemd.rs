//! Sockets that were bound before the program started, by systemd's socket activation or by another
//! program with the same protocol (`sd_listen_fds(3)`).

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use listenfd::ListenFd;

use crate::net::system::listens;

use super::listener::Listener;

/// Another server of this process has taken the sockets: the environment does not name them any more.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Returns the listeners that were passed to this process, in their order; each of them only once.
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound) if there are none, or none for this process, and
/// [`InvalidInput`](io::ErrorKind::InvalidInput) for a socket that does not accept streams.
pub(crate) fn listeners() -> io::Result<Vec<Listener>> {
    let mut handed_over = ListenFd::from_env();
    let count = handed_over.len();
    if count == 0 && TAKEN.load(Relaxed) {
        let words = "the sockets that were passed to this process belong to another server of it: call systemd for one server only";
        return Err(io::Error::new(io::ErrorKind::NotFound, words));
    }
    if count == 0 {
        let words = "no sockets were passed to this process: LISTEN_FDS is not set, or LISTEN_PID names another process";
        return Err(io::Error::new(io::ErrorKind::NotFound, words));
    }
    TAKEN.store(true, Relaxed);
    let take = |at| take(&mut handed_over, at).ok_or_else(|| unfit(at, count));
    (0..count).map(take).collect()
}

/// Takes a stream socket that listens, TCP or Unix.
fn take(handed_over: &mut ListenFd, at: usize) -> Option<Listener> {
    if let Ok(Some(listener)) = handed_over.take_tcp_listener(at) {
        return listens(&listener).then_some(Listener::Tcp(listener));
    }
    let listener = handed_over.take_unix_listener(at).ok()??;
    listens(&listener).then_some(Listener::Unix(listener))
}

fn unfit(at: usize, count: usize) -> io::Error {
    let number = at + 1;
    let words =
        format!("socket {number} of {count} that were passed is not a listener for streams");
    io::Error::new(io::ErrorKind::InvalidInput, words)
}
