//! A server under five hundred clients that join, leave, pause or stop reading, reset, send garbage
//! and close half-way, in all five versions, for minutes or hours; and every message accounted for.
//!
//! ```sh
//! tests/soak/run 3
//! ```
//!
//! The server is a process of its own, this program once more, so that its memory, its threads and
//! its descriptors are its own only. It has a port with TLS and one without, and compresses for
//! clients that request it. The clients are written by hand, all on one thread here; except every
//! tenth, which is Stentor's own, with a thread of its own that reads. These claims are checked all
//! the time and at the end:
//!
//! - A healthy client's message reaches every healthy member it is for, exactly once and in its
//!   sender's order, and nobody else; [`ledger`] says how this is checked.
//! - The server's counters equal those of the clients.
//! - The server's memory does not grow; its threads and descriptors go back to where they were.
//!
//! Time is counted while this process lives: a gap between two turns counts as a quarter of a
//! second, so that nothing here expires while both processes are stopped. One clock goes on then,
//! TCP's: a client of an old draft that had unread bytes may be disconnected by the server's
//! kernel, and is excused.

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the library's tests use more of it, and may panic"
)]
#[path = "../../it/support/wire.rs"]
mod wire;

mod by_hand;
mod checks;
mod client;
mod codec;
mod hear;
mod ledger;
mod line;
mod manner;
mod members;
mod own;
mod process;
mod random;
mod server;
mod talk;
mod trend;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use checks::Checks;
use members::Members;
use process::{Sample, Server};
use trend::Trend;

type HandlerResult<T> = Result<T, Box<dyn std::error::Error>>;

/// The number of clients at a time.
const CLIENTS: usize = 500;

/// The most time for the last clients to leave, and the server to forget them.
const PATIENCE: Duration = Duration::from_secs(120);

/// The longest gap between two turns that counts as time.
const LONGEST_GAP: Duration = Duration::from_millis(250);

/// Time during which this process was running.
struct Clock {
    lived: Duration,
    last: Instant,
    longest_pause: Duration,
    paused: bool,
}

impl Clock {
    fn start() -> Clock {
        Clock {
            lived: Duration::ZERO,
            last: Instant::now(),
            longest_pause: Duration::ZERO,
            paused: false,
        }
    }

    /// Whether this process has just been stopped for a while.
    fn has_paused(&mut self) -> bool {
        std::mem::take(&mut self.paused)
    }

    fn tick(&mut self) -> Duration {
        let gap = self.last.elapsed();
        self.last += gap;
        self.lived += gap.min(LONGEST_GAP);
        self.longest_pause = self.longest_pause.max(gap);
        if gap > Duration::from_secs(2) {
            self.paused = true;
            println!("[{:>6.0?}] paused for {gap:.0?}", self.lived);
        }
        self.lived
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve"] => server::serve().map(|()| true),
        [minutes, seed] => match (minutes.parse(), seed.parse()) {
            (Ok(minutes), Ok(seed)) => soak(minutes, seed),
            _ => Err("usage: stentor-soak MINUTES SEED".into()),
        },
        _ => Err("usage: stentor-soak MINUTES SEED".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the test; returns whether every check held.
fn soak(minutes: f64, seed: u64) -> HandlerResult<bool> {
    let files = getrlimit(Resource::Nofile);
    let current = files.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..files })?;
    let total = Duration::from_secs_f64(minutes * 60.0);
    let warm_up = (total / 3).min(Duration::from_secs(300));
    let mut server = Server::start()?;
    let before = server.sample()?;
    let mut members = Members::new(&server.sockets, CLIENTS, seed)?;
    let mut trend = Trend::default();
    let (mut clock, mut next_sample, mut next_line) = (Clock::start(), warm_up, total / 20);
    println!("{CLIENTS} clients for {minutes} minutes, seed {seed}; warm after {warm_up:.0?}");
    while clock.tick() < total && members.ledger.wrongs.is_empty() {
        members.batch(clock.lived, clock.has_paused())?;
        if clock.lived >= next_sample {
            next_sample = clock.lived + Duration::from_secs(2);
            trend.push(clock.lived, server.sample()?);
        }
        if clock.lived >= next_line {
            next_line += total / 20;
            println!("[{:>6.0?}] {}, {}", clock.lived, server.sample()?, members);
        }
    }
    let spoken_for = clock.lived;
    next_line = clock.lived + Duration::from_secs(10);
    members.wind_up();
    let deadline = clock.lived + PATIENCE;
    while members.present() > 0 && clock.tick() < deadline && members.ledger.wrongs.is_empty() {
        members.batch(clock.lived, clock.has_paused())?;
        if clock.lived >= next_line {
            next_line += Duration::from_secs(10);
            let (present, who) = (members.present(), members.remaining());
            println!("[{:>6.0?}] {present} have not left: {who}", clock.lived);
        }
    }
    let after = settled(&mut server, &before, &mut clock)?;
    let report = server.stop()?;
    let mut checks = Checks::default();
    checks.messages(&members, spoken_for);
    checks.counters(&members, &report);
    checks.manners(&members, &report);
    checks.memory(&trend);
    checks.remains(&before, &after);
    checks.summary(&members, &report, &trend, &clock);
    Ok(checks.all_hold())
}

/// Waits for the server to be at rest: threads that served the last clients wait a while for
/// others.
fn settled(server: &mut Server, before: &Sample, clock: &mut Clock) -> HandlerResult<Sample> {
    let deadline = clock.lived + PATIENCE;
    loop {
        let now = server.sample()?;
        let rests = now.threads <= before.threads && now.descriptors <= before.descriptors;
        if rests || clock.tick() > deadline {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
