//! The settings of a server's protocol, apart from sizes.

#[cfg(feature = "deflate")]
use super::deflate::Deflate;
use super::error::Rejection;
use super::handshake::request::{Request, split_port};
use super::handshake::response::Date;
use super::http::host::HostName;
use super::http::origin::Origin;
use super::http::text::escaped;
use super::limits::Limits;
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
    pub allowed_origins: Option<Vec<Origin>>,
    /// Whether the server's own origin is allowed: its scheme is that of `secure` (or of a trusted
    /// proxy), its host and port are those of `Host`. A request without an origin is allowed too,
    /// unless there is a list as well: no browser sends such a request. Default: no.
    pub same_origin: bool,
    /// The hosts that are served; `None`, the default, serves any. Every request is checked against
    /// them, plain HTTP too: the only defence against DNS rebinding, where an attacker's name
    /// leads a browser here.
    pub allowed_hosts: Option<Vec<HostName>>,
    /// The supported subprotocols. Default: none. The client's order decides.
    pub subprotocols: Vec<String>,
    /// The compression of messages with clients that offer it. Default: none.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
    /// The source of the header `Date` of rejections and pages. Default: `None`, and no such header, as
    /// the protocol has no clock; a server sets the system's.
    pub date: Option<Date>,
    /// Whether the close frame after a protocol error names the broken rule as its reason, beside the
    /// code, in at most 123 bytes. Default: yes.
    pub close_reasons: bool,
    /// Whether a hixie frame other than text is skipped (the default) or fails the connection;
    /// the drafts allow both (draft-76 §5.3). A client always skips it (§4.2).
    pub fail_on_unknown_frames: bool,
    /// Whether invalid UTF-8 in a hixie frame is replaced by U+FFFD (the default) or fails the
    /// connection; the drafts leave it open (draft-76 §5.3). A client always replaces (§4.2), and
    /// the hybi versions always fail.
    pub fail_on_invalid_hixie_text: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            versions: Versions::ALL,
            limits: Limits::default(),
            secure: false,
            trust_forwarded: false,
            allowed_origins: None,
            same_origin: false,
            allowed_hosts: None,
            subprotocols: Vec::new(),
            #[cfg(feature = "deflate")]
            deflate: None,
            date: None,
            close_reasons: true,
            fail_on_unknown_frames: false,
            fail_on_invalid_hixie_text: false,
        }
    }
}

impl Config {
    /// Determines the request's version, and checks whether it is allowed. `None` for plain HTTP, for
    /// which all checks are made that do not belong to a version.
    pub(crate) fn judge(&self, request: &mut Request) -> Result<Option<Proof>, Rejection> {
        request.check_method()?;
        request.check()?;
        let Some(version) = Version::detect(request, self.versions)? else {
            self.check_host(request)?;
            return Ok(None);
        };
        if request.is_head() {
            return Err(Rejection::Method("HEAD".to_owned()));
        }
        request.version = Some(version);
        let proof = version.check(request)?;
        // After the check: the response to an invalid request of an old version names the error, and a
        // request that only resembles draft-75 is not rejected as draft-75.
        if !self.versions.contains(version) {
            return Err(Rejection::UnsupportedVersion {
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
            let last = request
                .header_values("X-Forwarded-Proto")
                .last()
                .unwrap_or_default();
            let last = last.rsplit(|byte| *byte == b',').next().unwrap_or_default();
            let proto = last.trim_ascii();
            proto.eq_ignore_ascii_case(b"https") || proto.eq_ignore_ascii_case(b"wss")
        };
        self.secure || self.trust_forwarded && forwarded()
    }

    fn check_host(&self, request: &Request) -> Result<(), Rejection> {
        let Some(served) = &self.allowed_hosts else {
            return Ok(());
        };
        let host = request.host(false)?;
        let (name, _) = split_port(&host);
        match served.contains(&HostName::of(name)) {
            true => Ok(()),
            false => Err(Rejection::UnknownHost(escaped(name.as_bytes()))),
        }
    }

    fn check_origin(&self, request: &Request) -> Result<(), Rejection> {
        let origin = request.origin();
        let is_let_in = match (origin.map(str::parse::<Origin>), &self.allowed_origins) {
            (_, None) if !self.same_origin => true,
            // An origin that is not text, or in another version's header, is not a missing one.
            (None, None) => ["Origin", "Sec-WebSocket-Origin"]
                .iter()
                .all(|field| request.header(field).is_none()),
            (Some(Ok(origin)), list) => {
                list.as_ref().is_some_and(|list| list.contains(&origin))
                    || self.same_origin && self.own_origin(request)? == origin
            }
            (None | Some(Err(_)), _) => false,
        };
        match is_let_in {
            true => Ok(()),
            false => Err(Rejection::Origin(
                origin.map(|origin| escaped(origin.as_bytes())),
            )),
        }
    }

    /// Returns the origin of a page that this server has served (RFC 6454 §4).
    fn own_origin(&self, request: &Request) -> Result<Origin, Rejection> {
        let secure = self.is_secure(request);
        let scheme = if secure { "https" } else { "http" };
        let host = request.host(secure)?;
        let origin = format!("{scheme}://{host}").parse();
        origin.map_err(|_| Rejection::InvalidHost(escaped(host.as_bytes())))
    }
}
