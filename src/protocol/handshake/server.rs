//! The server's half of the handshake: detects the version of a request, judges the request by the
//! settings of the server, and agrees on the response.
//!
//! ```text
//! request --detect--> version --check--> proof --judge: version, host, origin--> announced
//! accept  --agree: subprotocol, extensions--> 101
//! ```
//!
//! The rules of one version stand in its [chapter](crate::protocol::version).

use super::request::Request;
use super::response::Accept;
use crate::protocol::config::Config;
use crate::protocol::deflate;
use crate::protocol::deflate::Negotiated;
use crate::protocol::error::Rejection;
use crate::protocol::http::host::HostName;
use crate::protocol::http::origin::Origin;
use crate::protocol::http::text::{escaped, split_port};
use crate::protocol::version::{Version, Versions};

/// The result of checking a request, from which the response's proof is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Draft-75 proves nothing.
    None,
    /// Draft-76: the quotients of the two keys, to be hashed with key3.
    Challenge([u32; 2]),
    /// The value of `Sec-WebSocket-Accept`.
    Accept(String),
}

/// The result of the negotiation, to be written into the response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// `ws://` or `wss://`, host, port unless it is the default, resource with query.
    pub(crate) location: String,
    pub(crate) subprotocol: Option<String>,
    /// The parameters of compression, and the value of the response's header for it.
    pub(crate) deflate: Option<(Negotiated, String)>,
    pub(crate) fields: Vec<(String, String)>,
}

/// Determines the request's version, and checks whether it is allowed. `None` for plain HTTP, for
/// which all checks are made that do not belong to a version.
pub(crate) fn judge(request: &mut Request, config: &Config) -> Result<Option<Proof>, Rejection> {
    request.check_method()?;
    request.check()?;
    let Some(version) = detect(request, config.versions)? else {
        check_host(request, config)?;
        return Ok(None);
    };
    if request.is_head() {
        return Err(Rejection::HandshakeMethod("HEAD".to_owned()));
    }
    request.version = Some(version);
    let proof = version.check(request)?;
    // After the check: the response to an invalid request of an old version names the error, and a
    // request that only resembles draft-75 is not rejected as draft-75.
    if !config.versions.contains(version) {
        return Err(Rejection::UnsupportedVersion {
            requested: version.name().to_owned(),
            allowed: config.versions,
        });
    }
    check_host(request, config)?;
    check_origin(request, config)?;
    Ok(Some(proof))
}

/// Negotiates the response. The subprotocol is the application's choice, or else the first of the
/// client's that the configuration has.
pub(crate) fn agree(
    accept: Accept,
    request: &Request,
    version: Version,
    config: &Config,
) -> Result<Agreed, Rejection> {
    let subprotocol = agree_on_subprotocol(accept.subprotocol, request, version, config)?;
    let secure = is_secure(request, config);
    let scheme = if secure { "wss" } else { "ws" };
    let host = request.host(secure)?;
    let mut location = String::from(scheme);
    location += "://";
    location += &host;
    location += request.target();
    let deflate = match version.spec().deflate {
        true => deflate::accept_offer(request, config),
        false => None,
    };
    Ok(Agreed {
        location,
        subprotocol,
        deflate,
        fields: accept.fields,
    })
}

