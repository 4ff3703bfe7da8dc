//! A repetition kept by itself, to be put into a run later: by another process, perhaps of another machine.
//!
//! What is kept are the files that a run of this one repetition would have. So there is no second format: they are
//! read by whatever reads a run's files.

use super::column::Table;
use super::hash::{CheckedReader, FileEntry};
use super::latency_log::{self, LATENCY_LOG};
use super::read::Reader;
use super::record::SummaryRecord;
use super::summary::{Fault, RepetitionSummary, Statistic};
use super::writer::{Folder, OutputPart, RepetitionOutput, RunContext, RunWriter};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};

/// What is known of a kept repetition beside its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The cell of the sweep; empty without a sweep.
    pub variant: String,
    /// The repetition, from 0.
    pub repetition: u32,
    /// The measured phases that had calls.
    pub phases: Vec<String>,
    /// The faults that struck.
    pub faults: Vec<Fault>,
    /// The files, sorted by name.
    pub files: Vec<FileEntry>,
}

/// Opens a kept file by its name.
pub type OpenKept<'a> = &'a mut dyn FnMut(&str) -> io::Result<Box<dyn Read + Send>>;

impl Kept {
    /// Writes a repetition's files into `folder`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write<F: Folder>(output: RepetitionOutput, folder: F) -> io::Result<(F, Self)> {
        let summary = output.summary();
        let mut kept = Kept {
            variant: output.context().variant.clone(),
            repetition: summary.repetition,
            phases: summary.phases.clone(),
            faults: summary.faults.clone(),
            files: Vec::new(),
        };
        let mut writer = RunWriter::new(folder, output.context().source)?;
        writer.append(output)?;
        let (folder, written) = writer.finish()?;
        kept.files = written.files;
        Ok((folder, kept))
    }

    /// Reads the statistics of the repetition.
    ///
    /// # Errors
    /// If they cannot be read, are not those that were written, or are of another run than `context`'s.
    pub fn summary(&self, context: &RunContext, open: OpenKept<'_>) -> io::Result<RepetitionSummary> {
        let file = self.open(Table::Summary.file_name(), open)?;
        let mut rows = Reader::new(Table::Summary, file).map_err(invalid)?.of_run(context.run.as_str());
        let mut statistics = Vec::new();
        while let Some((row, record)) = rows.next::<SummaryRecord<'_>>().map_err(invalid)? {
            // Rows without a repetition are over all repetitions: here, over this one.
            if row.repetition.is_some() {
                statistics.push(Statistic {
                    metric: record.metric.to_string().into(),
                    group: record.group.to_string(),
                    statistic: record.statistic.to_string().into(),
                    value: record.value,
                    unit: record.unit.to_string().into(),
                    n: record.n,
                });
            }
        }
        Ok(RepetitionSummary {
            repetition: self.repetition,
            statistics,
            phases: self.phases.clone(),
            faults: self.faults.clone(),
        })
    }

    /// The repetition as it was before it was kept. Its files are read when it is put into a run, and held against
    /// their hashes then.
    ///
    /// # Errors
    /// If a file cannot be opened or is none of this version's, or as [`Kept::summary`].
    pub fn output(&self, context: RunContext, open: OpenKept<'_>) -> io::Result<RepetitionOutput> {
        let summary = self.summary(&context, open)?;
        let mut parts = Vec::new();
        for table in Table::BY_REPETITION {
            let Some(entry) = self.files.iter().find(|entry| entry.name == table.file_name()) else {
                continue;
            };
            let mut file = self.open(&entry.name, open)?;
            let expected = format!("{}\n", table.header());
            let mut header = vec![0; expected.len()];
            file.read_exact(&mut header)?;
            if header != expected.as_bytes() {
                return Err(invalid(format!("{table}: its columns are not those of this version")));
            }
            parts.push(OutputPart { table, rows: entry.rows.unwrap_or(0), bytes: Box::new(file) });
        }
        let mut log = Vec::new();
        self.open(LATENCY_LOG, open)?.read_to_end(&mut log)?;
        Ok(RepetitionOutput::new(context, parts, summary, latency_log::without_head(&log).to_vec()))
    }

    fn open(&self, name: &str, open: OpenKept<'_>) -> io::Result<CheckedReader<Box<dyn Read + Send>>> {
        match self.files.iter().find(|entry| entry.name == name) {
            Some(entry) => Ok(CheckedReader::new(open(name)?, entry)),
            None => Err(invalid(format!("{name} is missing"))),
        }
    }
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{context, repetition, run};
    use super::super::{MemoryFolder, Source};
    use super::*;

    fn opener(folder: &MemoryFolder) -> impl FnMut(&str) -> io::Result<Box<dyn Read + Send>> {
        let folder = folder.clone();
        move |name| {
            let bytes = folder.get(name).ok_or(io::ErrorKind::NotFound)?.to_vec();
            Ok(Box::new(io::Cursor::new(bytes)) as Box<dyn Read + Send>)
        }
    }

    #[test]
    fn a_run_of_kept_repetitions_has_the_bytes_of_one_of_fresh_ones() {
        let (fresh, written) = run(3);
        let mut writer = RunWriter::new(MemoryFolder::default(), Source::Sim).unwrap();
        for number in 0..3 {
            let output = repetition(number);
            let before = output.summary().clone();
            let (folder, kept) = Kept::write(output, MemoryFolder::default()).unwrap();
            let text = serde_json::to_string(&kept).unwrap();
            let kept: Kept = serde_json::from_str(&text).unwrap();
            let back = kept.output(context(number), &mut opener(&folder)).unwrap();
            assert_eq!(*back.summary(), before);
            writer.append(back).unwrap();
        }
        let (again, rewritten) = writer.finish().unwrap();
        assert_eq!(fresh, again);
        assert_eq!(written.run_hash, rewritten.run_hash);
        assert_eq!(written.summaries, rewritten.summaries);
    }

    #[test]
    fn what_was_changed_since_is_refused() {
        let (folder, kept) = Kept::write(repetition(0), MemoryFolder::default()).unwrap();
        let names: Vec<String> = folder.files().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let bytes = folder.get(&name).unwrap();
            // The last digit of the file becomes another one.
            let Some(at) = bytes.iter().rposition(u8::is_ascii_digit) else { continue };
            let mut changed = bytes.to_vec();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let mut open = |asked: &str| {
                let bytes = if asked == name { &changed } else { folder.get(asked).unwrap() };
                Ok(Box::new(io::Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>)
            };
            let mut writer = RunWriter::new(MemoryFolder::default(), Source::Sim).unwrap();
            let error = kept
                .output(context(0), &mut open)
                .and_then(|output| writer.append(output))
                .expect_err(&name)
                .to_string();
            assert!(error.contains(&name), "{name}: {error}");
        }
    }
}
