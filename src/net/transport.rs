//! Connections that are not sockets of the system: a tunnel, a pipe of another library, a test.
//!
//! The promises of a connection rest on the abilities of sockets: sending without blocking, polling,
//! shutting down from another thread. Any other stream is bridged to a socket: a pair of sockets with
//! threads behind it, two that copy, and one that waits for the end.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::catch_panic::catch_panic;
use super::system;
use super::system::LocalStream;

/// A stream of bytes in both directions, for a client
/// ([`Connector::connect_through`](crate::Connector::connect_through)) or a server
/// ([`Handover::through`](crate::server::Handover::through)). [`Halves`](crate::client::Halves) makes one of a
/// reader, a writer and a function.
///
/// Three threads use the value at the same time: one reads, one writes, and one shuts it down. So all methods
/// take `&self`. If a method panics, its direction ends. The threads are named `stentor bridge, in`,
/// `stentor bridge, out` and `stentor bridge, end`.
///
/// ```no_run
/// use std::io::{self, Read, Write};
/// use std::net::{Shutdown, TcpStream};
///
/// struct Tunnel(TcpStream);
///
/// impl stentor::client::Transport for Tunnel {
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
    /// Waits for bytes, writes them into `buffer`, and returns their number. 0 is the end of the stream.
    ///
    /// # Errors
    /// If no more bytes can be read. After [`io::ErrorKind::Interrupted`], the method is called again.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Waits until some of the bytes are written, and returns their number.
    ///
    /// # Errors
    /// If no more bytes can be written. After [`io::ErrorKind::Interrupted`], the method is called again.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Ends one direction, or both, and wakes threads that wait in [`read`](Transport::read) or
    /// [`write`](Transport::write). With [`Shutdown::Write`], the peer receives the end of the stream after
    /// all written bytes.
    ///
    /// # Errors
    /// The caller ignores errors.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// Keeps a transport open for a limited time after its near end is closed, until the last bytes are
/// written.
#[cfg(feature = "client")]
#[derive(Clone)]
pub(crate) struct Bridge(mpsc::Sender<()>);

#[cfg(feature = "client")]
impl Bridge {
    /// Drops the bytes that are not written yet.
    pub(crate) fn abandon(&self) {
        let _ = self.0.send(());
    }
}

/// The most bytes that are copied at a time.
const PIECE: usize = 16 * 1024;

/// Creates a bridge to `transport`, and returns its near end. The threads behind it end when the near
/// end is closed: the last bytes have the time `limit` to be written, then the transport is shut
/// down.
///
/// # Errors
/// If the system cannot create a pair of sockets, or the threads.
#[cfg(feature = "client")]
pub(crate) fn bridge(
    transport: impl Transport,
    limit: Duration,
) -> io::Result<(LocalStream, Bridge)> {
    let (near, far) = system::local_pair()?;
    Ok((near, Bridge(connect(far, Arc::new(transport), limit)?)))
}

/// Connects the far end of a pair of sockets with `transport`, as `bridge` does. The returned sender drops the
/// bytes that are not written yet; it may be dropped.
///
/// # Errors
/// If the system cannot create the threads. The threads that were started end when the near end is closed.
#[inline]
pub(crate) fn connect(
    far: LocalStream,
    transport: Arc<dyn Transport>,
    limit: Duration,
) -> io::Result<mpsc::Sender<()>> {
    let far = Arc::new(far);
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let builder = thread::Builder::new().name(format!("stentor bridge, {name}"));
        builder.spawn(run).map(drop)
    };
    // Signals that all bytes are written, or dropped.
    let (update, told) = mpsc::channel();
    let all_written = update.clone();
    let ends = (Arc::clone(&far), Arc::clone(&transport));
    spawn(
        "end",
        Box::new(move || end(&ends.0, &*ends.1, &told, limit)),
    )?;
    let ends = (Arc::clone(&far), Arc::clone(&transport));
    spawn("in", Box::new(move || bring_in(&*ends.1, &ends.0)))?;
    spawn(
        "out",
        Box::new(move || bring_out(&far, &*transport, &all_written)),
    )?;
    Ok(update)
}

/// Writes the bytes that wait at the far end of a pair of sockets to a transport that gets no bridge, and
/// ends its stream: the response to a rejected connection.
#[cfg(feature = "server")]
#[inline]
pub(crate) fn write_last(far: &LocalStream, transport: &dyn Transport) {
    system::prepare_at_once(far);
    let mut piece = [0; 1024];
    while let Ok(read @ 1..) = system::receive_local(far, &mut piece) {
        if write_all(&piece[..read], |bytes| transport.write(bytes)).is_none() {
            break;
        }
    }
    let _ = done(|| transport.shutdown(Shutdown::Write));
}

/// Copies bytes from the transport, and passes the end of the stream on.
#[inline]
fn bring_in(transport: &dyn Transport, far: &LocalStream) {
    let mut piece = [0; PIECE];
    while let Some(read @ 1..) = done(|| transport.read(&mut piece)) {
        // If the returned length is larger than the buffer, the transport is not trusted at all.
        let Some(read) = piece.get(..read) else { break };
        if write_all(read, |bytes| system::send_local(far, bytes)).is_none() {
            break;
        }
    }
    let _ = far.shutdown(Shutdown::Write);
}

/// Copies bytes to the transport, and passes the end of the stream on.
#[inline]
fn bring_out(far: &LocalStream, transport: &dyn Transport, all_written: &mpsc::Sender<()>) {
    let mut piece = [0; PIECE];
    while let Some(read @ 1..) = done(|| io::Read::read(&mut &*far, &mut piece)) {
        if write_all(&piece[..read], |bytes| transport.write(bytes)).is_none() {
            // The transport accepts no more bytes: the near end is notified.
            let _ = far.shutdown(Shutdown::Read);
            break;
        }
    }
    let _ = done(|| transport.shutdown(Shutdown::Write));
    let _ = all_written.send(());
}

/// Waits for the near end to be closed, and wakes threads that read from the transport or, in vain,
/// write to it.
#[inline]
fn end(far: &LocalStream, transport: &dyn Transport, told: &mpsc::Receiver<()>, limit: Duration) {
    system::wait_for_end(far);
    // The near end may be closed while its last bytes are still on their way.
    let _ = told.recv_timeout(limit);
    let _ = done(|| transport.shutdown(Shutdown::Both));
}

/// Writes all bytes; `None` if no more bytes are accepted.
fn write_all(mut bytes: &[u8], mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> Option<()> {
    while !bytes.is_empty() {
        match done(|| write(bytes)) {
            Some(written @ 1..) => bytes = bytes.get(written..)?,
            _ => return None,
        }
    }
    Some(())
}

/// Repeats an interrupted call, and returns its result; `None` for an error, and for a panic of the
/// transport, after which the end of its direction must still be passed on.
fn done<T>(mut call: impl FnMut() -> io::Result<T>) -> Option<T> {
    loop {
        match catch_panic(&mut call)? {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.ok(),
        }
    }
}
