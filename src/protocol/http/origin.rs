//! `Origin`: the page that makes a request (RFC 6454).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::host::HostName;
use super::text::split_port;

/// An origin: scheme, host and port, compared exactly; or `null`, which must be allowed by name
/// (RFC 6454 §4 and §5).
///
/// All origins that clients send can be parsed: also those of files (`file://`), of extensions
/// (`chrome-extension://…`, `moz-extension://…`) and of programs that show pages (`app://…`,
/// `capacitor://localhost`, `tauri://localhost`). Only an origin of the web (`http`, `https`, `ws`,
/// `wss`) must have a host.
///
/// ```
/// use stentor::protocol::Origin;
/// let origin: Origin = "https://Example.com:443".parse()?;
/// assert_eq!(origin, "https://example.com".parse()?);
/// assert_ne!(origin, "http://example.com".parse()?);
/// assert_eq!((origin.scheme(), origin.host(), origin.port()), ("https", "example.com", None));
/// assert_eq!("file://".parse::<Origin>()?.to_string(), "file://");
/// assert!("example.com".parse::<Origin>().is_err());
/// # Ok::<(), stentor::protocol::InvalidOrigin>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// In lower case; empty for `null`.
    scheme: String,
    /// In lower case, an IPv6 address in brackets; may be empty.
    host: String,
    /// `None` if it is the scheme's default.
    port: Option<u16>,
}

invalid_text! {
    /// Not an origin: no scheme, no host although one is required, a path, or an invalid port.
    InvalidOrigin: "\"{}\" is not an origin: give a scheme, a host and perhaps a port, such as \
        https://example.com or file://, without a path; or null"
}

impl Origin {
    /// Returns `null`: the origin of a page that has none, such as one in a sandbox.
    pub const fn null() -> Origin {
        Origin {
            scheme: String::new(),
            host: String::new(),
            port: None,
        }
    }

    /// Creates the origin of pages of this scheme, this host, and this port, or the scheme's default
    /// port.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for invalid parts, by the same rules as in parsing.
    #[inline]
    pub fn new(scheme: &str, host: &str, port: Option<u16>) -> Result<Origin, InvalidOrigin> {
        Origin::of(scheme, host, port).ok_or_else(|| {
            InvalidOrigin(match port {
                Some(port) => format!("{scheme}://{host}:{port}"),
                None => format!("{scheme}://{host}"),
            })
        })
    }

    /// Creates an origin; `None` for invalid parts.
    fn of(scheme: &str, host: &str, port: Option<u16>) -> Option<Origin> {
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme(&scheme) {
            return None;
        }
        let default = match scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        Some(Origin {
            host: match host {
                // Only the schemes of the web need a host (RFC 9110 §4.2.1).
                "" if default.is_none() && port.is_none() => String::new(),
                host => host_of(host)?,
            },
            port: port.filter(|port| Some(*port) != default),
            scheme,
        })
    }

    /// Returns whether the origin is `null`.
    pub fn is_null(&self) -> bool {
        self.scheme.is_empty()
    }

    /// Returns the scheme, in lower case; empty for `null`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the host, in lower case, an IPv6 address in brackets; empty for `null`, and if there is
    /// no host, as in `file://`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, unless it is the scheme's default.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if text == "null" {
            return Ok(Origin::null());
        }
        let bad = || InvalidOrigin(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let (host, port) = split_port(rest);
        let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            Some(port) if is_number(port) => Some(port.parse().map_err(|_| bad())?),
            Some(_) => return Err(bad()),
            None => None,
        };
        Origin::of(scheme, host, port).ok_or_else(bad)
    }
}

/// Formats the origin as in a header (RFC 6454 §6.2).
impl fmt::Display for Origin {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_null() {
            return f.write_str("null");
        }
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Returns whether `text` is a URI scheme (RFC 3986 §3.1).
pub(crate) fn is_scheme(text: &str) -> bool {
    let further = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(further)
}

/// Converts a name or an address to the form that is compared.
fn host_of(host: &str) -> Option<String> {
    let is_host_byte = |byte: u8| byte.is_ascii_graphic() && !b"/\\?#@,*:[]\"<>".contains(&byte);
    match host.strip_prefix('[') {
        Some(address) => drop(address.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None if host.is_empty() || !host.bytes().all(is_host_byte) => return None,
        None => {}
    }
    Some(HostName::of(host).into_string())
}
