//! Shared by the tests: conversations and their notes, the vectors, the calculations once more.

pub(crate) mod conversation;
pub(crate) mod evaluate;
pub(crate) mod heads;
pub(crate) mod splits;
pub(crate) mod tiles;
pub(crate) mod vectors;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use stentor_explain::{Note, Part, Verdict};

/// Returns the rules that are broken, with their sentences, in order.
pub(crate) fn broken(notes: &[Note]) -> Vec<(&'static str, &str)> {
    let verdicts = notes.iter().flat_map(|note| &note.verdicts);
    verdicts
        .filter_map(|verdict| match verdict {
            Verdict::Broken(rule, by) => Some((rule.id, by.as_str())),
            _ => None,
        })
        .collect()
}

/// Returns the decisions that the specifications leave open, with their sentences, in order.
pub(crate) fn choices(notes: &[Note]) -> Vec<(&'static str, &str)> {
    let verdicts = notes.iter().flat_map(|note| &note.verdicts);
    verdicts
        .filter_map(|verdict| match verdict {
            Verdict::Choice(rule, how) => Some((rule.id, how.as_str())),
            _ => None,
        })
        .collect()
}

/// Returns the rules that are kept, in order.
pub(crate) fn kept(notes: &[Note]) -> Vec<&'static str> {
    let verdicts = notes.iter().flat_map(|note| &note.verdicts);
    verdicts
        .filter_map(|verdict| match verdict {
            Verdict::Holds(rule) => Some(rule.id),
            _ => None,
        })
        .collect()
}

/// Returns the notes about a part, in order.
pub(crate) fn all_of(notes: &[Note], part: Part) -> Vec<&Note> {
    notes.iter().filter(|note| note.part == part).collect()
}

/// Returns the configuration of a property: always the same cases, so many of them, and no file of failed
/// ones. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` choose others.
pub(crate) fn cases(number: u32) -> ProptestConfig {
    let defaults = ProptestConfig::default();
    ProptestConfig {
        cases: match std::env::var_os("PROPTEST_CASES") {
            None => number,
            Some(_) => defaults.cases,
        },
        failure_persistence: None,
        rng_seed: match defaults.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0x5eed),
            given => given,
        },
        ..defaults
    }
}
