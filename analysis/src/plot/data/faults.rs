//! When faults struck and ended.

use super::{EventRows, each_row, text};
use crate::plot::selection::Selection;
use crate::{Run, RunError};
use edge_faas_core::results::{EventKind, EventRecord, Table};
use std::collections::BTreeMap;

/// A fault of the scenario, as it struck in the first repetition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FaultPeriod {
    /// Seconds since the first phase began.
    pub(crate) from: f64,
    /// When it was over; none if it struck and left nothing behind that ends, as a kill does.
    pub(crate) until: Option<f64>,
    pub(crate) kind: EventKind,
}

/// The faults of the series that has most of them.
pub(crate) fn faults(runs: &[Run], selection: &Selection) -> Result<Vec<FaultPeriod>, RunError> {
    let mut found: BTreeMap<(usize, u32), FaultPeriod> = BTreeMap::new();
    each_row::<EventRows>(runs, selection, Table::Events, |series, context, event: EventRecord<'_>| {
        let Some(fault) = event.fault.filter(|_| context.repetition.unwrap_or(0) == 0) else { return };
        let time = event.time_us as f64 / 1e6;
        let new = FaultPeriod { from: time, until: None, kind: event.kind };
        let period = found.entry((series, fault)).or_insert(new);
        let ends = event.kind == EventKind::Heal
            || (event.kind == EventKind::Restart && period.kind != EventKind::Restart);
        if ends && time > period.from {
            period.until = Some(period.until.map_or(time, |until| until.max(time)));
        }
    })?;
    let count = |series: usize| found.keys().filter(|(of, _)| *of == series).count();
    let Some(most) =
        (0..selection.series.len()).max_by_key(|series| (count(*series), std::cmp::Reverse(*series)))
    else {
        return Ok(Vec::new());
    };
    Ok(found.into_iter().filter(|((series, _), _)| *series == most).map(|(_, period)| period).collect())
}

impl FaultPeriod {
    /// True if it lasts: one that does not end lasts until the run does.
    pub(crate) fn lasts(&self) -> bool {
        self.until.is_some()
            || matches!(
                self.kind,
                EventKind::Partition
                    | EventKind::SlowNode
                    | EventKind::DegradedLink
                    | EventKind::RuntimeDown
                    | EventKind::Misbehave
            )
    }

    /// Its name in a figure.
    pub(crate) fn name(&self) -> String {
        text(&self.kind.as_str().into()).replace('_', " ")
    }
}
