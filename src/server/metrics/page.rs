//! Writes families of metrics: their descriptions, and their values at this moment.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelValue, EncodeMetric, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

/// The page of all metrics. The names of counters are without `_total`, and those in bytes without `_bytes`: the
/// encoder adds both.
pub(super) struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

/// The values of a label, each with its number.
type Labelled<L, N> = Vec<(L, N)>;

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Page<'a> {
        Page { encoder }
    }

    pub(super) fn build(&mut self) -> fmt::Result {
        let help = "The version of Stentor.";
        let family = self.family("stentor_build", help, None, MetricType::Info)?;
        Info::new([("version", env!("CARGO_PKG_VERSION"))]).encode(family)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let family = self.family(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(family)
    }

    pub(super) fn bytes_counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let family = self.family(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
        ConstCounter::new(value).encode(family)
    }

    pub(super) fn counters<L: EncodeLabelValue>(
        &mut self,
        name: &str,
        help: &str,
        (label, values): (&str, Labelled<L, u64>),
    ) -> fmt::Result {
        let mut family = self.family(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            ConstCounter::new(count).encode(family.encode_family(&[(label, value)])?)?;
        }
        Ok(())
    }

    /// Without a number, the family has a description only.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl Into<Option<usize>>,
    ) -> fmt::Result {
        let family = self.family(name, help, None, MetricType::Gauge)?;
        match value.into() {
            Some(value) => gauge(value).encode(family),
            None => Ok(()),
        }
    }

    pub(super) fn bytes(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let family = self.family(name, help, Some(&Unit::Bytes), MetricType::Gauge)?;
        gauge(value).encode(family)
    }

    pub(super) fn gauges<L: EncodeLabelValue>(
        &mut self,
        name: &str,
        help: &str,
        (label, values): (&str, Labelled<L, usize>),
    ) -> fmt::Result {
        let mut family = self.family(name, help, None, MetricType::Gauge)?;
        for (value, count) in values {
            gauge(count).encode(family.encode_family(&[(label, value)])?)?;
        }
        Ok(())
    }

    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, unit, kind)
    }
}

/// A limit may be the largest number that there is; the encoder has an error for numbers above an `i64`.
fn gauge(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
