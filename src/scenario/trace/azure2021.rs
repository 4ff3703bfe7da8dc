//! The Azure Functions 2021 format: a row an invocation.

use super::table::Table;
use super::{TraceError, sampled};
use crate::time::Duration;
use std::collections::BTreeMap;
use std::io::Read;

/// Recorded invocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// App and function, joined by a slash, in the order in which they first appear in the file.
    pub functions: Vec<String>,
    /// The invocations, by start; those that start together in the order of the file.
    pub calls: Vec<RecordedCall>,
}

/// A recorded invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    /// When it started, counted from the earliest start in the file, whatever is sampled.
    pub start: Duration,
    /// Which function, an index into [`Recorded::functions`].
    pub function: u32,
    /// Which invocation of this function it is, from 0, by start.
    pub number: u32,
    /// How long it ran.
    pub duration: Duration,
}

/// Reads the columns `app`, `func`, `end_timestamp` and `duration`, both in seconds; start = end − duration.
/// Only functions in the sample of `share` are kept, see [`sampled`]; all rows are checked.
pub fn read_recorded(input: impl Read, share: f64) -> Result<Recorded, TraceError> {
    /// 31 years each way: sums stay far inside what a time holds, and a Unix time fits.
    const MAX_SECONDS: f64 = 2e9;
    let mut table = Table::open(input, "a trace of the Azure 2021 format")?;
    let [app, func, end, duration] = [
        table.column("app")?,
        table.column("func")?,
        table.column("end_timestamp")?,
        table.column("duration")?,
    ];
    let mut functions = Vec::new();
    let mut known: BTreeMap<String, Option<u32>> = BTreeMap::new();
    let mut calls = Vec::new();
    let mut earliest = i64::MAX;
    while table.advance()? {
        let end =
            table.number(end, -MAX_SECONDS..=MAX_SECONDS, "a number of seconds between -2e9 and 2e9")?;
        let duration = table.number(duration, 0.0..=MAX_SECONDS, "a number of seconds between 0 and 2e9")?;
        // In whole nanoseconds, so that the difference does not depend on how large the timestamps are.
        let [end, duration] = [end, duration].map(|seconds| libm::round(seconds * 1e9) as i64);
        let start = end.saturating_sub(duration);
        earliest = earliest.min(start);
        let id = format!("{}/{}", table.text(app), table.text(func));
        let function = match known.get(&id) {
            Some(known) => *known,
            None => {
                let index = sampled(&id, share).then(|| {
                    functions.push(id.clone());
                    functions.len() as u32 - 1
                });
                known.insert(id, index);
                index
            }
        };
        if let Some(function) = function {
            calls.push((start, function, duration));
        }
    }
    calls.sort_by_key(|(start, ..)| *start);
    let mut numbers = vec![0u32; functions.len()];
    let calls = calls
        .into_iter()
        .map(|(start, function, duration)| {
            let next = &mut numbers[function as usize];
            let number = *next;
            *next = next.saturating_add(1);
            let start = Duration::from_nanos(start.saturating_sub(earliest));
            RecordedCall { start, function, number, duration: Duration::from_nanos(duration) }
        })
        .collect();
    Ok(Recorded { functions, calls })
}
