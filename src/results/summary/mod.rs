//! The summary: statistics of each repetition, gathered as the rows are written, then their medians.

mod calls;
mod interval;
mod lookups;
mod nodes;
mod recovery;
mod samples;
mod statistic;
mod summarizer;

pub use interval::{MedianInterval, median_interval};
pub use recovery::Fault;
pub(crate) use samples::{Quantile, Samples};
pub use statistic::Statistic;
pub(crate) use summarizer::{LatencyLog, Summarizer};

use super::cell::Name;
use super::record::SummaryRecord;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The statistics of one repetition.
#[derive(Clone, Debug, PartialEq)]
pub struct RepetitionSummary {
    /// The repetition, from 0.
    pub repetition: u32,
    /// The statistics, in a fixed order.
    pub statistics: Vec<Statistic>,
    /// The measured phases that had calls, in the order of the plan.
    pub phases: Vec<String>,
    /// The faults that struck, in order of their numbers.
    pub faults: Vec<Fault>,
}

impl RepetitionSummary {
    /// The value of a statistic, if it was observed.
    pub fn get(&self, metric: &str, group: &str, statistic: &str) -> Option<f64> {
        self.statistics
            .iter()
            .find(|s| s.metric == metric && s.group == group && s.statistic == statistic)
            .map(|s| s.value)
    }
}

/// A statistic over all repetitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Overall {
    /// What was measured.
    pub metric: Cow<'static, str>,
    /// The rows it was measured over.
    pub group: String,
    /// The statistic of each repetition.
    pub statistic: Cow<'static, str>,
    /// The unit.
    pub unit: Cow<'static, str>,
    /// Repetitions that had a value.
    pub n: u64,
    /// The median of the repetitions' values, and its interval.
    pub value: MedianInterval,
}

/// The summary of one variant: its repetitions and what they say together.
///
/// A quantile is taken within each repetition first; the median and its interval are over the repetitions, which
/// are independent of each other, as calls within a repetition are not.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Summary {
    repetitions: Vec<RepetitionSummary>,
    overall: Vec<Overall>,
    /// Position in `overall` by group, metric, statistic.
    index: BTreeMap<(String, Cow<'static, str>, Cow<'static, str>), usize>,
}

impl Summary {
    /// Puts repetitions together, in the order given.
    pub fn new(repetitions: Vec<RepetitionSummary>) -> Self {
        let mut index = BTreeMap::new();
        let mut columns: Vec<(&Statistic, Vec<f64>)> = Vec::new();
        for statistic in repetitions.iter().flat_map(|repetition| &repetition.statistics) {
            let key = (statistic.group.clone(), statistic.metric.clone(), statistic.statistic.clone());
            let at = *index.entry(key).or_insert(columns.len());
            if at == columns.len() {
                columns.push((statistic, Vec::new()));
            }
            columns[at].1.push(statistic.value);
        }
        let overall = columns
            .into_iter()
            .filter_map(|(first, values)| {
                Some(Overall {
                    metric: first.metric.clone(),
                    group: first.group.clone(),
                    statistic: first.statistic.clone(),
                    unit: first.unit.clone(),
                    n: values.len() as u64,
                    value: median_interval(&values)?,
                })
            })
            .collect();
        Summary { repetitions, overall, index }
    }

    /// The repetitions.
    pub fn repetitions(&self) -> &[RepetitionSummary] {
        &self.repetitions
    }

    /// The statistics over all repetitions, in the order in which they were first observed.
    pub fn overall(&self) -> &[Overall] {
        &self.overall
    }

    /// A statistic over all repetitions, if any repetition observed it.
    pub fn get(&self, metric: &'static str, group: &str, statistic: &'static str) -> Option<&Overall> {
        self.overall.get(*self.index.get(&(group.to_owned(), metric.into(), statistic.into()))?)
    }

    /// The median of a statistic over the repetitions.
    pub fn median(&self, metric: &'static str, group: &str, statistic: &'static str) -> Option<f64> {
        Some(self.get(metric, group, statistic)?.value.median)
    }

    /// The rows of `summary.csv`, each with its repetition: first those of the repetitions, then those over all.
    ///
    /// # Errors
    /// Whatever `take` fails with.
    pub fn rows<E>(
        &self,
        mut take: impl FnMut(Option<u32>, &SummaryRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for repetition in &self.repetitions {
            for statistic in &repetition.statistics {
                let record = SummaryRecord {
                    metric: Name::Text(&statistic.metric),
                    group: Name::Text(&statistic.group),
                    statistic: Name::Text(&statistic.statistic),
                    value: statistic.value,
                    unit: Name::Text(&statistic.unit),
                    n: statistic.n,
                    low: None,
                    high: None,
                    method: Name::Text("repetition"),
                };
                take(Some(repetition.repetition), &record)?;
            }
        }
        for overall in &self.overall {
            let record = SummaryRecord {
                metric: Name::Text(&overall.metric),
                group: Name::Text(&overall.group),
                statistic: Name::Text(&overall.statistic),
                value: overall.value.median,
                unit: Name::Text(&overall.unit),
                n: overall.n,
                low: overall.value.interval.map(|interval| interval.0),
                high: overall.value.interval.map(|interval| interval.1),
                method: Name::Text(&overall.value.method),
            };
            take(None, &record)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repetition(repetition: u32, p50: Option<f64>) -> RepetitionSummary {
        let statistic = |metric: &'static str, value| Statistic {
            metric: metric.into(),
            group: "all".into(),
            statistic: "p50".into(),
            value,
            unit: "us".into(),
            n: 9,
        };
        let mut statistics: Vec<_> = p50.map(|value| statistic("latency", value)).into_iter().collect();
        statistics.push(statistic("exec", 1.0));
        RepetitionSummary { repetition, statistics, phases: Vec::new(), faults: Vec::new() }
    }

    #[test]
    fn a_statistic_is_over_the_repetitions_that_observed_it() {
        let summary =
            Summary::new(vec![repetition(0, None), repetition(1, Some(30.0)), repetition(2, Some(10.0))]);
        let latency = summary.get("latency", "all", "p50").unwrap();
        assert_eq!((latency.n, latency.value.median), (2, 20.0));
        assert_eq!(latency.value.interval, Some((10.0, 30.0)));
        assert_eq!(summary.median("exec", "all", "p50"), Some(1.0));
        assert_eq!(summary.median("exec", "phase=x", "p50"), None);
        let mut rows = Vec::new();
        summary
            .rows(|repetition, row| {
                rows.push((repetition, row.metric.to_string(), row.value));
                Ok::<(), ()>(())
            })
            .unwrap();
        assert_eq!(rows.len(), 7);
        assert_eq!(rows[5], (None, "exec".into(), 1.0));
        assert_eq!(rows[6], (None, "latency".into(), 20.0));
    }
}
