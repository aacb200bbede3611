//! The results as JSON.

use serde_json::{Value, json};

use super::{CaseResult, LessonResult, Report};
use crate::lesson::{Caret, Failure, Found, Role, Shown};
use crate::options::version_name;
use crate::wire;

/// The bytes of one part that are written.
const MAX_BYTES: usize = 1024;

/// The whole report.
pub(super) fn report(report: &Report<'_>) -> Value {
    json!({
        "role": match report.run.role {
            Role::Server => "server",
            Role::Client => "client",
        },
        "target": report.run.target.to_string(),
        "version": version_name(report.run.version),
        "seed": report.run.seed,
        "passed": report.passed(),
        "failed": report.failed(),
        "skipped": report.skipped(),
        "lessons": report.lessons.iter().map(lesson).collect::<Vec<_>>(),
    })
}

fn lesson(result: &LessonResult) -> Value {
    json!({
        "number": result.lesson.number,
        "title": result.lesson.title,
        "chapter": result.lesson.chapter(),
        "cases": result.cases.iter().map(case).collect::<Vec<_>>(),
        "waiting": result.lesson.cases.iter().skip(result.cases.len()).map(|case| case.id).collect::<Vec<_>>(),
    })
}

fn case(result: &CaseResult) -> Value {
    json!({
        "id": result.case.id,
        "title": result.case.title,
        "passed": result.check.is_ok() && result.skipped.is_none(),
        "skipped": result.skipped,
        "failure": result.check.as_ref().err().map(|found| failure(found)),
    })
}

fn failure(failure: &Failure) -> Value {
    let (id, says, hint) = match &failure.found {
        Found::Unnamed(says) => (None, says.clone(), None),
        Found::Diagnosis(diagnosis, detail) => (
            Some(diagnosis.id),
            format!("{} {detail}", diagnosis.says).trim_end().to_owned(),
            Some(diagnosis.hint),
        ),
    };
    json!({
        "sent": failure.sent.iter().map(shown).collect::<Vec<_>>(),
        "received": failure.received.iter().map(shown).collect::<Vec<_>>(),
        "caret": failure.caret.as_ref().map(caret),
        "expected": failure.expected,
        "diagnosis": id,
        "says": says,
        "hint": hint,
        "rule": failure.rule,
    })
}

fn shown(shown: &Shown) -> Value {
    match shown {
        Shown::Line(line) => json!({ "line": line }),
        Shown::Bytes(bytes, words) => json!({
            "hex": wire::hex(&bytes[..bytes.len().min(MAX_BYTES)]),
            "length": bytes.len(),
            "words": words,
        }),
    }
}

fn caret(caret: &Caret) -> Value {
    json!({
        "line": caret.line,
        "column": caret.column,
        "length": caret.len,
        "words": caret.words,
    })
}
