//! Connections that are not the system's sockets: a tunnel, a pipe of another library, a test.
//!
//! All that a conversation is promised rests on what sockets can do: sending without blocking, being
//! polled, being shut down from another thread. Whatever else reads and writes is bridged to one:
//! a pair of sockets with threads behind it: two that copy, and one that waits for the end.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SendFlags, send};

use crate::shell::caught::caught;

/// A stream of bytes in both directions, for [`Connector::connect_through`](super::Connector::connect_through).
///
/// One thread reads while another writes, and a third shuts down: that is why all of them take
/// `&self`. Where one of them panics, that is the end of its direction.
///
/// ```no_run
/// use std::io::{self, Read, Write};
/// use std::net::{Shutdown, TcpStream};
///
/// struct Tunnel(TcpStream);
///
/// impl stentor::Transport for Tunnel {
///     fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
///         (&self.0).read(buffer)
///     }
///
///     fn write(&self, bytes: &[u8]) -> io::Result<usize> {
///         (&self.0).write(bytes)
///     }
///
///     fn shutdown(&self, how: Shutdown) -> io::Result<()> {
///         self.0.shutdown(how)
///     }
/// }
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Waits for bytes, and tells how many there were; 0 at the end of the stream.
    ///
    /// # Errors
    /// Where there will be no more. [`io::ErrorKind::Interrupted`] is tried again.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Waits until some bytes are taken, and tells how many.
    ///
    /// # Errors
    /// Where no more are taken. [`io::ErrorKind::Interrupted`] is tried again.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Ends a direction, or both, and wakes whoever waits in [`read`](Transport::read) or
    /// [`write`](Transport::write). With [`Shutdown::Write`] the peer sees the end of the stream
    /// behind all that was written.
    ///
    /// # Errors
    /// Nobody looks at them.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// What holds a transport up once its near end is closed: what was said last, for a while.
#[derive(Clone)]
pub(super) struct Bridge(mpsc::Sender<()>);

impl Bridge {
    /// What was said last is given up.
    pub(super) fn give_up(&self) {
        let _ = self.0.send(());
    }
}

/// What is copied at a time.
const PIECE: usize = 16 * 1024;

/// The near end of a bridge to `transport`. The threads behind it end when the near end is closed:
/// what was said last has `patience` to be written, then the transport is shut.
///
/// # Errors
/// Where the system has no pair of sockets, or no threads.
pub(super) fn bridge(
    transport: impl Transport,
    patience: Duration,
) -> io::Result<(UnixStream, Bridge)> {
    let (near, far) = UnixStream::pair()?;
    let (transport, far) = (Arc::new(transport), Arc::new(far));
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let builder = thread::Builder::new().name(format!("stentor bridge, {name}"));
        builder.spawn(run).map(drop)
    };
    // Word comes when all is written, or given up.
    let (tell, told) = mpsc::channel();
    let all_written = tell.clone();
    let ends = (Arc::clone(&far), Arc::clone(&transport));
    spawn(
        "end",
        Box::new(move || end(&ends.0, &*ends.1, &told, patience)),
    )?;
    let ends = (Arc::clone(&far), Arc::clone(&transport));
    spawn("in", Box::new(move || bring_in(&*ends.1, &ends.0)))?;
    spawn(
        "out",
        Box::new(move || bring_out(&far, &*transport, &all_written)),
    )?;
    Ok((near, Bridge(tell)))
}

/// Copies what comes, and passes its end on.
fn bring_in(transport: &impl Transport, far: &UnixStream) {
    let mut piece = [0; PIECE];
    while let Some(read @ 1..) = done(|| transport.read(&mut piece)) {
        // One that tells of more than there is room for is not believed at all.
        let Some(read) = piece.get(..read) else { break };
        if write_all(read, |bytes| send_to(far, bytes)).is_none() {
            break;
        }
    }
    let _ = far.shutdown(Shutdown::Write);
}

/// Copies what goes, and passes its end on.
fn bring_out(far: &UnixStream, transport: &impl Transport, all_written: &mpsc::Sender<()>) {
    let mut piece = [0; PIECE];
    while let Some(read @ 1..) = done(|| io::Read::read(&mut &*far, &mut piece)) {
        if write_all(&piece[..read], |bytes| transport.write(bytes)).is_none() {
            // What is not taken any more is not waited with: the near end finds out.
            let _ = far.shutdown(Shutdown::Read);
            break;
        }
    }
    let _ = done(|| transport.shutdown(Shutdown::Write));
    let _ = all_written.send(());
}

/// Waits for the near end to be closed, and wakes whoever reads from the transport or, in vain,
/// writes to it.
fn end(
    far: &UnixStream,
    transport: &impl Transport,
    told: &mpsc::Receiver<()>,
    patience: Duration,
) {
    // Of a socket that nothing is asked of, poll tells when both of its directions are over.
    let mut polled = [PollFd::new(far, PollFlags::empty())];
    while matches!(
        poll(&mut polled, None),
        Ok(0) | Err(rustix::io::Errno::INTR)
    ) {}
    // The near end may be closed with its last words still on their way.
    let _ = told.recv_timeout(patience);
    let _ = done(|| transport.shutdown(Shutdown::Both));
}

/// `None` once there is nobody to write to.
fn write_all(mut bytes: &[u8], mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> Option<()> {
    while !bytes.is_empty() {
        match done(|| write(bytes)) {
            Some(written @ 1..) => bytes = bytes.get(written..)?,
            _ => return None,
        }
    }
    Some(())
}

/// What a call returns that is tried again where it was interrupted; `None` for an error, and for a
/// panic of the transport's, which must not take the end of its direction along.
fn done<T>(mut call: impl FnMut() -> io::Result<T>) -> Option<T> {
    loop {
        match caught(&mut call)? {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.ok(),
        }
    }
}

/// Blocks, and never raises SIGPIPE where that is not a socket's own setting.
fn send_to(far: &UnixStream, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: SendFlags = SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    const FLAGS: SendFlags = SendFlags::empty();
    Ok(send(far, bytes, FLAGS)?)
}
