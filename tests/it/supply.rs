//! The library's dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::support::ROOT;

/// Licences under which a dependency may be had; where there is a choice, one is enough.
const LICENCES: [&str; 4] = ["MIT", "Apache-2.0", "BSD-3-Clause", "Zlib"];

/// Licences that only features add: ISC is MIT in fewer words (`ring`, `rustls-webpki`,
/// `untrusted`); the others are for data: the list of authorities in `webpki-roots`, and the tables of characters in
/// `unicode-ident`.
const LICENCES_OF_FEATURES: [&str; 3] = ["ISC", "CDLA-Permissive-2.0", "Unicode-3.0"];

/// The features that are off by default and need crates.
const FEATURES: [&str; 8] = [
    "bytes",
    "deflate",
    "prometheus",
    "redis",
    "systemd",
    "tls",
    "native-roots",
    "self-signed",
];

/// The macro that comes with `prometheus-client`, and is not used here.
const MACRO: &str = "prometheus-client-derive-encode";

/// The crates that the first command may compile, its own not counted: each costs a newcomer time.
const MOST_CRATES: usize = 40;

/// The target for which the README's tree was drawn; others differ by a crate or two.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The dependencies of the library with these options, as cargo tells them, without looking anything up.
fn tree(arguments: &[&str]) -> String {
    tree_along("normal", arguments)
}

/// The same along these kinds of dependencies.
fn tree_along(edges: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "stentor"])
        .args(["--edges", edges, "--target", TARGET])
        .args(arguments)
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns each crate of the default build once, in a format of cargo's.
fn crates(format: &str) -> Vec<String> {
    crates_with("", format)
}

/// Returns the same for a build with these features.
fn crates_with(features: &str, format: &str) -> Vec<String> {
    let plain = ["--prefix", "none", "--no-dedupe", "--features", features];
    let tree = tree(&[&plain[..], &["--format", format]].concat());
    let mut crates: Vec<String> = tree.lines().skip(1).map(str::to_owned).collect();
    crates.sort_unstable();
    crates.dedup();
    crates
}

/// Whether something with this licence expression may be used: all parts joined by AND, one of
/// those joined by OR. Only a part as a whole may be in parentheses.
fn may_be_had(expression: &str, licences: &[&str]) -> bool {
    let one_of = |part: &str| {
        let inner = part
            .strip_prefix('(')
            .and_then(|part| part.strip_suffix(')'));
        let choices = inner.unwrap_or(part).split(" OR ");
        let mut choices = choices.flat_map(|part| part.split('/'));
        choices.any(|choice| licences.contains(&choice))
    };
    expression.split(" AND ").all(one_of)
}

#[test]
fn every_dependency_may_be_used_under_a_licence_that_goes_with_mit() {
    let crates = crates("{p}: {l}");
    assert!(crates.len() > 8, "{crates:?}");
    for line in &crates {
        let (_, licences) = line.split_once(": ").unwrap();
        assert!(may_be_had(licences, &LICENCES), "{line}");
    }
}

#[test]
fn dependencies_of_features_may_be_used_under_licences_that_go_with_mit_too() {
    let licences = [&LICENCES[..], &LICENCES_OF_FEATURES].concat();
    let crates = crates_with(&FEATURES.join(","), "{p}: {l}");
    assert!(crates.len() > 30, "{crates:?}");
    for line in &crates {
        let (name, expression) = line.split_once(": ").unwrap();
        assert!(may_be_had(expression, &licences), "{line}");
        // No other sources, and no other macros: these would be followed by a note.
        let is_macro = name.starts_with(MACRO) && name.ends_with(" (proc-macro)");
        assert!(is_macro || name.split(' ').count() == 2, "{line}");
    }
}

#[test]
fn every_dependency_is_there_once_and_from_the_registry() {
    let mut versions = BTreeMap::new();
    for line in crates("{p}") {
        // A crate from another source is followed by that source, and a macro by its kind.
        let [name, version] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}: neither a plain crate nor from the registry");
        };
        let before = versions.insert(name.to_owned(), version.to_owned());
        assert_eq!(before, None, "{name} is there twice");
    }
}

#[test]
fn the_readme_shows_the_tree_of_the_default_build_and_counts_it() {
    let tree = tree(&[]);
    let (_, branches) = tree.split_once('\n').unwrap();
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    assert!(readme.contains(branches), "the README lacks\n{branches}");
    let count = format!("{} crates", crates("{p}").len());
    assert!(
        readme.contains(&count),
        "the README does not speak of {count}"
    );
}

#[test]
fn the_readme_counts_what_each_feature_adds() {
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let default = crates("{p}").len();
    for feature in FEATURES {
        let added = crates_with(feature, "{p}").len() - default;
        let count = format!("`{feature}` adds {added}");
        assert!(readme.contains(&count), "the README lacks {count:?}");
    }
}

/// `cargo run --release --example chat` compiles all of this, and is the first command that anybody tries.
#[test]
fn the_first_command_needs_no_c_compiler_and_few_crates() {
    let plain = ["--prefix", "none", "--no-dedupe", "--format", "{p}"];
    let tree = tree_along("normal,build,dev", &plain);
    let crates: BTreeSet<&str> = tree.lines().skip(1).collect();
    assert!(tree.contains("serde_json v1."), "{tree}");
    for line in &crates {
        let name = line.split(' ').next().unwrap_or_default();
        let compiles = ["cc", "cmake", "pkg-config", "bindgen", "nasm-rs"].contains(&name);
        assert!(!compiles, "{line} runs a C compiler");
    }
    assert!(crates.len() <= MOST_CRATES, "{}: {crates:?}", crates.len());
}

#[test]
fn nothing_of_ours_runs_when_it_is_built() {
    let manifest = fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap();
    for word in ["build =", "proc-macro", "[build-dependencies]"] {
        assert!(!manifest.contains(word), "{word}");
    }
    assert!(!fs::exists(format!("{ROOT}/build.rs")).unwrap());
}
