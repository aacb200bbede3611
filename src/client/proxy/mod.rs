//! Connects through an HTTP proxy, by CONNECT (RFC 9110 §9.3.6, RFC 6455 §4.1).

pub(crate) mod no_proxy;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, ProxyError};
use crate::net::deadline::Deadline;
use crate::protocol::{ClientRequest, HandshakeResponse, Limits, ResponseReader};

/// An HTTP proxy: `http://host:port`, with `user:password@` before the host if it requires that.
///
/// Name and password are percent-decoded, and sent in clear text, as in HTTP's basic authentication.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    authorization: Option<String>,
}

impl Proxy {
    /// Requests a tunnel to the server of `request`, on a connection to the proxy. The proxy's response
    /// has the limits of a server's. Bytes after it are left unread.
    ///
    /// # Errors
    /// [`Error::Proxy`] if the proxy rejects the request, [`Error::Io`] if the timeout passes.
    pub(super) fn pass(
        &self,
        stream: &mut TcpStream,
        request: &ClientRequest,
        limits: &Limits,
        limit: Deadline,
    ) -> Result<(), Error> {
        stream.set_write_timeout(some_left(limit)?)?;
        stream.write_all(self.asks_for(request).as_bytes())?;
        let answer = read_answer(stream, limits, limit)?;
        stream.set_write_timeout(None)?;
        stream.set_read_timeout(None)?;
        match answer.status() {
            200..300 => Ok(()),
            status => {
                let reason = answer.reason().to_owned();
                Err(ProxyError::Status { status, reason }.into())
            }
        }
    }

    fn asks_for(&self, request: &ClientRequest) -> String {
        let (host, port) = (request.host(), request.port());
        let target = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let authorization = match &self.authorization {
            Some(basic) => format!("Proxy-Authorization: Basic {basic}\r\n"),
            None => String::new(),
        };
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n")
    }
}

/// Returns the environment's proxy: `http_proxy` for `ws`, `https_proxy` or `HTTPS_PROXY` for `wss`,
/// unless `no_proxy` or `NO_PROXY` names the host. `HTTP_PROXY` is not used: if a program answers web
/// requests through CGI, anybody can set it.
///
/// # Errors
/// If the variable's value is not the URL of a proxy.
pub(super) fn from_env(request: &ClientRequest) -> Result<Option<Proxy>, ProxyError> {
    from_variables(request, |name| std::env::var(name).ok())
}

fn from_variables(
    request: &ClientRequest,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, ProxyError> {
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| variable(name));
        found.filter(|value| !value.is_empty())
    };
    let exceptions = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let proxy = match request.is_secure() {
        true => first(&["https_proxy", "HTTPS_PROXY"]),
        false => first(&["http_proxy"]),
    };
    match proxy {
        Some(proxy) if !no_proxy::names(&exceptions, request.host()) => proxy.parse().map(Some),
        _ => Ok(None),
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(url: &str) -> Result<Proxy, ProxyError> {
        let bad = || ProxyError::InvalidUrl(without_password(url));
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(bad()),
            None => url,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        // The rules for host and port are those of every URL.
        let server = ClientRequest::to(&format!("ws://{authority}")).map_err(|_| bad())?;
        if server.target() != "/" || authority.contains('/') {
            return Err(bad());
        }
        let authorization = match user {
            Some(user) => {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                let mut credentials = percent_decoded(name).ok_or_else(bad)?;
                credentials.push(b':');
                credentials.extend(percent_decoded(password).ok_or_else(bad)?);
                Some(STANDARD.encode(credentials))
            }
            None => None,
        };
        Ok(Proxy {
            host: server.host().to_owned(),
            port: server.port(),
            authorization,
        })
    }
}

fn without_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, authority)) => format!("…@{authority}"),
        None => url.to_owned(),
    }
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}

