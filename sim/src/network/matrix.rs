//! Matrices of measured round trips.

use std::fmt;

use edge_faas_core::time::Duration;

use super::error::{MatrixError, MatrixProblem};

/// The largest matrix: 16,384 rows take 1 GiB.
pub const MAX_ROWS: usize = 16_384;

/// The longest round trip that is taken for a measurement; beyond it the unit is wrong.
pub const MAX_ROUND_TRIP: Duration = Duration::from_secs(30);

/// Cells hold one-way times in units of 100 ns: exact for round trips in whole microseconds, up to 429 s.
pub(super) const CELL_NANOS: i64 = 100;

/// A cell without a measurement.
pub(super) const MISSING: u32 = u32::MAX;
/// A cell with a negative number.
pub(super) const NEGATIVE: u32 = u32::MAX - 1;

/// The unit of the numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Microseconds (King).
    Micros,
    /// Milliseconds (PlanetLab, WonderNetwork).
    Millis,
    /// Seconds (Seattle).
    Seconds,
}

impl TimeUnit {
    /// Cells (100 ns, one way) in one unit of round trip.
    fn cells(self) -> f64 {
        match self {
            TimeUnit::Micros => 5.0,
            TimeUnit::Millis => 5e3,
            TimeUnit::Seconds => 5e6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            TimeUnit::Micros => "us",
            TimeUnit::Millis => "ms",
            TimeUnit::Seconds => "s",
        }
    }
}

/// What becomes of cells off the diagonal that are missing or not positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// The file is refused.
    #[default]
    Error,
    /// A cell becomes the mean of its row's and its column's medians (of those that have one), else the median of
    /// the whole matrix.
    Median,
    /// Rows (with their columns) are dropped until no such cell is left, the one with most of them first.
    Drop,
}

/// Why a cell cannot be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCellKind {
    /// No value, or a mark for none.
    Missing,
    /// Zero.
    Zero,
    /// A negative number.
    Negative,
}

/// A cell that cannot be used as it is; row and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCell {
    /// Row.
    pub row: usize,
    /// Column.
    pub column: usize,
    /// What is wrong with it.
    pub kind: BadCellKind,
}

/// How many cells off the diagonal were missing or not positive, and the first few of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BadCells {
    /// Cells without a value.
    pub missing: usize,
    /// Cells of zero.
    pub zero: usize,
    /// Cells with a negative number.
    pub negative: usize,
    /// Cells off the diagonal in all.
    pub cells: usize,
    /// The first few bad ones, by row and column.
    pub first: Vec<BadCell>,
    /// Rows (from 1) that were dropped, in order.
    pub dropped_rows: Vec<usize>,
}

impl BadCells {
    /// How many first cells are named.
    const NAMED: usize = 5;

    /// All bad cells.
    pub fn count(&self) -> usize {
        self.missing + self.zero + self.negative
    }

    fn add(&mut self, row: usize, column: usize, kind: BadCellKind) {
        match kind {
            BadCellKind::Missing => self.missing += 1,
            BadCellKind::Zero => self.zero += 1,
            BadCellKind::Negative => self.negative += 1,
        }
        if self.first.len() < Self::NAMED {
            self.first.push(BadCell { row: row + 1, column: column + 1, kind });
        }
    }
}

impl fmt::Display for BadCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} cells off the diagonal are not positive round trips ({} missing, {} zero, {} negative), first",
            self.count(),
            self.cells,
            self.missing,
            self.zero,
            self.negative
        )?;
        for (i, cell) in self.first.iter().enumerate() {
            let separator = if i == 0 { ":" } else { "," };
            let kind = match cell.kind {
                BadCellKind::Missing => "missing",
                BadCellKind::Zero => "zero",
                BadCellKind::Negative => "negative",
            };
            write!(f, "{separator} row {} column {} ({kind})", cell.row, cell.column)?;
        }
        Ok(())
    }
}

