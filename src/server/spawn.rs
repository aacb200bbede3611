//! A server that runs on a thread of its own.

use std::any::Any;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use super::handles::ServerHandle;
use super::listener::{Endpoint, tcp_address};

/// A server that runs on a thread of its own. [`Server::spawn`](crate::Server::spawn) returns it.
///
/// Dropping this value does not stop the server: its thread runs on, detached, as the thread of a dropped
/// [`JoinHandle`] does. A [`handle`](RunningServer::handle) still shuts the server down, and so does the end
/// of the process. To stop the server and wait for its end, call [`shutdown`](RunningServer::shutdown).
///
/// ```
/// use std::time::Duration;
/// use stentor::Server;
///
/// let server = Server::bind("127.0.0.1:0")?.spawn(|client| {
///     while let Some(message) = client.recv()? {
///         client.send(message)?;
///     }
///     Ok(())
/// })?;
/// // The program does something else, such as a test of its client.
/// let mut socket = stentor::connect(&format!("ws://{}/", server.local_addr()?))?;
/// socket.send("hello")?;
/// assert_eq!(socket.recv()?, Some("hello".into()));
/// drop(socket);
/// server.shutdown(Duration::from_secs(5))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the server runs on if this is dropped: call `join` to wait for its end"]
pub struct RunningServer {
    handle: ServerHandle,
    endpoints: Vec<Endpoint>,
    thread: JoinHandle<io::Result<()>>,
}

impl RunningServer {
    #[inline]
    pub(super) fn new(
        handle: ServerHandle,
        endpoints: Vec<Endpoint>,
        thread: JoinHandle<io::Result<()>>,
    ) -> RunningServer {
        RunningServer {
            handle,
            endpoints,
            thread,
        }
    }

    /// Returns a handle of the server, for broadcasts, counters and the shutdown.
    #[inline]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Returns the first TCP address on which the server listens. For port 0, this is the port that the
    /// system has chosen.
    ///
    /// # Errors
    /// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if the server listens on Unix sockets only.
    #[inline]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        tcp_address(&self.endpoints)
    }

    /// Returns all addresses and paths on which the server listens, in the order in which they were added.
    #[must_use]
    #[inline]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Shuts the server down, as [`ServerHandle::shutdown`] does, and waits until it has ended. Do not call it in a
    /// handler or a hook of the same server, which would wait for itself.
    ///
    /// # Errors
    /// The same as [`join`](RunningServer::join).
    #[doc(alias = "graceful shutdown")]
    #[doc(alias = "stop")]
    #[inline]
    pub fn shutdown(self, timeout: Duration) -> io::Result<()> {
        self.handle.shutdown(timeout);
        self.join()
    }

    /// Waits until the server has ended: after [`shutdown`](ServerHandle::shutdown), when all handlers have
    /// returned, or if all its listeners are broken. This method does not start the shutdown. Do not call it
    /// in a handler or a hook of the same server, which would wait for itself.
    ///
    /// # Errors
    /// The error that [`Server::run`](crate::Server::run) returns in the same case. Also an error with the
    /// message of the panic, if the server's thread has panicked. Handlers and hooks do not cause that: their
    /// panics are caught.
    #[inline]
    pub fn join(self) -> io::Result<()> {
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => {
                let words = format!("the thread of the server panicked: {}", message(&*panic));
                Err(io::Error::other(words))
            }
        }
    }
}

/// Returns the message of a panic, if it is text.
#[inline]
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message")
}

impl fmt::Debug for RunningServer {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{RunningServer, message};
    use crate::Server;
    use std::io;
    use std::thread;

    #[test]
    fn an_error_or_a_panic_of_the_thread_comes_out_of_join() -> io::Result<()> {
        let server = Server::bind("127.0.0.1:0")?;
        let running = |thread| RunningServer::new(server.handle(), Vec::new(), thread);
        let failed = running(thread::spawn(|| Err(io::ErrorKind::NotConnected.into())));
        assert!(
            failed
                .join()
                .is_err_and(|error| error.kind() == io::ErrorKind::NotConnected)
        );
        let panicked = running(thread::spawn(|| panic!("out of {}", "order")));
        let error = panicked.join().err().map(|error| error.to_string());
        let expected = "the thread of the server panicked: out of order";
        assert_eq!(error.as_deref(), Some(expected));
        assert_eq!(message(&"plain"), "plain");
        assert_eq!(message(&1), "without a message");
        Ok(())
    }
}
