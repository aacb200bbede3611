//! The server under attack, in a process of its own, so that the measured usage is its own only.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use stentor::{Client, HandlerResult, Server, Version};

use crate::support::Peer;

/// The argument that starts this program as the server.
pub(crate) const SERVE: &str = "--serve";

/// All timeouts, short so that a run is short: handshake, ping and pong together, write, close.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);
/// The idle timeout, off by default. The old drafts have no ping, so nothing else ends a silent
/// connection.
pub(crate) const IDLE: Duration = Duration::from_secs(2);

/// Threads that serve no client: the first, the listener, the hub and the watchdog.
pub(crate) const OWN_THREADS: usize = 4;

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// The same, over TLS.
    #[cfg(feature = "tls")]
    pub(crate) secure_address: SocketAddr,
    child: Child,
    wire: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// The server's usage so far, and its present resources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Resident memory in bytes, and its peak.
    pub(crate) resident: usize,
    pub(crate) peak: usize,
    pub(crate) threads: usize,
    pub(crate) connections: usize,
}

fn echo_or_broadcast(client: &mut Client) -> HandlerResult {
    client.join("lobby");
    while let Some(message) = client.recv()? {
        match message
            .as_text()
            .is_some_and(|text| text.starts_with("all "))
        {
            true => client.room("lobby").broadcast(message),
            false => client.send(message)?,
        }
    }
    Ok(())
}

/// Runs the child process: prints an address, and then a line of usage for each line it reads.
pub(crate) fn serve() {
    let builder = Server::builder()
        .handshake_timeout(DEADLINE)
        .ping_interval(Some(DEADLINE / 2))
        .pong_timeout(DEADLINE / 2)
        .idle_timeout(Some(IDLE))
        .write_timeout(DEADLINE)
        .close_timeout(DEADLINE);
    #[cfg(feature = "deflate")]
    let builder = builder.deflate(stentor::Deflate::new());
    let here = "127.0.0.1:0";
    let builder = builder.listen(here);
    #[cfg(feature = "tls")]
    let builder = builder
        .listen_plain(here)
        .tls(crate::support::Identity::common().server());
    let server = builder.build().unwrap();
    // The endpoint without TLS is the last.
    for endpoint in server.endpoints().unwrap().iter().rev() {
        print!("{endpoint} ");
    }
    println!();
    let handle = server.handle();
    std::thread::spawn(move || server.run(echo_or_broadcast));
    for _ in std::io::stdin().lines() {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::try_from(cpu).unwrap().as_nanos();
        println!("{cpu} {}", handle.counters().connections);
    }
}

impl Site {
    pub(crate) fn open() -> Site {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut addresses = String::new();
        output.read_line(&mut addresses).unwrap();
        let mut addresses = addresses.split_whitespace();
        let mut address = || addresses.next().unwrap().parse().unwrap();
        let site = Site {
            address: address(),
            #[cfg(feature = "tls")]
            secure_address: address(),
            child,
            wire: Mutex::new((input, output)),
        };
        // The one-time cost of the first client of each version is not counted for any attack.
        for version in Version::ALL {
            site.visit(version);
        }
        site
    }

    /// Runs a well-behaved client: it connects, gets its reply, and leaves. Returns the time it had
    /// to wait.
    pub(crate) fn visit(&self, version: Version) -> Duration {
        let since = Instant::now();
        let mut peer = Peer::open(self.address, version);
        peer.say("hello");
        peer.expect_text_after_pings("hello");
        let waited = since.elapsed();
        peer.start_close(1000, "");
        waited
    }

    /// Whether all connections are closed within this time.
    pub(crate) fn is_empty_within(&self, time: Duration) -> bool {
        let since = Instant::now();
        while self.usage().connections > 0 {
            if since.elapsed() > time {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    pub(crate) fn usage(&self) -> Usage {
        let line = {
            let mut wire = self.wire.lock().unwrap();
            let (input, output) = &mut *wire;
            writeln!(input).unwrap();
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            line
        };
        let (cpu, connections) = line.trim().split_once(' ').unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.unwrap().split_whitespace().next().unwrap();
            word.parse::<usize>().unwrap()
        };
        Usage {
            cpu: Duration::from_nanos(cpu.parse().unwrap()),
            resident: value("VmRSS:") * 1024,
            peak: value("VmHWM:") * 1024,
            threads: value("Threads:"),
            connections: connections.parse().unwrap(),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