/// A square matrix of round trips between sites; the direction of asymmetric ones is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundTrips {
    rows: usize,
    /// One-way times in [`CELL_NANOS`], row by row.
    cells: Vec<u32>,
    names: Vec<String>,
    bad: BadCells,
}

impl RoundTrips {
    /// Takes raw cells (row by row, with the marks for missing and negative ones) and resolves the bad ones.
    pub(super) fn resolve(
        file: &str,
        mut cells: Vec<u32>,
        names: Vec<String>,
        missing: Missing,
    ) -> Result<Self, MatrixError> {
        let mut rows = names.len();
        assert_eq!(cells.len(), rows * rows, "parsers deliver square matrices");
        if rows < 2 {
            let problem = if rows == 0 { MatrixProblem::Empty } else { MatrixProblem::OneRow };
            return Err(MatrixError::file(file, problem));
        }
        let mut bad = BadCells { cells: rows * (rows - 1), ..BadCells::default() };
        for row in 0..rows {
            for column in 0..rows {
                let cell = &mut cells[row * rows + column];
                if row == column {
                    *cell = 0;
                    continue;
                }
                let kind = match *cell {
                    MISSING => BadCellKind::Missing,
                    NEGATIVE => BadCellKind::Negative,
                    0 => BadCellKind::Zero,
                    _ => continue,
                };
                bad.add(row, column, kind);
                *cell = MISSING;
            }
        }
        let mut names = names;
        if bad.count() > 0 {
            match missing {
                Missing::Error => return Err(MatrixError::file(file, MatrixProblem::Missing(Box::new(bad)))),
                Missing::Median => {
                    if bad.count() == bad.cells {
                        return Err(MatrixError::file(file, MatrixProblem::NothingLeft(Box::new(bad))));
                    }
                    fill_with_medians(&mut cells, rows);
                }
                Missing::Drop => {
                    let keep = rows_without_gaps(&cells, rows);
                    bad.dropped_rows =
                        (0..rows).filter(|r| keep.binary_search(r).is_err()).map(|r| r + 1).collect();
                    if keep.len() < 2 {
                        return Err(MatrixError::file(file, MatrixProblem::NothingLeft(Box::new(bad))));
                    }
                    let old = &cells;
                    cells = keep.iter().flat_map(|r| keep.iter().map(move |c| old[r * rows + c])).collect();
                    names = keep.iter().map(|r| std::mem::take(&mut names[*r])).collect();
                    rows = keep.len();
                }
            }
        }
        Ok(RoundTrips { rows, cells, names, bad })
    }

    /// A matrix between regions: `round_trips[from][to]` in the order of `names`, the round trip within a region on
    /// the diagonal. Kept in units of 200 ns, up to 858 s.
    ///
    /// # Panics
    /// If there are not as many rows and columns as names, or more than [`MAX_ROWS`].
    pub fn from_rows(names: &[String], round_trips: &[Vec<Duration>]) -> Self {
        let rows = names.len();
        assert!(rows <= MAX_ROWS, "more regions than a matrix has rows");
        assert!(
            round_trips.len() == rows && round_trips.iter().all(|row| row.len() == rows),
            "a square matrix"
        );
        let cell = |round_trip: &Duration| {
            // Below the marks for missing cells.
            (round_trip.as_nanos() / (2 * CELL_NANOS)).min(i64::from(NEGATIVE - 1)) as u32
        };
        RoundTrips {
            rows,
            cells: round_trips.iter().flatten().map(cell).collect(),
            names: names.to_vec(),
            bad: BadCells::default(),
        }
    }

    /// Number of sites.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The sites' names; their numbers from 1 when the file has none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Which cells had to be resolved.
    pub fn bad_cells(&self) -> &BadCells {
        &self.bad
    }

