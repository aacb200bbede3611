//! A client's request: a resource of a host, in one version, with additional headers.

use std::fmt;

use super::response;
use super::response::InvalidHeader;
use crate::protocol::framing::Framing;
use crate::protocol::http::origin::Origin;
use crate::protocol::http::redacted::Shown;
use crate::protocol::version::{Version, hybi07};

use crate::protocol::http::url::{InvalidUrl, Url, default_port};

/// A client's request, for [`Connection::client`](crate::protocol::Connection::client).
///
/// ```
/// use stentor::Version;
/// use stentor::protocol::ClientRequest;
///
/// let request = ClientRequest::to("wss://example.com/chat?room=1")?
///     .version(Version::Rfc6455)
///     .subprotocols(["chat.v2", "chat.v1"])?
///     .cookie("session", "e8bb43229de9")?;
/// assert_eq!((request.host(), request.port()), ("example.com", 443));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRequest {
    url: Url,
    pub(crate) version: Version,
    origin: Option<Origin>,
    pub(crate) subprotocols: Vec<String>,
    fields: Vec<(String, String)>,
}

impl ClientRequest {
    /// Creates a request for `url`, in the version of RFC 6455: `ws` or `wss`, a host, a port unless it
    /// is 80 or 443, a path, a query. In path and query, characters that are not ASCII are
    /// percent-encoded; all others are sent unchanged.
    ///
    /// # Errors
    /// [`InvalidUrl`] for other schemes (`http` is one), fragments, passwords, and for invalid hosts, ports
    /// and bytes.
    #[inline]
    pub fn to(url: &str) -> Result<ClientRequest, InvalidUrl> {
        ClientRequest::nowhere().at(url)
    }

    /// Returns the same request for another URL.
    ///
    /// # Errors
    /// The same as [`to`](ClientRequest::to).
    #[inline]
    pub fn at(&self, url: &str) -> Result<ClientRequest, InvalidUrl> {
        Ok(ClientRequest {
            url: Url::parse(url)?,
            ..self.clone()
        })
    }

    /// Returns the same request without the headers that were added to it, cookies among them.
    #[cfg(feature = "client")]
    #[inline]
    pub(crate) fn without_headers(mut self) -> ClientRequest {
        self.fields.clear();
        self
    }

