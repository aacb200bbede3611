//! The command line.

use std::rc::Rc;
use std::time::Duration;

use stentor::Version;

use crate::host::Host;
use crate::lesson::Role;
use crate::target::Target;

/// The text for `--help`.
pub(crate) const HELP: &str = "\
Checks a WebSocket program byte by byte, and explains each mistake.

  checker server URL [OPTIONS]     checks an echo server, such as ws://127.0.0.1:9000
  checker client --port N [OPTIONS] -- COMMAND...
                                   checks a client that echoes; runs it for each case
  checker --explain BEGIN          prints the first response of a server, line by line
  checker --explain ID             prints the page of a diagnosis, such as D13-ACCEPT-HEX
  checker --list                   prints all lessons, their cases and all diagnoses

The server under test must send each message back to its sender. So must the client: the checker
listens on 127.0.0.1:N (0 takes a free port) and starts the command for each case. {url} in its
arguments is replaced by the URL. Without a command you start the client yourself.

Options:
  --as 75|76|7|8|13   the version of the protocol (13)
  --lesson N          run only this lesson; docs/course explains it in chapter N
  --replay CASE       run only this case, such as 3.4, and explain its bytes
  --all               go on after a failed case
  --json              print the results as JSON
  --timeout SECONDS   how long the checker waits for a response (1)
  --seed N            repeat the keys and masks of an earlier run

Exit status: 0 if all cases passed, 1 if a case failed, 2 if the command line is wrong or there is no
connection.
";

/// The page for a program that is not written yet.
pub(crate) const BEGIN: &str = "\
How to begin: a server that speaks version 13

A client connects and sends a request that ends with a blank line. The server
responds with five lines; each ends with CR LF (0d 0a):

  HTTP/1.1 101 Switching Protocols
  Upgrade: websocket
  Connection: Upgrade
  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
  (an empty line)

This accept value belongs to the key dGhlIHNhbXBsZSBub25jZQ== only. For each
request: take the value of Sec-WebSocket-Key as text, append
258EAFA5-E914-47DA-95CA-C5AB0DC85B11, hash both with SHA-1, and encode the 20
bytes of the digest with Base64.

Then frames follow in both directions. The client's have a mask; the server's
have none. \"Hello\" and its echo:

  81 85 37 fa 21 3d 7f 9f 4d 51 58        from the client
  81 05 48 65 6c 6c 6f                    from the server

Start your server, then: checker server ws://127.0.0.1:9000 --lesson 2
";

/// The task that the command line gives.
#[derive(Debug)]
pub(crate) enum Task {
    Run(Run),
    /// Print the page of a diagnosis.
    Explain(String),
    List,
    Help,
}

/// A run of lessons.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) target: Target,
    pub(crate) role: Role,
    pub(crate) version: Version,
    /// Only this lesson.
    pub(crate) lesson: Option<u8>,
    /// Only this case, with its bytes explained.
    pub(crate) replay: Option<String>,
    /// Go on after a failed case.
    pub(crate) all: bool,
    pub(crate) json: bool,
    pub(crate) timeout: Duration,
    pub(crate) seed: u64,
}

impl Task {
    /// Reads the command line, without the program's name. The error is a sentence.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Task, String> {
        let mut arguments = arguments.peekable();
        match arguments.next().as_deref() {
            Some("server") => {
                let url = arguments.next().ok_or("checker server needs a URL")?;
                let mut run = Run::new(Target::server(&url)?, Role::Server);
                run.options(&mut arguments)?;
                Ok(Task::Run(run))
            }
            Some("client") => Run::client(&mut arguments).map(Task::Run),
            Some("--explain") => {
                let id = arguments
                    .next()
                    .ok_or("--explain needs an id, such as D13-ACCEPT-HEX")?;
                Ok(Task::Explain(id))
            }
            Some("--list") => Ok(Task::List),
            Some("--help" | "-h") => Ok(Task::Help),
            Some(other) => Err(format!("{other}: unknown command; see checker --help")),
            None => Err("a command is missing; see checker --help".to_owned()),
        }
    }
}

impl Run {
    fn new(target: Target, role: Role) -> Run {
        Run {
            target,
            role,
            version: Version::Rfc6455,
            lesson: None,
            replay: None,
            all: false,
            json: false,
            timeout: Duration::from_secs(1),
            seed: fresh_seed(),
        }
    }

    /// Reads the command line of the client role, and listens.
    fn client(arguments: &mut dyn Iterator<Item = String>) -> Result<Run, String> {
        let mut port = None;
        let mut options = Vec::new();
        while let Some(word) = arguments.next() {
            match word.as_str() {
                "--" => break,
                "--port" => {
                    let value = arguments.next().ok_or("--port needs a value")?;
                    let wrong = format!("--port {value}: a port is a number of at most 65535");
                    port = Some(value.parse().map_err(|_| wrong)?);
                }
                _ => options.push(word),
            }
        }
        let port = port.ok_or("checker client needs --port N; 0 takes a free port")?;
        let host = Host::bind(port, arguments.collect());
        let host = host.map_err(|error| format!("--port {port}: {error}"))?;
        let mut run = Run::new(Target::Client(Rc::new(host)), Role::Client);
        run.options(&mut options.into_iter())?;
        Ok(run)
    }

    /// Reads options up to the end of the command line.
    fn options(&mut self, arguments: &mut dyn Iterator<Item = String>) -> Result<(), String> {
        while let Some(option) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{option} needs a value"));
            match option.as_str() {
                "--as" => self.version = version(&value()?)?,
                "--lesson" => self.lesson = Some(number(&option, &value()?)?),
                "--replay" => self.replay = Some(value()?),
                "--all" => self.all = true,
                "--json" => self.json = true,
                "--timeout" => self.timeout = seconds(&value()?)?,
                "--seed" => self.seed = number(&option, &value()?)?,
                _ => return Err(format!("{option}: unknown option; see checker --help")),
            }
        }
        Ok(())
    }
}

/// The name of a version for `--as`.
pub(crate) fn version_name(version: Version) -> &'static str {
    match version {
        Version::Draft75 => "75",
        Version::Draft76 => "76",
        Version::Hybi07 => "7",
        Version::Hybi08 => "8",
        _ => "13",
    }
}

fn version(name: &str) -> Result<Version, String> {
    match name {
        "75" => Ok(Version::Draft75),
        "76" => Ok(Version::Draft76),
        "7" => Ok(Version::Hybi07),
        "8" => Ok(Version::Hybi08),
        "13" => Ok(Version::Rfc6455),
        _ => Err(format!("--as {name}: the versions are 75, 76, 7, 8 and 13")),
    }
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{option} {value}: this is no number that fits"))
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: f64 = number("--timeout", value)?;
    if !(0.05..=60.0).contains(&seconds) {
        return Err(format!("--timeout {value}: from 0.05 to 60 seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A seed that differs for each run, and is short enough to be typed.
fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| u64::from(now.subsec_nanos()) % 1_000_000)
}
