//! A server without a listener: streams come from the caller.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error::Error;
use crate::net::connection::Conversation;
use crate::net::peer::Peer;

use super::client::{Client, HandlerResult};
use super::handles::ServerHandle;
use super::handover::Handover;
use super::parsed_request::ParsedRequest;
use super::settings::Settings;
use super::shared::ServerThreads;
use super::upgrade_response::UpgradeResponse;

/// A server without a listener, for programs with an accept loop of their own. Its clients have timeouts,
/// rooms and counters like the clients of every other server. A clone is cheap, and belongs to the same server.
///
/// It also serves connections inside another HTTP server, whose head was read by that server: see
/// [`Handover`], and [`respond_to`](Acceptor::respond_to) for servers that write the response themselves.
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
#[derive(Clone)]
pub struct Acceptor {
    threads: Arc<ServerThreads>,
}

impl Acceptor {
    /// Performs the handshake on a stream that the caller has accepted, and returns the client: on a TCP or Unix
    /// stream, or on any [`Handover`], which may have bytes that were read already, or a request that another
    /// server has parsed. The handshake runs on the calling thread. This method can block, and so can dropping the client, for as long as the
    /// handshake, write and close timeouts allow: use one thread for each stream.
    ///
    /// Dropping the client closes the connection with 1000, or with 1011 in a panic. For another code, call
    /// [`Client::close`] before that. This method does not know whether a handler has failed;
    /// [`serve`](Acceptor::serve) does.
    ///
    /// # Errors
    /// - [`Error::Rejected`] with the rejection that the client received: for example, there are too many
    ///   clients, or the handshake takes too long.
    /// - [`Error::Answered`] if `on_request` responded with a page.
    /// - [`Error::Disconnected`] if the client disconnected during the handshake, or if it sent the last
    ///   bytes of a draft-76 handshake too late.
    /// - [`Error::Io`] if the stream is not a connected socket, if a [`Handover`] cannot be used, or if this
    ///   process is a child that was forked after the server was created.
    #[inline]
    pub fn accept(&self, stream: impl Into<Handover>) -> Result<Client, Error> {
        Client::open(self.admit(stream.into())?, &self.threads)
    }

    /// Serves one client on the calling thread, from the handshake to the end of the connection, even if the
    /// handler panics. [`Server::run`](crate::Server::run) serves each of its clients in the same way.
    ///
    /// # Errors
    /// - [`Error::Rejected`] if there are too many clients already, from this address or in total, or the
    ///   server shuts down.
    /// - [`Error::Io`] if the stream is not a connected socket, if a [`Handover`] cannot be used, or in a forked
    ///   child, as for [`accept`](Acceptor::accept).
    ///
    /// Everything after that is reported by the log, the counters and the `on_close` hook.
    #[inline]
    pub fn serve(
        &self,
        stream: impl Into<Handover>,
        handler: impl Fn(&mut Client) -> HandlerResult + Sync,
    ) -> Result<(), Error> {
        let conversation = self.admit(stream.into())?;
        Client::serve(conversation, &self.threads.shared, &handler);
        Ok(())
    }

    #[inline]
    pub(super) fn new(settings: Settings) -> io::Result<Acceptor> {
        let (threads, _) = ServerThreads::new(settings)?;
        Ok(Acceptor {
            threads: Arc::new(threads),
        })
    }

    /// Answers a request that another server has parsed, for that server to send the response. If the request
    /// is accepted, the response is a 101. The other server sends it, and then passes the stream to
    /// [`UpgradeResponse::accept`] or [`UpgradeResponse::serve`]. Otherwise the response is complete: a rejection
    /// or a page. This method does not block, except in the `on_request` hook.
    ///
    /// `peer` is the other end of the connection, for the limits per address and the log: its address, or
    /// [`Peer::Local`] if it has none. The client counts as a connection until the response is dropped or its
    /// connection ends. No timeout runs while the other server sends the response.
    ///
    /// If Stentor may write the response itself, [`Handover::request`] is the simpler way. It is also the only
    /// way for clients of draft-75, which compare the first lines of the response byte by byte, and a server
    /// that writes a 101 has its own status phrase and order of headers.
    ///
    /// # Errors
    /// [`Error::Io`] if the request has another version of HTTP than 1.1 and 1.0, or a character that cannot be
    /// a part of a request; in a forked child, as for [`accept`](Acceptor::accept); and if the process has no
    /// file descriptor left.
    #[inline]
    pub fn respond_to(
        &self,
        request: &ParsedRequest,
        peer: impl Into<Peer>,
    ) -> Result<UpgradeResponse, Error> {
        self.threads.check_process()?;
        UpgradeResponse::to(request, peer.into(), &self.threads)
    }

    #[inline]
    fn admit(&self, handover: Handover) -> Result<Box<Conversation>, Error> {
        self.threads.check_process()?;
        handover.admit(&self.threads.shared)
    }

    /// Returns a handle of the server, which can be cloned and used from any thread. Its
    /// [`shutdown`](ServerHandle::shutdown) rejects new clients and closes all others with 1001, but aborts
    /// no connection.
    #[inline]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.threads.shared),
        }
    }
}

impl fmt::Debug for Acceptor {
    #[inline]
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
                Err(Error::Io(error)) => {
                    assert!(error.to_string().contains("fork first"), "{error}");
                }
                other => return Err(io::Error::other(format!("{other:?}"))),
            }
        }
        assert_eq!(acceptor.handle().counters().accepted, 0);
        Ok(())
    }
}
