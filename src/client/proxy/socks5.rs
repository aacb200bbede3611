//! Connects through a SOCKS5 proxy (RFC 1928), with a user name and a password if it requires them
//! (RFC 1929).
//!
//! ```text
//!  05 02 00 02 ──>                  version 5, two methods: no authentication, user and password
//!              <── 05 02            user and password, please
//!  01 04 user 08 password ──>
//!              <── 01 00            accepted
//!  05 01 00 03 0b example.com 01bb ──>
//!              <── 05 00 00 01 00000000 0000
//! ```
//!
//! Each part says how long it is, so no byte of the server's is read, and nothing is longer than 255
//! bytes.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};

use super::{late, some_left};
use crate::error::{Error, ProxyError, SocksError};
use crate::net::deadline::Deadline;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const AUTHENTICATION_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
const SUCCESS: u8 = 0;

/// A user name and a password, as the whole message of RFC 1929 §2. They are sent in clear text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials(Vec<u8>);

impl Credentials {
    /// Returns `None` if there is no user name, or if one of both has more than 255 bytes.
    pub(super) fn new(user: &[u8], password: &[u8]) -> Option<Credentials> {
        let mut message = vec![AUTHENTICATION_VERSION, u8::try_from(user.len()).ok()?];
        message.extend_from_slice(user);
        message.push(u8::try_from(password.len()).ok()?);
        message.extend_from_slice(password);
        (!user.is_empty()).then_some(Credentials(message))
    }
}

/// Requests a connection to a server from the proxy at the other end of `stream`. The proxy resolves
/// the server's name.
///
/// # Errors
/// [`Error::Proxy`] if the proxy rejects the request or breaks the protocol, [`Error::Io`] if the timeout
/// passes.
pub(super) fn pass(
    stream: &mut TcpStream,
    credentials: Option<&Credentials>,
    (host, port): (&str, u16),
    limit: Deadline,
) -> Result<(), Error> {
    let request = request(host, port)?;
    let mut proxy = Proxy { stream, limit };
    match credentials {
        None => proxy.write(&[VERSION, 1, NO_AUTHENTICATION])?,
        Some(_) => proxy.write(&[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD])?,
    }
    proxy.read_version()?;
    match (proxy.read_byte()?, credentials) {
        (NO_AUTHENTICATION, _) => {}
        (USER_AND_PASSWORD, Some(credentials)) => proxy.authenticate(credentials)?,
        (NO_METHOD, _) => return Err(SocksError::NoMethod.into()),
        (method, _) => return Err(SocksError::Method(method).into()),
    }
    proxy.write(&request)?;
    proxy.read_reply()
}

/// Returns the request for a connection (RFC 1928 §4).
fn request(host: &str, port: u16) -> Result<Vec<u8>, Error> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            let len = u8::try_from(host.len()).map_err(|_| SocksError::NameTooLong(host.len()))?;
            request.extend([NAME, len]);
            request.extend(host.bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

/// The connection to a proxy, until its time is over.
struct Proxy<'a> {
    stream: &'a mut TcpStream,
    limit: Deadline,
}

impl Proxy<'_> {
    fn authenticate(&mut self, credentials: &Credentials) -> Result<(), Error> {
        self.write(&credentials.0)?;
        match self.read_byte()? {
            AUTHENTICATION_VERSION => {}
            other => return Err(SocksError::AuthenticationVersion(other).into()),
        }
        match self.read_byte()? {
            SUCCESS => Ok(()),
            status => Err(SocksError::Authentication(status).into()),
        }
    }

    /// Reads the whole response to the request (RFC 1928 §6). A rejection is reported at once: the rest
    /// of it has no meaning, and may be missing.
    fn read_reply(&mut self) -> Result<(), Error> {
        self.read_version()?;
        match self.read_byte()? {
            SUCCESS => {}
            code => return Err(SocksError::Reply(code).into()),
        }
        let _reserved = self.read_byte()?;
        // The address from which the proxy has connected: it is of no use here.
        let len = match self.read_byte()? {
            IPV4 => 4,
            IPV6 => 16,
            NAME => usize::from(self.read_byte()?),
            kind => return Err(SocksError::AddressType(kind).into()),
        };
        const PORT: usize = 2;
        self.read(&mut [0; u8::MAX as usize + PORT][..len + PORT])
    }

    /// Reads the first byte of a response. Alone: another protocol's may be short, and wait for more.
    fn read_version(&mut self) -> Result<(), Error> {
        match self.read_byte()? {
            VERSION => Ok(()),
            other => Err(SocksError::Version(other).into()),
        }
    }

    fn read_byte(&mut self) -> Result<u8, Error> {
        let mut byte = [0];
        self.read(&mut byte)?;
        Ok(byte[0])
    }

    fn read(&mut self, mut buffer: &mut [u8]) -> Result<(), Error> {
        while !buffer.is_empty() {
            // Anew for each part: a proxy that sends byte by byte gains no time.
            self.stream.set_read_timeout(some_left(self.limit)?)?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(ProxyError::EndOfStream.into()),
                Ok(read) => buffer = &mut buffer[read..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(error)),
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.set_write_timeout(some_left(self.limit)?)?;
        self.stream.write_all(bytes).map_err(failure)
    }
}

fn failure(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => late().into(),
        // It closed the connection before it had read everything.
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            ProxyError::EndOfStream.into()
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, request};
    use crate::error::{Error, ProxyError, SocksError};

    #[test]
    fn addresses_are_sent_as_addresses_and_names_as_names() -> Result<(), Error> {
        let ipv4 = request("192.0.2.1", 443)?;
        assert_eq!(ipv4, [5, 1, 0, 1, 192, 0, 2, 1, 1, 187]);
        let ipv6 = request("2001:db8::1", 80)?;
        let address = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(ipv6, [&[5, 1, 0, 4][..], &address, &[0, 80]].concat());
        let name = request("a.example", 80)?;
        assert_eq!(name, b"\x05\x01\x00\x03\x09a.example\x00\x50");
        Ok(())
    }

    #[test]
    fn names_and_passwords_have_at_most_255_bytes() -> Result<(), Error> {
        let (most, more) = ("a".repeat(255), "a".repeat(256));
        assert_eq!(request(&most, 80)?.len(), 5 + 255 + 2);
        match request(&more, 80) {
            Err(Error::Proxy(ProxyError::Socks(error))) => {
                assert_eq!(error, SocksError::NameTooLong(256));
            }
            other => assert!(other.is_err(), "{other:?}"),
        }
        let has = |user: &str, password: &str| {
            Credentials::new(user.as_bytes(), password.as_bytes()).is_some()
        };
        assert!(has("a", "") && has(&most, &most));
        assert!(!has("", "a") && !has(&more, "a") && !has("a", &more));
        Ok(())
    }
}
