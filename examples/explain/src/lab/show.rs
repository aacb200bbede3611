//! Sessions and notes as JSON.

use serde_json::{Map, Value as Json, json};

use super::action::hex;
use super::bench::{Entry, Lab};
use super::parts;
use crate::explainer::Explainer;
use crate::note::{Note, Part, Side, Value, Verdict};
use crate::render;
use crate::rule::Rule;

/// The rules about the end of a stream. A paste is a piece of one.
const END: [&str; 3] = ["stream.complete", "stream.close", "handshake.complete"];

/// The rules about the frames before a frame. The header of one frame alone has none.
const ORDER: [&str; 3] = ["message.continuation", "message.nested", "mask.key"];

/// All of a session.
pub(super) fn lab(lab: &Lab) -> Json {
    let setup = lab.setup();
    let notes = lab.notes();
    let party = |side: Side| {
        let party = lab.party(side);
        let mut json = stream(side, &party.sent, &notes);
        json["read"] = json!(party.read);
        json["cuts"] = json!(party.cuts);
        json["ended"] = json!(party.is_ended);
        json["endRead"] = json!(party.is_end_read);
        json["hand"] = json!(party.is_by_hand);
        json["state"] = json!(lab.state(side).to_string());
        json
    };
    let mut json = json!({
        "version": super::api::short(setup.version),
        "seed": setup.seed,
        "compress": setup.compress,
        "client": party(Side::Client),
        "server": party(Side::Server),
        "log": lab.log().iter().map(entry).collect::<Vec<_>>(),
    });
    add_notes(&mut json, &notes);
    json
}

/// A conversation from its first byte, as far as it was recorded: the reads of both sides, in order.
pub(super) fn conversation(reads: &[(Side, Vec<u8>)], is_ended: [bool; 2]) -> Json {
    let mut explainer = Explainer::new();
    let mut streams = [Vec::new(), Vec::new()];
    for (side, bytes) in reads {
        explainer.feed(*side, bytes);
        streams[*side as usize].extend_from_slice(bytes);
    }
    for side in [Side::Client, Side::Server] {
        if is_ended[side as usize] {
            explainer.end(side);
        }
    }
    let notes: Vec<Note> = explainer.notes().collect();
    let mut json = piece([&streams[0], &streams[1]], &notes);
    for side in [Side::Client, Side::Server] {
        let cuts = notes
            .iter()
            .filter(|note| note.part == Part::Cut && note.from == side);
        json[side.to_string()]["cuts"] = cuts.map(|note| json!(note.bytes.start)).collect();
    }
    json
}

/// Bytes of one side that were pasted. The header of a frame alone lacks its payload, and the frames before it.
pub(super) fn pasted(explainer: Explainer, from: Side, bytes: &[u8], is_header: bool) -> Json {
    let mut explainer = explainer;
    explainer.feed(from, bytes);
    explainer.end(from.other());
    explainer.end(from);
    let notes = explainer.notes().filter_map(|mut note| {
        note.verdicts.retain(|verdict| {
            let id = rule_of(verdict).id;
            !(END.contains(&id) || is_header && ORDER.contains(&id))
        });
        let is_absent = is_header && note.part == Part::Payload;
        (!is_absent).then_some(note)
    });
    let notes: Vec<Note> = notes.collect();
    let mut streams: [&[u8]; 2] = [&[], &[]];
    streams[from as usize] = bytes;
    piece(streams, &notes)
}

/// A rule.
pub(super) fn rule(rule: &Rule) -> Json {
    json!({ "id": rule.id, "source": rule.source, "says": rule.says, "why": rule.why })
}

fn piece(streams: [&[u8]; 2], notes: &[Note]) -> Json {
    let mut json = json!({
        "client": stream(Side::Client, streams[0], notes),
        "server": stream(Side::Server, streams[1], notes),
    });
    add_notes(&mut json, notes);
    json
}

/// The notes; and once for all of them the words about their parts and their rules.
fn add_notes(json: &mut Json, notes: &[Note]) {
    let mut all = Vec::new();
    let (mut names, mut rules) = (Map::new(), Map::new());
    for one in notes {
        if matches!(one.part, Part::Cut | Part::End) {
            continue;
        }
        names.entry(one.part.name()).or_insert_with(
            || json!({ "letter": parts::letter(one.part), "about": parts::about(one.part) }),
        );
        for verdict in &one.verdicts {
            let own = rule_of(verdict);
            rules.entry(own.id).or_insert_with(|| rule(own));
        }
        all.push(note(one));
    }
    json["notes"] = Json::Array(all);
    json["parts"] = Json::Object(names);
    json["rules"] = Json::Object(rules);
}

/// The bytes of one side. Those of a secret are stars.
fn stream(side: Side, bytes: &[u8], notes: &[Note]) -> Json {
    let mut bytes = bytes.to_vec();
    for note in notes.iter().filter(|note| note.from == side) {
        if let Value::Hidden(_) = note.value {
            let range = note.bytes.clone().filter_map(|at| usize::try_from(at).ok());
            for at in range {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = b'*';
                }
            }
        }
    }
    json!({ "hex": hex(&bytes) })
}

fn entry(entry: &Entry) -> Json {
    let mut json = json!({ "by": entry.by.to_string(), "kind": entry.kind, "words": entry.words });
    if let Some((begin, end)) = entry.bytes {
        json["bytes"] = json!([begin, end]);
    }
    json
}

/// A note. Members without content are left out.
fn note(note: &Note) -> Json {
    let mut json = Map::new();
    json.insert("id".to_owned(), json!(note.id));
    if let Some(parent) = note.parent {
        json.insert("up".to_owned(), json!(parent));
    }
    json.insert("from".to_owned(), json!(note.from.to_string()));
    json.insert("at".to_owned(), json!([note.bytes.start, note.bytes.end]));
    if note.bits != 0xff {
        json.insert("bits".to_owned(), json!(note.bits));
    }
    json.insert("part".to_owned(), json!(note.part.name()));
    let value = value(&note.value);
    if !value.is_empty() {
        json.insert("value".to_owned(), json!(value));
    }
    let steps = render::arithmetic(&note.steps);
    if !steps.is_empty() {
        json.insert("steps".to_owned(), json!(steps));
    }
    if !note.verdicts.is_empty() {
        let verdicts: Vec<Json> = note.verdicts.iter().map(verdict).collect();
        json.insert("verdicts".to_owned(), json!(verdicts));
    }
    Json::Object(json)
}

fn verdict(verdict: &Verdict) -> Json {
    let id = rule_of(verdict).id;
    match verdict {
        Verdict::Holds(_) => json!({ "kind": "holds", "id": id }),
        Verdict::Broken(_, words) => json!({ "kind": "broken", "id": id, "words": words }),
        Verdict::Choice(_, words) => json!({ "kind": "choice", "id": id, "words": words }),
    }
}

fn rule_of(verdict: &Verdict) -> &'static Rule {
    match verdict {
        Verdict::Holds(rule) | Verdict::Broken(rule, _) | Verdict::Choice(rule, _) => rule,
    }
}

/// A value in words; empty if the bytes are their own value.
fn value(value: &Value) -> String {
    match value {
        Value::None => String::new(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => u8::from(*flag).to_string(),
        Value::Bytes(bytes) if bytes.is_empty() => "(empty)".to_owned(),
        Value::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) if !text.chars().any(char::is_control) => render::quote(text),
            _ => bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" "),
        },
        Value::Text(text) => render::escape(text.as_bytes()),
        Value::Name(name) => (*name).to_owned(),
        Value::Hidden(length) => format!("(hidden: {length} bytes)"),
    }
}
