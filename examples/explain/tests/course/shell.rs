//! Runs the commands of a page as a reader does, with programs that are built already and on free ports.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::root;

/// How a page starts the two programs.
pub(super) const EXPLAIN: &str = "cargo run -q --release -p stentor-explain --bin explain --";
pub(super) const CHECKER: &str = "cargo run -q --release -p stentor-explain --bin checker --";

/// The ports that the pages name, for a server and for the checker of a client.
const SERVER_PORT: &str = "9000";
const CLIENT_PORT: &str = "9001";

/// The state of a page's commands: the server that was started last.
pub(super) struct Shell {
    server: Option<Child>,
    port: String,
}

impl Shell {
    pub(super) fn new() -> Shell {
        Shell {
            server: None,
            port: String::new(),
        }
    }

    /// Starts the server of a block that starts one, in place of the earlier one.
    pub(super) fn start_server(&mut self, body: &str) {
        let Some(command) = body.lines().find(|line| line.starts_with("python3 ")) else {
            return;
        };
        assert!(command.contains(SERVER_PORT), "{command}");
        self.stop_server();
        let mut words = command.split_whitespace();
        let program = words.next().expect("a program");
        let mut child = Command::new(program)
            .args(words.map(|word| if word == SERVER_PORT { "0" } else { word }))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(root())
            // Some servers end with their input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        // `port 9000`, or the number alone.
        self.port = line.split_whitespace().last().expect("a port").to_owned();
        self.server = Some(child);
    }

    /// The true text of a block that begins with a command, `$ ...`, and shows its output.
    pub(super) fn session(&self, body: &str) -> String {
        let first = body.lines().next().unwrap_or_default();
        let command = first.strip_prefix("$ ").expect("a command");
        let output = Command::new("sh")
            .args(["-c", &self.translated(command)])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("NO_COLOR")
            .current_dir(root())
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let (out, errors) = (text(output.stdout), text(output.stderr));
        format!("$ {command}\n{}", self.in_the_page(errors + &out))
    }

    /// The command with programs that are built, and with ports that are free.
    fn translated(&self, command: &str) -> String {
        // A right program is in time, but on a busy machine not within a second.
        let patient = format!("'{}'", env!("CARGO_BIN_EXE_checker"));
        let command = command
            .replace(EXPLAIN, &format!("'{}'", env!("CARGO_BIN_EXE_explain")))
            .replace(CHECKER, &patient)
            .replace(&format!("--port {CLIENT_PORT}"), "--port 0 --timeout 4");
        let server = format!("server ws://127.0.0.1:{SERVER_PORT}");
        let mine = format!("server ws://127.0.0.1:{} --timeout 4", self.port);
        command.replace(&server, &mine)
    }

    /// The output as the reader sees it: with the ports of the page.
    fn in_the_page(&self, mut text: String) -> String {
        if !self.port.is_empty() {
            let (mine, theirs) = (format!(":{}", self.port), format!(":{SERVER_PORT}"));
            text = text.replace(&mine, &theirs);
        }
        let listening = "listening on ws://127.0.0.1:";
        if let Some((_, rest)) = text.split_once(listening)
            && let Some((port, _)) = rest.split_once('/')
        {
            let (mine, theirs) = (
                format!("127.0.0.1:{port}"),
                format!("127.0.0.1:{CLIENT_PORT}"),
            );
            text = text
                .replace(&format!("--port {port}"), &format!("--port {CLIENT_PORT}"))
                .replace(&mine, &theirs);
        }
        text
    }

    fn stop_server(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.stop_server();
    }
}
