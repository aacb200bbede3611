//! The errors of connections through proxies.

use std::fmt;

use crate::protocol::HandshakeError;
use crate::protocol::http::text::Escaped;

use super::socks::SocksError;

/// The error of a connection through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The text is not the `http://` or `socks5://` URL of a proxy. It is shown without the password.
    InvalidUrl(String),
    /// The proxy's status was not 200 to 299. With 407 the proxy requires a user name and a password, and
    /// with 403 it forbids connections to this server.
    Status {
        /// The status.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// The proxy's response is not HTTP, or exceeds a limit. The limits are those of a server's response.
    InvalidResponse(Box<HandshakeError>),
    /// The SOCKS5 proxy rejected the request, or broke the protocol.
    Socks(SocksError),
    /// The proxy closed the connection.
    EndOfStream,
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
