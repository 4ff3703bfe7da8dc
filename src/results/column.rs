//! The files of a run folder and the columns of each: one table, from which headers, readers and the
//! documentation's test are made.

use super::cell::Kind;
use super::record::{
    AttemptRecord, CallRecord, EventRecord, LinkRecord, LookupRecord, NodeRecord, SummaryRecord,
    TimelineRecord,
};
use std::fmt;

/// One column of a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name in the header, its unit last where it has one (`latency_us`).
    pub name: &'static str,
    /// The unit of the values: `us` (microseconds), `bytes`, `count`, `text`, …
    pub unit: &'static str,
    /// What a cell holds.
    pub kind: Kind,
    /// What the column holds.
    pub description: &'static str,
}

/// The columns that every file starts with, so that files of several runs can be concatenated.
pub const SHARED_COLUMNS: &[Column] = &[
    Column {
        name: "run",
        unit: "hex",
        kind: Kind::Text,
        description: "The first 16 digits of the SHA-256 of the resolved scenario and the seed.",
    },
    Column {
        name: "source",
        unit: "word",
        kind: Kind::Text,
        description: "Who wrote the row: `sim` (the simulator), `memory` (real nodes in one process), `process` (real nodes, each a process), `docker` (real nodes in containers).",
    },
    Column { name: "scenario", unit: "text", kind: Kind::Text, description: "The scenario's name." },
    Column {
        name: "variant",
        unit: "text",
        kind: Kind::Text,
        description: "The cell of the sweep as `key=value` pairs; empty without a sweep.",
    },
    Column {
        name: "repetition",
        unit: "index",
        kind: Kind::Integer,
        description: "The repetition, from 0; empty in the rows of `summary.csv` that hold over all repetitions.",
    },
    Column { name: "seed", unit: "number", kind: Kind::Integer, description: "The run's seed." },
];

/// A CSV file of a run folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// One row a call; each item of a manycall is a call.
    Calls,
    /// One row an attempt of a call.
    Attempts,
    /// One row a look-up in the DHT.
    Lookups,
    /// One row a node, at the end of the repetition.
    Nodes,
    /// One row a second.
    Timeline,
    /// One row a fault or a change of a node's state.
    Events,
    /// One row a measured link (real nodes only).
    Links,
    /// Tidy statistics.
    Summary,
}

impl Table {
    /// Every file, in the order of the documentation.
    pub const ALL: [Table; 8] = [
        Table::Calls,
        Table::Attempts,
        Table::Lookups,
        Table::Nodes,
        Table::Timeline,
        Table::Events,
        Table::Links,
        Table::Summary,
    ];

    /// The files that a repetition writes row by row: all but the summary, which is made at the end.
    pub(crate) const BY_REPETITION: [Table; 7] = [
        Table::Calls,
        Table::Attempts,
        Table::Lookups,
        Table::Nodes,
        Table::Timeline,
        Table::Events,
        Table::Links,
    ];

    /// The file's name in the run folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            Table::Calls => "calls.csv",
            Table::Attempts => "attempts.csv",
            Table::Lookups => "lookups.csv",
            Table::Nodes => "nodes.csv",
            Table::Timeline => "timeline.csv",
            Table::Events => "events.csv",
            Table::Links => "links.csv",
            Table::Summary => "summary.csv",
        }
    }

    /// The columns after [`SHARED_COLUMNS`].
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Table::Calls => CallRecord::COLUMNS,
            Table::Attempts => AttemptRecord::COLUMNS,
            Table::Lookups => LookupRecord::COLUMNS,
            Table::Nodes => NodeRecord::COLUMNS,
            Table::Timeline => TimelineRecord::COLUMNS,
            Table::Events => EventRecord::COLUMNS,
            Table::Links => LinkRecord::COLUMNS,
            Table::Summary => SummaryRecord::COLUMNS,
        }
    }

    /// All columns of the file, the shared ones first.
    pub fn all_columns(self) -> impl Iterator<Item = &'static Column> {
        SHARED_COLUMNS.iter().chain(self.columns())
    }

    /// The header line, without its line end.
    pub fn header(self) -> String {
        self.all_columns().map(|column| column.name).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file_name())
    }
}
