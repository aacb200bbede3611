//! The response, judged against the request.

use stentor::Version;

use crate::note::{Part, Side, Value};
use crate::rules::handshake::{
    CONNECTION, HTTP_VERSION, LOCATION, ORIGIN_ECHO, PREAMBLE, STATUS, UPGRADE, VERSION_LIST,
};
use crate::step::Step;

use super::super::agreed::Agreed;
use super::super::sink::Sink;
use super::block::Block;
use super::marks::{Marks, Place};
use super::request::Asked;
use super::syntax::{judge_lines, once, status_line};
use super::text::quoted;
use super::write::{FirstLine, Writer};
use super::{accept, extensions, subprotocol};

/// A response, as far as the bytes after it depend on it.
#[derive(Debug)]
pub(crate) enum Answered {
    /// A status of 1xx: another response follows.
    Interim,
    /// 101: frames follow, in draft-76 after the proof.
    Switched(Agreed),
    /// Another status: a body follows.
    Other(Length),
}

/// The length of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many bytes.
    Bytes(u64),
    /// All bytes to the end of the stream; a body in chunks is one of these.
    Rest,
}

/// Writes the notes of a response. `asked` is `None` if the request is unknown.
pub(crate) fn explain_response(
    block: &Block,
    asked: Option<&Asked>,
    secrets: bool,
    sink: &mut Sink,
) -> Answered {
    let mut marks = Marks::default();
    let first = status_line(block, &mut marks);
    judge_lines(block, &mut marks);
    let status = status(block, &first);
    let answered = match (status, block.blank.is_some()) {
        (Some(101), true) => judge_switch(block, &first, asked, &mut marks),
        (Some(100 | 102..200), _) => Answered::Interim,
        (status, _) => judge_other(block, status, asked, &mut marks),
    };
    if let Some(number) = status {
        marks.at(Place::Status).value = Some(Value::Number(number.into()));
    }
    let value = match &answered {
        Answered::Switched(agreed) => Value::Name(agreed.version.name()),
        _ => Value::None,
    };
    let writer = Writer {
        block,
        from: Side::Server,
        secrets,
        sink,
    };
    writer.write(Part::Response, value, &first, marks);
    answered
}

fn part<'a>(block: &'a Block, first: &FirstLine, part: Part) -> &'a [u8] {
    let found = first.iter().find(|(own, ..)| *own == part);
    found.map_or(&b""[..], |(.., range)| block.part(range))
}

fn status(block: &Block, first: &FirstLine) -> Option<u16> {
    let digits = part(block, first, Part::Status);
    let is_status = digits.len() == 3 && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok()?;
    digits.parse().ok().filter(|_| is_status)
}

fn judge_switch(
    block: &Block,
    first: &FirstLine,
    asked: Option<&Asked>,
    marks: &mut Marks,
) -> Answered {
    marks.holds(Place::Status, &STATUS);
    let known = asked.and_then(|asked| asked.version);
    let version = known.unwrap_or_else(|| guess(block));
    // A request that cannot be read offers nothing that is known.
    let asked = asked.filter(|asked| asked.version.is_some());
    let mut agreed = Agreed::new(version, None);
    match version {
        Version::Draft75 => judge_preamble(block, marks),
        Version::Draft76 => judge_upgrade_76(block, marks),
        Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => {
            judge_upgrade(block, version, part(block, first, Part::HttpVersion), marks);
            let key = asked.and_then(|asked| asked.key.as_deref());
            accept::judge_accept(block, key, marks);
            let offers = asked.map(|asked| &asked.extensions[..]);
            let chosen = extensions::judge_choice(block, version, offers, marks);
            agreed.compression = chosen.compression;
            agreed.unknown = chosen.unknown;
        }
    }
    match version {
        Version::Draft75 => judge_echo(block, "", asked, marks),
        Version::Draft76 => judge_echo(block, "Sec-", asked, marks),
        _ => {}
    }
    let offered = asked.map(|asked| &asked.subprotocols[..]);
    agreed.subprotocol = subprotocol::judge_choice(block, version, offered, marks);
    Answered::Switched(agreed)
}

