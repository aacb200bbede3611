//! TLS, around any stream, on either side: what a [server](TlsServer) shows, whom a
//! [client](TlsClient) believes, and the session between the socket and its outbox.
//!
//! Records, keys and certificates are rustls's business, with ring's cryptography: TLS 1.3 and 1.2, no
//! renegotiation, no early data. All that is said here is when it may touch the socket: a session
//! never blocks while it is locked, holds back at most one record, and promises what a plain
//! socket promises, so that deadlines, queues and policies hold for both alike.

mod client;

mod error;

mod server;

mod session;

pub use client::TlsClient;
pub use error::TlsError;
pub use server::TlsServer;

pub(crate) use session::TlsSession;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The protocol that a WebSocket's handshake is written in (RFC 7301): no HTTP/2 here.
const ALPN: &[u8] = b"http/1.1";

/// Named, so that whatever else the program uses rustls for has no say in it.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// All certificates of a PEM file, which must have one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(TlsError::pem)?;
    match certificates.is_empty() {
        true => Err(TlsError::NoCertificate),
        false => Ok(certificates),
    }
}

/// The first private key of a PEM file: PKCS #8, PKCS #1 or SEC 1.
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::NoKey,
        other => TlsError::pem(other),
    })
}
