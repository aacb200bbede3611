//! Replaces TLS if the feature is off: types without a value, so that other code need not check
//! whether the feature is on.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, IoSlice};
use std::time::Instant;

use rustix::io::Result;

use crate::net::system::SocketRef;

#[cfg(feature = "server")]
#[derive(Debug, Clone)]
pub(crate) struct TlsServer(Infallible);

#[cfg(feature = "client")]
#[derive(Debug, Clone)]
pub(crate) struct TlsClient(Infallible);

/// The error of a connection that requests TLS.
#[derive(Debug)]
pub(crate) struct TlsError;

#[derive(Debug)]
pub(crate) struct TlsSession(Infallible);

#[cfg(feature = "server")]
impl TlsServer {
    pub(crate) fn session(&self) -> std::result::Result<TlsSession, TlsError> {
        match self.0 {}
    }
}

#[cfg(feature = "client")]
impl TlsClient {
    pub(crate) fn usual() -> std::result::Result<TlsClient, TlsError> {
        Err(TlsError)
    }

    pub(crate) fn session(&self, _: &str) -> std::result::Result<TlsSession, TlsError> {
        match self.0 {}
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wss:// needs the feature `tls`: this library was built without it")
    }
}

impl From<TlsError> for crate::Error {
    fn from(error: TlsError) -> crate::Error {
        crate::Error::Io(io::Error::new(io::ErrorKind::Unsupported, error))
    }
}

impl std::error::Error for TlsError {}

#[cfg_attr(
    stentor_model,
    allow(dead_code, reason = "the model's socket never has one")
)]
impl TlsSession {
    #[cfg(feature = "server")]
    pub(crate) fn receive_first(&self, _: Vec<u8>) {
        match self.0 {}
    }

    pub(crate) fn send(&self, _: SocketRef<'_>, _: &[IoSlice<'_>]) -> Result<usize> {
        match self.0 {}
    }

    #[cfg(feature = "server")]
    pub(crate) fn committed(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn receive(&self, _: SocketRef<'_>, _: &mut Vec<u8>) -> Result<usize> {
        match self.0 {}
    }

    pub(crate) fn wait_for_plaintext(&self, _: SocketRef<'_>, _: Option<Instant>) -> bool {
        match self.0 {}
    }

    pub(crate) fn holds_plaintext(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn shut_write(&self, _: SocketRef<'_>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn failure(&self) -> Option<TlsError> {
        match self.0 {}
    }
}
