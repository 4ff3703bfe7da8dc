//! What can be wrong with a file of measured latencies.

use std::fmt;

use super::matrix::{BadCells, MAX_ROUND_TRIP, MAX_ROWS};

/// A latency file that cannot be used: which file, where, what was found and what would be valid.
///
/// It reads `file:line:value: problem`; lines and the values of a line count from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct MatrixError {
    /// The file as the user named it.
    pub file: String,
    /// The line in the (decompressed) file, if one line is to blame.
    pub line: Option<u64>,
    /// Which value of that line, if one is to blame.
    pub column: Option<usize>,
    /// What is wrong.
    pub problem: MatrixProblem,
}

/// What is wrong with a file of measured latencies.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MatrixProblem {
    /// The operating system cannot read it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A gzip file that is damaged or ends before its end mark.
    #[error("the gzip data is truncated or damaged ({0}); fetch the file again")]
    BadGzip(String),
    /// Not text.
    #[error("is not UTF-8 text; valid is a text file of numbers, or that file compressed with gzip")]
    NotText,
    /// Nothing in it.
    #[error("holds no values; valid is a matrix of at least two rows")]
    Empty,
    /// A row of another length than the first.
    #[error(
        "has {found} values where {expected} are expected; a square matrix has as many values in each row as it has rows"
    )]
    RaggedRow {
        /// Values in this row.
        found: usize,
        /// Values in the first row.
        expected: usize,
    },
    /// Rows and columns differ in number.
    #[error("{rows} rows of {columns} values are not a square matrix{}", if *columns == 3 { "; if this is a list of `from to time` lines, say format = \"pairs\"" } else { "" })]
    NotSquare {
        /// Rows found.
        rows: usize,
        /// Values in each row.
        columns: usize,
    },
    /// A matrix of one row.
    #[error("holds one row; valid is a matrix of at least two rows")]
    OneRow,
    /// A word where a number should be.
    #[error(
        "`{0}` is not a number; valid is a round-trip time such as 12.5, or `-`, `NA`, `nan` or nothing for a missing one"
    )]
    NotANumber(String),
    /// No round trip takes that long.
    #[error(
        "`{found}` ({unit}) is longer than {}, the longest round trip accepted; is the unit right?",
        MAX_ROUND_TRIP
    )]
    TooLong {
        /// The value as written.
        found: String,
        /// The unit it was read in.
        unit: &'static str,
    },
    /// More rows than fit into memory sensibly.
    #[error("has more than {MAX_ROWS} rows; a matrix of that size takes over 1 GiB of memory")]
    TooManyRows,
    /// One line too long to be a row.
    #[error("is longer than {0} bytes; is this a text file?")]
    LongLine(usize),
    /// More measurements than sensible.
    #[error("lists more than {0} measurements; reduce the file to one a pair")]
    TooManySamples(usize),
    /// Cells are missing or not positive, and the scenario did not say what to do.
    #[error(
        "{0}; valid is a positive round trip in every cell off the diagonal, or missing = \"median\" or \"drop-node\""
    )]
    Missing(Box<BadCells>),
    /// Too few rows left.
    #[error("{0}; without them fewer than two rows are left")]
    NothingLeft(Box<BadCells>),
    /// Row names differ from column names.
    #[error(
        "the row is named `{found}`, the column of that position `{expected}`; rows and columns must have the same order"
    )]
    NameMismatch {
        /// The row's name.
        found: String,
        /// The column's name.
        expected: String,
    },
    /// A line of a list that is no pair.
    #[error("`{0}` is not a measurement; valid is `from to time` or `from,to time`")]
    NotAPair(String),
    /// A CSV file of pings without the columns that are read.
    #[error(
        "the header has no column `{0}`; valid is a CSV file with the columns source, destination and avg"
    )]
    NoColumn(&'static str),
}

impl MatrixError {
    /// A problem of the file as a whole.
    pub(crate) fn file(file: &str, problem: MatrixProblem) -> Self {
        MatrixError { file: file.to_owned(), line: None, column: None, problem }
    }

    /// A problem of one line.
    pub(crate) fn line(file: &str, line: u64, problem: MatrixProblem) -> Self {
        MatrixError { file: file.to_owned(), line: Some(line), column: None, problem }
    }

    /// A problem of one value.
    pub(crate) fn value(file: &str, line: u64, column: usize, problem: MatrixProblem) -> Self {
        MatrixError { file: file.to_owned(), line: Some(line), column: Some(column), problem }
    }
}

impl fmt::Display for MatrixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}
