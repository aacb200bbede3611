//! A server's certificate, and the key that proves it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::session::TlsSession;
use super::{ALPN, private_key, provider};
use crate::error::tls::{Cause, TlsError};

/// A server's side of TLS, for [`ServerBuilder::tls`](crate::ServerBuilder::tls): its certificate and
/// its key. Cheap to clone; all clones share them, so a clone that the program keeps gives a running
/// server its next certificate.
///
/// TLS 1.3 and 1.2, resumption by tickets, no early data, ALPN `http/1.1`.
///
/// ```no_run
/// let tls = stentor::tls::TlsServer::from_files("fullchain.pem", "privkey.pem")?;
/// let server = stentor::Server::builder().listen("0.0.0.0:443").tls(tls.clone()).build()?;
/// // Later, when the certificate was renewed:
/// tls.reload()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsServer {
    identity: Arc<Identity>,
}

struct Identity {
    /// The file of the certificates, and the file of the key.
    files: Option<(PathBuf, PathBuf)>,
    config: RwLock<Arc<ServerConfig>>,
}

impl TlsServer {
    /// Reads two files in PEM: the server's certificate with the intermediate ones behind it, as in
    /// certbot's `fullchain.pem`, and the key (PKCS #8, PKCS #1 or SEC 1, without a passphrase). Both
    /// may be the same file.
    ///
    /// # Errors
    /// If a file cannot be read, has no certificate or key, or the key does not match the
    /// certificate.
    pub fn from_files(
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<TlsServer, TlsError> {
        let (certificates, key) = (certificates.into(), key.into());
        let config = read_files(&certificates, &key)?;
        Ok(TlsServer::new(Some((certificates, key)), config))
    }

    /// As [`from_files`](TlsServer::from_files), from bytes in PEM.
    ///
    /// # Errors
    /// If the certificate or the key is missing or invalid, or the key does not match the certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<TlsServer, TlsError> {
        let chain = super::certificates(certificates)?;
        Ok(TlsServer::new(None, configure(chain, private_key(key)?)?))
    }

    /// # Errors
    /// If no connection can be made with it.
    pub(crate) fn from_config(config: Arc<ServerConfig>) -> Result<TlsServer, TlsError> {
        // So that an error in it is reported here, and not for each client.
        ServerConnection::new(Arc::clone(&config)).map_err(Cause::Rustls)?;
        Ok(TlsServer::new(None, config))
    }

    /// Reads the files again, for new connections; existing connections keep their certificate. If
    /// this fails, everything stays as it was.
    ///
    /// # Errors
    /// As [`from_files`](TlsServer::from_files); and if it was not made from files: use
    /// [`replace`](TlsServer::replace) then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let (certificates, key) = self.identity.files.as_ref().ok_or(Cause::NoFiles)?;
        self.set(read_files(certificates, key)?);
        Ok(())
    }

    /// Uses the certificate and the key that `next` has now, for new connections.
    pub fn replace(&self, next: &TlsServer) {
        self.set(next.config());
    }

    /// Creates a session for a connection that was accepted.
    pub(crate) fn session(&self) -> Result<TlsSession, TlsError> {
        let connection = ServerConnection::new(self.config()).map_err(Cause::Rustls)?;
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
    configure(chain, secret).map_err(|error| unusable(key, error))
}

/// Returns the result of `parse` for a file's content; an error names the file.
fn of_file<T>(path: &Path, parse: fn(&[u8]) -> Result<T, TlsError>) -> Result<T, TlsError> {
    let pem = std::fs::read(path).map_err(|error| Cause::File(path.into(), error))?;
    parse(&pem).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: TlsError) -> TlsError {
    Cause::Unusable(path.into(), Box::new(error)).into()
}

fn configure(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(Cause::Rustls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(Cause::Rustls)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // The server stores nothing for clients that may come again, however many they are.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(Cause::Rustls)?;
    Ok(Arc::new(config))
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("files", &self.identity.files)
            .finish_non_exhaustive()
    }
}
