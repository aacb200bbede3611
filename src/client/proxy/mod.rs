//! Connects through a proxy: HTTP by CONNECT (RFC 9110 §9.3.6, RFC 6455 §4.1), or SOCKS5.

pub(crate) mod no_proxy;

mod socks5;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, ProxyError};
use crate::net::deadline::Deadline;
use crate::protocol::http::text::split_port;
use crate::protocol::{ClientRequest, HandshakeResponse, Limits, ResponseReader};

use socks5::Credentials;

/// A proxy: `http://host:port` or `socks5://host:port`, with `user:password@` before the host if it
/// requires that.
///
/// Name and password are percent-decoded, and sent in clear text, as in HTTP's basic authentication.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    protocol: Protocol,
}

#[derive(Clone, PartialEq, Eq)]
enum Protocol {
    Http { authorization: Option<String> },
    Socks5(Option<Credentials>),
}

impl Proxy {
    /// Requests a connection to the server of `request`, on a connection to the proxy. The proxy's
    /// response has the limits of a server's. Bytes after it are left unread.
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
        match &self.protocol {
            Protocol::Http { authorization } => {
                open_tunnel(stream, request, authorization.as_deref(), limits, limit)?;
            }
            Protocol::Socks5(credentials) => {
                let server = (request.host(), request.port());
                socks5::pass(stream, credentials.as_ref(), server, limit)?;
            }
        }
        stream.set_write_timeout(None)?;
        stream.set_read_timeout(None)?;
        Ok(())
    }
}

/// Requests a tunnel from an HTTP proxy.
fn open_tunnel(
    stream: &mut TcpStream,
    request: &ClientRequest,
    authorization: Option<&str>,
    limits: &Limits,
    limit: Deadline,
) -> Result<(), Error> {
    stream.set_write_timeout(some_left(limit)?)?;
    stream.write_all(tunnel_request(request, authorization).as_bytes())?;
    let answer = read_answer(stream, limits, limit)?;
    match answer.status() {
        200..300 => Ok(()),
        status => {
            let reason = answer.reason().to_owned();
            Err(ProxyError::Status { status, reason }.into())
        }
    }
}

fn tunnel_request(request: &ClientRequest, authorization: Option<&str>) -> String {
    let (host, port) = (request.host(), request.port());
    let target = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let authorization = match authorization {
        Some(basic) => format!("Proxy-Authorization: Basic {basic}\r\n"),
        None => String::new(),
    };
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n")
}

