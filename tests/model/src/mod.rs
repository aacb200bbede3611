//! The threads of `src/net` and `src/server` in orders chosen by the model checker. Everything except the kernel, the
//! clock and the synchronization between threads is the library's own source.
//!
//! A thread that nobody wakes shows as a deadlock, for time stands still unless a test advances it.
//! A test that fails prints the schedule that made it fail.
//!
//! The checker is shuttle, not loom: the scenarios are whole servers, with a handful of threads and
//! hundreds of steps, which no exhaustive search can finish; only the budget is small enough for
//! that. So this finds errors, and proves little.
//!
//! Not covered: orders of memory weaker than the program's (here every atomic is sequentially
//! consistent, and loom would take the budget's for weaker than they are), crossbeam's channel,
//! which has a simple one in its place, condition variables that wake by themselves, the listener
//! (only how it passes clients on to its threads), and any difference between the real kernel and `socket.rs`.

mod admission;

mod closing;

mod idle_threads;

mod journal;

mod timeouts;

mod presence;

mod resumes;

mod send_queue;

mod slow_clients;

mod stage;

mod whole_server;

mod wire;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

/// The number of schedules of each kind that are tried, again and again for as long as
/// `STENTOR_MODEL_SECONDS` says.
const SCHEDULES: usize = 300;

/// The depth of the second kind of schedule: threads have priorities, which change this many times,
/// less one.
const DEPTH: usize = 4;

/// More steps than any scenario takes: a scenario that takes more is in an endless loop.
const STEPS: usize = 200_000;

/// Runs a scenario in many schedules: the same ones each time, or new ones for as long as asked.
fn check(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    let began = Instant::now();
    let seconds = number("STENTOR_MODEL_SECONDS");
    let schedules = number("STENTOR_MODEL_SCHEDULES").map_or(SCHEDULES, |most| most as usize);
    let mut seed = match seconds {
        Some(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_nanos() as u64),
        None => 1,
    };
    let (mut random, mut preempting) = (0, 0);
    loop {
        let scheduler = RandomScheduler::new_from_seed(seed, schedules);
        random += run(scheduler, scenario.clone());
        let scheduler = PctScheduler::new_from_seed(seed, DEPTH, schedules);
        preempting += run(scheduler, scenario.clone());
        if began.elapsed() >= Duration::from_secs(seconds.unwrap_or(0)) {
            break;
        }
        seed += 1;
    }
    report(&format!(
        "{random} random schedules and {preempting} of depth {DEPTH}"
    ));
}

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 256 * 1024;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario)
}

/// Prints the counts of schedules under the name of the test.
fn report(what: &str) {
    let thread = std::thread::current();
    let name = thread.name().and_then(|path| path.rsplit("::").next());
    println!("{}: {what}", name.unwrap_or_default());
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
