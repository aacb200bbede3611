//! A non-blocking connection, with or without TLS; by rustls itself, so that the library's own
//! sessions are not tested only with one another.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};
use socket2::SockRef;
use stentor::tls::unversioned::rustls::crypto::ring::default_provider;
use stentor::tls::unversioned::rustls::pki_types::pem::PemObject;
use stentor::tls::unversioned::rustls::pki_types::{CertificateDer, ServerName};
use stentor::tls::unversioned::rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::HandlerResult;

pub(crate) struct Line {
    pub(crate) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

/// The receive buffer: small, so that a client that pauses its reading soon fills the server's
/// queue.
const BUFFER: usize = 8 * 1024;

/// The server's kernel buffers for a client grow with its segments, and the loopback's are of 64
/// KiB: a client that does not read would fill the server's queue only after megabytes.
const SEGMENT: u32 = 1400;

/// Reads of the socket at a time; TLS takes few KiB with each.
const READS: usize = 8;

/// Connects, with small buffers.
pub(crate) fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
    SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    rustix::net::connect(&socket, &address)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Returns a configuration that trusts this certificate; sessions are resumed if possible.
pub(crate) fn believer(certificate: &str) -> HandlerResult<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Line {
    pub(crate) fn plain(address: SocketAddr) -> HandlerResult<Line> {
        let socket = dial(address)?;
        Ok(Line { socket, tls: None })
    }

    pub(crate) fn secure(address: SocketAddr, config: &Arc<ClientConfig>) -> HandlerResult<Line> {
        let name = ServerName::IpAddress(address.ip().into());
        let tls = ClientConnection::new(Arc::clone(config), name)?;
        Ok(Line {
            socket: dial(address)?,
            tls: Some(Box::new(tls)),
        })
    }

    /// Takes some bytes, and sends as many as possible; with TLS, a part may stay buffered here.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(bytes);
        };
        send(tls, &mut self.socket)?;
        match tls.writer().write(bytes)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    /// Sends the buffered bytes: it returns `WouldBlock` while there are some left.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => send(tls, &mut self.socket),
            None => Ok(()),
        }
    }

    /// Appends the bytes that have arrived, and returns their number; 0 at the end, which TLS must
    /// have announced.
    pub(crate) fn read(&mut self, scratch: &mut [u8], input: &mut Vec<u8>) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let read = self.socket.read(scratch)?;
            input.extend_from_slice(&scratch[..read]);
            return Ok(read);
        };
        let before = input.len();
        for _ in 0..READS {
            match tls.read_tls(&mut self.socket) {
                Ok(0) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                read => read?,
            };
            tls.process_new_packets().map_err(io::Error::other)?;
            let _ = drain(tls, scratch, input);
        }
        match drain(tls, scratch, input) {
            // The end comes again at the next turn.
            _ if input.len() > before => Ok(input.len() - before),
            end => end,
        }
    }

    /// Announces the end of this side's output; [`hush`](Line::hush) follows once that is sent.
    pub(crate) fn announce_end(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
    }

    pub(crate) fn hush(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Closes TCP with a reset.
    pub(crate) fn reset(&self) {
        let _ = sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }
}

fn send(tls: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}

/// Takes all decrypted bytes; returns what follows: the end, or nothing yet.
fn drain(tls: &mut ClientConnection, scratch: &mut [u8], out: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match tls.reader().read(scratch) {
            Ok(read @ 1..) => out.extend_from_slice(&scratch[..read]),
            end => return end,
        }
    }
}
