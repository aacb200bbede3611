//! A transport that is made of a reader, a writer and a function.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, PoisonError};

use super::transport::Transport;

/// A [`Transport`] that is made of a reader, a writer, and a function that shuts both down: for the streams of
/// TLS or HTTP libraries that can be split into two halves.
///
/// - Each half is used by one thread at a time, but the two are used at the same time. If they share a lock
///   that a blocked read holds, nothing can be written: for such a stream use
///   [`Handover::single`](crate::server::Handover::single).
/// - After each write, the writer is flushed.
/// - The function receives the direction that ends. With [`Shutdown::Write`], the peer must receive the end of
///   the stream after all written bytes. With [`Shutdown::Both`], a blocked read and a blocked write must end:
///   otherwise their threads stay. Two threads may call it at the same time.
///
/// ```no_run
/// use stentor::client::Halves;
/// use stentor::server::Handover;
///
/// # fn hand_over(stream: std::net::TcpStream) -> std::io::Result<Handover> {
/// let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
/// let peer = stream.peer_addr()?;
/// let halves = Halves::new(reader, writer, move |how| stream.shutdown(how));
/// # Ok(
/// Handover::through(halves).peer(peer)
/// # )
/// # }
/// ```
#[must_use = "the halves are used by a connection only"]
pub struct Halves<R, W, S> {
    reader: Mutex<R>,
    writer: Mutex<W>,
    shutdown: S,
}

impl<R, W, S> Halves<R, W, S>
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
    S: Fn(Shutdown) -> io::Result<()> + Send + Sync + 'static,
{
    /// Joins the halves of a stream. `shutdown` ends one direction or both, as
    /// [`Transport::shutdown`] does.
    pub fn new(reader: R, writer: W, shutdown: S) -> Halves<R, W, S> {
        Halves {
            reader: Mutex::new(reader),
            writer: Mutex::new(writer),
            shutdown,
        }
    }
}

impl<R, W, S> Transport for Halves<R, W, S>
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
    S: Fn(Shutdown) -> io::Result<()> + Send + Sync + 'static,
{
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.read(buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writer.write(bytes)?;
        while let Err(error) = writer.flush() {
            // The bytes are written: an interrupted flush must not repeat them.
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        Ok(written)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        (self.shutdown)(how)
    }
}

impl<R, W, S> fmt::Debug for Halves<R, W, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Halves").finish_non_exhaustive()
    }
}
