//! A client's request, as a server reads it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::error::Refusal;
use super::head::{self, Head};
use super::host::name_and_port;
use super::limits::Limits;
use super::version::Version;

/// A client's request, as received: resource and headers. Its method is GET or, for plain HTTP, HEAD;
/// other methods are rejected before the application receives the request.
#[derive(Clone)]
pub struct Request {
    head: Head,
    target: Range<usize>,
    minor: u8,
    head_only: bool,
    pub(crate) version: Option<Version>,
}

/// What a search for a request found.
pub(crate) enum Search {
    /// Not there yet; the next search may start here.
    Incomplete(usize),
    /// A head of this many bytes, and whatever it turned out to be.
    Complete(usize, Result<Request, Refusal>),
}

/// The name of the first line in errors.
const FIRST_LINE: &str = "request line";

impl Request {
    /// Looks for the end of the head in `input`, from `searched` on (what earlier searches have
    /// ruled out), and parses what ends there.
    ///
    /// # Errors
    /// A refusal, as soon as it is certain that the head is longer than the limit; or that there
    /// will be none, since the first byte is not even a visible character. Who takes this for a
    /// port of TLS need not wait for the deadline to learn better.
    pub(crate) fn search(
        input: &[u8],
        searched: usize,
        limits: &Limits,
    ) -> Result<Search, Refusal> {
        if let Some(&first) = input.first()
            && !first.is_ascii_graphic()
        {
            return Err(Refusal::NotHttp(first));
        }
        Ok(match head::search(input, searched, limits.head_bytes)? {
            head::Search::Incomplete(searched) => Search::Incomplete(searched),
            head::Search::Complete(used) => {
                Search::Complete(used, Request::parse(&input[..used], limits))
            }
        })
    }

