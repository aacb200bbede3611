//! TLS without a proxy, for servers and clients: the certificate of a server, and the certificates that
//! a client trusts. With the feature `tls`.
//!
//! ```no_run
//! use stentor::tls::{TlsClient, TlsServer};
//!
//! let tls = TlsServer::from_files("fullchain.pem", "privkey.pem")?;
//! let server = stentor::Server::builder().listen("[::]:443").tls(tls).build()?;
//!
//! let tls = TlsClient::trusting(&std::fs::read("our-authority.pem")?)?;
//! let socket = stentor::Connector::new().tls(tls).connect("wss://chat.example.com/")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For more than that, such as client certificates, [`unversioned`] accepts a configuration of rustls.

#[doc(inline)]
pub use crate::error::tls::TlsError;
#[cfg(any(feature = "client", feature = "redis"))]
#[doc(inline)]
pub use crate::net::tls::TlsClient;
#[cfg(feature = "server")]
#[doc(inline)]
pub use crate::net::tls::TlsServer;

pub mod unversioned {
    //! The types of rustls. This module may change with any release of Stentor, as rustls does: a new
    //! version of rustls is not a new major version here.

    use std::sync::Arc;

    use super::TlsError;

    #[doc(no_inline)]
    pub use rustls;

    /// Makes a server's side of TLS from a configuration of your own: several names, client certificates,
    /// other cryptography. Its ALPN must be empty or have `http/1.1`.
    ///
    /// # Errors
    /// If no connection can be made with it.
    #[cfg(feature = "server")]
    pub fn server(config: Arc<rustls::ServerConfig>) -> Result<super::TlsServer, TlsError> {
        super::TlsServer::from_config(config)
    }

    /// Makes a client's side of TLS from a configuration of your own: client certificates, pinned keys.
    /// Its ALPN must be empty or have `http/1.1`.
    #[cfg(any(feature = "client", feature = "redis"))]
    pub fn client(config: Arc<rustls::ClientConfig>) -> super::TlsClient {
        super::TlsClient::from_config(config)
    }

    /// Returns the error of rustls behind an error, if there is one: a key that does not match the
    /// certificate, a certificate that is not trusted, a peer that does not trust ours.
    pub fn cause(error: &TlsError) -> Option<&rustls::Error> {
        error.rustls()
    }
}
