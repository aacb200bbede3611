//! A version, and what it can carry: the columns of the table, as data.

use std::fmt;
use std::ops::BitOr;

use super::{draft75, draft76, hybi07, hybi08, rfc6455};
use crate::protocol::close::CloseCode;
use crate::protocol::error::Rejection;
use crate::protocol::framing::Framing;
use crate::protocol::handshake::request::Request;
use crate::protocol::handshake::response;
use crate::protocol::handshake::{Agreed, Proof};
use crate::protocol::handshake::{ClientRequest, ExpectedProof, HandshakeError, HandshakeResponse};
use crate::protocol::role::Entropy;

/// A version of the protocol that a browser shipped.
///
/// Complete: these are all versions that a browser has shipped, and RFC 6455 was the last one.
#[doc(alias = "protocol version")]
#[doc(alias = "draft")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// draft-hixie-thewebsocketprotocol-75: Chrome 4 and 5, Safari 5.0.0.
    Draft75,
    /// draft-hixie-thewebsocketprotocol-76, the same as hybi-00: Chrome 6 to 13, Safari 5.0.1 to
    /// 5.1, iOS 4.2 to 5.1, and television sets for years after.
    Draft76,
    /// `Sec-WebSocket-Version: 7`, draft-ietf-hybi-07: Firefox 6.
    Hybi07,
    /// `Sec-WebSocket-Version: 8`, draft-ietf-hybi-08 to -12: Firefox 7 to 10, Chrome 14 and 15.
    Hybi08,
    /// `Sec-WebSocket-Version: 13`, draft-ietf-hybi-13 to -17 and RFC 6455: every browser since.
    Rfc6455,
}

/// How a version closes a connection.
///
/// Complete: each of the five versions has one of these ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// There is no closing handshake: either side closes the TCP connection.
    CloseTcp,
    /// `FF 00` each way, without a code.
    Marker,
    /// A close frame each way, with a code and a reason.
    Frame,
}

/// The columns of the table: the abilities of a version, as data.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) number: Option<u8>,
    pub(crate) framing: Framing,
    pub(crate) closing: Closing,
    /// Binary messages, pings and fragments came together, with the hybi framing.
    pub(crate) binary_and_ping: bool,
    /// The codes that differ from version to version; `None` if a close has no code.
    pub(crate) codes: Option<Codes>,
    /// The names of the origin header, in the order in which they are looked up.
    pub(crate) origin_fields: &'static [&'static str],
    pub(crate) subprotocol_field: &'static str,
    /// A comma list in order of preference, or one string (draft-75, draft-76).
    pub(crate) subprotocol_list: bool,
    /// Lengths must be in their shortest form (from draft-14 on).
    pub(crate) minimal_lengths: bool,
    /// Messages may be compressed (RFC 7692).
    pub(crate) deflate: bool,
}

