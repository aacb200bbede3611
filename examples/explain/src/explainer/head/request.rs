//! The request: its version, and the rules of that version.

use stentor::Version;

use crate::note::{Part, Side, Value};
use crate::rules::handshake::{
    CONNECTION, DRAFT, HTTP_VERSION, KEY_VERSION, METHOD, ORDER, ORIGIN, UPGRADE, VERSION,
};

use super::super::sink::Sink;
use super::block::Block;
use super::extensions::Extension;
use super::host::{Host, judge_host, judge_target};
use super::marks::{Marks, Place};
use super::syntax::{judge_lines, judge_no_body, once, request_line};
use super::text::quoted;
use super::write::{FirstLine, Writer};
use super::{accept, challenge, extensions, subprotocol};

/// A request, as far as the response depends on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// `None` for plain HTTP, and for a version that no browser has shipped.
    pub(crate) version: Option<Version>,
    is_broken: bool,
    /// Whether the method is HEAD: the response has no body.
    pub(super) is_head: bool,
    /// Whether the request names a version that is none of the five.
    pub(super) is_other_version: bool,
    /// Versions 7, 8 and 13: the key, as it was sent.
    pub(super) key: Option<Vec<u8>>,
    /// Draft-76: the quotients of both keys.
    pub(crate) numbers: Option<[u32; 2]>,
    pub(super) origin: Option<Vec<u8>>,
    /// The URL without and with TLS.
    pub(super) urls: Option<[String; 2]>,
    pub(super) subprotocols: Vec<Vec<u8>>,
    pub(super) extensions: Vec<Extension>,
}

impl Asked {
    /// Returns whether the request breaks a rule.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }
}

/// Writes the notes of a request. The stream has ended if the block has no blank line.
pub(crate) fn explain_request(block: &Block, secrets: bool, sink: &mut Sink) -> Asked {
    let mut marks = Marks::default();
    let first = request_line(block, &mut marks);
    judge_lines(block, &mut marks);
    let mut asked = Asked::default();
    if block.blank.is_some() {
        asked = judge(block, &first, &mut marks);
    }
    asked.is_broken = marks.any_broken();
    let writer = Writer {
        block,
        from: Side::Client,
        secrets,
        sink,
    };
    let value = match asked.version {
        Some(version) => Value::Name(version.name()),
        None => Value::None,
    };
    writer.write(Part::Request, value, &first, marks);
    asked
}

fn judge(block: &Block, first: &FirstLine, marks: &mut Marks) -> Asked {
    let part = |part: Part| {
        let found = first.iter().find(|(own, ..)| *own == part);
        found.map_or(&b""[..], |(.., range)| block.part(range))
    };
    let is_http_1_0 = part(Part::HttpVersion) == b"HTTP/1.0";
    let version = detect(block, marks);
    judge_method(part(Part::Method), marks);
    let host = judge_host(block, is_http_1_0, marks);
    let resource = judge_target(part(Part::Target), host.as_ref(), version.known(), marks);
    let mut asked = Asked {
        version: version.known(),
        is_head: part(Part::Method) == b"HEAD",
        is_other_version: matches!(version, Detected::Other),
        urls: urls(host.as_ref(), resource.as_deref()),
        ..Asked::default()
    };
    if let Some(version) = version.known() {
        match is_http_1_0 {
            false => marks.holds(Place::HttpVersion, &HTTP_VERSION),
            true => {
                let by = format!("the version is HTTP/1.0, and {version} requires HTTP/1.1");
                marks.broken(Place::HttpVersion, &HTTP_VERSION, by);
            }
        }
        judge_connection(block, marks);
        judge_version(block, version, &mut asked, marks);
    }
    asked
}

fn urls(host: Option<&Host>, resource: Option<&str>) -> Option<[String; 2]> {
    let (host, resource) = (host?, resource?);
    Some(["ws", "wss"].map(|scheme| host.url(scheme, resource)))
}

/// The version of a request.
#[derive(Clone, Copy)]
enum Detected {
    /// Plain HTTP: no `Upgrade` to websocket.
    Plain,
    Known(Version),
    /// A WebSocket request, but of none of the five versions.
    Other,
}

impl Detected {
    fn known(self) -> Option<Version> {
        match self {
            Detected::Known(version) => Some(version),
            Detected::Plain | Detected::Other => None,
        }
    }
}

/// Finds the version: a number counts more than keys, and keys more than their absence.
fn detect(block: &Block, marks: &mut Marks) -> Detected {
    let upgrade = block.first_of("Upgrade");
    if !block.lists("Upgrade", "websocket") {
        match upgrade {
            None => marks.broken(
                Place::Block,
                &UPGRADE,
                "the header Upgrade is missing: this is a request of plain HTTP",
            ),
            Some((place, value)) => {
                let by = format!("found {}, expected \"websocket\"", quoted(value));
                marks.broken(Place::Value(place), &UPGRADE, by);
            }
        }
        return Detected::Plain;
    }
    if let Some((place, _)) = upgrade {
        marks.holds(Place::Value(place), &UPGRADE);
    }
    if block.first_of("Sec-WebSocket-Version").is_some() {
        return match numbered(block, marks) {
            Some(version) => Detected::Known(version),
            None => Detected::Other,
        };
    }
    unnumbered(block, marks)
}

