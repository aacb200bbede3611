//! The rules for a handshake request and its response: written a second time, from the
//! specifications and the library's documentation. If the result is not certain, the verdict says
//! so.

use stentor::Version;
use stentor::protocol::Config;

use crate::head::{Field, Head, trim};

/// The required result for a request.
#[derive(Debug)]
pub enum Verdict {
    Rejected,
    /// Exactly this response, draft-76's proof excluded.
    Accepted(Version, HandshakeResponse),
    /// Either result: this file does not decide it.
    Open,
}

/// The required response to a handshake.
#[derive(Debug)]
pub struct HandshakeResponse {
    pub head: Vec<u8>,
    /// The numbers that draft-76's proof is computed from, in addition to key3.
    pub parts: Option<[u32; 2]>,
}

/// Judges a header block. `config` has the defaults except for subprotocols and the list of
/// origins.
pub fn judge(head: &Head, config: &Config) -> Verdict {
    let (fields, limits) = (&head.fields, &config.limits);
    let (target, values) = (&head.target, fields.iter().map(|field| &field.value));
    // A value may contain a line ending and so begin another header.
    if values.clone().flatten().any(|byte| b"\r\n".contains(byte)) || !target.is_ascii() {
        return Verdict::Open;
    }
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if head.is_broken() || values.flatten().any(control) || target.iter().any(u8::is_ascii_control)
    {
        return Verdict::Rejected;
    }
    // Non-ASCII bytes are noise in a key; elsewhere they may be text, or not.
    let noise = |field: &Field| field.value.is_ascii() || field.name.contains("-Key");
    if !fields.iter().all(noise) {
        return Verdict::Open;
    }
    if head.bytes().len() > limits.header_bytes || fields.len() > limits.header_count {
        return Verdict::Rejected;
    }
    // A blank in the target makes two of it.
    if head.method != "GET" || head.protocol != "HTTP/1.1" || target.contains(&b' ') {
        return Verdict::Rejected;
    }
    match handshake(head, config) {
        Some(Some((version, answer))) => Verdict::Accepted(version, answer),
        Some(None) => Verdict::Open,
        None => Verdict::Rejected,
    }
}

