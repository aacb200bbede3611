//! The rows: each run starts what it needs, measures, checks what has arrived, and ends all of it.

mod batches;
mod crowds;
mod idle;
mod live;

use std::time::Duration;

use crate::HandlerResult;

/// Named figures, in the same order in each run.
pub(crate) type Figures = Vec<(String, f64)>;

type Row = (&'static str, fn(Duration) -> HandlerResult<Figures>);

pub(crate) const ROWS: [Row; 7] = [
    ("latency", live::latency),
    ("batches", batches::batches),
    ("resume", crowds::resume),
    ("attach", crowds::attach),
    ("catch-up", crowds::catch_up),
    ("idle", idle::idle),
    ("socketio", live::socket_io),
];

/// The longest time without progress.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the value below which this share of the sorted values is.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    let value = values.get(at).or(values.last());
    value.copied().unwrap_or(f64::NAN)
}
