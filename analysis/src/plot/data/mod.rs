//! What the figures are made of, gathered in one pass over each file. Rows are never kept: what is gathered has a bounded size,
//! however long a run is.

mod calls;
mod faults;
mod lookups;
mod manycalls;
mod nodes;
mod sweep;
mod timeline;

pub(crate) use calls::{CallCell, CallData, CallKey, cumulative};
pub(crate) use faults::{FaultPeriod, faults};
pub(crate) use lookups::{LookupCell, LookupData};
pub(crate) use manycalls::{Bar, Gantt};
pub(crate) use nodes::{MILLION, NodeData};
pub(crate) use sweep::{SweepData, SweepValue};
pub(crate) use timeline::{Bin, TimelineData};

use super::selection::Selection;
use crate::{Run, RunError};
use edge_faas_core::results::{Name, Record, RowContext, Table};
use hdrhistogram::Histogram;

/// The largest value that is told from others: 4.5 years in microseconds. It bounds the size of a histogram.
const VALUE_MAX: i64 = 1 << 47;

/// Values to three significant digits, whatever their range: at most 0.1 % off.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are a valid precision")
}

/// Adds a value; one that is negative counts as 0.
pub(crate) fn record(histogram: &mut Histogram<u64>, value: i64) {
    let value = value.clamp(0, VALUE_MAX) as u64;
    histogram.record(value).expect("a histogram that resizes itself holds every value below its largest");
}

/// The text of a name that was read.
pub(crate) fn text<'a>(name: &Name<'a>) -> &'a str {
    match name {
        Name::Text(text) | Name::Numbered(text, _) => text,
    }
}

/// Lends every row of a file that belongs to a series to `take`, run by run.
pub(crate) fn each_row<T: for<'r> Owned<'r>>(
    runs: &[Run],
    selection: &Selection,
    table: Table,
    mut take: impl for<'r> FnMut(usize, &RowContext<'r>, <T as Owned<'r>>::Row),
) -> Result<(), RunError> {
    for (at, run) in runs.iter().enumerate() {
        let mut rows = run.rows(table)?;
        while let Some((context, row)) = rows.next::<<T as Owned<'_>>::Row>()? {
            if let Some(series) = selection.series_of(at, &context) {
                take(series, &context, row);
            }
        }
    }
    Ok(())
}

/// A kind of row, whatever it borrows from.
pub(crate) trait Owned<'r> {
    type Row: Record<'r>;
}

macro_rules! owned {
    ($($kind:ident = $row:ident $(<$life:lifetime>)?;)+) => {$(
        /// Names the kind of row.
        pub(crate) struct $kind;
        impl<'r> Owned<'r> for $kind {
            type Row = edge_faas_core::results::$row $(<$life>)?;
        }
    )+};
}

owned! {
    CallRows = CallRecord<'r>;
    LookupRows = LookupRecord<'r>;
    NodeRows = NodeRecord<'r>;
    TimelineRows = TimelineRecord;
    EventRows = EventRecord<'r>;
}
