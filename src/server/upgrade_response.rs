//! The response to a request that another server has parsed, for that server to send.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::net::catch_panic::catch_panic;
use crate::net::connection::{Conversation, HandedOver};
use crate::net::link::AbortReason;
use crate::net::log::log_limited;
use crate::net::log::quota::Kind;
use crate::net::peer::Peer;
use crate::net::socket::Socket;
use crate::net::system;
use crate::net::system::LocalStream;
use crate::protocol::http::head::blank_line;
use crate::protocol::{HandshakeResponse, Limits, Rejection, Values};

use super::client::{Client, HandlerResult};
use super::handover::{Handover, refused};
use super::handshake::Handshake;
use super::parsed_request::ParsedRequest;
use super::shared::ServerThreads;

/// The response to a request that another server has parsed: see
/// [`Acceptor::respond_to`](crate::server::Acceptor::respond_to). The other server sends the status, the headers
/// and the body, for every status. If [`is_upgrade`](UpgradeResponse::is_upgrade), it then gives its stream
/// away.
///
/// ```no_run
/// # use std::{io::Write, net::TcpStream};
/// use stentor::server::{Acceptor, ParsedRequest};
///
/// # fn serve(acceptor: Acceptor, request: ParsedRequest, mut stream: TcpStream)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// let response = acceptor.respond_to(&request, stream.peer_addr()?)?;
/// write!(stream, "HTTP/1.1 {} {}\r\n", response.status(), response.reason())?;
/// for (name, value) in response.headers() {
///     write!(stream, "{name}: {value}\r\n")?;
/// }
/// stream.write_all(&[b"\r\n", response.body()].concat())?;
/// if response.is_upgrade() {
///     response.serve(stream, |client| {
///         while let Some(message) = client.recv()? {
///             client.send(message)?;
///         }
///         Ok(())
///     })?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// Dropping a 101 whose stream was not passed on frees the client's place, with a line in the log.
#[must_use = "the other server has to send the response"]
pub struct UpgradeResponse {
    head: HandshakeResponse,
    body: Vec<u8>,
    result: Result<Accepted, Error>,
}

/// A client that has its place on the server, and no stream yet.
struct Accepted {
    conversation: Box<Conversation>,
    values: Values,
    threads: Arc<ServerThreads>,
    /// It has a stream, or has left the server.
    is_over: bool,
}

impl UpgradeResponse {
    /// Returns the status: 101 if the request is accepted.
    #[inline]
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// Returns the words after the status.
    #[inline]
    pub fn reason(&self) -> &str {
        self.head.reason()
    }