/// Returns the version of a request, or `None` for plain HTTP: an `Upgrade` to something else is
/// ignored (RFC 9110 §7.8). The order of the checks matters: a version number takes precedence
/// over keys, and keys over their absence.
fn detect(request: &Request, allowed: Versions) -> Result<Option<Version>, Rejection> {
    if !request.lists("Upgrade", "websocket") {
        return Ok(None);
    }
    let mut numbers = request.header_values("Sec-WebSocket-Version");
    if let Some(number) = numbers.next() {
        return match number {
            _ if numbers.next().is_some() => {
                Err(Rejection::InvalidVersion("given more than once".to_owned()))
            }
            b"7" => Ok(Some(Version::Hybi07)),
            b"8" => Ok(Some(Version::Hybi08)),
            b"13" => Ok(Some(Version::Rfc6455)),
            list if list.contains(&b',') => Err(Rejection::InvalidVersion(escaped(list))),
            other => Err(Rejection::UnsupportedVersion {
                requested: escaped(other),
                allowed,
            }),
        };
    }
    // Drafts 01 to 03 have the keys of draft-76, but different frames.
    match request.header("Sec-WebSocket-Draft") {
        None | Some(b"0") => {}
        Some(draft) => return Err(Rejection::UnsupportedDraft(escaped(draft))),
    }
    let has = |field: &str| request.header(field).is_some();
    if has("Sec-WebSocket-Key1") || has("Sec-WebSocket-Key2") {
        return Ok(Some(Version::Draft76));
    }
    if has("Sec-WebSocket-Key") {
        return Err(Rejection::KeyWithoutVersion);
    }
    // Draft-75 is the remaining case, and must not accept broken modern requests: a proxy that
    // drops the version header makes one look like draft-75. The check of draft-75 is strict.
    Ok(Some(Version::Draft75))
}

fn check_host(request: &Request, config: &Config) -> Result<(), Rejection> {
    let Some(served) = &config.allowed_hosts else {
        return Ok(());
    };
    let host = request.host(false)?;
    let (name, _) = split_port(&host);
    match served.contains(&HostName::of(name)) {
        true => Ok(()),
        false => Err(Rejection::UnknownHost(escaped(name.as_bytes()))),
    }
}

fn check_origin(request: &Request, config: &Config) -> Result<(), Rejection> {
    let origin = request.origin();
    let is_allowed = match (origin.map(str::parse::<Origin>), &config.allowed_origins) {
        (_, None) if !config.same_origin => true,
        // An origin that is not text, or in another version's header, is not a missing one.
        (None, None) => ["Origin", "Sec-WebSocket-Origin"]
            .iter()
            .all(|field| request.header(field).is_none()),
        (Some(Ok(origin)), list) => {
            list.as_ref().is_some_and(|list| list.contains(&origin))
                || config.same_origin && own_origin(request, config)? == origin
        }
        (None | Some(Err(_)), _) => false,
    };
    match is_allowed {
        true => Ok(()),
        false => Err(Rejection::Origin(
            origin.map(|origin| escaped(origin.as_bytes())),
        )),
    }
}

/// Returns the origin of a page that this server has served (RFC 6454 §4).
fn own_origin(request: &Request, config: &Config) -> Result<Origin, Rejection> {
    let secure = is_secure(request, config);
    let scheme = if secure { "https" } else { "http" };
    let host = request.host(secure)?;
    let origin = format!("{scheme}://{host}").parse();
    origin.map_err(|_| Rejection::InvalidHost(escaped(host.as_bytes())))
}

/// Returns whether the client reaches this server through TLS.
fn is_secure(request: &Request, config: &Config) -> bool {
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
    config.behind_tls || config.trust_forwarded_headers && forwarded()
}

fn agree_on_subprotocol(
    chosen: Option<String>,
    request: &Request,
    version: Version,
    config: &Config,
) -> Result<Option<String>, Rejection> {
    let offered = request.subprotocols_offered_in(version);
    if let Some(chosen) = chosen {
        return match offered.contains(&chosen.as_str()) {
            true => Ok(Some(chosen)),
            false => Err(Rejection::Application {
                status: 500,
                reason: "the chosen subprotocol was not offered".to_owned(),
            }),
        };
    }
    let is_supported = |name: &&&str| config.subprotocols.iter().any(|own| own == **name);
    match (offered.iter().find(is_supported), offered.first()) {
        (Some(name), _) => Ok(Some((*name).to_owned())),
        // In the old drafts the client names the one it needs, and the server aborts if it cannot
        // (draft-75 §4.1, draft-76 §5.2 step 9); later versions allow a response without one.
        (None, Some(_)) if !version.spec().subprotocol_list => {
            Err(Rejection::UnsupportedSubprotocol)
        }
        (None, _) => Ok(None),
    }
}
