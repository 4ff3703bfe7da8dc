//! Reading the files of a run folder back, for `sim verify`, plots and comparisons.

use super::cell::Cell;
use super::column::{SHARED_COLUMNS, Table};
use super::record::Record;
use super::word::Source;
use csv::StringRecord;
use std::io::{self, Read};

/// Why a file could not be read. Lines count from 1, the header's.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes could not be read.
    #[error("{table}: {error}")]
    Io {
        /// The file.
        table: Table,
        /// What went wrong.
        #[source]
        error: io::Error,
    },
    /// The header is not the one this version writes.
    #[error("{table}:1: {why}; the columns must be {}", .table.header())]
    Header {
        /// The file.
        table: Table,
        /// Which column is missing, unknown or out of place.
        why: String,
    },
    /// A row has too few or too many cells, or bytes that are no text.
    #[error("{table}:{line}: {why}")]
    Row {
        /// The file.
        table: Table,
        /// The line the row starts in.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A cell does not hold what its column asks for.
    #[error("{table}:{line}: {column}: {why}")]
    Cell {
        /// The file.
        table: Table,
        /// The line the row starts in.
        line: u64,
        /// The column.
        column: &'static str,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A row belongs to another run.
    #[error("{table}:{line}: run: `{found}`, the folder's run is `{run}`: files of different runs are mixed")]
    Mixed {
        /// The file.
        table: Table,
        /// The line the row starts in.
        line: u64,
        /// The run that the row names, its first characters.
        found: String,
        /// The run it should be of.
        run: String,
    },
    /// The file ends within a row.
    #[error("{table}:{line}: the file ends within this row: it was cut off; copy it whole or write it again")]
    Truncated {
        /// The file.
        table: Table,
        /// The line the last row starts in.
        line: u64,
    },
}

/// The cells that every row starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowContext<'a> {
    /// The run's identity.
    pub run: &'a str,
    /// Who wrote the row.
    pub source: Source,
    /// The scenario's name.
    pub scenario: &'a str,
    /// The cell of the sweep; empty without one.
    pub variant: &'a str,
    /// The repetition, from 0; none in rows over all repetitions.
    pub repetition: Option<u32>,
    /// The run's seed.
    pub seed: u64,
}

/// Remembers how what passed ended: a whole file ends with a line end outside quotes.
struct Ending<R> {
    inner: R,
    last: Option<u8>,
    quoted: bool,
}

impl<R> Ending<R> {
    fn is_whole(&self) -> bool {
        self.last.is_none_or(|last| last == b'\n') && !self.quoted
    }
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.inner.read(buffer)?;
        self.last = buffer[..taken].last().copied().or(self.last);
        self.quoted ^= buffer[..taken].iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        Ok(taken)
    }
}

/// Reads one file, row by row; a row borrows from the reader, so a file of any size needs little memory.
///
/// ```
/// use edge_faas_core::results::{CallRecord, Reader, Table};
///
/// fn slowest(file: impl std::io::Read) -> Result<Option<i64>, edge_faas_core::results::ReadError> {
///     let mut calls = Reader::new(Table::Calls, file)?;
///     let mut slowest = None;
///     while let Some((_context, call)) = calls.next::<CallRecord>()? {
///         slowest = slowest.max(call.latency_us);
///     }
///     Ok(slowest)
/// }
/// ```
pub struct Reader<R> {
    table: Table,
    csv: csv::Reader<Ending<R>>,
    current: StringRecord,
    /// The row after `current`, so that the last one is known to be the last.
    ahead: StringRecord,
    has_ahead: bool,
    /// The run that every row must be of, if that is known.
    run: Option<String>,
}

impl<R: Read> Reader<R> {
    /// Starts to read a file; the header must be exactly the one this version writes.
    ///
    /// # Errors
    /// If the header is another, with the columns it should have.
    pub fn new(table: Table, file: R) -> Result<Self, ReadError> {
        let csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(Ending {
            inner: file,
            last: None,
            quoted: false,
        });
        let (current, ahead) = (StringRecord::new(), StringRecord::new());
        let mut reader = Reader { table, csv, current, ahead, has_ahead: true, run: None };
        // The first reads the header ahead, the second makes it current.
        reader.advance()?;
        if !reader.advance()? {
            return Err(ReadError::Header { table, why: "the file is empty".into() });
        }
        match reader.header_mistake() {
            Some(why) => Err(ReadError::Header { table, why }),
            None => Ok(reader),
        }
    }

