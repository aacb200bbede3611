//! The combinations of features that `.ci/run` tests, held against the features of the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::support::ROOT;

/// A feature with the features that it implies, directly.
type Features = BTreeMap<String, BTreeSet<String>>;
type Combination = BTreeSet<String>;

/// For one example alone, which the lints and the tests with all features compile.
const FOR_AN_EXAMPLE: &str = "self-signed";

/// Reads the section `[features]` of the manifest.
fn features() -> Features {
    let manifest = fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap();
    let section = manifest.split("[features]\n").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let lines = section.lines().filter(|line| !line.starts_with('#'));
    let mut features: Features = lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, implied)| (name.to_owned(), quoted(implied)))
        .collect();
    features.remove("default").unwrap();
    features.remove(FOR_AN_EXAMPLE).unwrap();
    features
}

/// The features in a list, without the dependencies.
fn quoted(list: &str) -> BTreeSet<String> {
    let items = list.split('"').skip(1).step_by(2);
    items
        .filter(|item| !item.contains([':', '/']))
        .map(str::to_owned)
        .collect()
}

/// The combination with all that its features imply.
fn closed(features: &Features, chosen: impl IntoIterator<Item = String>) -> Combination {
    let mut all = Combination::new();
    let mut waiting: Vec<String> = chosen.into_iter().collect();
    while let Some(feature) = waiting.pop() {
        let implied = features
            .get(&feature)
            .unwrap_or_else(|| panic!("{feature} is no feature"));
        waiting.extend(implied.difference(&all).cloned());
        all.insert(feature);
    }
    all
}

/// The combinations in `.ci/run`, and the one of all features, which the README's command tests.
fn tested(features: &Features) -> Vec<Combination> {
    let script = fs::read_to_string(format!("{ROOT}/.ci/run")).unwrap();
    let list = script.split("\ncombinations=(").nth(1).unwrap();
    let list = list.split(')').next().unwrap();
    let combinations = list.split_whitespace().map(|word| {
        let names = word.trim_matches('\'').split(',');
        let names = names.filter(|name| !name.is_empty()).map(str::to_owned);
        closed(features, names)
    });
    combinations
        .chain([features.keys().cloned().collect()])
        .collect()
}

#[test]
fn each_pair_of_features_is_tested_in_each_way_that_it_can_be_on_and_off() {
    let features = features();
    let tested = tested(&features);
    assert!(features.len() > 5 && tested.len() > 5, "{features:?}");
    let mut missing = Vec::new();
    for one in features.keys() {
        for other in features.keys().filter(|other| *other > one) {
            for wanted in [[false, false], [false, true], [true, false], [true, true]] {
                let has = |combination: &Combination| {
                    [one, other].map(|name| combination.contains(name)) == wanted
                };
                let on = [one, other].into_iter().zip(wanted);
                let on = on.filter(|(_, on)| *on).map(|(name, _)| name.clone());
                // A feature that another one implies cannot be off beside it.
                let is_possible = has(&closed(&features, on));
                if is_possible && !tested.iter().any(has) {
                    missing.push(format!("{one}, {other}: {wanted:?}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn nothing_and_each_side_alone_are_tested() {
    let features = features();
    let tested = tested(&features);
    for side in ["", "server", "client"] {
        let names = side.split(' ').filter(|name| !name.is_empty());
        let alone = closed(&features, names.map(str::to_owned));
        assert!(tested.contains(&alone), "{side:?} alone is not tested");
    }
}
