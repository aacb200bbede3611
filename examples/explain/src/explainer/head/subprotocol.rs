//! Subprotocols: the names in the request, and the one in the response.

use std::collections::HashSet;

use stentor::Version;

use crate::rules::handshake::{SUBPROTOCOL, SUBPROTOCOL_CHOICE};

use super::block::Block;
use super::marks::{Marks, Place};
use super::syntax::once;
use super::text::{is_token, quoted, text, trim};

/// The name of the header in this version.
pub(super) fn header(version: Version) -> &'static str {
    match version {
        Version::Draft75 => "WebSocket-Protocol",
        _ => "Sec-WebSocket-Protocol",
    }
}

/// Whether the value is one string, and not a list.
fn is_string(version: Version) -> bool {
    matches!(version, Version::Draft75 | Version::Draft76)
}

/// Judges the subprotocols of a request, and returns them.
pub(super) fn judge_offer(block: &Block, version: Version, marks: &mut Marks) -> Vec<Vec<u8>> {
    let name = header(version);
    if is_string(version) {
        let Some((place, value)) = once(block, name, marks) else {
            return Vec::new();
        };
        let is_valid = !value.is_empty() && value.iter().all(|byte| (0x20..0x7f).contains(byte));
        judge(
            is_valid,
            Place::Value(place),
            value,
            "U+0020 to U+007E",
            marks,
        );
        return vec![value.to_vec()];
    }
    let mut offered: Vec<Vec<u8>> = Vec::new();
    let mut names = HashSet::new();
    for (place, value) in block.all(name) {
        let place = Place::Value(place);
        if std::str::from_utf8(value).is_err() {
            let how = format!(
                "{} is no text, so it offers nothing: ignored",
                quoted(value)
            );
            marks.choice(place, &SUBPROTOCOL, how);
            continue;
        }
        for item in value.split(|&byte| byte == b',').map(trim) {
            if !item.is_empty() {
                judge_item(item, names.insert(item), place, marks);
                offered.push(item.to_vec());
            }
        }
    }
    offered
}

fn judge_item(item: &[u8], is_new: bool, place: Place, marks: &mut Marks) {
    let is_valid = item
        .iter()
        .all(|byte| byte.is_ascii_graphic() && !b"\",;".contains(byte));
    if is_valid && !is_token(item) {
        let how = format!("{} is no token, but harmless: accepted", quoted(item));
        return marks.choice(place, &SUBPROTOCOL, how);
    }
    if !is_new {
        let how = format!("{} is there twice: accepted", quoted(item));
        return marks.choice(place, &SUBPROTOCOL, how);
    }
    judge(
        is_valid,
        place,
        item,
        "visible characters without \" and ;",
        marks,
    );
}

fn judge(is_valid: bool, place: Place, value: &[u8], allowed: &str, marks: &mut Marks) {
    match is_valid {
        true => marks.holds(place, &SUBPROTOCOL),
        false => {
            let by = format!("the name is {}, and must have {allowed}", quoted(value));
            marks.broken(place, &SUBPROTOCOL, by);
        }
    }
}

/// Judges the subprotocol of a response, and returns it. `offered` is `None` if the request is unknown.
pub(super) fn judge_choice(
    block: &Block,
    version: Version,
    offered: Option<&[Vec<u8>]>,
    marks: &mut Marks,
) -> Option<String> {
    let name = header(version);
    if block.first_of(name).is_none() {
        let needed = offered.unwrap_or_default().first();
        if let Some(needed) = needed.filter(|_| is_string(version)) {
            let needed = quoted(needed);
            let by = format!("the header {name} is missing: the client needs {needed}");
            marks.broken(Place::Block, &SUBPROTOCOL_CHOICE, by);
        }
        return None;
    }
    let (place, found) = once(block, name, marks)?;
    let place = Place::Value(place);
    if let Some(offered) = offered {
        if offered.iter().any(|name| name == found) {
            marks.holds(place, &SUBPROTOCOL_CHOICE);
        } else {
            let by = format!("found {}, {}", quoted(found), expected(offered));
            marks.broken(place, &SUBPROTOCOL_CHOICE, by);
        }
    }
    Some(text(found))
}

fn expected(offered: &[Vec<u8>]) -> String {
    let names: Vec<String> = offered.iter().take(8).map(|name| quoted(name)).collect();
    match names.len() {
        0 => "and the request offered none".to_owned(),
        _ => format!("and the request offered {}", names.join(", ")),
    }
}
