//! The settings of a server's protocol, apart from sizes.

#[cfg(feature = "deflate")]
use super::deflate::Deflate;
use super::handshake::response::Date;
use super::http::host::HostName;
use super::http::origin::Origin;
use super::limits::Limits;
use super::version::Versions;

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
    pub behind_tls: bool,
    /// Whether `X-Forwarded-Proto` and `X-Forwarded-For` are trusted. Default: no. Safe only if a
    /// proxy writes them itself; otherwise any client can.
    pub trust_forwarded_headers: bool,
    /// The allowed origins; `None`, the default, allows every origin, and requests without one. A
    /// list, or `same_origin`, is the only defence of a server that browsers can reach against
    /// other sites' pages.
    pub allowed_origins: Option<Vec<Origin>>,
    /// Whether the server's own origin is allowed: its scheme is that of `behind_tls` (or of a trusted
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
            behind_tls: false,
            trust_forwarded_headers: false,
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
