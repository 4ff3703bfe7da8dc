//! The Azure Functions 2019 format: invocations per minute, percentiles of durations and of memory, a file each.

use super::table::{Table, at};
use super::{TraceError, sampled};
use crate::draws::Distribution;
use std::collections::BTreeMap;
use std::io::Read;

/// How often functions were invoked, minute by minute.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocations {
    /// The functions, in the order in which they first appear in the file.
    pub functions: Vec<FunctionCounts>,
    /// How many minutes the file covers.
    pub minutes: u32,
}

/// The invocations of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCounts {
    /// Owner, app and function, joined by slashes.
    pub id: String,
    /// (minute from 0, invocations in it), ascending; minutes without any are left out.
    pub counts: Vec<(u32, u32)>,
}

/// Durations of functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Durations {
    /// The rows, in the order of the file.
    pub rows: Vec<DurationRow>,
    by_id: BTreeMap<String, u32>,
}

/// The durations of one function.
#[derive(Clone, Debug, PartialEq)]
pub struct DurationRow {
    /// Owner, app and function, joined by slashes.
    pub id: String,
    /// Linear between the percentiles 0, 1, 25, 50, 75, 99 and 100; in seconds.
    pub law: Distribution,
}

/// Memory of apps.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The rows, in the order of the file.
    pub rows: Vec<MemoryRow>,
}

/// The memory of one app.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryRow {
    /// Owner and app, and the function where the file has that column, joined by slashes.
    pub id: String,
    /// The average, in MiB.
    pub average_mib: f64,
    /// Linear between the percentiles 1, 5, 25, 50, 75, 95, 99 and 100 (constant below the first); in MiB.
    pub law: Distribution,
}

impl Durations {
    /// The row of the function with this id.
    pub fn of(&self, id: &str) -> Option<&DurationRow> {
        self.by_id.get(id).and_then(|row| self.rows.get(*row as usize))
    }
}

/// The columns that name a function.
const ID: [&str; 3] = ["HashOwner", "HashApp", "HashFunction"];

/// Reads an invocations file: the columns `HashOwner`, `HashApp`, `HashFunction`, `Trigger`, then `1`, `2` … for each
/// minute (a day has 1,440; any number from 1 on is read). Of a function with several rows (triggers) the counts add up.
/// Only functions in the sample of `share` are kept, see [`sampled`]; all rows are checked.
pub fn read_invocations(input: impl Read, share: f64) -> Result<Invocations, TraceError> {
    let mut table = Table::open(input, "an invocations file of the Azure 2019 format")?;
    let id = columns(&table, &ID)?;
    let first = table.column("Trigger")? + 1;
    let minutes = table.header().len().saturating_sub(first);
    if minutes == 0 {
        return Err(at(1, None, "no column `1` after `Trigger`; a column for each minute is needed"));
    }
    for (i, name) in table.header().iter().skip(first).enumerate() {
        if name.parse() != Ok(i + 1) {
            let problem =
                format!("the columns after `Trigger` are the minutes 1, 2 …; `{}` should be here", i + 1);
            return Err(at(1, Some(name), problem));
        }
    }
    let mut functions: Vec<FunctionCounts> = Vec::new();
    let mut known = BTreeMap::new();
    while table.advance()? {
        let mut counts = Vec::new();
        for minute in 0..minutes {
            let count = table.whole(first + minute, 1_000_000_000)?;
            if count > 0 {
                counts.push((minute as u32, count));
            }
        }
        let id = joined(&table, &id);
        if !sampled(&id, share) {
            continue;
        }
        match known.get(&id) {
            Some(index) => {
                let function: &mut FunctionCounts = &mut functions[*index];
                function.counts = sum(&function.counts, &counts);
            }
            None => {
                known.insert(id.clone(), functions.len());
                functions.push(FunctionCounts { id, counts });
            }
        }
    }
    Ok(Invocations { functions, minutes: minutes as u32 })
}

