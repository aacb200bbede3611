//! The server of the client role: listens, starts the client under test, and takes its connection.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::diagnoses::client::CLIENT_GONE;
use crate::lesson::{Failure, Shown};
use crate::program::Program;

/// The target of the URL that replaces `{url}`. It has a query: clients lose it.
const TARGET: &str = "/echo?room=7";

/// The time in which a started program has to connect: an interpreter may be slow to start.
const START: Duration = Duration::from_secs(10);

/// The time for a user who starts the client by hand.
const BY_HAND: Duration = Duration::from_secs(300);

/// Connections that wait to be taken; more are left to the operating system.
const WAITING: usize = 4;

/// The listener, and the command of the client under test.
#[derive(Debug)]
pub(crate) struct Host {
    connections: Receiver<TcpStream>,
    port: u16,
    command: Vec<String>,
    target: String,
}

/// A client that has connected. Dropping it ends the client's process.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) stream: TcpStream,
    /// `None` if the user has started the client.
    pub(crate) program: Option<Program>,
}

/// No client has connected.
#[derive(Debug)]
pub(crate) enum Absent {
    /// The command cannot be started.
    NotStarted(io::Error),
    /// The program has ended before it connected; its exit status and its last lines follow.
    Ended(String, Vec<String>),
    /// Nothing has connected in time; the last lines of the program follow.
    Silent(Vec<String>),
}

impl Host {
    /// Listens on this port of 127.0.0.1; 0 takes a free one. Without a command the user starts the client.
    ///
    /// # Errors
    /// The port is in use.
    pub(crate) fn bind(port: u16, command: Vec<String>) -> io::Result<Host> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        let (sender, connections) = sync_channel(WAITING);
        // Ends with the process: it waits in `accept` until then.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if sender.send(stream).is_err() {
                    break;
                }
            }
        });
        let target = target_in(&command).unwrap_or_else(|| TARGET.to_owned());
        Ok(Host {
            connections,
            port,
            command,
            target,
        })
    }

    /// The URL that the client has to connect to.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}{}", self.authority(), self.target)
    }

    /// The value of `Host` in the client's request.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The target in the client's request line.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The port on which the checker listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The command of the client, as it was given; empty if the user starts it by hand.
    pub(crate) fn command(&self) -> &[String] {
        &self.command
    }

    /// Whether the user starts the client by hand.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.command.is_empty()
    }

    /// Starts the client and waits for its connection. Connections of an earlier client are dropped.
    ///
    /// # Errors
    /// No client has connected: see [`Absent`].
    pub(crate) fn visit(&self) -> Result<Visitor, Absent> {
        while self.connections.try_recv().is_ok() {}
        if self.is_by_hand() {
            eprintln!("start your client: {}", self.url());
            let stream = self.connections.recv_timeout(BY_HAND);
            let stream = stream.map_err(|_| Absent::Silent(Vec::new()))?;
            return Ok(Visitor {
                stream,
                program: None,
            });
        }
        let mut program = Program::start(&self.command, &self.url()).map_err(Absent::NotStarted)?;
        let until = Instant::now() + START;
        // A look at the process every so often: if it ends, no connection will come.
        let slice = Duration::from_millis(50);
        let mut ended = None;
        while Instant::now() < until {
            match self.connections.recv_timeout(slice) {
                Ok(stream) => {
                    let program = Some(program);
                    return Ok(Visitor { stream, program });
                }
                // One more look at the connections after the end: it may have connected just before.
                Err(_) if ended.is_some() => break,
                Err(RecvTimeoutError::Timeout) => ended = program.ended(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let lines = program.last_lines(6);
        Err(match ended {
            Some(status) => Absent::Ended(status.to_string(), lines),
            None => Absent::Silent(lines),
        })
    }
}

impl Absent {
    /// The failure of the case that needed the client.
    pub(crate) fn failure(&self, url: &str) -> Failure {
        let (detail, lines) = match self {
            Absent::NotStarted(error) => {
                (format!("The command cannot be started: {error}."), &[][..])
            }
            Absent::Ended(status, lines) => (format!("It has ended ({status})."), &lines[..]),
            Absent::Silent(lines) => ("It is still running.".to_owned(), &lines[..]),
        };
        let mut failure =
            Failure::diagnosed(&CLIENT_GONE, detail).expected(format!("a connection to {url}"));
        for line in lines {
            failure = failure.received(Shown::line(line));
        }
        failure
    }
}

/// The target of the URL that a command contains itself.
fn target_in(command: &[String]) -> Option<String> {
    let word = command.iter().find(|word| word.contains("ws://"))?;
    let (_, rest) = word.split_once("ws://")?;
    let url = rest.split([' ', '"', '\'']).next().unwrap_or_default();
    let target = url.find('/').map_or("/", |at| &url[at..]);
    Some(target.split('#').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_target_is_that_of_the_url_in_the_command() {
        let found = |word| target_in(&command(&["python3", word]));
        assert_eq!(
            found("ws://127.0.0.1:9001/a?b=c#d").as_deref(),
            Some("/a?b=c")
        );
        assert_eq!(found("--url=ws://127.0.0.1:9001").as_deref(), Some("/"));
        assert_eq!(found("{url}"), None);
    }

    #[test]
    fn a_command_that_ends_at_once_is_absent_with_its_output() {
        let host = Host::bind(0, command(&["sh", "-c", "echo no module named ws; exit 3"]))
            .expect("a free port");
        let Err(Absent::Ended(status, lines)) = host.visit() else {
            panic!("a visitor");
        };
        assert!(status.contains('3'), "{status}");
        assert_eq!(lines, ["no module named ws"]);
    }

    #[test]
    fn a_command_that_does_not_exist_is_not_started() {
        let host = Host::bind(0, command(&["/nonexistent/client"])).expect("a free port");
        assert!(matches!(host.visit(), Err(Absent::NotStarted(_))));
    }
}
