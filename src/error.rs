//! What can go wrong for the user of a client or a server.

use std::fmt;
use std::io;

use crate::protocol::http::text::Escaped;
use crate::protocol::{
    HandshakeError, InvalidHeader, InvalidOrigin, InvalidUrl, ProtocolError, Rejection, SendError,
};

#[cfg(feature = "tls")]
use crate::net::tls::TlsError;

/// Why a call on a client did not do what it was asked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer is gone without the goodbye of its version; says how it was noticed.
    Disconnected(DisconnectReason),
    /// The peer broke a rule; it was told the close code that its version has for it.
    Protocol(ProtocolError),
    /// The peer's request was refused; it was told the status and the reason.
    Rejected(Rejection),
    /// The peer asked for a page and got one: no conversation follows.
    Answered,
    /// We asked, and the server has refused, or has answered what breaks the version's rules.
    Handshake(Box<HandshakeError>),
    /// What was to be connected to is no WebSocket URL.
    Url(InvalidUrl),
    /// A field, a cookie or a subprotocol that was to go along cannot be sent.
    Field(InvalidHeader),
    /// What was to be asked from is no origin.
    Origin(InvalidOrigin),
    /// There is no TLS with the server: it does not prove to be the one that was asked for, above all.
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// There is no way through the proxy.
    Proxy(ProxyError),
    /// What was asked for cannot be sent; nothing was.
    Send(SendError),
    /// The conversation is over: nothing can be sent any more.
    Closed,
    /// The client's queue is full and its policy is to drop: this message was not sent.
    Dropped,
    /// The operating system refused something.
    Io(io::Error),
}

/// How the loss of a peer was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The stream ended, or was reset.
    EndOfStream,
    /// The handshake was not complete in time.
    Handshake,
    /// No pong came in time.
    NoPong,
    /// Nothing at all came in time.
    Idle,
    /// A message was begun, and the rest of it did not come in time.
    Unfinished,
    /// Nothing that was sent was taken in time.
    Write,
    /// Its queue was full, and the policy is to close.
    Evicted,
    /// All queues together were full, and its own took the most memory.
    Crowded,
    /// All clients together held too much for what had come in, its own the most, and there was no way
    /// to close it in good order.
    Incoming,
    /// Its half of the close did not come in time.
    Close,
    /// The server stopped and did not wait any longer.
    Cut,
    /// This side has [aborted](crate::WebSocket::abort) it.
    Aborted,
}

/// Why there is no way through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// This is no `http://` URL of a proxy. Shown without the password.
    InvalidUrl(String),
    /// The proxy answered with another status than 200: 407 wants a user's name and password, 403
    /// does not let anybody through to there.
    Status {
        /// The status.
        status: u16,
        /// The words behind it.
        reason: String,
    },
    /// The proxy's answer is no HTTP answer, or above a limit of those that hold for a server's.
    InvalidResponse(Box<HandshakeError>),
    /// The proxy hung up.
    EndOfStream,
}

impl Error {
    /// Whether it says only that the conversation is over, which is no failure of a handler.
    fn is_the_end(&self) -> bool {
        matches!(
            self,
            Error::Disconnected(_) | Error::Protocol(_) | Error::Closed
        )
    }
}

/// Whether an error says only that the conversation is over, or was caused by one that does, however
/// it is wrapped: in an `io::Error`; in an error of the user's that names it as its source; or in one
/// that hides it and repeats its words, as `anyhow`'s does. `words` are those that this conversation's
/// end has.
pub(crate) fn is_the_end(error: &(dyn std::error::Error + 'static), words: &[String]) -> bool {
    /// More would be no chain that anybody has made on purpose.
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
            // Its `source` is already that of the error inside.
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
            DisconnectReason::Handshake => "the handshake took too long",
            DisconnectReason::NoPong => "no pong came in time",
            DisconnectReason::Idle => "nothing came in time",
            DisconnectReason::Unfinished => "the rest of a message did not come in time",
            DisconnectReason::Write => "nothing that was sent was taken in time",
            DisconnectReason::Evicted => "evicted, its queue was full",
            DisconnectReason::Crowded => "evicted, all queues together were full",
            DisconnectReason::Incoming => "too much memory was held for incoming messages",
            DisconnectReason::Close => "its close did not come in time",
            DisconnectReason::Cut => "the server stopped",
            DisconnectReason::Aborted => "aborted by this side",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Disconnected(disconnect_reason) => {
                write!(f, "connection lost: {disconnect_reason}")
            }
            Error::Protocol(protocol_error) => {
                write!(f, "the peer broke the protocol: {protocol_error}")
            }
            Error::Rejected(rejection) => {
                write!(f, "refused with {}: {rejection}", rejection.status())
            }
            Error::Answered => f.write_str("the request was answered with a page"),
            Error::Handshake(error) => write!(f, "handshake failed: {error}"),
            Error::Url(bad) => bad.fmt(f),
            Error::Field(bad) => bad.fmt(f),
            Error::Origin(bad) => bad.fmt(f),
            #[cfg(feature = "tls")]
            Error::Tls(error) => error.fmt(f),
            Error::Proxy(error) => error.fmt(f),
            Error::Send(send_error) => send_error.fmt(f),
            Error::Closed => f.write_str("the conversation is over"),
            Error::Dropped => f.write_str("the client's queue is full: message dropped"),
            Error::Io(error) => error.fmt(f),
        }
    }
}

/// `Display` tells the cause as well, so that one line says it all. What comes next in the chain is
/// therefore what stands behind the cause, and nothing is printed twice.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => error.source(),
            #[cfg(feature = "tls")]
            Error::Tls(error) => error.source(),
            // These have no cause of their own.
            Error::Disconnected(_)
            | Error::Protocol(_)
            | Error::Rejected(_)
            | Error::Answered
            | Error::Handshake(_)
            | Error::Url(_)
            | Error::Field(_)
            | Error::Origin(_)
            | Error::Proxy(_)
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
        Error::Field(bad)
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

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}

/// An `io::Error` that holds an [`Error`] is that one again.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        error.downcast::<Error>().unwrap_or_else(Error::Io)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::InvalidUrl(url) => {
                write!(f, "no http:// URL of a proxy: \"{}\"", Escaped::Text(url))
            }
            ProxyError::Status { status, reason } => {
                write!(f, "the proxy answered {status} {}", Escaped::Text(reason))
            }
            ProxyError::InvalidResponse(error) => write!(f, "bad answer of the proxy: {error}"),
            ProxyError::EndOfStream => f.write_str("the proxy hung up"),
        }
    }
}

impl std::error::Error for ProxyError {}
