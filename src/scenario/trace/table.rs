//! A CSV table with a header, read row by row with errors that say where.

use super::TraceError;
use std::io::Read;

/// The most columns a row may have: far above the 1,444 of a day by the minute.
const MAX_COLUMNS: usize = 100_000;

/// A CSV table under way.
pub(super) struct Table<R: Read> {
    reader: csv::Reader<R>,
    header: csv::StringRecord,
    row: csv::StringRecord,
    rows: u64,
}

impl<R: Read> Table<R> {
    /// Reads the header. `what` names the format in errors.
    pub(super) fn open(input: R, what: &str) -> Result<Self, TraceError> {
        // Lengths are checked here, since the reader's own error names no column.
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(input);
        let header = reader.headers().map_err(|e| wrap(&e, 1))?.clone();
        if header.is_empty() {
            return Err(at(1, None, format!("the file is empty; {what} starts with a header line")));
        }
        if header.len() > MAX_COLUMNS {
            return Err(at(1, None, format!("{} columns; at most {MAX_COLUMNS} are read", header.len())));
        }
        Ok(Table { reader, header, row: csv::StringRecord::new(), rows: 0 })
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> &csv::StringRecord {
        &self.header
    }

    /// Where the column `name` is.
    pub(super) fn column(&self, name: &str) -> Result<usize, TraceError> {
        self.header.iter().position(|found| found == name).ok_or_else(|| {
            let found: Vec<&str> = self.header.iter().take(8).collect();
            let more = if self.header.len() > 8 { ", …" } else { "" };
            at(1, None, format!("no column `{name}`; the header has `{}`{more}", found.join("`, `")))
        })
    }

    /// Goes to the next row; false at the end. A row with missing or surplus columns is an error, and so is a table without rows.
    pub(super) fn advance(&mut self) -> Result<bool, TraceError> {
        let line = self.reader.position().line();
        if !self.reader.read_record(&mut self.row).map_err(|e| wrap(&e, line))? {
            return if self.rows == 0 {
                Err(at(
                    self.line().max(2),
                    None,
                    "the file ends after its header; at least one row is needed",
                ))
            } else {
                Ok(false)
            };
        }
        self.rows += 1;
        if self.row.len() != self.header.len() {
            let problem = format!(
                "{} columns where the header has {}: the row is cut off or damaged",
                self.row.len(),
                self.header.len()
            );
            return Err(at(self.line(), None, problem));
        }
        Ok(true)
    }

    /// The row's text in a column.
    pub(super) fn text(&self, column: usize) -> &str {
        self.row.get(column).unwrap_or_default()
    }

    /// The row's number in a column: finite and within `range`, of which `valid` says in words what it is.
    pub(super) fn number(
        &self,
        column: usize,
        range: std::ops::RangeInclusive<f64>,
        valid: &str,
    ) -> Result<f64, TraceError> {
        let text = self.text(column);
        match text.parse::<f64>() {
            // NaN is in no range.
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(self.bad(column, format!("`{text}` is not {valid}"))),
        }
    }

    /// The row's whole number in a column, at most `max`.
    pub(super) fn whole(&self, column: usize, max: u32) -> Result<u32, TraceError> {
        let text = self.text(column);
        match text.parse::<u32>() {
            Ok(number) if number <= max => Ok(number),
            _ => Err(self.bad(column, format!("`{text}` is not a whole number between 0 and {max}"))),
        }
    }

    /// An error about the row's value in a column.
    pub(super) fn bad(&self, column: usize, problem: impl Into<String>) -> TraceError {
        at(self.line(), self.header.get(column), problem)
    }

    /// The row's line.
    pub(super) fn line(&self) -> u64 {
        self.row.position().map_or(self.reader.position().line(), csv::Position::line)
    }
}

/// An error at a place.
pub(super) fn at(line: u64, column: Option<&str>, problem: impl Into<String>) -> TraceError {
    TraceError { line, column: column.map(str::to_owned), problem: problem.into() }
}

fn wrap(error: &csv::Error, line: u64) -> TraceError {
    let line = error.position().map_or(line, csv::Position::line).max(1);
    let problem = match error.kind() {
        csv::ErrorKind::Io(error) => format!("cannot be read: {error}"),
        csv::ErrorKind::Utf8 { .. } => {
            "not UTF-8 text; a CSV file is expected (unpack it if it is compressed)".to_owned()
        }
        _ => error.to_string(),
    };
    at(line, None, problem)
}
