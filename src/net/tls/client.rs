//! The certificates that a client trusts.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

#[cfg(feature = "client")]
use super::session::TlsSession;
use super::{ALPN, certificates, provider};
use crate::error::tls::{Cause, TlsError};

/// A client's side of TLS: the certificates that it trusts, at a WebSocket server or at a Redis. There is no way to trust all of them,
/// or to leave the name unchecked.
///
/// TLS 1.3 and 1.2, resumption, no early data, ALPN `http/1.1`. Cheap to clone; clones, and all
/// connections of one, share the session data that they need to resume.
///
/// ```no_run
/// // A private authority, beside those that browsers trust.
/// let tls = stentor::tls::TlsClient::trusting(&std::fs::read("our-authority.pem")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Trusts the authorities that Mozilla trusts, as `webpki-roots` lists them.
    ///
    /// # Errors
    /// If the cryptography is not available.
    pub fn new() -> Result<TlsClient, TlsError> {
        TlsClient::with_roots(mozillas())
    }

    /// Trusts the authorities of [`new`](TlsClient::new), and these certificates in PEM: of
    /// authorities, or of a server with a self-signed certificate.
    ///
    /// # Errors
    /// If there is no certificate, or one is invalid.
    pub fn trusting(pem: &[u8]) -> Result<TlsClient, TlsError> {
        TlsClient::with_roots(extended(mozillas(), pem)?)
    }

    /// Trusts these certificates in PEM, and no others.
    ///
    /// # Errors
    /// If there is no certificate, or one is invalid.
    pub fn trusting_only(pem: &[u8]) -> Result<TlsClient, TlsError> {
        TlsClient::with_roots(extended(RootCertStore::empty(), pem)?)
    }

    /// Trusts the authorities that the system trusts, and no others: among them may be a company's own.
    /// With the feature `native-roots`. They are read once, in this call.
    ///
    /// On Linux and the BSDs these are the files where OpenSSL looks for them; the variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them. Certificates that cannot be read or parsed are
    /// left out.
    ///
    /// ```no_run
    /// let tls = stentor::tls::TlsClient::native()?;
    /// let connector = stentor::Connector::new().tls(tls);
    /// # Ok::<(), stentor::tls::TlsError>(())
    /// ```
    ///
    /// # Errors
    /// If the system has no certificate that can be used.
    #[cfg(feature = "native-roots")]
    pub fn native() -> Result<TlsClient, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        match roots.is_empty() {
            true => {
                let error = found.errors.first().map(ToString::to_string);
                Err(Cause::NoSystemRoots(error).into())
            }
            false => TlsClient::with_roots(roots),
        }
    }

    pub(crate) fn from_config(config: Arc<ClientConfig>) -> TlsClient {
        TlsClient { config }
    }

    /// Returns the default client, one for all connections, so that sessions are resumed.
    pub(crate) fn usual() -> Result<TlsClient, TlsError> {
        static USUAL: OnceLock<TlsClient> = OnceLock::new();
        match USUAL.get() {
            Some(usual) => Ok(usual.clone()),
            None => {
                // Two threads at once may make one each; one of them is kept.
                let made = TlsClient::new()?;
                Ok(USUAL.get_or_init(|| made).clone())
            }
        }
    }

    /// Creates a session with the server of this name: a host name, or an address without brackets.
    #[cfg(feature = "client")]
    pub(crate) fn session(&self, host: &str) -> Result<TlsSession, TlsError> {
        let connection = connection(&self.config, host)?;
        Ok(TlsSession::new(connection.into()))
    }

    /// Creates a connection with the server of this name, for another protocol than HTTP.
    #[cfg(feature = "redis")]
    pub(crate) fn connection(&self, host: &str) -> Result<ClientConnection, TlsError> {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols.clear();
        connection(&Arc::new(config), host)
    }

    fn with_roots(roots: RootCertStore) -> Result<TlsClient, TlsError> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Cause::Rustls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(TlsClient::from_config(Arc::new(config)))
    }
}

fn connection(config: &Arc<ClientConfig>, host: &str) -> Result<ClientConnection, TlsError> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| Cause::InvalidName(host.to_owned()))?;
    let connection = ClientConnection::new(Arc::clone(config), name);
    Ok(connection.map_err(Cause::Rustls)?)
}

fn mozillas() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

fn extended(mut roots: RootCertStore, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(Cause::Rustls)?;
    }
    Ok(roots)
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}
