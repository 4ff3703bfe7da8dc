//! Arbitrary bytes as the files of a run folder: read or refused, never a panic.
#![allow(unreachable_pub)]

use edge_faas_core::results::{
    AttemptRecord, CallRecord, EventRecord, LinkRecord, LookupRecord, Manifest, NodeRecord, ReadError,
    Reader, Record, SummaryRecord, Table, TimelineRecord,
};

/// Reads `bytes` as each of the CSV files, and says how many rows the first file had that took them all.
pub fn csv(bytes: &[u8]) -> Option<u64> {
    macro_rules! rows {
        ($record:ty) => {{
            let read = || -> Result<u64, ReadError> {
                let mut reader = Reader::new(<$record>::TABLE, bytes)?;
                let mut count = 0;
                while reader.next::<$record>()?.is_some() {
                    count += 1;
                }
                Ok(count)
            };
            read().ok()
        }};
    }
    Table::ALL.into_iter().find_map(|table| match table {
        Table::Calls => rows!(CallRecord<'_>),
        Table::Attempts => rows!(AttemptRecord<'_>),
        Table::Lookups => rows!(LookupRecord<'_>),
        Table::Nodes => rows!(NodeRecord<'_>),
        Table::Timeline => rows!(TimelineRecord),
        Table::Events => rows!(EventRecord<'_>),
        Table::Links => rows!(LinkRecord<'_>),
        Table::Summary => rows!(SummaryRecord<'_>),
    })
}

/// Reads `bytes` as a manifest, and says whether it was one.
pub fn manifest(bytes: &[u8]) -> bool {
    Manifest::read(bytes).is_ok()
}
