//! What the library is made of besides its own source.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Licences under which a dependency may be had; where there is a choice, one is enough.
const LICENCES: [&str; 4] = ["MIT", "Apache-2.0", "BSD-3-Clause", "Zlib"];

/// Where the README's tree was drawn; others differ by a crate or two.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The default build's dependencies, as cargo tells them, without looking anything up.
fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--target", TARGET])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Each crate once, in a format of cargo's.
fn crates(format: &str) -> Vec<String> {
    let tree = tree(&["--prefix", "none", "--no-dedupe", "--format", format]);
    let mut crates: Vec<String> = tree.lines().skip(1).map(str::to_owned).collect();
    crates.sort_unstable();
    crates.dedup();
    crates
}

#[test]
fn every_dependency_may_be_used_under_a_licence_that_goes_with_mit() {
    let crates = crates("{p}: {l}");
    assert!(crates.len() > 8, "{crates:?}");
    for line in &crates {
        let (_, licences) = line.split_once(": ").unwrap();
        let mut choices = licences.split(" OR ").flat_map(|part| part.split('/'));
        assert!(choices.any(|choice| LICENCES.contains(&choice)), "{line}");
    }
}

#[test]
fn every_dependency_is_there_once_and_from_the_registry() {
    let mut versions = BTreeMap::new();
    for line in crates("{p}") {
        // What comes from elsewhere is followed by where from, and a macro by what it is.
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
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(branches), "the README lacks\n{branches}");
    let count = format!("{} crates", crates("{p}").len());
    assert!(
        readme.contains(&count),
        "the README does not speak of {count}"
    );
}

#[test]
fn nothing_of_ours_runs_when_it_is_built() {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    for word in ["build =", "proc-macro", "[build-dependencies]"] {
        assert!(!manifest.contains(word), "{word}");
    }
    assert!(!fs::exists(concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs")).unwrap());
}
