//! `--replay CASE`: one case, with the bytes of each connection explained.

use std::io::{self, Write};

use stentor_explain::render::{Level, Renderer, Style};
use stentor_explain::{Explainer, Side};

use crate::lesson::{Lesson, Role};
use crate::options::Run;
use crate::report::{self, CaseResult, WIDTH};
use crate::run;
use crate::talk::{From, Record};

/// Runs one case, explains its bytes, and prints its result. Returns the exit status.
pub(crate) fn replay(run: &Run, id: &str, out: &mut dyn Write) -> io::Result<u8> {
    let Some(case) = Lesson::find_case(id, run.role, run.version) else {
        eprintln!("{id}: no case of this role and version; checker --list prints all cases");
        return Ok(2);
    };
    let (check, talk) = run::run_case(run, case);
    if run::is_unreachable(run, &check, &talk) {
        return Ok(2);
    }
    let records = talk.records();
    for (place, record) in records.iter().enumerate() {
        if records.len() > 1 {
            writeln!(out, "Connection {} of {}", place + 1, records.len())?;
        }
        explain(record, run.role, out)?;
        writeln!(out)?;
    }
    let failed = check.is_err();
    let skipped = talk.skipped.filter(|_| !failed);
    let result = CaseResult {
        case,
        check,
        skipped,
    };
    report::case(&result, out)?;
    Ok(u8::from(failed))
}

/// Explains the bytes of one connection.
fn explain(record: &Record, role: Role, out: &mut dyn Write) -> io::Result<()> {
    let (checker, peer) = match role {
        Role::Server => (Side::Client, Side::Server),
        Role::Client => (Side::Server, Side::Client),
    };
    let mut explainer = Explainer::new();
    let mut renderer = Renderer::new(Style {
        level: Level::Verbose,
        why: false,
        only_broken: false,
        width: WIDTH,
        times: false,
        color: false,
    });
    for (from, bytes) in &record.chunks {
        let side = match from {
            From::Checker => checker,
            From::Peer => peer,
        };
        renderer.bytes(side, bytes);
        explainer.feed(side, bytes);
        renderer.write(explainer.notes(), out)?;
    }
    explainer.end(checker);
    explainer.end(peer);
    renderer.write(explainer.notes(), out)
}
