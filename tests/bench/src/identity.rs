//! The certificate that all servers use, with the TLS configuration of both sides.

use std::io::{self, Read};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::HandlerResult;

/// A self-signed certificate, followed by its key: PEM.
pub(crate) struct Identity(String);

impl Identity {
    /// Makes a new one, for 127.0.0.1.
    pub(crate) fn make() -> HandlerResult<Identity> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Identity(certificate + &key.serialize_pem()))
    }

    /// Reads the one that was given to this process.
    pub(crate) fn given() -> io::Result<Identity> {
        let mut pem = String::new();
        io::stdin().read_to_string(&mut pem)?;
        Ok(Identity(pem))
    }

    pub(crate) fn pem(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns a server's configuration, as the servers other than Stentor need it.
    pub(crate) fn server(&self) -> io::Result<Arc<ServerConfig>> {
        let certificate = CertificateDer::from_pem_slice(self.pem()).map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_slice(self.pem()).map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate], key)
            });
        config.map(Arc::new).map_err(io::Error::other)
    }

    /// Returns a client configuration that trusts this certificate.
    pub(crate) fn believer(&self) -> HandlerResult<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem())?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
