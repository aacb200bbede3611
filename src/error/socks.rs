//! The errors of SOCKS5 proxies.

use std::fmt;

/// Why a SOCKS5 proxy did not open the connection (RFC 1928, RFC 1929).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocksError {
    /// The proxy does not speak SOCKS5: its response begins with this byte.
    Version(u8),
    /// The proxy accepts no offered method of authentication. Most often it requires a user name and a
    /// password.
    NoMethod,
    /// The proxy chose this method of authentication, which was not offered.
    Method(u8),
    /// The response to the user name and the password begins with this byte instead of 1.
    AuthenticationVersion(u8),
    /// The proxy rejected the user name or the password with this status.
    Authentication(u8),
    /// The proxy rejected the request with this code: 2 forbids connections to this server, 4 means that
    /// the server's name is unknown, or its host not reachable.
    Reply(u8),
    /// The proxy's response contains an address of this unknown type.
    AddressType(u8),
    /// The server's name has this many bytes: SOCKS5 has room for 255.
    NameTooLong(usize),
}

impl fmt::Display for SocksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocksError::Version(byte) => {
                write!(f, "not SOCKS5: the response begins with 0x{byte:02x}")
            }
            SocksError::NoMethod => {
                f.write_str("no offered authentication is accepted: check user name and password")
            }
            SocksError::Method(method) => {
                write!(
                    f,
                    "authentication method {method} chosen, which was not offered"
                )
            }
            SocksError::AuthenticationVersion(byte) => {
                write!(
                    f,
                    "the response to the password begins with 0x{byte:02x} instead of 0x01"
                )
            }
            SocksError::Authentication(status) => {
                write!(
                    f,
                    "user name or password rejected with status {status}: check both"
                )
            }
            SocksError::Reply(code) => {
                write!(f, "request rejected with code {code}: {}", meaning(*code))
            }
            SocksError::AddressType(kind) => write!(f, "unknown address type {kind}"),
            SocksError::NameTooLong(len) => {
                write!(
                    f,
                    "the server's name has {len} bytes: SOCKS5 has room for 255"
                )
            }
        }
    }
}

/// Returns the meaning of a code (RFC 1928 §6).
fn meaning(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by the proxy's rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown code",
    }
}

impl std::error::Error for SocksError {}
