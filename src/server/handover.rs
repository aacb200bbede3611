//! A connection that other code hands over, with the bytes that it has read.

use std::fmt;
use std::io;
use std::io::{Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::net::connection::Conversation;
use crate::net::log::log_limited;
use crate::net::log::quota::Kind;
use crate::net::peer::Peer;
use crate::net::relay::{FarEnd, Relay, Single};
use crate::net::socket::Socket;
use crate::net::stream::Stream;
use crate::net::system;
use crate::net::system::LocalStream;
use crate::net::transport;
use crate::net::transport::Transport;

use super::parsed_request::ParsedRequest;
use super::shared::Shared;

/// A connection that other code has accepted, for [`Acceptor::accept`](crate::server::Acceptor::accept) and
/// [`Acceptor::serve`](crate::server::Acceptor::serve): its stream, the bytes that were read from the stream
/// already, and the request if another server has parsed it.
///
/// ```no_run
/// # use std::{io::Read, net::TcpStream};
/// use stentor::server::{Acceptor, Handover};
///
/// fn serve(acceptor: &Acceptor, mut stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
///     // An HTTP server of your own has read this, and has seen that it is a WebSocket request.
///     let mut read = vec![0; 4096];
///     let len = stream.read(&mut read)?;
///     acceptor.serve(Handover::new(stream).already_read(&read[..len]), |client| {
///         client.join("chat");
///         while let Some(message) = client.recv()? {
///             client.room("chat").broadcast(message);
///         }
///         Ok(())
///     })?;
///     Ok(())
/// }
/// ```
///
/// # The three kinds of streams
///
/// | | TCP and Unix sockets: [`new`](Handover::new) | a [`Transport`]: [`through`](Handover::through) | one `Read + Write`: [`single`](Handover::single) |
/// |---|---|---|---|
/// | threads beside the caller's | none | three: `stentor bridge, in`, `stentor bridge, out`, `stentor bridge, end` | none |
/// | messages of other threads | leave at once | leave at once | leave when the handler next receives, sends or flushes |
/// | timeouts | all | all | see [`single`](Handover::single) |
/// | address | the stream's, or [`peer`](Handover::peer) | [`peer`](Handover::peer), which is required | [`peer`](Handover::peer), which is required |
/// | TLS of `ServerBuilder::tls` | on TCP, unless the request was parsed | no | no |
///
/// All else is as on a server with listeners: the limits of clients and of handshakes per address, which count
/// the peer's address, the [forwarded headers](crate::ServerBuilder::trust_forwarded_headers) of trusted
/// proxies, the hooks, the rooms, the counters and the log. If other code speaks TLS on the stream, set
/// [`ServerBuilder::behind_tls`](crate::ServerBuilder::behind_tls): the origin and the location of draft-75 and
/// draft-76 depend on it.
#[must_use = "a connection is served by an acceptor"]
pub struct Handover {
    way: Way,
    already_read: Vec<u8>,
    request: Option<ParsedRequest>,
    peer: Option<Peer>,
}

/// The stream.
enum Way {
    Socket(Stream),
    Through(Arc<dyn Transport>),
    Single(Box<dyn Single>),
}

/// The rest of a stream that is not a socket of the system, once it has a near end that is one.
enum Behind {
    Nothing,
    Bridge(LocalStream, Arc<dyn Transport>),
    Relay(Arc<dyn FarEnd>),
}

/// The most bytes that may have been read from the stream: a server reads far fewer bytes ahead.
const ALREADY_READ: usize = 1024 * 1024;

impl Handover {
    /// Hands over a stream of the operating system, with all abilities of an own connection.
    #[inline]
    pub fn new(stream: impl Into<Stream>) -> Handover {
        Handover::on(Way::Socket(stream.into()))
    }

    /// Hands over any [`Transport`] that reads and writes bytes, such as [`Halves`](crate::client::Halves) of a
    /// TLS stream. It needs a [`peer`](Handover::peer).
    ///
    /// The connection itself uses a local socket. Three threads connect this socket and the transport for as
    /// long as the connection lives: `stentor bridge, in` and `stentor bridge, out` copy the bytes, and
    /// `stentor bridge, end` waits for the end of the connection, gives the last bytes the [close
    /// timeout](crate::ServerBuilder::close_timeout), and shuts the transport down.
    #[inline]
    pub fn through(transport: impl Transport) -> Handover {
        Handover::on(Way::Through(Arc::new(transport)))
    }

    /// Hands over a stream that cannot be split: it is read and written on the calling thread only, and there
    /// is no other thread. Dropping the stream must close it. It needs a [`peer`](Handover::peer).
    ///
    /// A blocked read of such a stream cannot be interrupted, so a connection on it does less:
    ///
    /// - Messages of other threads (broadcasts, handles) and close frames of other threads wait until the
    ///   handler's thread is at the stream again: in its next call that receives, sends or flushes. While it
    ///   waits for a silent client, they wait with it, up to the size of a socket's buffer and the [send
    ///   queue](crate::ServerBuilder::send_queue_limit). After that the
    ///   [`SlowClient`](crate::SlowClient) policy applies.
    /// - No timeout interrupts a blocked read, and neither does a shutdown. The client counts as disconnected in
    ///   time, or has its close frame waiting, but its thread and the TCP connection stay until the client sends
    ///   something or closes the connection. The server sends no pings: it could not wait for the answers.
    /// - The write timeout does not interrupt a blocked write.
    /// - [`recv_timeout`](crate::Client::recv_timeout) waits as long as a read of the stream does.
    ///   [`try_recv`](crate::Client::try_recv) never reads the stream: it returns only messages that were read
    ///   together with an earlier one. It writes what waits for the stream, and can block in that.
    /// - While a write waits for the client, nothing is read. A client that reads nothing before its own message
    ///   is sent can so end with the write timeout, if more waits for it than the buffers of the system hold.
    /// - There is no half-close: after the closing handshake the stream is dropped. Bytes that the client has
    ///   sent after it, and nobody has read, make TCP reset the connection.
    ///
    /// If the reads and writes of the stream have timeouts of their own, or do not block
    /// ([`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut)), all of this happens
    /// with such a delay: waiting messages leave, and all timeouts hold.
    #[inline]
    pub fn single(stream: impl Read + Write + Send + 'static) -> Handover {
        Handover::on(Way::Single(Box::new(stream)))
    }

    /// Sets the bytes that were already read from the stream: they are received before anything that the
    /// stream has. Without a [parsed request](Handover::request) they begin with the request line, and may be
    /// any part of the request; with it, they begin behind its header block: the eight bytes of draft-76, and
    /// frames.
    ///
    /// The bytes belong to the stream as it was accepted. So on a TCP stream with
    /// `ServerBuilder::tls` they are encrypted: the first bytes of the TLS
    /// handshake.
    ///
    /// A header of the [PROXY protocol](crate::ServerBuilder::proxy_protocol) is expected only on a TCP or Unix
    /// stream of which nothing was read, and only if [`peer`](Handover::peer) names no other peer than the
    /// stream. Other code that has read a header names the client in this way.
    ///
    /// More than 1 MiB is an error when the connection is used.
    #[inline]
    pub fn already_read(mut self, bytes: impl Into<Vec<u8>>) -> Handover {
        self.already_read = bytes.into();
        self
    }

    /// Sets the request that another server has read from the stream and parsed. The acceptor answers it on the
    /// stream. If the other server must write the response, call
    /// [`Acceptor::respond_to`](crate::server::Acceptor::respond_to) instead.
    ///
    /// A request of draft-76 has eight more bytes behind its header block. They come from
    /// [`already_read`](Handover::already_read) or from the stream.
    #[inline]
    pub fn request(mut self, request: ParsedRequest) -> Handover {
        self.request = Some(request);
        self
    }

    /// Sets the other end of the connection, for [`Client::peer`](crate::Client::peer), the limits per address
    /// and the log: an address, or [`Peer::Local`] for a program on this machine. Streams other than TCP and
    /// Unix sockets need it; without it they are an error when the connection is used. For TCP it replaces the
    /// address of the stream, for example by one that a PROXY header has named.
    #[inline]
    pub fn peer(mut self, peer: impl Into<Peer>) -> Handover {
        self.peer = Some(peer.into());
        self
    }

    /// Admits the connection, and prepares its handshake.
    ///
    /// # Errors
    /// The rejection, which the peer has been sent. [`Error::Io`] if the stream or the bytes read from it cannot
    /// be used, or if the threads of a transport cannot be started.
    #[inline]
    pub(super) fn admit(mut self, shared: &Shared) -> Result<Box<Conversation>, Error> {
        let head = self.head().map_err(|error| refused(shared, error))?;
        let has_request = self.request.is_some();
        let peer = self.peer_or_own()?;
        let is_unread = self.is_own_peer(peer) && !has_request && self.already_read.is_empty();
        let (socket, behind) = self.way.connect(shared, has_request)?;
        let mut first = head;
        let own = self.already_read.len();
        match socket.tls() {
            Some(tls) => tls.receive_first(self.already_read),
            None => first.append(&mut self.already_read),
        }
        let mut conversation = match shared.admit(socket, peer, is_unread) {
            Ok(conversation) => conversation,
            Err(rejection) => {
                behind.write_last();
                return Err(Error::Rejected(rejection));
            }
        };
        if !first.is_empty() {
            conversation.receive_first(&first, own.min(first.len()));
        }
        if has_request {
            conversation.handed_over = Some(Box::default());
        }
        behind.start_for(&conversation, shared)?;
        Ok(conversation)
    }

    /// Gives its socket to a connection that another server has answered.
    ///
    /// # Errors
    /// [`Error::Io`] as for [`admit`](Handover::admit), or if a request was set.
    #[inline]
    pub(super) fn connect(
        self,
        shared: &Shared,
        begin: impl FnOnce(Socket) -> Result<Box<Conversation>, Error>,
    ) -> Result<Box<Conversation>, Error> {
        if self.request.is_some() {
            let fault = "a request was set for a connection whose request is answered";
            return Err(refused(shared, invalid(fault.to_owned())));
        }
        self.check_length()
            .map_err(|error| refused(shared, error))?;
        let (socket, behind) = self.way.connect(shared, true)?;
        let mut conversation = begin(socket)?;
        if !self.already_read.is_empty() {
            conversation.receive_first(&self.already_read, self.already_read.len());
        }
        behind.start_for(&conversation, shared)?;
        Ok(conversation)
    }

    #[inline]
    fn on(way: Way) -> Handover {
        Handover {
            way,
            already_read: Vec::new(),
            request: None,
            peer: None,
        }
    }

    /// Returns the header block of the parsed request, empty without one.
    #[inline]
    fn head(&self) -> Result<Vec<u8>, Error> {
        self.check_length()?;
        if self.peer.is_none() && !matches!(self.way, Way::Socket(_)) {
            let fault = "this stream has no address: call Handover::peer with the client's address, or \
                with Peer::Local";
            return Err(invalid(fault.to_owned()));
        }
        let head = self.request.as_ref().map(ParsedRequest::to_head);
        head.unwrap_or_else(|| Ok(Vec::new()))
    }

    #[inline]
    fn check_length(&self) -> Result<(), Error> {
        match self.already_read.len() {
            0..=ALREADY_READ => Ok(()),
            len => Err(invalid(format!(
                "{len} bytes were already read from the stream: more than {ALREADY_READ}"
            ))),
        }
    }

    /// Returns whether the stream itself has this peer. If not, other code knows more than the stream, for
    /// example from a PROXY header.
    #[inline]
    fn is_own_peer(&self, peer: Peer) -> bool {
        match &self.way {
            Way::Socket(stream) => stream.peer().is_ok_and(|own| own == peer),
            Way::Through(_) | Way::Single(_) => false,
        }
    }

    #[inline]
    fn peer_or_own(&self) -> io::Result<Peer> {
        match (self.peer, &self.way) {
            (Some(peer), _) => Ok(peer),
            (None, Way::Socket(stream)) => stream.peer(),
            (None, Way::Through(_) | Way::Single(_)) => Ok(Peer::Local),
        }
    }
}

impl Way {
    /// Returns a socket for the connection, and the rest. A stream from which a server has read a request is
    /// not encrypted any more.
    #[inline]
    fn connect(self, shared: &Shared, has_request: bool) -> io::Result<(Socket, Behind)> {
        match self {
            Way::Socket(stream) => {
                stream.set_blocking()?;
                let socket = match has_request {
                    true => Socket::new(stream),
                    false => shared.secure(stream).map_err(io::Error::other)?,
                };
                Ok((socket, Behind::Nothing))
            }
            Way::Through(transport) => {
                let (near, far) = system::local_pair()?;
                Ok((Socket::new(near), Behind::Bridge(far, transport)))
            }
            Way::Single(stream) => {
                let (near, far) = system::local_pair()?;
                let write_timeout = shared.settings.connection.timeouts.write;
                let relay: Arc<dyn FarEnd> = Arc::new(Relay::new(far, stream, write_timeout));
                let socket = Socket::relayed(near, Arc::clone(&relay));
                Ok((socket, Behind::Relay(relay)))
            }
        }
    }
}

impl Behind {
    /// Starts the threads of a bridge. If they cannot be started, the connection ends.
    #[inline]
    fn start_for(self, conversation: &Conversation, shared: &Shared) -> Result<(), Error> {
        let Behind::Bridge(far, transport) = self else {
            return Ok(());
        };
        let limit: Duration = conversation.link.timeouts.close;
        if let Err(error) = transport::connect(far, transport, limit) {
            let (link, id) = (&conversation.link, conversation.link.id);
            log_limited!(
                shared.watchdog,
                Kind::Exhausted,
                "client {id}: cannot start a thread: {error}"
            );
            shared.reject_without_thread(link, Arc::clone(&conversation.socket));
            return Err(Error::Io(error));
        }
        Ok(())
    }

    /// Writes the response to a connection that was rejected on arrival, and closes the stream.
    #[inline]
    fn write_last(self) {
        match self {
            Behind::Nothing => {}
            Behind::Bridge(far, transport) => transport::write_last(&far, &*transport),
            Behind::Relay(relay) => {
                relay.flush(None);
                relay.close();
            }
        }
    }
}

/// Logs a connection that cannot be served, and returns the error.
#[inline]
pub(super) fn refused(shared: &Shared, error: Error) -> Error {
    log_limited!(
        shared.watchdog,
        Kind::Rejected,
        "a connection that was handed over is closed: {error}"
    );
    error
}

#[inline]
fn invalid(fault: String) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::InvalidInput, fault))
}

impl From<Stream> for Handover {
    #[inline]
    fn from(stream: Stream) -> Handover {
        Handover::new(stream)
    }
}

impl From<TcpStream> for Handover {
    #[inline]
    fn from(stream: TcpStream) -> Handover {
        Handover::new(stream)
    }
}

#[cfg(unix)]
impl From<UnixStream> for Handover {
    #[inline]
    fn from(stream: UnixStream) -> Handover {
        Handover::new(stream)
    }
}

impl fmt::Debug for Handover {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover")
            .field("already_read", &self.already_read.len())
            .field("request", &self.request)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
