//! The protocol's errors, each with its answer: a [`Rejection`], before `Ready`, has an HTTP status; a
//! [`ProtocolError`], after it, has a close code; [`SendError`] is our own side's mistake. The errors that
//! a client finds in a response are [`HandshakeError`](super::HandshakeError).

use std::fmt;

use super::close::CloseCode;
use super::http::head::{InvalidHead, tls_hint};
use super::limits::Limits;
use super::state::State;
use super::version::{Version, Versions};

/// Why a request was rejected. `Display` names the rule and the value that broke it; the same words
/// are the body of the response, with the peer's bytes escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// No blank line within the limit of bytes: 431.
    HeadersTooLarge(usize),
    /// More headers than the limit: 431.
    TooManyHeaders(usize),
    /// Not an HTTP request; names the malformed part: 400.
    MalformedHeaders(&'static str),
    /// Not HTTP at all: it begins with this byte, which is no visible character: 400, at once.
    NotHttp(u8),
    /// A header of the PROXY protocol, version 1, from a peer that is not a trusted proxy: 400, at once.
    UnexpectedProxyHeader,
    /// A connection from a trusted proxy does not begin with a valid header of the PROXY protocol; names
    /// the fault: 400, at once.
    InvalidProxyHeader(&'static str),
    /// A method that HTTP knows and this server does not support, in a plain request: 405, which
    /// allows GET and HEAD (RFC 9110 §15.5.6).
    Method(String),
    /// A method other than GET that HTTP knows, in a WebSocket request: 405, which allows GET.
    HandshakeMethod(String),
    /// A method that HTTP does not know: 501 (RFC 9110 §15.6.2). Methods are case-sensitive.
    UnknownMethod(String),
    /// The resource does not start with a slash, or has a fragment: 400.
    Resource(String),
    /// HTTP older than 1.1: 505, or 400 for draft-75 and draft-76, which predate the distinction.
    HttpVersion(Version),
    /// No `Upgrade` header, so not a WebSocket request, and the application has not answered it: 400.
    NoUpgrade,
    /// `Upgrade` does not name `websocket`, and the application has not answered the request: 400.
    InvalidUpgrade(String),
    /// `Connection` does not contain `Upgrade`: 400.
    NoConnectionUpgrade,
    /// The request declares a body, which a handshake cannot have: 400.
    Body,
    /// A header that this version requires is missing: 400.
    Missing(&'static str),
    /// A header that may occur only once occurs twice: 400.
    Duplicate(&'static str),
    /// `Host` is not a host with an optional decimal port: 400.
    InvalidHost(String),
    /// `Host` is not one of the hosts that are served here: 421.
    UnknownHost(String),
    /// `Sec-WebSocket-Version` is a list or occurs twice: 400.
    InvalidVersion(String),
    /// A version that is not supported, or not allowed here: 426, or 400 if no version with a number
    /// is allowed.
    UnsupportedVersion {
        /// The version that the client requested.
        requested: String,
        /// The versions that are allowed here.
        allowed: Versions,
    },
    /// `Sec-WebSocket-Draft` of drafts 01 to 03, whose frames differ: 400.
    UnsupportedDraft(String),
    /// `Sec-WebSocket-Key` without a version: 400.
    KeyWithoutVersion,
    /// `Sec-WebSocket-Key` is not base64 of 16 bytes: 400.
    InvalidKey(String),
    /// One of draft-76's two keys has no solution: 400.
    InvalidChallenge {
        /// The name of the header.
        header: &'static str,
        /// The error in its value.
        error: KeyError,
    },
    /// A subprotocol with invalid bytes: 400. Its name is not kept: some programs send a token in it.
    InvalidSubprotocol,
    /// Draft-75 and draft-76: the one requested subprotocol is not supported: 400. The `on_request` hook
    /// runs before this, and may choose it. Its name is not kept.
    UnsupportedSubprotocol,
    /// The origin is not allowed, or missing although an allow-list is set: 403.
    Origin(Option<String>),
    /// The request was not complete before the timeout: 408.
    Timeout,
    /// The server has reached its limit of clients: 503.
    Full,
    /// The client's address has reached its limit of connections: 503.
    AddressFull,
    /// The client's address has exceeded the rate limit of handshakes: 429.
    TooManyHandshakes {
        /// When to try again, in seconds.
        retry_after: u64,
    },
    /// The server is shutting down: 503.
    ShuttingDown,
    /// The application rejected the request, with this status and this reason.
    Application {
        /// The HTTP status, 400 to 599.
        status: u16,
        /// The body of the response.
        reason: String,
    },
}

/// Why a draft-76 key has no solution (draft-76 §5.2 steps 4 to 8).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// No digit in it.
    NoDigits,
    /// No space in it.
    NoSpaces,
    /// Its number is not a multiple of its spaces.
    NotDivisible,
    /// Its number does not fit in 32 bits.
    TooLarge,
}

impl Rejection {
    /// Returns each variant once, in the order of their definition. Their values are examples.
    ///
    /// ```
    /// use stentor::protocol::Rejection;
    ///
    /// let statuses = Rejection::all().iter().map(Rejection::status).collect::<Vec<_>>();
    /// assert!(statuses.contains(&426) && statuses.contains(&503));
    /// ```
    #[inline]
    pub fn all() -> Vec<Rejection> {
        let limits = Limits::default();
        vec![
            Rejection::HeadersTooLarge(limits.header_bytes),
            Rejection::TooManyHeaders(limits.header_count),
            Rejection::MalformedHeaders("request line"),
            Rejection::NotHttp(0x16),
            Rejection::UnexpectedProxyHeader,
            Rejection::InvalidProxyHeader("no header"),
            Rejection::Method("POST".to_owned()),
            Rejection::HandshakeMethod("POST".to_owned()),
            Rejection::UnknownMethod("get".to_owned()),
            Rejection::Resource("chat".to_owned()),
            Rejection::HttpVersion(Version::Rfc6455),
            Rejection::NoUpgrade,
            Rejection::InvalidUpgrade("h2c".to_owned()),
            Rejection::NoConnectionUpgrade,
            Rejection::Body,
            Rejection::Missing("Host"),
            Rejection::Duplicate("Host"),
            Rejection::InvalidHost("example.com:0x50".to_owned()),
            Rejection::UnknownHost("other.example".to_owned()),
            Rejection::InvalidVersion("13, 8".to_owned()),
            Rejection::UnsupportedVersion {
                requested: "14".to_owned(),
                allowed: Versions::ALL,
            },
            Rejection::UnsupportedDraft("2".to_owned()),
            Rejection::KeyWithoutVersion,
            Rejection::InvalidKey("c2hvcnQ=".to_owned()),
            Rejection::InvalidChallenge {
                header: "Sec-WebSocket-Key1",
                error: KeyError::NoSpaces,
            },
            Rejection::InvalidSubprotocol,
            Rejection::UnsupportedSubprotocol,
            Rejection::Origin(Some("http://other.example".to_owned())),
            Rejection::Timeout,
            Rejection::Full,
            Rejection::AddressFull,
            Rejection::TooManyHandshakes { retry_after: 60 },
            Rejection::ShuttingDown,
            Rejection::Application {
                status: 403,
                reason: "log in first".to_owned(),
            },
        ]
    }

    /// Returns the HTTP status of the response.
    pub fn status(&self) -> u16 {
        match self {
            Rejection::HeadersTooLarge(_) | Rejection::TooManyHeaders(_) => 431,
            Rejection::Method(_) | Rejection::HandshakeMethod(_) => 405,
            Rejection::UnknownMethod(_) => 501,
            Rejection::HttpVersion(version) if version.wire_number().is_some() => 505,
            Rejection::UnsupportedVersion { allowed, .. } if allowed.numbers().next().is_some() => {
                426
            }
            Rejection::Origin(_) => 403,
            Rejection::UnknownHost(_) => 421,
            Rejection::Timeout => 408,
            Rejection::TooManyHandshakes { .. } => 429,
            Rejection::Full | Rejection::AddressFull | Rejection::ShuttingDown => 503,
            Rejection::Application { status, .. } => *status,
            _ => 400,
        }
    }

    /// Returns a short fixed name, for counters.
    pub fn name(&self) -> &'static str {
        match self {
            Rejection::HeadersTooLarge(_) => "header block too large",
            Rejection::TooManyHeaders(_) => "too many headers",
            Rejection::MalformedHeaders(_) | Rejection::NotHttp(_) => "malformed header block",
            Rejection::Method(_) | Rejection::HandshakeMethod(_) | Rejection::UnknownMethod(_) => {
                "method"
            }
            Rejection::UnexpectedProxyHeader => "unexpected proxy header",
            Rejection::InvalidProxyHeader(_) => "invalid proxy header",
            Rejection::Resource(_) => "resource",
            Rejection::HttpVersion(_) => "http version",
            Rejection::NoUpgrade => "no upgrade",
            Rejection::InvalidUpgrade(_) => "invalid upgrade",
            Rejection::NoConnectionUpgrade => "no connection upgrade",
            Rejection::Body => "body",
            Rejection::Missing(_) => "missing header",
            Rejection::Duplicate(_) => "duplicate header",
            Rejection::InvalidHost(_) => "invalid host",
            Rejection::UnknownHost(_) => "unknown host",
            Rejection::InvalidVersion(_) => "invalid version",
            Rejection::UnsupportedVersion { .. } => "unsupported version",
            Rejection::UnsupportedDraft(_) => "unsupported draft",
            Rejection::KeyWithoutVersion => "key without version",
            Rejection::InvalidKey(_) => "invalid key",
            Rejection::InvalidChallenge { .. } => "invalid challenge",
            Rejection::InvalidSubprotocol => "invalid subprotocol",
            Rejection::UnsupportedSubprotocol => "unsupported subprotocol",
            Rejection::Origin(_) => "origin",
            Rejection::Timeout => "timeout",
            Rejection::Full => "full",
            Rejection::AddressFull => "address full",
            Rejection::TooManyHandshakes { .. } => "too many handshakes",
            Rejection::ShuttingDown => "shutting down",
            Rejection::Application { .. } => "application",
        }
    }
}

/// The remedy, where a proxy is not trusted.
const TRUST: &str = "see ServerBuilder::proxy_protocol";

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::HeadersTooLarge(limit) => {
                write!(f, "request header block longer than {limit} bytes")
            }
            Rejection::TooManyHeaders(limit) => write!(f, "more than {limit} headers"),
            Rejection::MalformedHeaders(part) => {
                write!(f, "malformed request header block: {part}")
            }
            Rejection::NotHttp(first) => {
                write!(
                    f,
                    "not HTTP: it begins with {first:#04x}{}",
                    tls_hint(*first)
                )?;
                match first {
                    // The first byte, and the third: the empty line before a request is skipped.
                    b'\r' => write!(f, ", as the PROXY protocol (version 2) does: {TRUST}"),
                    _ => Ok(()),
                }
            }
            Rejection::UnexpectedProxyHeader => write!(
                f,
                "a header of the PROXY protocol, from a peer that is not a trusted proxy: {TRUST}"
            ),
            Rejection::InvalidProxyHeader(fault) => write!(
                f,
                "no valid header of the PROXY protocol, which this trusted proxy must send: {fault}"
            ),
            Rejection::Method(method) => write!(
                f,
                "method {method} is not supported: this server accepts GET and HEAD only"
            ),
            Rejection::HandshakeMethod(method) => write!(
                f,
                "method {method} cannot open a WebSocket: the request must be a GET"
            ),
            Rejection::UnknownMethod(method) => write!(
                f,
                "unknown method \"{method}\": this server accepts GET and HEAD only"
            ),
            Rejection::Resource(resource) => {
                write!(f, "invalid resource \"{resource}\"")
            }
            Rejection::HttpVersion(version) => write!(f, "{version} requires HTTP/1.1"),
            Rejection::NoUpgrade => {
                f.write_str("missing Upgrade header: this server accepts WebSocket requests only")
            }
            Rejection::InvalidUpgrade(value) => write!(
                f,
                "cannot upgrade to \"{value}\": this server accepts WebSocket requests only"
            ),
            Rejection::NoConnectionUpgrade => {
                f.write_str("the Connection header does not contain Upgrade")
            }
            Rejection::Body => f.write_str("a WebSocket request must not have a body"),
            Rejection::Missing(field) => write!(f, "missing {field} header"),
            Rejection::Duplicate(field) => write!(f, "the {field} header occurs more than once"),
            Rejection::InvalidHost(host) => write!(f, "invalid Host \"{host}\""),
            Rejection::UnknownHost(host) => write!(f, "host \"{host}\" is not served here"),
            Rejection::InvalidVersion(value) => {
                write!(f, "invalid Sec-WebSocket-Version \"{value}\"")
            }
            Rejection::UnsupportedVersion { requested, allowed } => {
                write!(
                    f,
                    "WebSocket version {requested} is not supported here, only {allowed}"
                )
            }
            Rejection::UnsupportedDraft(draft) => {
                write!(f, "Sec-WebSocket-Draft {draft} is not supported here")
            }
            Rejection::KeyWithoutVersion => {
                f.write_str("Sec-WebSocket-Key without Sec-WebSocket-Version")
            }
            Rejection::InvalidKey(key) => {
                write!(f, "Sec-WebSocket-Key \"{key}\" is not 16 bytes in base64")
            }
            Rejection::InvalidChallenge { header, error } => write!(f, "{header} {error}"),
            Rejection::InvalidSubprotocol => {
                f.write_str("invalid subprotocol: its name has a byte that no name may have")
            }
            Rejection::UnsupportedSubprotocol => {
                f.write_str("the requested subprotocol is not supported here")
            }
            Rejection::Origin(Some(origin)) => write!(f, "origin \"{origin}\" is not allowed here"),
            Rejection::Origin(None) => {
                f.write_str("missing Origin header: this server requires one")
            }
            Rejection::Timeout => f.write_str("the request was not complete in time"),
            Rejection::Full => f.write_str("the server is full, try again later"),
            Rejection::AddressFull => {
                f.write_str("too many connections from this address, try again later")
            }
            Rejection::TooManyHandshakes { retry_after } => write!(
                f,
                "too many handshakes from this address, try again in {retry_after} s"
            ),
            Rejection::ShuttingDown => f.write_str("the server is going down"),
            Rejection::Application { reason, .. } => f.write_str(reason),
        }
    }
}

