//! Lists of measured pairs: King's topology files, plain triples, WonderNetwork's pings.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::error::{MatrixError, MatrixProblem};
use super::matrix::{MAX_ROWS, MISSING, NEGATIVE, TimeUnit, parse_cell, shorten};
use super::read::{Lines, read_error};

/// Most measurements of a list: WonderNetwork's two days have four million.
const MAX_SAMPLES: usize = 64_000_000;

/// Measurements of pairs of named sites, to become a square matrix.
#[derive(Default)]
struct Samples {
    sites: BTreeMap<String, u32>,
    samples: Vec<(u32, u32, u32)>,
}

impl Samples {
    fn site(&mut self, name: &str) -> Result<u32, MatrixProblem> {
        if let Some(site) = self.sites.get(name) {
            return Ok(*site);
        }
        let site = self.sites.len();
        if site == MAX_ROWS {
            return Err(MatrixProblem::TooManyRows);
        }
        self.sites.insert(name.to_owned(), site as u32);
        Ok(site as u32)
    }

    fn add(&mut self, from: &str, to: &str, value: &str, unit: TimeUnit) -> Result<(), MatrixProblem> {
        let sample = (self.site(from)?, self.site(to)?, parse_cell(value, unit)?);
        if self.samples.len() == MAX_SAMPLES {
            return Err(MatrixProblem::TooManySamples(MAX_SAMPLES));
        }
        self.samples.push(sample);
        Ok(())
    }

    /// Raw cells and names: whole numbers in their order, other names in the order of their bytes. A pair that was
    /// measured in one direction only counts for both; of several measurements the median counts.
    fn into_square(mut self) -> (Vec<u32>, Vec<String>) {
        let mut names: Vec<(String, u32)> = self.sites.into_iter().collect();
        names.sort_by_cached_key(|(name, _)| (name.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
        let rows = names.len();
        let mut row_of = vec![0; rows];
        for (row, (_, site)) in names.iter().enumerate() {
            row_of[*site as usize] = row;
        }
        let mut cells = vec![MISSING; rows * rows];
        self.samples.sort_unstable();
        for same in self.samples.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let measured: &[_] = &same[..same.partition_point(|sample| sample.2 < NEGATIVE)];
            let value = if measured.is_empty() { same[0].2 } else { measured[(measured.len() - 1) / 2].2 };
            cells[row_of[same[0].0 as usize] * rows + row_of[same[0].1 as usize]] = value;
        }
        for row in 0..rows {
            for column in 0..row {
                let (there, back) = (row * rows + column, column * rows + row);
                if cells[there] == MISSING {
                    cells[there] = cells[back];
                } else if cells[back] == MISSING {
                    cells[back] = cells[there];
                }
            }
        }
        (cells, names.into_iter().map(|(name, _)| name).collect())
    }
}

/// Reads `from,to time` (King) and `from to time` lines.
pub(super) fn parse_list<R: BufRead>(
    mut lines: Lines<'_, R>,
    unit: TimeUnit,
) -> Result<(Vec<u32>, Vec<String>), MatrixError> {
    let file = lines.name;
    let mut samples = Samples::default();
    while let Some((line_number, line)) = lines.next()? {
        let words: Vec<&str> = line
            .split([',', ';', '\t', ' '])
            .map(|word| word.trim_matches('"'))
            .filter(|word| !word.is_empty())
            .collect();
        // p2psim's other lines: what the topology is, its sites, how they fail.
        if matches!(words.first(), Some(&("topology" | "node" | "failure_model"))) {
            continue;
        }
        let &[from, to, value] = words.as_slice() else {
            return Err(MatrixError::line(file, line_number, MatrixProblem::NotAPair(shorten(line))));
        };
        samples.add(from, to, value, unit).map_err(|problem| match problem {
            MatrixProblem::TooManyRows | MatrixProblem::TooManySamples(_) => MatrixError::file(file, problem),
            problem => MatrixError::value(file, line_number, 3, problem),
        })?;
    }
    if samples.samples.is_empty() {
        return Err(MatrixError::file(file, MatrixProblem::Empty));
    }
    Ok(samples.into_square())
}

/// Reads WonderNetwork's pings.
pub(super) fn parse_pings<R: BufRead>(
    lines: Lines<'_, R>,
    unit: TimeUnit,
) -> Result<(Vec<u32>, Vec<String>), MatrixError> {
    let (file, gzip) = (lines.name, lines.gzip());
    let (input, lines_before) = lines.into_rest();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let failed = |error: csv::Error| {
        let line = error.position().map(|position| position.line() + lines_before);
        let problem = match error.into_kind() {
            csv::ErrorKind::Io(error) => return read_error(file, gzip, &error),
            csv::ErrorKind::Utf8 { .. } => MatrixProblem::NotText,
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                MatrixProblem::RaggedRow { found: len as usize, expected: expected_len as usize }
            }
            other => MatrixProblem::Unreadable(format!("{other:?}")),
        };
        MatrixError { file: file.to_owned(), line, column: None, problem }
    };
    let header = reader.headers().map_err(failed)?.clone();
    let column = |name: &'static str| {
        header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| MatrixError::line(file, lines_before + 1, MatrixProblem::NoColumn(name)))
    };
    let (from, to, average) = (column("source")?, column("destination")?, column("avg")?);
    let mut samples = Samples::default();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(failed)? {
        let value = |column: usize| record.get(column).unwrap_or_default();
        samples.add(value(from), value(to), value(average), unit).map_err(|problem| match problem {
            MatrixProblem::TooManyRows | MatrixProblem::TooManySamples(_) => MatrixError::file(file, problem),
            problem => {
                let line = record.position().map_or(0, |position| position.line()) + lines_before;
                MatrixError::value(file, line, average + 1, problem)
            }
        })?;
    }
    if samples.samples.is_empty() {
        return Err(MatrixError::file(file, MatrixProblem::Empty));
    }
    Ok(samples.into_square())
}
