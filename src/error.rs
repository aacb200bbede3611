//! The errors of clients and servers.

pub(crate) mod redirect;

pub(crate) mod socks;

#[cfg(feature = "tls")]
pub(crate) mod tls;

use std::fmt;
use std::io;

use crate::protocol::http::text::Escaped;
use crate::protocol::{
    HandshakeError, InvalidHeader, InvalidOrigin, InvalidUrl, ProtocolError, Rejection, SendError,
};

pub use redirect::RedirectError;
pub use socks::SocksError;
#[cfg(feature = "tls")]
use tls::TlsError;

/// Why a call on a client or a connection failed. `Display` includes the cause.
///
/// A handler returns it with `?`. In an `io::Result` too, since it becomes an `io::Error`: the end of a
/// connection that comes back from a handler, as it is or wrapped, is not a failure of the handler.
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
    /// The connection ended without the closing handshake of its version, for this reason.
    Disconnected(DisconnectReason),
    /// The peer broke a rule of the protocol; it was sent the close code that its version has for it.
    Protocol(ProtocolError),
    /// The peer's request was rejected; the response had the status and the reason.
    Rejected(Rejection),
    /// The peer's request received an ordinary HTTP response: no WebSocket connection follows.
    Answered,
    /// The server rejected our request, or its response breaks the rules of the version.
    Handshake(Box<HandshakeError>),
    /// The URL to connect to is not a WebSocket URL.
    Url(InvalidUrl),
    /// A header, a cookie or a subprotocol for the request cannot be sent.
    Header(InvalidHeader),
    /// The value for the `Origin` header is not an origin.
    Origin(InvalidOrigin),
    /// The TLS connection to the server failed: above all if its certificate does not prove its name.
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// The connection through the proxy failed.
    Proxy(ProxyError),
    /// The server redirects the client, and the redirect was not followed. Only if the connector
    /// [follows redirects](crate::Connector::follow_redirects).
    Redirect(RedirectError),
    /// The message or frame cannot be sent; nothing was sent.
    Send(SendError),
    /// The connection is closed: nothing can be sent any more.
    Closed,
    /// The client's send queue is full and its policy is to drop: this message was not sent.
    Dropped,
    /// The operating system returned an error.
    Io(io::Error),
}

/// Why a connection ended without its closing handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The stream ended, or was reset.
    EndOfStream,
    /// The handshake was not complete within its timeout.
    HandshakeTimeout,
    /// After a ping, no sign of life came within the pong timeout.
    PongTimeout,
    /// No sign of life came within the idle timeout.
    IdleTimeout,
    /// A message was begun, and the rest of it did not arrive in time.
    UnfinishedMessage,
    /// The peer accepted no byte within the write timeout.
    WriteTimeout,
    /// The client's send queue was full, and the policy is to close (slow consumer).
    Evicted,
    /// All send queues together were full, and this client's took the most memory.
    TotalSendQueue,
    /// All clients together held too much memory for incoming messages, this client the most, and it
    /// could not be closed with a close frame.
    TotalIncoming,
    /// The peer did not complete the closing handshake within the close timeout.
    CloseTimeout,
    /// The server shut down and did not wait any longer.
    ShutdownTimeout,
    /// This side [aborted](crate::WebSocket::abort) the connection.
    Aborted,
}

/// Why a connection through a proxy failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// Not the `http://` or `socks5://` URL of a proxy. Shown without the password.
    InvalidUrl(String),
    /// The proxy's status was not 200: 407 requires a user name and a password, 403 forbids
    /// connections to this server.
    Status {
        /// The status.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// The proxy's response is not HTTP, or exceeds a limit: those of a server's response apply.
    InvalidResponse(Box<HandshakeError>),
    /// The SOCKS5 proxy rejected the request, or broke the protocol.
    Socks(SocksError),
    /// The proxy closed the connection.
    EndOfStream,
}

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
pub(crate) fn is_the_end(error: &(dyn std::error::Error + 'static), words: &[String]) -> bool {
    /// No intended chain of errors is longer.
    const DEPTH: usize = 32;
    let mut next = Some(error);
    for _ in 0..DEPTH {
        let Some(error) = next else { return false };
        let own = error.downcast_ref::<Error>();
        if own.is_some_and(Error::is_the_end) || words.contains(&error.to_string()) {
            return true;
        }
        let io = match own {
            Some(Error::Io(io)) => Some(io),
            _ => error.downcast_ref::<io::Error>(),
        };
        next = match io.and_then(io::Error::get_ref) {
            // The `source` of an `io::Error` is already that of the error inside.
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    false
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DisconnectReason::EndOfStream => "the stream ended",
            DisconnectReason::HandshakeTimeout => "the handshake did not complete in time",
            DisconnectReason::PongTimeout => "no pong arrived within the pong timeout",
            DisconnectReason::IdleTimeout => "no bytes arrived within the idle timeout",
            DisconnectReason::UnfinishedMessage => "the rest of a message did not arrive in time",
            DisconnectReason::WriteTimeout => "the peer accepted no bytes within the write timeout",
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
            Error::Handshake(error) => write!(f, "handshake failed: {error}"),
            Error::Url(bad) => bad.fmt(f),
            Error::Header(bad) => bad.fmt(f),
            Error::Origin(bad) => bad.fmt(f),
            #[cfg(feature = "tls")]
            Error::Tls(error) => error.fmt(f),
            Error::Proxy(error) => error.fmt(f),
            Error::Redirect(error) => error.fmt(f),
            Error::Send(send_error) => send_error.fmt(f),
            Error::Closed => f.write_str("the WebSocket connection is closed"),
            Error::Dropped => f.write_str("the client's send queue is full: message dropped"),
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
            // The causes in these have no source.
            Error::Disconnected(_)
            | Error::Protocol(_)
            | Error::Rejected(_)
            | Error::Answered
            | Error::Handshake(_)
            | Error::Url(_)
            | Error::Header(_)
            | Error::Origin(_)
            | Error::Proxy(_)
            | Error::Redirect(_)
            | Error::Send(_)
            | Error::Closed
            | Error::Dropped => None,
        }
    }
}

impl From<SendError> for Error {
    fn from(send_error: SendError) -> Self {
        Error::Send(send_error)
    }
}

impl From<InvalidUrl> for Error {
    fn from(bad: InvalidUrl) -> Self {
        Error::Url(bad)
    }
}

impl From<InvalidHeader> for Error {
    fn from(bad: InvalidHeader) -> Self {
        Error::Header(bad)
    }
}

impl From<InvalidOrigin> for Error {
    fn from(bad: InvalidOrigin) -> Self {
        Error::Origin(bad)
    }
}

impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        Error::Proxy(error)
    }
}

impl From<SocksError> for Error {
    fn from(error: SocksError) -> Self {
        Error::Proxy(ProxyError::Socks(error))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}

/// Unwraps an `io::Error` that holds an [`Error`].
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        error.downcast::<Error>().unwrap_or_else(Error::Io)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::InvalidUrl(url) => {
                write!(
                    f,
                    "not the http:// or socks5:// URL of a proxy: \"{}\"",
                    Escaped::Text(url)
                )
            }
            ProxyError::Status { status, reason } => {
                write!(
                    f,
                    "the proxy responded with {status} {}",
                    Escaped::Text(reason)
                )
            }
            ProxyError::InvalidResponse(error) => {
                write!(f, "invalid response of the proxy: {error}")
            }
            ProxyError::Socks(error) => write!(f, "SOCKS5 proxy: {error}"),
            ProxyError::EndOfStream => f.write_str("the proxy closed the connection"),
        }
    }
}

impl std::error::Error for ProxyError {}
