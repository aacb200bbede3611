//! `tests/vectors/vectors.json`, collected from the drafts, the RFC and the tests of two dozen
//! implementations: every vector is replayed, and every replay counts the vectors that it has run.

mod keys;

mod handshakes;

mod frames;

mod closing;

mod clients;

use std::sync::LazyLock;

use serde_json::Value;
use stentor::Version;

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../vectors/vectors.json")).expect("JSON")
});

/// Vectors whose expectation is deliberately not met, with the reason. All others are met as they
/// stand, those included that the collection marks as a matter of policy.
const DECIDED_OTHERWISE: [(&str, &str); 2] = [
    (
        "AQIDBAUGBwgJCgsMDQ4PEC==",
        "the RFC's own sample of a key has unused bits set: accepted",
    ),
    (
        "hybi-fragments",
        "every message is sent as one frame; fragments are only received",
    ),
];

fn decided_otherwise(id: &str) -> bool {
    DECIDED_OTHERWISE.iter().any(|(other, _)| *other == id)
}

fn section(name: &str) -> &'static [Value] {
    VECTORS[name].as_array().expect("a list of vectors")
}

fn string<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {vector}"))
}

fn list<'a>(vector: &'a Value, name: &str) -> &'a [Value] {
    vector[name]
        .as_array()
        .unwrap_or_else(|| panic!("no {name} in {vector}"))
}

/// Converts each character to one byte.
fn latin1(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a string");
    text.chars()
        .map(|char| u8::try_from(char).expect("latin-1"))
        .collect()
}

/// Decodes a string of hex digits, or one that is repeated.
fn hex(value: &Value) -> Vec<u8> {
    if let Some(digits) = value.as_str() {
        let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hex digit") as u8;
        return digits
            .as_bytes()
            .chunks(2)
            .map(|two| digit(two[0]) << 4 | digit(two[1]))
            .collect();
    }
    let times = value["times"].as_u64().unwrap_or(1);
    hex(&value["hex"]).repeat(times as usize)
}

/// Returns a version by the number that the vectors have for it.
fn version(number: u64) -> Version {
    let number_of = |version: &Version| match version {
        Version::Draft75 => 75,
        Version::Draft76 => 76,
        Version::Hybi07 => 7,
        Version::Hybi08 => 8,
        Version::Rfc6455 => 13,
    };
    Version::ALL
        .into_iter()
        .find(|version| number_of(version) == number)
        .expect("a version")
}

fn versions(vector: &Value) -> impl Iterator<Item = Version> {
    list(vector, "versions")
        .iter()
        .map(|number| version(number.as_u64().unwrap()))
}

#[test]
fn deliberate_deviations_are_in_the_collection() {
    let frames = VECTORS["frames"].as_object().unwrap().values();
    let ids: Vec<&str> = frames
        .chain(["encode", "accept_keys_bad"].map(|name| &VECTORS[name]))
        .flat_map(|section| section.as_array().unwrap())
        .map(|vector| vector["id"].as_str().or(vector["key"].as_str()).unwrap())
        .collect();
    for (id, why) in DECIDED_OTHERWISE {
        assert!(ids.contains(&id), "{id} ({why}) is no vector");
    }
}

#[test]
fn no_section_of_the_collection_is_left_out() {
    let names: Vec<&String> = VECTORS.as_object().unwrap().keys().collect();
    let replayed = [
        "accept_keys",
        "accept_keys_bad",
        "closing",
        "encode",
        "frames",
        "handshakes",
        "hixie76_key_pairs",
        "hixie76_single_keys",
        "permessage_deflate",
        "version_detection",
    ];
    let about_itself = ["meta", "sources"];
    for name in names {
        assert!(
            replayed.contains(&name.as_str()) || about_itself.contains(&name.as_str()),
            "{name}"
        );
    }
}
