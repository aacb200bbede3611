//! The output of the program, compared with files. `GOLDEN=write cargo test -p stentor-explain --test
//! terminal golden` writes them again.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::{beside, run};

/// Vectors of one family, with the version that reads them.
const FRAMES: [(&str, &str, &str, &[&str]); 3] = [
    (
        "frames-13",
        "hybi",
        "13",
        &[
            "hello-masked",
            "hello-unmasked-refused",
            "fragmented-masked",
            "pong-between-fragments",
            "length-126",
            "nonminimal-16",
            "length-top-bit",
            "ping-126",
            "rsv-5",
            "opcode-3",
            "continuation-without-start",
            "new-message-inside-fragments",
            "apple-split-character",
            "bad-utf8",
            "close-good-bye",
            "close-one-byte",
            "close-code-1005",
            "text-after-close",
            "hixie-frame-on-hybi",
        ],
    ),
    (
        "frames-8",
        "hybi",
        "8",
        &["nonminimal-16", "close-code-1004-old", "close-code-1016"],
    ),
    (
        "frames-76",
        "hixie",
        "76",
        &[
            "hello",
            "multibyte",
            "bad-utf8-replaced",
            "length-0x1234",
            "length-leading-zeros",
            "type-66-skipped",
            "go-skip",
            "close-76",
            "close-76-then-text",
        ],
    ),
];

/// Handshakes, as the client sends them.
const HANDSHAKES: [&str; 12] = [
    "13-rfc-example",
    "13-key-short",
    "13-no-host",
    "13-connection-list",
    "13-key-garbage",
    "version-missing-with-key",
    "8-draft-example",
    "76-draft-example",
    "76-key1-not-divisible",
    "76-key1-no-digits",
    "75-pywebsocket",
    "75-no-origin",
];

fn vectors() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/vectors.json"
    );
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn find<'a>(vectors: &'a Value, id: &str) -> &'a Value {
    let mut all = vectors.as_array().unwrap().iter();
    all.find(|vector| vector["id"] == id)
        .unwrap_or_else(|| panic!("no vector {id}"))
}

/// The bytes of a vector in hex. A piece may be repeated.
fn hex(vector: &Value) -> String {
    let chunks = vector["chunks_hex"].as_array().unwrap();
    chunks
        .iter()
        .map(|chunk| match chunk {
            Value::String(digits) => digits.clone(),
            repeated => {
                let times = repeated["times"].as_u64().unwrap();
                repeated["hex"].as_str().unwrap().repeat(times as usize)
            }
        })
        .collect()
}

/// Compares a text with a file of this name, or writes the file.
#[track_caller]
pub(crate) fn golden(name: &str, text: &str) {
    compare(&beside("golden").join(format!("{name}.txt")), text);
}

/// Compares a text with a file, or writes the file.
#[track_caller]
pub(crate) fn compare(path: &Path, text: &str) {
    if std::env::var("GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs:\n{}\nIf the new text is right: GOLDEN=write cargo test -p stentor-explain \
         --test it",
        path.display(),
        difference(&expected, text)
    );
}

/// The lines that differ, with those around them: `-` in the file, `+` in the new text.
fn difference(expected: &str, found: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let same = old
        .iter()
        .zip(&new)
        .take_while(|(old, new)| old == new)
        .count();
    let rest = old.len().min(new.len()) - same;
    let ends = old.iter().rev().zip(new.iter().rev());
    let tail = ends.take(rest).take_while(|(old, new)| old == new).count();
    let mut text = String::new();
    for line in &old[same.saturating_sub(2)..same] {
        let _ = writeln!(text, "  {line}");
    }
    for line in &old[same..old.len() - tail] {
        let _ = writeln!(text, "- {line}");
    }
    for line in &new[same..new.len() - tail] {
        let _ = writeln!(text, "+ {line}");
    }
    for line in new[new.len() - tail..].iter().take(2) {
        let _ = writeln!(text, "  {line}");
    }
    text
}

#[test]
fn golden_frames() {
    let vectors = vectors();
    for (name, family, version, ids) in FRAMES {
        let mut text = String::new();
        for id in ids {
            let vector = find(&vectors["frames"][family], id);
            let arguments = ["-v", "--as", version, "--from", "client", "-"];
            let ran = run(&arguments, hex(vector).as_bytes());
            let _ = write!(text, "== {id}: status {}\n{}\n", ran.status, ran.text);
        }
        golden(name, &text);
    }
}

#[test]
fn golden_reasons() {
    let vectors = vectors();
    let vector = find(&vectors["frames"]["hybi"], "hello-unmasked-refused");
    let ran = run(&["-vw", "--from", "client", "-"], hex(vector).as_bytes());
    golden("reasons", &ran.expect(1));
}

#[test]
fn golden_handshakes() {
    let vectors = vectors();
    let mut text = String::new();
    for id in HANDSHAKES {
        let vector = find(&vectors["handshakes"], id);
        let chunks = vector["chunks_latin1"].as_array().unwrap();
        let head: String = chunks.iter().map(|chunk| chunk.as_str().unwrap()).collect();
        let head: String = head.chars().map(|c| format!("{:02x}", c as u32)).collect();
        let ran = run(&["-v", "--from", "client"], head.as_bytes());
        let _ = write!(text, "== {id}: status {}\n{}\n", ran.status, ran.text);
    }
    golden("handshakes", &text);
}

/// Traces that the tap has saved, between the examples `client` and `echo`.
#[test]
fn golden_conversations() {
    for version in ["75", "76", "7", "8", "13"] {
        let path = beside(&format!("golden/conversations/{version}.jsonl"));
        let path = path.to_str().unwrap();
        for (level, name) in [("-q", "quiet"), ("--no-times", "usual"), ("-v", "verbose")] {
            let text = run(&[level, "--no-times", path], b"").expect(0);
            golden(&format!("conversations/{version}-{name}"), &text);
        }
    }
}

#[test]
fn no_golden_text_is_wider_than_80_columns() {
    let folders = ["golden", "golden/conversations"];
    for folder in folders {
        for file in fs::read_dir(beside(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "txt") {
                continue;
            }
            for line in fs::read_to_string(&path).unwrap().lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn a_difference_names_the_lines() {
    assert_eq!(
        difference("a\nb\nc\nd\ne\n", "a\nb\nX\nY\nd\ne\n"),
        "  a\n  b\n- c\n+ X\n+ Y\n  d\n  e\n"
    );
    assert_eq!(difference("", "a\n"), "+ a\n");
}