    fn parse(head: &[u8], limits: &Limits) -> Result<Request, Refusal> {
        let count = head::count_fields(head, limits, FIRST_LINE)?;
        let mut fields = vec![httparse::EMPTY_HEADER; count];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Refusal::MalformedHead(FIRST_LINE)),
            Err(error) => return Err(head::malformed(error, limits, FIRST_LINE).into()),
        }
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(Refusal::MalformedHead(FIRST_LINE));
        };
        if !matches!(method, "GET" | "HEAD") {
            return Err(Refusal::Method(escaped(method.as_bytes())));
        }
        Ok(Request {
            target: head::range_of(target.as_bytes(), head),
            minor,
            head_only: method == "HEAD",
            head: Head::new(head, parsed.headers),
            version: None,
        })
    }

    /// The resource as the client asked for it: path, and query if there is one.
    pub fn target(&self) -> &str {
        // httparse lets nothing but UTF-8 through here.
        std::str::from_utf8(&self.head.bytes()[self.target.clone()]).unwrap_or("/")
    }

    /// Returns the path, without the query. Not decoded: `%2e` stays `%2e`.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or("/")
    }

    /// Returns the query after the first `?`, or `None`.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Returns the value of the first header of that name, in any letter case, as received.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// Returns the value of the first header of that name, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.head.text(name)
    }

    /// Returns the values of all headers of that name, in the order in which they were received.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.head.all(name)
    }

    /// Returns all headers, with their names as written, in the order in which they were received.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.fields()
    }

    /// Returns the cookies of all `Cookie` headers, as pairs of name and value (RFC 6265 §4.2).
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all("Cookie")
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
    }

    /// Returns the value of one cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
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
            Some(version) => version.row().origin_fields,
            None => &["Origin"],
        };
        fields.iter().find_map(|field| self.text(field))
    }

    /// Returns the subprotocols that the client offers, in its order of preference. Draft-75 and
    /// draft-76 offer one string at most.
    pub fn subprotocols(&self) -> Vec<&str> {
        match self.version {
            Some(version) => version.offered_subprotocols(self),
            None => Vec::new(),
        }
    }

    /// The last address of `X-Forwarded-For`, without its port if it has one: the client's, if the
    /// one proxy before this server is trusted to write it, and anything at all otherwise. What
    /// stands before it may be the client's own invention even then. Behind a chain of proxies it
    /// is the last but one of them.
    pub fn forwarded_for(&self) -> Option<IpAddr> {
        let value = self.all("X-Forwarded-For").last()?;
        let last = std::str::from_utf8(value).ok()?.rsplit(',').next()?.trim();
        let with_port = || last.parse().ok().map(|address: SocketAddr| address.ip());
        let bracketed = || last.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
        last.parse().ok().or_else(with_port).or_else(bracketed)
    }

    /// `ws://host/path` becomes `/path`: from draft-08 on the resource may be a whole URI
    /// (RFC 6455 §3, §4.2.1).
    pub(crate) fn make_target_relative(&mut self) {
        let Some((scheme, rest)) = self.target().split_once("://") else {
            return;
        };
        let known = ["ws", "wss", "http", "https"];
        if known.iter().any(|known| known.eq_ignore_ascii_case(scheme))
            && let Some(border) = rest.find(['/', '?', '#'])
            && border > 0
            && rest[border..].starts_with('/')
            && self.names_host(&rest[..border])
        {
            self.target.start += scheme.len() + 3 + border;
        }
    }

    /// Whether an authority has the name that `Host` has: whoever checks the one must not be led past
    /// the other (RFC 9112 §3.2.2).
    fn names_host(&self, authority: &str) -> bool {
        let name = split_port(authority).0;
        let host = self
            .field("Host")
            .and_then(|host| std::str::from_utf8(host).ok());
        host.is_some_and(|host| split_port(host).0.eq_ignore_ascii_case(name))
    }

    /// Returns a substitute for a missing request.
    pub(crate) fn none() -> Request {
        Request {
            head: Head::new(b"/", &[]),
            target: 0..1,
            minor: 1,
            head_only: false,
            version: None,
        }
    }

    /// Returns whether the method is HEAD: the response, of plain HTTP only, has no body then.
    pub(crate) fn is_head(&self) -> bool {
        self.head_only
    }

    pub(crate) fn is_http_1_0(&self) -> bool {
        self.minor == 0
    }

    /// The head's bytes, for a log: to be escaped by whoever prints them.
    pub(crate) fn head(&self) -> &[u8] {
        self.head.bytes()
    }

    /// Returns the value of a header that may occur only once.
    pub(crate) fn once(&self, name: &'static str) -> Result<Option<&[u8]>, Refusal> {
        Ok(self.head.once(name)?)
    }

    /// Returns whether the comma-separated lists of a header contain `word`, in any letter case.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        self.head.lists(name, word)
    }

    /// `Host`, lower-case and without the scheme's default port (draft-76 §5.2 step 3; clients
    /// compare the location that is made of it).
    pub(crate) fn host(&self, secure: bool) -> Result<String, Refusal> {
        let value = self.once("Host")?.ok_or(Refusal::Missing("Host"))?;
        let bad = || Refusal::BadHost(escaped(value));
        let host = std::str::from_utf8(value).map_err(|_| bad())?;
        let (name, port) = name_and_port(host).ok_or_else(bad)?;
        let mut name = name.to_ascii_lowercase();
        let Some(port) = port else { return Ok(name) };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        match (port.parse::<u16>().map_err(|_| bad())?, secure) {
            (0, _) => Err(bad()),
            (80, false) | (443, true) => Ok(name),
            _ => {
                name.push(':');
                name += port.trim_start_matches('0');
                Ok(name)
            }
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("version", &self.version)
            .field("head", &self.head)
            .finish()
    }
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head
    }
}

impl Eq for Request {}

/// A peer's bytes as they may stand in a log, an error or an answer: printable ASCII, and not many.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    const SHOWN: usize = 100;
    let mut text = bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
    if bytes.len() > SHOWN {
        text.push_str("...");
    }
    text
}

/// Splits `host:port`; an IPv6 address keeps its colons inside brackets.
pub(crate) fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    }
}