impl std::error::Error for Rejection {}

impl From<InvalidHead> for Rejection {
    fn from(bad: InvalidHead) -> Self {
        match bad {
            InvalidHead::TooLarge(limit) => Rejection::HeadersTooLarge(limit),
            InvalidHead::TooManyHeaders(limit) => Rejection::TooManyHeaders(limit),
            InvalidHead::Malformed(part) => Rejection::MalformedHeaders(part),
            InvalidHead::Duplicate(field) => Rejection::Duplicate(field),
        }
    }
}

impl KeyError {
    /// Returns each variant once, in the order of their definition.
    #[inline]
    pub fn all() -> Vec<KeyError> {
        vec![
            KeyError::NoDigits,
            KeyError::NoSpaces,
            KeyError::NotDivisible,
            KeyError::TooLarge,
        ]
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyError::NoDigits => "has no digits",
            KeyError::NoSpaces => "has no spaces",
            KeyError::NotDivisible => "has a number that its spaces do not divide",
            KeyError::TooLarge => "has a number above 32 bits",
        })
    }
}

/// A protocol error of the peer after the handshake. `Display` names the rule and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client's frame without a mask (RFC 6455 §5.1).
    Unmasked,
    /// A server's frame with a mask (RFC 6455 §5.1).
    Masked,
    /// RSV bits without an extension that gives them a meaning; the bits, RSV1 as 4 (§5.2).
    ReservedBits(u8),
    /// A reserved opcode (§5.2).
    ReservedOpcode(u8),
    /// A control frame in fragments (§5.5).
    FragmentedControl(u8),
    /// A control frame, of this opcode, longer than 125 bytes (§5.5).
    LongControl(u8),
    /// A length that is not in its shortest form (§5.2), if the version requires it.
    LengthNotMinimal(u64),
    /// A 64-bit length with its top bit set (§5.2).
    LengthTopBit(u64),
    /// A continuation outside a message (§5.4).
    StrayContinuation,
    /// A new message inside an unfinished one (§5.4).
    MessageInsideMessage,
    /// A close frame with a body of one byte (§5.5.1).
    CloseBodyOfOneByte,
    /// A close code that may not be sent (§7.4).
    InvalidCloseCode(u16),
    /// Text, or a close reason, that is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A message above the limit of bytes.
    MessageTooLarge(usize),
    /// A message of more fragments than the limit.
    TooManyFragments(usize),
    /// A hixie frame to be skipped that is above the limit of bytes, or whose length has too many
    /// digits.
    SkipTooLarge(usize),
    /// A compressed message that cannot be decompressed, or is cut short (RFC 7692 §7.2.2).
    InvalidCompression,
    /// A hixie frame of a type other than text, if the configuration does not allow it.
    UnknownFrameType(u8),
}

