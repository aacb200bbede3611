//! The settings of a server's protocol, apart from sizes.

use std::fmt;

#[cfg(feature = "deflate")]
use super::deflate::Deflate;
use super::error::Refusal;
use super::host::HostName;
use super::limits::Limits;
use super::request::{Request, escaped, split_port};
use super::version::{Proof, Version, Versions};

/// The settings of the protocol core, each with its default. A client uses only the limits, and
/// `deflate` if that is built in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The supported versions. Default: all five.
    pub versions: Versions,
    /// The limits for the peer's input.
    pub limits: Limits,
    /// Whether clients reach this server through TLS that ends in front of it: responses of draft-75
    /// and draft-76 then contain `wss`. Default: no.
    pub secure: bool,
    /// Whether `X-Forwarded-Proto` and `X-Forwarded-For` are trusted. Default: no. Safe only if a
    /// proxy writes them itself; otherwise any client can.
    pub trust_forwarded: bool,
    /// The allowed origins; `None`, the default, allows every origin, and requests without one. A
    /// list, or `same_origin`, is the only defence of a server that browsers can reach against
    /// other sites' pages.
    pub origins: Option<Vec<Origin>>,
    /// Whether the server's own origin is allowed: its scheme is that of `secure` (or of a trusted
    /// proxy), its host and port are those of `Host`. A request without an origin is allowed too,
    /// unless there is a list as well: no browser sends such a request. Default: no.
    pub same_origin: bool,
    /// The hosts that are served; `None`, the default, serves any. Every request is checked against
    /// them, plain HTTP too: the only defence against DNS rebinding, where an attacker's name
    /// leads a browser here.
    pub hosts: Option<Vec<HostName>>,
    /// The supported subprotocols. Default: none. The client's order decides.
    pub subprotocols: Vec<String>,
    /// The compression of messages with clients that offer it. Default: none.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
    /// Whether a hixie frame other than text is skipped (the default) or breaks the connection;
    /// the drafts allow both (draft-76 §5.3). A client always skips it (§4.2).
    pub fail_on_unknown_frames: bool,
    /// Whether bad UTF-8 in a hixie frame is replaced by U+FFFD (the default) or breaks the
    /// connection; the drafts leave it open (draft-76 §5.3). A client always replaces (§4.2), and
    /// the hybi versions always fail.
    pub fail_on_bad_hixie_text: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            versions: Versions::ALL,
            limits: Limits::default(),
            secure: false,
            trust_forwarded: false,
            origins: None,
            same_origin: false,
            hosts: None,
            subprotocols: Vec::new(),
            #[cfg(feature = "deflate")]
            deflate: None,
            fail_on_unknown_frames: false,
            fail_on_bad_hixie_text: false,
        }
    }
}

impl Config {
    /// Finds out the request's version, and whether it may come in. `None` for plain HTTP.
    pub(crate) fn judge(&self, request: &mut Request) -> Result<Option<Proof>, Refusal> {
        let Some(version) = Version::detect(request, self.versions)? else {
            self.check_host(request)?;
            return Ok(None);
        };
        if request.is_head() {
            return Err(Refusal::Method("HEAD".to_owned()));
        }
        if version.row().absolute_target {
            request.make_target_relative();
        }
        request.version = Some(version);
        let proof = version.check(request)?;
        // After the check: the response to an invalid request of an old version names the error, and a
        // request that only resembles draft-75 is not rejected as draft-75.
        if !self.versions.contains(version) {
            return Err(Refusal::UnsupportedVersion {
                asked: version.name().to_owned(),
                allowed: self.versions,
            });
        }
        self.check_host(request)?;
        self.check_origin(request)?;
        Ok(Some(proof))
    }

    pub(crate) fn is_secure(&self, request: &Request) -> bool {
        let forwarded = || {
            // The last word is the nearest proxy's; the client may have written those before.
            let last = request.all("X-Forwarded-Proto").last().unwrap_or_default();
            let last = last.rsplit(|byte| *byte == b',').next().unwrap_or_default();
            let proto = last.trim_ascii();
            proto.eq_ignore_ascii_case(b"https") || proto.eq_ignore_ascii_case(b"wss")
        };
        self.secure || self.trust_forwarded && forwarded()
    }

