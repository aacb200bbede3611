//! TLS for tests, by rustls itself and a certificate made for the run: so that no test trusts the
//! session that it tests.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use rustix::event::{PollFd, PollFlags, poll};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
    SupportedProtocolVersion,
};
use stentor::tls::TlsServer;

use super::peer::dial;

pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Identity {
    /// A self-signed one, for these names.
    pub(crate) fn of(names: &[&str]) -> Identity {
        Identity::with(names, |_| {})
    }

    /// The same, with something changed.
    pub(crate) fn with(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// The one of all servers that need none of their own.
    pub(crate) fn common() -> &'static Identity {
        static COMMON: OnceLock<Identity> = OnceLock::new();
        COMMON.get_or_init(|| Identity::of(&["localhost", "127.0.0.1", "::1"]))
    }

    pub(crate) fn server(&self) -> TlsServer {
        TlsServer::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A server's configuration for rustls itself.
    pub(crate) fn server_config(&self) -> ServerConfig {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap()
    }

    /// A client's configuration that trusts only this certificate.
    pub(crate) fn believer(&self) -> ClientConfig {
        self.believer_with(rustls::ALL_VERSIONS)
    }

    /// The same, with these TLS versions.
    pub(crate) fn believer_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        roots.add(certificate).unwrap();
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// A TLS connection to a server with the common certificate; nothing is sent on it yet.
pub(crate) fn secure(stream: TcpStream) -> Secure {
    secure_as(stream, Identity::common().believer())
}

/// The same, with an own configuration.
pub(crate) fn secure_as(stream: TcpStream, config: ClientConfig) -> Secure {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(session, stream)
}

/// A plain connection to a server with TLS: all bytes sent at this end are encrypted on the way,
/// and either side's end is passed on as such.
pub(crate) fn tunnel(address: SocketAddr) -> TcpStream {
    tunnel_on(dial(address))
}

/// The same on an existing connection.
pub(crate) fn tunnel_on(wire: TcpStream) -> TcpStream {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let outside = dial(socket.local_addr().unwrap());
    let (inside, _) = socket.accept().unwrap();
    thread::spawn(move || dig(&inside, secure(wire)));
    outside
}

/// Carries bytes both ways until both sides have ended.
fn dig(mut plain: &TcpStream, mut tls: Secure) {
    tls.sock.set_nonblocking(true).unwrap();
    plain.set_read_timeout(None).unwrap();
    let (mut hears, mut speaks) = (true, true);
    let mut chunk = vec![0; 64 * 1024];
    while hears || speaks || tls.conn.wants_write() {
        let mut of_wire = PollFlags::empty();
        of_wire.set(PollFlags::IN, hears);
        of_wire.set(PollFlags::OUT, tls.conn.wants_write());
        // Behind the handshake, for the end is part of the encrypted stream.
        let may_speak = !tls.conn.is_handshaking() && !tls.conn.wants_write();
        let of_plain = match speaks && may_speak {
            true => PollFlags::IN,
            false => PollFlags::empty(),
        };
        let mut polled = [
            PollFd::new(&tls.sock, of_wire),
            PollFd::new(&plain, of_plain),
        ];
        poll(&mut polled, None).unwrap();
        let is_spoken = polled[1]
            .revents()
            .intersects(PollFlags::IN | PollFlags::HUP);
        if is_spoken && !of_plain.is_empty() {
            match plain.read(&mut chunk) {
                Ok(read @ 1..) => tls.conn.writer().write_all(&chunk[..read]).unwrap(),
                _ => {
                    tls.conn.send_close_notify();
                    speaks = false;
                }
            }
        }
        if tls.conn.wants_write()
            && matches!(tls.conn.write_tls(&mut tls.sock), Err(error) if error.kind() != ErrorKind::WouldBlock)
        {
            break;
        }
        if !speaks && !tls.conn.wants_write() {
            let _ = tls.sock.shutdown(Shutdown::Write);
        }
        if !hears {
            continue;
        }
        match tls.conn.read_tls(&mut tls.sock) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
            Ok(_) => {
                if tls.conn.process_new_packets().is_err() {
                    let _ = tls.conn.write_tls(&mut tls.sock);
                    break;
                }
            }
        }
        hears = loop {
            match tls.conn.reader().read(&mut chunk) {
                Ok(0) => break false,
                Ok(read) => {
                    if plain.write_all(&chunk[..read]).is_err() {
                        // There is no reader any more.
                        return;
                    }
                }
                Err(error) => break error.kind() == ErrorKind::WouldBlock,
            }
        };
        if !hears {
            let _ = plain.shutdown(Shutdown::Write);
        }
    }
    let _ = plain.shutdown(Shutdown::Both);
}
