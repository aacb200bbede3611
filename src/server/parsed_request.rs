//! A request that another server has parsed.

use std::fmt;
use std::io;

use crate::error::Error;
use crate::protocol::http::redacted;
use crate::protocol::http::text::{Escaped, is_token};

/// A request that another HTTP server has read and parsed, for
/// [`Handover::request`](crate::server::Handover::request) and
/// [`Acceptor::respond_to`](crate::server::Acceptor::respond_to).
///
/// It must have all headers of the request, in their order. The acceptor checks it like a request that it has
/// read itself: version, keys, host, origin, limits, the `on_request` hook.
///
/// ```
/// use stentor::server::ParsedRequest;
///
/// let headers = [("Host", "example.com"), ("Upgrade", "websocket")];
/// let request = ParsedRequest::new("GET", "/chat?room=tea").headers(headers);
/// # let _ = request;
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct ParsedRequest {
    method: String,
    target: String,
    version: (u8, u8),
    headers: Vec<(String, Vec<u8>)>,
}

impl ParsedRequest {
    /// Creates a request of HTTP/1.1 without headers. `target` is the resource as it was received, with its
    /// query, neither decoded nor normalized.
    #[inline]
    pub fn new(method: &str, target: &str) -> ParsedRequest {
        ParsedRequest {
            method: method.to_owned(),
            target: target.to_owned(),
            version: (1, 1),
            headers: Vec::new(),
        }
    }

    /// Sets the version of HTTP. Default: 1.1. A request of HTTP/1.0 is answered as an own one, which is a
    /// rejection in most versions of the protocol. Any other version is an error when the request is used.
    #[inline]
    pub fn version(mut self, major: u8, minor: u8) -> ParsedRequest {
        self.version = (major, minor);
        self
    }

    /// Adds a header. It is checked when the request is used.
    #[inline]
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> ParsedRequest {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_vec());
        self.headers.push((name, value));
        self
    }

    /// Adds headers, as [`header`](ParsedRequest::header) does.
    #[inline]
    pub fn headers<N, V>(mut self, headers: impl IntoIterator<Item = (N, V)>) -> ParsedRequest
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        for (name, value) in headers {
            self = self.header(name, value);
        }
        self
    }

    /// Returns the header block, as it has come over the network.
    ///
    /// # Errors
    /// If a part has a character that would make the block another one.
    #[inline]
    pub(super) fn to_head(&self) -> Result<Vec<u8>, Error> {
        let (major, minor) = self.version;
        if major != 1 || minor > 1 {
            return Err(invalid(format!(
                "HTTP/{major}.{minor}: a WebSocket handshake needs HTTP/1.1"
            )));
        }
        if !is_token(&self.method) {
            let method = Escaped::Text(&self.method);
            return Err(invalid(format!("\"{method}\" is not a method")));
        }
        if self.target.is_empty() || self.target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            let target = redacted::path(&self.target);
            return Err(invalid(format!(
                "the target \"{target}\" is empty, or has a space or a control character"
            )));
        }
        let mut head = format!("{} {} HTTP/1.{minor}\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            let is_control = |byte: &u8| *byte < b' ' && *byte != b'\t' || *byte == 0x7f;
            if !is_token(name) || value.iter().any(is_control) {
                let name = Escaped::Text(name);
                return Err(invalid(format!(
                    "header \"{name}\": the name is not a token, or the value has a control character"
                )));
            }
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }
}

#[inline]
fn invalid(fault: String) -> Error {
    let fault = format!("a request that another server has parsed: {fault}");
    Error::Io(io::Error::new(io::ErrorKind::InvalidInput, fault))
}

/// The headers and the query may hold secrets, and are left out.
impl fmt::Debug for ParsedRequest {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedRequest")
            .field("method", &self.method)
            .field("path", &redacted::path(&self.target))
            .field("version", &self.version)
            .field("headers", &self.headers.len())
            .finish()
    }
}
