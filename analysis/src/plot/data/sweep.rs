//! Medians and intervals over repetitions, of every cell of a sweep.

use super::text;
use crate::plot::selection::Selection;
use crate::{Run, RunError};
use edge_faas_core::results::{SummaryRecord, Table};
use std::collections::BTreeMap;

/// A statistic over all repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SweepValue {
    pub(crate) median: f64,
    /// The interval over the repetitions; none with a single one.
    pub(crate) interval: Option<(f64, f64)>,
}

/// Statistics of the group `all` over all repetitions, by metric and statistic, then by cell.
pub(crate) struct SweepData {
    pub(crate) values: BTreeMap<(String, String), BTreeMap<usize, SweepValue>>,
}

impl SweepData {
    /// Reads `summary.csv` of each run.
    pub(crate) fn read(runs: &[Run], selection: &Selection) -> Result<Self, RunError> {
        let cells: BTreeMap<(usize, &str), usize> = selection
            .cells
            .iter()
            .enumerate()
            .map(|(at, cell)| ((cell.run, cell.variant.as_str()), at))
            .collect();
        let mut values: BTreeMap<(String, String), BTreeMap<usize, SweepValue>> = BTreeMap::new();
        for (run, opened) in runs.iter().enumerate() {
            let mut rows = opened.rows(Table::Summary)?;
            while let Some((context, row)) = rows.next::<SummaryRecord<'_>>()? {
                let Some(cell) = cells.get(&(run, context.variant)) else { continue };
                if context.repetition.is_none() && text(&row.group) == "all" {
                    let key = (row.metric.to_string(), row.statistic.to_string());
                    let value = SweepValue { median: row.value, interval: row.low.zip(row.high) };
                    values.entry(key).or_default().insert(*cell, value);
                }
            }
        }
        Ok(SweepData { values })
    }
}