    fn check_host(&self, request: &Request) -> Result<(), Refusal> {
        let Some(served) = &self.hosts else {
            return Ok(());
        };
        let host = request.host(false)?;
        let (name, _) = split_port(&host);
        match served.contains(&HostName::of(name)) {
            true => Ok(()),
            false => Err(Refusal::UnknownHost(escaped(name.as_bytes()))),
        }
    }

    fn check_origin(&self, request: &Request) -> Result<(), Refusal> {
        let origin = request.origin();
        let is_let_in = match (origin.map(str::parse::<Origin>), &self.origins) {
            (_, None) if !self.same_origin => true,
            // An origin that is not text, or in another version's header, is not a missing one.
            (None, None) => ["Origin", "Sec-WebSocket-Origin"]
                .iter()
                .all(|field| request.field(field).is_none()),
            (Some(Ok(origin)), list) => {
                list.as_ref().is_some_and(|list| list.contains(&origin))
                    || self.same_origin && self.own_origin(request)? == origin
            }
            (None | Some(Err(_)), _) => false,
        };
        match is_let_in {
            true => Ok(()),
            false => Err(Refusal::Origin(
                origin.map(|origin| escaped(origin.as_bytes())),
            )),
        }
    }

    /// Returns the origin of a page that this server has served (RFC 6454 §4).
    fn own_origin(&self, request: &Request) -> Result<Origin, Refusal> {
        let secure = self.is_secure(request);
        let scheme = if secure { "https" } else { "http" };
        let host = request.host(secure)?;
        let origin = format!("{scheme}://{host}").parse();
        origin.map_err(|_| Refusal::BadHost(escaped(host.as_bytes())))
    }
}

/// An origin: scheme, host and port, compared exactly; or `null`, which must be allowed by name
/// (RFC 6454 §4 and §5).
///
/// ```
/// use stentor::Origin;
/// let origin: Origin = "https://Example.com:443".parse()?;
/// assert_eq!(origin, "https://example.com".parse()?);
/// assert_ne!(origin, "http://example.com".parse()?);
/// assert!("example.com".parse::<Origin>().is_err());
/// # Ok::<(), stentor::BadOrigin>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `null`: a page without an origin, such as a file.
    Null,
    /// A scheme, a host and a port.
    Tuple {
        /// In lower case.
        scheme: String,
        /// In lower case, an IPv6 address in brackets.
        host: String,
        /// `None` where it is the scheme's default.
        port: Option<u16>,
    },
}

/// Not an origin: no scheme, no host, a path, or a bad port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOrigin(String);

impl std::str::FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        if text == "null" {
            return Ok(Origin::Null);
        }
        let bad = || BadOrigin(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let (host, port) = split_port(rest);
        let host_byte = |byte: u8| byte.is_ascii_graphic() && !b"/\\?#@,*".contains(&byte);
        if !is_scheme(scheme) || host.is_empty() || !host.bytes().all(host_byte) {
            return Err(bad());
        }
        let scheme = scheme.to_ascii_lowercase();
        let port = match port {
            None => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse::<u16>().map_err(|_| bad())?)
            }
            Some(_) => return Err(bad()),
        };
        let default = match scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        Ok(Origin::Tuple {
            scheme,
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| Some(*port) != default),
        })
    }
}

/// The origin as a header field has it (RFC 6454 §6.2).
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Null => f.write_str("null"),
            Origin::Tuple { scheme, host, port } => {
                write!(f, "{scheme}://{host}")?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

/// RFC 3986 §3.1.
pub(crate) fn is_scheme(text: &str) -> bool {
    let further = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(further)
}

impl fmt::Display for BadOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.escape_debug();
        write!(f, "\"{text}\" is not an origin such as https://example.com")
    }
}

impl std::error::Error for BadOrigin {}

impl From<BadOrigin> for std::io::Error {
    fn from(bad: BadOrigin) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, bad)
    }
}