/// The close codes that differ from version to version.
pub(crate) struct Codes {
    pub(crate) too_large: CloseCode,
    pub(crate) invalid_text: CloseCode,
}

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Version; 5] = [
        Version::Draft75,
        Version::Draft76,
        Version::Hybi07,
        Version::Hybi08,
        Version::Rfc6455,
    ];

    pub(crate) const fn spec(self) -> &'static Spec {
        match self {
            Version::Draft75 => &draft75::SPEC,
            Version::Draft76 => &draft76::SPEC,
            Version::Hybi07 => &hybi07::SPEC,
            Version::Hybi08 => &hybi08::SPEC,
            Version::Rfc6455 => &rfc6455::SPEC,
        }
    }

    /// Returns the name that logs and counters use: `draft-75`, `draft-76`, `version 7`, `version 8`,
    /// `RFC 6455`.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Returns the number in `Sec-WebSocket-Version`; draft-75 and draft-76 have none.
    pub const fn wire_number(self) -> Option<u8> {
        self.spec().number
    }

    /// Returns the framing of the version, one of two: clients of one framing can be sent the same
    /// bytes.
    pub const fn framing(self) -> Framing {
        self.spec().framing
    }

    /// Returns how the version closes a connection.
    pub const fn closing(self) -> Closing {
        self.spec().closing
    }

    /// Returns whether the version carries binary messages.
    pub const fn has_binary(self) -> bool {
        self.spec().binary_and_ping
    }

    /// Returns whether the version has ping and pong.
    pub const fn has_ping(self) -> bool {
        self.spec().binary_and_ping
    }

    /// Returns whether a close carries a code and a reason.
    pub const fn has_close_codes(self) -> bool {
        self.spec().codes.is_some()
    }

    /// Returns whether a close frame of this version may hold `code`: 1004 has a meaning in versions
    /// 7 and 8, and is reserved since.
    pub(crate) fn may_send(self, code: CloseCode) -> bool {
        let own = self.spec().codes.as_ref().map(|codes| codes.too_large);
        code.may_be_sent() || own == Some(code)
    }

    /// Checks the request by the version's own rules.
    pub(crate) fn check(self, request: &Request) -> Result<Proof, Rejection> {
        match self {
            Version::Draft75 => draft75::check(request),
            Version::Draft76 => draft76::check(request),
            Version::Hybi07 => hybi07::check(request),
            Version::Hybi08 => hybi08::check(request),
            Version::Rfc6455 => rfc6455::check(request),
        }
    }

    /// Writes the whole 101, with its blank line. Draft-76's proof follows once key3 has arrived.
    pub(crate) fn response(self, request: &Request, proof: &Proof, agreed: &Agreed) -> Vec<u8> {
        let mut out = match self {
            Version::Draft75 => draft75::response(request, agreed),
            Version::Draft76 => draft76::response(request, agreed),
            Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => hybi07::response(proof),
        };
        if let Some(subprotocol) = &agreed.subprotocol {
            response::header(&mut out, self.spec().subprotocol_field, subprotocol);
        }
        if let Some((_, words)) = &agreed.deflate {
            response::header(&mut out, hybi07::EXTENSIONS, words);
        }
        for (name, value) in &agreed.fields {
            response::header(&mut out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// Writes a client's request. Returns its bytes, and the proof that the response must contain.
    #[inline]
    pub(crate) fn request(
        self,
        request: &ClientRequest,
        extensions: Option<String>,
        entropy: Entropy,
    ) -> (Vec<u8>, ExpectedProof) {
        match self {
            Version::Draft75 => draft75::request(request),
            Version::Draft76 => draft76::request(request, entropy),
            Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => {
                hybi07::request(request, extensions, entropy)
            }
        }
    }

    /// Checks a server's 101 by the version's own rules.
    #[inline]
    pub(crate) fn check_response(
        self,
        response: &HandshakeResponse,
        request: &ClientRequest,
        expected: &ExpectedProof,
    ) -> Result<(), HandshakeError> {
        match self {
            Version::Draft75 => draft75::check_response(response, request),
            Version::Draft76 => draft76::check_response(response, request),
            Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => {
                hybi07::check_response(response, expected)
            }
        }
    }
}

impl fmt::Debug for Spec {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of versions: the allow-list.
///
/// ```
/// use stentor::{Version, Versions};
///
/// let hybi = Version::Hybi07 | Version::Hybi08 | Version::Rfc6455;
/// assert_eq!(hybi, Versions::ALL.without(Version::Draft75).without(Version::Draft76));
/// assert_eq!(Versions::RFC6455 | Version::Hybi07 | Version::Hybi08, hybi);
///
/// let named: Versions = ["draft-76", "13"].iter().flat_map(|name| name.parse()).collect();
/// assert_eq!(named, Version::Draft76 | Version::Rfc6455);
/// assert!(!named.contains(Version::Hybi07));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Versions(u8);

impl Versions {
    /// All five.
    pub const ALL: Versions = Versions(0b1_1111);
    /// The empty set, to be extended with [`with`](Versions::with).
    pub const NONE: Versions = Versions(0);
    /// RFC 6455 alone, for a server that no old browser needs to reach.
    pub const RFC6455: Versions = Versions::NONE.with(Version::Rfc6455);

    /// Returns this set with `version` added.
    pub const fn with(self, version: Version) -> Versions {
        Versions(self.0 | 1 << version as u8)
    }

    /// Returns this set without `version`.
    pub const fn without(self, version: Version) -> Versions {
        Versions(self.0 & !(1 << version as u8))
    }

    /// Returns whether `version` is in the set.
    pub const fn contains(self, version: Version) -> bool {
        self.0 & 1 << version as u8 != 0
    }

    /// Returns the versions in the set, oldest first.
    pub fn iter(self) -> impl Iterator<Item = Version> {
        Version::ALL
            .into_iter()
            .filter(move |version| self.contains(*version))
    }

    /// Returns the numbers of the versions that have one, newest first, as `Sec-WebSocket-Version`
    /// lists them.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        Version::ALL
            .into_iter()
            .rev()
            .filter(move |version| self.contains(*version))
            .filter_map(Version::wire_number)
    }
}

impl From<Version> for Versions {
    fn from(version: Version) -> Versions {
        Versions::NONE.with(version)
    }
}

impl FromIterator<Version> for Versions {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Versions {
        versions.into_iter().fold(Versions::NONE, Versions::with)
    }
}

/// Returns the union of two sets, or of a set and a version.
impl<T: Into<Versions>> BitOr<T> for Versions {
    type Output = Versions;

    fn bitor(self, other: T) -> Versions {
        Versions(self.0 | other.into().0)
    }
}

/// Returns the set of two versions, or a set with this version added.
impl<T: Into<Versions>> BitOr<T> for Version {
    type Output = Versions;

    fn bitor(self, other: T) -> Versions {
        Versions::from(self) | other
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, version) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{version}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Versions {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Checks the rules for the request that all versions share.
pub(super) fn check_upgrade(request: &Request, version: Version) -> Result<(), Rejection> {
    if request.is_http_1_0() {
        return Err(Rejection::HttpVersion(version));
    }
    if !request.lists("Connection", "upgrade") {
        return Err(Rejection::NoConnectionUpgrade);
    }
    // If there were a body, a proxy would take the frames that follow for it.
    let length = request.once("Content-Length")?;
    let own = match version {
        // One client library of the time counts key3.
        Version::Draft76 => b"8".as_slice(),
        _ => b"0",
    };
    if request.header("Transfer-Encoding").is_some()
        || length.is_some_and(|length| length != b"0" && length != own)
    {
        return Err(Rejection::Body);
    }
    Ok(())
}

/// Writes the response of draft-75 and draft-76: it repeats origin and location, in headers with
/// names that begin with `prefix`.
pub(super) fn response_hixie(
    phrase: &str,
    prefix: &str,
    request: &Request,
    agreed: &Agreed,
) -> Vec<u8> {
    let mut out = response::switching(phrase, "WebSocket");
    let origin = request.header("Origin").unwrap_or_default();
    response::header(&mut out, &format!("{prefix}Origin"), origin);
    response::header(&mut out, &format!("{prefix}Location"), &agreed.location);
    out
}

/// Checks the rules that draft-75 and draft-76 have in common: one `Upgrade`, one `Origin`, and one
/// string as subprotocol, of U+0020 to U+007E and not empty (draft-75 §4.1, draft-76 §5.2).
pub(super) fn check_hixie(request: &Request, version: Version) -> Result<(), Rejection> {
    request.once("Upgrade")?;
    check_upgrade(request, version)?;
    request
        .once("Origin")?
        .ok_or(Rejection::Missing("Origin"))?;
    match request.once(version.spec().subprotocol_field)? {
        Some(name) if name.is_empty() || !name.iter().all(|byte| (0x20..0x7f).contains(byte)) => {
            Err(Rejection::InvalidSubprotocol)
        }
        _ => Ok(()),
    }
}
