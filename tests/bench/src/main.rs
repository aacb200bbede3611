//! Stentor beside other servers: the cost of a message, a delivery, a connection and a silent
//! client.
//!
//! ```sh
//! cargo run --release --manifest-path tests/bench/Cargo.toml
//! cargo run --release --manifest-path tests/bench/Cargo.toml -- --only echo,connect --rounds 5
//! cargo bench --manifest-path tests/bench/Cargo.toml          # the codec alone, without sockets
//! ```
//!
//! All runs take less than five minutes; the tables go to standard output, in Markdown. Linux only.
//! Each run has a server of its own: this program once more, as a child process. All of them listen
//! on 127.0.0.1, and none outlives this program. Rounds are interleaved (A B C, A B C), so that
//! other load on the machine affects all servers alike; a cell is the median of its rounds.
//!
//! # The servers
//! - `floor-threads`: no WebSocket at all, plain TCP with a thread for each connection, and one
//!   thread that broadcasts. Nothing that has a thread for each connection and sends each message
//!   by itself is expected to be cheaper. `floor-joined` joins messages that wait into one send.
//! - `stentor`: default settings, every limit and timeout on; `stentor-76`: the same server, with
//!   clients that speak draft-76; `stentor-once` and `stentor-each`, of JSON only: clients that take
//!   compression, which the hub does once for all, or a loop over all of them once for each; `stentor-room`
//!   and `stentor-history`: broadcasts to one room, without and with a history in memory.
//! - In `tls-…` with TLS: Stentor by its feature, tungstenite by rustls's own stream, tokio-tungstenite by
//!   tokio-rustls; all three by rustls with ring, with one certificate that is made for the run. Sessions
//!   are opened before anything is measured.
//! - `tungstenite` (blocking, a thread for each connection), `tokio-tungstenite` and
//!   `fastwebsockets`: each as its documentation suggests, with its own defaults.
//!
//! # The columns
//! - *CPU µs*: the server's CPU time, user and system, by the message, delivery or connection.
//! - *÷*: the first column divided by that of another server in the same run.
//! - *1000 messages/s* and the like: how many thousands there were.
//! - *p50*, *p99*: time from the send to the reply's arrival; of a broadcast, to its arrival at the
//!   last client; of a connection, to the end of the handshake.
//! - *RSS*: the server's own memory that is there. The kernel's part is not in it: sockets, and some
//!   16 KiB for the kernel stack of each thread.
//! - *load %*: CPU of the load generator, which has one thread. Near 100, or near what the noise left
//!   of a CPU, it was the limit: then only CPU time counts.
//! - *noise %*: the share of all CPUs that was taken by others.
//!
//! A message that is disconnected, repeated, reordered or of another length fails the run, and in an echo
//! also a message with other content; so does a run without progress. The lines below a table
//! report it. In `slow`, the floors are expected to fail: they wait for every client.
//!
//! # How far to trust them
//! Compare ratios within one run, never figures of two runs or two machines, and read CPU time
//! beside the rates: a server that spreads over all CPUs is fast while no other process needs them.
//! An idle virtual machine needs tens of microseconds to wake a CPU, which costs runs with one
//! message in flight the most; a busy one makes every system call more expensive. A server that
//! joins queued messages gets cheaper under more load, so look at `-w1` as well as `-w16`. Clock
//! ticks are 10 ms: short runs are coarse. With the noise above a few percent, repeat.

mod identity;
mod load;
mod options;
mod process;
mod report;
mod scenario;
mod servers;

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Map;

use identity::Identity;
use load::{Figures, Target};
use options::Options;
use process::Server;
use report::Spec;
use scenario::Scenario;
use servers::{Contender, Mode};

type HandlerResult<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve", name, mode, port] => servers::serve(name, mode, port),
        ["--help" | "-h"] => {
            println!("{}", options::USAGE);
            Ok(())
        }
        _ => compare(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &[String]) -> HandlerResult<()> {
    let options = Options::parse(arguments)?;
    // A thousand clients need as many descriptors, here and in the servers, which inherit the
    // limit.
    let files = getrlimit(Resource::Nofile);
    let current = files.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..files })?;
    let identity = Identity::make()?;
    let mut record = Map::new();
    for scenario in &options.scenarios {
        let rows = rounds(scenario, &options, &identity);
        println!("{}", report::table(scenario, &rows));
        record.insert(scenario.name.into(), report::json(&rows));
        if let Some(path) = &options.json {
            std::fs::write(path, serde_json::to_string_pretty(&record)?)?;
        }
    }
    Ok(())
}

fn rounds(scenario: &Scenario, options: &Options, identity: &Identity) -> Vec<Spec> {
    let mut contenders = options.contenders.clone();
    contenders.retain(|contender| contender.takes_part(scenario));
    let spec = |contender: &&Contender| Spec {
        server: contender.name,
        ..Spec::default()
    };
    let mut rows: Vec<Spec> = contenders.iter().map(spec).collect();
    for round in 1..=options.rounds {
        for (contender, spec) in contenders.iter().zip(&mut rows) {
            eprintln!(
                "{} {round}/{} {}",
                scenario.name, options.rounds, spec.server
            );
            match run(scenario, contender, options, identity) {
                Ok(figures) => spec.runs.push(figures),
                Err(error) => spec.failures.push(error.to_string()),
            }
        }
    }
    rows
}

fn run(
    scenario: &Scenario,
    contender: &Contender,
    options: &Options,
    identity: &Identity,
) -> HandlerResult<Figures> {
    let server = Server::start(contender, scenario.mode(), identity)?;
    let tls = match scenario.mode() {
        Mode::SecureEcho => Some(identity.believer()?),
        Mode::Echo | Mode::Broadcast | Mode::Rooms | Mode::Resume => None,
    };
    scenario.run(&Target {
        server: &server,
        protocol: contender.protocol,
        tls,
        time: options.time,
    })
}