/// Reads a durations file: the columns `HashOwner`, `HashApp`, `HashFunction` and `percentile_Average_0`, `_1`, `_25`, `_50`, `_75`, `_99`, `_100`
/// in milliseconds. Of a function with several rows, [`Durations::of`] gives the one with the greatest `Count` (the first, where there is no such column).
pub fn read_durations(input: impl Read) -> Result<Durations, TraceError> {
    const PERCENTILES: [(&str, f64); 7] = [
        ("percentile_Average_0", 0.0),
        ("percentile_Average_1", 0.01),
        ("percentile_Average_25", 0.25),
        ("percentile_Average_50", 0.5),
        ("percentile_Average_75", 0.75),
        ("percentile_Average_99", 0.99),
        ("percentile_Average_100", 1.0),
    ];
    let mut table = Table::open(input, "a durations file of the Azure 2019 format")?;
    let id = columns(&table, &ID)?;
    let percentiles = columns(&table, &PERCENTILES.map(|(name, _)| name))?;
    let count = table.column("Count").ok();
    let mut rows: Vec<DurationRow> = Vec::new();
    let mut best: BTreeMap<String, (f64, u32)> = BTreeMap::new();
    while table.advance()? {
        let points = points(&table, &percentiles, &PERCENTILES, 1e-3)?;
        let weight = count.map_or(Ok(0.0), |c| table.number(c, 0.0..=1e15, "a number of zero or more"))?;
        let id = joined(&table, &id);
        let row = rows.len() as u32;
        best.entry(id.clone())
            .and_modify(|entry| {
                if weight > entry.0 {
                    *entry = (weight, row);
                }
            })
            .or_insert((weight, row));
        rows.push(DurationRow { id, law: Distribution::Empirical(points.into()) });
    }
    Ok(Durations { rows, by_id: best.into_iter().map(|(id, (_, row))| (id, row)).collect() })
}

/// Reads a memory file: the columns `HashOwner`, `HashApp`, `AverageAllocatedMb` and `AverageAllocatedMb_pct1`, `_pct5`, `_pct25`, `_pct50`, `_pct75`, `_pct95`,
/// `_pct99`, `_pct100`, in MiB; and `HashFunction`, where the file has it.
pub fn read_memory(input: impl Read) -> Result<Memory, TraceError> {
    const PERCENTILES: [(&str, f64); 8] = [
        ("AverageAllocatedMb_pct1", 0.01),
        ("AverageAllocatedMb_pct5", 0.05),
        ("AverageAllocatedMb_pct25", 0.25),
        ("AverageAllocatedMb_pct50", 0.5),
        ("AverageAllocatedMb_pct75", 0.75),
        ("AverageAllocatedMb_pct95", 0.95),
        ("AverageAllocatedMb_pct99", 0.99),
        ("AverageAllocatedMb_pct100", 1.0),
    ];
    let mut table = Table::open(input, "a memory file of the Azure 2019 format")?;
    let mut id = columns(&table, &ID[..2])?;
    id.extend(table.column(ID[2]).ok());
    let average = table.column("AverageAllocatedMb")?;
    let percentiles = columns(&table, &PERCENTILES.map(|(name, _)| name))?;
    let mut rows = Vec::new();
    while table.advance()? {
        let mut points = points(&table, &percentiles, &PERCENTILES, 1.0)?;
        if let Some((_, least)) = points.first().copied() {
            points.insert(0, (0.0, least));
        }
        let average_mib = table.number(average, 0.0..=MAX_VALUE, VALID_VALUE)?;
        rows.push(MemoryRow {
            id: joined(&table, &id),
            average_mib,
            law: Distribution::Empirical(points.into()),
        });
    }
    Ok(Memory { rows })
}

/// The greatest duration in milliseconds (31 years) or memory in MiB that is believed.
const MAX_VALUE: f64 = 1e12;
const VALID_VALUE: &str = "a number between 0 and 1e12";

/// The row's percentiles, each times `unit`.
fn points<R: Read, const N: usize>(
    table: &Table<R>,
    columns: &[usize],
    percentiles: &[(&str, f64); N],
    unit: f64,
) -> Result<Vec<(f64, f64)>, TraceError> {
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(N + 1);
    for (column, (_, probability)) in columns.iter().zip(percentiles) {
        let value = unit * table.number(*column, 0.0..=MAX_VALUE, VALID_VALUE)?;
        if points.last().is_some_and(|(_, before)| value < *before) {
            let problem = format!(
                "`{}` is below the percentile before it; percentiles must not fall",
                table.text(*column)
            );
            return Err(table.bad(*column, problem));
        }
        points.push((*probability, value));
    }
    Ok(points)
}

fn columns<R: Read>(table: &Table<R>, names: &[&str]) -> Result<Vec<usize>, TraceError> {
    names.iter().map(|name| table.column(name)).collect()
}

fn joined<R: Read>(table: &Table<R>, columns: &[usize]) -> String {
    let parts: Vec<&str> = columns.iter().map(|column| table.text(*column)).collect();
    parts.join("/")
}

/// The sum of two ascending lists of counts.
fn sum(a: &[(u32, u32)], b: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut all: BTreeMap<u32, u32> = BTreeMap::new();
    for (minute, count) in a.iter().chain(b) {
        let total = all.entry(*minute).or_default();
        *total = total.saturating_add(*count);
    }
    all.into_iter().collect()
}
