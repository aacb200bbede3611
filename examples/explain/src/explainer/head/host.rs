//! `Host`, the target, and the URL that draft-75 and draft-76 repeat in the response.

use stentor::Version;

use crate::rules::handshake::{HOST, TARGET};

use super::block::Block;
use super::marks::{Marks, Place};
use super::syntax::once;
use super::text::quoted;

/// A host, in lower case, and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Parses a name or an address, with an optional port.
    ///
    /// # Errors
    /// A sentence about the part that is wrong.
    pub(super) fn parse(value: &[u8]) -> Result<Host, String> {
        let wrong = |part: &str| format!("Host is {}: {part}", quoted(value));
        let text = std::str::from_utf8(value).map_err(|_| wrong("it is no text"))?;
        let (name, port) = match text.rfind(':') {
            Some(colon) if !text[colon..].contains(']') => {
                (&text[..colon], Some(&text[colon + 1..]))
            }
            _ => (text, None),
        };
        if !is_name(name) {
            return Err(wrong("it has no valid name or address"));
        }
        let port = match port {
            None => None,
            Some(port) => Some(parse_port(port).ok_or_else(|| {
                wrong("the port must be a number of 1 to 65535 in decimal digits")
            })?),
        };
        Ok(Host {
            name: name.to_ascii_lowercase(),
            port,
        })
    }

    /// Returns the URL of a resource, without the scheme's own port.
    pub(super) fn url(&self, scheme: &str, resource: &str) -> String {
        let default = if scheme == "wss" { 443 } else { 80 };
        let port = match self.port {
            Some(port) if port != default => format!(":{port}"),
            _ => String::new(),
        };
        format!("{scheme}://{}{port}{resource}", self.name)
    }
}

fn is_name(name: &str) -> bool {
    let (inner, bracketed) = match name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        Some(inner) => (inner, true),
        None => (name, false),
    };
    let is_valid = |byte: u8| match byte {
        b':' => bracketed,
        _ => byte.is_ascii_graphic() && !b"/\\?#@[]<>\",".contains(&byte),
    };
    !inner.is_empty() && inner.bytes().all(is_valid)
}

fn parse_port(port: &str) -> Option<u16> {
    let is_decimal = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|&port| is_decimal && port > 0)
}

/// Judges `Host`, and returns it.
pub(super) fn judge_host(block: &Block, is_http_1_0: bool, marks: &mut Marks) -> Option<Host> {
    if block.first_of("Host").is_none() {
        if !is_http_1_0 {
            marks.broken(Place::Block, &HOST, "the header Host is missing");
        }
        return None;
    }
    let (place, value) = once(block, "Host", marks)?;
    match Host::parse(value) {
        Ok(host) => {
            marks.holds(Place::Value(place), &HOST);
            Some(host)
        }
        Err(by) => {
            marks.broken(Place::Value(place), &HOST, by);
            None
        }
    }
}

/// The schemes of a whole URI.
const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

/// Judges the target, and returns the resource: path and query.
pub(super) fn judge_target(
    target: &[u8],
    host: Option<&Host>,
    version: Option<Version>,
    marks: &mut Marks,
) -> Option<String> {
    let (resource, whole) = match resource(target, host) {
        Ok(found) => found,
        Err(by) => {
            marks.broken(Place::Target, &TARGET, by);
            return None;
        }
    };
    let is_new = matches!(version, Some(Version::Hybi08 | Version::Rfc6455));
    match (whole, version) {
        (true, Some(version)) if !is_new => {
            let how = format!("{version} has a path here, not a whole URI: accepted");
            marks.choice(Place::Target, &TARGET, how);
        }
        _ => marks.holds(Place::Target, &TARGET),
    }
    Some(resource)
}

/// Returns the resource, and whether the target is a whole URI.
fn resource(target: &[u8], host: Option<&Host>) -> Result<(String, bool), String> {
    let wrong = |part: &str| format!("the target is {}: {part}", quoted(without_query(target)));
    let text = std::str::from_utf8(target).map_err(|_| wrong("it is no text"))?;
    if text.contains('#') {
        return Err(wrong("it has a fragment, after #"));
    }
    let uri = text.split_once("://").filter(|(scheme, _)| {
        let mut known = SCHEMES.iter();
        known.any(|own| own.eq_ignore_ascii_case(scheme))
    });
    let Some((_, rest)) = uri else {
        return match text.starts_with('/') {
            true => Ok((text.to_owned(), false)),
            false => Err(wrong("it must begin with a slash")),
        };
    };
    let border = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(border);
    let named = Host::parse(authority.as_bytes()).map_err(|_| wrong("its host is not valid"))?;
    if host.is_some_and(|host| host.name != named.name) {
        return Err(wrong("its host is not that of the header Host"));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((format!("{slash}{path}"), true))
}

/// The query may be a secret: an error leaves it out.
fn without_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| b"?#".contains(byte));
    &target[..end.unwrap_or(target.len())]
}

#[cfg(test)]
mod tests {
    use super::{Host, resource};

    #[test]
    fn a_host_has_a_name_and_perhaps_a_port() {
        for (value, url) in [
            ("Example.com", "ws://example.com/"),
            ("example.com:80", "ws://example.com/"),
            ("example.com:0443", "ws://example.com:443/"),
            ("[::1]:8000", "ws://[::1]:8000/"),
        ] {
            let found = Host::parse(value.as_bytes()).map(|host| host.url("ws", "/"));
            assert_eq!(found.as_deref(), Ok(url));
        }
        for value in [
            "", ":80", "h:", "h:0x50", "h:0", "h:65536", "a b", "::1", "a/b", "[]",
        ] {
            assert!(Host::parse(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn a_target_is_a_path_or_a_uri_of_the_same_host() {
        let host = Host::parse(b"h:8000").ok();
        assert!(host.is_some());
        for (target, expected) in [
            ("/a?b", "/a?b"),
            ("http://h/a", "/a"),
            ("WS://H:1?b", "/?b"),
            ("http://h", "/"),
        ] {
            let found = resource(target.as_bytes(), host.as_ref());
            assert_eq!(found.map(|(found, _)| found).as_deref(), Ok(expected));
        }
        for target in [
            "",
            "a",
            "*",
            "/a#b",
            "http://other/",
            "ftp://h/",
            "http:///a",
        ] {
            assert!(
                resource(target.as_bytes(), host.as_ref()).is_err(),
                "{target}"
            );
        }
    }
}
