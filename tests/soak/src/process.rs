//! The server as a child process, and the kernel's figures about it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::HandlerResult;

/// A running server; it is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pub(crate) sockets: Doors,
}

/// The addresses of a server.
#[derive(Clone)]
pub(crate) struct Doors {
    pub(crate) plain: SocketAddr,
    pub(crate) secure: SocketAddr,
    /// The certificate it uses there, in PEM.
    pub(crate) certificate: String,
}

/// The counters of a server, by name.
pub(crate) type Report = BTreeMap<String, u64>;

/// The resources of a process at one moment; memory in KiB.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sample {
    pub(crate) resident: f64,
    pub(crate) proportional: f64,
    /// Bytes allocated and not freed.
    pub(crate) heap: f64,
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
}

impl Server {
    /// Starts this program again, as a server on a free port.
    pub(crate) fn start() -> HandlerResult<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or("no output")?;
        let mut output = BufReader::new(output);
        let sockets = sockets(&mut output)?;
        Ok(Server {
            child,
            input,
            output,
            sockets,
        })
    }

    pub(crate) fn sample(&mut self) -> HandlerResult<Sample> {
        let home = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{home}/status"))?;
        let memory = fs::read_to_string(format!("{home}/smaps_rollup"))?;
        let number = |text: &str, name: &str| -> HandlerResult<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            Ok(word.ok_or("the server has ended")?.parse()?)
        };
        let input = self.input.as_mut().ok_or("no input")?;
        input.write_all(b"heap\n")?;
        let heap: f64 = self.line()?.parse()?;
        Ok(Sample {
            heap: heap / 1024.0,
            resident: number(&status, "VmRSS:")?,
            proportional: number(&memory, "Pss:")?,
            threads: number(&status, "Threads:")? as usize,
            descriptors: fs::read_dir(format!("{home}/fd"))?.count(),
        })
    }

    /// Shuts it down, and returns its counters; fails unless it ends cleanly.
    pub(crate) fn stop(mut self) -> HandlerResult<Report> {
        self.input = None;
        let line = self.line()?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the server ended with {status}").into());
        }
        let pairs = line.split_whitespace().filter_map(|pair| {
            let (name, number) = pair.split_once('=')?;
            Some((name.to_owned(), number.parse().ok()?))
        });
        Ok(pairs.collect())
    }

    fn line(&mut self) -> HandlerResult<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

/// Reads the lines that a server prints when it has started.
fn sockets(output: &mut impl BufRead) -> HandlerResult<Doors> {
    let mut lines = output.lines();
    let ports = lines.next().ok_or("the server did not start")??;
    let (secure, plain) = ports.split_once(' ').ok_or("not two ports")?;
    let mut certificate = String::new();
    while !certificate.ends_with("-----END CERTIFICATE-----\n") {
        certificate += &lines.next().ok_or("no certificate")??;
        certificate.push('\n');
    }
    // A blank line follows.
    lines.next().ok_or("the server has ended")??;
    Ok(Doors {
        plain: (Ipv4Addr::LOCALHOST, plain.parse()?).into(),
        secure: (Ipv4Addr::LOCALHOST, secure.parse()?).into(),
        certificate,
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RSS {:.0}, PSS {:.0}, heap {:.0} KiB, {} threads, {} descriptors",
            self.resident, self.proportional, self.heap, self.threads, self.descriptors
        )
    }
}
