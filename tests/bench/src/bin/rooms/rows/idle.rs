//! How often the thread of shared rooms wakes up while there is nothing to do.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::Figures;
use crate::HandlerResult;
use crate::redis::{Disk, Redis};
use crate::servers::{Local, ROOM};

pub(super) fn idle(time: Duration) -> HandlerResult<Figures> {
    let redis = Redis::start(Disk::Off)?;
    let server = Local::shared(&redis.address())?;
    server.handle.room(ROOM).publish("attached")?;
    thread::sleep(Duration::from_millis(500));
    let engine = engine()?;
    let before = wake_ups(&engine)?;
    thread::sleep(time);
    let count = wake_ups(&engine)? - before;
    // A check every ten seconds: its time, its answer and its notification.
    let most = 6.0 + time.as_secs_f64();
    if count > most {
        return Err(format!("{count} wake-ups in {time:?}").into());
    }
    Ok(vec![(format!("wake-ups in {} s", time.as_secs()), count)])
}

/// Returns the folder of the thread in `/proc`.
fn engine() -> HandlerResult<PathBuf> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == "stentor redis" {
            return Ok(task);
        }
    }
    Err("there is no thread of shared rooms".into())
}

fn wake_ups(task: &std::path::Path) -> HandlerResult<f64> {
    let status = fs::read_to_string(task.join("status"))?;
    let count = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    Ok(count.ok_or("no count of wake-ups")?.trim().parse()?)
}
