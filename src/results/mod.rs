//! The folder of a run: the rows of its CSV files, their writing and reading, the summary and the manifest.
//!
//! The simulator and real nodes write the same columns. Nothing here opens a file or reads a clock: the driver
//! lends a [`Folder`] for the run and a [`Scratch`] for each repetition.
//!
//! A repetition, on whatever thread it runs, writes its rows through a [`RepetitionWriter`] into parts of its own.
//! The [`RunWriter`] then takes the parts in the order of (variant, repetition), so that the files are the same
//! for any number of threads.
//!
//! ```
//! use edge_faas_core::results::{MemoryFolder, MemoryScratch, RepetitionPlan, RepetitionWriter, RunContext, RunWriter, Source};
//!
//! let context = RunContext {
//!     run: "5c1f09e2a7b3d840".into(),
//!     source: Source::Sim,
//!     scenario: "1000-nodes".into(),
//!     variant: String::new(),
//!     repetition: Some(0),
//!     seed: 42,
//! };
//! let mut run = RunWriter::new(MemoryFolder::default(), context.source)?;
//! let mut repetition = RepetitionWriter::new(&context, &RepetitionPlan::default(), &mut MemoryScratch)?;
//! // repetition.call(&record)?; repetition.lookup(&record)?; …
//! run.append(repetition.finish()?)?;
//! let (folder, written) = run.finish()?;
//! assert_eq!(written.files.len(), folder.files().count());
//! # Ok::<(), std::io::Error>(())
//! ```

mod cell;
mod column;
mod from_core;
mod hash;
mod kept;
mod latency_log;
mod manifest;
mod parts;
#[cfg(feature = "scenario")]
mod plan;
mod read;
mod record;
mod stop;
mod summary;
mod terminal;
#[cfg(test)]
mod tests;
pub mod text;
mod timeline;
mod word;
mod writer;

pub use cell::{Cell, Kind, Name, OfKind, Row};
pub use column::{Column, SHARED_COLUMNS, Table};
pub use hash::{FileEntry, file_entry, run_hash, run_id, run_id_until, sha256_hex};
pub use kept::{Kept, OpenKept};
pub use latency_log::LATENCY_LOG;
pub use manifest::{Cost, Host, MANIFEST, Manifest, ManifestError, OpenFaas, Program, RealNodes, SCHEMA};
pub use parts::{CallParts, CallTimes};
pub use read::{ReadError, Reader, RowContext};
pub use record::{
    AttemptRecord, CallRecord, EventRecord, LinkRecord, LookupRecord, NodeRecord, PART_NAMES, Record,
    SummaryRecord, TimelineRecord,
};
pub use stop::{Stopped, StoppingRule};
pub use summary::{Fault, MedianInterval, Overall, RepetitionSummary, Statistic, Summary, median_interval};
pub use terminal::terminal_summary;
pub use word::{
    AttemptKind, AttemptOutcome, CacheState, EventKind, LinkMoment, LookupOutcome, LookupPurpose, Outcome,
    Source, TrafficClass, UnknownWord,
};
pub use writer::{
    Folder, MemoryFolder, MemoryScratch, Part, PhasePlan, RepetitionOutput, RepetitionPlan, RepetitionWriter,
    RunContext, RunWriter, Scratch, Written,
};
