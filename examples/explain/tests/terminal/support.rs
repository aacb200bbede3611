//! Runs the program.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) text: String,
    pub(crate) errors: String,
}

impl Ran {
    /// Requires this exit status, and returns the text.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> String {
        assert_eq!(self.status, status, "{}\n{}", self.text, self.errors);
        self.text
    }
}

/// The program, without the variables that change its output.
pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_explain"));
    program.env_remove("NO_COLOR");
    program
}

/// Runs the program with these words, separated by spaces, and without input.
pub(crate) fn explain(words: &str) -> Ran {
    let words: Vec<&str> = words.split_whitespace().collect();
    run(&words, b"")
}

/// Runs the program with these arguments and this input.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The program may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    ran(&output)
}

fn ran(output: &Output) -> Ran {
    Ran {
        status: output.status.code().unwrap_or(-1),
        text: String::from_utf8(output.stdout.clone()).unwrap(),
        errors: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// A file beside the tests.
pub(crate) fn beside(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}

/// A file that one test alone writes; that of an earlier run is removed.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    path
}
