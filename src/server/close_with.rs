//! An error with which a handler closes its connection.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::chain;
use crate::protocol::http::text::Escaped;
use crate::protocol::{CloseCode, CloseFrame};

/// An error with a code and a reason. When a handler returns it, the server closes the connection with them.
/// `?` passes it up from a function at any depth. This is not a failure of the handler: the server does not
/// count it in [`failed_handlers`](super::Counters::failed_handlers). It logs it at debug level only.
///
/// Another error may wrap it: an [`io::Error`], into which it converts, or an error of your own whose
/// `source` returns it. If the connection is closing already, nothing more is sent. Versions without close
/// codes close in their own way, as with [`Client::close`](crate::Client::close).
///
/// A code that [may not be sent](CloseCode::may_be_sent) is a mistake in the handler: the connection is
/// closed with 1011, and the handler has failed.
///
/// ```no_run
/// use stentor::server::CloseWith;
/// use stentor::{CloseCode, Message, Server};
///
/// fn number(message: &Message) -> Result<u64, CloseWith> {
///     let text = message.as_text().ok_or(CloseWith::new(CloseCode::UNSUPPORTED_DATA, "text only"))?;
///     text.parse().map_err(|_| CloseWith::new(4000, "not a number"))
/// }
///
/// Server::bind("127.0.0.1:8000")?.run(|client| {
///     let mut sum = 0_u64;
///     while let Some(message) = client.recv()? {
///         sum = sum.saturating_add(number(&message)?);
///         client.send(sum.to_string())?;
///     }
///     Ok(())
/// })
/// # ; Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseWith(Requested);

/// The source of [`CloseWith`]. Wrappers that hide an error, as `anyhow` does when it becomes a box, show
/// its source: so the frame is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requested(CloseFrame);

impl CloseWith {
    /// Creates the error. `code` is a [`CloseCode`], or a number such as 4000; a reason above 123 bytes is
    /// shortened to fit.
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<String>) -> CloseWith {
        CloseWith(Requested(CloseFrame {
            code: code.into(),
            reason: CloseFrame::cut(reason.into()),
        }))
    }

    /// Returns the code.
    #[inline]
    pub fn code(&self) -> CloseCode {
        self.0.0.code
    }

    /// Returns the reason.
    #[inline]
    pub fn reason(&self) -> &str {
        &self.0.0.reason
    }
}

/// Returns the close frame that an error requests, if it is a [`CloseWith`] or wraps one.
pub(super) fn requested(error: &(dyn Error + 'static)) -> Option<CloseFrame> {
    chain(error).find_map(|error| {
        let own = error.downcast_ref::<CloseWith>().map(|error| &error.0);
        let requested = own.or_else(|| error.downcast_ref::<Requested>())?;
        Some(requested.0.clone())
    })
}

impl fmt::Display for CloseWith {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "close with {}", self.code())?;
        match self.reason() {
            "" => Ok(()),
            reason => write!(f, ": \"{}\"", Escaped::Text(reason)),
        }
    }
}

impl Error for CloseWith {
    #[inline]
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Code and reason are in the text of the error whose source this is.
impl fmt::Display for Requested {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("requested by the handler")
    }
}

impl Error for Requested {}

impl From<CloseWith> for io::Error {
    #[inline]
    fn from(error: CloseWith) -> io::Error {
        io::Error::other(error)
    }
}
