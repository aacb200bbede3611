//! The errors of redirects.

use std::fmt;

/// Why a redirect was not followed. URLs are shown without their queries, and in at most 256 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectError {
    /// More redirects than the limit.
    TooMany {
        /// The limit.
        limit: usize,
        /// The last URL of the chain, which was not requested.
        url: String,
    },
    /// A redirect to a URL that was requested already.
    Loop {
        /// That URL, the last one of the chain.
        url: String,
    },
    /// A redirect to a server that is not allowed.
    NotAllowed {
        /// The URL, which was not requested.
        url: String,
    },
    /// A redirect from `wss` to `ws`: the connection would lose its encryption.
    Insecure {
        /// The URL, which was not requested.
        url: String,
    },
    /// A redirect without a `Location`, with several, or with one that is not a URL of a WebSocket.
    InvalidLocation {
        /// The URL whose response is a redirect.
        url: String,
    },
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedirectError::TooMany { limit, url } => {
                write!(f, "more than {limit} redirects: {url} was not requested")
            }
            RedirectError::Loop { url } => {
                write!(f, "redirects in a loop: {url} was requested already")
            }
            RedirectError::NotAllowed { url } => {
                write!(
                    f,
                    "redirect to {url}, and redirects to this server are not allowed"
                )
            }
            RedirectError::Insecure { url } => {
                write!(f, "redirect from wss:// to {url} without encryption")
            }
            RedirectError::InvalidLocation { url } => {
                write!(f, "redirect by {url} without one valid Location")
            }
        }
    }
}

impl std::error::Error for RedirectError {}