impl ProtocolError {
    /// Returns each variant once, in the order of their definition. Their values are examples.
    ///
    /// ```
    /// use stentor::Version;
    /// use stentor::protocol::ProtocolError;
    ///
    /// // A version with close codes has one for each error.
    /// let all = ProtocolError::all();
    /// assert!(all.iter().all(|error| error.close_code(Version::Rfc6455).is_some()));
    /// ```
    #[inline]
    pub fn all() -> Vec<ProtocolError> {
        let limits = Limits::default();
        vec![
            ProtocolError::Unmasked,
            ProtocolError::Masked,
            ProtocolError::ReservedBits(0b100),
            ProtocolError::ReservedOpcode(3),
            ProtocolError::FragmentedControl(9),
            ProtocolError::LongControl(9),
            ProtocolError::LengthNotMinimal(5),
            ProtocolError::LengthTopBit(1 << 63),
            ProtocolError::StrayContinuation,
            ProtocolError::MessageInsideMessage,
            ProtocolError::CloseBodyOfOneByte,
            ProtocolError::InvalidCloseCode(1005),
            ProtocolError::InvalidUtf8,
            ProtocolError::MessageTooLarge(limits.message),
            ProtocolError::TooManyFragments(limits.fragments),
            ProtocolError::SkipTooLarge(limits.message),
            ProtocolError::InvalidCompression,
            ProtocolError::UnknownFrameType(1),
        ]
    }

