//! A client's request, as a server reads it.

#[cfg(feature = "query")]
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::protocol::error::Rejection;
use crate::protocol::http::head;
use crate::protocol::http::head::Head;
use crate::protocol::http::host::name_and_port;
use crate::protocol::http::redacted;
use crate::protocol::http::text::{escaped, split_port};
use crate::protocol::limits::Limits;
use crate::protocol::version::Version;

/// A client's request, as received: resource and headers. Its method is GET or, for plain HTTP, HEAD;
/// other methods are rejected with 405 or 501 before the application receives the request. A clone shares
/// the headers. A server's hook and handler receive it inside a [`stentor::Request`](crate::Request).
///
/// ```
/// use std::sync::Arc;
/// use stentor::Version;
/// use stentor::protocol::{Config, Connection, Event};
///
/// let mut connection = Connection::new(Arc::new(Config::default()));
/// connection.receive_data(
///     b"GET /chat?room=tea HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nOrigin: https://example.com\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: session=e8bb43229de9\r\n\r\n",
/// );
/// assert_eq!(connection.next_event(), Some(Event::Request));
///
/// let request = connection.request().ok_or("no request")?;
/// assert_eq!(request.version(), Some(Version::Rfc6455));
/// assert_eq!((request.path(), request.query()), ("/chat", Some("room=tea")));
/// assert_eq!(request.header_str("host"), Some("example.com"));
/// assert_eq!(request.origin(), Some("https://example.com"));
/// assert_eq!(request.cookie("session"), Some("e8bb43229de9"));
/// # Ok::<(), &str>(())
/// ```
#[doc(alias = "upgrade")]
#[doc(alias = "handshake")]
#[derive(Clone)]
pub struct Request {
    head: Head,
    target: Target,
    /// The host that a whole URI names, with its port if it has one.
    authority: Option<Range<usize>>,
    minor: u8,
    head_only: bool,
    /// A method other than GET and HEAD, for which the request is rejected.
    other_method: Option<Box<str>>,
    pub(crate) version: Option<Version>,
}

/// The resource, as path and query.
#[derive(Clone)]
enum Target {
    /// A part of the header block.
    Part(Range<usize>),
    /// For a whole URI without a path: `/`, and the query if there is one.
    Root(Box<str>),
}

/// The result of a search for a request.
pub(crate) enum Search {
    /// Not complete yet; the next search may start here.
    Incomplete(usize),
    /// A header block of this many bytes, and the request or the reason to reject it.
    Complete(usize, Result<Request, Rejection>),
}

