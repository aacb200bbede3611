//! Addresses of Redis.
//!
//! ```text
//! redis://[[user]:password@]host[:port][/database]
//! rediss://[[user]:password@]host[:port][/database]
//! redis+unix://[[user]:password@]/path[?db=database]
//! ```
//!
//! Users, passwords and paths are percent-encoded where they contain characters that mean something else.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The address of a Redis, with the credentials and the database. No text of it shows the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) place: Place,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
    /// The scheme is `rediss`.
    pub(crate) is_secure: bool,
}

/// The place of a Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The host is a name, an IPv4 address, or an IPv6 address without brackets.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// The error for text that is not an address. It contains no part of the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidAddress(&'static str);

/// The port of Redis.
const PORT: u16 = 6379;

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Address, InvalidAddress> {
        let scheme = text.split_once("://");
        let (scheme, rest) = scheme.ok_or(InvalidAddress("it has no scheme, such as redis://"))?;
        match scheme {
            "redis" => tcp(rest),
            "redis+unix" => unix(rest),
            "rediss" if !cfg!(feature = "tls") => Err(InvalidAddress(
                "rediss:// needs the feature `tls`: this library was built without it",
            )),
            "rediss" => Ok(Address {
                is_secure: true,
                ..tcp(rest)?
            }),
            _ => Err(InvalidAddress(
                "its scheme is not redis, rediss or redis+unix",
            )),
        }
    }
}

fn tcp(rest: &str) -> Result<Address, InvalidAddress> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if [authority, path]
        .iter()
        .any(|part| part.contains(['?', '#']))
    {
        return Err(InvalidAddress(
            "it contains ? or #: in a password, write %3F or %23",
        ));
    }
    let (user, password, place) = credentials(authority)?;
    let (host, port) = host_and_port(place)?;
    let place = Place::Tcp { host, port };
    let database = match path {
        "" => 0,
        number => database(number)?,
    };
    Ok(Address {
        place,
        user,
        password,
        database,
        is_secure: false,
    })
}

fn unix(rest: &str) -> Result<Address, InvalidAddress> {
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let path = rest.find('/').map(|slash| rest.split_at(slash));
    let (authority, path) = path.ok_or(InvalidAddress("it has no absolute path of a socket"))?;
    let (user, password, host) = credentials(authority)?;
    if !host.is_empty() {
        return Err(InvalidAddress(
            "the path of a socket has three slashes before it: redis+unix:///path",
        ));
    }
    let database = match query {
        None => 0,
        Some(query) => {
            let number = query.strip_prefix("db=");
            database(number.ok_or(InvalidAddress("behind ?, only db=number is allowed"))?)?
        }
    };
    Ok(Address {
        place: Place::Unix(decoded(path)?.into()),
        user,
        password,
        database,
        is_secure: false,
    })
}

type Credentials<'a> = (Option<String>, Option<String>, &'a str);

/// Splits the credentials from the host behind the last `@`.
fn credentials(authority: &str) -> Result<Credentials<'_>, InvalidAddress> {
    let Some((credentials, host)) = authority.rsplit_once('@') else {
        return Ok((None, None, authority));
    };
    let (user, password) = credentials.split_once(':').ok_or(InvalidAddress(
        "it has a user without a password: write user:password@, or :password@",
    ))?;
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    Ok((user, Some(decoded(password)?), host))
}

fn host_and_port(place: &str) -> Result<(String, u16), InvalidAddress> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let end = rest.split_once(']');
            let (host, port) = end.ok_or(InvalidAddress("an IPv6 address lacks its ]"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(InvalidAddress(
                    "the text in brackets is not an IPv6 address",
                ));
            }
            (host, port)
        }
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let is_valid = |char: char| !char.is_whitespace() && !char.is_control() && char != '@';
    if host.is_empty() || !host.chars().all(is_valid) {
        return Err(InvalidAddress("it has no valid host"));
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => Some(PORT),
        None => None,
        Some(number) => digits(number).filter(|port| *port != 0),
    };
    let port = port.ok_or(InvalidAddress("its port is not a number from 1 to 65535"))?;
    Ok((host.to_owned(), port))
}

fn database(number: &str) -> Result<u32, InvalidAddress> {
    digits(number).ok_or(InvalidAddress("its database is not a number"))
}

