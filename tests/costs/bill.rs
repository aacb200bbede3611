//! The measured cost of one attack.

use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use stentor::Version;

use crate::attacks::{Act, Attack};
use crate::site::{self, Site};
use crate::support::PATIENCE;

pub(crate) const HEADING: &str = "\
| attack | attackers | processor time | memory, each | threads | rid of after | others wait |
|---|---:|---:|---:|---:|---:|---:|";

pub(crate) struct Bill {
    attack: &'static Attack,
    act: Act,
    cpu: Duration,
    /// The most memory that the server grew by.
    grown: usize,
    /// The most threads that served clients at a time: attackers, other clients, and those kept for
    /// the next clients.
    threads: usize,
    /// The time from the moment the server could detect them until the last of them was gone.
    rid_of: Duration,
    /// The time a well-behaved client waited for its connection, its handshake and an echo
    /// meanwhile: the median.
    others: Duration,
}

/// The interval between well-behaved clients while an attack runs.
const VISIT_EVERY: Duration = Duration::from_millis(20);

impl Bill {
    pub(crate) fn of(attack: &'static Attack) -> Bill {
        let site = &Site::open();
        let cpu_of_visit = cpu_of_visits(site, 20) / 20;
        let before = site.usage();
        let mut threads = 0;
        let mut waits = Vec::new();
        let (act, rid_of) = thread::scope(|scope| {
            let (update, told) = mpsc::channel();
            let (release, held) = mpsc::channel::<()>();
            scope.spawn(move || {
                (attack.run)(site, &mut |act| {
                    update.send(act).unwrap();
                    // The attackers stay until they are released.
                    let _ = held.recv();
                })
            });
            let began = Instant::now();
            let mut act: Option<Act> = None;
            let rid_of = loop {
                assert!(began.elapsed() < 2 * PATIENCE, "{}: no end", attack.name);
                thread::sleep(VISIT_EVERY);
                let version = Version::ALL[waits.len() % 5];
                waits.push(site.visit(version));
                act = act.or_else(|| told.try_recv().ok());
                let usage = site.usage();
                threads = threads.max(usage.threads.saturating_sub(site::OWN_THREADS));
                // The last well-behaved client may still be leaving.
                if let (Some(act), 0..=1) = (&act, usage.connections) {
                    let rid_of = act.since.elapsed();
                    if site.is_empty_within(VISIT_EVERY) {
                        break rid_of;
                    }
                }
            };
            drop(release);
            (act.unwrap(), rid_of)
        });
        let after = site.usage();
        waits.sort_unstable();
        let visits = cpu_of_visit * waits.len() as u32;
        Bill {
            attack,
            act,
            cpu: (after.cpu - before.cpu).saturating_sub(visits),
            grown: after.peak.saturating_sub(before.resident),
            threads,
            rid_of,
            others: waits[waits.len() / 2],
        }
    }

    /// Asserts the bounds that hold on any machine, however busy.
    pub(crate) fn assert_bounded(&self) {
        let (attack, attackers) = (self.attack, self.act.attackers);
        let most = attackers * attack.memory + 4 * 1024 * 1024;
        assert!(self.grown < most, "{}: {} bytes", attack.name, self.grown);
        // Up to 64 threads are kept for the next client, and a visiting client has its own.
        let most = attackers.min(attack.threads) + 70;
        assert!(self.threads <= most, "{}: {}", attack.name, self.threads);
        // The timeout, the tick of a tenth of it, and the delays of a busy machine.
        let most = attack.rid_of + Duration::from_secs(6);
        assert!(self.rid_of < most, "{}: {:?}", attack.name, self.rid_of);
        let most = Duration::from_millis(100);
        assert!(self.others < most, "{}: {:?}", attack.name, self.others);
    }
}

/// Returns the processor time of this many well-behaved clients, and as many usage queries, on the
/// server.
fn cpu_of_visits(site: &Site, visits: usize) -> Duration {
    let before = site.usage().cpu;
    for version in Version::ALL.into_iter().cycle().take(visits) {
        site.visit(version);
        site.usage();
    }
    assert!(site.is_empty_within(PATIENCE));
    site.usage().cpu - before
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bill { attack, act, .. } = self;
        let (count, unit) = act.units.unwrap_or((act.bytes, "byte"));
        let cpu = match self.cpu.as_nanos() as f64 / count.max(1) as f64 {
            many @ 1000.0.. => format!("{:.1} µs per {unit}", many / 1000.0),
            few => format!("{few:.1} ns per {unit}"),
        };
        let each = self.grown as f64 / 1024.0 / act.attackers as f64;
        write!(
            f,
            "| {} | {} | {cpu} | {each:.0} KiB | {} | {} ms | {:.1} ms |",
            attack.name,
            act.attackers,
            self.threads,
            self.rid_of.as_millis(),
            self.others.as_secs_f64() * 1000.0,
        )
    }
}
