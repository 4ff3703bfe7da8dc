//! The statistics of a run, repetition by repetition.

use crate::run::{Run, RunError};
use edge_faas_core::results::{SummaryRecord, Table};
use std::collections::BTreeMap;

/// What a statistic is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) variant: String,
    pub(super) metric: String,
    pub(super) group: String,
    pub(super) statistic: String,
}

/// Its values, by repetition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values {
    /// Where `summary.csv` has it first.
    pub(super) order: usize,
    pub(super) unit: String,
    pub(super) by_repetition: BTreeMap<u32, f64>,
}

/// Reads `summary.csv`.
pub(super) fn values(run: &Run) -> Result<BTreeMap<Key, Values>, RunError> {
    let mut all: BTreeMap<Key, Values> = BTreeMap::new();
    let mut rows = run.rows(Table::Summary)?;
    while let Some((context, row)) = rows.next::<SummaryRecord<'_>>()? {
        // The others are over all repetitions.
        let Some(repetition) = context.repetition else { continue };
        let key = Key {
            variant: context.variant.to_owned(),
            metric: row.metric.to_string(),
            group: row.group.to_string(),
            statistic: row.statistic.to_string(),
        };
        let order = all.len();
        let values = all.entry(key).or_insert_with(|| Values {
            order,
            unit: row.unit.to_string(),
            by_repetition: BTreeMap::new(),
        });
        values.by_repetition.insert(repetition, row.value);
    }
    Ok(all)
}
