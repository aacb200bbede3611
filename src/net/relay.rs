//! A stream that one thread must read and write: other libraries give it away as one `Read + Write`.
//!
//! Such a stream has none of a socket's abilities: it cannot be written while it is read, polled, or shut down
//! by another thread. So the connection gets one end of a pair of sockets, and all other threads use this near
//! end as any socket: pushes, pings and close frames wait in the pair. The client's own thread carries these
//! bytes to the stream before each of its reads and whenever it sends, and reads from the stream itself. There
//! is no other thread.
//!
//! The lock is only taken by that thread, so that nobody waits for it.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{Errno, Result};

use super::catch_panic::catch_panic;
use super::system;
use super::system::{LocalStream, SocketRef};

/// A stream that is read and written by one thread at a time.
pub(crate) trait Single: Read + Write + Send {}

impl<S: Read + Write + Send> Single for S {}

/// The far end of a pair of sockets, as its near end uses it. It is called through `dyn`: only a program that hands
/// such a stream over compiles and links the code behind it.
pub(crate) trait FarEnd: Send + Sync {
    /// Reads, blocking as long as the stream blocks, into the buffer's spare capacity; returns 0 at the end of
    /// the stream, or once another thread has shut the near end down. Before that, carries the waiting bytes
    /// to the stream.
    fn receive(&self, near: SocketRef<'_>, buffer: &mut Vec<u8>) -> Result<usize>;

    /// Blocks until [`receive`](FarEnd::receive) would not, or until `end`; returns `false` for the latter. A
    /// stream that has no timeouts for its reads is waited for without one.
    fn wait_for_input(&self, near: SocketRef<'_>, end: Option<Instant>) -> bool;

    /// Carries the bytes that wait to the stream.
    fn flush(&self, near: Option<SocketRef<'_>>);

    /// Drops the stream, which closes it.
    fn close(&self);
}

/// The far end of the pair of sockets, and the stream.
pub(crate) struct Relay {
    far: LocalStream,
    /// How long a stream that does not block may accept nothing.
    write_timeout: Duration,
    inside: Mutex<Inside>,
}

struct Inside {
    /// `None` once it is closed.
    stream: Option<Box<dyn Single>>,
    /// Bytes that were read, and that the connection has not taken yet.
    stash: Vec<u8>,
    /// Nothing more will be read: the end of the stream, or an error.
    ended: Option<Option<Errno>>,
}

/// The most bytes that are carried at a time, in either direction.
const PIECE: usize = 8 * 1024;

/// The pause after a call that returned [`ErrorKind::WouldBlock`] at once: the stream does not block.
const PAUSE: Duration = Duration::from_millis(5);

impl Relay {
    #[inline]
    pub(crate) fn new(far: LocalStream, stream: Box<dyn Single>, write_timeout: Duration) -> Relay {
        system::prepare_at_once(&far);
        Relay {
            far,
            write_timeout,
            inside: Mutex::new(Inside {
                stream: Some(stream),
                stash: Vec::new(),
                ended: None,
            }),
        }
    }

    #[inline]
    fn carry_out(&self, inside: &mut Inside, near: Option<SocketRef<'_>>) {
        // Usually nothing waits, and the memory is not needed.
        let mut first = [0; 1];
        match system::peek_local(&self.far, &mut first) {
            Ok(1..) => {}
            Ok(0) => {
                // Nothing more will be sent. The stream has no end of its own in this direction: only as a
                // whole.
                inside.ended.get_or_insert(None);
                return;
            }
            Err(_) => return,
        }
        let mut piece = vec![0; PIECE];
        while let Ok(read @ 1..) = system::receive_local(&self.far, &mut piece) {
            if self.write(inside, &piece[..read], near).is_none() {
                // The stream accepts no more bytes: the threads that send are notified.
                let _ = self.far.shutdown(Shutdown::Read);
                break;
            }
        }
        inside.call(|stream| stream.flush());
    }

    /// Writes all bytes; `None` if the stream accepts no more.
    #[inline]
    fn write(
        &self,
        inside: &mut Inside,
        mut bytes: &[u8],
        near: Option<SocketRef<'_>>,
    ) -> Option<()> {
        let mut progress = Instant::now();
        while !bytes.is_empty() {
            let since = Instant::now();
            match inside.call(|stream| stream.write(bytes))? {
                Ok(written @ 1..) => {
                    bytes = bytes.get(written..)?;
                    progress = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if would_block(error.kind()) => {
                    if progress.elapsed() >= self.write_timeout || near.is_some_and(is_shut) {
                        return None;
                    }
                    pause(since);
                }
                Ok(_) | Err(_) => return None,
            }
        }
        Some(())
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FarEnd for Relay {
    #[inline]
    fn receive(&self, near: SocketRef<'_>, buffer: &mut Vec<u8>) -> Result<usize> {
        self.wait_for_input(near, None);
        if is_shut(near) {
            return Ok(0);
        }
        let mut inside = self.lock();
        let most = inside.stash.len().min(buffer.capacity() - buffer.len());
        if most == 0 {
            return match inside.ended {
                Some(Some(error)) => Err(error),
                _ => Ok(0),
            };
        }
        buffer.extend(inside.stash.drain(..most));
        Ok(most)
    }

    #[inline]
    fn wait_for_input(&self, near: SocketRef<'_>, end: Option<Instant>) -> bool {
        let mut inside = self.lock();
        loop {
            self.carry_out(&mut inside, Some(near));
            if !inside.stash.is_empty() || inside.ended.is_some() || is_shut(near) {
                return true;
            }
            let since = Instant::now();
            if !inside.read() {
                if end.is_some_and(|end| Instant::now() >= end) {
                    return false;
                }
                pause(since);
            }
        }
    }

    #[inline]
    fn flush(&self, near: Option<SocketRef<'_>>) {
        let mut inside = self.lock();
        self.carry_out(&mut inside, near);
    }

    #[inline]
    fn close(&self) {
        let stream = self.lock().stream.take();
        catch_panic(|| drop(stream));
    }
}

impl Inside {
    /// Reads once; returns `false` if there is nothing to read yet.
    #[inline]
    fn read(&mut self) -> bool {
        let mut stash = std::mem::take(&mut self.stash);
        stash.resize(PIECE, 0);
        let read = self.call(|stream| stream.read(&mut stash));
        let (read, ended) = match read {
            // If the returned length is larger than the buffer, the stream is not trusted at all.
            Some(Ok(read)) if read > stash.len() => (0, Some(Some(system::IO))),
            Some(Ok(0)) => (0, Some(None)),
            Some(Ok(read)) => (read, None),
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => (0, None),
            Some(Err(error)) if would_block(error.kind()) => {
                stash.clear();
                self.stash = stash;
                return false;
            }
            Some(Err(error)) => {
                let errno = Errno::from_io_error(&error).unwrap_or(system::IO);
                (0, Some(Some(errno)))
            }
            None => (0, Some(Some(system::IO))),
        };
        stash.truncate(read);
        self.stash = stash;
        self.ended = ended;
        true
    }

    /// Calls the stream, which is the code of others; `None` if it panics or is closed.
    fn call<T>(&mut self, call: impl FnOnce(&mut dyn Single) -> T) -> Option<T> {
        let stream = self.stream.as_mut()?;
        catch_panic(|| call(&mut **stream))
    }
}

/// Returns whether another thread has shut down the near end, on which the far end never sends.
#[inline]
fn is_shut(near: SocketRef<'_>) -> bool {
    system::receive_at_once(near, &mut [0; 1]).is_ok()
}

#[inline]
fn would_block(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Waits a moment, unless the call that began at `since` has waited already.
#[inline]
fn pause(since: Instant) {
    if since.elapsed() < PAUSE {
        thread::sleep(PAUSE);
    }
}

impl fmt::Debug for dyn FarEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FarEnd")
    }
}
