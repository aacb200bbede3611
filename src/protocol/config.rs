//! What a server allows and how it answers, apart from sizes.

#[cfg(feature = "deflate")]
use super::deflate::Deflate;
use super::error::Refusal;
use super::escape::escaped;
use super::host::HostName;
use super::limits::Limits;
use super::origin::Origin;
use super::request::{Request, split_port};
use super::response::Date;
use super::version::{Proof, Version, Versions};

/// The settings of the protocol core; each tells its default. A client has use for the
/// limits, and for `deflate` where that is built in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The versions that are spoken. Default: all five.
    pub versions: Versions,
    /// The sizes a peer may ask for.
    pub limits: Limits,
    /// Whether clients reach this server through TLS that ends in front of it: draft-75 and
    /// draft-76 are then told `wss`. Default: no.
    pub secure: bool,
    /// Whether `X-Forwarded-Proto` and `X-Forwarded-For` are believed. Default: no. Only where a
    /// proxy writes them itself; otherwise any client can.
    pub trust_forwarded: bool,
    /// The origins that are let in; `None`, the default, lets in every one, and those without. A
    /// list, or `same_origin`, is the only defence of a server that browsers can reach against
    /// other sites' pages.
    pub origins: Option<Vec<Origin>>,
    /// Whether an origin is let in that is the server's own: its scheme is that of `secure` (or of
    /// a proxy that is believed), its host and port are those of `Host`. So is a request without
    /// any, unless there is a list as well: no browser makes one. Default: no.
    pub same_origin: bool,
    /// The hosts that are served; `None`, the default, serves any. Every request is held against
    /// them, plain HTTP too: the only defence against DNS rebinding, where an attacker's name
    /// leads a browser here.
    pub hosts: Option<Vec<HostName>>,
    /// The subprotocols that are spoken. Default: none. The client's order decides.
    pub subprotocols: Vec<String>,
    /// Whether and how messages are compressed with clients that offer it. Default: not.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
    /// Where the header `Date` of refusals and pages is from. Default: `None`, and no such header, as
    /// the protocol has no clock; a server sets the system's.
    pub date: Option<Date>,
    /// Whether a close frame that answers a violation says in words which rule was broken, beside the
    /// code, in at most 123 bytes. Default: yes.
    pub close_reasons: bool,
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
            date: None,
            close_reasons: true,
            fail_on_unknown_frames: false,
            fail_on_bad_hixie_text: false,
        }
    }
}

impl Config {
    /// Finds out the request's version, and whether it may come in. `None` for plain HTTP, which
    /// goes the same way as far as its checks are not a version's own.
    pub(crate) fn judge(&self, request: &mut Request) -> Result<Option<Proof>, Refusal> {
        request.check_method()?;
        request.check()?;
        let Some(version) = Version::detect(request, self.versions)? else {
            self.check_host(request)?;
            return Ok(None);
        };
        if request.is_head() {
            return Err(Refusal::Method("HEAD".to_owned()));
        }
        request.version = Some(version);
        let proof = version.check(request)?;
        // After the check: a broken request of an old kind is told what is broken, and what only
        // resembles draft-75 is not told that draft-75 is not spoken.
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
            // The last word is the nearest proxy's; what stands before may be the client's own.
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
            // What is no text, or in another version's field, is not nothing.
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

    /// The origin of a page that this server has served (RFC 6454 §4).
    fn own_origin(&self, request: &Request) -> Result<Origin, Refusal> {
        let secure = self.is_secure(request);
        let scheme = if secure { "https" } else { "http" };
        let host = request.host(secure)?;
        let origin = format!("{scheme}://{host}").parse();
        origin.map_err(|_| Refusal::BadHost(escaped(host.as_bytes())))
    }
}