    /// Returns the code of the close frame in `version`, or `None` if the version has no codes.
    pub fn close_code(&self, version: Version) -> Option<CloseCode> {
        let codes = version.spec().codes.as_ref()?;
        Some(match self {
            ProtocolError::InvalidUtf8 | ProtocolError::InvalidCompression => codes.invalid_text,
            ProtocolError::MessageTooLarge(_)
            | ProtocolError::TooManyFragments(_)
            | ProtocolError::SkipTooLarge(_) => codes.too_large,
            _ => CloseCode::PROTOCOL_ERROR,
        })
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::Unmasked => f.write_str("frame without a mask"),
            ProtocolError::Masked => f.write_str("frame with a mask from a server"),
            ProtocolError::ReservedBits(bits) => write_reserved_bits(*bits, f),
            ProtocolError::ReservedOpcode(opcode) => write!(f, "reserved opcode {opcode:#x}"),
            ProtocolError::FragmentedControl(opcode) => {
                write!(f, "control frame {opcode:#x} in fragments")
            }
            ProtocolError::LongControl(opcode) => {
                write!(f, "control frame {opcode:#x} above 125 bytes")
            }
            ProtocolError::LengthNotMinimal(len) => {
                write!(f, "length {len} not in its shortest form")
            }
            ProtocolError::LengthTopBit(len) => write!(f, "length {len:#x} has its top bit set"),
            ProtocolError::StrayContinuation => f.write_str("continuation outside a message"),
            ProtocolError::MessageInsideMessage => {
                f.write_str("new message inside an unfinished one")
            }
            ProtocolError::CloseBodyOfOneByte => f.write_str("close frame with a body of one byte"),
            ProtocolError::InvalidCloseCode(code) => write!(f, "close code {code} may not be sent"),
            ProtocolError::InvalidUtf8 => f.write_str("text that is not UTF-8"),
            ProtocolError::MessageTooLarge(limit) => write!(f, "message above {limit} bytes"),
            ProtocolError::TooManyFragments(limit) => {
                write!(f, "message of more than {limit} fragments")
            }
            ProtocolError::SkipTooLarge(limit) => write!(f, "skipped frame above {limit} bytes"),
            ProtocolError::InvalidCompression => {
                f.write_str("compressed message that cannot be decompressed")
            }
            ProtocolError::UnknownFrameType(kind) => write!(f, "frame of unknown type {kind:#04x}"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// Writes the names of the bits, as in RFC 6455 §5.2.
fn write_reserved_bits(bits: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (set, them) = match bits & 7 {
        4 => ("RSV1 is", "it"),
        2 => ("RSV2 is", "it"),
        1 => ("RSV3 is", "it"),
        6 => ("RSV1 and RSV2 are", "them"),
        5 => ("RSV1 and RSV3 are", "them"),
        3 => ("RSV2 and RSV3 are", "them"),
        _ => ("RSV1, RSV2 and RSV3 are", "them"),
    };
    write!(
        f,
        "{set} set, and no extension that uses {them} was negotiated"
    )
}

/// A send error: the connection's version, or its state, does not allow it. Our own side's mistake:
/// nothing was sent to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The version does not support it: binary messages, pings.
    UnsupportedByVersion {
        /// The version of the connection.
        version: Version,
        /// The unsupported feature.
        feature: &'static str,
    },
    /// A code that may not be sent (RFC 6455 §7.4).
    CloseCode(u16),
    /// A part of a text message that is not UTF-8 (RFC 6455 §5.6), or that ends within a character.
    InvalidUtf8,
    /// A close reason above 123 bytes, or a ping payload above 125.
    TooLong(usize),
    /// The state of the connection does not allow it: too early, or the connection is closed.
    WrongState(State),
}

impl SendError {
    /// Returns each variant once, in the order of their definition. Their values are examples.
    #[inline]
    pub fn all() -> Vec<SendError> {
        vec![
            SendError::UnsupportedByVersion {
                version: Version::Draft76,
                feature: "ping",
            },
            SendError::CloseCode(1005),
            SendError::InvalidUtf8,
            SendError::TooLong(126),
            SendError::WrongState(State::Closing),
        ]
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::UnsupportedByVersion { version, feature } => {
                write!(f, "{version} has no {feature}")
            }
            SendError::CloseCode(code) => write!(f, "close code {code} may not be sent"),
            SendError::InvalidUtf8 => f.write_str("a text message must be UTF-8"),
            SendError::TooLong(len) => {
                write!(f, "{len} bytes are too many for a control frame")
            }
            SendError::WrongState(state) => write!(f, "not possible in state {state}"),
        }
    }
}

impl std::error::Error for SendError {}
