//! The results, for people and as JSON.

mod failure;
mod json;

use std::io::{self, Write};

use crate::diagnosis::{self, Diagnosis};
use crate::lesson::{Case, Check, Lesson, Role};
use crate::lessons;
use crate::options::{Run, version_name};
use crate::target::Target;

/// The width of the output, in columns.
pub(crate) const WIDTH: usize = 80;

/// All results of a run.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) run: &'a Run,
    pub(crate) lessons: Vec<LessonResult>,
}

/// The results of one lesson.
#[derive(Debug)]
pub(crate) struct LessonResult {
    pub(crate) lesson: &'static Lesson,
    /// The cases that were run.
    pub(crate) cases: Vec<CaseResult>,
}

/// The result of one case.
#[derive(Debug)]
pub(crate) struct CaseResult {
    pub(crate) case: &'static Case,
    pub(crate) check: Check,
    /// The reason why the case does not apply to this program.
    pub(crate) skipped: Option<&'static str>,
}

impl Report<'_> {
    /// A report without results.
    pub(crate) fn new(run: &Run) -> Report<'_> {
        Report {
            run,
            lessons: Vec::new(),
        }
    }

    /// How many cases failed.
    pub(crate) fn failed(&self) -> usize {
        self.lessons.iter().map(LessonResult::failed).sum()
    }

    /// How many cases passed.
    pub(crate) fn passed(&self) -> usize {
        let cases = self.lessons.iter().flat_map(|lesson| &lesson.cases);
        let passed = |case: &&CaseResult| case.check.is_ok() && case.skipped.is_none();
        cases.filter(passed).count()
    }

    /// How many cases do not apply.
    pub(crate) fn skipped(&self) -> usize {
        let cases = self.lessons.iter().flat_map(|lesson| &lesson.cases);
        cases.filter(|case| case.skipped.is_some()).count()
    }

    /// Prints the last lines of a run.
    pub(crate) fn summary(&self, out: &mut dyn Write) -> io::Result<()> {
        let (passed, failed) = (self.passed(), self.failed());
        let seed = self.run.seed;
        let skipped = match self.skipped() {
            0 => String::new(),
            number => format!(", {number} skipped"),
        };
        writeln!(
            out,
            "{passed} passed, {failed} failed{skipped} (seed {seed})"
        )
    }

    /// Prints the results as one JSON object.
    pub(crate) fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let value = json::report(self);
        writeln!(out, "{value:#}")
    }
}

impl LessonResult {
    fn failed(&self) -> usize {
        self.cases.iter().filter(|case| case.check.is_err()).count()
    }
}

/// Prints the title of a lesson.
pub(crate) fn lesson_start(lesson: &Lesson, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Lesson {}  {}", lesson.number, lesson.title)?;
    writeln!(out, "  (read {})", lesson.chapter())
}

/// Prints the result of a case.
pub(crate) fn case(result: &CaseResult, out: &mut dyn Write) -> io::Result<()> {
    let case = result.case;
    match &result.check {
        Ok(()) if result.skipped.is_some() => {
            writeln!(out, "  - {:<5} {}", case.id, case.title)
        }
        Ok(()) => writeln!(out, "  ✓ {:<5} {}", case.id, case.title),
        Err(failure) => {
            writeln!(out, "  ✗ {:<5} {}", case.id, case.title)?;
            writeln!(out)?;
            out.write_all(failure::text(failure).as_bytes())?;
            writeln!(out)
        }
    }
}

/// Prints how a lesson ended.
pub(crate) fn lesson_end(run: &Run, result: &LessonResult, out: &mut dyn Write) -> io::Result<()> {
    if let Some(reason) = result.cases.iter().find_map(|case| case.skipped) {
        writeln!(out, "  (-: skipped, because {reason})")?;
    }
    let waiting = result.lesson.cases.len() - result.cases.len();
    match waiting {
        0 => {}
        1 => writeln!(out, "  1 more case of this lesson was not run.")?,
        _ => writeln!(out, "  {waiting} more cases of this lesson were not run.")?,
    }
    if let Some((words, number)) = next(run, result) {
        writeln!(out, "  {words}Next:\n    {}", command(run, number))?;
    }
    writeln!(out)
}

