//! The test vectors of the repository.

use std::sync::LazyLock;

use serde_json::Value;
use stentor::Version;

/// All vectors.
pub(crate) static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../../tests/vectors/vectors.json");
    serde_json::from_str(text).expect("the vectors are JSON")
});

/// Returns the vectors of a section.
pub(crate) fn section(name: &str) -> &'static [Value] {
    list(&VECTORS, name)
}

/// Returns a list in a vector.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value[name].as_array();
    list.unwrap_or_else(|| panic!("no list {name} in {value}"))
}

/// Returns a string in a vector.
pub(crate) fn string<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Returns the versions that a vector is for.
pub(crate) fn versions(vector: &Value) -> Vec<Version> {
    let number = |value: &Value| match value.as_u64() {
        Some(75) => Version::Draft75,
        Some(76) => Version::Draft76,
        Some(7) => Version::Hybi07,
        Some(8) => Version::Hybi08,
        Some(13) => Version::Rfc6455,
        _ => panic!("no version: {value}"),
    };
    list(vector, "versions").iter().map(number).collect()
}

/// Returns the bytes of a string in which each character is a byte.
pub(crate) fn latin1(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    text.chars()
        .map(|c| u8::try_from(c).expect("a byte"))
        .collect()
}

/// Returns the bytes of `{hex, times}`, or of a string of hexadecimal digits.
pub(crate) fn hex(value: &Value) -> Vec<u8> {
    if let Some(times) = value["times"].as_u64() {
        return hex(&value["hex"]).repeat(usize::try_from(times).expect("a small number"));
    }
    let digits = value
        .as_str()
        .unwrap_or_else(|| panic!("no digits: {value}"));
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits");
    (0..digits.len()).step_by(2).map(digit).collect()
}

/// A stream of frames out of a vector.
pub(crate) struct Frames {
    pub(crate) id: String,
    pub(crate) versions: Vec<Version>,
    pub(crate) pieces: Vec<Vec<u8>>,
}

/// Returns the streams of frames of all vectors: those that are read, those that are written, those of
/// closing handshakes, and compressed messages with and without masks.
pub(crate) fn frames() -> Vec<Frames> {
    let mut all = Vec::new();
    for framing in ["hixie", "hybi"] {
        for vector in list(&VECTORS["frames"], framing) {
            all.push(Frames {
                id: string(vector, "id").to_owned(),
                versions: versions(vector),
                pieces: list(vector, "chunks_hex").iter().map(hex).collect(),
            });
        }
    }
    for vector in list(&VECTORS, "encode") {
        let versions = match (vector["versions"].is_array(), string(vector, "family")) {
            (true, _) => versions(vector),
            (false, "hixie") => vec![Version::Draft75, Version::Draft76],
            (false, _) => vec![Version::Hybi07, Version::Hybi08, Version::Rfc6455],
        };
        if !vector["out_hex"].is_null() {
            all.push(Frames {
                id: string(vector, "id").to_owned(),
                versions,
                pieces: vec![hex(&vector["out_hex"])],
            });
        }
    }
    for vector in list(&VECTORS, "closing") {
        let number = vec![vector["version"].clone()];
        let wrapped = serde_json::json!({ "versions": number });
        for direction in ["in_hex", "out_hex"] {
            let steps = list(vector, "steps").iter();
            let bytes = steps.filter(|step| step[direction].is_string());
            all.push(Frames {
                id: format!("{} {direction}", string(vector, "id")),
                versions: versions(&wrapped),
                pieces: bytes.map(|step| hex(&step[direction])).collect(),
            });
        }
    }
    all.extend(
        list(&VECTORS, "permessage_deflate")
            .iter()
            .flat_map(compressed),
    );
    all
}

fn compressed(vector: &Value) -> [Frames; 2] {
    let payloads: Vec<Vec<u8>> = list(vector, "message_payloads_hex")
        .iter()
        .map(hex)
        .collect();
    [None, Some([0x37, 0xfa, 0x21, 0x3d])].map(|key| {
        let pieces =
            payloads
                .iter()
                .flat_map(|payload| match string(vector, "id").contains("fragments") {
                    false => vec![frame(0xc1, payload, key)],
                    true => vec![
                        frame(0x41, &payload[..3], key),
                        frame(0x80, &payload[3..], key),
                    ],
                });
        Frames {
            id: format!("{} {key:?}", string(vector, "id")),
            versions: vec![Version::Rfc6455],
            pieces: pieces.collect(),
        }
    })
}

/// Returns a frame, with its length in the shortest form.
pub(crate) fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(mask | u8::try_from(len).expect("at most 125")),
        len @ 126..=0xffff => {
            bytes.push(mask | 126);
            bytes.extend(u16::try_from(len).expect("16 bits").to_be_bytes());
        }
        len => {
            bytes.push(mask | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(key.iter().flatten());
    let keys = key.unwrap_or_default().into_iter().cycle();
    bytes.extend(payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
    bytes
}