/// The methods that HTTP knows, beside GET and HEAD (RFC 9110 §9.3, RFC 5789).
const KNOWN_METHODS: [&str; 7] = [
    "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// The name of the first line in errors.
const FIRST_LINE: &str = "request line";

/// Returns whether the bytes begin with a header of the PROXY protocol, version 1 (`doc/proxy-protocol.txt`
/// of HAProxy, section 2.1). No resource begins so: it would begin with a slash, or be a URI.
fn is_proxy_header(input: &[u8]) -> bool {
    let families = input.strip_prefix(b"PROXY ").unwrap_or_default();
    families.starts_with(b"TCP") || families.starts_with(b"UNKNOWN")
}

impl Request {
    /// Searches `input` for the end of the header block, from `searched` on (earlier searches have
    /// covered the bytes before), and parses it. One empty line before it is skipped (RFC 9112 §2.2).
    ///
    /// # Errors
    /// A rejection, as soon as it is certain that the header block is longer than the limit; or that
    /// there will be none, since the first byte is not even a visible character, or since a proxy's header
    /// comes instead. So a client that takes this for a TLS port need not wait for the timeout.
    pub(crate) fn search(
        input: &[u8],
        searched: usize,
        limits: &Limits,
    ) -> Result<Search, Rejection> {
        const EMPTY_LINE: &[u8] = b"\r\n";
        if input == b"\r" {
            return Ok(Search::Incomplete(0));
        }
        let skipped = match input.starts_with(EMPTY_LINE) {
            true => EMPTY_LINE.len(),
            false => 0,
        };
        let input = &input[skipped..];
        match input.first() {
            Some(first) if !first.is_ascii_graphic() => return Err(Rejection::NotHttp(*first)),
            _ => {}
        }
        if is_proxy_header(input) {
            return Err(Rejection::UnexpectedProxyHeader);
        }
        let searched = searched.saturating_sub(skipped);
        Ok(match head::search(input, searched, limits.header_bytes)? {
            head::Search::Incomplete(searched) => Search::Incomplete(skipped + searched),
            head::Search::Complete(used) => {
                Search::Complete(skipped + used, Request::parse(&input[..used], limits))
            }
        })
    }

    // In a frame of its own: the stack that a handshake touches stays with an idle client.
    #[inline(never)]
    fn parse(head: &[u8], limits: &Limits) -> Result<Request, Rejection> {
        let count = head::count_fields(head, limits, FIRST_LINE)?;
        let mut fields = vec![httparse::EMPTY_HEADER; count];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Rejection::MalformedHeaders(FIRST_LINE)),
            Err(error) => return Err(head::malformed(error, limits, FIRST_LINE).into()),
        }
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(Rejection::MalformedHeaders(FIRST_LINE));
        };
        let is_other = !matches!(method, "GET" | "HEAD");
        Ok(Request {
            target: Target::Part(head::range_of(target.as_bytes(), head)),
            authority: None,
            other_method: is_other.then(|| method.into()),
            minor,
            head_only: method == "HEAD",
            head: Head::new(head, parsed.headers),
            version: None,
        })
    }

    /// Returns the resource that the client has requested: path, and query if there is one. Of a whole URI
    /// (`GET http://host/path HTTP/1.1`), the part after the host; `/` if that has no path.
    #[doc(alias = "uri")]
    #[doc(alias = "url")]
    pub fn target(&self) -> &str {
        match &self.target {
            // httparse accepts only UTF-8 here.
            Target::Part(part) => {
                std::str::from_utf8(&self.head.bytes()[part.clone()]).unwrap_or("/")
            }
            Target::Root(target) => target,
        }
    }

    /// Returns the path, without the query. Not decoded: `%2e` stays `%2e`.
    #[inline]
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or("/")
    }

    /// Returns the query after the first `?`, or `None`. Not decoded: `%2e` stays `%2e`, and `+` stays `+`.
    /// `query_pairs` decodes it, with the feature `query`, which is on by default.
    #[inline]
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Returns the names and values of the query, decoded as forms and `URLSearchParams` write them: `&`
    /// separates pairs, the first `=` separates name and value, `+` and `%20` are spaces. There is no
    /// error: a `%` without two hex digits stays as it is, bytes that are not UTF-8 become U+FFFD, and a pair
    /// without `=` has an empty value. Without a query, there are no pairs.
    ///
    /// ```
    /// # use stentor::protocol::Request;
    /// fn tags(request: &Request) -> Vec<String> {
    ///     // `?tag=a%26b&page=2&tag=c+d` has the tags `a&b` and `c d`.
    ///     let tags = request.query_pairs().filter(|(name, _)| name == "tag");
    ///     tags.map(|(_, value)| value.into_owned()).collect()
    /// }
    /// ```
    #[cfg(feature = "query")]
    #[doc(alias = "query string")]
    #[doc(alias = "parameter")]
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.query().unwrap_or_default().as_bytes())
    }

    /// Returns the first value of this name in the query, decoded like
    /// [`query_pairs`](Request::query_pairs); `None` if the query does not have the name.
    #[cfg(feature = "query")]
    pub fn query_value(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut pairs = self.query_pairs();
        pairs.find_map(|(own, value)| (own == name).then_some(value))
    }

    /// Returns the value of the first header of that name, in any letter case, as received.
    #[doc(alias = "field")]
    #[doc(alias = "header value")]
    #[inline]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.header_values(name).next()
    }

    /// Returns the value of the first header of that name, if it is UTF-8.
    #[inline]
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.head.header_str(name)
    }

    /// Returns the values of all headers of that name, in the order in which they were received.
    pub fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.head.header_values(name)
    }

    /// Returns all headers, with their names as written, in the order in which they were received.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers()
    }

    /// Returns the cookies of all `Cookie` headers, as pairs of name and value (RFC 6265 §4.2).
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.header_values("Cookie")
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
    }

    /// Returns the value of one cookie; of several with this name, the first.
    #[inline]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// Returns the token of an `Authorization` header with the scheme `Bearer`, in any letter case (RFC 6750 §2.1).
    /// Browsers cannot send this header with a WebSocket request; other clients can.
    #[doc(alias = "authorization")]
    #[inline]
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header_str("Authorization")?.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty()).then_some(token)
    }

    /// Returns the version of the handshake; `None` for plain HTTP, which a page or a health check can
    /// answer.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Returns the origin of the page that made the request, from the version's header for it (RFC 6455
    /// §10.2). Only browsers must send it.
    pub fn origin(&self) -> Option<&str> {
        let fields: &[&str] = match self.version {
            Some(version) => version.spec().origin_fields,
            None => &["Origin"],
        };
        fields.iter().find_map(|field| self.header_str(field))
    }

    /// Returns the subprotocols that the client offers, in its order of preference. Draft-75 and
    /// draft-76 offer one string at most.
    #[doc(alias = "Sec-WebSocket-Protocol")]
    #[inline]
    pub fn subprotocols(&self) -> Vec<&str> {
        match self.version {
            Some(version) => self.subprotocols_offered_in(version),
            None => Vec::new(),
        }
    }

    /// Returns the subprotocols as a request of this version offers them.
    pub(crate) fn subprotocols_offered_in(&self, version: Version) -> Vec<&str> {
        let spec = version.spec();
        let mut offered = Vec::new();
        for value in self.header_values(spec.subprotocol_field) {
            let Ok(value) = std::str::from_utf8(value) else {
                continue;
            };
            if !spec.subprotocol_list {
                return vec![value];
            }
            for item in value.split(',').map(str::trim) {
                if !item.is_empty() {
                    offered.push(item);
                }
            }
        }
        offered
    }

    /// Returns the last address of `X-Forwarded-For`, without its port if it has one, and an IPv4
    /// address as such if it is written as IPv6 (`::ffff:192.0.2.1`): the client's, if the one proxy
    /// before this server is trusted to write it, and anything at all otherwise. The addresses before it
    /// may be the client's own invention even then. Behind a chain of proxies it is the last but one of
    /// them.
    pub fn forwarded_for(&self) -> Option<IpAddr> {
        let value = self.header_values("X-Forwarded-For").last()?;
        let last = std::str::from_utf8(value).ok()?.rsplit(',').next()?.trim();
        let with_port = || last.parse().ok().map(|address: SocketAddr| address.ip());
        let bracketed = || last.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
        let address: Option<IpAddr> = last.parse().ok().or_else(with_port).or_else(bracketed);
        address.map(|address| address.to_canonical())
    }

    /// Makes the checks for every request, a handshake or not: the resource is a path, and the host is
    /// named once, in its proper form.
    ///
    /// # Errors
    /// 400 for an invalid resource; for HTTP/1.1 without `Host`; for more than one, or an invalid one.
    pub(crate) fn check(&mut self) -> Result<(), Rejection> {
        self.make_target_relative()?;
        let target = self.target();
        if !target.starts_with('/') || target.contains('#') {
            return Err(self.bad_resource());
        }
        match self.host(false) {
            // HTTP/1.0 has no `Host` (RFC 9112 §3.2).
            Err(Rejection::Missing(_)) if self.is_http_1_0() => Ok(()),
            host => host.map(drop),
        }
    }

    /// Turns `http://host/path` into `/path`, and `http://host` into `/`: any request may have a whole
    /// URI (RFC 9112 §3.2.2), a handshake too (RFC 6455 §4.2.1).
    fn make_target_relative(&mut self) -> Result<(), Rejection> {
        const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];
        let (Target::Part(part), Some((scheme, rest))) =
            (&self.target, self.target().split_once("://"))
        else {
            return Ok(());
        };
        if !SCHEMES.iter().any(|own| own.eq_ignore_ascii_case(scheme)) {
            return Ok(());
        }
        let border = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(border);
        if !self.is_for(authority) {
            return Err(self.bad_resource());
        }
        let start = part.start + scheme.len() + "://".len();
        let target = match resource.starts_with('/') {
            true => Target::Part(start + border..part.end),
            false => Target::Root(format!("/{resource}").into()),
        };
        self.authority = Some(start..start + border);
        self.target = target;
        Ok(())
    }

    /// Returns whether an authority is a valid host, and the same as `Host`: a check of the one must not
    /// be bypassed through the other (RFC 9112 §3.2.2).
    fn is_for(&self, authority: &str) -> bool {
        if host_of(authority, false).is_none() {
            return false;
        }
        let host = match self.header("Host").map(std::str::from_utf8) {
            // In HTTP/1.1 this is rejected.
            None => return true,
            Some(host) => host.unwrap_or_default(),
        };
        let name = split_port(authority).0;
        split_port(host).0.eq_ignore_ascii_case(name)
    }

    /// Creates the rejection of an invalid resource. The query may hold secrets, and is left out.
    fn bad_resource(&self) -> Rejection {
        Rejection::Resource(self.shown_path())
    }

    /// Returns the path as it may be shown, escaped: in a target that was rejected, more than the query
    /// may be a secret.
    pub(crate) fn shown_path(&self) -> String {
        redacted::path(self.target())
    }

    /// Returns the bytes of memory that it takes for as long as its connection, with a copy of the
    /// target, which the caller keeps for other threads.
    pub(crate) fn memory(&self) -> usize {
        self.head.memory() + self.target().len()
    }

    /// Returns a substitute for a missing request.
    #[cfg(feature = "server")]
    pub(crate) fn none() -> Request {
        Request {
            head: Head::new(b"/", &[]),
            target: Target::Part(0..1),
            authority: None,
            minor: 1,
            head_only: false,
            other_method: None,
            version: None,
        }
    }

    /// Returns whether the method is HEAD: the response, of plain HTTP only, has no body then.
    pub(crate) fn is_head(&self) -> bool {
        self.head_only
    }

    /// Returns whether the method is supported. `Allow` names the methods of the resource (RFC 9110
    /// §10.2.1): only GET opens a WebSocket.
    pub(crate) fn check_method(&self) -> Result<(), Rejection> {
        let Some(method) = &self.other_method else {
            return Ok(());
        };
        let shown = escaped(method.as_bytes());
        Err(match KNOWN_METHODS.contains(&&**method) {
            false => Rejection::UnknownMethod(shown),
            true if self.lists("Upgrade", "websocket") => Rejection::HandshakeMethod(shown),
            true => Rejection::Method(shown),
        })
    }

    pub(crate) fn is_http_1_0(&self) -> bool {
        self.minor == 0
    }

    /// Returns why plain HTTP is not a handshake.
    pub(crate) fn no_upgrade(&self) -> Rejection {
        match self.header("Upgrade") {
            Some(value) => Rejection::InvalidUpgrade(escaped(value)),
            None => Rejection::NoUpgrade,
        }
    }

    /// Returns the bytes of the header block, for a log: the caller must escape them.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn head(&self) -> &[u8] {
        self.head.bytes()
    }

    /// Returns the value of a header that may occur only once.
    pub(crate) fn once(&self, name: &'static str) -> Result<Option<&[u8]>, Rejection> {
        Ok(self.head.once(name)?)
    }

    /// Returns whether the comma-separated lists of a header contain `word`, in any letter case.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        self.head.lists(name, word)
    }

    /// Returns `Host`, in lower case and without the scheme's default port (draft-76 §5.2 step 3;
    /// clients compare the location that is made of it); or the host of a whole URI in HTTP/1.0, which
    /// need not have that header.
    pub(crate) fn host(&self, secure: bool) -> Result<String, Rejection> {
        let of_uri = || {
            let authority = self.authority.clone().filter(|_| self.is_http_1_0());
            authority.map(|authority| &self.head.bytes()[authority])
        };
        let value = self.once("Host")?.or_else(of_uri);
        let value = value.ok_or(Rejection::Missing("Host"))?;
        let host = std::str::from_utf8(value).ok();
        host.and_then(|host| host_of(host, secure))
            .ok_or_else(|| Rejection::InvalidHost(escaped(value)))
    }
}

/// Parses a host with an optional decimal port: in lower case, and without the scheme's default port.
fn host_of(host: &str, secure: bool) -> Option<String> {
    let (name, port) = name_and_port(host)?;
    let mut name = name.to_ascii_lowercase();
    let Some(port) = port else { return Some(name) };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match (port.parse::<u16>().ok()?, secure) {
        (0, _) => None,
        (80, false) | (443, true) => Some(name),
        _ => {
            name.push(':');
            name += port.trim_start_matches('0');
            Some(name)
        }
    }
}

impl fmt::Debug for Request {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("version", &self.version)
            .field("head", &self.head)
            .finish()
    }
}

impl PartialEq for Request {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head
    }
}

impl Eq for Request {}