    /// The round trip from row `from` to column `to` (from 0). On the diagonal zero in a matrix from a file, the round
    /// trip within a region in one between regions.
    ///
    /// # Panics
    /// If a row or column is not below [`RoundTrips::rows`].
    pub fn round_trip(&self, from: usize, to: usize) -> Duration {
        assert!(from < self.rows && to < self.rows, "a row of the matrix");
        Duration::from_nanos(i64::from(self.cells[from * self.rows + to]) * CELL_NANOS * 2)
    }

    /// One-way times in [`CELL_NANOS`], row by row.
    pub(super) fn cells(&self) -> &[u32] {
        &self.cells
    }
}

/// The cell of a value as written; `Err` for what is neither a number nor a mark for a missing one.
pub(super) fn parse_cell(text: &str, unit: TimeUnit) -> Result<u32, MatrixProblem> {
    const MARKS: [&str; 8] = ["", "-", "*", "na", "n/a", "null", "none", "?"];
    if MARKS.iter().any(|mark| text.eq_ignore_ascii_case(mark)) {
        return Ok(MISSING);
    }
    let Ok(value) = text.parse::<f64>() else {
        return Err(MatrixProblem::NotANumber(shorten(text)));
    };
    if !value.is_finite() {
        // `nan` and `inf` are how tools write an unreachable host.
        return Ok(MISSING);
    }
    if value < 0.0 {
        return Ok(NEGATIVE);
    }
    if value == 0.0 {
        return Ok(0);
    }
    let cells = value * unit.cells();
    if cells > (MAX_ROUND_TRIP.as_nanos() / (2 * CELL_NANOS)) as f64 {
        return Err(MatrixProblem::TooLong { found: shorten(text), unit: unit.name() });
    }
    Ok((libm::round(cells) as u32).max(1))
}

/// Enough of a text to recognise it.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

/// The lower median; `None` of nothing. Reorders `values`.
fn median(values: &mut [u32]) -> Option<u32> {
    if values.is_empty() {
        return None;
    }
    let middle = (values.len() - 1) / 2;
    Some(*values.select_nth_unstable(middle).1)
}

fn fill_with_medians(cells: &mut [u32], rows: usize) {
    let measured = |cell: &u32| *cell != MISSING && *cell != 0;
    let mut scratch: Vec<u32> = cells.iter().copied().filter(measured).collect();
    // At least one cell is measured: the caller has seen to it.
    let all = median(&mut scratch).unwrap_or(1);
    let mut medians = |line: &mut dyn Iterator<Item = u32>| {
        scratch.clear();
        scratch.extend(line.filter(measured));
        median(&mut scratch)
    };
    let of_row: Vec<Option<u32>> =
        (0..rows).map(|r| medians(&mut cells[r * rows..][..rows].iter().copied())).collect();
    let of_column: Vec<Option<u32>> =
        (0..rows).map(|c| medians(&mut cells.iter().skip(c).step_by(rows).copied())).collect();
    for (i, cell) in cells.iter_mut().enumerate().filter(|(_, cell)| **cell == MISSING) {
        *cell = match (of_row[i / rows], of_column[i % rows]) {
            (Some(a), Some(b)) => a / 2 + b / 2 + (a & b & 1),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => all,
        }
        .max(1);
    }
}

/// Rows that remain when the worst one is dropped until no gap is left; of equals the last one goes.
fn rows_without_gaps(cells: &[u32], rows: usize) -> Vec<usize> {
    let mut gaps: Vec<usize> = vec![0; rows];
    for (i, _) in cells.iter().enumerate().filter(|(_, cell)| **cell == MISSING) {
        gaps[i / rows] += 1;
        gaps[i % rows] += 1;
    }
    let mut keep: Vec<usize> = (0..rows).collect();
    while let Some(position) = (0..keep.len()).max_by_key(|p| gaps[keep[*p]]) {
        let worst = keep[position];
        if gaps[worst] == 0 {
            break;
        }
        keep.remove(position);
        for other in &keep {
            gaps[*other] -= usize::from(cells[worst * rows + other] == MISSING);
            gaps[*other] -= usize::from(cells[other * rows + worst] == MISSING);
        }
    }
    keep
}
