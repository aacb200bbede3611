//! Why there is no TLS.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustls::InconsistentKeys;
use rustls::pki_types::pem;

use crate::protocol::http::text::{Escaped, shown};

/// Why a certificate, a key or a set of roots cannot be used, or a session did not come about.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    File(PathBuf, io::Error),
    /// A file can be read, but not used.
    Unusable(PathBuf, Box<TlsError>),
    /// There is no certificate in what should have some.
    NoCertificate,
    /// There is no private key in what should have one: one that needs a passphrase is none.
    NoKey,
    /// It looks like PEM, and is broken.
    Pem(String),
    /// Made from no files: there is nothing to read again.
    NoFiles,
    /// What neither is a host's name nor an address, where one was to be proved.
    InvalidName(String),
    /// The peer speaks something else.
    NotTls,
    /// What rustls says: a key that is not the certificate's, a certificate that is not to be
    /// believed, a peer that does not believe ours.
    Rustls(rustls::Error),
}

impl TlsError {
    pub(super) fn pem(error: pem::Error) -> TlsError {
        TlsError::Pem(error.to_string())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::File(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::Unusable(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::NoCertificate => f.write_str("no certificate in the PEM"),
            TlsError::NoKey => f.write_str("no private key in the PEM, or one with a passphrase"),
            TlsError::Pem(error) => write!(f, "broken PEM: {error}"),
            TlsError::NoFiles => f.write_str("made from no files: nothing to read again"),
            TlsError::InvalidName(name) => {
                write!(
                    f,
                    "\"{}\" is no name that TLS can prove",
                    Escaped::Text(name)
                )
            }
            TlsError::NotTls => f.write_str("the peer does not speak TLS"),
            TlsError::Rustls(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                f.write_str("the key is not the certificate's")
            }
            // It may name all that the peer's certificate is valid for.
            TlsError::Rustls(error) => write!(f, "TLS: {}", shown(error)),
        }
    }
}

/// `Display` tells the cause as well: what comes next in the chain stands behind that.
impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TlsError::File(_, error) => error.source(),
            TlsError::Unusable(_, error) => error.source(),
            TlsError::Rustls(error) => error.source(),
            _ => None,
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> TlsError {
        TlsError::Rustls(error)
    }
}

impl From<TlsError> for crate::Error {
    fn from(error: TlsError) -> crate::Error {
        crate::Error::Tls(error)
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> io::Error {
        match error {
            TlsError::File(_, ref cause) => io::Error::new(cause.kind(), error),
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}
