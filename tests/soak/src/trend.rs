//! Whether memory grows: a line through the samples, by least squares.

use std::time::Duration;

use crate::process::Sample;

/// One number of a sample.
pub(crate) type Measure = fn(&Sample) -> f64;

#[derive(Default)]
pub(crate) struct Trend {
    samples: Vec<(f64, Sample)>,
}

impl Trend {
    pub(crate) fn push(&mut self, lived: Duration, sample: Sample) {
        self.samples.push((lived.as_secs_f64() / 60.0, sample));
    }

    /// Returns the minutes that the samples span.
    pub(crate) fn minutes(&self) -> f64 {
        match (self.samples.first(), self.samples.last()) {
            (Some((first, _)), Some((last, _))) => last - first,
            _ => 0.0,
        }
    }

    pub(crate) fn mean(&self, what: Measure) -> f64 {
        let sum: f64 = self.samples.iter().map(|(_, sample)| what(sample)).sum();
        sum / self.samples.len() as f64
    }

    pub(crate) fn range(&self, what: Measure) -> (f64, f64) {
        let values = self.samples.iter().map(|(_, sample)| what(sample));
        values.fold((f64::INFINITY, 0.0), |(least, most), value| {
            (value.min(least), value.max(most))
        })
    }

    /// Returns KiB per minute.
    pub(crate) fn slope(&self, what: Measure) -> f64 {
        let count = self.samples.len() as f64;
        let mean_time = self.samples.iter().map(|(time, _)| time).sum::<f64>() / count;
        let mean = self.mean(what);
        let (mut above, mut below) = (0.0, 0.0);
        for (time, sample) in &self.samples {
            above += (time - mean_time) * (what(sample) - mean);
            below += (time - mean_time).powi(2);
        }
        above / below
    }
}
