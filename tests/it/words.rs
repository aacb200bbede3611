//! The prose of the project, measured: comments, documents, and the messages that users see. Readers who
//! are not native speakers need nouns and the terms of the field.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::ROOT;

/// Words that stand in the place of a noun. A few are legitimate, in questions above all.
const PRONOUNS: [&str; 7] = [
    "who",
    "whom",
    "whose",
    "whoever",
    "what",
    "whatever",
    "whichever",
];

/// Words and phrases that the project once used in place of the field's terms.
const PRIVATE: [&str; 32] = [
    "goodbye",
    "goodbyes",
    "farewell",
    "warden",
    "crew",
    "haste",
    "patience",
    "appetite",
    "outbox",
    "outboxes",
    "hang up",
    "hangs up",
    "hung up",
    "hanging up",
    "see off",
    "send away",
    "let go of",
    "lets go of",
    "believe",
    "believes",
    "believed",
    "hears",
    "heard",
    "crowd",
    "dice",
    "no such thing",
    "is told",
    "are told",
    "worked off",
    "work off",
    "all the same",
    "but for",
];

#[test]
fn prose_uses_nouns_and_the_terms_of_the_field() {
    let library = [
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docs",
        "src/guide.md",
        "src/error.rs",
        "src/protocol",
        "src/net",
        "src/server",
        "src/client",
        "examples",
    ];
    for place in library {
        check(place, 3.0, 1.0);
    }
    check("tests", 6.0, 2.0);
}

#[test]
fn no_message_of_the_library_has_a_private_word() {
    for path in files(&Path::new(ROOT).join("src")) {
        let source = fs::read_to_string(&path).unwrap();
        let code = source.lines().take_while(|line| *line != "#[cfg(test)]");
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            for literal in line.split('"').skip(1).step_by(2) {
                let found = count(literal, &PRIVATE);
                assert_eq!(found, 0, "{}: {literal}", path.display());
            }
        }
    }
}

#[test]
fn the_measure_finds_what_it_measures() {
    let text = "The warden heard a goodbye, and a client that hangs up is told so.";
    assert_eq!(count(text, &PRIVATE), 5);
    assert_eq!(count("Who exceeds what is whose?", &PRONOUNS), 3);
    assert_eq!(count("The watchdog disconnects the client.", &PRIVATE), 0);
    let source = "/// Sends `goodbye` frames.\nfn goodbye() {}\n/// ```\n/// farewell\n/// ```\n// A crew.\n";
    assert_eq!(prose("rs", source).trim(), "Sends  frames.\n A crew.");
}

/// Fails where a place has more of these words in a thousand.
fn check(place: &str, pronouns: f64, private: f64) {
    let mut text = String::new();
    for path in files(&Path::new(ROOT).join(place)) {
        if path.ends_with("words.rs") {
            continue;
        }
        let kind = path.extension().unwrap().to_str().unwrap();
        text += &prose(kind, &fs::read_to_string(&path).unwrap());
    }
    let words = text.split_whitespace().count();
    assert!(words > 100, "{place} has {words} words");
    let rate = |list: &[&str]| 1000.0 * count(&text, list) as f64 / words as f64;
    let (of_pronouns, of_private) = (rate(&PRONOUNS), rate(&PRIVATE));
    assert!(
        of_pronouns <= pronouns,
        "{place}: {of_pronouns:.1} of 1,000 words are who or what, at most {pronouns} may be: name the noun"
    );
    assert!(
        of_private <= private,
        "{place}: {of_private:.1} of 1,000 words are private, at most {private} may be: use the field's term"
    );
}

/// The prose of a file: the comments of a source, or a document, without code.
fn prose(kind: &str, text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        let line = match (kind, line.trim_start().strip_prefix("//")) {
            ("md", _) => line,
            (_, Some(comment)) => comment.trim_start_matches(['/', '!']),
            (_, None) => continue,
        };
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.extend(line.split('`').step_by(2));
            prose.push('\n');
        }
    }
    prose
}

/// How often these words and phrases occur, in whatever letter case.
fn count(text: &str, list: &[&str]) -> usize {
    let lower = text.to_lowercase();
    let words = lower.split(|character: char| !character.is_alphanumeric());
    let line = format!(
        " {} ",
        words
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    );
    let occurrences = |entry: &&str| line.matches(&format!(" {entry} ")).count();
    list.iter().map(occurrences).sum()
}

/// All sources and documents below a place, or the one that it is.
fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(place).expect("a folder") {
        let path = entry.unwrap().path();
        let is_made = path
            .file_name()
            .is_some_and(|name| name == "target" || name == "node_modules");
        if path.is_dir() && !is_made {
            files.extend(self::files(&path));
        } else if path
            .extension()
            .is_some_and(|kind| kind == "rs" || kind == "md")
        {
            files.push(path);
        }
    }
    files
}