/// Returns `None` for a request that must be rejected, `Some(None)` for one whose response is not
/// certain.
fn handshake(head: &Head, config: &Config) -> Option<Option<(Version, HandshakeResponse)>> {
    let version = detect(head)?;
    let hixie = matches!(version, Version::Draft75 | Version::Draft76);
    let named = at_most_one(head, "Host")??;
    let target = resource(&head.target, named)?;
    lists(head, "Upgrade", b"websocket")?;
    lists(head, "Connection", b"upgrade")?;
    let body = match version {
        Version::Draft76 => &[&b"0"[..], b"8"],
        _ => &[&b"0"[..], b"0"],
    };
    if !head.header_values("Transfer-Encoding").is_empty() {
        return None;
    }
    if let Some(length) = at_most_one(head, "Content-Length")?
        && !body.contains(&length)
    {
        return None;
    }
    let host = host(named)?;

    let origin = origin(head, version)?;
    let mut out = Vec::new();
    let parts = match version {
        Version::Draft75 => None,
        Version::Draft76 => Some([
            number(at_most_one(head, "Sec-WebSocket-Key1")??)?,
            number(at_most_one(head, "Sec-WebSocket-Key2")??)?,
        ]),
        _ => None,
    };
    if hixie {
        at_most_one(head, "Upgrade")?;
        let (phrase, prefix) = match version {
            Version::Draft75 => ("Web Socket", ""),
            _ => ("WebSocket", "Sec-"),
        };
        out.extend(format!("HTTP/1.1 101 {phrase} Protocol Handshake\r\n").bytes());
        out.extend(b"Upgrade: WebSocket\r\nConnection: Upgrade\r\n");
        out.extend(format!("{prefix}WebSocket-Origin: ").bytes());
        out.extend(origin?);
        out.extend(format!("\r\n{prefix}WebSocket-Location: ws://{host}").bytes());
        out.extend(&target);
        out.extend(b"\r\n");
    } else {
        let key = at_most_one(head, "Sec-WebSocket-Key")??;
        out.extend(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n");
        out.extend(b"Connection: Upgrade\r\nSec-WebSocket-Accept: ");
        out.extend(accept(key)?.bytes());
        out.extend(b"\r\n");
    }
    if let Some(name) = subprotocol(head, version, config)? {
        let prefix = if version == Version::Draft75 {
            ""
        } else {
            "Sec-"
        };
        out.extend(format!("{prefix}WebSocket-Protocol: {name}\r\n").bytes());
    }
    out.extend(b"\r\n");
    if let Some(allowed) = &config.allowed_origins {
        let first = allowed.first().expect("an origin");
        match origin {
            None | Some(b"") => return None,
            Some(b"http://example.com") => assert_eq!(first, &"http://example.com".parse().ok()?),
            // Spelt differently it may be the same origin.
            Some(_) => return Some(None),
        }
    }
    Some(Some((version, HandshakeResponse { head: out, parts })))
}

/// Returns the version of a request: a number has priority over keys, keys over their absence.
fn detect(head: &Head) -> Option<Version> {
    match head.header_values("Sec-WebSocket-Version")[..] {
        [] => {}
        [b"7"] => return Some(Version::Hybi07),
        [b"8"] => return Some(Version::Hybi08),
        [b"13"] => return Some(Version::Rfc6455),
        _ => return None,
    }
    let has = |name: &str| !head.header_values(name).is_empty();
    match head.header_values("Sec-WebSocket-Draft")[..] {
        [] | [b"0", ..] => {}
        _ => return None,
    }
    if has("Sec-WebSocket-Key1") || has("Sec-WebSocket-Key2") {
        return Some(Version::Draft76);
    }
    (!has("Sec-WebSocket-Key")).then_some(Version::Draft75)
}

/// The target as a path: it may be a whole URI, of the host that `Host` names (RFC 9112 §3.2.2); an
/// empty path is `/`.
fn resource(target: &[u8], named: &[u8]) -> Option<Vec<u8>> {
    let mut path = target.to_vec();
    let lower = target.to_ascii_lowercase();
    for scheme in ["ws://", "wss://", "http://", "https://"] {
        if lower.starts_with(scheme.as_bytes()) {
            let rest = &target[scheme.len()..];
            let end = rest.iter().position(|byte| b"/?#".contains(byte));
            let (authority, resource) = rest.split_at(end.unwrap_or(rest.len()));
            host(authority)?;
            if name(authority) != name(named) {
                return None;
            }
            path = resource.to_vec();
            if !path.starts_with(b"/") {
                path.insert(0, b'/');
            }
        }
    }
    (path.starts_with(b"/") && !path.contains(&b'#')).then_some(path)
}

/// Returns the part before a port, in lower case.
fn name(authority: &[u8]) -> Vec<u8> {
    let colon = authority.iter().rposition(|byte| b":]".contains(byte));
    let end = colon.filter(|colon| authority[*colon] == b':');
    authority[..end.unwrap_or(authority.len())].to_ascii_lowercase()
}

/// Returns host and port, in lower case and without the default port.
fn host(value: &[u8]) -> Option<String> {
    let value = str::from_utf8(value).ok()?.to_ascii_lowercase();
    let bad = |char| " \t/\\?#@[]<>\",".contains(char);
    let (name, port) = match value.strip_prefix('[') {
        Some(address) => {
            let (address, behind) = address.split_once(']')?;
            if address.is_empty() || address.contains(bad) {
                return None;
            }
            let port = match behind {
                "" => None,
                behind => Some(behind.strip_prefix(':')?),
            };
            (format!("[{address}]"), port)
        }
        None => {
            let (name, port) = match value.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (value.as_str(), None),
            };
            if name.is_empty() || name.contains(bad) {
                return None;
            }
            (name.to_owned(), port)
        }
    };
    let Some(port) = port else { return Some(name) };
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match port.trim_start_matches('0').parse::<u16>().ok()? {
        80 => Some(name),
        port => Some(format!("{name}:{port}")),
    }
}

