//! Runs the program `checker`, and reads its report.

pub(crate) mod mutant;
pub(crate) mod peers;
mod reading;
pub(crate) mod wrong_client;
pub(crate) mod wrong_hixie_server;

use std::process::Command;
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

/// Runs the checker with `--json`, and returns its report.
pub(crate) fn report(arguments: &[&str]) -> Value {
    // The options of a client come before its command.
    let at = arguments
        .iter()
        .position(|word| *word == "--")
        .unwrap_or(arguments.len());
    let (options, command) = arguments.split_at(at);
    let output = Command::new(env!("CARGO_BIN_EXE_checker"))
        .args(options)
        .args(["--json", "--seed", "7"])
        .args(command)
        .output()
        .expect("the checker starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{errors}"))
}

/// The first case that failed: its id, and the id of its diagnosis.
pub(crate) fn first_failure(report: &Value) -> Option<(String, String)> {
    let lessons = report["lessons"].as_array().into_iter().flatten();
    let mut cases = lessons.flat_map(|lesson| lesson["cases"].as_array().into_iter().flatten());
    let failed = cases.find(|case| case["passed"] == false)?;
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    Some((text(&failed["id"]), text(&failed["failure"]["diagnosis"])))
}

/// Returns the complaints about the items, of which so many are checked at a time.
pub(crate) fn complaints<T: Sync>(
    at_a_time: usize,
    items: &[T],
    check: impl Fn(&T) -> Option<String> + Sync,
) -> Vec<String> {
    let next = Mutex::new(items.iter());
    let take = || next.lock().expect("no panic").next();
    let work = || {
        let checks = std::iter::from_fn(take).filter_map(&check);
        checks.collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
        let lists = workers.into_iter().map(|worker| worker.join());
        lists.flat_map(|list| list.expect("no panic")).collect()
    })
}

/// The first failure of as many as three runs. On a busy machine, a peer may receive pieces together that were sent
/// apart, so that nothing fails, or be late, so that something else fails: then the run is repeated.
pub(crate) fn found_in_three(
    run: impl Fn() -> Value,
    is_expected: impl Fn(&(String, String)) -> bool,
) -> Option<(String, String)> {
    let mut last = None;
    for _ in 0..3 {
        last = first_failure(&run());
        if last.as_ref().is_some_and(&is_expected) {
            break;
        }
    }
    last
}

/// The complaint about a peer with a mistake, unless one of three runs names this case and this diagnosis.
pub(crate) fn misnamed(
    (wrong, case, id): &(&str, &str, &str),
    run: impl Fn() -> Value,
) -> Option<String> {
    let is_expected = |(at, name): &(String, String)| at == case && name == id;
    let found = found_in_three(run, is_expected);
    let named = found.as_ref().is_some_and(is_expected);
    (!named).then(|| format!("{wrong}: expected {case} {id}, found {found:?}"))
}

/// Panics, with the failures, unless so many cases passed and none failed.
pub(crate) fn assert_passed(report: &Value, cases: u64) {
    let failed: Vec<&Value> = report["lessons"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|lesson| lesson["cases"].as_array().into_iter().flatten())
        .filter(|case| case["passed"] == false)
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(report["passed"], cases, "{report:#}");
}
