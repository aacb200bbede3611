//! `docs/threats.md` names a test for each threat. This checks that each of them exists.

use std::fs;
use std::path::Path;

use crate::support::ROOT;

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_default()
}

/// The rows of the table of threats: their cells.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let heading = "| threat | defence | default | test |";
    let rows = document.split(heading).skip(1).flat_map(|behind| {
        let lines = behind.lines().skip(2);
        lines.take_while(|line| line.starts_with('|'))
    });
    let cells = rows.map(|spec| spec.trim_matches('|').split('|').map(str::trim).collect());
    cells.collect()
}

/// Yields the names between backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Returns the source that must contain a test with the path `module::name`.
fn source(module: &str) -> String {
    let file = module.replace("::", "/");
    if ["exhaustion", "faults", "logger", "trace"].contains(&file.as_str()) {
        return read(format!("tests/{file}.rs"));
    }
    if let Some(unit) = file.strip_prefix("src/") {
        return read(format!("src/{unit}.rs"));
    }
    let sources = [
        format!("tests/it/{file}.rs"),
        format!("tests/it/{file}/mod.rs"),
    ];
    sources.iter().map(read).collect()
}

/// Whether it is a test, or a claim that the suite of every version makes.
fn is_test(module: &str, name: &str) -> bool {
    let source = source(module);
    if module.starts_with("every_version") {
        let claimed = read("tests/it/every_version/mod.rs");
        let claimed = claimed.lines().any(|line| line.trim() == name);
        return claimed && source.contains(&format!("fn {name}(version: Version)"));
    }
    source.contains(&format!("#[test]\nfn {name}()"))
        || source.contains(&format!("#[test]\n    fn {name}()"))
}

#[test]
fn every_threat_has_tests_and_each_of_them_exists() {
    let document = read("docs/threats.md");
    let rows = rows(&document);
    assert!(rows.len() > 40, "{} threats", rows.len());
    let attacks = read("tests/costs/attacks.rs");
    for spec in rows {
        let [threat, _, _, tests] = spec[..] else {
            panic!("not four cells: {spec:?}");
        };
        assert!(names(tests).next().is_some(), "{threat}: no test");
        for name in names(tests) {
            let exists = match name.strip_prefix("costs -- ") {
                Some(words) => attacks
                    .lines()
                    .any(|line| line.contains("name: \"") && line.contains(words)),
                None => name
                    .rsplit_once("::")
                    .is_some_and(|(module, name)| is_test(module, name)),
            };
            assert!(exists, "{threat}: there is no {name}");
        }
    }
}

/// Settings that must stay forbidden, and a defect that must not come back.
#[test]
fn the_build_forbids_what_it_must() {
    let manifest = read("Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for member in [&manifest, &read("tests/Cargo.toml")] {
        assert!(member.contains("[lints]\nworkspace = true"));
    }
    // RUSTSEC-2025-0024: a double free from 0.5.12 to 0.5.14.
    let lock = read("Cargo.lock");
    let channel = lock
        .split("name = \"crossbeam-channel\"\nversion = \"")
        .nth(1);
    let version = channel.unwrap().split('"').next().unwrap();
    let parts: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    assert!(parts >= vec![0, 5, 15], "{version}");
}
