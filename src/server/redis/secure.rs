//! A connection to Redis with TLS, which never blocks once its handshake is done.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustls::ClientConnection;

use crate::net::sync::Instant;
use crate::net::tls::TlsClient;

pub(super) struct Secure {
    pub(super) tcp: TcpStream,
    connection: Box<ClientConnection>,
    /// There may be decrypted bytes that were not read.
    pub(super) may_have_input: bool,
}

/// The most bytes that are encrypted before the kernel takes them.
const BUFFERED: usize = 64 * 1024;

impl Secure {
    /// Performs the handshake with the server of this name within this time.
    ///
    /// # Errors
    /// If the certificate is not trusted, or the other side does not answer as TLS does.
    pub(super) fn connect(
        tls: &TlsClient,
        host: &str,
        tcp: TcpStream,
        timeout: Duration,
    ) -> io::Result<Secure> {
        let mut connection = tls.connection(host).map_err(io::Error::other)?;
        connection.set_buffer_limit(Some(BUFFERED));
        let mut secure = Secure {
            tcp,
            connection: Box::new(connection),
            may_have_input: true,
        };
        secure.handshake(timeout).map_err(explained)?;
        Ok(secure)
    }

    fn handshake(&mut self, timeout: Duration) -> io::Result<()> {
        let began = Instant::now();
        while self.connection.is_handshaking() {
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.tcp.set_read_timeout(Some(left))?;
            self.tcp.set_write_timeout(Some(left))?;
            if self.connection.wants_write() {
                self.connection.write_tls(&mut self.tcp)?;
                continue;
            }
            match self.connection.read_tls(&mut self.tcp) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.decrypt()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Encrypts bytes, and sends those that the kernel takes. Returns how many were encrypted; the rest of those that
    /// were not sent waits here.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let written = self.connection.writer().write(bytes)?;
        match written {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            _ => self.flush().map(|()| written),
        }
    }

    /// Sends the encrypted bytes that the kernel takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.tcp) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns whether encrypted bytes wait for the kernel.
    pub(super) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Reads decrypted bytes; an error of the kind `WouldBlock` if there are none, and 0 at the end of the stream.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.may_have_input = true;
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Without TLS's own end, the connection was cut: the session makes no difference.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            match self.connection.read_tls(&mut self.tcp) {
                Ok(_) => self.decrypt()?,
                Err(error) => {
                    self.may_have_input = error.kind() == io::ErrorKind::Interrupted;
                    return Err(error);
                }
            }
        }
    }

    fn decrypt(&mut self) -> io::Result<()> {
        let result = self.connection.process_new_packets();
        result.map(drop).map_err(|error| {
            // The other side learns the reason.
            let _ = self.connection.write_tls(&mut self.tcp);
            io::Error::new(io::ErrorKind::InvalidData, error)
        })
    }
}

/// Returns the error of a handshake with a remedy.
fn explained(error: io::Error) -> io::Error {
    let rustls = error.get_ref();
    let rustls = rustls.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let remedy = match (rustls, error.kind()) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => {
            "trust the authority of its certificate with Redis::tls, and use a name that is in the certificate"
        }
        (Some(rustls::Error::InvalidMessage(_)), _) => {
            "the port is not one for TLS, perhaps: then write redis://"
        }
        (Some(_), _) => "see the settings of TLS in Redis",
        _ => "the port is not one for TLS, perhaps: then write redis://, or see the log of Redis",
    };
    let kind = error.kind();
    let error = match kind {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(
        kind,
        format!("the TLS handshake has failed: {error}: {remedy}"),
    )
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure")
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}
