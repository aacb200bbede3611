//! Whom a client believes.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::error::TlsError;
use super::session::TlsSession;
use super::{ALPN, certificates, provider};

/// A client's side of TLS: whose certificates it believes. There is no way to believe all of them,
/// and none to leave the name unchecked.
///
/// TLS 1.3 and 1.2, resumption, no early data, ALPN `http/1.1`. Cheap to clone; clones, and all
/// connections of one, share what they need to resume.
///
/// ```no_run
/// // An authority of one's own, beside those that browsers know.
/// let tls = stentor::TlsClient::trusting(&std::fs::read("our-authority.pem")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Believes the authorities that Mozilla does, as `webpki-roots` lists them.
    ///
    /// # Errors
    /// [`TlsError::Rustls`] where the cryptography cannot be had.
    pub fn new() -> Result<TlsClient, TlsError> {
        TlsClient::with_roots(mozillas())
    }

    /// Believes those, and these certificates in PEM: of authorities, or of a server that has signed
    /// its own.
    ///
    /// # Errors
    /// Where there is none, or one is broken.
    pub fn trusting(pem: &[u8]) -> Result<TlsClient, TlsError> {
        TlsClient::with_roots(extended(mozillas(), pem)?)
    }

    /// Believes these certificates in PEM, and nobody else.
    ///
    /// # Errors
    /// Where there is none, or one is broken.
    pub fn trusting_only(pem: &[u8]) -> Result<TlsClient, TlsError> {
        TlsClient::with_roots(extended(RootCertStore::empty(), pem)?)
    }

    /// With a configuration of one's own: client certificates, pinned keys, the system's roots.
    /// Its ALPN must be empty or have `http/1.1`.
    pub fn from_config(config: Arc<ClientConfig>) -> TlsClient {
        TlsClient { config }
    }

    /// What a connection has that was not told otherwise: one for all, so that sessions are resumed.
    pub(crate) fn usual() -> Result<TlsClient, TlsError> {
        static USUAL: OnceLock<TlsClient> = OnceLock::new();
        match USUAL.get() {
            Some(usual) => Ok(usual.clone()),
            None => {
                // Two at once may make one each; one of them is kept.
                let made = TlsClient::new()?;
                Ok(USUAL.get_or_init(|| made).clone())
            }
        }
    }

    /// A session with the server of this name: a host's, or an address, without brackets.
    pub(crate) fn session(&self, host: &str) -> Result<TlsSession, TlsError> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| TlsError::InvalidName(host.to_owned()))?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name)?;
        Ok(TlsSession::new(connection.into()))
    }

    fn with_roots(roots: RootCertStore) -> Result<TlsClient, TlsError> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(TlsClient::from_config(Arc::new(config)))
    }
}

fn mozillas() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

fn extended(mut roots: RootCertStore, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}
