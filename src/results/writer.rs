//! Writing a run folder: a writer for each repetition, and one that puts their parts together.

use super::cell::{Name, Row};
use super::column::Table;
use super::hash::{FileEntry, HashingWriter, run_hash};
use super::latency_log::{self, LATENCY_LOG};
use super::record::{AttemptRecord, CallRecord, EventRecord, LinkRecord, LookupRecord, NodeRecord, Record};
use super::summary::{RepetitionSummary, Summarizer, Summary};
use super::timeline::Timeline;
use super::word::{Source, TrafficClass};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// A part's rows are handed on in pieces of about this many bytes.
const PIECE: usize = 64 * 1024;

/// What the rows of one repetition have in common: the columns that every file starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunContext {
    /// The run's identity, see [`run_id`](super::run_id).
    pub run: String,
    /// Who writes.
    pub source: Source,
    /// The scenario's name.
    pub scenario: String,
    /// The cell of the sweep as `key=value` pairs; empty without a sweep.
    pub variant: String,
    /// The repetition, from 0; none for what holds over all repetitions.
    pub repetition: Option<u32>,
    /// The run's seed.
    pub seed: u64,
}

impl RunContext {
    /// The cells of the shared columns, without a separator before or after.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        let mut row = Row::default();
        row.text(&self.run, None);
        row.cell(&self.source);
        row.cell(&Name::Text(&self.scenario));
        row.cell(&Name::Text(&self.variant));
        row.cell(&self.repetition);
        row.cell(&self.seed);
        row.bytes().to_vec()
    }
}

/// Where a run's files go. The driver's makes them in a folder that gets its name at the end, so that an
/// interrupted run leaves nothing that looks complete.
pub trait Folder {
    /// What a file is written through.
    type File: Write;

    /// Makes the file `name`.
    ///
    /// # Errors
    /// If it cannot be made.
    fn create(&mut self, name: &str) -> io::Result<Self::File>;

    /// Takes a file back that is complete and flushed.
    ///
    /// # Errors
    /// If its last bytes could not be kept.
    fn close(&mut self, name: &str, file: Self::File) -> io::Result<()>;
}

/// A run folder in memory, for tests.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MemoryFolder {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryFolder {
    /// The complete files, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// The bytes of a complete file.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }
}

impl Folder for MemoryFolder {
    type File = Vec<u8>;
    fn create(&mut self, _name: &str) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
    fn close(&mut self, name: &str, file: Vec<u8>) -> io::Result<()> {
        self.files.insert(name.into(), file);
        Ok(())
    }
}

/// A repetition's share of a file: written once, then read once.
pub trait Part: Write + Send {
    /// Ends the writing and reads from the start.
    ///
    /// # Errors
    /// If what was written cannot be read.
    fn reopen(self: Box<Self>) -> io::Result<Box<dyn Read + Send>>;
}

impl Part for Vec<u8> {
    fn reopen(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(*self)))
    }
}

/// Where a repetition keeps its parts until its turn comes: memory, or temporary files.
pub trait Scratch {
    /// A new, empty part of `table`.
    ///
    /// # Errors
    /// If it cannot be made.
    fn part(&mut self, table: Table) -> io::Result<Box<dyn Part>>;
}

/// Parts in memory.
#[derive(Debug, Default, Clone, Copy)]
pub struct MemoryScratch;

impl Scratch for MemoryScratch {
    fn part(&mut self, _table: Table) -> io::Result<Box<dyn Part>> {
        Ok(Box::<Vec<u8>>::default())
    }
}

/// A phase of the workload, as the summary needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhasePlan {
    /// The phase's name.
    pub name: String,
    /// When it starts.
    pub start: Time,
    /// How long calls are due in it; none if that is not fixed beforehand (a number of calls).
    pub duration: Option<Duration>,
    /// False for a warm-up: recorded, not summarised.
    pub measure: bool,
}

/// What the summary of a repetition needs to know beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RepetitionPlan {
    /// The phases, in order. A phase that is not listed is measured.
    pub phases: Vec<PhasePlan>,
    /// Files that get no rows: what would be written is summarised all the same.
    pub without: Vec<Table>,
}

/// The rows of one file that a repetition has written.
struct TablePart {
    table: Table,
    part: Box<dyn Part>,
    pending: Row,
    rows: u64,
    without: bool,
}

impl TablePart {
    fn put<'a>(&mut self, prefix: &[u8], record: &impl Record<'a>) -> io::Result<()> {
        if self.without {
            return Ok(());
        }
        self.pending.raw(prefix);
        record.put(&mut self.pending);
        self.pending.end();
        self.rows += 1;
        if self.pending.bytes().len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part.write_all(self.pending.bytes())?;
        self.pending.clear();
        Ok(())
    }
}

/// Writes the rows of one repetition and sums them up as they come. Rows of a file keep the order they come in.
pub struct RepetitionWriter {
    context: RunContext,
    prefix: Vec<u8>,
    parts: Vec<TablePart>,
    summarizer: Summarizer,
    timeline: Timeline,
}