    /// Sets the version. A client cannot offer several: it must know the version of its server.
    #[inline]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Creates a request with all defaults, for a URL that is set later.
    #[inline]
    pub(crate) fn nowhere() -> ClientRequest {
        ClientRequest {
            url: Url::default(),
            version: Version::Rfc6455,
            origin: None,
            subprotocols: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Sets the origin: the page that opens the connection. Default: none, as programs have no page,
    /// and no header; but draft-75 and draft-76 require one, and there the default is the origin of the
    /// URL itself, `http` for `ws` and `https` for `wss`.
    #[inline]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Offers subprotocols, the best first, after those that are offered already. Draft-75 and draft-76
    /// have no lists: only the first of all is requested, and the server must accept it.
    ///
    /// # Errors
    /// [`InvalidHeader`] for a name that is empty, has other bytes than printable ASCII without blanks,
    /// commas, semicolons and quotes, or is offered already (RFC 6455 §4.1).
    #[doc(alias = "Sec-WebSocket-Protocol")]
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, InvalidHeader>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        add_subprotocols(&mut self.subprotocols, names)?;
        Ok(self)
    }

    /// Adds a header: `Authorization`, `User-Agent`. A second `Cookie` is appended to the first, as
    /// there may be only one (RFC 6265 §5.4).
    ///
    /// # Errors
    /// [`InvalidHeader`] if the header would break the request or belongs to the handshake.
    #[inline]
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        const OURS: [&str; 2] = ["Host", "Origin"];
        if OURS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Err(InvalidHeader::of(name));
        }
        let (name, value) = response::checked(name, value)?;
        let is_cookie = |name: &str| name.eq_ignore_ascii_case("Cookie");
        match self.fields.iter_mut().find(|(own, _)| is_cookie(own)) {
            Some((_, cookies)) if is_cookie(&name) => {
                *cookies += "; ";
                *cookies += &value;
            }
            _ => self.fields.push((name, value)),
        }
        Ok(self)
    }

    /// Adds a cookie.
    ///
    /// # Errors
    /// [`InvalidHeader`] if the name is empty or has a `=`, if either has a semicolon, or if the header
    /// would break the request.
    #[inline]
    pub fn cookie(self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        if name.is_empty() || name.contains(['=', ';']) || value.contains(';') {
            return Err(InvalidHeader::of(&format!("Cookie: {name}")));
        }
        self.header("Cookie", &format!("{name}={value}"))
    }

    /// Returns whether the connection must use TLS: the scheme is `wss`.
    #[inline]
    pub fn is_secure(&self) -> bool {
        self.url.secure
    }

    /// Returns the name or the address to connect to, in lower case; an IPv6 address without brackets.
    #[inline]
    pub fn host(&self) -> &str {
        let host = self.url.host.as_str();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the port to connect to.
    #[inline]
    pub fn port(&self) -> u16 {
        self.url.port
    }

    /// Returns path and query, as in the request line.
    #[inline]
    pub fn target(&self) -> &str {
        &self.url.target
    }

    /// Returns the value of the header `Host`: an IPv6 address in brackets, the port unless it is the
    /// scheme's default.
    #[inline]
    pub fn authority(&self) -> String {
        let Url { host, port, .. } = &self.url;
        match *port == default_port(self.url.secure) {
            true => host.clone(),
            false => format!("{host}:{port}"),
        }
    }

    /// Returns the whole URL, in its shortest form: servers of draft-75 and draft-76 repeat it as the
    /// location.
    #[inline]
    pub fn url(&self) -> String {
        let scheme = if self.url.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.url.target)
    }

    /// Returns the origin of the request, if one was given or the version requires one.
    #[inline]
    pub(crate) fn origin_to_send(&self) -> Option<String> {
        let scheme = if self.url.secure { "https" } else { "http" };
        match &self.origin {
            Some(origin) => Some(origin.to_string()),
            None if self.version.framing() == Framing::Hybi => None,
            None => Some(format!("{scheme}://{}", self.authority())),
        }
    }

    /// Returns the value of the version's header for subprotocols, if any is offered.
    #[inline]
    pub(crate) fn subprotocols_offered(&self) -> Option<String> {
        let first = self.subprotocols.first()?;
        Some(match self.version.spec().subprotocol_list {
            true => self.subprotocols.join(", "),
            false => first.clone(),
        })
    }

    /// Returns the headers that do not belong to the handshake.
    #[inline]
    pub(crate) fn further_fields(&self) -> impl Iterator<Item = (&str, String)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
    }

    /// Returns the whole header block with these headers.
    #[inline]
    pub(crate) fn write(&self, fields: &[(&str, String)]) -> Vec<u8> {
        let mut out = format!("GET {} HTTP/1.1\r\n", self.url.target).into_bytes();
        for (name, value) in fields {
            response::header(&mut out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// Adds names to a list of subprotocols, a server's or a client's.
pub(crate) fn add_subprotocols<I>(list: &mut Vec<String>, names: I) -> Result<(), InvalidHeader>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    for name in names {
        let name = name.as_ref().to_owned();
        let good = !name.is_empty() && name.bytes().all(hybi07::is_subprotocol_byte);
        if !good || list.contains(&name) {
            return Err(InvalidHeader::of(&format!(
                "Sec-WebSocket-Protocol: {name}"
            )));
        }
        list.push(name);
    }
    Ok(())
}

impl fmt::Debug for ClientRequest {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the query, and without credentials: logs are kept.
        let url = self.url();
        let shown = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        f.debug_struct("ClientRequest")
            .field("url", &url.split('?').next().unwrap_or_default())
            .field("version", &self.version)
            .field("origin", &self.origin)
            // One of them may be a token.
            .field("subprotocols", &self.subprotocols.len())
            .field("fields", &Shown(shown))
            .finish()
    }
}
