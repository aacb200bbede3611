//! Parses WebSocket URLs: `ws://host:port/path?query`, and names the error in others.

use std::fmt;
use std::net::Ipv6Addr;

use super::host::HostName;
use super::origin::is_scheme;
use super::text::{Escaped, split_port};

/// The parts of a WebSocket URL (RFC 6455 §3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether the scheme is `wss`.
    pub(crate) secure: bool,
    /// In lower case, an IPv6 address in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query as they go into the request line; never empty.
    pub(crate) target: String,
}

/// Why a text is not the URL of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// The scheme is neither `ws` nor `wss`, or there is none: then it is empty here.
    Scheme(String),
    /// There is a fragment, which has no meaning for a WebSocket (RFC 6455 §3).
    Fragment(String),
    /// There is a user's name or a password. It is not repeated here, as logs are kept.
    UserInfo,
    /// There is no host: then it is empty here; or it is invalid, and here with its port. Names that are
    /// not ASCII must be given in Punycode.
    Host(String),
    /// The port is not a number from 1 to 65535.
    Port(String),
    /// Path or query have a blank, a backslash or a control character.
    Resource(String),
}

impl InvalidUrl {
    /// Returns each variant once, in the order of their definition. Their values are examples.
    #[inline]
    pub fn all() -> Vec<InvalidUrl> {
        vec![
            InvalidUrl::Scheme("http".to_owned()),
            InvalidUrl::Fragment("top".to_owned()),
            InvalidUrl::UserInfo,
            InvalidUrl::Host("a b".to_owned()),
            InvalidUrl::Port("0x50".to_owned()),
            InvalidUrl::Resource("/a b".to_owned()),
        ]
    }
}

impl Url {
    #[inline]
    pub(crate) fn parse(text: &str) -> Result<Url, InvalidUrl> {
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or_else(|| InvalidUrl::Scheme(String::new()))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(InvalidUrl::Scheme(scheme.to_owned())),
        };
        let border = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(border);
        if authority.contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        let (host, port) = split_port(authority);
        Ok(Url {
            secure,
            host: match host_of(host) {
                Some(host) => host,
                None if host.is_empty() => return Err(InvalidUrl::Host(String::new())),
                None => return Err(InvalidUrl::Host(authority.to_owned())),
            },
            port: match port {
                // RFC 3986 §3.2.3: an empty port is the default one.
                None | Some("") => default_port(secure),
                Some(port) => port_of(port).ok_or_else(|| InvalidUrl::Port(port.to_owned()))?,
            },
            target: target_of(resource)?,
        })
    }
}

/// Returns the default port (RFC 6455 §3).
pub(crate) const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// Parses a name, an IPv4 address, or an IPv6 address in brackets, into the form that is compared.
#[inline]
fn host_of(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?;
    } else if host.is_empty() || !host.bytes().all(is_name_byte) {
        return None;
    }
    Some(HostName::of(host).into_string())
}

/// Returns whether a name may contain `byte`. RFC 3986 §3.2.2 allows more, which no resolver accepts.
#[inline]
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[inline]
fn port_of(port: &str) -> Option<u16> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port != 0)
}

/// Converts path and query for the request line: an empty path is `/`, and characters that are not
/// ASCII are percent-encoded as UTF-8 (RFC 3987 §3.1).
#[inline]
fn target_of(resource: &str) -> Result<String, InvalidUrl> {
    if resource.contains('#') {
        return Err(InvalidUrl::Fragment(resource.to_owned()));
    }
    let mut target = String::with_capacity(resource.len() + 1);
    if !resource.starts_with('/') {
        target.push('/');
    }
    for byte in resource.bytes() {
        match byte {
            b'\\' => return Err(InvalidUrl::Resource(resource.to_owned())),
            b'!'..=b'~' => target.push(byte.into()),
            0x80.. => target += &format!("%{byte:02X}"),
            _ => return Err(InvalidUrl::Resource(resource.to_owned())),
        }
    }
    Ok(target)
}

impl fmt::Display for InvalidUrl {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidUrl::Scheme(scheme) if scheme.is_empty() => {
                f.write_str("URL without ws:// or wss://")
            }
            InvalidUrl::Scheme(scheme) => {
                let scheme = Escaped::Text(scheme);
                write!(f, "URL with {scheme}:// instead of ws:// or wss://")
            }
            InvalidUrl::Fragment(resource) => {
                write!(f, "URL with a fragment: \"{}\"", Escaped::Text(resource))
            }
            InvalidUrl::UserInfo => {
                f.write_str("URL with a user's name or a password, which belong in a header")
            }
            InvalidUrl::Host(host) if host.is_empty() => f.write_str("URL without a host"),
            InvalidUrl::Host(host) => {
                write!(f, "URL with invalid host \"{}\"", Escaped::Text(host))
            }
            InvalidUrl::Port(port) => {
                write!(f, "URL with invalid port \"{}\"", Escaped::Text(port))
            }
            InvalidUrl::Resource(resource) => {
                let resource = Escaped::Text(resource);
                write!(
                    f,
                    "URL with a blank, a backslash or a control character in \"{resource}\""
                )
            }
        }
    }
}

invalid_input!(InvalidUrl);
