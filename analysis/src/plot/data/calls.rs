//! Latencies, their parts and what became of calls, by phase.

use super::manycalls::ManycallData;
use super::{CallRows, each_row, histogram, record, text};
use crate::plot::selection::Selection;
use crate::{Run, RunError};
use edge_faas_core::results::{CallRecord, Outcome, Table};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Calls that are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallKey {
    /// Position of the phase among the measured ones.
    pub(crate) phase: usize,
    /// Items of manycalls wait for each other, so they are never mixed with anycalls.
    pub(crate) items: bool,
    /// Position of the series.
    pub(crate) series: usize,
}

/// What became of them.
pub(crate) struct CallCell {
    /// Latencies of `ok` calls, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// Messages of every call whose entry was up.
    pub(crate) messages: Histogram<u64>,
    /// Calls by outcome.
    pub(crate) outcomes: [u64; Outcome::COUNT],
    /// Sums of the nine parts of `ok` calls, in microseconds, in the order of the columns.
    pub(crate) parts: [i128; 9],
}

impl CallCell {
    fn new() -> Self {
        CallCell { latency: histogram(), messages: histogram(), outcomes: [0; Outcome::COUNT], parts: [0; 9] }
    }

    pub(crate) fn ok(&self) -> u64 {
        self.outcomes[Outcome::Ok.index()]
    }

    /// Calls that the network could have served: all but those whose entry was not alive and those without a live provider.
    pub(crate) fn counted(&self) -> u64 {
        Outcome::ALL
            .iter()
            .filter(|outcome| outcome.counts())
            .map(|outcome| self.outcomes[outcome.index()])
            .sum()
    }

    /// Share of `ok` calls among those that count.
    pub(crate) fn success(&self) -> f64 {
        self.ok() as f64 / self.counted().max(1) as f64
    }

    /// The share of counted calls that were `ok` and took at most so long, at every latency where it changes: (microseconds, share).
    pub(crate) fn distribution(&self) -> Vec<(f64, f64)> {
        cumulative(&self.latency, self.counted())
    }
}

/// The share of `total` values that are at most so large, at each recorded value.
pub(crate) fn cumulative(histogram: &Histogram<u64>, total: u64) -> Vec<(f64, f64)> {
    let mut sum = 0;
    let total = total.max(1) as f64;
    histogram
        .iter_recorded()
        .map(|step| {
            sum += step.count_since_last_iteration();
            (step.value_iterated_to() as f64, sum as f64 / total)
        })
        .collect()
}

/// What `calls.csv` says.
pub(crate) struct CallData {
    pub(crate) cells: BTreeMap<CallKey, CallCell>,
    pub(crate) manycalls: ManycallData,
}

impl CallData {
    /// Reads `calls.csv` of each run.
    pub(crate) fn read(runs: &[Run], selection: &Selection) -> Result<Self, RunError> {
        let mut cells: BTreeMap<CallKey, CallCell> = BTreeMap::new();
        let mut manycalls = ManycallData::new(selection.series.len());
        each_row::<CallRows>(runs, selection, Table::Calls, |series, context, call: CallRecord<'_>| {
            let Some(phase) = selection.measured_phase(series, text(&call.phase)) else { return };
            let key = CallKey { phase, items: call.map.is_some(), series };
            let cell = cells.entry(key).or_insert_with(CallCell::new);
            cell.outcomes[call.outcome.index()] += 1;
            if call.outcome != Outcome::EntryDown {
                record(&mut cell.messages, call.messages.into());
            }
            if call.outcome == Outcome::Ok {
                if let Some(latency) = call.latency_us {
                    record(&mut cell.latency, latency);
                }
                for (sum, part) in cell.parts.iter_mut().zip(call.latency_parts()) {
                    *sum += i128::from(part.unwrap_or(0));
                }
            }
            if call.map.is_some() {
                manycalls.take(series, context.repetition.unwrap_or(0), &call);
            }
        })?;
        Ok(CallData { cells, manycalls })
    }
}