impl RepetitionWriter {
    /// A writer into parts of `scratch`.
    ///
    /// # Errors
    /// If a part cannot be made.
    pub fn new(context: &RunContext, plan: &RepetitionPlan, scratch: &mut dyn Scratch) -> io::Result<Self> {
        let mut parts = Vec::with_capacity(Table::BY_REPETITION.len());
        for table in Table::BY_REPETITION {
            let (part, pending) = (scratch.part(table)?, Row::with_capacity(PIECE + 4096));
            parts.push(TablePart { table, part, pending, rows: 0, without: plan.without.contains(&table) });
        }
        Ok(RepetitionWriter {
            prefix: context.prefix(),
            context: context.clone(),
            parts,
            summarizer: Summarizer::new(plan),
            timeline: Timeline::of(context.source),
        })
    }

    fn put<'a, R: Record<'a>>(&mut self, record: &R) -> io::Result<()> {
        self.parts[R::TABLE as usize].put(&self.prefix, record)
    }

    /// Writes a call, once it has ended.
    ///
    /// # Errors
    /// As all writing: if the part cannot take the bytes.
    pub fn call(&mut self, record: &CallRecord<'_>) -> io::Result<()> {
        self.summarizer.call(record);
        self.timeline.call(record);
        self.put(record)
    }

    /// Writes an attempt.
    ///
    /// # Errors
    /// If the part cannot take the bytes.
    pub fn attempt(&mut self, record: &AttemptRecord<'_>) -> io::Result<()> {
        self.put(record)
    }

    /// Writes a look-up, once it has ended.
    ///
    /// # Errors
    /// If the part cannot take the bytes.
    pub fn lookup(&mut self, record: &LookupRecord<'_>) -> io::Result<()> {
        self.summarizer.lookup(record);
        self.put(record)
    }

    /// Writes a node, at the end of the repetition.
    ///
    /// # Errors
    /// If the part cannot take the bytes.
    pub fn node(&mut self, record: &NodeRecord<'_>) -> io::Result<()> {
        self.summarizer.node(record);
        self.put(record)
    }

    /// Writes a fault or a change of a node's state. The first row of each `fault` gives the fault's time, and its
    /// `detail` the text that the summary calls it by.
    ///
    /// # Errors
    /// If the part cannot take the bytes.
    pub fn event(&mut self, record: &EventRecord<'_>) -> io::Result<()> {
        self.summarizer.event(record);
        self.put(record)
    }

    /// Writes a measured link.
    ///
    /// # Errors
    /// If the part cannot take the bytes.
    pub fn link(&mut self, record: &LinkRecord<'_>) -> io::Result<()> {
        self.put(record)
    }

    /// Counts bytes sent at `now`, for `timeline.csv`. A driver with many messages may add up those of a second.
    pub fn bytes_sent(&mut self, now: Time, class: TrafficClass, bytes: u64) {
        self.timeline.bytes_sent(now, class, bytes);
    }

    /// Counts an attempt sent at `now` to a node that was dead then, for `timeline.csv`.
    pub fn sent_to_dead(&mut self, now: Time) {
        self.timeline.sent_to_dead(now);
    }

    /// Says how many nodes are up from `now` on, for `timeline.csv`.
    pub fn nodes_up(&mut self, now: Time, nodes: u64) {
        self.timeline.nodes_up(now, nodes);
    }

    /// Takes, for the summary, what a call's choice of provider cost: the round trip to the provider it was sent to, and
    /// the shortest to any live provider of the function. Known to the simulator only.
    pub fn stretch(&mut self, phase: Name<'_>, policy: Name<'_>, taken: Duration, shortest: Duration) {
        self.summarizer.stretch(phase, policy, taken, shortest);
    }

    /// Ends the repetition.
    ///
    /// # Errors
    /// If a part cannot take its last bytes or be read back.
    pub fn finish(mut self) -> io::Result<RepetitionOutput> {
        let seconds = &mut self.parts[Table::Timeline as usize];
        self.timeline.rows(|row| seconds.put(&self.prefix, row))?;
        for part in &mut self.parts {
            part.flush()?;
        }
        let (summary, logs) = self.summarizer.finish(self.context.repetition.unwrap_or(0), &self.timeline);
        let mut log = Vec::new();
        latency_log::append(&mut log, &self.context, &logs)?;
        let parts = self
            .parts
            .into_iter()
            .map(|TablePart { table, part, rows, .. }| Ok(OutputPart { table, rows, bytes: part.reopen()? }));
        let parts = parts.collect::<io::Result<_>>()?;
        Ok(RepetitionOutput { context: self.context, parts, summary, log })
    }
}

/// The rows of one file that a repetition has written, to be read.
pub(super) struct OutputPart {
    pub(super) table: Table,
    pub(super) rows: u64,
    pub(super) bytes: Box<dyn Read + Send>,
}

