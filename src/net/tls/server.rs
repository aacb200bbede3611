//! What a server shows of itself: its certificate, and that it has the key.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::error::TlsError;
use super::session::TlsSession;
use super::{ALPN, private_key, provider};

/// A server's side of TLS, for [`ServerBuilder::tls`](crate::ServerBuilder::tls): its certificate and
/// its key. Cheap to clone; all clones are one, so that one of them, kept, gives a running server
/// its next certificate.
///
/// TLS 1.3 and 1.2, resumption by tickets, no early data, ALPN `http/1.1`.
///
/// ```no_run
/// let tls = stentor::TlsServer::from_files("fullchain.pem", "privkey.pem")?;
/// let server = stentor::Server::builder().tls(tls.clone()).bind("0.0.0.0:443")?;
/// // And when the certificate was renewed:
/// tls.reload()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsServer {
    identity: Arc<Identity>,
}

struct Identity {
    /// The certificates' file, and the key's.
    files: Option<(PathBuf, PathBuf)>,
    config: RwLock<Arc<ServerConfig>>,
}

impl TlsServer {
    /// Reads two files in PEM: the server's certificate with the intermediate ones behind it, as
    /// certbot's `fullchain.pem` has them, and the key (PKCS #8, PKCS #1 or SEC 1, without a
    /// passphrase). Both may be the same file.
    ///
    /// # Errors
    /// Where a file cannot be read, has not what it should have, or the key is not the
    /// certificate's.
    pub fn from_files(
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<TlsServer, TlsError> {
        let (certificates, key) = (certificates.into(), key.into());
        let config = read_files(&certificates, &key)?;
        Ok(TlsServer::new(Some((certificates, key)), config))
    }

    /// The same, of bytes in PEM.
    ///
    /// # Errors
    /// Where something is missing or broken, or the key is not the certificate's.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<TlsServer, TlsError> {
        let chain = super::certificates(certificates)?;
        Ok(TlsServer::new(None, configure(chain, private_key(key)?)?))
    }

    /// With a configuration of one's own: several names, client certificates, other cryptography.
    /// Its ALPN must be empty or have `http/1.1`.
    ///
    /// # Errors
    /// Where no connection can be made with it.
    pub fn from_config(config: Arc<ServerConfig>) -> Result<TlsServer, TlsError> {
        // So that what is wrong with it shows here, and not with each client.
        ServerConnection::new(Arc::clone(&config))?;
        Ok(TlsServer::new(None, config))
    }

    /// Reads the files again, for the connections that come from now on; those that are there keep
    /// what they have. Where that fails, everything stays as it was.
    ///
    /// # Errors
    /// As [`from_files`](TlsServer::from_files), and where it was made from no files: then
    /// [`replace`](TlsServer::replace).
    pub fn reload(&self) -> Result<(), TlsError> {
        let (certificates, key) = self.identity.files.as_ref().ok_or(TlsError::NoFiles)?;
        self.set(read_files(certificates, key)?);
        Ok(())
    }

    /// Shows what `next` shows now, to the connections that come from now on.
    pub fn replace(&self, next: &TlsServer) {
        self.set(next.config());
    }

    /// A session for a connection that was accepted.
    pub(crate) fn session(&self) -> Result<TlsSession, TlsError> {
        let connection = ServerConnection::new(self.config())?;
        Ok(TlsSession::new(connection.into()))
    }

    fn new(files: Option<(PathBuf, PathBuf)>, config: Arc<ServerConfig>) -> TlsServer {
        let config = RwLock::new(config);
        TlsServer {
            identity: Arc::new(Identity { files, config }),
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        let config = self.identity.config.read();
        Arc::clone(&config.unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, next: Arc<ServerConfig>) {
        let config = self.identity.config.write();
        *config.unwrap_or_else(PoisonError::into_inner) = next;
    }
}

fn read_files(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = of_file(certificates, super::certificates)?;
    let secret = of_file(key, private_key)?;
    configure(chain, secret).map_err(|error| TlsError::Unusable(key.into(), Box::new(error)))
}

/// What `parse` finds in a file, or an error that says which file it was.
fn of_file<T>(path: &Path, parse: fn(&[u8]) -> Result<T, TlsError>) -> Result<T, TlsError> {
    let pem = std::fs::read(path).map_err(|error| TlsError::File(path.into(), error))?;
    parse(&pem).map_err(|error| TlsError::Unusable(path.into(), Box::new(error)))
}

fn configure(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // The server remembers nothing of those who may come again, however many they are.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(Arc::new(config))
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("files", &self.identity.files)
            .finish_non_exhaustive()
    }
}
