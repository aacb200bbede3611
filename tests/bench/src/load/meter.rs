//! The counts taken during a run, and the figures made from them.

use std::time::{Duration, Instant};

use super::Target;
use crate::HandlerResult;
use crate::process::{Server, Times};

/// The longest time without progress before a run fails.
const PATIENCE: Duration = Duration::from_secs(3);
/// The same at the end of a run: otherwise the run would report a rate that was not there.
const PAUSE: Duration = Duration::from_millis(300);

/// Named figures, in the order of their columns. Servers are compared by the first.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// Counts from the end of a warm-up to the end of a run.
pub(super) struct Meter<'a> {
    server: &'a Server,
    warm: Instant,
    end: Instant,
    begin: Option<Times>,
    count: u64,
    latencies: Vec<Duration>,
    /// The time of the last progress, and the count at that time.
    progress: (Instant, u64),
}

impl<'a> Meter<'a> {
    pub(super) fn start(target: &Target<'a>) -> Meter<'a> {
        let now = Instant::now();
        let warm = now + target.time / 5;
        Meter {
            server: target.server,
            warm,
            end: warm + target.time,
            begin: None,
            count: 0,
            latencies: Vec::new(),
            progress: (now, 0),
        }
    }

    pub(super) fn count(&mut self) {
        self.count += 1;
    }

    pub(super) fn took(&mut self, latency: Duration) {
        self.latencies.push(latency);
    }

    /// Whether the run continues.
    pub(super) fn goes_on(&mut self) -> HandlerResult<bool> {
        let now = Instant::now();
        if self.begin.is_none() && now >= self.warm {
            self.count = 0;
            self.latencies.clear();
            self.begin = Some(Times::now(self.server)?);
        }
        if self.count != self.progress.1 {
            self.progress = (now, self.count);
        } else if now - self.progress.0 > PATIENCE {
            return Err(format!("stood still for {} s", PATIENCE.as_secs()).into());
        }
        Ok(now < self.end)
    }

    /// Returns the figures; `cost` and `rate` name the figures per counted unit.
    pub(super) fn finish(
        mut self,
        cost: &'static str,
        rate: &'static str,
    ) -> HandlerResult<Figures> {
        let (Some(begin), end) = (self.begin, Times::now(self.server)?) else {
            return Err("ended before it began".into());
        };
        if self.count == 0 || self.progress.0.elapsed() > PAUSE {
            return Err("stood still before the end".into());
        }
        self.latencies.sort_unstable();
        let quantile = |share: f64| {
            let at = (self.latencies.len() as f64 * share) as usize;
            let latency = self.latencies.get(at).or(self.latencies.last());
            latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
        };
        let clock = (end.clock - begin.clock).as_secs_f64();
        let (server, load) = (end.server - begin.server, end.load - begin.load);
        let others = (end.busy - begin.busy - server - load).max(0.0);
        Ok(vec![
            (cost, server * 1e6 / self.count as f64),
            (rate, self.count as f64 / clock / 1000.0),
            ("p50 µs", quantile(0.5)),
            ("p99 µs", quantile(0.99)),
            ("load %", load / clock * 100.0),
            ("noise %", others / (end.all - begin.all) * 100.0),
        ])
    }
}