/// Returns the environment's proxy: `http_proxy` for `ws`, `https_proxy` or `HTTPS_PROXY` for `wss`,
/// else `all_proxy` or `ALL_PROXY`, unless `no_proxy` or `NO_PROXY` names the host. A variable that is
/// empty counts as one that is not set. `HTTP_PROXY` is not used: if a program answers web requests
/// through CGI, anybody can set it.
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
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let first = |names: &[&str]| names.iter().find_map(set);
    let exceptions = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let proxy = match request.is_secure() {
        true => first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
        false => first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
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
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => ("http".to_owned(), url),
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
        let credentials = match user {
            Some(user) => {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                let decoded = |text| percent_decoded(text).ok_or_else(bad);
                Some((decoded(name)?, decoded(password)?))
            }
            None => None,
        };
        let (protocol, default_port) = match scheme.as_str() {
            "http" => {
                let basic = |(name, password): (Vec<u8>, Vec<u8>)| {
                    STANDARD.encode([&name[..], b":", &password].concat())
                };
                let authorization = credentials.map(basic);
                (Protocol::Http { authorization }, 80)
            }
            "socks5" | "socks5h" => {
                let credentials = match credentials {
                    Some((name, password)) => {
                        Some(Credentials::new(&name, &password).ok_or_else(bad)?)
                    }
                    None => None,
                };
                (Protocol::Socks5(credentials), 1080)
            }
            _ => return Err(bad()),
        };
        Ok(Proxy {
            host: server.host().to_owned(),
            port: match split_port(authority) {
                (_, None | Some("")) => default_port,
                _ => server.port(),
            },
            protocol,
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
        let (protocol, authorization) = match &self.protocol {
            Protocol::Http { authorization } => ("HTTP", authorization.is_some()),
            Protocol::Socks5(credentials) => ("SOCKS5", credentials.is_some()),
        };
        f.debug_struct("Proxy")
            .field("protocol", &protocol)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authorization", &authorization)
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
    use super::{Credentials, Protocol, Proxy, ProxyError, from_variables};
    use crate::protocol::{ClientRequest, InvalidUrl};

    #[test]
    fn proxy_url_has_a_host_a_port_and_perhaps_a_password() -> Result<(), ProxyError> {
        let http = |basic: Option<&str>| Protocol::Http {
            authorization: basic.map(str::to_owned),
        };
        let socks = |user: &str, password: &str| {
            Protocol::Socks5(Credentials::new(user.as_bytes(), password.as_bytes()))
        };
        let user_and_password = http(Some("dXNlcjpwQHNz"));
        for (url, host, port, protocol) in [
            (
                "http://user:p%40ss@[::1]:3128/",
                "::1",
                3128,
                user_and_password,
            ),
            ("proxy.example", "proxy.example", 80, http(None)),
            (
                "socks5://a.example",
                "a.example",
                1080,
                Protocol::Socks5(None),
            ),
            (
                "socks5h://a.example:80",
                "a.example",
                80,
                Protocol::Socks5(None),
            ),
            ("SOCKS5://u%3a:p%40@[::1]", "::1", 1080, socks("u:", "p@")),
            ("socks5://token@[::1]:/", "::1", 1080, socks("token", "")),
        ] {
            let proxy: Proxy = url.parse()?;
            assert_eq!((proxy.host.as_str(), proxy.port), (host, port), "{url}");
            assert!(proxy.protocol == protocol, "{url}: {proxy:?}");
        }
        Ok(())
    }

    #[test]
    fn invalid_proxy_url_is_shown_without_its_password() {
        for bad in [
            "",
            "http://",
            "https://proxy.example",
            "socks4://proxy.example",
            "socks://proxy.example",
            "socks5://",
            "socks5://proxy.example:0",
            "socks5://proxy.example/path",
            "socks5://:password@proxy.example",
            "socks5://%:secret@proxy.example",
            "http://proxy.example:0",
            "http://proxy.example/path",
            "http://proxy.example?query",
            "http://user:%zz@proxy.example",
        ] {
            assert!(bad.parse::<Proxy>().is_err(), "{bad}");
        }
        let long = format!("socks5://user:secret{}@proxy.example", "x".repeat(256));
        for invalid in ["socks4://user:secret@proxy.example", &long] {
            let error = invalid.parse::<Proxy>();
            assert!(error.is_err(), "{error:?}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
        for scheme in ["http", "socks5"] {
            let proxy = format!("{scheme}://user:secret@proxy.example").parse::<Proxy>();
            assert!(proxy.is_ok(), "{proxy:?}");
            assert!(!format!("{proxy:?}").contains("secret"), "{proxy:?}");
        }
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
        assert!(host(&clear, &[("http_proxy", "socks4://x")]).is_err());
        let all = ("all_proxy", "socks5://three");
        for request in [&clear, &secure] {
            assert_eq!(host(request, &[all]), Ok(Some("three".to_owned())));
            let upper = ("ALL_PROXY", "socks5h://four");
            assert_eq!(host(request, &[upper]), Ok(Some("four".to_owned())));
            assert_eq!(host(request, &[upper, all]), Ok(Some("three".to_owned())));
            assert_eq!(host(request, &[all, ("no_proxy", "*")]), Ok(None));
        }
        assert_eq!(host(&clear, &[one, all]), Ok(Some("one".to_owned())));
        assert_eq!(host(&secure, &[one, all]), Ok(Some("three".to_owned())));
        let empty = ("http_proxy", "");
        assert_eq!(host(&clear, &[empty, all]), Ok(Some("three".to_owned())));
        Ok(())
    }
}
