//! Statistics of one repetition, in the order in which the summary lists them.

use std::borrow::Cow;

/// One value of one repetition.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// What was measured.
    pub metric: Cow<'static, str>,
    /// The rows it was measured over.
    pub group: String,
    /// The statistic.
    pub statistic: Cow<'static, str>,
    /// Its value.
    pub value: f64,
    /// The value's unit.
    pub unit: Cow<'static, str>,
    /// Observations behind the value.
    pub n: u64,
}

/// Collects the statistics of one group of rows.
pub(super) struct Collector<'a> {
    out: &'a mut Vec<Statistic>,
    group: String,
}

impl<'a> Collector<'a> {
    pub(super) fn new(out: &'a mut Vec<Statistic>, group: impl Into<String>) -> Self {
        Collector { out, group: group.into() }
    }

    /// Adds a value, if there is one: what was not observed has no row.
    pub(super) fn add(
        &mut self,
        metric: &'static str,
        statistic: &'static str,
        unit: &'static str,
        value: Option<f64>,
        n: u64,
    ) {
        if let Some(value) = value.filter(|value| !value.is_nan()) {
            self.out.push(Statistic {
                metric: metric.into(),
                group: self.group.clone(),
                statistic: statistic.into(),
                value,
                unit: unit.into(),
                n,
            });
        }
    }

    /// Adds `part / whole`, if the whole is not zero.
    pub(super) fn ratio(
        &mut self,
        metric: &'static str,
        statistic: &'static str,
        unit: &'static str,
        part: f64,
        whole: f64,
        n: u64,
    ) {
        self.add(metric, statistic, unit, (whole > 0.0).then(|| part / whole), n);
    }
}
