//! Connections that are not the system's sockets: a tunnel, a pipe of another library, a test.
//!
//! All that a conversation is promised rests on what sockets can do: sending without blocking, being
//! polled, being shut down from another thread. Whatever else reads and writes is bridged to one:
//! a pair of sockets with two threads behind it, which copy.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SendFlags, send};

/// A stream of bytes in both directions, for [`Connector::connect_through`](super::Connector::connect_through).
///
/// One thread reads while another writes, and a third may shut down: that is why all of them take
/// `&self`.
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

/// What is copied at a time.
const PIECE: usize = 16 * 1024;

/// The near end of a bridge to `transport`. The threads behind it end when the near end is closed,
/// or when the transport has ended in both directions.
///
/// # Errors
/// Where the system has no pair of sockets, or no threads.
pub(super) fn bridge(transport: impl Transport) -> io::Result<UnixStream> {
    let (near, far) = UnixStream::pair()?;
    let transport = Arc::new(transport);
    let far = Arc::new(far);
    let (in_transport, in_far) = (Arc::clone(&transport), Arc::clone(&far));
    let builder = thread::Builder::new().name("stentor bridge, in".to_owned());
    builder.spawn(move || bring_in(&*in_transport, &in_far))?;
    let builder = thread::Builder::new().name("stentor bridge, out".to_owned());
    // Where there is no second thread, the first one's socket ends with the near end.
    builder.spawn(move || bring_out(&far, &*transport))?;
    Ok(near)
}

/// Copies what comes, and passes its end on.
fn bring_in(transport: &impl Transport, far: &UnixStream) {
    let mut piece = [0; PIECE];
    while let Some(read @ 1..) = done(|| transport.read(&mut piece)) {
        if write_all(&piece[..read], |bytes| send_to(far, bytes)).is_none() {
            break;
        }
    }
    let _ = far.shutdown(Shutdown::Write);
}

/// Copies what goes, passes its end on, and waits for the near end to be closed: whoever still reads
/// from the transport is then woken.
fn bring_out(far: &UnixStream, transport: &impl Transport) {
    let mut piece = [0; PIECE];
    while let Some(read @ 1..) = done(|| io::Read::read(&mut &*far, &mut piece)) {
        if write_all(&piece[..read], |bytes| transport.write(bytes)).is_none() {
            // What is not taken any more is not waited with: the near end finds out.
            let _ = far.shutdown(Shutdown::Read);
            break;
        }
    }
    let _ = transport.shutdown(Shutdown::Write);
    // Of a socket that nothing is asked of, poll tells when both of its directions are over.
    let mut polled = [PollFd::new(far, PollFlags::empty())];
    while matches!(
        poll(&mut polled, None),
        Ok(0) | Err(rustix::io::Errno::INTR)
    ) {}
    let _ = transport.shutdown(Shutdown::Both);
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

/// What a call returns that is tried again where it was interrupted; `None` for an error.
fn done(mut call: impl FnMut() -> io::Result<usize>) -> Option<usize> {
    loop {
        match call() {
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