    /// From now on a row of another run than `run` is an error.
    #[must_use]
    pub fn of_run(mut self, run: impl Into<String>) -> Self {
        self.run = Some(run.into());
        self
    }

    /// The next row, or none after the last.
    ///
    /// # Errors
    /// If the row is broken or of another run; and for the last row, if the file does not end with a line end.
    ///
    /// # Panics
    /// If `T` is a row of another file than the one the reader was made for.
    // Not an iterator: rows borrow from the reader.
    #[allow(clippy::should_implement_trait)]
    pub fn next<'r, T: Record<'r>>(&'r mut self) -> Result<Option<(RowContext<'r>, T)>, ReadError> {
        assert!(T::TABLE == self.table, "rows of {} are not rows of {}", self.table, T::TABLE);
        if !self.advance()? {
            return Ok(None);
        }
        let (table, line) = (self.table, line_of(&self.current));
        let wanted = SHARED_COLUMNS.len() + table.columns().len();
        if self.current.len() != wanted {
            let why = format!("{} cells, must be {wanted}", self.current.len());
            return Err(ReadError::Row { table, line, why });
        }
        let mut cells = self.current.iter();
        let wrong = |(column, why)| ReadError::Cell { table, line, column, why };
        let context = take_context(&mut cells).map_err(wrong)?;
        if let Some(run) = self.run.as_deref().filter(|run| *run != context.run) {
            let found = context.run.chars().take(40).collect();
            return Err(ReadError::Mixed { table, line, found, run: run.into() });
        }
        let record = T::take(&mut cells).map_err(wrong)?;
        Ok(Some((context, record)))
    }

    /// The line of the row that [`Reader::next`] gave last, from 1.
    pub fn line(&self) -> u64 {
        line_of(&self.current)
    }

    fn advance(&mut self) -> Result<bool, ReadError> {
        if !self.has_ahead {
            return Ok(false);
        }
        let table = self.table;
        std::mem::swap(&mut self.current, &mut self.ahead);
        self.has_ahead = self.csv.read_record(&mut self.ahead).map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            match error.into_kind() {
                csv::ErrorKind::Io(error) => ReadError::Io { table, error },
                csv::ErrorKind::Utf8 { err, .. } => {
                    let why = format!("cell {} is not UTF-8 text", err.field() + 1);
                    ReadError::Row { table, line, why }
                }
                other => ReadError::Row { table, line, why: format!("{other:?}") },
            }
        })?;
        if !self.has_ahead && !self.csv.get_ref().is_whole() {
            return Err(ReadError::Truncated { table, line: line_of(&self.current) });
        }
        // The very first step has read ahead only.
        Ok(!self.current.is_empty() || self.has_ahead)
    }

    fn header_mistake(&self) -> Option<String> {
        let found: Vec<&str> = self.current.iter().collect();
        let wanted: Vec<&str> = self.table.all_columns().map(|column| column.name).collect();
        if found == wanted {
            return None;
        }
        let shown = |name: &str| name.chars().take(40).collect::<String>();
        if let Some(missing) = wanted.iter().find(|name| !found.contains(name)) {
            return Some(format!("the column `{missing}` is missing"));
        }
        if let Some(unknown) = found.iter().find(|name| !wanted.contains(name)) {
            return Some(format!("the column `{}` is not known", shown(unknown)));
        }
        let at = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
        let at = at.unwrap_or(wanted.len());
        Some(format!(
            "column {} is `{}`, out of place",
            at + 1,
            found.get(at).map_or_else(String::new, |n| shown(n))
        ))
    }
}

fn line_of(record: &StringRecord) -> u64 {
    record.position().map_or(1, csv::Position::line)
}

