//! The errors of clients and servers.

#[cfg(feature = "client")]
pub(crate) mod proxy;

#[cfg(feature = "client")]
pub(crate) mod redirect;

#[cfg(feature = "client")]
pub(crate) mod socks;

#[cfg(feature = "tls")]
pub(crate) mod tls;

use std::fmt;
use std::io;

#[cfg(feature = "client")]
use crate::protocol::{HandshakeError, InvalidUrl};
use crate::protocol::{InvalidHeader, InvalidOrigin, ProtocolError, Rejection, SendError};

#[cfg(feature = "tls")]
use tls::TlsError;
#[cfg(feature = "client")]
pub(crate) use {proxy::ProxyError, redirect::RedirectError, socks::SocksError};

/// The error of a call on a client, a connection or a server. `Display` includes the cause.
///
/// A handler can return this error with `?`, also from a function with an `io::Result`, since the error
/// converts into an `io::Error`. An error that only reports the end of the connection is not a failure of the
/// handler, also if another error wraps it: see [`HandlerResult`](crate::HandlerResult).
///
/// ```no_run
/// use stentor::{DisconnectReason, Error};
///
/// let mut socket = stentor::connect("ws://127.0.0.1:8000/chat")?;
/// loop {
///     match socket.recv() {
///         Ok(Some(message)) => println!("{message:?}"),
///         Ok(None) => break println!("closed"),
///         Err(Error::Disconnected(DisconnectReason::PongTimeout)) => break println!("the network is gone"),
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The connection ended without the closing handshake of its version: the peer disconnected, or this side
    /// did. The [`DisconnectReason`] names the cause.
    Disconnected(DisconnectReason),
    /// The peer broke a rule of the protocol. This side closed the connection with the code that the version
    /// has for it.
    Protocol(ProtocolError),
    /// The server rejected the client's request. The client received the status and the reason of the
    /// rejection.
    Rejected(Rejection),
    /// The client's request received an ordinary HTTP response: no WebSocket connection follows.
    Answered,
    /// The server rejected this client's request, or the server's response is incomplete or breaks a rule of
    /// the version.
    #[cfg(feature = "client")]
    Handshake(Box<HandshakeError>),
    /// The URL to connect to is not a WebSocket URL.
    #[cfg(feature = "client")]
    Url(InvalidUrl),
    /// A header, a cookie or a subprotocol cannot be sent in a request.
    Header(InvalidHeader),
    /// The value for the header `Origin` is not an origin.
    Origin(InvalidOrigin),
    /// The TLS connection to the server failed. The usual cause is a certificate that does not prove the
    /// server's name.
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// The connection through the proxy failed.
    #[cfg(feature = "client")]
    Proxy(ProxyError),
    /// The server redirects the client, and the redirect was not followed. Only if the connector
    /// [follows redirects](crate::Connector::follow_redirects).
    #[cfg(feature = "client")]
    Redirect(RedirectError),
    /// The message or frame cannot be sent, and nothing of it was sent.
    Send(SendError),
    /// The connection is closed, or its closing handshake has begun: no message can be sent any more.
    Closed,
    /// The message was dropped, since the client's send queue is full and the server's
    /// [`SlowClient`](crate::SlowClient) policy is to drop messages. The connection stays open.
    Dropped,
    /// A [`Reconnecting`](crate::client::Reconnecting) client has no connection at the moment, and the message
    /// does not fit beside those that wait for the next one. The message was not accepted.
    QueueFull {
        /// How many bytes wait.
        waiting: usize,
        /// The [limit](crate::client::Reconnect::queue_limit) in bytes.
        limit: usize,
    },
    /// The operating system returned an error.
    Io(io::Error),
}

