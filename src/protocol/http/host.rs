//! `Host`: the server that a client means to reach.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::text::split_port;

/// The name or the address of a host, without a port. Letter case does not matter, nor does the
/// notation of an IPv6 address.
///
/// ```
/// use stentor::protocol::HostName;
/// let host: HostName = "Example.com".parse()?;
/// assert_eq!(host, "example.com".parse()?);
/// assert_eq!("::1".parse::<HostName>()?, "[0:0::1]".parse()?);
/// assert!("example.com:8000".parse::<HostName>().is_err());
/// # Ok::<(), stentor::protocol::InvalidHost>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

invalid_text! {
    /// Not the name of a host: it has a port, a scheme, a path, or invalid bytes.
    InvalidHost: "\"{}\" is not a host name without a port, such as example.com"
}

impl FromStr for HostName {
    type Err = InvalidHost;

    #[inline]
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(HostName::of_address(address));
        }
        match name_and_port(text) {
            // A pattern would look like one that works.
            Some((name, None)) if !name.contains('*') => Ok(HostName::of(name)),
            _ => Err(InvalidHost(text.to_owned())),
        }
    }
}

impl HostName {
    /// Creates a host name from a valid name.
    pub(crate) fn of(name: &str) -> HostName {
        let inner = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        match inner.and_then(|inner| inner.parse().ok()) {
            Some(address) => HostName::of_address(address),
            None => HostName(name.to_ascii_lowercase()),
        }
    }

    /// Returns the name in the form that is compared.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    #[inline]
    fn of_address(address: Ipv6Addr) -> HostName {
        HostName(format!("[{address}]"))
    }
}

/// Splits a `Host` into name and port; `None` if the name is invalid.
pub(crate) fn name_and_port(host: &str) -> Option<(&str, Option<&str>)> {
    let (name, port) = split_port(host);
    let bracketed = name.starts_with('[') && name.ends_with(']') && name.len() > 2;
    let inner = if bracketed {
        &name[1..name.len() - 1]
    } else {
        name
    };
    let valid = |byte: u8| match byte {
        b':' => bracketed,
        b'/' | b'\\' | b'?' | b'#' | b'@' | b'[' | b']' | b'<' | b'>' | b'"' | b',' => false,
        _ => byte.is_ascii_graphic(),
    };
    (!inner.is_empty() && inner.bytes().all(valid)).then_some((name, port))
}

impl fmt::Display for HostName {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
