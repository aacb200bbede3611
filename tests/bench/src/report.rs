//! Runs as Markdown tables, and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::load::Figures;
use crate::scenario::Scenario;

/// The servers that the others are compared with.
const BASES: [&str; 2] = ["floor-threads", "stentor"];

/// All rounds of one server in one scenario.
#[derive(Default)]
pub(crate) struct Spec {
    pub(crate) server: &'static str,
    pub(crate) runs: Vec<Figures>,
    pub(crate) failures: Vec<String>,
}

impl Spec {
    /// Returns the median of a column, unless most runs failed.
    fn median(&self, column: usize) -> Option<f64> {
        if self.failures.len() > self.runs.len() {
            return None;
        }
        let mut values: Vec<f64> = self.runs.iter().map(|run| run[column].1).collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        Some((values[last / 2] + values[last.div_ceil(2)]) / 2.0)
    }
}

/// Returns the table of one scenario, with the failures below it.
pub(crate) fn table(scenario: &Scenario, rows: &[Spec]) -> String {
    let mut text = format!("### {}\n\n{}.\n\n", scenario.name, scenario.about);
    if let Some(run) = rows.iter().find_map(|spec| spec.runs.first()) {
        let mut heads: Vec<String> = run.iter().map(|(name, _)| name.to_string()).collect();
        let ratios = BASES.map(|base| format!("÷ {base}"));
        heads.splice(1..1, ratios);
        heads.insert(0, "server".into());
        text += &format!("| {} |\n|---|", heads.join(" | "));
        text += &"---:|".repeat(heads.len() - 1);
        text.push('\n');
        for spec in rows {
            let mut cells: Vec<String> = (0..run.len())
                .map(|column| spec.median(column).map_or("–".into(), number))
                .collect();
            let ratios = BASES.map(|base| {
                let base = rows.iter().find(|spec| spec.server == base);
                let base = base.and_then(|base| base.median(0));
                let ratio = spec.median(0).zip(base).map(|(own, base)| own / base);
                ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"))
            });
            cells.splice(1..1, ratios);
            text += &format!("| {} | {} |\n", spec.server, cells.join(" | "));
        }
    }
    for spec in rows.iter().filter(|spec| !spec.failures.is_empty()) {
        let (failed, all) = (spec.failures.len(), spec.failures.len() + spec.runs.len());
        let first = &spec.failures[0];
        text += &format!(
            "\n{}: {failed} of {all} runs failed: {first}\n",
            spec.server
        );
    }
    text
}

/// Formats a number with its significant digits only.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// Returns every run of a scenario.
pub(crate) fn json(rows: &[Spec]) -> Value {
    let run = |run: &Figures| json!(run.iter().copied().collect::<BTreeMap<_, _>>());
    let spec = |spec: &Spec| {
        let runs: Value = spec.runs.iter().map(run).collect();
        json!({ "server": spec.server, "runs": runs, "failures": spec.failures })
    };
    rows.iter().map(spec).collect()
}
