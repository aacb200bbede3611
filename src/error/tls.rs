//! The errors of TLS.

use std::fmt;
use std::io;
#[cfg(feature = "server")]
use std::path::PathBuf;

use rustls::InconsistentKeys;
use rustls::pki_types::pem;

#[cfg(any(feature = "client", feature = "redis"))]
use crate::protocol::http::text::Escaped;
#[cfg(feature = "native-roots")]
use crate::protocol::http::words::Words;
use crate::protocol::http::words::shown;

/// Why a certificate, a key or a set of roots cannot be used, or a session was not established.
/// `Display` names the cause.
#[derive(Debug)]
pub struct TlsError(Cause);

#[derive(Debug)]
pub(crate) enum Cause {
    /// A file cannot be read.
    #[cfg(feature = "server")]
    File(PathBuf, io::Error),
    /// A file can be read, but not used.
    #[cfg(feature = "server")]
    Unusable(PathBuf, Box<TlsError>),
    /// The PEM contains no certificate.
    NoCertificate,
    /// The PEM contains no private key, or only one that needs a passphrase.
    #[cfg(feature = "server")]
    NoKey,
    /// The PEM is invalid.
    Pem(String),
    /// The system has no certificate of an authority that can be used; perhaps for this reason.
    #[cfg(feature = "native-roots")]
    NoSystemRoots(Option<String>),
    /// The server's certificate was not read from files: there is nothing to read again.
    #[cfg(feature = "server")]
    NoFiles,
    /// The server's name, which a certificate must prove, is neither a host name nor an address.
    #[cfg(any(feature = "client", feature = "redis"))]
    InvalidName(String),
    /// The peer speaks something else.
    NotTls,
    /// The peer speaks something else: it sends a header of the PROXY protocol.
    ProxyHeader,
    /// An error of rustls: a key that does not match the certificate, a certificate that is not
    /// trusted, a peer that does not trust ours.
    Rustls(rustls::Error),
}

impl TlsError {
    /// Returns the error of rustls, also if a file is named before it.
    pub(crate) fn rustls(&self) -> Option<&rustls::Error> {
        match &self.0 {
            Cause::Rustls(error) => Some(error),
            #[cfg(feature = "server")]
            Cause::Unusable(_, error) => error.rustls(),
            _ => None,
        }
    }

    /// Returns whether another attempt would fail again: a server that is about to restart may send an
    /// alert, or end the stream, but its certificate stays.
    #[cfg(feature = "client")]
    pub(crate) fn is_permanent(&self) -> bool {
        !matches!(self.rustls(), Some(rustls::Error::AlertReceived(_)))
    }
}

impl Cause {
    pub(crate) fn pem(error: pem::Error) -> Cause {
        Cause::Pem(error.to_string())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(feature = "server")]
            Cause::File(path, error) => write!(f, "{}: {error}", path.display()),
            #[cfg(feature = "server")]
            Cause::Unusable(path, error) => write!(f, "{}: {error}", path.display()),
            Cause::NoCertificate => f.write_str("no certificate in the PEM"),
            #[cfg(feature = "server")]
            Cause::NoKey => f.write_str("no private key in the PEM, or one with a passphrase"),
            Cause::Pem(error) => write!(f, "invalid PEM: {error}"),
            #[cfg(feature = "native-roots")]
            Cause::NoSystemRoots(error) => {
                f.write_str("the system has no usable certificate of an authority")?;
                match error {
                    Some(error) => write!(f, ": {}", Words(error)),
                    None => Ok(()),
                }
            }
            #[cfg(feature = "server")]
            Cause::NoFiles => f.write_str(
                "the certificate was not read from files: use replace instead of reload",
            ),
            #[cfg(any(feature = "client", feature = "redis"))]
            Cause::InvalidName(name) => {
                write!(
                    f,
                    "\"{}\" is neither a host name nor an address: TLS cannot verify it",
                    Escaped::Text(name)
                )
            }
            Cause::NotTls => f.write_str("the peer does not speak TLS"),
            Cause::ProxyHeader => f.write_str(
                "the peer does not speak TLS, but begins with a header of the PROXY protocol, and is not a \
                 trusted proxy: see ServerBuilder::proxy_protocol",
            ),
            Cause::Rustls(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                f.write_str("the private key does not match the certificate")
            }
            // It may contain all names of the peer's certificate.
            Cause::Rustls(error) => write!(f, "TLS: {}", shown(error)),
        }
    }
}

/// `Display` includes the cause, so the source is the cause's own source.
impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            #[cfg(feature = "server")]
            Cause::File(_, error) => error.source(),
            #[cfg(feature = "server")]
            Cause::Unusable(_, error) => error.source(),
            Cause::Rustls(error) => error.source(),
            _ => None,
        }
    }
}

impl From<Cause> for TlsError {
    fn from(cause: Cause) -> TlsError {
        TlsError(cause)
    }
}

impl From<TlsError> for crate::Error {
    fn from(error: TlsError) -> crate::Error {
        crate::Error::Tls(error)
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> io::Error {
        let kind = match &error.0 {
            #[cfg(feature = "server")]
            Cause::File(_, error) => error.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