/// Reads the response up to the blank line after its header block, and no byte after it.
fn read_answer(
    stream: &mut TcpStream,
    limits: &Limits,
    limit: Deadline,
) -> Result<HandshakeResponse, Error> {
    let mut reader = ResponseReader::default();
    let (mut unread, mut seen) = (Vec::new(), [0; 1024]);
    loop {
        stream.set_read_timeout(some_left(limit)?)?;
        let there = match stream.peek(&mut seen) {
            Ok(0) => return Err(ProxyError::EndOfStream.into()),
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late().into()),
            Err(error) => return Err(error.into()),
        };
        let before = unread.len();
        unread.extend_from_slice(&seen[..there]);
        let found = reader.read(&unread, limits);
        let (used, answer) = found.map_err(|error| ProxyError::InvalidResponse(Box::new(error)))?;
        let of_answer = match answer {
            Some(_) => used - before,
            None => there,
        };
        stream.read_exact(&mut seen[..of_answer])?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        unread.drain(..used);
    }
}

/// Returns the remaining time as a socket's timeout, for which zero would mean none.
fn some_left(limit: Deadline) -> io::Result<Option<std::time::Duration>> {
    match limit.left() {
        Some(left) if left.is_zero() => Err(late()),
        left => Ok(left),
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer of the proxy in time")
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the password: logs are kept.
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authorization", &self.authorization.is_some())
            .finish()
    }
}

impl From<ProxyError> for io::Error {
    fn from(error: ProxyError) -> Self {
        io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::{Proxy, ProxyError, from_variables};
    use crate::protocol::{ClientRequest, InvalidUrl};

    #[test]
    fn proxy_url_has_a_host_a_port_and_perhaps_a_password() -> Result<(), ProxyError> {
        let proxy: Proxy = "http://user:p%40ss@[::1]:3128/".parse()?;
        assert_eq!((proxy.host.as_str(), proxy.port), ("::1", 3128));
        // user:p@ss
        assert_eq!(proxy.authorization.as_deref(), Some("dXNlcjpwQHNz"));
        let proxy: Proxy = "proxy.example".parse()?;
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 80));
        assert_eq!(proxy.authorization, None);
        Ok(())
    }

    #[test]
    fn invalid_proxy_url_is_shown_without_its_password() {
        for bad in [
            "",
            "http://",
            "https://proxy.example",
            "socks5://proxy.example",
            "http://proxy.example:0",
            "http://proxy.example/path",
            "http://proxy.example?query",
            "http://user:%zz@proxy.example",
        ] {
            assert!(bad.parse::<Proxy>().is_err(), "{bad}");
        }
        let error = "socks5://user:secret@proxy.example".parse::<Proxy>();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        let proxy = "http://user:secret@proxy.example".parse::<Proxy>();
        assert!(!format!("{proxy:?}").contains("secret"), "{proxy:?}");
    }

    #[test]
    fn environment_has_a_proxy_for_each_scheme() -> Result<(), InvalidUrl> {
        let clear = ClientRequest::to("ws://a.example")?;
        let secure = ClientRequest::to("wss://a.example")?;
        let host = |request: &ClientRequest, set: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = set.iter().find(|(set, _)| *set == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let proxy = from_variables(request, variable);
            proxy.map(|proxy| proxy.map(|proxy| proxy.host))
        };
        let (one, two) = (("http_proxy", "http://one"), ("https_proxy", "http://two"));
        assert_eq!(host(&clear, &[one, two]), Ok(Some("one".to_owned())));
        assert_eq!(host(&secure, &[one, two]), Ok(Some("two".to_owned())));
        assert_eq!(host(&secure, &[one]), Ok(None));
        assert_eq!(host(&clear, &[("HTTP_PROXY", "http://evil")]), Ok(None));
        assert_eq!(host(&clear, &[one, ("no_proxy", "example")]), Ok(None));
        let lan = ClientRequest::to("ws://[fd12::1]:8000")?;
        assert_eq!(host(&lan, &[one, ("NO_PROXY", "fd00::/8")]), Ok(None));
        assert_eq!(host(&clear, &[("http_proxy", "")]), Ok(None));
        assert!(host(&clear, &[("http_proxy", "socks5://x")]).is_err());
        Ok(())
    }
}
