//! Square matrices as text.

use std::io::BufRead;

use super::error::{MatrixError, MatrixProblem};
use super::matrix::{MAX_ROWS, MISSING, TimeUnit, parse_cell, shorten};
use super::read::Lines;

/// What separates the values of a line; decided by the first line.
#[derive(Clone, Copy)]
enum Separator {
    Char(char),
    Space,
}

impl Separator {
    fn of(line: &str) -> Self {
        [',', ';', '\t'].into_iter().find(|c| line.contains(*c)).map_or(Separator::Space, Separator::Char)
    }

    /// The values of a line, and whether it ends with a separator: many programs write one after the last value,
    /// others mean an empty value, so the caller decides by the number of values.
    fn split(self, line: &str) -> (Vec<&str>, bool) {
        let Separator::Char(separator) = self else {
            return (line.split_whitespace().collect(), false);
        };
        let mut values: Vec<&str> =
            line.split(separator).map(|value| value.trim().trim_matches('"').trim()).collect();
        let trailing = values.len() > 1 && values.last() == Some(&"");
        if trailing {
            values.pop();
        }
        (values, trailing)
    }
}

/// Raw cells, row by row, and the sites' names.
pub(super) fn parse<R: BufRead>(
    mut lines: Lines<'_, R>,
    unit: TimeUnit,
) -> Result<(Vec<u32>, Vec<String>), MatrixError> {
    let file = lines.name;
    let is_number = |value: &&str| value.parse::<f64>().is_ok();
    let is_word = |value: &&str| parse_cell(value, unit).is_err();
    let mut header: Option<Vec<String>> = None;
    let mut separator = None;
    let mut columns = 0;
    let mut named = false;
    let mut first_row_trailing = false;
    let mut cells: Vec<u32> = Vec::new();
    let mut rows = 0;
    while let Some((line_number, line)) = lines.next()? {
        let (mut values, trailing) = separator.get_or_insert_with(|| Separator::of(line)).split(line);
        if rows == 0 {
            if header.is_none() && values.iter().any(is_word) && !values.iter().any(is_number) {
                header = Some(values.iter().map(|value| (*value).to_owned()).collect());
                continue;
            }
            named = header.is_some() && values.first().is_some_and(is_word);
            columns = values.len() - usize::from(named);
            first_row_trailing = trailing;
        }
        if rows == 1 && first_row_trailing && values.len() == columns + usize::from(named) + 1 {
            // The first row's end was an empty value after all.
            columns += 1;
            cells.push(MISSING);
        }
        let expected = columns + usize::from(named);
        if trailing && values.len() + 1 == expected {
            values.push("");
        }
        if values.len() != expected {
            let problem = MatrixProblem::RaggedRow { found: values.len(), expected };
            return Err(MatrixError::line(file, line_number, problem));
        }
        rows += 1;
        if columns > MAX_ROWS {
            return Err(MatrixError::file(file, MatrixProblem::TooManyRows));
        }
        if named
            && let Some(column) =
                header.as_ref().and_then(|names| names.iter().rev().nth(columns.checked_sub(rows)?))
            && values[0] != column
        {
            let problem =
                MatrixProblem::NameMismatch { found: shorten(values[0]), expected: shorten(column) };
            return Err(MatrixError::value(file, line_number, 1, problem));
        }
        for (i, value) in values.iter().enumerate().skip(usize::from(named)) {
            let cell = parse_cell(value, unit)
                .map_err(|problem| MatrixError::value(file, line_number, i + 1, problem))?;
            cells.push(cell);
        }
        if rows > columns {
            // Say so now: the rest may be millions of lines of another kind of file.
            return Err(MatrixError::line(file, line_number, MatrixProblem::NotSquare { rows, columns }));
        }
    }
    if rows == 0 {
        return Err(MatrixError::file(file, MatrixProblem::Empty));
    }
    if rows != columns {
        return Err(MatrixError::file(file, MatrixProblem::NotSquare { rows, columns }));
    }
    let names = match header {
        // The corner above the rows' names may have one of its own.
        Some(names) if names.len() == columns || (named && names.len() == columns + 1) => {
            names[names.len() - columns..].to_vec()
        }
        Some(names) => {
            let problem = MatrixProblem::RaggedRow { found: columns, expected: names.len() };
            return Err(MatrixError::file(file, problem));
        }
        None => (1..=rows).map(|row| row.to_string()).collect(),
    };
    Ok((cells, names))
}
