//! Where the files of two runs that should be equal begin to differ.

use crate::run::{Run, RunError};
use csv::ByteRecord;
use edge_faas_core::results::Table;
use serde::Serialize;
use std::fs::File;

/// Columns that say which row it is.
const KEYS: [&str; 8] = ["variant", "repetition", "call", "node", "second", "metric", "group", "statistic"];

/// A file that is not the same in both runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// Its name.
    pub name: String,
    /// Where it begins to differ, for a person to read.
    pub place: String,
}

/// The files that differ, rows of calls first.
pub(super) fn differences(base: &Run, new: &Run) -> Result<Vec<FileDifference>, RunError> {
    let hash = |run: &Run, name: &str| {
        run.manifest().files.iter().find(|entry| entry.name == name).map(|entry| entry.sha256.clone())
    };
    let tables = Table::ALL.map(|table| (table.file_name().to_owned(), Some(table)));
    let mut names: Vec<(String, Option<Table>)> = tables.into();
    for entry in base.manifest().files.iter().chain(&new.manifest().files) {
        if !names.iter().any(|(name, _)| *name == entry.name) {
            names.push((entry.name.clone(), None));
        }
    }
    let mut found = Vec::new();
    for (name, table) in names {
        let (in_base, in_new) = (hash(base, &name), hash(new, &name));
        if in_base == in_new {
            continue;
        }
        let kept = |table: &Table| base.keeps(*table) && new.keeps(*table);
        let place = match table.filter(kept) {
            _ if in_base.is_none() => "only in new".to_owned(),
            _ if in_new.is_none() => "only in base".to_owned(),
            Some(table) => first_row(table, base, new)?,
            None if table.is_some() => "has another hash; its rows are not kept".to_owned(),
            None => "has another hash".to_owned(),
        };
        found.push(FileDifference { name, place });
    }
    Ok(found)
}

/// The first row, and in it the first column, that is not the same.
fn first_row(table: Table, base: &Run, new: &Run) -> Result<String, RunError> {
    let (mut base_rows, mut new_rows) = (raw(table, base)?, raw(table, new)?);
    let (mut in_base, mut in_new) = (ByteRecord::new(), ByteRecord::new());
    let mut rows = 0_u64;
    loop {
        let more = (base_rows.read(&mut in_base)?, new_rows.read(&mut in_new)?);
        let line = || in_base.position().map_or(0, csv::Position::line);
        match more {
            (false, false) => return Ok("differs in how its rows are written".into()),
            (true, false) => return Ok(format!("new ends after {rows} rows, base has more")),
            (false, true) => return Ok(format!("base ends after {rows} rows, new has more")),
            (true, true) if in_base == in_new => rows += 1,
            (true, true) => {
                let differs = in_base.iter().zip(&in_new).position(|(base, new)| base != new).unwrap_or(0);
                let column = table.all_columns().nth(differs).map_or("?", |column| column.name);
                let text = |record: &ByteRecord, at: usize| match record.get(at) {
                    None | Some([]) => "empty".to_owned(),
                    Some(cell) => String::from_utf8_lossy(cell).into_owned(),
                };
                let of = table
                    .all_columns()
                    .enumerate()
                    .take(differs)
                    .filter(|(at, column)| {
                        KEYS.contains(&column.name) && in_base.get(*at).is_some_and(|cell| !cell.is_empty())
                    })
                    .map(|(at, column)| match text(&in_base, at) {
                        // `node-3` says already that it is a node.
                        cell if cell.starts_with(column.name) => cell,
                        cell => format!("{} {cell}", column.name),
                    })
                    .collect::<Vec<_>>()
                    .join(", ");
                return Ok(format!(
                    "line {} ({of}): {column} is {} in base, {} in new",
                    line(),
                    text(&in_base, differs),
                    text(&in_new, differs)
                ));
            }
        }
    }
}

/// The rows of a file as bytes.
struct Raw {
    path: std::path::PathBuf,
    csv: csv::Reader<File>,
}

impl Raw {
    fn read(&mut self, into: &mut ByteRecord) -> Result<bool, RunError> {
        self.csv
            .read_byte_record(into)
            .map_err(|error| RunError::File { path: self.path.clone(), error: error.into() })
    }
}

fn raw(table: Table, run: &Run) -> Result<Raw, RunError> {
    let path = run.folder().join(table.file_name());
    let file = File::open(&path).map_err(|error| RunError::File { path: path.clone(), error })?;
    let csv = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    Ok(Raw { path, csv })
}
