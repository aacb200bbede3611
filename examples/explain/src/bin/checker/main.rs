//! `checker`: checks a WebSocket program byte by byte, and explains each mistake.
//!
//! It connects with raw sockets to a server that is written in any language, plays a case, and compares
//! the bytes that come back. The plausible mistakes are calculated before the verdict, so that a failure
//! names the mistake and not only the rule. [`lesson`] has the data, [`talk`] the conversation, `guess`
//! the plausible mistakes, `diagnoses` their pages.

// A test fails with a panic.
#![cfg_attr(test, allow(clippy::expect_used))]

mod client;
mod closing;
mod compressed;
mod diagnoses;
mod diagnosis;
mod exchange;
mod guess;
mod handshake;
mod hixie;
mod hixie_head;
mod host;
mod lesson;
mod lessons;
mod options;
mod program;
mod replay;
mod report;
mod run;
mod talk;
mod target;
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;

use options::Task;

fn main() -> ExitCode {
    let task = match Task::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let out = &mut io::stdout();
    let status = match task {
        Task::Run(run) => run::run(&run, out),
        Task::Explain(id) => explain(&id, out),
        Task::List => report::list(out).map(|()| 0),
        Task::Help => out.write_all(options::HELP.as_bytes()).map(|()| 0),
    };
    // A reader that has closed the pipe wants no more output.
    ExitCode::from(status.unwrap_or(2))
}

/// Prints the page of a diagnosis, and returns the exit status.
fn explain(id: &str, out: &mut dyn Write) -> io::Result<u8> {
    if id.eq_ignore_ascii_case("BEGIN") {
        return out.write_all(options::BEGIN.as_bytes()).map(|()| 0);
    }
    match diagnosis::find(id) {
        Some(diagnosis) => report::page(diagnosis, out).map(|()| 0),
        None => {
            eprintln!("{id}: no diagnosis has this id; checker --list prints all of them");
            Ok(2)
        }
    }
}