/// Guesses the version of a response without its request.
fn guess(block: &Block) -> Version {
    let has = |name: &str| block.first_of(name).is_some();
    if has("WebSocket-Location") || has("WebSocket-Origin") {
        Version::Draft75
    } else if has("Sec-WebSocket-Location") || has("Sec-WebSocket-Origin") {
        Version::Draft76
    } else {
        Version::Rfc6455
    }
}

/// The first lines of each response of draft-75 (§4.1 steps 12 to 15).
const LINES: [&[u8]; 3] = [
    b"HTTP/1.1 101 Web Socket Protocol Handshake\r\n",
    b"Upgrade: WebSocket\r\n",
    b"Connection: Upgrade\r\n",
];

fn judge_preamble(block: &Block, marks: &mut Marks) {
    let headers = block.headers.iter().enumerate();
    let places = headers.map(|(place, header)| (Place::Header(place), &header.line));
    let lines = std::iter::once((Place::FirstLine, &block.first)).chain(places);
    let mut found = lines.map(|(place, line)| (place, &block.bytes[line.text.start..line.end.end]));
    for expected in LINES {
        let (place, line) = found.next().unwrap_or((Place::Block, b""));
        if line != expected {
            let by = format!(
                "found the line {}, expected {}",
                quoted(line),
                quoted(expected)
            );
            return marks.broken(place, &PREAMBLE, by);
        }
    }
    marks.holds(Place::FirstLine, &PREAMBLE);
}

fn judge_upgrade_76(block: &Block, marks: &mut Marks) {
    judge_word(block, "Upgrade", "WebSocket", &UPGRADE, marks);
    judge_word(block, "Connection", "Upgrade", &CONNECTION, marks);
}

fn judge_upgrade(block: &Block, version: Version, http: &[u8], marks: &mut Marks) {
    match http {
        b"HTTP/1.0" => {
            let by = format!("the version is HTTP/1.0, and {version} requires HTTP/1.1");
            marks.broken(Place::HttpVersion, &HTTP_VERSION, by);
        }
        _ => marks.holds(Place::HttpVersion, &HTTP_VERSION),
    }
    judge_word(block, "Upgrade", "websocket", &UPGRADE, marks);
    match block.first_of("Connection") {
        Some((place, _)) if block.lists("Connection", "Upgrade") => {
            marks.holds(Place::Value(place), &CONNECTION);
        }
        _ => judge_word(block, "Connection", "Upgrade", &CONNECTION, marks),
    }
}

/// Judges that a header occurs once and is this word, in any letter case.
fn judge_word(
    block: &Block,
    name: &str,
    expected: &str,
    rule: &'static crate::rule::Rule,
    marks: &mut Marks,
) {
    if block.first_of(name).is_none() {
        let by = format!("the header {name} is missing, expected \"{expected}\"");
        return marks.broken(Place::Block, rule, by);
    }
    let Some((place, found)) = once(block, name, marks) else {
        return;
    };
    let place = Place::Value(place);
    match found.eq_ignore_ascii_case(expected.as_bytes()) {
        true => marks.holds(place, rule),
        false => {
            let by = format!("found {}, expected \"{expected}\"", quoted(found));
            marks.broken(place, rule, by);
        }
    }
}