/// The lesson to be run next, and a remark before it. `None` if the run goes on by itself.
fn next(run: &Run, result: &LessonResult) -> Option<(String, u8)> {
    let number = result.lesson.number;
    let mut later = Lesson::select(run.role, run.version)
        .map(|lesson| lesson.number)
        .skip_while(|other| *other != number)
        .skip(1)
        .peekable();
    if result.failed() == 0 {
        // The run has only this lesson.
        let following = later.next().filter(|_| run.lesson.is_some())?;
        return Some((String::new(), following));
    }
    let waits = run.lesson.is_none() && !run.all && later.peek().is_some();
    let words = match waits {
        true => "The later lessons were not run. ".to_owned(),
        false => String::new(),
    };
    (!run.all || run.lesson.is_some()).then_some((words, number))
}

/// Prints the page of a diagnosis.
pub(crate) fn page(diagnosis: &Diagnosis, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", diagnosis.id)?;
    writeln!(out, "{}\n", failure::wrap(diagnosis.says, WIDTH).join("\n"))?;
    for line in page_lines(diagnosis) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    let hint = failure::wrap(diagnosis.hint, WIDTH - 6);
    writeln!(out, "Hint: {}", hint.join("\n      "))?;
    writeln!(out, "Rule: {}", diagnosis.rule)
}

/// The lines of a page: prose is wrapped, examples, which are indented, stay as they are.
pub(crate) fn page_lines(diagnosis: &Diagnosis) -> Vec<String> {
    let mut lines = Vec::new();
    let mut prose = String::new();
    for line in diagnosis.page.lines().chain([""]) {
        if !line.is_empty() && !line.starts_with(' ') {
            prose.push_str(line);
            prose.push(' ');
            continue;
        }
        if !prose.is_empty() {
            lines.extend(failure::wrap(&prose, WIDTH));
            prose.clear();
        }
        lines.push(line.to_owned());
    }
    lines.pop();
    lines
}

/// Prints all lessons and all diagnoses.
pub(crate) fn list(out: &mut dyn Write) -> io::Result<()> {
    let mut lessons = lessons::ALL.to_vec();
    lessons.sort_by_key(|lesson| lesson.number);
    for lesson in lessons {
        let names: Vec<_> = lesson.versions.iter().map(|v| version_name(*v)).collect();
        let role = match lesson.role {
            Role::Server => "a server",
            Role::Client => "a client",
        };
        let names = names.join(", ");
        writeln!(
            out,
            "Lesson {}  {} (for {role}; --as {names})",
            lesson.number, lesson.title
        )?;
        writeln!(out, "  (read {})", lesson.chapter())?;
        for case in lesson.cases {
            writeln!(out, "    {:<5} {}", case.id, case.title)?;
        }
    }
    writeln!(out, "\nDiagnoses (checker --explain ID prints the page):")?;
    for diagnosis in diagnosis::all() {
        writeln!(out, "  {}", diagnosis.id)?;
        for line in failure::wrap(diagnosis.says, WIDTH - 6) {
            writeln!(out, "      {line}")?;
        }
    }
    Ok(())
}

/// The command line that repeats a run with this selection of lessons.
fn command(run: &Run, lesson: u8) -> String {
    let version = version_name(run.version);
    match &run.target {
        Target::Server { .. } => {
            let url = quoted(&run.target.to_string());
            format!("checker server {url} --as {version} --lesson {lesson}")
        }
        Target::Client(host) => {
            let mut line = format!(
                "checker client --port {} --as {version} --lesson {lesson}",
                host.port()
            );
            if !host.is_by_hand() {
                line.push_str(" --");
            }
            for word in host.command() {
                line.push(' ');
                line.push_str(&quoted(word));
            }
            line
        }
    }
}

/// A word of a command line, in quotes if a shell would change it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+{}".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