    /// Returns all headers, in the order in which they should be sent. With a 101, `Upgrade` and `Connection`
    /// are among them; otherwise `Content-Length` and `Connection: close`.
    #[inline]
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.head.headers();
        // All are UTF-8: this side has written them from text.
        headers.filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)))
    }

    /// Returns the value of the first header of that name, in any letter case, if it is UTF-8.
    #[inline]
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.head.header_str(name)
    }

    /// Returns the body; empty for a 101.
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns whether the request is accepted: the response is a 101, and the stream is to be passed on once
    /// the response is sent.
    #[inline]
    pub fn is_upgrade(&self) -> bool {
        self.result.is_ok()
    }

    /// Continues the connection on its stream, once the response is sent, and returns the client, as
    /// [`Acceptor::accept`](crate::server::Acceptor::accept) does. The stream is never encrypted by Stentor, and
    /// its address is the one that [`respond_to`](crate::server::Acceptor::respond_to) has been given. Bytes
    /// behind the request that the other server has read must be [passed
    /// on](Handover::already_read).
    ///
    /// # Errors
    /// - The reason for a response that is not a 101: [`Error::Rejected`] or [`Error::Answered`].
    /// - [`Error::Io`] if the stream cannot be used, or if the request is of draft-76 and its last eight bytes
    ///   come neither from the stream nor with [`already_read`](Handover::already_read) before the stream ends
    ///   or the handshake timeout has passed.
    /// - [`Error::Rejected`] if the server shuts down.
    /// - The other errors of [`Acceptor::accept`](crate::server::Acceptor::accept).
    ///
    /// After an error the stream is closed.
    #[inline]
    pub fn accept(self, stream: impl Into<Handover>) -> Result<Client, Error> {
        let (conversation, threads) = self.proceed(stream.into())?;
        Client::open(conversation, &threads)
    }

    /// Continues the connection on its stream, once the response is sent, and serves the client on the calling
    /// thread, as [`Acceptor::serve`](crate::server::Acceptor::serve) does.
    ///
    /// # Errors
    /// As for [`accept`](UpgradeResponse::accept), except for errors that come from the stream later: these are
    /// reported by the log, the counters and the `on_close` hook.
    #[inline]
    pub fn serve(
        self,
        stream: impl Into<Handover>,
        handler: impl Fn(&mut Client) -> HandlerResult + Sync,
    ) -> Result<(), Error> {
        let (conversation, threads) = self.proceed(stream.into())?;
        Client::serve(conversation, &threads.shared, &handler);
        Ok(())
    }

    /// Answers a request. The engine of the connection writes its response as on its own socket, into a pair
    /// of sockets, from which it is read here.
    #[inline]
    pub(super) fn to(
        request: &ParsedRequest,
        peer: Peer,
        threads: &Arc<ServerThreads>,
    ) -> Result<UpgradeResponse, Error> {
        let shared = &threads.shared;
        let head = request.to_head().map_err(|error| refused(shared, error))?;
        let (near, far) = system::local_pair()?;
        system::prepare_at_once(&far);
        let mut conversation = match shared.admit(Socket::new(near), peer, false) {
            Ok(conversation) => conversation,
            Err(rejection) => {
                let mut bytes = Vec::new();
                read_waiting(&far, &mut bytes);
                return UpgradeResponse::of(&bytes, Err(Error::Rejected(rejection)));
            }
        };
        conversation.receive_first(&head, 0);
        let mut values = Values::default();
        let handshake = Handshake {
            conversation: &mut conversation,
            shared,
            values: &mut values,
        };
        let result = handshake.answer();
        let mut bytes = Vec::new();
        loop {
            conversation.flush();
            if read_waiting(&far, &mut bytes) == 0 {
                break;
            }
        }
        let mut accepted = Accepted {
            conversation,
            values,
            threads: Arc::clone(threads),
            is_over: false,
        };
        let result = match result {
            Ok(()) => Ok(accepted),
            Err(error) => {
                accepted.leave();
                Err(*error)
            }
        };
        UpgradeResponse::of(&bytes, result)
    }

    #[inline]
    fn of(bytes: &[u8], result: Result<Accepted, Error>) -> Result<UpgradeResponse, Error> {
        let end = blank_line(bytes);
        let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 4));
        let limits = Limits {
            header_bytes: usize::MAX,
            header_count: usize::MAX,
            ..Limits::default()
        };
        let Ok(head) = HandshakeResponse::parse(head, &limits) else {
            // The hook, or the server's shutdown, has left no response.
            return Err(result.err().unwrap_or(Error::Closed));
        };
        Ok(UpgradeResponse {
            head,
            body: body.to_vec(),
            result,
        })
    }

    #[inline]
    fn proceed(self, stream: Handover) -> Result<(Box<Conversation>, Arc<ServerThreads>), Error> {
        let mut accepted = self.result?;
        let threads = Arc::clone(&accepted.threads);
        threads.check_process()?;
        let shared = &threads.shared;
        let connected = stream.connect(shared, |socket| accepted.continue_on(socket));
        if connected.is_err() {
            // The caller has the error.
            accepted.leave();
        }
        Ok((connected?, threads))
    }
}

impl Accepted {
    /// Moves the client to its own socket: its place, its number and its engine.
    #[inline]
    fn continue_on(&mut self, socket: Socket) -> Result<Box<Conversation>, Error> {
        let (shared, before) = (&self.threads.shared, &mut *self.conversation);
        if shared.is_stopping() {
            return Err(refused(shared, Error::Rejected(Rejection::ShuttingDown)));
        }
        let (socket, link) = shared.link_as(before.link.id, socket, before.link.peer());
        shared.registry.replace(&link);
        self.is_over = true;
        shared.watchdog.watch(&link);
        let mut conversation = shared.conversation(link, socket);
        conversation.take_over(before);
        conversation.handed_over = Some(Box::new(HandedOver {
            accepted: Some(std::mem::take(&mut self.values)),
        }));
        before.release_socket();
        // A shutdown that began before the client was in its place has not closed it.
        if shared.is_stopping() {
            conversation.link.abort_handshake(AbortReason::Stopping);
        }
        Ok(conversation)
    }

    /// Removes the client from the server, unless it has its own socket.
    #[inline]
    fn leave(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.conversation.release_socket();
            self.threads.shared.registry.remove(&self.conversation.link);
        }
        // Dropping a value runs the user's code.
        let values = std::mem::take(&mut self.values);
        catch_panic(|| drop(values));
    }
}

/// For a stream that is not passed on: the client has left meanwhile, or the other server has failed.
impl Drop for Accepted {
    #[inline]
    fn drop(&mut self) {
        if !self.is_over {
            let link = &self.conversation.link;
            let (id, peer) = (link.id, link.peer());
            log_limited!(
                self.threads.shared.watchdog,
                Kind::Disconnected,
                "client {id} {peer}: its request was accepted, but its stream was not handed over"
            );
            self.leave();
        }
    }
}

/// Appends the bytes that have arrived, and returns how many.
#[inline]
fn read_waiting(far: &LocalStream, bytes: &mut Vec<u8>) -> usize {
    let (before, mut piece) = (bytes.len(), vec![0; 16 * 1024]);
    while let Ok(read @ 1..) = system::receive_local(far, &mut piece) {
        bytes.extend_from_slice(&piece[..read]);
    }
    bytes.len() - before
}

impl fmt::Debug for UpgradeResponse {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeResponse")
            .field("head", &self.head)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
