//! What a client asks for: a resource of a host, in one version, with the fields that go along.

use std::fmt;

use crate::protocol::framing::Framing;
use crate::protocol::origin::Origin;
use crate::protocol::redacted::Shown;
use crate::protocol::response::{self, BadField};
use crate::protocol::version::{Version, hybi07};

use super::url::{BadUrl, Url, default_port};

/// A request to be sent, for [`Connection::client`](crate::protocol::Connection::client).
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
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRequest {
    url: Url,
    pub(crate) version: Version,
    origin: Option<Origin>,
    pub(crate) subprotocols: Vec<String>,
    fields: Vec<(String, String)>,
}

impl ClientRequest {
    /// A request for what is at `url`, in the version of RFC 6455: `ws` or `wss`, a host, a port
    /// unless it is 80 or 443, a path, a query. What is not ASCII in path and query goes
    /// percent-encoded; all else is asked for as it stands.
    ///
    /// # Errors
    /// [`BadUrl`] for other schemes (`http` is one), fragments, passwords, and for hosts, ports and
    /// bytes that there are none of.
    pub fn to(url: &str) -> Result<ClientRequest, BadUrl> {
        ClientRequest::nowhere().at(url)
    }

    /// The same request for what is at another URL.
    ///
    /// # Errors
    /// As [`to`](ClientRequest::to).
    pub fn at(&self, url: &str) -> Result<ClientRequest, BadUrl> {
        Ok(ClientRequest {
            url: Url::parse(url)?,
            ..self.clone()
        })
    }

    /// The version to ask in. There is no asking for several: a client knows what its server speaks.
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// A request that is all defaults, for those who learn later where it goes.
    pub(crate) fn nowhere() -> ClientRequest {
        ClientRequest {
            url: Url::default(),
            version: Version::Rfc6455,
            origin: None,
            subprotocols: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Whose page it is that asks. Default: nobody's, as programs have no page, and no field; but
    /// draft-75 and draft-76 demand one, and there it is by default the origin of the URL itself,
    /// `http` for `ws` and `https` for `wss`.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Offers subprotocols, the best first, behind those that are offered already. In draft-75 and
    /// draft-76, which know no lists, only the first of all is asked for, and must be spoken.
    ///
    /// # Errors
    /// [`BadField`] for a name that is empty, has other bytes than printable ASCII without blanks,
    /// commas, semicolons and quotes, or is offered already (RFC 6455 §4.1).
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, BadField>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        for name in names {
            let name = name.into();
            let good = !name.is_empty() && name.bytes().all(hybi07::is_subprotocol_byte);
            if !good || self.subprotocols.contains(&name) {
                return Err(BadField::of(&format!("Sec-WebSocket-Protocol: {name}")));
            }
            self.subprotocols.push(name);
        }
        Ok(self)
    }

    /// Adds a field: `Authorization`, `User-Agent`. A second `Cookie` continues the first, as there
    /// may be only one (RFC 6265 §5.4).
    ///
    /// # Errors
    /// [`BadField`] where the field would break the request or is one of the handshake's own.
    pub fn field(mut self, name: &str, value: &str) -> Result<Self, BadField> {
        const OURS: [&str; 2] = ["Host", "Origin"];
        if OURS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Err(BadField::of(name));
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
    /// [`BadField`] where the name is empty or has a `=`, where either has a semicolon, or where
    /// the field would break the request.
    pub fn cookie(self, name: &str, value: &str) -> Result<Self, BadField> {
        if name.is_empty() || name.contains(['=', ';']) || value.contains(';') {
            return Err(BadField::of(&format!("Cookie: {name}")));
        }
        self.field("Cookie", &format!("{name}={value}"))
    }

    /// Whether the connection is to be one of TLS: the scheme is `wss`.
    pub fn is_secure(&self) -> bool {
        self.url.secure
    }

    /// The name or the address to connect to, in lower case; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        let host = self.url.host.as_str();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.url.port
    }

    /// Path and query, as the request line has them.
    pub fn target(&self) -> &str {
        &self.url.target
    }

    /// The host as the field `Host` has it: an IPv6 address in brackets, the port unless it is the
    /// scheme's default.
    pub fn authority(&self) -> String {
        let Url { host, port, .. } = &self.url;
        match *port == default_port(self.url.secure) {
            true => host.clone(),
            false => format!("{host}:{port}"),
        }
    }

    /// The whole URL, in its shortest form: what draft-75 and draft-76 servers tell back as the
    /// location.
    pub fn url(&self) -> String {
        let scheme = if self.url.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.url.target)
    }

    /// The origin that is asked with, where one was given or the version demands one.
    pub(crate) fn asks_from(&self) -> Option<String> {
        let scheme = if self.url.secure { "https" } else { "http" };
        match &self.origin {
            Some(origin) => Some(origin.to_string()),
            None if self.version.framing() == Framing::Hybi => None,
            None => Some(format!("{scheme}://{}", self.authority())),
        }
    }

    /// The value of the version's field for subprotocols, if any is asked for.
    pub(crate) fn subprotocols_offered(&self) -> Option<String> {
        let first = self.subprotocols.first()?;
        Some(match self.version.row().subprotocol_list {
            true => self.subprotocols.join(", "),
            false => first.clone(),
        })
    }

    /// The fields that are not the handshake's own.
    pub(crate) fn further_fields(&self) -> impl Iterator<Item = (&str, String)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
    }

    /// The whole head with these fields.
    pub(crate) fn write(&self, fields: &[(&str, String)]) -> Vec<u8> {
        let mut out = format!("GET {} HTTP/1.1\r\n", self.url.target).into_bytes();
        for (name, value) in fields {
            response::field(&mut out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the query, and without what lets one in: logs keep what they get.
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
