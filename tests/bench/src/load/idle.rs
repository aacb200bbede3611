//! The cost of a client that sends nothing, before and after it has received something.

use std::thread;
use std::time::{Duration, Instant};

use super::members::Members;
use super::meter::Figures;
use super::{Broadcast, Target};
use crate::HandlerResult;

pub(crate) fn idle(clients: usize, target: &Target) -> HandlerResult<Figures> {
    let broadcast = Broadcast {
        clients,
        stalled: 0,
        size: 64,
        publishers: 1,
        window: 1,
        rooms: 1,
    };
    let empty = target.server.memory()?;
    let start = Instant::now();
    let mut members = Members::gather(target, broadcast.size, clients)?;
    let came = start.elapsed().as_secs_f64();
    let each = |memory: f64| (memory - empty) / clients as f64;
    // Threads that have just started still settle.
    thread::sleep(Duration::from_millis(300));
    let silent = each(target.server.memory()?);
    let figures = broadcast.run_in(&mut members, target)?;
    let told = each(target.server.memory()?);
    let mut all = vec![
        ("RSS KiB/client", silent),
        ("after broadcasts", told),
        ("1000 opened/s", clients as f64 / came / 1000.0),
    ];
    all.extend(
        figures
            .into_iter()
            .filter(|(name, _)| *name != "1000 deliveries/s"),
    );
    Ok(all)
}
