//! TLS, around any stream, on either side: the certificate of a [server](TlsServer), the
//! certificates that a [client](TlsClient) trusts, and the session between the socket and its send
//! queue.
//!
//! rustls handles records, keys and certificates, with ring's cryptography: TLS 1.3 and 1.2, no
//! renegotiation, no early data. This module decides only when rustls may touch the socket: a session
//! never blocks while it is locked, holds back at most one record, and keeps the promises of a plain
//! socket, so that timeouts, queues and policies hold for both alike.

#[cfg(any(feature = "client", feature = "redis"))]
mod client;

#[cfg(feature = "server")]
mod server;

mod session;

#[cfg(any(feature = "client", feature = "redis"))]
pub use client::TlsClient;
#[cfg(feature = "server")]
pub use server::TlsServer;

pub(crate) use session::TlsSession;

use std::sync::Arc;

use crate::error::tls::Cause;
pub(crate) use crate::error::tls::TlsError;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
#[cfg(feature = "server")]
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// The ALPN name of the WebSocket handshake's protocol (RFC 7301): no HTTP/2 here.
const ALPN: &[u8] = b"http/1.1";

/// Returns a fixed provider, independent of the program's other uses of rustls.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Returns all certificates of a PEM file, which must have at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(Cause::pem)?;
    match certificates.is_empty() {
        true => Err(Cause::NoCertificate.into()),
        false => Ok(certificates),
    }
}

/// Returns the first private key of a PEM file: PKCS #8, PKCS #1 or SEC 1.
#[cfg(feature = "server")]
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => Cause::NoKey,
        other => Cause::pem(other),
    });
    Ok(key?)
}
