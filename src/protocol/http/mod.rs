//! The parts of HTTP that both sides of a handshake use.

#[macro_use]
mod invalid;

#[cfg(feature = "deflate")]
pub(crate) mod extensions;

pub(crate) mod head;

pub(crate) mod host;

pub(crate) mod url;

pub(crate) mod origin;

pub(crate) mod text;

#[cfg(any(feature = "server", all(feature = "client", feature = "tls"), test))]
pub(crate) mod words;

pub(crate) mod body;

pub(crate) mod redacted;
