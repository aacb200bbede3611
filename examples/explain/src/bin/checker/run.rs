//! Runs lessons in order, and reports each case as soon as it is decided.

use std::io::{self, Write};

use crate::diagnoses::client::CLIENT_GONE;
use crate::diagnoses::handshake::{NO_RESPONSE, NO_RESPONSE_AGAIN, SERVER_GONE};
use crate::lesson::{Case, Check, Failure, Found, Lesson, Role};
use crate::options::Run;
use crate::replay;
use crate::report::{self, CaseResult, LessonResult, Report};
use crate::talk::{Record, Talk};
use crate::target::Target;

/// Runs the lessons, or the single case, that the command line selects, and returns the exit status.
pub(crate) fn run(run: &Run, out: &mut dyn Write) -> io::Result<u8> {
    let lessons: Vec<_> = Lesson::select(run.role, run.version)
        .filter(|lesson| run.lesson.is_none_or(|number| number == lesson.number))
        .collect();
    if lessons.is_empty() {
        eprintln!("no lesson fits; checker --list prints the lessons of each version");
        return Ok(2);
    }
    if let Some(id) = &run.replay {
        return replay::replay(run, id, out);
    }
    if let Target::Client(host) = &run.target {
        // Not to the output: that may be JSON.
        eprintln!("listening on {}", host.url());
    }
    let mut report = Report::new(run);
    let mut progress = Progress::default();
    for lesson in lessons {
        let result = run_lesson(run, lesson, &mut progress, out)?;
        if progress.unreachable {
            return Ok(2);
        }
        if !run.json {
            report::lesson_end(run, &result, out)?;
        }
        report.lessons.push(result);
        if progress.stopped {
            break;
        }
    }
    if run.json {
        report.json(out)?;
    } else {
        report.summary(out)?;
    }
    Ok(u8::from(report.failed() > 0))
}

/// Runs one case on connections of its own.
pub(crate) fn run_case(run: &Run, case: &Case) -> (Check, Talk) {
    let mut talk = Talk::new(
        run.target.clone(),
        run.version,
        run.timeout,
        seed_of(run.seed, case.id),
    );
    let check = (case.run)(&mut talk);
    (check, talk)
}

/// The state of a run between its cases.
#[derive(Debug, Default)]
struct Progress {
    /// The first case was run.
    started: bool,
    /// A case has failed, and no other is run.
    stopped: bool,
    /// The program has sent something on an earlier connection.
    responded: bool,
    /// Not even the first case has found the program.
    unreachable: bool,
}

fn run_lesson(
    run: &Run,
    lesson: &'static Lesson,
    progress: &mut Progress,
    out: &mut dyn Write,
) -> io::Result<LessonResult> {
    let mut result = LessonResult {
        lesson,
        cases: Vec::new(),
    };
    for (place, case) in lesson.cases.iter().enumerate() {
        let (mut check, talk) = run_case(run, case);
        progress.unreachable = !progress.started && is_unreachable(run, &check, &talk);
        progress.started = true;
        // No diagnosis: a server that was not started has no mistake.
        if progress.unreachable && run.role == Role::Server {
            return Ok(result);
        }
        if place == 0 && !run.json {
            report::lesson_start(lesson, out)?;
        }
        if let Err(failure) = &mut check {
            name_busy(failure, &talk, progress.responded);
        }
        progress.responded |= talk.records().iter().any(Record::has_reply);
        let failed = check.is_err();
        let skipped = talk.skipped.filter(|_| !failed);
        let case = CaseResult {
            case,
            check,
            skipped,
        };
        if !run.json {
            report::case(&case, out)?;
            out.flush()?;
        }
        result.cases.push(case);
        if progress.unreachable || failed && !run.all {
            progress.stopped = true;
            break;
        }
    }
    Ok(result)
}

/// A server that has responded before is probably busy with an earlier connection.
fn name_busy(failure: &mut Failure, talk: &Talk, responded: bool) {
    let earlier = talk.records().split_last().map_or(&[][..], |(_, all)| all);
    let responded = responded || earlier.iter().any(Record::has_reply);
    if let Found::Diagnosis(diagnosis, _) = &mut failure.found
        && responded
        && **diagnosis == NO_RESPONSE
    {
        *diagnosis = &NO_RESPONSE_AGAIN;
    }
}

/// Whether the first connection of a run has found no program: an error message says so.
pub(crate) fn is_unreachable(run: &Run, check: &Check, talk: &Talk) -> bool {
    let Err(failure) = check else { return false };
    let Found::Diagnosis(diagnosis, _) = &failure.found else {
        return false;
    };
    if talk.records().len() > 1 || ![&SERVER_GONE, &CLIENT_GONE].contains(diagnosis) {
        return false;
    }
    match &run.target {
        Target::Server { .. } => {
            eprintln!("no connection to {}: is the program running?", run.target);
        }
        Target::Client(host) => eprintln!("no client has connected to {}", host.url()),
    }
    true
}

/// Each case has random bytes of its own: a single case repeats those of a whole run.
fn seed_of(seed: u64, case: &str) -> u64 {
    // FNV-1a, which is short and spreads the few letters of an id.
    case.bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
