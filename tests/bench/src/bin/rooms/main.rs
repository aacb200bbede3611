//! The speed of rooms that several servers share through Redis.
//!
//! ```sh
//! cargo run --release --manifest-path tests/bench/Cargo.toml --features redis --bin rooms
//! cargo run --release --manifest-path tests/bench/Cargo.toml --features redis --bin rooms -- --only idle --secs 20
//! ```
//!
//! It starts `redis-server`, or the program that `STENTOR_REDIS_SERVER` names, on a Unix socket. All servers listen on
//! 127.0.0.1, and none outlives this program. Linux only. Each run checks what arrives: a message that is lost, doubled
//! or in another order fails it. Times are only reported: a cell is the median of its rounds, with the lowest and the
//! highest one. Rounds are interleaved, so that other load on the machine affects all alike.
//!
//! The row `socketio` compares with Socket.IO and its adapter for Redis streams. It runs only if it is named by
//! `--only`, and after `npm ci --prefix tests/bench/socketio`.

mod clients;
mod redis;
mod rows;
mod servers;

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};

type HandlerResult<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "options:
    --rounds N       runs of each row (default: 3)
    --secs S         measured seconds of a run (default: 2)
    --only ROW,..    rows: latency, batches, resume, attach, catch-up, idle, socketio";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve", address] => servers::serve(address),
        ["guard", program, rest @ ..] => guard(program, rest),
        _ => measure(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(words: &[&str]) -> HandlerResult<()> {
    let (mut rounds, mut secs, mut only) = (3, 2.0, None);
    for pair in words.chunks(2) {
        match pair {
            ["--rounds", value] => rounds = value.parse::<usize>()?.clamp(1, 100),
            ["--secs", value] => secs = value.parse::<f64>()?.clamp(0.1, 60.0),
            ["--only", value] => only = Some(value.split(',').collect::<Vec<_>>()),
            _ => return Err(USAGE.into()),
        }
    }
    // Clients and servers need thousands of descriptors.
    let files = getrlimit(Resource::Nofile);
    let current = files.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..files })?;
    println!("{}\n", redis::version()?);
    println!("| row | figure | median | lowest | highest |\n|---|---|---:|---:|---:|");
    let time = Duration::from_secs_f64(secs);
    let mut count = 0;
    for (name, run) in rows::ROWS {
        let is_named = only.as_ref().map(|only| only.contains(&name));
        if !is_named.unwrap_or(name != "socketio") {
            continue;
        }
        count += 1;
        let mut runs = Vec::new();
        for round in 1..=rounds {
            eprintln!("{name} {round}/{rounds}");
            runs.push(run(time).map_err(|error| format!("{name}: {error}"))?);
        }
        print(name, &runs);
    }
    match count {
        0 => Err(USAGE.into()),
        _ => Ok(()),
    }
}

fn print(row: &str, runs: &[rows::Figures]) {
    for (place, (figure, _)) in runs[0].iter().enumerate() {
        let mut values: Vec<f64> = runs.iter().map(|run| run[place].1).collect();
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = (values[0], values[values.len() - 1]);
        let median = values[values.len() / 2];
        println!("| {row} | {figure} | {median:.2} | {lowest:.2} | {highest:.2} |");
    }
}

/// Returns a command that runs a program until this process ends.
fn guarded(program: impl AsRef<OsStr>) -> HandlerResult<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("guard").arg(program);
    Ok(command)
}

/// Becomes another program, which ends when the parent ends.
fn guard(program: &str, arguments: &[&str]) -> HandlerResult<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Err(Command::new(program).args(arguments).exec().into())
}