/// Reads the number of the version.
fn numbered(block: &Block, marks: &mut Marks) -> Option<Version> {
    let mut all = block.all("Sec-WebSocket-Version");
    let (place, value) = all.next()?;
    if let Some((second, _)) = all.next() {
        let by = "Sec-WebSocket-Version occurs twice, and must occur once";
        marks.broken(Place::Value(second), &VERSION, by);
        return None;
    }
    let version = match value {
        b"7" => Version::Hybi07,
        b"8" => Version::Hybi08,
        b"13" => Version::Rfc6455,
        other => {
            let list = if other.contains(&b',') {
                "a list, "
            } else {
                ""
            };
            let by = format!("found {}, {list}expected 7, 8 or 13", quoted(other));
            marks.broken(Place::Value(place), &VERSION, by);
            return None;
        }
    };
    marks.holds(Place::Value(place), &VERSION);
    Some(version)
}

/// Finds the version of a request without a number.
fn unnumbered(block: &Block, marks: &mut Marks) -> Detected {
    if let Some((place, draft)) = block.first_of("Sec-WebSocket-Draft") {
        if draft != b"0" {
            let by = format!("the draft is {}, whose frames differ", quoted(draft));
            marks.broken(Place::Value(place), &DRAFT, by);
            return Detected::Other;
        }
        marks.holds(Place::Value(place), &DRAFT);
    }
    let has = |name: &str| block.first_of(name).is_some();
    if has("Sec-WebSocket-Key1") || has("Sec-WebSocket-Key2") {
        return Detected::Known(Version::Draft76);
    }
    if let Some((place, _)) = block.first_of("Sec-WebSocket-Key") {
        let by = "the request has a key and no Sec-WebSocket-Version";
        marks.broken(Place::Value(place), &KEY_VERSION, by);
        return Detected::Other;
    }
    Detected::Known(Version::Draft75)
}

fn judge_method(method: &[u8], marks: &mut Marks) {
    match method {
        b"GET" => marks.holds(Place::Method, &METHOD),
        other => {
            let by = format!("the method is {}, and must be GET", quoted(other));
            marks.broken(Place::Method, &METHOD, by);
        }
    }
}

fn judge_connection(block: &Block, marks: &mut Marks) {
    let found = block.first_of("Connection");
    match (found, block.lists("Connection", "Upgrade")) {
        (Some((place, _)), true) => marks.holds(Place::Value(place), &CONNECTION),
        (Some((place, value)), false) => {
            let by = format!("found {}, which has no word Upgrade", quoted(value));
            marks.broken(Place::Value(place), &CONNECTION, by);
        }
        (None, _) => {
            let by = "the header Connection is missing, and must have the word Upgrade";
            marks.broken(Place::Block, &CONNECTION, by);
        }
    }
}

fn judge_version(block: &Block, version: Version, asked: &mut Asked, marks: &mut Marks) {
    let key3 = (version == Version::Draft76).then_some(&b"8"[..]);
    judge_no_body(block, key3, marks);
    asked.subprotocols = subprotocol::judge_offer(block, version, marks);
    match version {
        Version::Draft75 | Version::Draft76 => {
            once(block, "Upgrade", marks);
            asked.origin = judge_origin(block, version, marks);
        }
        Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => {
            for name in origin_names(version) {
                once(block, name, marks);
            }
            asked.key = accept::judge_key(block, marks);
            asked.extensions = extensions::judge_offer(block, marks);
        }
    }
    match version {
        Version::Draft75 => judge_order(block, marks),
        Version::Draft76 => asked.numbers = challenge::judge_keys(block, marks),
        _ => {}
    }
}

/// The headers that name the origin in versions 7, 8 and 13.
fn origin_names(version: Version) -> &'static [&'static str] {
    match version {
        Version::Hybi07 => &["Sec-WebSocket-Origin"],
        Version::Hybi08 => &["Sec-WebSocket-Origin", "Origin"],
        _ => &["Origin"],
    }
}

fn judge_origin(block: &Block, version: Version, marks: &mut Marks) -> Option<Vec<u8>> {
    if block.first_of("Origin").is_none() {
        let mut by = "the header Origin is missing".to_owned();
        if version == Version::Draft75 {
            // More often, a program of today has forgotten the two headers.
            by += ". There is no Sec-WebSocket-Version, so the request is read as draft-75: a \
                   request of version 13 has Sec-WebSocket-Version: 13 and Sec-WebSocket-Key";
        }
        marks.broken(Place::Block, &ORIGIN, by);
        return None;
    }
    let (place, value) = once(block, "Origin", marks)?;
    marks.holds(Place::Value(place), &ORIGIN);
    Some(value.to_vec())
}

/// Draft-75 fixes the first four headers; a proxy may have changed them.
fn judge_order(block: &Block, marks: &mut Marks) {
    let expected = ["Upgrade", "Connection", "Host", "Origin"];
    let names = (0..block.headers.len()).map(|place| block.name(place));
    let wrong = expected
        .iter()
        .zip(names)
        .enumerate()
        .find(|(_, (expected, found))| expected.as_bytes() != *found);
    match wrong {
        None => marks.holds(Place::Block, &ORDER),
        Some((place, (expected, found))) => {
            let number = place + 1;
            let found = quoted(found);
            let how = format!("header {number} is {found}, not {expected}: accepted");
            marks.choice(Place::Header(place), &ORDER, how);
        }
    }
}
