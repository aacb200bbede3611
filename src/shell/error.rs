//! What can go wrong for the user of a client or a server.

use std::fmt;
use std::io;

use crate::protocol::{
    BadField, BadOrigin, BadUrl, HandshakeError, Refusal, Unsupported, Violation,
};

#[cfg(feature = "tls")]
use super::tls::TlsError;

/// Why a call on a client did not do what it was asked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer is gone without the goodbye of its version; says how it was noticed.
    Lost(Loss),
    /// The peer broke a rule; it was told the close code that its version has for it.
    Violation(Violation),
    /// The peer's request was refused; it was told the status and the reason.
    Refused(Refusal),
    /// The peer asked for a page and got one: no conversation follows.
    Answered,
    /// We asked, and the server has refused, or has answered what breaks the version's rules.
    Handshake(Box<HandshakeError>),
    /// What was to be connected to is no WebSocket URL.
    Url(BadUrl),
    /// A field, a cookie or a subprotocol that was to go along cannot be sent.
    Field(BadField),
    /// What was to be asked from is no origin.
    Origin(BadOrigin),
    /// There is no TLS with the server: it does not prove to be the one that was asked for, above all.
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// There is no way through the proxy.
    Proxy(ProxyError),
    /// What was asked for cannot be sent; nothing was.
    Unsupported(Unsupported),
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
pub enum Loss {
    /// The stream ended, or was reset.
    EndOfStream,
    /// The handshake was not complete in time.
    Handshake,
    /// No pong came in time.
    NoPong,
    /// Nothing at all came in time.
    Idle,
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
    BadUrl(String),
    /// The proxy answered with another status than 200: 407 wants a user's name and password, 403
    /// does not let anybody through to there.
    Status {
        /// The status.
        status: u16,
        /// The words behind it.
        reason: String,
    },
    /// The proxy's answer was no HTTP answer, or had a head above 16 KiB.
    BadAnswer,
    /// The proxy hung up.
    EndOfStream,
}

impl Error {
    /// Whether it says only that the conversation is over, which is no failure of a handler.
    pub(crate) fn is_the_end(&self) -> bool {
        matches!(self, Error::Lost(_) | Error::Violation(_) | Error::Closed)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::EndOfStream => "the stream ended",
            Loss::Handshake => "the handshake took too long",
            Loss::NoPong => "no pong came in time",
            Loss::Idle => "nothing came in time",
            Loss::Write => "nothing that was sent was taken in time",
            Loss::Evicted => "evicted, its queue was full",
            Loss::Crowded => "evicted, all queues together were full",
            Loss::Incoming => "too much memory was held for incoming messages",
            Loss::Close => "its close did not come in time",
            Loss::Cut => "the server stopped",
            Loss::Aborted => "aborted by this side",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Lost(loss) => write!(f, "connection lost: {loss}"),
            Error::Violation(violation) => write!(f, "the peer broke the protocol: {violation}"),
            Error::Refused(refusal) => write!(f, "refused with {}: {refusal}", refusal.status()),
            Error::Answered => f.write_str("the request was answered with a page"),
            Error::Handshake(error) => write!(f, "handshake failed: {error}"),
            Error::Url(bad) => bad.fmt(f),
            Error::Field(bad) => bad.fmt(f),
            Error::Origin(bad) => bad.fmt(f),
            #[cfg(feature = "tls")]
            Error::Tls(error) => error.fmt(f),
            Error::Proxy(error) => error.fmt(f),
            Error::Unsupported(unsupported) => unsupported.fmt(f),
            Error::Closed => f.write_str("the conversation is over"),
            Error::Dropped => f.write_str("the client's queue is full: message dropped"),
            Error::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Violation(violation) => Some(violation),
            Error::Refused(refusal) => Some(refusal),
            Error::Handshake(error) => Some(error),
            Error::Url(bad) => Some(bad),
            Error::Field(bad) => Some(bad),
            Error::Origin(bad) => Some(bad),
            #[cfg(feature = "tls")]
            Error::Tls(error) => Some(error),
            Error::Proxy(error) => Some(error),
            Error::Unsupported(unsupported) => Some(unsupported),
            Error::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Unsupported> for Error {
    fn from(unsupported: Unsupported) -> Self {
        Error::Unsupported(unsupported)
    }
}

impl From<BadUrl> for Error {
    fn from(bad: BadUrl) -> Self {
        Error::Url(bad)
    }
}

impl From<BadField> for Error {
    fn from(bad: BadField) -> Self {
        Error::Field(bad)
    }
}

impl From<BadOrigin> for Error {
    fn from(bad: BadOrigin) -> Self {
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

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::BadUrl(url) => {
                write!(f, "no http:// URL of a proxy: \"{}\"", url.escape_debug())
            }
            ProxyError::Status { status, reason } => {
                write!(f, "the proxy answered {status} {}", reason.escape_debug())
            }
            ProxyError::BadAnswer => f.write_str("the proxy's answer was no HTTP answer"),
            ProxyError::EndOfStream => f.write_str("the proxy hung up"),
        }
    }
}

impl std::error::Error for ProxyError {}
