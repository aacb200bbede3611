//! A server in Python that makes one known mistake, or none.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};

/// The program.
pub(crate) const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mutants/server.py");

const SERVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mutants/servers.py");

/// The process of which all servers are forks: starting Python for each takes most of the time otherwise. It ends
/// with its input, when the tests end.
static ORIGIN: LazyLock<Mutex<Origin>> = LazyLock::new(|| Mutex::new(Origin::start()));

struct Origin {
    _child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Origin {
    fn start() -> Origin {
        let mut child = Command::new("python3")
            .arg(SERVERS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let commands = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Origin {
            _child: child,
            commands,
            answers,
        }
    }
}

/// A running server; it ends when it is dropped.
pub(crate) struct Mutant {
    port: String,
    process: String,
}

impl Mutant {
    pub(crate) fn start(arguments: &[&str]) -> Mutant {
        let mut origin = ORIGIN.lock().expect("no panic");
        let arguments = arguments.join(" ");
        writeln!(origin.commands, "start {arguments}").expect("a process that reads");
        let mut line = String::new();
        origin.answers.read_line(&mut line).expect("an answer");
        let (port, process) = line.trim().split_once(' ').expect("a port and a process");
        Mutant {
            port: port.to_owned(),
            process: process.to_owned(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Mutant {
    fn drop(&mut self) {
        if let Ok(mut origin) = ORIGIN.lock() {
            let _ = writeln!(origin.commands, "end {}", self.process);
        }
    }
}
