//! A non-blocking connection, with or without TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::HandlerResult;

pub(super) struct Line {
    pub(super) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

/// The most bytes per read of the socket: large, so that few reads are needed.
pub(super) const WIRE: usize = 128 * 1024;

/// The most bytes that are encrypted before the socket takes them.
const AHEAD: usize = 256 * 1024;

impl Line {
    /// Connects. Over the loopback this does not wait for the peer.
    pub(super) fn dial(
        address: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
    ) -> HandlerResult<Line> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let tls = match tls {
            None => None,
            Some(config) => {
                let name = ServerName::IpAddress(address.ip().into());
                let mut tls = ClientConnection::new(Arc::clone(config), name)?;
                tls.set_buffer_limit(Some(AHEAD));
                Some(Box::new(tls))
            }
        };
        Ok(Line { socket, tls })
    }

    /// Reads the bytes that have arrived into `clear`, which has room for twice as much as `wire`.
    pub(super) fn read(&mut self, wire: &mut [u8], clear: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(clear);
        };
        let read = self.socket.read(wire)?;
        let (mut rest, mut used) = (&wire[..read], 0);
        while !rest.is_empty() {
            tls.read_tls(&mut rest)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            match tls.reader().read(&mut clear[used..]) {
                Ok(read) => used += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                error => return error,
            }
        }
        match (read, used) {
            (1.., 0) => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(used),
        }
    }

    /// Takes some bytes, and sends as many as the socket takes; with TLS, the rest stays buffered
    /// here.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(bytes);
        };
        let taken = tls.writer().write(bytes)?;
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Whether bytes are buffered here.
    pub(super) fn holds(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}
