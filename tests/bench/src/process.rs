//! Servers as child processes, and the kernel's figures about them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::HandlerResult;
use crate::identity::Identity;
use crate::servers::{Contender, Mode};

/// A running server; it is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts this program again, as a server on a free port.
    pub(crate) fn start(
        contender: &Contender,
        mode: Mode,
        identity: &Identity,
    ) -> HandlerResult<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", contender.name, mode.name(), "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let mut server = Server {
            child,
            address: (Ipv4Addr::LOCALHOST, 0).into(),
        };
        // A server without TLS does not read it.
        if let (Some(mut input), Mode::SecureEcho) = (input, mode) {
            input.write_all(identity.pem())?;
        }
        let mut port = String::new();
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut port)?;
        }
        let port = port.trim_end().parse();
        server
            .address
            .set_port(port.map_err(|_| "the server did not start")?);
        Ok(server)
    }

    /// Returns the server's own resident memory in KiB. The kernel's memory for the server, its
    /// threads' kernel stacks and its sockets' buffers, is not included.
    pub(crate) fn memory(&self) -> HandlerResult<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("the server has ended")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Elapsed seconds: on the clock, and on CPUs for the server, for the load generator, for
/// everything on this machine including time stolen by its host, and for that with idle time added.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) clock: Instant,
    pub(crate) server: f64,
    pub(crate) load: f64,
    pub(crate) busy: f64,
    pub(crate) all: f64,
}

impl Times {
    pub(crate) fn now(server: &Server) -> HandlerResult<Times> {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let stat = fs::read_to_string("/proc/stat")?;
        // user nice system idle iowait irq softirq steal; the remaining columns are contained in
        // these.
        let fields = stat.split_whitespace().skip(1).take(8);
        let fields: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>()?;
        let (all, idle) = (fields.iter().sum::<f64>(), fields[3] + fields[4]);
        Ok(Times {
            clock: Instant::now(),
            server: cpu(&server.child.id().to_string())? / ticks,
            load: cpu("self")? / ticks,
            busy: (all - idle) / ticks,
            all: all / ticks,
        })
    }
}

/// Ticks of CPU time, user and system.
fn cpu(process: &str) -> HandlerResult<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name, in parentheses, may contain anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("no CPU times")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next().unwrap_or_default().parse::<f64>();
    Ok(next()? + next()?)
}