fn take_context<'a>(
    cells: &mut dyn Iterator<Item = &'a str>,
) -> Result<RowContext<'a>, (&'static str, String)> {
    let mut next = || cells.next().unwrap_or("");
    Ok(RowContext {
        run: next(),
        source: Source::take(next()).map_err(|why| ("source", why))?,
        scenario: next(),
        variant: next(),
        repetition: Cell::take(next()).map_err(|why| ("repetition", why))?,
        seed: u64::take(next()).map_err(|why| ("seed", why))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::EventRecord;

    const HEADER: &str = "run,source,scenario,variant,repetition,seed,time_us,kind,fault,node,detail\n";

    fn read(text: &str) -> Result<Vec<String>, String> {
        let mut reader = Reader::new(Table::Events, text.as_bytes()).map_err(|error| error.to_string())?;
        let mut rows = Vec::new();
        while let Some((context, event)) = reader.next::<EventRecord>().map_err(|error| error.to_string())? {
            let node = event.node.map_or_else(String::new, |node| node.to_string());
            rows.push(format!("{} {} {} {node}", context.repetition.unwrap_or(9), event.time_us, event.kind));
        }
        Ok(rows)
    }

    #[test]
    fn rows_are_read() {
        assert_eq!(read(HEADER), Ok(vec![]));
        let rows = "r,sim,s,\"a=1,b=2\",0,7,-5,kill,0,\"no\"\"de\",\nr,sim,s,,,7,6,leave,,,\n";
        let rows = read(&format!("{HEADER}{rows}"));
        assert_eq!(rows, Ok(vec!["0 -5 kill no\"de".into(), "9 6 leave ".into()]));
    }

    #[test]
    fn mistakes_say_where_and_what_would_be_right() {
        let error = |text: String| read(&text).unwrap_err();
        let columns = HEADER.trim_end();
        assert_eq!(
            error(String::new()),
            format!("events.csv:1: the file is empty; the columns must be {columns}")
        );
        assert_eq!(
            error(HEADER.replace("kind", "sort")),
            format!("events.csv:1: the column `kind` is missing; the columns must be {columns}")
        );
        assert_eq!(
            error(HEADER.replace("detail", "detail,more")),
            format!("events.csv:1: the column `more` is not known; the columns must be {columns}")
        );
        assert_eq!(
            error(HEADER.replace("node,detail", "detail,node")),
            format!("events.csv:1: column 10 is `detail`, out of place; the columns must be {columns}")
        );
        assert_eq!(
            error(format!("{HEADER}r,sim,s,,0,7,6,leave,,,\nr,sim,s,,0,7,6.5,leave,,,\n")),
            "events.csv:3: time_us: `6.5` is not a whole number of 64 bits"
        );
        assert!(
            error(format!("{HEADER}r,sim,s,,0,7,6,gone,,,\n"))
                .starts_with("events.csv:2: kind: `gone` is no event kind; valid: kill, power_off,")
        );
        assert_eq!(
            error(format!("{HEADER}r,sim,s,,-1,7,6,leave,,,\n")),
            "events.csv:2: repetition: `-1` is not a whole number from 0 to 4294967295"
        );
        assert_eq!(error(format!("{HEADER}r,sim,s,,0,7,6\n")), "events.csv:2: 7 cells, must be 11");
        let mixed = format!("{HEADER}r,sim,s,,0,7,6,leave,,,\nq,sim,s,,0,7,6,leave,,,\n");
        let mut reader =
            Reader::new(Table::Events, mixed.as_bytes()).map(|reader| reader.of_run("r")).unwrap();
        assert!(reader.next::<EventRecord>().is_ok());
        assert_eq!(
            reader.next::<EventRecord>().unwrap_err().to_string(),
            "events.csv:3: run: `q`, the folder's run is `r`: files of different runs are mixed"
        );
        // Cut within a number: still a number, but not the one that was written.
        let cut =
            "events.csv:3: the file ends within this row: it was cut off; copy it whole or write it again";
        assert_eq!(error(format!("{HEADER}r,sim,s,,0,7,6,leave,,,\nr,sim,s,,0,7,12")), cut);
        // A quote that never ends would swallow the line end.
        assert_eq!(error(format!("{HEADER}r,sim,s,,0,7,6,leave,,,\nr,sim,s,,0,7,6,leave,,,\"half\n")), cut);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let mut bytes = HEADER.as_bytes().to_vec();
        bytes.extend(b"r,sim,s,,0,7,6,leave,,\xff,\n");
        let mut reader = Reader::new(Table::Events, bytes.as_slice());
        let error = match &mut reader {
            Ok(reader) => reader.next::<EventRecord>().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(error, "events.csv:2: cell 10 is not UTF-8 text");
    }
}