/// Returns the origin from the version's header: `None` if it is required once and is missing, or
/// given twice.
fn origin(head: &Head, version: Version) -> Option<Option<&[u8]>> {
    let names: &[&str] = match version {
        Version::Draft75 | Version::Draft76 | Version::Rfc6455 => &["Origin"],
        Version::Hybi07 => &["Sec-WebSocket-Origin"],
        Version::Hybi08 => &["Sec-WebSocket-Origin", "Origin"],
    };
    let mut found = None;
    for name in names {
        let one = at_most_one(head, name)?;
        found = found.or(one);
    }
    if found.is_none() && matches!(version, Version::Draft75 | Version::Draft76) {
        return None;
    }
    Some(found)
}

/// Returns the negotiated subprotocol; `None` if the requested ones make it a rejection.
fn subprotocol(head: &Head, version: Version, config: &Config) -> Option<Option<String>> {
    let known = |name: &[u8]| {
        let own = config.subprotocols.iter();
        own.map(String::as_str).find(|own| own.as_bytes() == name)
    };
    let field = match version {
        Version::Draft75 => "WebSocket-Protocol",
        _ => "Sec-WebSocket-Protocol",
    };
    if matches!(version, Version::Draft75 | Version::Draft76) {
        return match at_most_one(head, field)? {
            Some(asked) => Some(Some(known(asked)?.to_owned())),
            None => Some(None),
        };
    }
    let mut agreed = None;
    for value in head.header_values(field) {
        for item in value.split(|byte| *byte == b',') {
            let item = trim(item);
            let good = |byte: &u8| matches!(byte, 0x21..=0x7e) && !b"\";".contains(byte);
            if !item.iter().all(good) {
                return None;
            }
            agreed = agreed.or(known(item));
        }
    }
    Some(agreed.map(str::to_owned))
}

/// Whether the comma-separated lists of a header contain a word.
pub fn lists(head: &Head, name: &str, word: &[u8]) -> Option<()> {
    let values = head.header_values(name);
    let mut items = values
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b','));
    items
        .any(|item| trim(item).eq_ignore_ascii_case(word))
        .then_some(())
}

/// Returns `None` if a header is repeated.
fn at_most_one<'a>(head: &'a Head, name: &str) -> Option<Option<&'a [u8]>> {
    match head.header_values(name)[..] {
        [] => Some(None),
        [one] => Some(Some(one)),
        _ => None,
    }
}

/// Returns a draft-76 key's number divided by its spaces (draft-76 §5.2 steps 4 to 8).
fn number(key: &[u8]) -> Option<u32> {
    let digits: String = key
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| char::from(*byte))
        .collect();
    let spaces = key.iter().filter(|byte| **byte == b' ').count() as u64;
    let number = match digits.trim_start_matches('0') {
        "" if digits.is_empty() => return None,
        "" => 0,
        digits => digits.parse::<u64>().ok()?,
    };
    let whole = number.checked_rem(spaces)? == 0 && number <= u64::from(u32::MAX);
    whole.then(|| (number / spaces) as u32)
}

/// Returns draft-76's proof (draft-76 §5.2 steps 10 to 12).
pub fn proof(parts: [u32; 2], key3: [u8; 8]) -> [u8; 16] {
    let mut hashed = Vec::new();
    hashed.extend(parts[0].to_be_bytes());
    hashed.extend(parts[1].to_be_bytes());
    hashed.extend(key3);
    md5::compute(hashed).0
}

/// Returns `Sec-WebSocket-Accept` for a key (RFC 6455 §4.2.2 step 5), or `None` if the key is
/// invalid.
fn accept(key: &[u8]) -> Option<String> {
    let (letters, padding) = key.split_at_checked(22)?;
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if padding != b"==" || !letters.iter().all(good) {
        return None;
    }
    let mut sha1 = sha1_smol::Sha1::from(key);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    Some(base64(&sha1.digest().bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group = three
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - three.len()));
        for at in 0..4 {
            text.push(match at <= three.len() {
                true => char::from(LETTERS[(group >> (18 - 6 * at)) as usize & 63]),
                false => '=',
            });
        }
    }
    text
}
