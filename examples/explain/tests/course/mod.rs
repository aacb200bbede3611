//! The course in `docs/course`: its outputs are true, its programs pass their lessons, and its chapters are short.
//! `GOLDEN=write cargo test -p stentor-explain --test it course` writes outputs and programs into the pages again.

mod page;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::checker_support::complaints;
use crate::terminal::golden::compare;
use page::{blocks, words};
use shell::Shell;

const CHAPTERS: usize = 12;

/// The most words of a chapter outside of its blocks.
const MOST_WORDS: usize = 350;

/// The most words that the glossary explains.
const MOST_TERMS: usize = 30;

/// Pages that are compared at the same time: the checker mostly waits.
const AT_A_TIME: usize = 4;

#[test]
fn outputs_and_programs_in_the_course_are_true() {
    let wrong = complaints(AT_A_TIME, &pages(), |path| {
        let text = fs::read_to_string(path).expect("a page");
        let mut shell = Shell::new();
        let true_text = page::rewrite(&text, |language, body| match language {
            "console" => Some(session(&shell, body)),
            "sh" => {
                shell.start_server(body);
                None
            }
            "python" => page::program_name(body).map(program),
            _ => None,
        });
        std::panic::catch_unwind(|| compare(path, &true_text))
            .err()
            .map(|_| path.display().to_string())
    });
    assert!(wrong.is_empty(), "{wrong:?} differ: see above");
}

#[test]
fn each_lesson_has_the_chapter_with_its_number() {
    let output = Command::new(env!("CARGO_BIN_EXE_checker"))
        .arg("--list")
        .output()
        .expect("the checker");
    let list = String::from_utf8(output.stdout).expect("UTF-8");
    let mut lines = list.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("Lesson ") else {
            continue;
        };
        let number = rest.split_once(' ').expect("a title").0.to_owned();
        let read = lines.next().expect("a second line").trim();
        let read = read.trim_start_matches("(read ").trim_end_matches(')');
        let text = fs::read_to_string(root().join(read)).expect("a chapter");
        assert!(text.starts_with(&format!("# {number}. ")), "{read}");
        found.push(read.to_owned());
    }
    found.dedup();
    let expected: Vec<_> = chapters().iter().map(|path| relative(path)).collect();
    assert_eq!(found, expected);
}

#[test]
fn each_chapter_has_a_program_that_passes_its_lesson() {
    for (place, path) in chapters().iter().enumerate() {
        let number = place + 1;
        let text = fs::read_to_string(path).expect("a chapter");
        let all = blocks(&text);
        let name = format!("ch{number}.py");
        let programs = all.iter().filter(|block| block.language == "python");
        let mut names = programs.filter_map(|block| page::program_name(&block.body));
        assert!(names.any(|found| found == name), "{name}");
        // The output itself is compared in another test.
        let lesson = format!("--lesson {number}");
        let passes = all.iter().any(|block| {
            block.language == "console"
                && block.body.contains(&lesson)
                && block.body.contains(" passed, 0 failed")
        });
        assert!(passes, "{name} passes nowhere with {lesson}");
    }
}

#[test]
fn chapters_are_short_and_have_the_same_parts() {
    for path in chapters() {
        let text = fs::read_to_string(&path).expect("a chapter");
        let count = words(&text);
        assert!(count <= MOST_WORDS, "{}: {count} words", path.display());
        let headings: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        let parts = ["Ask", "Look", "Break", "Build", "Question"];
        assert_eq!(headings, parts, "{}", path.display());
    }
}

#[test]
fn the_glossary_is_short() {
    let text = fs::read_to_string(course().join("glossary.md")).expect("a page");
    let terms = text.lines().filter(|line| line.starts_with("- **")).count();
    assert!((20..=MOST_TERMS).contains(&terms), "{terms} terms");
}

#[test]
fn each_piece_of_folklore_is_judged_by_explain() {
    let text = fs::read_to_string(course().join("folklore.md")).expect("a page");
    let sections = text.split("\n## ").skip(1);
    for section in sections {
        let title = section.lines().next().unwrap_or_default();
        let judged = blocks(section).iter().any(|block| {
            block.language == "console" && block.body.starts_with(&format!("$ {}", shell::EXPLAIN))
        });
        assert!(judged, "{title}: no bytes");
    }
}

/// The true text of a block. On a busy machine, a peer may be late or receive pieces together: then the command is
/// repeated.
fn session(shell: &Shell, body: &str) -> String {
    let mut text = shell.session(body);
    for _ in 0..2 {
        if text == body {
            break;
        }
        text = shell.session(body);
    }
    text
}

/// A program of the course.
fn program(name: &str) -> String {
    fs::read_to_string(course().join("code").join(name)).expect("a program")
}

/// All pages, in the order of their names.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = fs::read_dir(course())
        .expect("the course")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

/// The pages that begin with a number.
fn chapters() -> Vec<PathBuf> {
    let mut chapters = pages();
    chapters.retain(|path| {
        relative(path).starts_with("docs/course/0") || relative(path).starts_with("docs/course/1")
    });
    assert_eq!(chapters.len(), CHAPTERS);
    chapters
}

fn course() -> PathBuf {
    root().join("docs/course")
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn relative(path: &Path) -> String {
    let inside = path.strip_prefix(root()).expect("a page of the course");
    inside.to_string_lossy().into_owned()
}