/// What a repetition wrote, and its summary.
pub struct RepetitionOutput {
    context: RunContext,
    parts: Vec<OutputPart>,
    summary: RepetitionSummary,
    /// Its lines of `latency.hlog`.
    log: Vec<u8>,
}

impl RepetitionOutput {
    pub(super) fn new(
        context: RunContext,
        parts: Vec<OutputPart>,
        summary: RepetitionSummary,
        log: Vec<u8>,
    ) -> Self {
        RepetitionOutput { context, parts, summary, log }
    }

    /// Whose output it is.
    pub fn context(&self) -> &RunContext {
        &self.context
    }

    /// Its statistics.
    pub fn summary(&self) -> &RepetitionSummary {
        &self.summary
    }

    /// Rows written to `table`.
    pub fn rows(&self, table: Table) -> u64 {
        self.parts.iter().find(|part| part.table == table).map_or(0, |part| part.rows)
    }
}

/// A file of the run in the making.
struct OpenFile<F> {
    table: Table,
    file: HashingWriter<F>,
    rows: u64,
}

/// A variant of the sweep and the summaries of its repetitions.
struct Variant {
    context: RunContext,
    repetitions: Vec<RepetitionSummary>,
}

/// Writes a run's files from the outputs of its repetitions.
pub struct RunWriter<F: Folder> {
    folder: F,
    files: Vec<OpenFile<F::File>>,
    latency_log: HashingWriter<F::File>,
    variants: Vec<Variant>,
}

/// What a run wrote.
#[derive(Debug)]
pub struct Written {
    /// The files, sorted by name; the manifest is not among them.
    pub files: Vec<FileEntry>,
    /// The run's one hash.
    pub run_hash: String,
    /// The summary of each variant, in the order of the rows.
    pub summaries: Vec<(String, Summary)>,
}

impl<F: Folder> RunWriter<F> {
    /// Makes the files in `folder`, each with its header. `links.csv` is made for real nodes only.
    ///
    /// # Errors
    /// If a file cannot be made.
    pub fn new(mut folder: F, source: Source) -> io::Result<Self> {
        let mut files = Vec::new();
        for table in Table::ALL {
            if table == Table::Links && source == Source::Sim {
                continue;
            }
            let mut file = HashingWriter::new(folder.create(table.file_name())?);
            file.write_all(table.header().as_bytes())?;
            file.write_all(b"\n")?;
            files.push(OpenFile { table, file, rows: 0 });
        }
        let mut latency_log = HashingWriter::new(folder.create(LATENCY_LOG)?);
        latency_log::begin(&mut latency_log)?;
        Ok(RunWriter { folder, files, latency_log, variants: Vec::new() })
    }

    /// Adds a repetition's rows. To be called in the order of (variant, repetition), which is the order of the files.
    ///
    /// # Errors
    /// If a part cannot be read or a file not be written.
    pub fn append(&mut self, output: RepetitionOutput) -> io::Result<()> {
        for part in output.parts {
            let Some(open) = self.files.iter_mut().find(|open| open.table == part.table) else {
                assert!(part.rows == 0, "the simulator has no links to measure");
                continue;
            };
            io::copy(&mut io::BufReader::with_capacity(PIECE, part.bytes), &mut open.file)?;
            open.rows += part.rows;
        }
        self.latency_log.write_all(&output.log)?;
        match self.variants.last_mut().filter(|last| last.context.variant == output.context.variant) {
            Some(variant) => {
                let last = variant.repetitions.last().map(|last| last.repetition);
                assert!(last < Some(output.summary.repetition), "repetitions are appended in order");
                variant.repetitions.push(output.summary);
            }
            None => {
                self.variants.push(Variant { context: output.context, repetitions: vec![output.summary] });
            }
        }
        Ok(())
    }

    /// Writes the summary and completes the files. The manifest is the caller's to write, last of all.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(mut self) -> io::Result<(F, Written)> {
        let mut summaries = Vec::new();
        let summary_file = self.files.iter_mut().find(|open| open.table == Table::Summary);
        let summary_file = summary_file.expect("every run has a summary");
        for variant in self.variants {
            let summary = Summary::new(variant.repetitions);
            let mut line = Row::default();
            summary.rows(|repetition, record| {
                let context = RunContext { repetition, ..variant.context.clone() };
                line.clear();
                line.raw(&context.prefix());
                record.put(&mut line);
                line.end();
                summary_file.rows += 1;
                summary_file.file.write_all(line.bytes())
            })?;
            summaries.push((variant.context.variant, summary));
        }
        let mut entries = Vec::new();
        for open in self.files {
            let name = open.table.file_name();
            let (file, entry) = open.file.finish(name, Some(open.rows))?;
            self.folder.close(name, file)?;
            entries.push(entry);
        }
        let (file, entry) = self.latency_log.finish(LATENCY_LOG, None)?;
        self.folder.close(LATENCY_LOG, file)?;
        entries.push(entry);
        entries.sort();
        let run_hash = run_hash(&entries);
        Ok((self.folder, Written { files: entries, run_hash, summaries }))
    }
}