/// The reason for which a connection ended without its closing handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The peer closed the TCP connection, or reset it, or the network lost it.
    EndOfStream,
    /// The handshake was not complete within the handshake timeout.
    HandshakeTimeout,
    /// No sign of life of the peer came within the pong timeout after a ping.
    PongTimeout,
    /// No sign of life of the peer came within the idle timeout.
    IdleTimeout,
    /// A message began, and the rest of the message did not arrive in time. No byte came for the ping
    /// interval and the pong timeout together, or the message was slower than the minimum message rate.
    UnfinishedMessage,
    /// The peer accepted no byte within the write timeout. Or a
    /// [`MessageWriter`](crate::pieces::MessageWriter) of this side was held, and got no bytes for that time.
    WriteTimeout,
    /// The client was too slow: its send queue was full when another message came for it, and the server's
    /// policy is [`SlowClient::Close`](crate::SlowClient::Close).
    #[doc(alias = "slow consumer")]
    Evicted,
    /// The send queues of all clients together were above their
    /// [limit](crate::ServerBuilder::total_send_queue_limit), and the server evicted this client to free
    /// memory. The server evicts the client with the largest queue first, and of equal queues the client that
    /// connected first. A broadcast that waits in several queues counts in each of them with an equal share
    /// of its size.
    TotalSendQueue,
    /// All clients together held more memory for incoming messages than their
    /// [limit](crate::ServerBuilder::total_incoming_limit), and the server disconnected this client to free
    /// memory. The client that holds the most is the first, and of equal clients the one that connected
    /// first. This reason is for a client that could not be closed with a close frame, for example during its
    /// handshake.
    TotalIncoming,
    /// The peer did not complete the closing handshake within the close timeout.
    CloseTimeout,
    /// The server was shutting down, and the client was still connected when the timeout of
    /// [`ServerHandle::shutdown`](crate::ServerHandle::shutdown) had passed.
    ShutdownTimeout,
    /// This side [aborted](crate::WebSocket::abort) the connection.
    Aborted,
}

#[cfg(feature = "server")]
impl Error {
    /// Whether it only reports the end of the connection, which is not a failure of a handler.
    fn is_the_end(&self) -> bool {
        matches!(
            self,
            Error::Disconnected(_) | Error::Protocol(_) | Error::Closed
        )
    }
}

/// Whether an error only reports the end of the connection, or was caused by such an error, also if that
/// one is wrapped: in an `io::Error`; in an error of the user's with it as its source; or in an error
/// that hides it and repeats its text, as `anyhow` does. `words` are the texts for the end of this
/// connection.
#[cfg(feature = "server")]
pub(crate) fn is_the_end(error: &(dyn std::error::Error + 'static), words: &[String]) -> bool {
    chain(error).any(|error| {
        let own = error.downcast_ref::<Error>();
        own.is_some_and(Error::is_the_end) || words.contains(&error.to_string())
    })
}

/// Returns an error and its causes, also those that are wrapped in an `io::Error`.
#[cfg(feature = "server")]
pub(crate) fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    /// No intended chain of errors is longer.
    const DEPTH: usize = 32;
    let cause = |error: &&'a (dyn std::error::Error + 'static)| {
        let io = match error.downcast_ref::<Error>() {
            Some(Error::Io(io)) => Some(io),
            _ => error.downcast_ref::<io::Error>(),
        };
        match io.and_then(io::Error::get_ref) {
            // The `source` of an `io::Error` is already that of the error inside.
            Some(inside) => Some(inside as &(dyn std::error::Error + 'static)),
            None => error.source(),
        }
    };
    std::iter::successors(Some(error), cause).take(DEPTH)
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DisconnectReason::EndOfStream => "the stream ended",
            DisconnectReason::HandshakeTimeout => "the handshake did not complete in time",
            DisconnectReason::PongTimeout => "no pong arrived within the pong timeout",
            DisconnectReason::IdleTimeout => "no bytes arrived within the idle timeout",
            DisconnectReason::UnfinishedMessage => "the rest of a message did not arrive in time",
            DisconnectReason::WriteTimeout => {
                "no bytes were sent to the peer within the write timeout"
            }
            DisconnectReason::Evicted => "evicted: its send queue was full",
            DisconnectReason::TotalSendQueue => "evicted: all send queues together were full",
            DisconnectReason::TotalIncoming => "too much memory was held for incoming messages",
            DisconnectReason::CloseTimeout => {
                "the peer did not complete the closing handshake in time"
            }
            DisconnectReason::ShutdownTimeout => "the server shut down",
            DisconnectReason::Aborted => "aborted by this side",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Disconnected(disconnect_reason) => {
                write!(f, "disconnected: {disconnect_reason}")
            }
            Error::Protocol(protocol_error) => {
                write!(f, "protocol error: {protocol_error}")
            }
            Error::Rejected(rejection) => {
                write!(f, "rejected with {}: {rejection}", rejection.status())
            }
            Error::Answered => f.write_str("the request received an ordinary HTTP response"),
            #[cfg(feature = "client")]
            Error::Handshake(error) => write!(f, "handshake failed: {error}"),
            #[cfg(feature = "client")]
            Error::Url(bad) => bad.fmt(f),
            Error::Header(bad) => bad.fmt(f),
            Error::Origin(bad) => bad.fmt(f),
            #[cfg(feature = "tls")]
            Error::Tls(error) => error.fmt(f),
            #[cfg(feature = "client")]
            Error::Proxy(error) => error.fmt(f),
            #[cfg(feature = "client")]
            Error::Redirect(error) => error.fmt(f),
            Error::Send(send_error) => send_error.fmt(f),
            Error::Closed => f.write_str("the WebSocket connection is closed"),
            Error::Dropped => f.write_str("the client's send queue is full: message dropped"),
            Error::QueueFull { waiting, limit } => write!(
                f,
                "not connected, and {waiting} bytes wait for the next connection already: this message \
                 would exceed the queue limit of {limit} bytes"
            ),
            Error::Io(error) => error.fmt(f),
        }
    }
}

