//! The metrics of the process, as Linux has them in `/proc`: the names and units are those of all Prometheus
//! libraries.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// The ticks of a second in `/proc`: Linux shows 100 to programs, whatever its own clock is (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Collects what can be read, and leaves out the rest: on other systems, everything.
#[derive(Debug)]
pub(crate) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            let help = "Processor time of the process, in user and kernel mode.";
            let counter = ConstCounter::new(seconds);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                kind,
            )?)?;
        }
        let gauges = [
            (
                "process_start_time_seconds",
                "Start of the process, in seconds since 1970.",
                start_time(),
            ),
            (
                "process_open_fds",
                "Open file descriptors.",
                open_descriptors(),
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory.",
                resident_memory(),
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                let kind = gauge.metric_type();
                gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
            }
        }
        Ok(())
    }
}

/// Fields 14 and 15 of `/proc/self/stat`, in ticks.
fn cpu_seconds() -> Option<f64> {
    Some((field(14)? + field(15)?) / TICKS)
}

/// Field 22 of `/proc/self/stat`, in ticks since the machine has started.
fn start_time() -> Option<f64> {
    let system = fs::read_to_string("/proc/stat").ok()?;
    let mut lines = system.lines();
    let booted = lines.find_map(|line| line.strip_prefix("btime "))?;
    Some(booted.trim().parse::<f64>().ok()? + field(22)? / TICKS)
}

fn open_descriptors() -> Option<f64> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is that of the list itself.
    u32::try_from(listed.checked_sub(1)?).ok().map(f64::from)
}

fn resident_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = status.lines();
    let resident = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// Returns a field of `/proc/self/stat`, counted from 1. The second is the name of the program, which may have spaces
/// and parentheses.
fn field(number: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name
        .split_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}