fn digits<N: FromStr>(text: &str) -> Option<N> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Decodes `%41` and the like.
fn decoded(text: &str) -> Result<String, InvalidAddress> {
    let invalid = InvalidAddress("a % in it is not followed by two hexadecimal digits: write %25");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|two| !two.starts_with('+'));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.ok_or(invalid.clone())?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| InvalidAddress("its decoded text is not UTF-8"))?;
    match text.contains('\0') {
        true => Err(InvalidAddress("it contains a NUL")),
        false => Ok(text),
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.password.is_some() { "***@" } else { "" };
        match &self.place {
            Place::Tcp { host, port } => {
                let (open, close) = if host.contains(':') {
                    ("[", "]")
                } else {
                    ("", "")
                };
                let database = self.database;
                let scheme = if self.is_secure { "rediss" } else { "redis" };
                write!(
                    f,
                    "{scheme}://{secret}{open}{host}{close}:{port}/{database}"
                )
            }
            Place::Unix(path) => {
                let path = path.display().to_string();
                write!(
                    f,
                    "redis+unix://{secret}{}?db={}",
                    path.escape_debug(),
                    self.database
                )
            }
        }
    }
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid address of Redis: {}: write redis://[[user]:password@]host[:port][/database], rediss:// for TLS, or redis+unix:///path",
            self.0
        )
    }
}

impl std::error::Error for InvalidAddress {}

#[cfg(test)]
mod tests {
    use super::{Address, Place};

    fn tcp(host: &str, port: u16, database: u32) -> Address {
        let host = host.to_owned();
        Address {
            place: Place::Tcp { host, port },
            user: None,
            password: None,
            database,
            is_secure: false,
        }
    }

    #[test]
    fn addresses_are_read() {
        let secret = |user: Option<&str>, address| Address {
            user: user.map(str::to_owned),
            password: Some("p@ss:/?".to_owned()),
            ..address
        };
        let unix = |path: &str, database| Address {
            place: Place::Unix(path.into()),
            ..tcp("", 0, database)
        };
        let addresses = [
            ("redis://localhost", tcp("localhost", 6379, 0)),
            ("redis://10.0.0.5:7000/", tcp("10.0.0.5", 7000, 0)),
            ("redis://[::1]:7000/12", tcp("::1", 7000, 12)),
            ("redis://[::1]", tcp("::1", 6379, 0)),
            ("redis://:p@ss:%2f%3F@h/1", secret(None, tcp("h", 6379, 1))),
            (
                "redis://a%40b:p%40ss:%2F%3f@h",
                secret(Some("a@b"), tcp("h", 6379, 0)),
            ),
            ("redis+unix:///run/redis.sock", unix("/run/redis.sock", 0)),
            ("redis+unix:///a%20b?db=3", unix("/a b", 3)),
            (
                "redis+unix://:p%40ss:%2F%3f@/a",
                secret(None, unix("/a", 0)),
            ),
        ];
        for (text, expected) in addresses {
            let address = text.parse::<Address>();
            assert_eq!(address.as_ref(), Ok(&expected), "{text}");
            let shown = format!("{expected} {expected:?}");
            assert!(!shown.contains("p@ss") && shown.contains("://"), "{shown}");
        }
    }

    #[test]
    fn other_text_is_an_error_without_the_text() {
        let others = [
            "",
            "secret",
            "http://secret",
            "redis://",
            "redis:///1",
            "redis://:secret@",
            "redis://secret@h",
            "redis://h:0",
            "redis://h:65536",
            "redis://h:+1",
            "redis://h:secret",
            "redis://h/secret",
            "redis://h/4294967296",
            "redis://h/1/2",
            "redis://h/1?secret",
            "redis://:secret?@h",
            "redis://:secret%@h",
            "redis://:secret%4@h",
            "redis://:secret%+4@h",
            "redis://:secret%ff@h",
            "redis://:secret%00@h",
            "redis://[secret]",
            "redis://[::1",
            "redis://[::1]x",
            "redis://sec ret",
            "redis+unix://secret",
            "redis+unix://h/secret",
            "redis+unix:///secret?x=1",
            "redis+unix:///secret?db=x",
        ];
        for text in others {
            let error = text.parse::<Address>().err();
            let error = error.map_or_else(String::new, |error| error.to_string());
            assert!(error.len() > 50, "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn an_address_with_tls_is_the_same_otherwise() {
        let secure = Address {
            is_secure: true,
            ..tcp("h", 7000, 1)
        };
        let address = "rediss://h:7000/1".parse::<Address>();
        assert_eq!(address.as_ref(), Ok(&secure));
        assert_eq!(secure.to_string(), "rediss://h:7000/1");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_the_feature_tls_an_address_with_tls_is_an_error() {
        let error = "rediss://h".parse::<Address>().err();
        let error = error.map_or_else(String::new, |error| error.to_string());
        assert!(error.contains("needs the feature `tls`"), "{error}");
    }
}