/// `Display` includes the cause, so that one line is complete. So `source` returns the cause's own
/// source, and nothing is printed twice.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => error.source(),
            #[cfg(feature = "tls")]
            Error::Tls(error) => error.source(),
            #[cfg(feature = "client")]
            Error::Handshake(_) | Error::Url(_) | Error::Proxy(_) | Error::Redirect(_) => None,
            // The causes in these have no source.
            Error::Disconnected(_)
            | Error::Protocol(_)
            | Error::Rejected(_)
            | Error::Answered
            | Error::Header(_)
            | Error::Origin(_)
            | Error::Send(_)
            | Error::Closed
            | Error::Dropped
            | Error::QueueFull { .. } => None,
        }
    }
}

impl From<SendError> for Error {
    #[inline]
    fn from(send_error: SendError) -> Self {
        Error::Send(send_error)
    }
}

#[cfg(feature = "client")]
impl From<InvalidUrl> for Error {
    #[inline]
    fn from(bad: InvalidUrl) -> Self {
        Error::Url(bad)
    }
}

impl From<InvalidHeader> for Error {
    #[inline]
    fn from(bad: InvalidHeader) -> Self {
        Error::Header(bad)
    }
}

impl From<InvalidOrigin> for Error {
    #[inline]
    fn from(bad: InvalidOrigin) -> Self {
        Error::Origin(bad)
    }
}

#[cfg(feature = "client")]
impl From<ProxyError> for Error {
    #[inline]
    fn from(error: ProxyError) -> Self {
        Error::Proxy(error)
    }
}

#[cfg(feature = "client")]
impl From<SocksError> for Error {
    #[inline]
    fn from(error: SocksError) -> Self {
        Error::Proxy(ProxyError::Socks(error))
    }
}

impl From<Error> for io::Error {
    #[inline]
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}

/// Unwraps an `io::Error` that holds an [`Error`].
impl From<io::Error> for Error {
    #[inline]
    fn from(error: io::Error) -> Self {
        error.downcast::<Error>().unwrap_or_else(Error::Io)
    }
}
