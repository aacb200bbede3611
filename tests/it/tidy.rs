//! The rules of the project, checked against the source itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::ROOT;

/// The most lines a file may have, its unit tests not counted.
const MOST_LINES: usize = 600;

/// Names that the protocol core must not use: it has no socket, no thread and no clock.
const NOT_IN_THE_CORE: [&str; 12] = [
    "std::net::Tcp",
    "TcpStream",
    "TcpListener",
    "std::thread",
    "thread::",
    "crossbeam",
    "mpsc",
    "Mutex",
    "std::time",
    "Instant",
    "SystemTime",
    "rustix",
];

const HEADINGS: [&str; 4] = [
    "# In one sentence",
    "# On the wire",
    "# Differences from its neighbour",
    "# Traps",
];

#[test]
fn the_core_names_no_socket_no_thread_and_no_clock() {
    for (path, source) in sources("src/protocol") {
        for (number, line) in code(&source) {
            for word in NOT_IN_THE_CORE {
                assert!(!line.contains(word), "{}:{number}: {word}", path.display());
            }
        }
    }
}

#[test]
fn every_version_is_a_chapter_with_the_same_headings() {
    let mut chapters = 0;
    for (path, source) in sources("src/protocol/version") {
        if ["mod.rs", "name.rs", "table.rs"]
            .iter()
            .any(|one| path.ends_with(one))
        {
            continue;
        }
        let headings: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("//! "))
            .filter(|line| line.starts_with("# "))
            .collect();
        assert_eq!(headings, HEADINGS, "{}", path.display());
        chapters += 1;
    }
    assert_eq!(chapters, 5);
}

#[test]
fn no_file_is_too_long_to_read() {
    for (path, source) in sources("src") {
        let lines = source
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_to_do() {
    for (path, source) in ["src", "examples"].into_iter().flat_map(sources) {
        for (number, line) in source.lines().enumerate() {
            for word in ["TODO", "FIXME", "XXX", "todo!", "unimplemented!"] {
                assert!(
                    !line.contains(word),
                    "{}:{}: {word}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn nothing_in_the_library_panics_on_purpose() {
    for (path, source) in sources("src") {
        for (number, line) in code(&source) {
            for call in [
                ".unwrap()",
                ".expect(",
                "panic!(",
                "unreachable!(",
                ".unwrap_err()",
            ] {
                assert!(!line.contains(call), "{}:{number}: {call}", path.display());
            }
        }
    }
}

/// A logger is the user's code, which may panic.
#[test]
fn all_of_the_library_logs_where_a_panic_is_caught() {
    for (path, source) in sources("src") {
        if path.ends_with("src/net/log/mod.rs") {
            continue;
        }
        for (number, line) in code(&source) {
            let macros = ["error", "warn", "info", "debug", "trace", "log"];
            let import = line.trim_start().strip_prefix("use ").unwrap_or_default();
            let import = import.trim_start_matches("::").strip_prefix("log::");
            let imports = import.is_some_and(|names| {
                let mut names = names.split(|one: char| !one.is_alphanumeric());
                names.any(|name| macros.contains(&name))
            });
            let calls = macros
                .iter()
                .any(|name| line.contains(&format!("log::{name}!(")));
            assert!(!imports && !calls, "{}:{number}: {line}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, source) in ["src", "tests/it", "examples"]
        .into_iter()
        .flat_map(sources)
    {
        assert!(source.starts_with("//! "), "{}", path.display());
    }
}

#[test]
fn every_example_is_mentioned_where_newcomers_look() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap_or_default();
    let (readme, front_page) = (read("README.md"), read("src/guide.md"));
    assert!(!readme.is_empty(), "there is no README.md");
    // A file in a folder is a part of the example beside that folder.
    let is_example = |path: &PathBuf| path.parent() == Some(&root().join("examples"));
    let files = sources("examples").into_iter().map(|(path, _)| path);
    for path in files.filter(is_example) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mentioned = readme.contains(name) || front_page.contains(name);
        assert!(mentioned, "examples/{name} is mentioned nowhere");
    }
}

fn root() -> &'static Path {
    Path::new(ROOT)
}

/// All Rust files below a folder, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).expect("text");
                files.push((path, source));
            }
        }
    }
    files.sort();
    assert!(
        folder == "examples" || !files.is_empty(),
        "nothing in {folder}"
    );
    files
}

/// The lines of code with their numbers: no comments, and no unit tests, which stand last.
fn code(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source
        .lines()
        .enumerate()
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("")))
}
