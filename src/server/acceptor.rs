//! A server without a listener: streams come from the caller.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error::Error;
use crate::net::connection::Conversation;
use crate::net::stream::Stream;

use super::client::{Client, HandlerResult};
use super::handles::ServerHandle;
use super::settings::Settings;
use super::shared::ServerThreads;

/// A server without a listener, for programs with an accept loop of their own. Its clients have timeouts,
/// rooms and counters like all others.
///
/// ```no_run
/// let clients = stentor::Server::builder().acceptor()?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:8000")?;
/// std::thread::scope(|scope| {
///     for stream in listener.incoming().flatten() {
///         scope.spawn(|| {
///             clients.serve(stream, |client| {
///                 while let Some(message) = client.recv()? {
///                     client.send(message)?;
///                 }
///                 Ok(())
///             })
///         });
///     }
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "an acceptor serves no client until `accept` or `serve` is called"]
#[doc(alias = "upgrade")]
pub struct Acceptor {
    threads: Arc<ServerThreads>,
}

impl Acceptor {
    /// Performs the handshake on a stream that the caller has accepted, on the calling thread,
    /// and returns the client. Both this and dropping the client can block, for as long as the
    /// handshake, write and close timeouts allow: use one thread for each stream.
    ///
    /// Dropping the client closes the connection with 1000, or with 1011 in a panic; for another code, call
    /// [`Client::close`] before that. Unlike this, [`serve`](Acceptor::serve) knows whether a handler
    /// has failed.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the response that the client received, [`Error::Answered`] when
    /// `on_request` responded with a page, [`Error::Disconnected`] when the client disconnected or took
    /// too long, and [`Error::Io`] when the stream is not a connected socket, or in a child that was
    /// forked after the server was created.
    pub fn accept(&self, stream: impl Into<Stream>) -> Result<Client, Error> {
        Client::open(self.admit(stream.into())?, &self.threads)
    }

    /// Serves one client on the calling thread, from the handshake to the end of the connection,
    /// even if the handler panics, exactly as [`Server::run`](crate::Server::run) serves each of its clients.
    ///
    /// # Errors
    /// [`Error::Rejected`] if there are too many clients already, of this address or in total, and
    /// [`Error::Io`] when the stream is not a connected socket, or in a forked child, as with
    /// [`accept`](Acceptor::accept). Everything after that is reported by logs, counters and
    /// `on_close`.
    pub fn serve(
        &self,
        stream: impl Into<Stream>,
        handler: impl Fn(&mut Client) -> HandlerResult + Sync,
    ) -> Result<(), Error> {
        let conversation = self.admit(stream.into())?;
        Client::serve(conversation, &self.threads.shared, &handler);
        Ok(())
    }

    pub(super) fn new(settings: Settings) -> io::Result<Acceptor> {
        let (threads, _) = ServerThreads::new(settings)?;
        Ok(Acceptor {
            threads: Arc::new(threads),
        })
    }

    fn admit(&self, stream: Stream) -> Result<Box<Conversation>, Error> {
        self.threads.check_process()?;
        let peer = stream.peer()?;
        stream.set_blocking()?;
        let shared = &self.threads.shared;
        let socket = shared.secure(stream).map_err(io::Error::other)?;
        shared.admit(socket, peer).map_err(Error::Rejected)
    }

    /// Returns a handle that can be cloned and used from any thread. Its `shutdown` rejects new clients
    /// and closes all others with 1001; it aborts no connection.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.threads.shared),
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::Server;
    use crate::error::Error;
    use crate::net::process::Process;
    use std::io;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    fn names_the_remedy(error: &io::Error) {
        assert!(error.to_string().contains("fork first"), "{error}");
    }

    #[test]
    fn a_detached_server_serves_nobody_in_a_forked_child() -> io::Result<()> {
        let mut acceptor = Server::builder().acceptor()?;
        let threads = Arc::get_mut(&mut acceptor.threads);
        threads.ok_or(io::ErrorKind::Other)?.process = Process::another();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = || TcpStream::connect(listener.local_addr()?);
        let results = [
            acceptor.accept(stream()?).map(drop),
            acceptor.serve(stream()?, |_| Ok(())),
        ];
        for result in results {
            match result {
                Err(Error::Io(error)) => names_the_remedy(&error),
                other => return Err(io::Error::other(format!("{other:?}"))),
            }
        }
        assert_eq!(acceptor.handle().counters().accepted, 0);
        Ok(())
    }
}
