//! Of a run's rows what calibration looks at.

use crate::failure::Failure;
use edge_faas_core::results::{
    CallRecord, LookupPurpose, LookupRecord, MemoryFolder, Outcome, Reader, Table,
};

/// A call, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its phase.
    pub phase: String,
    /// Its number.
    pub number: u64,
    /// It succeeded, at its first attempt.
    pub ok: bool,
    /// From due to taken.
    pub lag: Option<i64>,
    /// Its look-up.
    pub lookup: i64,
    /// The winner's dial.
    pub connect: i64,
    /// What the function took.
    pub exec: Option<i64>,
    /// All of it.
    pub latency: Option<i64>,
}

impl Call {
    /// True if it needed neither a look-up nor a connection nor a second attempt.
    pub(super) fn is_plain(&self) -> bool {
        self.ok && self.lookup == 0 && self.connect == 0
    }

    /// What it took between its entry and its function, and back.
    pub(super) fn passage(&self) -> Option<i64> {
        Some(self.latency? - self.lag? - self.exec?)
    }

    /// What it waited for a connection, if it did.
    pub(super) fn dial(&self) -> Option<i64> {
        (self.ok && self.connect > 0).then_some(self.connect)
    }
}

/// A look-up, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// From its start to its end.
    pub length: i64,
    /// Requests, one after the other.
    pub requests: i64,
    /// It opened no connection, and every request was answered.
    pub plain: bool,
}

impl Lookup {
    /// What one of its requests took.
    pub(super) fn per_request(&self) -> Option<i64> {
        (self.plain && self.requests > 0).then(|| self.length / self.requests)
    }
}

/// The rows of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Its calls.
    pub calls: Vec<Call>,
    /// Its look-ups for calls.
    pub lookups: Vec<Lookup>,
}

impl Rows {
    /// The rows of a folder.
    ///
    /// # Errors
    /// If a file is broken.
    pub(super) fn read(folder: &MemoryFolder) -> Result<Rows, Failure> {
        let mut rows = Rows::default();
        let file = |table: Table| folder.get(table.file_name()).unwrap_or_default();
        let mut calls = Reader::new(Table::Calls, file(Table::Calls)).map_err(Failure::other)?;
        while let Some((_, call)) = calls.next::<CallRecord>().map_err(Failure::other)? {
            rows.calls.push(Call {
                phase: call.phase.to_string(),
                number: call.call,
                ok: call.outcome == Outcome::Ok && call.attempts == 1,
                lag: call.lag_us,
                lookup: call.lookup_us.unwrap_or(0),
                connect: call.connect_us.unwrap_or(0),
                exec: call.exec_us,
                latency: call.latency_us,
            });
        }
        let mut lookups = Reader::new(Table::Lookups, file(Table::Lookups)).map_err(Failure::other)?;
        while let Some((_, lookup)) = lookups.next::<LookupRecord>().map_err(Failure::other)? {
            let Some(done) = lookup.done_us.filter(|_| lookup.purpose == LookupPurpose::Call) else {
                continue;
            };
            rows.lookups.push(Lookup {
                length: done - lookup.start_us,
                requests: i64::from(lookup.requests),
                plain: lookup.dials == 0 && lookup.timeouts == 0,
            });
        }
        Ok(rows)
    }
}