/// Judges that draft-75 and draft-76 repeat the origin and the URL.
fn judge_echo(block: &Block, prefix: &str, asked: Option<&Asked>, marks: &mut Marks) {
    let name = format!("{prefix}WebSocket-Origin");
    if block.first_of(&name).is_none() {
        let by = format!("the header {name} is missing");
        marks.broken(Place::Block, &ORIGIN_ECHO, by);
    }
    let expected = asked.and_then(|asked| asked.origin.as_deref());
    if let (Some((place, found)), Some(expected)) = (once(block, &name, marks), expected) {
        let place = Place::Value(place);
        marks.at(place).steps.push(compare(found, expected));
        match found == expected {
            true => marks.holds(place, &ORIGIN_ECHO),
            false => {
                let by = format!("found {}, expected {}", quoted(found), quoted(expected));
                marks.broken(place, &ORIGIN_ECHO, by);
            }
        }
    }
    let name = format!("{prefix}WebSocket-Location");
    if block.first_of(&name).is_none() {
        let by = format!("the header {name} is missing");
        marks.broken(Place::Block, &LOCATION, by);
    }
    let urls = asked.and_then(|asked| asked.urls.as_ref());
    if let (Some((place, found)), Some(urls)) = (once(block, &name, marks), urls) {
        judge_location(Place::Value(place), found, urls, marks);
    }
}

fn judge_location(place: Place, found: &[u8], [plain, over_tls]: &[String; 2], marks: &mut Marks) {
    if found == over_tls.as_bytes() {
        marks
            .at(place)
            .steps
            .push(compare(found, over_tls.as_bytes()));
        let how = "the scheme wss is right if the client reaches the server through TLS";
        return marks.choice(place, &LOCATION, how);
    }
    marks.at(place).steps.push(compare(found, plain.as_bytes()));
    match found == plain.as_bytes() {
        true => marks.holds(place, &LOCATION),
        false => {
            let expected = quoted(plain.as_bytes());
            let by = format!("found {}, expected {expected}", quoted(found));
            marks.broken(place, &LOCATION, by);
        }
    }
}

fn compare(found: &[u8], expected: &[u8]) -> Step {
    Step::Compare {
        found: found.to_vec(),
        expected: expected.to_vec(),
        equal: found == expected,
    }
}

fn judge_other(
    block: &Block,
    status: Option<u16>,
    asked: Option<&Asked>,
    marks: &mut Marks,
) -> Answered {
    if let Some(status) = status.filter(|_| block.blank.is_some()) {
        match asked.is_some_and(Asked::is_broken) {
            true => {
                let how = format!("{status}: the request breaks a rule, so no upgrade is expected");
                marks.choice(Place::Status, &STATUS, how);
            }
            false if is_refusal(status) => {
                let how = format!("the server refuses with {status}: no WebSocket begins");
                marks.choice(Place::Status, &STATUS, how);
            }
            false => {
                let by =
                    format!("the status is {status}, expected 101: the server did not upgrade");
                marks.broken(Place::Status, &STATUS, by);
            }
        }
        judge_version_list(block, asked, marks);
    }
    let has_body = !asked.is_some_and(|asked| asked.is_head) && !matches!(status, Some(204 | 304));
    Answered::Other(match has_body {
        true => length(block),
        false => Length::Bytes(0),
    })
}

/// Whether a server may respond to a valid request with this status: a redirect, or a rejection.
fn is_refusal(status: u16) -> bool {
    (300..600).contains(&status)
}

/// A server that does not know the version names those that it knows.
fn judge_version_list(block: &Block, asked: Option<&Asked>, marks: &mut Marks) {
    if !asked.is_some_and(|asked| asked.is_other_version) {
        return;
    }
    match block.first_of("Sec-WebSocket-Version") {
        Some((place, _)) => marks.holds(Place::Value(place), &VERSION_LIST),
        None => {
            let by = "the header Sec-WebSocket-Version is missing in this rejection";
            marks.broken(Place::Block, &VERSION_LIST, by);
        }
    }
}

fn length(block: &Block) -> Length {
    if block.lists("Transfer-Encoding", "chunked") {
        return Length::Rest;
    }
    let mut all = block.all("Content-Length");
    let (Some((_, value)), None) = (all.next(), all.next()) else {
        return Length::Rest;
    };
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value).ok().filter(|_| is_number);
    match number.and_then(|number| number.parse().ok()) {
        Some(length) => Length::Bytes(length),
        None => Length::Rest,
    }
}
