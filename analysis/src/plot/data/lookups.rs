//! Look-ups: hops and requests, by purpose.

use super::{LookupRows, each_row, histogram, record};
use crate::plot::selection::Selection;
use crate::{Run, RunError};
use edge_faas_core::results::{LookupOutcome, LookupPurpose, LookupRecord, Table};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Hops that have a count of their own; longer chains count with the last.
const DEPTHS: usize = 32;

/// `ok` look-ups of one purpose, from time 0 on.
pub(crate) struct LookupCell {
    pub(crate) count: u64,
    /// Look-ups by their hops.
    pub(crate) depths: [u64; DEPTHS],
    pub(crate) requests: Histogram<u64>,
}

/// What `lookups.csv` says.
pub(crate) struct LookupData {
    pub(crate) cells: BTreeMap<(LookupPurpose, usize), LookupCell>,
}

impl LookupData {
    /// Reads `lookups.csv` of each run.
    pub(crate) fn read(runs: &[Run], selection: &Selection) -> Result<Self, RunError> {
        let mut cells: BTreeMap<(LookupPurpose, usize), LookupCell> = BTreeMap::new();
        each_row::<LookupRows>(runs, selection, Table::Lookups, |series, _, lookup: LookupRecord<'_>| {
            if lookup.outcome != LookupOutcome::Ok || lookup.start_us < 0 {
                return;
            }
            let cell = cells.entry((lookup.purpose, series)).or_insert_with(|| LookupCell {
                count: 0,
                depths: [0; DEPTHS],
                requests: histogram(),
            });
            cell.count += 1;
            cell.depths[(lookup.depth as usize).min(DEPTHS - 1)] += 1;
            record(&mut cell.requests, lookup.requests.into());
        })?;
        Ok(LookupData { cells })
    }
}
